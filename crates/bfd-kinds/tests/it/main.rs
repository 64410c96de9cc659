//! What each kind promises, from the outside.
mod arbitrary;
mod clock;
mod conversion;
mod harness;
mod image;
mod made;
mod service;
mod simple;
mod stack;
mod table;
