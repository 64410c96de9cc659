//! The tools of the end-to-end tests: a virtual environment and packages of npm under
//! `target/tools`, and programs of the system.

mod node;

use std::env;
use std::ffi::OsStr;
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

/// Programs that come with the system, each with its package in Debian and Ubuntu.
const PROGRAMS: &[Program] = &[
    Program::named("docker-registry"),
    Program::named("skopeo"),
    Program::named("buildah"),
    Program::named("crun"),
    Program { name: "node", package: "nodejs" },
    Program::named("npm"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Program {
    name: &'static str,
    package: &'static str,
}

impl Program {
    /// One from the package of its name.
    const fn named(name: &'static str) -> Self {
        Self { name, package: name }
    }
}

/// Installs the tools unless they are, and returns their directory.
pub(crate) fn install() -> Result<PathBuf> {
    let directory = cargo::target_directory()?.join("tools");
    fs::create_dir_all(&directory)?;
    // Held to the end of this function: two tasks may run at once.
    let lock = File::create(directory.join("lock"))?;
    lock.lock()?;
    install_programs()?;
    node::install(&directory.join("node"))?;
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

/// Installs the programs that are missing where that is nobody's business but ours: as root of a
/// container. Elsewhere it says what to install.
fn install_programs() -> Result<()> {
    let missing = missing(PROGRAMS, env::var_os("PATH").unwrap_or_default().as_os_str());
    if missing.is_empty() {
        return Ok(());
    }
    let has_apt = Path::new("/usr/bin/apt-get").is_file();
    if !(is_root() && is_container() && has_apt) {
        return Err(what_to_install(&missing).into());
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        cargo::run(&mut command)
    };
    apt(&["update", "--quiet"])?;
    let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    install.extend(missing.iter().map(|program| program.package));
    apt(&install)
}

fn what_to_install(missing: &[Program]) -> String {
    let list = |of: fn(&Program) -> &'static str, between: &str| {
        missing.iter().map(of).collect::<Vec<_>>().join(between)
    };
    format!(
        "the end-to-end tests need programs that are not there: {} (Debian and Ubuntu: \
         `apt-get install --no-install-recommends {}`)",
        list(|program| program.name, ", "),
        list(|program| program.package, " ")
    )
}

/// Those of some programs that are in no directory of a `PATH`.
fn missing(programs: &[Program], path: &OsStr) -> Vec<Program> {
    let is_there = |name: &str| env::split_paths(path).any(|it| it.join(name).is_file());
    programs.iter().copied().filter(|program| !is_there(program.name)).collect()
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

/// Docker, Podman and Kubernetes leave their marks; so do those who build CI images.
fn is_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
        || ["container", "KUBERNETES_SERVICE_HOST", "CI"].iter().any(|it| env::var_os(it).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_the_system_looks() {
        let first = tempfile_like("first");
        let second = tempfile_like("second");
        fs::write(second.join("skopeo"), "").unwrap();
        let path = env::join_paths([&first, &second]).unwrap();

        let [skopeo, crun] = ["skopeo", "crun"].map(Program::named);
        assert_eq!(missing(&[skopeo, crun], &path), [crun]);
        assert_eq!(missing(&[skopeo], OsStr::new("")), [skopeo]);
    }

    #[test]
    fn what_is_missing_is_said_with_its_packages() {
        let node = Program { name: "node", package: "nodejs" };
        let said = what_to_install(&[Program::named("skopeo"), node]);

        assert!(said.contains("not there: skopeo, node"), "{said}");
        assert!(said.contains("`apt-get install --no-install-recommends skopeo nodejs`"), "{said}");
    }

    /// A directory of this test alone; xtask has no dependencies to make one with.
    fn tempfile_like(name: &str) -> PathBuf {
        let directory = env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }
}
