//! One resource's way through a phase: start, the call to its service, and being ready.

use super::evaluation::{Prepared, open_attributes, open_properties, seal_attributes};
use super::operation::{Doomed, Job, Phase, State};
use super::resources::{self, Made, Readiness, Subject};
use super::stack::{Resource, Stack};
use super::template::Policy;
use super::{apply, events, nested};
use crate::world::World;

/// From the start of a resource to the call to its service.
pub(super) const LEAD: f64 = 1.0;

/// How often a resource that is not ready is looked at, and for how long.
const POLL: f64 = 5.0;
const PATIENCE: f64 = 3.0 * 3600.0;

/// Starts a task.
pub(super) fn start(
    world: &mut World,
    stack: &mut Stack,
    prepared: Option<&Prepared>,
    key: &str,
    at: f64,
) {
    let Some((job, logical_id)) = job(stack, key) else { return };
    match job {
        Job::Apply => {
            if let Some(prepared) = prepared {
                apply::start(world, stack, prepared, key, at);
            }
        }
        Job::Restore => {
            let skipped = stack
                .operation
                .as_ref()
                .is_some_and(|operation| operation.skip.contains(&logical_id));
            if skipped {
                put_back(stack, &logical_id);
                events::resource(stack, &logical_id, at, "UPDATE_COMPLETE", None);
                set(stack, key, State::Done);
            } else {
                events::resource(stack, &logical_id, at, "UPDATE_IN_PROGRESS", None);
                set(stack, key, State::Starting(at + LEAD));
            }
        }
        Job::Delete => start_delete(stack, key, &logical_id, at),
        Job::Remove(doomed) => {
            if retained(stack, &doomed.resource, doomed.replaced) {
                record_removal(stack, &doomed, at, "DELETE_SKIPPED", None);
                set(stack, key, State::Done);
            } else {
                record_removal(stack, &doomed, at, "DELETE_IN_PROGRESS", None);
                set(stack, key, State::Starting(at + LEAD));
            }
        }
    }
}

/// Calls the service.
pub(super) fn act(world: &mut World, stack: &mut Stack, key: &str, at: f64) {
    let Some((job, logical_id)) = job(stack, key) else { return };
    if let Some(task) = stack.operation.as_mut().and_then(|operation| operation.tasks.get_mut(key))
    {
        task.since = at;
    }
    let result = match &job {
        Job::Apply => apply::act(world, stack, key, at),
        Job::Restore => act_restore(world, stack, &logical_id, at),
        Job::Delete => {
            let resource = stack.resources.get(&logical_id).cloned();
            resource
                .map_or(Ok(0.0), |resource| act_delete(world, stack, &logical_id, &resource, at))
        }
        Job::Remove(doomed) => act_delete(world, stack, &logical_id, &doomed.resource, at),
    };
    match result {
        Ok(seconds) => set(stack, key, State::Settling(at + seconds)),
        Err(reason) => fail(stack, key, at, &reason),
    }
}

/// Ends a task whose object is ready, or looks again later.
pub(super) fn finish(world: &mut World, stack: &mut Stack, key: &str, at: f64) {
    let Some((job, logical_id)) = job(stack, key) else { return };
    let resource = match &job {
        Job::Remove(doomed) => Some(doomed.resource.clone()),
        _ => stack.resources.get(&logical_id).cloned(),
    };
    let Some(resource) = resource else { return set(stack, key, State::Done) };
    let readiness = match job {
        Job::Apply | Job::Restore => {
            let properties = open_properties(world, &resource.properties);
            let made = Made {
                physical_id: resource.physical_id.clone(),
                attributes: open_attributes(world, &resource.attributes),
            };
            if resource.kind == nested::KIND {
                nested::readiness(world, at, &resource.physical_id, matches!(job, Job::Restore))
            } else {
                resources::readiness(world, at, &resource.kind, &made, &properties)
            }
        }
        Job::Delete | Job::Remove(_) => {
            resources::gone(world, at, &resource.kind, &resource.physical_id)
        }
    };
    match readiness {
        Readiness::Failed(reason) => return fail(stack, key, at, &reason),
        Readiness::Waiting if at - since(stack, key) > PATIENCE => {
            let reason = "Resource handler returned message: \"Exceeded attempts to wait\" (HandlerErrorCode: NotStabilized)";
            return fail(stack, key, at, reason);
        }
        Readiness::Waiting => return set(stack, key, State::Settling(at + POLL)),
        Readiness::Ready => {}
    }
    match job {
        Job::Apply | Job::Restore => {
            if resource.kind == nested::KIND {
                let outputs = nested::attributes(world, &resource.physical_id);
                let secret = resource.properties.is_string();
                let outputs = seal_attributes(world, secret, outputs);
                if let Some(resource) = stack.resources.get_mut(&logical_id) {
                    resource.attributes = outputs;
                }
            }
            let verb = verb(stack, &logical_id);
            events::resource(stack, &logical_id, at, &format!("{verb}_COMPLETE"), None);
        }
        Job::Delete => events::resource(stack, &logical_id, at, "DELETE_COMPLETE", None),
        Job::Remove(doomed) => record_removal(stack, &doomed, at, "DELETE_COMPLETE", None),
    }
    set(stack, key, State::Done);
}

