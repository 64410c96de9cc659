//! Making a resource what the template says.

use serde_json::Value;

use super::difference::{self, Difference};
use super::errors::validation;
use super::evaluation::{
    MissingOutput, Prepared, lookup, open_attributes, open_properties, seal_attributes,
    seal_properties,
};
use super::operation::{Doomed, State};
use super::resources::{self, Made, Subject};
use super::stack::{Resource, Stack};
use super::tasks::{LEAD, fail, scripted, set, subject};
use super::{events, registry};
use crate::world::World;

/// Starts a resource, unless nothing about it changes.
pub(super) fn start(world: &mut World, stack: &mut Stack, prepared: &Prepared, key: &str, at: f64) {
    let declared = &prepared.template.resources[key];
    let missing = MissingOutput::default();
    let wanted = prepared
        .properties(key, &|name, attribute| {
            missing.note(&stack.resources, name, attribute);
            lookup(world, &stack.resources, name, attribute)
        })
        .and_then(|wanted| missing.check().map(|()| wanted).map_err(validation));
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
            let depended_on = std::mem::replace(&mut resource.depends_on, target.depends_on);
            let tags = std::mem::replace(&mut resource.tags, target.tags);
            if let Some(operation) = &mut stack.operation {
                operation.left_alone.insert(key.to_owned(), (depended_on, tags));
            }
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
fn compare(world: &World, old: &Resource, new: &Resource) -> Difference {
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

/// Makes, replaces or changes the object.
pub(super) fn act(world: &mut World, stack: &mut Stack, key: &str, at: f64) -> Result<f64, String> {
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
