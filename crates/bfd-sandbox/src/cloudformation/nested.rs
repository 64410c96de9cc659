//! Stacks within stacks.
//!
//! A nested stack is a stack like any other, which its parent makes, changes and deletes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::operation::{Kind, Operation, Phase};
use super::request::Request;
use super::resources::{Made, Readiness, Subject};
use super::stack::{OnFailure, Settings, Stack};
use super::{engine, evaluation, events, handlers, parameters, preview, settle, tasks};
use crate::world::World;

pub(super) const KIND: &str = "AWS::CloudFormation::Stack";

/// Begins to make a nested stack.
pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let settings = settings(world, now, subject, properties, &Settings::default(), false)?;
    let name = subject.generated_name(world, 128);
    let id = handlers::new_id(world, &name);
    evaluation::Prepared::new(world, &id, &name, &settings).map_err(|error| error.message)?;
    let mut stack = Stack::new(id.clone(), name, now);
    stack.settings = settings;
    stack.parent_id = Some(subject.stack_id.clone());
    stack.root_id = Some(subject.root_id.clone());
    // Its parent decides what becomes of it.
    stack.on_failure = OnFailure::DoNothing;
    stack.timeout_minutes = super::parameters::scalar(&properties["TimeoutInMinutes"])
        .and_then(|minutes| minutes.parse().ok());
    handlers::start_create(world, &mut stack, now, None);
    world.stacks.all.insert(id.clone(), stack);
    Ok(Made { physical_id: id, attributes: BTreeMap::new() })
}

/// Begins to change a nested stack; one that stays as it is is left alone.
pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    id: &str,
    properties: &Value,
) -> Result<(), String> {
    let Some(stack) = world.stacks.all.get(id).cloned() else { return Err(gone_already(id)) };
    let settings = settings(world, now, subject, properties, &stack.settings, true)?;
    let restorable = Some(stack.settings.clone());
    start(world, now, &stack, settings, restorable)
}

/// Begins to put a nested stack back to what it was before its parent last changed it.
pub(super) fn restore(world: &mut World, now: f64, id: &str) -> Result<(), String> {
    let Some(stack) = world.stacks.all.get(id).cloned() else { return Err(gone_already(id)) };
    match (stack.status.as_str(), stack.restorable.clone()) {
        ("UPDATE_COMPLETE", Some(previous)) => start(world, now, &stack, previous, None),
        ("UPDATE_IN_PROGRESS", Some(_)) => {
            let Some(mut stack) = world.stacks.all.remove(id) else { return Ok(()) };
            tasks::cancel(&mut stack, now);
            settle::start_update_rollback(world, &mut stack, now, "User Initiated");
            world.stacks.all.insert(id.to_owned(), stack);
            Ok(())
        }
        // It rolls back by itself, or its parent has not changed it.
        _ => Ok(()),
    }
}

/// Forgets what the nested stacks of a parent were before it changed them.
pub(super) fn accept(world: &mut World, parent: &Stack) {
    for resource in parent.resources.values().filter(|resource| resource.kind == KIND) {
        if let Some(stack) = world.stacks.all.get_mut(&resource.physical_id) {
            stack.restorable = None;
        }
    }
}

fn start(
    world: &mut World,
    now: f64,
    stack: &Stack,
    settings: Settings,
    restorable: Option<Settings>,
) -> Result<(), String> {
    let preview = preview::changes(world, stack, &settings).map_err(|error| error.message)?;
    let id = stack.id.clone();
    let Some(mut stack) = world.stacks.all.remove(&id) else { return Err(gone_already(&id)) };
    stack.restorable = restorable;
    if preview.differs {
        handlers::start_update(world, &mut stack, settings, now, None);
    } else {
        stack.settings = settings;
    }
    world.stacks.all.insert(id, stack);
    Ok(())
}

/// Begins to delete a nested stack, whatever it is doing.
pub(super) fn delete(world: &mut World, now: f64, id: &str) {
    let Some(mut stack) = world.stacks.all.remove(id) else { return };
    if !stack.is_deleted() && stack.status != "DELETE_IN_PROGRESS" {
        if stack.operation.is_some() {
            tasks::cancel(&mut stack, now);
        }
        let mut operation = Operation::new(Kind::Delete, Phase::Delete, now + engine::PAUSE, None);
        operation.previous_status.clone_from(&stack.status);
        stack.operation = Some(operation);
        events::stack(world, &mut stack, now, "DELETE_IN_PROGRESS", Some("User Initiated"));
    }
    world.stacks.all.insert(id.to_owned(), stack);
}