/// Fails the whole operation for a reason that no resource has.
pub(super) fn fail_stack(stack: &mut Stack, at: f64, reason: &str) {
    if let Some(operation) = &mut stack.operation {
        operation.failure = Some(reason.to_owned());
        operation.failing = true;
    }
    cancel(stack, at);
}

/// Ends what runs, as AWS does once something else has failed.
pub(super) fn cancel(stack: &mut Stack, at: f64) {
    let running: Vec<(String, String)> = stack
        .operation
        .iter()
        .flat_map(|operation| &operation.tasks)
        .filter(|(_, task)| matches!(task.state, State::Starting(_) | State::Settling(_)))
        .map(|(key, task)| (key.clone(), task.logical_id.clone()))
        .collect();
    for (key, logical_id) in running {
        let verb = verb(stack, &logical_id);
        let reason = match verb {
            "CREATE" => "Resource creation cancelled",
            _ => "Resource update cancelled",
        };
        events::resource(stack, &logical_id, at, &format!("{verb}_FAILED"), Some(reason));
        set(stack, &key, State::Failed);
    }
}

pub(super) fn fail(stack: &mut Stack, key: &str, at: f64, reason: &str) {
    let Some((job, logical_id)) = job(stack, key) else { return };
    set(stack, key, State::Failed);
    match job {
        Job::Apply => {
            let verb = verb(stack, &logical_id);
            events::resource(stack, &logical_id, at, &format!("{verb}_FAILED"), Some(reason));
            if let Some(operation) = &mut stack.operation {
                operation.failing = true;
            }
            cancel(stack, at);
        }
        // A rollback and a deletion get as far as they can.
        Job::Restore => events::resource(stack, &logical_id, at, "UPDATE_FAILED", Some(reason)),
        Job::Delete if stack.operation.as_ref().is_some_and(|operation| operation.force) => {
            events::resource(stack, &logical_id, at, "DELETE_SKIPPED", Some(reason));
            set(stack, key, State::Done);
        }
        Job::Delete => events::resource(stack, &logical_id, at, "DELETE_FAILED", Some(reason)),
        Job::Remove(doomed) => record_removal(stack, &doomed, at, "DELETE_FAILED", Some(reason)),
    }
}

fn act_restore(
    world: &mut World,
    stack: &mut Stack,
    logical_id: &str,
    at: f64,
) -> Result<f64, String> {
    scripted(world, stack, logical_id, ":rollback")?;
    let before = stack
        .operation
        .as_ref()
        .and_then(|operation| operation.before.get(logical_id).cloned().flatten());
    let (Some(before), Some(current)) = (before, stack.resources.get(logical_id).cloned()) else {
        return Ok(0.0);
    };
    let properties = open_properties(world, &before.properties);
    let seconds = resources::duration(&before.kind, &properties) / 2.0;
    if current.physical_id == before.physical_id {
        let subject = subject(stack, logical_id, &before);
        let made = Made {
            physical_id: before.physical_id.clone(),
            attributes: open_attributes(world, &before.attributes),
        };
        let changed = open_properties(world, &current.properties);
        let attributes = if before.kind == nested::KIND {
            nested::restore(world, at, &before.physical_id)?;
            made.attributes
        } else {
            resources::update(world, at, &subject, &made, &changed, &properties)?
        };
        put_back(stack, logical_id);
        let attributes = seal_attributes(world, before.properties.is_string(), attributes);
        if let Some(resource) = stack.resources.get_mut(logical_id) {
            resource.attributes = attributes;
        }
    } else {
        put_back(stack, logical_id);
    }
    Ok(seconds)
}

/// Takes a resource for what it was before; its replacement, if any, is doomed in its place.
fn put_back(stack: &mut Stack, logical_id: &str) {
    let Some(operation) = &mut stack.operation else { return };
    let Some(Some(before)) = operation.before.get(logical_id).cloned() else { return };
    let Some(current) = stack.resources.get(logical_id).cloned() else { return };
    if current.physical_id != before.physical_id {
        operation.doomed.retain(|doomed| doomed.resource.physical_id != before.physical_id);
        operation.doomed.push(Doomed {
            logical_id: logical_id.to_owned(),
            resource: current.clone(),
            replaced: true,
        });
    }
    let restored = Resource { status: current.status, reason: current.reason, ..before };
    stack.resources.insert(logical_id.to_owned(), restored);
}

