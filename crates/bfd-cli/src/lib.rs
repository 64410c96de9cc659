//! What the `bfd` binary is made of.
//!
//! | module | what |
//! |---|---|
//! | [`views`] | what people see: plans, problems, progress, outcomes |
pub mod views;
