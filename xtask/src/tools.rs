//! The tools of the end-to-end tests, in a virtual environment under `target/tools`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, cargo};

/// Tells the tests where the tools are.
pub(crate) const VARIABLE: &str = "BFD_TEST_TOOLS";

const REQUIREMENTS: &str = "tests/emulators/requirements.txt";
const NO_VENV: &str = "python3 cannot make virtual environments, which the end-to-end tests need: \
    install its `venv` module (Debian and Ubuntu: `apt-get install python3-venv`)";
const NO_PYTHON: &str = "there is no `python3`, which the end-to-end tests need: install Python \
    3.10 or newer with its `venv` module (Debian and Ubuntu: `apt-get install python3-venv`)";

/// Installs the tools unless they are, and returns their directory.
pub(crate) fn install() -> Result<PathBuf> {
    let directory = cargo::target_directory()?.join("tools");
    fs::create_dir_all(&directory)?;
    // Held to the end of this function: two tasks may run at once.
    let lock = File::create(directory.join("lock"))?;
    lock.lock()?;
    let requirements = fs::read_to_string(cargo::root().join(REQUIREMENTS))?;
    // The stamp is the requirements themselves: nothing to collide, and the tests compare it too.
    let stamp = directory.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        println!("installed already");
        return Ok(directory);
    }
    install_into(&directory.join("venv"))?;
    fs::write(stamp, requirements)?;
    Ok(directory)
}

fn install_into(venv: &Path) -> Result<()> {
    check_python()?;
    cargo::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    cargo::run(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(cargo::root().join(REQUIREMENTS)),
    )
}

/// Checks for what some distributions split off, before half an environment is made.
fn check_python() -> Result<()> {
    let probe = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    let probe = probe.map_err(|_| NO_PYTHON)?;
    if probe.status.success() { Ok(()) } else { Err(NO_VENV.into()) }
}
