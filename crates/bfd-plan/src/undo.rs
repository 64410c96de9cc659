//! What the promise of an undo rests on.

use bfd_core::{
    Address, ResourceState,
    plan::{Change, Effect, Op, Phase, Plan, Undo, UndoProblem, Warning},
};
use std::collections::BTreeSet;

/// What updates that start tasks would be put back to. Other updates need nothing to be there
/// for that but the object itself.
pub fn undo_targets(plan: &Plan) -> Vec<(&Address, &ResourceState)> {
    let restarts =
        |change: &&Change| change.fields.iter().any(|field| field.effect == Effect::RestartsTasks);
    let restarted: BTreeSet<&Address> =
        plan.changes.iter().filter(restarts).map(|change| &change.address).collect();
    let steps = plan.steps.iter().filter(|step| step.phase == Phase::Deploy);
    let targets = steps.filter_map(|step| match &step.op {
        Op::Update { prior, .. } | Op::Adopt { prior, .. } => Some((&step.address, prior)),
        Op::Create { .. } | Op::Delete { .. } => None,
    });
    targets.filter(|(address, _)| restarted.contains(address)).collect()
}

/// Promises no more than can be kept: each problem is said in the change's notes, and as a
/// warning with what to do about it.
pub fn weaken(plan: &mut Plan, problems: Vec<UndoProblem>) {
    for UndoProblem { address, undo, message, help } in problems {
        let change = plan.changes.iter_mut().find(|change| change.address == address);
        if let (Some(change), Some(undo)) = (change, undo) {
            change.undo = weaker(change.undo, undo);
            change.notes.push(message.clone());
        }
        plan.warnings.push(Warning { address: Some(address), message, help });
    }
}

fn weaker(a: Undo, b: Undo) -> Undo {
    match (a, b) {
        (Undo::None, _) | (_, Undo::None) => Undo::None,
        (Undo::Approximate, _) | (_, Undo::Approximate) => Undo::Approximate,
        (Undo::Exact, Undo::Exact) => Undo::Exact,
    }
}
