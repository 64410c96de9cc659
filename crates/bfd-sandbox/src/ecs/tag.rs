use serde_json::{Value, json};

use super::{INVALID, invalid, task_definition};
use crate::error::JsonError;
use crate::json;
use crate::tags::{self, Tags};
use crate::world::World;

pub(super) fn add(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    tags::add(find(world, body)?, &body["tags"], tags::LOWER)?;
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    tags::remove(find(world, body)?, &json::strings(body, "tagKeys"));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    Ok(json!({ "tags": tags::write(find(world, body)?, tags::LOWER) }))
}

/// Adds the tags that only AWS itself may write to the object of an ARN.
pub(crate) fn add_system_tags(world: &mut World, arn: &str, tags: Tags) {
    if let Ok(own) = find(world, &json!({ "resourceArn": arn })) {
        own.extend(tags);
    }
}

/// The tags of the cluster, service, task or task definition that an ARN names.
fn find<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Tags, JsonError> {
    let arn = json::required(body, "resourceArn", INVALID)?;
    let prefix = world.arn("ecs", "");
    let (kind, path) = arn
        .strip_prefix(&prefix)
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| invalid(format!("Invalid arn syntax: {arn}")))?;
    let found = match kind {
        "cluster" => world.ecs.clusters.get_mut(path).map(|it| &mut it.tags),
        "service" => world.ecs.services.get_mut(path).map(|it| &mut it.tags),
        "task" => {
            let id = path.rsplit('/').next().unwrap_or_default();
            world.ecs.tasks.get_mut(id).map(|it| &mut it.tags)
        }
        "task-definition" => task_definition::find_mut(world, path).map(|it| &mut it.tags),
        _ => None,
    };
    found.ok_or_else(|| {
        invalid("The specified resource is not found. Specify a valid ARN and try again.")
    })
}
