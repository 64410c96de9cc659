//! What follows when the tasks of a phase are over.

use std::fmt::Write as _;

use super::engine::PAUSE;
use super::evaluation::{MissingOutput, Prepared, lookup};
use super::operation::{Doomed, Kind, Operation, Phase, State};
use super::stack::{OnFailure, Output, Stack, listed};
use super::{change_set, events, nested};
use crate::world::World;

/// Ends the current phase.
pub(super) fn phase(world: &mut World, stack: &mut Stack, at: f64) {
    let Some(operation) = &stack.operation else { return };
    let failed = operation.failing || !operation.failed().is_empty();
    match (operation.phase, operation.kind) {
        (Phase::Deploy, _) if failed => deploy_failed(world, stack, at),
        (Phase::Deploy, kind) => match outputs(world, stack) {
            Ok((outputs, imports)) => {
                stack.outputs = outputs;
                stack.imports = imports;
                deployed(world, stack, kind, at);
            }
            Err(reason) => {
                if let Some(operation) = &mut stack.operation {
                    operation.failure = Some(reason);
                }
                deploy_failed(world, stack, at);
            }
        },
        (Phase::Rollback, Kind::Update) => rolled_back(world, stack, at),
        (Phase::Rollback, _) => deletion(world, stack, at, "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
        (Phase::Delete, _) => deletion(world, stack, at, "DELETE_COMPLETE", "DELETE_FAILED"),
        (Phase::Cleanup, _) => {
            // The update has succeeded whatever is left behind.
            let reason =
                failed.then_some("Update successful. One or more resources could not be deleted.");
            end(world, stack, at, "UPDATE_COMPLETE", reason, true);
        }
        (Phase::RollbackCleanup, _) => {
            let reason = failed
                .then_some("Rollback successful. One or more resources could not be deleted.");
            end(world, stack, at, "UPDATE_ROLLBACK_COMPLETE", reason, false);
        }
        (Phase::Paused, _) => {}
    }
}

/// Ends the operation.
fn end(
    world: &mut World,
    stack: &mut Stack,
    at: f64,
    status: &str,
    reason: Option<&str>,
    good: bool,
) {
    if let Some(set) = stack.operation.as_ref().and_then(|operation| operation.change_set.clone()) {
        change_set::executed(stack, &set, good);
    }
    events::stack(world, stack, at, status, reason);
    nested::accept(world, stack);
    stack.operation = None;
    if status == "DELETE_COMPLETE" {
        stack.deleted = Some(at);
    }
}

type Outcome = (std::collections::BTreeMap<String, Output>, std::collections::BTreeSet<String>);

/// The stack's outputs, as far as no export stands in the way.
fn outputs(world: &World, stack: &Stack) -> Result<Outcome, String> {
    let prepared = Prepared::new(world, &stack.id, &stack.name, &stack.settings)
        .map_err(|error| error.message)?;
    let missing = MissingOutput::default();
    let outputs = prepared
        .outputs(&|name, attribute| {
            missing.note(&stack.resources, name, attribute);
            lookup(world, &stack.resources, name, attribute)
        })
        .map_err(|error| error.message)?;
    missing.check()?;
    let imports = prepared.imports().map_err(|error| error.message)?;
    let others = world.stacks.exports();
    let mut own = std::collections::BTreeMap::new();
    for output in outputs.values() {
        let Some(export) = &output.export else { continue };
        if let Some((_, owner)) = others.get(export) {
            let name = owner.split('/').nth(1).unwrap_or(owner);
            return Err(format!("Export with name {export} is already exported by stack {name}"));
        }
        if own.insert(export, &output.value).is_some() {
            return Err(format!("Duplicate Export names {export}"));
        }
    }
    for output in stack.outputs.values() {
        let Some(export) = &output.export else { continue };
        let users = world.stacks.importers(export);
        if users.is_empty() {
            continue;
        }
        match own.get(export) {
            None => {
                return Err(format!(
                    "Delete canceled. Cannot delete export {export} as it is in use by {}.",
                    listed(&users)
                ));
            }
            Some(value) if **value != output.value => {
                return Err(format!(
                    "Cannot update export {export} as it is in use by {}.",
                    listed(&users)
                ));
            }
            Some(_) => {}
        }
    }
    Ok((outputs, imports))
}

fn deployed(world: &mut World, stack: &mut Stack, kind: Kind, at: f64) {
    if kind == Kind::Create {
        return end(world, stack, at, "CREATE_COMPLETE", None, true);
    }
    let Some(operation) = &mut stack.operation else { return };
    let prepared = Prepared::new(world, &stack.id, &stack.name, &stack.settings);
    for (logical_id, resource) in &stack.resources {
        if prepared.as_ref().is_ok_and(|prepared| !prepared.is_active(logical_id)) {
            operation.doomed.push(Doomed {
                logical_id: logical_id.clone(),
                resource: resource.clone(),
                replaced: false,
            });
        }
    }
    operation.enter(Phase::Cleanup, at + PAUSE);
    events::stack(world, stack, at, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None);
}

/// `The following resource(s) failed to create: [A, B]. `
fn failed_resources(stack: &Stack, operation: &Operation) -> String {
    let failed = operation.failed();
    let with_status = |status: &str| -> Vec<&str> {
        failed
            .iter()
            .filter(|logical_id| {
                stack.resources.get(*logical_id).is_some_and(|resource| resource.status == status)
            })
            .map(String::as_str)
            .collect()
    };
    let mut text = String::new();
    for (status, verb) in
        [("CREATE_FAILED", "create"), ("UPDATE_FAILED", "update"), ("DELETE_FAILED", "delete")]
    {
        let names = with_status(status);
        if !names.is_empty() {
            let names = names.join(", ");
            let _ = write!(text, "The following resource(s) failed to {verb}: [{names}]. ");
        }
    }
    text
}

fn deploy_failed(world: &mut World, stack: &mut Stack, at: f64) {
    let Some(operation) = &stack.operation else { return };
    let resources = failed_resources(stack, operation);
    let reason = operation.failure.clone().unwrap_or(resources);
    let kind = operation.kind;
    let disabled = stack.disable_rollback;
    let on_failure = stack.on_failure;
    let Some(operation) = &mut stack.operation else { return };
    if kind == Kind::Create {
        let trimmed = reason.trim_end().trim_end_matches('.').to_owned();
        if disabled || on_failure == OnFailure::DoNothing {
            return pause(world, stack, at, "CREATE_FAILED", &reason);
        }
        if on_failure == OnFailure::Delete {
            operation.enter(Phase::Delete, at + PAUSE);
            let reason = format!("{trimmed}. Delete requested by user.");
            return events::stack(world, stack, at, "DELETE_IN_PROGRESS", Some(&reason));
        }
        operation.enter(Phase::Rollback, at + PAUSE);
        let reason = format!("{trimmed}. Rollback requested by user.");
        return events::stack(world, stack, at, "ROLLBACK_IN_PROGRESS", Some(&reason));
    }
    if disabled {
        return pause(world, stack, at, "UPDATE_FAILED", &reason);
    }
    start_update_rollback(world, stack, at, &reason);
}

/// Begins to put an update back.
pub(super) fn start_update_rollback(world: &mut World, stack: &mut Stack, at: f64, reason: &str) {
    let Some(operation) = &mut stack.operation else { return };
    operation.enter(Phase::Rollback, at + PAUSE);
    if let Some(previous) = &operation.previous {
        stack.settings = previous.clone();
    }
    for (key, (depended_on, tags)) in std::mem::take(&mut operation.left_alone) {
        if let Some(resource) = stack.resources.get_mut(&key) {
            (resource.depends_on, resource.tags) = (depended_on, tags);
        }
    }
    // Also of what cannot be put back: what is deleted next goes in the order of the template.
    for (key, before) in &operation.before {
        if let (Some(resource), Some(before)) = (stack.resources.get_mut(key), before) {
            resource.depends_on.clone_from(&before.depends_on);
        }
    }
    events::stack(world, stack, at, "UPDATE_ROLLBACK_IN_PROGRESS", Some(reason));
}

fn rolled_back(world: &mut World, stack: &mut Stack, at: f64) {
    let Some(operation) = &mut stack.operation else { return };
    if !operation.failed().is_empty() {
        let Some(operation) = &stack.operation else { return };
        let reason = failed_resources(stack, operation);
        return pause(world, stack, at, "UPDATE_ROLLBACK_FAILED", &reason);
    }
    operation.enter(Phase::RollbackCleanup, at + PAUSE);
    events::stack(world, stack, at, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None);
}

/// Leaves the operation where it failed, for the user to go on from.
fn pause(world: &mut World, stack: &mut Stack, at: f64, status: &str, reason: &str) {
    if let Some(set) = stack.operation.as_ref().and_then(|operation| operation.change_set.clone()) {
        change_set::executed(stack, &set, false);
    }
    events::stack(world, stack, at, status, Some(reason));
    if let Some(operation) = &mut stack.operation {
        operation.phase = Phase::Paused;
        operation.deadline = None;
    }
}

fn deletion(world: &mut World, stack: &mut Stack, at: f64, good: &str, bad: &str) {
    let Some(operation) = &stack.operation else { return };
    if operation.failed().is_empty() {
        let mut tasks = operation.tasks.values();
        debug_assert!(tasks.all(|task| task.state == State::Done), "{} waits", stack.name);
        return end(world, stack, at, good, None, false);
    }
    let reason = failed_resources(stack, operation);
    end(world, stack, at, bad, Some(&reason), false);
}
