//! Replaying what falls due, stack by stack in time order.

use std::collections::BTreeSet;

use super::evaluation::Prepared;
use super::operation::{Doomed, Job, Kind, Operation, Phase, State, Task};
use super::stack::{Stack, listed};
use super::{change_set, events, settle, tasks};
use crate::world::World;

/// How long a phase takes to begin and to end.
pub(super) const PAUSE: f64 = 1.0;

/// Replays everything up to `now`.
pub(super) fn advance(world: &mut World, now: f64) {
    while let Some((due, id)) = next(world) {
        if due > now {
            break;
        }
        // Out of the world while it is worked on, so that services can be called with the rest.
        let Some(mut stack) = world.stacks.all.remove(&id) else { break };
        step(world, &mut stack, due);
        world.stacks.all.insert(id, stack);
    }
}

fn next(world: &World) -> Option<(f64, String)> {
    world
        .stacks
        .all
        .values()
        .filter_map(|stack| stack.next_due().map(|due| (due, &stack.id)))
        .min_by(|left, right| left.0.total_cmp(&right.0).then_with(|| left.1.cmp(right.1)))
        .map(|(due, id)| (due, id.clone()))
}

fn step(world: &mut World, stack: &mut Stack, at: f64) {
    change_set::settle(stack, at);
    let due = |time: Option<f64>| time.is_some_and(|time| time <= at);
    let Some(operation) = &mut stack.operation else { return };
    if due(operation.settle_at) {
        operation.settle_at = None;
        settle::phase(world, stack, at);
        return;
    }
    if due(operation.begin_at) {
        operation.begin_at = None;
        begin(world, stack, at);
    }
    if stack.operation.as_ref().is_some_and(|operation| {
        due(operation.deadline) && operation.phase == Phase::Deploy && !operation.failing
    }) {
        tasks::fail_stack(stack, at, "Stack creation time exceeded the specified timeout.");
    }
    for (key, state) in due_tasks(stack, at) {
        match state {
            State::Starting(_) => tasks::act(world, stack, &key, at),
            _ => tasks::finish(world, stack, &key, at),
        }
    }
    dispatch(world, stack, at);
    if let Some(operation) = &mut stack.operation {
        let idle = operation.begin_at.is_none() && !operation.running();
        if idle && operation.settle_at.is_none() && operation.phase != Phase::Paused {
            operation.settle_at = Some(at + PAUSE);
        }
    }
}

fn due_tasks(stack: &Stack, at: f64) -> Vec<(String, State)> {
    let operation = stack.operation.as_ref();
    operation
        .into_iter()
        .flat_map(|operation| &operation.tasks)
        .filter(|(_, task)| {
            matches!(task.state, State::Starting(due) | State::Settling(due) if due <= at)
        })
        .map(|(key, task)| (key.clone(), task.state))
        .collect()
}

/// Starts whatever may start, again and again, since a task may be done at once.
fn dispatch(world: &mut World, stack: &mut Stack, at: f64) {
    let mut prepared = None;
    loop {
        let ready = stack.operation.as_ref().map(Operation::ready).unwrap_or_default();
        if ready.is_empty() {
            return;
        }
        let deploying =
            stack.operation.as_ref().is_some_and(|operation| operation.phase == Phase::Deploy);
        if deploying && prepared.is_none() {
            match Prepared::new(world, &stack.id, &stack.name, &stack.settings) {
                Ok(made) => prepared = Some(made),
                Err(error) => return tasks::fail_stack(stack, at, &error.message),
            }
        }
        for key in ready {
            // A failure while this round starts leaves the rest of it waiting.
            if stack.operation.as_ref().is_some_and(|operation| !operation.failing) {
                tasks::start(world, stack, prepared.as_ref(), &key, at);
            }
        }
    }
}

