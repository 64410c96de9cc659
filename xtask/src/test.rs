//! `cargo xtask test`: installs what the tests need, and runs everything.

use std::path::Path;

use crate::stages::Stages;
use crate::{Result, cargo, docs, simulate, tools};

/// Runs every test whose name contains the filter, which goes to the test binaries.
pub(crate) fn run(filter: &[&str]) -> Result<()> {
    let mut stages = Stages::default();
    let directory = stages.run("tools", tools::install)?;
    stages.run("build", cargo::build)?;
    stages.run("tests", || run_tests(&directory, filter))?;
    if filter.is_empty() {
        stages.run("lab", simulate::in_tests)?;
    }
    if filter.is_empty() && docs::are_committed() {
        stages.run("docs", docs::check_built)?;
    }
    stages.report();
    Ok(())
}

fn run_tests(tools: &Path, filter: &[&str]) -> Result<()> {
    // All failures in one run: the next one may be minutes away.
    let mut command = cargo::command(&["test", "--workspace", "--no-fail-fast", "--"]);
    cargo::run(command.args(filter).env(tools::VARIABLE, tools))
}
