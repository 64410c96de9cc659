//! What is shown first, and what a change does beyond its fields.

use bfd_core::plan::{Action, Change, Effect, FieldChange, Op, Phase, Plan, Undo};

/// Dangerous things first.
pub(crate) const ACTIONS: [Action; 5] =
    [Action::Replace, Action::Delete, Action::Adopt, Action::Update, Action::Create];

pub(crate) fn heading(action: Action) -> &'static str {
    match action {
        Action::Create => "Create",
        Action::Update => "Update",
        Action::Replace => "Replace",
        Action::Delete => "Delete",
        Action::Adopt => "Adopt",
    }
}

/// The changes of one action, by address.
pub(crate) fn changes(plan: &Plan, action: Action) -> Vec<&Change> {
    let mut found: Vec<&Change> = plan.changes.iter().filter(|c| c.action == action).collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    found
}

/// Whether running tasks are replaced by new ones.
pub(crate) fn restarts_tasks(change: &Change) -> bool {
    restarting(change).any(|field| field.known)
}

/// Whether tasks restart only if a value that is known after apply turns out to be another.
pub(crate) fn may_restart_tasks(change: &Change) -> bool {
    !restarts_tasks(change) && restarting(change).next().is_some()
}

fn restarting(change: &Change) -> impl Iterator<Item = &FieldChange> {
    let updates = matches!(change.action, Action::Update | Action::Adopt);
    let restarts = move |field: &&FieldChange| updates && field.effect == Effect::RestartsTasks;
    change.fields.iter().filter(restarts)
}

/// Whether the old object must go before the new one can come.
pub(crate) fn deletes_first(plan: &Plan, change: &Change) -> bool {
    // Any other delete waits for the cleanup phase.
    plan.steps.iter().any(|step| {
        step.address == change.address
            && step.phase == Phase::Deploy
            && matches!(step.op, Op::Delete { .. })
    })
}

/// What a rollback can do for a change, where that is not everything.
pub(crate) fn undo(change: &Change) -> Option<&'static str> {
    match (change.action, change.undo) {
        // Deletes come last, when there is nothing left that could turn a run back.
        (_, Undo::Exact) | (Action::Delete, Undo::None) => None,
        (_, Undo::Approximate) => Some("a rollback restores this only approximately"),
        (_, Undo::None) => Some("a rollback cannot restore this"),
    }
}
