//! One resource's way through a phase: start, the call to its service, and being ready.

use serde_json::Value;

use super::difference::{self, Difference};
use super::evaluation::{
    Prepared, lookup, open_attributes, open_properties, seal_attributes, seal_properties,
};
use super::operation::{Doomed, Job, Phase, State};
use super::resources::{self, Made, Readiness, Subject};
use super::stack::{Resource, Stack};
use super::template::Policy;
use super::{events, registry};
use crate::world::World;

/// From the start of a resource to the call to its service.
const LEAD: f64 = 1.0;

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
                apply(world, stack, prepared, key, at);
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
        Job::Apply => act_apply(world, stack, key, at),
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
            resources::readiness(world, at, &resource.kind, &made, &properties)
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

fn fail(stack: &mut Stack, key: &str, at: f64, reason: &str) {
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
        Job::Delete => events::resource(stack, &logical_id, at, "DELETE_FAILED", Some(reason)),
        Job::Remove(doomed) => record_removal(stack, &doomed, at, "DELETE_FAILED", Some(reason)),
    }
}

fn apply(world: &mut World, stack: &mut Stack, prepared: &Prepared, key: &str, at: f64) {
    let declared = &prepared.template.resources[key];
    let wanted = prepared
        .properties(key, &|name, attribute| lookup(world, &stack.resources, name, attribute));
    let existing = stack.resources.get(key).filter(|resource| resource.exists()).cloned();
    let (properties, shown) = match &wanted {
        Ok(wanted) => (wanted.properties.clone(), wanted.shown.clone()),
        Err(_) => (Value::Null, Value::Null),
    };
    let target = Resource {
        kind: declared.kind.clone(),
        physical_id: String::new(),
        status: String::new(),
        reason: None,
        at,
        properties: seal_properties(world, prepared.has_secrets(), &properties),
        attributes: std::collections::BTreeMap::new(),
        metadata: declared.metadata.clone(),
        deletion_policy: declared.deletion_policy,
        replace_policy: declared.replace_policy,
        depends_on: prepared.dependencies.get(key).cloned().unwrap_or_default(),
        tags: stack.settings.tags.clone(),
    };
    let difference = existing.as_ref().map(|old| compare(world, old, &target));
    if let (Some(difference), Ok(_)) = (&difference, &wanted)
        && difference.is_empty()
    {
        if let Some(resource) = stack.resources.get_mut(key) {
            resource.depends_on = target.depends_on;
            resource.tags = target.tags;
        }
        return set(stack, key, State::Done);
    }
    if let Some(operation) = &mut stack.operation {
        operation.before.entry(key.to_owned()).or_insert_with(|| existing.clone());
        if shown.as_object().is_some_and(|members| !members.is_empty()) {
            operation.shown.insert(key.to_owned(), shown.to_string());
        }
        if let Some(task) = operation.tasks.get_mut(key) {
            task.target = Some(Box::new(target.clone()));
        }
    }
    if let (Some(_), Some(difference)) = (existing, difference) {
        let reason = difference.replaces().then_some(
            "Requested update requires the creation of a new physical resource; hence creating one.",
        );
        events::resource(stack, key, at, "UPDATE_IN_PROGRESS", reason);
    } else {
        stack.resources.insert(key.to_owned(), target);
        events::resource(stack, key, at, "CREATE_IN_PROGRESS", None);
    }
    match wanted {
        Ok(_) => set(stack, key, State::Starting(at + LEAD)),
        Err(error) => fail(stack, key, at, &error.message),
    }
}

/// What differs between a resource as it is and as it is to be.
pub(super) fn compare(world: &World, old: &Resource, new: &Resource) -> Difference {
    let Some(kind) = registry::find(&new.kind) else { return Difference::default() };
    let mut difference = difference::properties(
        &kind,
        &open_properties(world, &old.properties),
        &open_properties(world, &new.properties),
    );
    difference.note("Metadata", old.metadata != new.metadata);
    difference.note("DeletionPolicy", old.deletion_policy != new.deletion_policy);
    difference.note("UpdateReplacePolicy", old.replace_policy != new.replace_policy);
    difference.note("Tags", kind.tags.is_some() && old.tags != new.tags);
    difference
}

