//! What the `bfd` binary is made of.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`commands`] | one file per command |
//! | [`exit`] | errors and exit codes |
//! | [`load`], [`contents`], [`connect`], `locking`, [`planning`], [`resuming`], [`running`] | what commands share, in the order they use it |
//! | [`saved`], `earlier` | plans in files, and what earlier runs left |
//! | [`host`], [`git`], [`screen`] | the machine, the work tree, the terminal |
//! | `bootstrap` | what an environment needs before its first apply |
//! | `bootstrap_version` | what CDK applications need of an account |
//! | `spelling`, `secret_command` | secrets in other letters, and those that programs print |
//! | [`views`] | what people see: plans, problems, progress, outcomes |
mod bootstrap;
mod bootstrap_version;
mod change_sets;
pub mod cli;
pub mod commands;
pub mod connect;
pub mod contents;
mod earlier;
pub mod exit;
pub mod git;
pub mod host;
pub mod load;
mod locking;
pub mod planning;
mod platforms;
pub mod resuming;
mod run;
pub mod running;
mod same_tags;
pub mod saved;
pub mod screen;
mod secret_command;
mod spelling;
mod stack_drift;
pub mod views;

pub use run::run;
