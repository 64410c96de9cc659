//! A CDK application deployed by bfd, and by the CDK's own CLI.
//!
//! | module | what it is about |
//! |---|---|
//! | `app` | the application of `tests/fixtures/cdk` in an account, and what is seen of it |
//! | `lifetime` | from nothing to nothing |
//! | `comparison` | the same by both, and what it costs |
//! | `adoption` | stacks that the CDK deployed |
//! | `failure` | what is taken back |
//! | `selection` | some of the stacks |
//! | `sandbox` | on the embedded AWS |

mod adoption;
mod app;
mod comparison;
mod failure;
mod lifetime;
mod sandbox;
mod selection;
