//! What people see: pure functions from values to text.
//!
//! Nothing here reads the environment, a clock or the terminal; the edge decides
//! about width, colour and characters once, in a [`Style`].
//!
//! | module | shows |
//! |---|---|
//! | [`plan`] | a plan, as text, as Markdown for a pull request, as JSON |
//! | [`problems`] | what is wrong with a manifest, each thing in its place |
//! | [`progress`] | a run while it is under way |
//! | [`events`] | a run, one JSON line per entry |
//! | [`failure`] | why a step failed |
//! | [`outcome`] | how a run ended and what to do next |
//! | [`run`] | one run from its beginning, and the list of runs |
//! | [`show`] | what state records |
//! | [`status`], [`stack_status`] | services as they run now, and stacks as they are |
//! | [`graph`] | what waits for what |
pub mod events;
pub mod failure;
pub mod graph;
pub(crate) mod layout;
pub mod marks;
pub mod outcome;
mod palette;
pub mod plan;
pub mod problems;
pub mod progress;
mod reasons;
pub mod run;
pub mod show;
pub mod stack_status;
pub mod status;
pub mod status_json;
mod style;
#[cfg(test)]
mod tests;
mod time;
mod value;
pub mod verdict;
mod words;

pub use failure::failure;
pub use style::Style;
pub use words::SANDBOX;
