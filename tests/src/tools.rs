//! Where `cargo xtask test` put what the tests need.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory of the tools, as `cargo xtask test` hands it over.
pub const TOOLS_VARIABLE: &str = "BFD_TEST_TOOLS";

const REQUIREMENTS: &str = include_str!("../emulators/requirements.txt");
const PACKAGES: &str = include_str!("../emulators/package-lock.json");
const HINT: &str = "run `cargo xtask test`, it installs and builds what the tests need";

/// The installed tools of the end-to-end tests.
#[derive(Debug)]
pub struct Tools {
    venv: PathBuf,
    node: PathBuf,
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
        check(directory, REQUIREMENTS)?;
        Ok(Self { venv: directory.join("venv"), node: directory.join("node") })
    }

    /// The Python interpreter that has the emulators' packages.
    pub fn python(&self) -> PathBuf {
        self.venv.join("bin/python")
    }

    /// The AWS CLI.
    pub fn aws(&self) -> PathBuf {
        self.venv.join("bin/aws")
    }

    /// The CDK's CLI, a script for [`node`].
    ///
    /// # Panics
    /// When it is not installed, or not in the version that the tests were written for.
    #[track_caller]
    pub fn cdk(&self) -> PathBuf {
        if let Err(reason) = check(&self.node, PACKAGES) {
            panic!("{reason}");
        }
        self.node.join("node_modules/aws-cdk/bin/cdk")
    }
}

/// Whether what was installed into a directory is what the tests were written for.
fn check(directory: &Path, wanted: &str) -> Result<(), String> {
    match fs::read_to_string(directory.join("installed")) {
        Ok(installed) if installed == wanted => Ok(()),
        Ok(_) => Err(format!("the test tools in {} are outdated: {HINT}", directory.display())),
        Err(_) => Err(format!("no test tools in {}: {HINT}", directory.display())),
    }
}

/// Node.js, wherever the caller has it: tests have a `PATH` of their own.
///
/// # Panics
/// When it is nowhere.
#[track_caller]
pub fn node() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = env::split_paths(&path).map(|directory| directory.join("node"));
    candidates.find(|it| it.is_file()).unwrap_or_else(|| panic!("no `node` in the PATH: {HINT}"))
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

    #[test]
    #[should_panic(expected = "outdated: run `cargo xtask test`")]
    fn a_cdk_of_another_version_says_what_to_run() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("installed"), REQUIREMENTS).unwrap();
        fs::create_dir(directory.path().join("node")).unwrap();
        fs::write(directory.path().join("node/installed"), "{}").unwrap();

        let tools = Tools::at(directory.path()).unwrap();

        tools.cdk();
    }
}
