//! `cargo xtask check-deps`: what may depend on what.
//!
//! The rules are pure functions from what cargo says to lines about what is
//! wrong, so that tests see a wrong dependency fail.

mod aws;
mod banned;
mod edges;
mod purity;
mod workspace;

use crate::check_deps::workspace::Workspace;
use crate::{Result, cargo};

/// What is wrong, in one line, with the reason.
type Violation = String;

/// Checks every rule and prints every violation.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::from_metadata(&cargo::metadata()?)?;
    let tree = cargo::read(&mut cargo::command(banned::TREE))?;
    let mut violations = edges::check(&workspace);
    violations.extend(aws::check(&workspace));
    violations.extend(purity::check_dependencies(&workspace));
    violations.extend(purity::check_clippy_files(cargo::root()));
    violations.extend(banned::check(&tree)?);
    for violation in &violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => Err("one rule about dependencies is broken".into()),
        count => Err(format!("{count} rules about dependencies are broken").into()),
    }
}
