//! Support for end-to-end tests of the `bfd` binary.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tools`] | where `cargo xtask test` put the binary and the emulators |
//! | [`wait`] | waiting for a condition, with a deadline |
//! | [`command`] | a child process with an environment of its own, and what came of it |
//! | [`bfd`] | a directory with manifests, and `bfd` run in it |
//! | [`project`] | an environment in a directory of its own, and what its files say |
//! | [`sandbox`] | the embedded AWS, served |
//! | [`planted`] | secrets, which nobody may print or write |
//! | [`exit`] | the exit codes that `bfd` promises |
//! | [`aws_cli`] | the AWS CLI, a client that was not written here |
//! | [`cdk`] | the CDK's CLI, which deploys what bfd reads |
//! | [`server`] | a server process that ends with its guard |
//! | [`emulators`] | ministack and moto |
//! | [`registry`] | a registry of images |
//! | [`account`] | an account of ministack, and everything that exists in it |
//! | [`fault_proxy`] | faults injected in front of an emulator |
//! | [`http`] | requests to the emulators' own control endpoints |
//!
//! Everything here panics with a report when something fails, as a test would.
//! Nothing is skipped: a missing tool fails the test that needs it.

pub mod account;
pub mod aws_cli;
pub mod bfd;
pub mod cdk;
pub mod command;
pub mod emulators;
pub mod exit;
pub mod fault_proxy;
pub mod http;
pub mod planted;
pub mod project;
pub mod registry;
pub mod sandbox;
pub mod server;
pub mod tools;
pub mod wait;

pub use account::Account;
pub use aws_cli::AwsCli;
pub use bfd::Workspace;
pub use cdk::Cdk;
pub use command::{Invocation, Output, Running};
pub use emulators::{Ministack, Moto};
pub use fault_proxy::{Fault, FaultProxy};
pub use project::Project;
pub use registry::Registry;
pub use sandbox::SandboxServer;
