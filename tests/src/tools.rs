//! Where `cargo xtask test` put what the tests need.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory of the tools, as `cargo xtask test` hands it over.
pub const TOOLS_VARIABLE: &str = "BFD_TEST_TOOLS";

const REQUIREMENTS: &str = include_str!("../emulators/requirements.txt");
const HINT: &str = "run `cargo xtask test`, it installs and builds what the tests need";

/// The installed tools of the end-to-end tests.
#[derive(Debug)]
pub struct Tools {
    venv: PathBuf,
}

impl Tools {
    /// Finds the tools.
    ///
    /// # Panics
    /// When they are not installed, or not in the versions that the tests were written for.
    #[track_caller]
    pub fn find() -> &'static Self {
        static FOUND: OnceLock<Result<Tools, String>> = OnceLock::new();
        match FOUND.get_or_init(|| Self::at(&tools_directory())) {
            Ok(tools) => tools,
            Err(reason) => panic!("{reason}"),
        }
    }

    /// Takes the tools in `directory`, or says why it cannot.
    pub fn at(directory: &Path) -> Result<Self, String> {
        let stamp = directory.join("installed");
        match fs::read_to_string(&stamp) {
            Ok(installed) if installed == REQUIREMENTS => Ok(Self { venv: directory.join("venv") }),
            Ok(_) => Err(format!("the test tools in {} are outdated: {HINT}", directory.display())),
            Err(_) => Err(format!("no test tools in {}: {HINT}", directory.display())),
        }
    }

    /// The Python interpreter that has the emulators' packages.
    pub fn python(&self) -> PathBuf {
        self.venv.join("bin/python")
    }

    /// The AWS CLI.
    pub fn aws(&self) -> PathBuf {
        self.venv.join("bin/aws")
    }
}

/// A script of `tests/emulators`.
pub fn emulator_script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("emulators").join(name)
}

/// The `bfd` binary of this build.
///
/// # Panics
/// When it was not built.
#[track_caller]
pub fn bfd_binary() -> PathBuf {
    let path = profile_directory().join(format!("bfd{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "no `bfd` at {}: {HINT}", path.display());
    path
}

fn tools_directory() -> PathBuf {
    match env::var_os(TOOLS_VARIABLE) {
        Some(directory) => directory.into(),
        None => profile_directory().with_file_name("tools"),
    }
}

/// `target/<profile>`: a test runs from the directory `deps` in it.
fn profile_directory() -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    test.ancestors().nth(2).expect("a test lies in `<profile>/deps`").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tools_say_what_to_run() {
        let empty = tempfile::tempdir().unwrap();

        let reason = Tools::at(empty.path()).unwrap_err();

        assert!(reason.contains("run `cargo xtask test`, it installs"), "{reason}");
    }

    #[test]
    fn tools_of_other_versions_say_what_to_run() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("installed"), "ministack==0.1\n").unwrap();

        let reason = Tools::at(directory.path()).unwrap_err();

        assert!(reason.contains("outdated: run `cargo xtask test`"), "{reason}");
    }
}
