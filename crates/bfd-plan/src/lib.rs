//! Decides what to do. Pure: the same inputs give the same plan.
//!
//! [`Graph`] holds what is wanted and what each waits for, `diff` compares
//! desired with observed in the kinds' canonical form, [`plan`] makes the changes
//! and `steps` puts them in order; `clock` tells how long a
//! rollback takes at worst, `undo` what an undo rests on; `exchange` what stacks no longer export; `existing` refuses what others
//! made; `names` sees to it that two addresses never mean one object.
mod clock;
mod diff;
mod exchange;
mod existing;
mod graph;
mod names;
mod planner;
mod started;
mod steps;
mod undo;
mod way_back;

pub use diff::{differences, project};
pub use graph::Graph;
pub use planner::{PlanInput, plan};
pub use undo::{undo_targets, weaken};
