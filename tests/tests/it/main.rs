//! End-to-end tests: one binary, one module per subject.

mod bad_input;
mod crash;
mod emulators;
mod failure;
mod faults;
mod harbor;
mod history;
mod images;
mod local;
mod ministack;
mod moto;
mod readback;
mod recovery;
mod registry;
mod requests;
mod rollouts;
mod s3_state;
mod safety;
mod sandbox_registry;
mod saved_plans;
mod screens;
mod secrets;
mod secretsmanager;
mod shop;
mod stacks;
mod world;
