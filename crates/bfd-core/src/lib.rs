//! The nouns of bfd and the laws they obey.
//!
//! Nothing in this crate performs I/O, reads a clock, or awaits.
//!
//! | noun | module |
//! |---|---|
//! | [`Address`], [`Kind`] | what a resource is called |
//! | [`Expr`], [`Value`], [`Secret`] | inputs, as written and as resolved |
//! | [`Resource`] | what the manifest asks for |
//! | [`State`], [`Snapshot`] | what the last run left |
//! | [`Observed`] | what is really there |
//! | [`plan::Plan`] | the exact steps apply takes |
//! | [`journal::Entry`] | what happened, durably |
//! | [`Run`] | one execution of a plan, as a state machine |
//! | [`Problem`] | a message with its places |
mod address;
mod expr;
pub mod journal;
mod observation;
pub mod plan;
mod problem;
mod resource;
mod run;
mod secret;
mod state;

pub use address::{Address, AddressParseError, Kind};
pub use expr::{Expr, Inputs, Reference, UnknownOutput, Value, lookup_path, to_text};
pub use observation::{Object, Observation, Observed, Owner};
pub use problem::{Label, Problem, Severity, SourceId, Span};
pub use resource::{Environment, Resource};
pub use run::{Outcome, Run, Task};
pub use secret::{Secret, SecretSource};
pub use state::{Properties, ResourceState, Snapshot, State, StateVersion};
