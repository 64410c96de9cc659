//! Programs from npm, under `target/tools/node`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Result, cargo};

/// What is installed, beside the emulators that it talks to.
const DIRECTORY: &str = "tests/emulators";
const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";
/// The oldest Node.js that runs the CDK's CLI, see `engines` in the lock.
const OLDEST: u32 = 18;

/// Installs the packages unless they are.
pub(super) fn install(directory: &Path) -> Result<()> {
    let source = cargo::root().join(DIRECTORY);
    let lock = fs::read_to_string(source.join(LOCK))?;
    // As with Python's: the stamp is the lock itself, and the tests compare it too.
    let stamp = directory.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    check_version(&cargo::read(Command::new("node").arg("--version"))?)?;
    fs::create_dir_all(directory)?;
    for file in [MANIFEST, LOCK] {
        fs::copy(source.join(file), directory.join(file))?;
    }
    // Whatever comes of it, what was there is gone.
    let _ = fs::remove_file(&stamp);
    // `ci` takes the lock by its word, and removes what another one left.
    cargo::run(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(directory),
    )?;
    fs::write(stamp, lock)?;
    Ok(())
}

/// Checks what `node --version` prints, such as `v20.20.2`.
fn check_version(printed: &str) -> Result<()> {
    let version = printed.trim();
    let major = version.strip_prefix('v').and_then(|it| it.split('.').next());
    if major.and_then(|it| it.parse().ok()).is_some_and(|major: u32| major >= OLDEST) {
        return Ok(());
    }
    let message = format!(
        "the end-to-end tests need Node.js {OLDEST} or newer, for the CDK's CLI; `node` is {version}"
    );
    Err(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_refused_with_what_is_needed() {
        check_version("v18.0.0\n").unwrap();
        check_version("v20.20.2\n").unwrap();

        let said = check_version("v16.20.2\n").unwrap_err().to_string();

        assert!(said.contains("need Node.js 18 or newer"), "{said}");
        assert!(said.ends_with("`node` is v16.20.2"), "{said}");
        assert!(check_version("nothing").is_err());
    }

    #[test]
    fn what_is_locked_is_what_is_asked_for() {
        let read =
            |file: &str| fs::read_to_string(cargo::root().join(DIRECTORY).join(file)).unwrap();
        let [manifest, lock]: [serde_json::Value; 2] =
            [MANIFEST, LOCK].map(|file| serde_json::from_str(&read(file)).unwrap());

        assert_eq!(manifest["dependencies"], lock["packages"][""]["dependencies"]);
        let needed = &lock["packages"]["node_modules/aws-cdk"]["engines"]["node"];
        assert_eq!(*needed, format!(">= {OLDEST}.0.0"));
    }
}