/// Makes the tasks of the phase that begins.
fn begin(world: &mut World, stack: &mut Stack, at: f64) {
    let Some((phase, kind)) = stack.operation.as_ref().map(|one| (one.phase, one.kind)) else {
        return;
    };
    let made = match (phase, kind) {
        (Phase::Deploy, _) => match deploy(world, stack) {
            Ok(made) => made,
            Err(message) => return tasks::fail_stack(stack, at, &message),
        },
        (Phase::Rollback, Kind::Update) => restore(stack),
        (Phase::Rollback, _) => deletions(stack),
        (Phase::Delete, _) => {
            if let Some(reason) = export_in_use(world, stack) {
                let previous = stack
                    .operation
                    .take()
                    .map(|operation| operation.previous_status)
                    .unwrap_or_default();
                events::stack(world, stack, at, &previous, Some(&reason));
                return;
            }
            deletions(stack)
        }
        (Phase::Cleanup | Phase::RollbackCleanup, _) => removals(stack),
        (Phase::Paused, _) => Vec::new(),
    };
    if let Some(operation) = &mut stack.operation {
        operation.tasks = made.into_iter().collect();
    }
}

fn deploy(world: &World, stack: &Stack) -> Result<Vec<(String, Task)>, String> {
    let prepared = Prepared::new(world, &stack.id, &stack.name, &stack.settings)
        .map_err(|error| error.message)?;
    prepared.imports().map_err(|error| error.message)?;
    let tasks = prepared.dependencies.iter().map(|(logical_id, after)| {
        (logical_id.clone(), Task::new(Job::Apply, logical_id, after.clone()))
    });
    Ok(tasks.collect())
}

/// Every resource that is left, each after those that depend on it.
fn deletions(stack: &Stack) -> Vec<(String, Task)> {
    let left: BTreeSet<&String> = stack
        .resources
        .iter()
        .filter(|(_, resource)| resource.status != "DELETE_COMPLETE")
        .map(|(logical_id, _)| logical_id)
        .collect();
    left.iter()
        .map(|logical_id| {
            let after = left
                .iter()
                .filter(|other| stack.resources[**other].depends_on.contains(*logical_id))
                .map(|other| (*other).clone())
                .collect();
            ((*logical_id).clone(), Task::new(Job::Delete, logical_id, after))
        })
        .collect()
}

/// What an update touched goes back to what it was, what it made is doomed.
fn restore(stack: &mut Stack) -> Vec<(String, Task)> {
    let Some(operation) = &mut stack.operation else { return Vec::new() };
    let mut tasks = Vec::new();
    let touched: BTreeSet<String> = operation
        .before
        .iter()
        .filter(|(_, before)| before.is_some())
        .map(|(logical_id, _)| logical_id.clone())
        .collect();
    for (logical_id, before) in &operation.before {
        if let Some(before) = before {
            let after = before.depends_on.intersection(&touched).cloned().collect();
            tasks.push((logical_id.clone(), Task::new(Job::Restore, logical_id, after)));
        } else {
            let known = operation.doomed.iter().any(|doomed| doomed.logical_id == *logical_id);
            if let Some(resource) = stack.resources.get(logical_id).filter(|_| !known) {
                operation.doomed.push(Doomed {
                    logical_id: logical_id.clone(),
                    resource: resource.clone(),
                    replaced: false,
                });
            }
        }
    }
    tasks
}

/// The objects that nothing needs any more.
fn removals(stack: &mut Stack) -> Vec<(String, Task)> {
    let Some(operation) = &mut stack.operation else { return Vec::new() };
    let doomed = std::mem::take(&mut operation.doomed);
    let keys: Vec<String> = doomed
        .iter()
        .enumerate()
        .map(|(index, doomed)| format!("{}#{index}", doomed.logical_id))
        .collect();
    let mut tasks = Vec::new();
    for (index, one) in doomed.iter().enumerate() {
        let after = doomed
            .iter()
            .zip(&keys)
            .filter(|(other, _)| {
                other.resource.depends_on.contains(&one.logical_id)
                    && other.logical_id != one.logical_id
            })
            .map(|(_, key)| key.clone())
            .collect();
        let job = Job::Remove(Box::new(one.clone()));
        tasks.push((keys[index].clone(), Task::new(job, &one.logical_id, after)));
    }
    tasks
}

/// Why a stack cannot be deleted: another one reads what it exports.
///
/// AWS accepts the request and then puts the stack back into the status it had.
fn export_in_use(world: &World, stack: &Stack) -> Option<String> {
    stack.outputs.values().filter_map(|output| output.export.as_ref()).find_map(|export| {
        let users = world.stacks.importers(export);
        (!users.is_empty()).then(|| {
            format!(
                "Delete canceled. Cannot delete export {export} as it is in use by {}.",
                listed(&users)
            )
        })
    })
}
