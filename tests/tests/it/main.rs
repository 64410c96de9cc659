//! End-to-end tests: one binary, one module per subject.

mod bad_input;
mod emulators;
mod failure;
mod local;
mod screens;
mod shop;
mod world;
