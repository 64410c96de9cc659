//! Change sets: what is remembered of one.

use serde::{Deserialize, Serialize};

use super::preview::Change;
use super::stack::{OnFailure, Settings, Stack};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChangeSet {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) created: f64,
    /// Whether it creates its stack.
    pub(super) creates: bool,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) execution: String,
    pub(super) settings: Settings,
    pub(super) changes: Vec<Change>,
    pub(super) on_failure: Option<OnFailure>,
    /// When it leaves `CREATE_IN_PROGRESS`.
    pub(super) ready_at: Option<f64>,
    /// Why it then fails, if it does.
    pub(super) verdict: Option<String>,
    /// What tells a repeated request from a different one of the same name.
    pub(super) fingerprint: String,
    /// What was asked for; the changes within nested stacks are not shown.
    #[serde(default)]
    pub(super) nested: bool,
}

/// Finishes the change sets that are due.
pub(super) fn settle(stack: &mut Stack, at: f64) {
    for set in &mut stack.change_sets {
        if set.ready_at.is_none_or(|ready| ready > at) {
            continue;
        }
        set.ready_at = None;
        if let Some(reason) = &set.verdict {
            "FAILED".clone_into(&mut set.status);
            set.reason = Some(reason.clone());
        } else {
            "CREATE_COMPLETE".clone_into(&mut set.status);
            "AVAILABLE".clone_into(&mut set.execution);
        }
    }
}

/// Records how the execution of a change set ended.
pub(super) fn executed(stack: &mut Stack, id: &str, good: bool) {
    if let Some(set) = stack.change_sets.iter_mut().find(|set| set.id == id) {
        let status = if good { "EXECUTE_COMPLETE" } else { "EXECUTE_FAILED" };
        status.clone_into(&mut set.execution);
    }
}

/// Makes what is left of the stack's change sets useless: the stack has moved on.
pub(super) fn obsolete(stack: &mut Stack) {
    for set in &mut stack.change_sets {
        if matches!(set.execution.as_str(), "AVAILABLE" | "UNAVAILABLE") {
            "OBSOLETE".clone_into(&mut set.execution);
            set.ready_at = None;
        }
    }
}