/// Whether a nested stack is what its parent wants it to be.
pub(super) fn readiness(world: &mut World, now: f64, id: &str, restoring: bool) -> Readiness {
    let is_changed = world
        .stacks
        .all
        .get(id)
        .is_some_and(|stack| stack.status == "UPDATE_COMPLETE" && stack.restorable.is_some());
    // It was still cleaning up when its parent went back.
    if restoring && is_changed {
        return match restore(world, now, id) {
            Ok(()) => Readiness::Waiting,
            Err(reason) => Readiness::Failed(reason),
        };
    }
    let Some(stack) = world.stacks.all.get(id) else { return Readiness::Failed(gone_already(id)) };
    let reason = stack.reason.clone().unwrap_or_default();
    match stack.status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => Readiness::Ready,
        "UPDATE_ROLLBACK_COMPLETE" if restoring => Readiness::Ready,
        "CREATE_FAILED" => {
            Readiness::Failed(format!("Embedded stack {id} was not successfully created: {reason}"))
        }
        status if restoring && status.ends_with("_IN_PROGRESS") => Readiness::Waiting,
        status if status == "UPDATE_FAILED" || status.starts_with("UPDATE_ROLLBACK") => {
            Readiness::Failed(format!(
                "Embedded stack {id} was not successfully updated. Currently in {status} with reason: {reason}"
            ))
        }
        status if status.ends_with("_IN_PROGRESS") && !status.starts_with("DELETE") => {
            Readiness::Waiting
        }
        _ => {
            Readiness::Failed(format!("Embedded stack {id} was not successfully created: {reason}"))
        }
    }
}

/// Whether a nested stack that is being deleted is gone.
pub(super) fn gone(world: &World, id: &str) -> Readiness {
    let Some(stack) = world.stacks.all.get(id) else { return Readiness::Ready };
    match stack.status.as_str() {
        "DELETE_COMPLETE" => Readiness::Ready,
        "DELETE_IN_PROGRESS" => Readiness::Waiting,
        _ => Readiness::Failed(format!(
            "Embedded stack {id} was not successfully deleted: {}",
            stack.reason.clone().unwrap_or_default()
        )),
    }
}

/// What `Fn::GetAtt` gives for a nested stack: `Outputs.Name`.
pub(super) fn attributes(world: &World, id: &str) -> BTreeMap<String, Value> {
    let outputs = world.stacks.all.get(id).map(|stack| &stack.outputs);
    outputs
        .into_iter()
        .flatten()
        .map(|(name, output)| (format!("Outputs.{name}"), json!(output.value)))
        .collect()
}

fn gone_already(id: &str) -> String {
    format!("Stack with id {id} does not exist")
}

/// What the properties make of the nested stack, read as a request of their own.
fn settings(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
    previous: &Settings,
    updating: bool,
) -> Result<Settings, String> {
    let text = |value: &Value| parameters::scalar(value).unwrap_or_default();
    let mut members = BTreeMap::new();
    members.insert("TemplateURL".to_owned(), text(&properties["TemplateURL"]));
    let given = properties["Parameters"].as_object().into_iter().flatten();
    for (index, (name, value)) in (1..).zip(given) {
        // A list goes in as text, as it would in a request.
        let value = match value {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => text(other),
        };
        members.insert(format!("Parameters.member.{index}.ParameterKey"), name.clone());
        members.insert(format!("Parameters.member.{index}.ParameterValue"), value);
    }
    for (index, (key, value)) in (1..).zip(subject.tags(properties)) {
        members.insert(format!("Tags.member.{index}.Key"), key);
        members.insert(format!("Tags.member.{index}.Value"), value);
    }
    // Without tags there are none, where there may have been some.
    members.entry("Tags".to_owned()).or_default();
    for (index, capability) in (1..).zip(&subject.capabilities) {
        members.insert(format!("Capabilities.member.{index}"), capability.clone());
    }
    members.entry("NotificationARNs".to_owned()).or_default();
    let topics = properties["NotificationARNs"].as_array().into_iter().flatten();
    for (index, topic) in (1..).zip(topics) {
        members.insert(format!("NotificationARNs.member.{index}"), text(topic));
    }
    if let Some(role) = &subject.role_arn {
        members.insert("RoleARN".to_owned(), role.clone());
    }
    handlers::settings(world, now, Request::new(&members), previous, updating)
        .map_err(|error| error.message)
}
