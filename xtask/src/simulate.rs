//! `cargo xtask simulate`: the laboratory, built as the tests are.

use std::path::{Path, PathBuf};

use crate::{Result, cargo};

/// Seeds that the test command tells the stories of.
const SEEDS: &str = "2000";
/// The same of those with images, whose seeds begin at 1,000,000.
const IMAGE_SEEDS: &str = "100";
/// The same of those with links between stacks, whose seeds begin at 2,000,000.
const LINK_SEEDS: &str = "300";

/// Runs the laboratory's `simulate` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    cargo::build()?;
    lab("simulate", arguments)
}

/// Runs the laboratory's `exhaust`; without manifests, on those of the repository.
pub(crate) fn exhaust(arguments: &[&str]) -> Result<()> {
    cargo::build()?;
    lab_on_environments(arguments)
}

/// What the test command runs of it, once everything is built.
pub(crate) fn in_tests() -> Result<()> {
    lab("simulate", &["--seeds", SEEDS])?;
    // Where a read that was old was once gone back to.
    lab("simulate", &["--start", "8782", "--seeds", "1"])?;
    // Stories with images.
    lab("simulate", &["--start", "1000000", "--seeds", IMAGE_SEEDS])?;
    // Stories with stacks that read each other and Parameter Store.
    lab("simulate", &["--start", "2000000", "--seeds", LINK_SEEDS])?;
    lab_on_environments(&[])
}

fn lab_on_environments(arguments: &[&str]) -> Result<()> {
    let is_manifest = |path: &&str| Path::new(path).extension().is_some_and(|it| it == "toml");
    if arguments.iter().any(is_manifest) {
        return lab("exhaust", arguments);
    }
    let mut environments = environments()?;
    environments.push(cargo::root().join("crates/bfd-lab/environments/images.toml"));
    let environments: Vec<&str> = environments.iter().filter_map(|path| path.to_str()).collect();
    lab("exhaust", &[&environments, arguments].concat())
}

/// The manifests that are environments: those that say what account they are in.
fn environments() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(cargo::root().join("environments"))? {
        let path = entry?.path();
        // The others extend this one, and it is none by itself.
        let is_base = path.file_name().is_some_and(|name| name == "base.toml");
        if path.extension().is_some_and(|extension| extension == "toml") && !is_base {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn lab(task: &str, arguments: &[&str]) -> Result<()> {
    let binary = cargo::target_directory()?.join("debug/bfd-lab");
    let mut command = std::process::Command::new(binary);
    cargo::run(command.arg(task).args(arguments).current_dir(cargo::root()))
}
