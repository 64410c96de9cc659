//! A plan, for the three who read one: a person at a terminal, a reviewer, a program.
mod block;
mod escape;
mod facts;
mod fields;
mod json;
mod markdown;
mod order;
mod preview;
mod readings;
mod resources;
mod schema;
mod stack_drift;
mod summary;
mod text;
mod tree;
mod values;

pub use json::json;
pub use markdown::{Origin, markdown};
pub use schema::schema;
pub use summary::summary;
pub use text::text;
