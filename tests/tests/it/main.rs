//! End-to-end tests: one binary, one module per subject.

mod emulators;
mod failure;
mod local;
mod shop;
mod world;
