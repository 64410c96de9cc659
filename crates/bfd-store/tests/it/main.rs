//! What the stores promise, whatever happens to their files and objects.

mod common;
mod local;
mod objects;
mod suite;
