//! The calls of each kind against the embedded sandbox, in virtual time.
#![expect(clippy::disallowed_methods, reason = "sleeping is what lets the paused clock run")]

mod actions;
mod assets;
mod batches;
mod bucket;
mod cluster;
mod coordinator;
mod faults;
mod image;
mod logs;
mod made;
mod parameter;
mod registry;
mod repository;
mod service;
mod stack;
mod stack_preview;
mod stack_retain;
mod stack_states;
mod target;
mod world;