fn act_apply(world: &mut World, stack: &mut Stack, key: &str, at: f64) -> Result<f64, String> {
    scripted(world, stack, key, "")?;
    let Some(target) = stack
        .operation
        .as_ref()
        .and_then(|operation| operation.tasks.get(key))
        .and_then(|task| task.target.as_deref().cloned())
    else {
        return Ok(0.0);
    };
    let properties = open_properties(world, &target.properties);
    let subject = subject(stack, key, &target);
    let seconds = resources::duration(&target.kind, &properties) - LEAD;
    let existing = stack.resources.get(key).filter(|resource| resource.exists()).cloned();
    let Some(old) = existing else {
        let made = make(world, stack, &subject, &properties, at)?;
        install(world, stack, key, target, made);
        events::resource(stack, key, at, "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
        return Ok(seconds);
    };
    let difference = compare(world, &old, &target);
    let old_properties = open_properties(world, &old.properties);
    let made = Made {
        physical_id: old.physical_id.clone(),
        attributes: open_attributes(world, &old.attributes),
    };
    if difference.replaces() {
        let named = resources::chosen_id(&target.kind, &properties);
        if named.is_some() && named == resources::chosen_id(&target.kind, &old_properties) {
            return Err(format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update the stack again.",
                named.unwrap_or_default()
            ));
        }
        let made = make(world, stack, &subject, &properties, at)?;
        install(world, stack, key, target, made);
        events::resource(stack, key, at, "UPDATE_IN_PROGRESS", Some("Resource creation Initiated"));
        if let Some(operation) = &mut stack.operation {
            let logical_id = key.to_owned();
            operation.doomed.push(Doomed { logical_id, resource: old, replaced: true });
        }
        return Ok(seconds);
    }
    let mut made = made;
    if difference.touches_object() {
        made.attributes =
            resources::update(world, at, &subject, &made, &old_properties, &properties)?;
    }
    install(world, stack, key, target, made);
    Ok(seconds / 2.0)
}

/// Makes an object, unless a stack has one of that name already.
fn make(
    world: &mut World,
    stack: &Stack,
    subject: &Subject,
    properties: &Value,
    at: f64,
) -> Result<Made, String> {
    if let Some(id) = resources::chosen_id(&subject.kind, properties) {
        let owner = world.stacks.all.values().chain([stack]).find(|other| {
            other.resources.iter().any(|(logical_id, resource)| {
                resource.kind == subject.kind
                    && resource.physical_id == id
                    && resource.exists()
                    && !(other.id == stack.id && *logical_id == subject.logical_id)
            })
        });
        if let Some(owner) = owner {
            return Err(format!("{id} already exists in stack {}", owner.id));
        }
    }
    resources::create(world, at, subject, properties)
}

fn install(world: &mut World, stack: &mut Stack, key: &str, target: Resource, made: Made) {
    let secret = target.properties.is_string();
    let (status, reason) = stack
        .resources
        .get(key)
        .map(|resource| (resource.status.clone(), resource.reason.clone()))
        .unwrap_or_default();
    let resource = Resource {
        physical_id: made.physical_id,
        attributes: seal_attributes(world, secret, made.attributes),
        status,
        reason,
        ..target
    };
    stack.resources.insert(key.to_owned(), resource);
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
        let attributes = resources::update(world, at, &subject, &made, &changed, &properties)?;
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
            Policy::Retain => !(undoing && replaced),
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
fn scripted(world: &World, stack: &Stack, logical_id: &str, what: &str) -> Result<(), String> {
    match world.stacks.fail_resources.get(&format!("{}/{logical_id}{what}", stack.name)) {
        Some(reason) => Err(reason.clone()),
        None => Ok(()),
    }
}

fn subject(stack: &Stack, logical_id: &str, resource: &Resource) -> Subject {
    Subject {
        stack_name: stack.name.clone(),
        stack_id: stack.id.clone(),
        logical_id: logical_id.to_owned(),
        kind: resource.kind.clone(),
        tags: resource.tags.clone(),
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

fn set(stack: &mut Stack, key: &str, state: State) {
    if let Some(task) = stack.operation.as_mut().and_then(|operation| operation.tasks.get_mut(key))
    {
        task.state = state;
    }
}
