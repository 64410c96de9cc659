//! End-to-end tests: one binary, one module per subject.

mod bad_input;
mod emulators;
mod failure;
mod faults;
mod local;
mod ministack;
mod moto;
mod readback;
mod requests;
mod safety;
mod screens;
mod secrets;
mod shop;
mod world;
