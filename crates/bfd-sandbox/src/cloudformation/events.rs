//! Recording what happens to a stack and its resources.

use super::stack::{Event, Stack};
use super::xml::timestamp;
use crate::world::World;

const STACK: &str = "AWS::CloudFormation::Stack";

/// Sets the stack's status and records it.
pub(super) fn stack(
    world: &mut World,
    stack: &mut Stack,
    at: f64,
    status: &str,
    reason: Option<&str>,
) {
    status.clone_into(&mut stack.status);
    stack.reason = reason.map(str::to_owned);
    let event = Event {
        id: world.next_uuid(),
        at,
        logical_id: stack.name.clone(),
        physical_id: stack.id.clone(),
        kind: STACK.to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        properties: None,
        token: stack.operation.as_ref().and_then(|operation| operation.token.clone()),
    };
    stack.events.push(event);
}

/// Sets a resource's status and records it.
pub(super) fn resource(
    stack: &mut Stack,
    logical_id: &str,
    at: f64,
    status: &str,
    reason: Option<&str>,
) {
    let Some(resource) = stack.resources.get_mut(logical_id) else { return };
    status.clone_into(&mut resource.status);
    resource.reason = reason.map(str::to_owned);
    resource.at = at;
    let (physical_id, kind) = (resource.physical_id.clone(), resource.kind.clone());
    object(stack, logical_id, &physical_id, &kind, at, status, reason);
}

/// Records what happens to an object that is no longer, or not yet, the resource's own.
pub(super) fn object(
    stack: &mut Stack,
    logical_id: &str,
    physical_id: &str,
    kind: &str,
    at: f64,
    status: &str,
    reason: Option<&str>,
) {
    let operation = stack.operation.as_ref();
    // The mask of the operation's evaluation keeps `NoEcho` values out of this text.
    let properties = operation.and_then(|operation| operation.shown.get(logical_id).cloned());
    let token = operation.and_then(|operation| operation.token.clone());
    stack.events.push(Event {
        id: format!("{logical_id}-{status}-{}", timestamp(at)),
        at,
        logical_id: logical_id.to_owned(),
        physical_id: physical_id.to_owned(),
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        properties,
        token,
    });
}
