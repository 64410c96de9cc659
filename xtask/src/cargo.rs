//! Cargo, asked and run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Result;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// A command of the cargo that runs this task, in the workspace's root.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Builds what the tests need, in the one way that the tests themselves are built.
///
/// Development dependencies add features to tokio, and everything is built upon
/// tokio: a `bfd` built alone would compile the AWS SDK a second time.
pub(crate) fn build() -> Result<()> {
    run(&mut command(&["build", "--workspace", "--bins", "--tests"]))
}

/// The binary that [`build`] leaves.
pub(crate) fn bfd_binary() -> Result<PathBuf> {
    Ok(target_directory()?.join("debug/bfd"))
}

/// Where cargo builds.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory.ok_or("`cargo metadata` names no target directory")?.into())
}

/// The workspace's members, without what they depend on.
pub(crate) fn metadata() -> Result<Value> {
    let text = read(&mut command(&["metadata", "--format-version=1", "--no-deps", "--quiet"]))?;
    Ok(serde_json::from_str(&text)?)
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}

/// Runs a command and returns what it prints.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}\n{}", output.status, message.trim_end()).into())
}