fn start_delete(stack: &mut Stack, key: &str, logical_id: &str, at: f64) {
    let Some(resource) = stack.resources.get(logical_id).cloned() else { return };
    let kept =
        stack.operation.as_ref().is_some_and(|operation| operation.skip.contains(logical_id));
    if kept || retained(stack, &resource, false) {
        events::resource(stack, logical_id, at, "DELETE_SKIPPED", None);
        return set(stack, key, State::Done);
    }
    events::resource(stack, logical_id, at, "DELETE_IN_PROGRESS", None);
    set(stack, key, State::Starting(at + LEAD));
}

/// Whether a policy keeps the object.
fn retained(stack: &Stack, resource: &Resource, replaced: bool) -> bool {
    let undoing = stack.operation.as_ref().is_some_and(|operation| {
        matches!(operation.phase, Phase::Rollback | Phase::RollbackCleanup)
    });
    let policy = if replaced { resource.replace_policy } else { resource.deletion_policy };
    resource.exists()
        && match policy {
            Policy::Retain => !(undoing && (replaced || stack.retain_except_on_create)),
            Policy::RetainExceptOnCreate => !undoing,
            Policy::Delete | Policy::Snapshot => false,
        }
}

fn act_delete(
    world: &mut World,
    stack: &Stack,
    logical_id: &str,
    resource: &Resource,
    at: f64,
) -> Result<f64, String> {
    scripted(world, stack, logical_id, ":delete")?;
    if resource.physical_id.is_empty() {
        return Ok(0.0);
    }
    let properties = open_properties(world, &resource.properties);
    let subject = subject(stack, logical_id, resource);
    resources::delete(world, at, &subject, &resource.physical_id, &properties)?;
    Ok(match resource.kind.as_str() {
        "AWS::CloudFormation::WaitCondition" => 1.0,
        kind => (resources::duration(kind, &properties) - LEAD) / 2.0,
    })
}

/// Records the deletion of an object that is not the resource's own any more, or whose
/// resource goes with it.
fn record_removal(stack: &mut Stack, doomed: &Doomed, at: f64, status: &str, reason: Option<&str>) {
    let Doomed { logical_id, resource, replaced } = doomed;
    if *replaced {
        events::object(
            stack,
            logical_id,
            &resource.physical_id,
            &resource.kind,
            at,
            status,
            reason,
        );
        return;
    }
    events::resource(stack, logical_id, at, status, reason);
    if matches!(status, "DELETE_COMPLETE" | "DELETE_SKIPPED") {
        stack.resources.remove(logical_id);
    }
}

/// The failure that a test has asked for, if any.
pub(super) fn scripted(
    world: &World,
    stack: &Stack,
    logical_id: &str,
    what: &str,
) -> Result<(), String> {
    match world.stacks.fail_resources.get(&format!("{}/{logical_id}{what}", stack.name)) {
        Some(reason) => Err(reason.clone()),
        None => Ok(()),
    }
}

pub(super) fn subject(stack: &Stack, logical_id: &str, resource: &Resource) -> Subject {
    Subject {
        stack_name: stack.name.clone(),
        stack_id: stack.id.clone(),
        logical_id: logical_id.to_owned(),
        kind: resource.kind.clone(),
        tags: resource.tags.clone(),
        root_id: stack.root_id.as_ref().unwrap_or(&stack.id).clone(),
        capabilities: stack.settings.capabilities.clone(),
        role_arn: stack.settings.role_arn.clone(),
    }
}

fn verb(stack: &Stack, logical_id: &str) -> &'static str {
    let before = stack.operation.as_ref().and_then(|operation| operation.before.get(logical_id));
    match before {
        Some(Some(_)) => "UPDATE",
        _ => "CREATE",
    }
}

fn job(stack: &Stack, key: &str) -> Option<(Job, String)> {
    let task = stack.operation.as_ref()?.tasks.get(key)?;
    Some((task.job.clone(), task.logical_id.clone()))
}

fn since(stack: &Stack, key: &str) -> f64 {
    stack
        .operation
        .as_ref()
        .and_then(|operation| operation.tasks.get(key))
        .map_or(f64::INFINITY, |task| task.since)
}

pub(super) fn set(stack: &mut Stack, key: &str, state: State) {
    if let Some(task) = stack.operation.as_mut().and_then(|operation| operation.tasks.get_mut(key))
    {
        task.state = state;
    }
}
