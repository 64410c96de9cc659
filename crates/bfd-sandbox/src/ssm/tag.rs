use serde_json::{Value, json};

use super::{INVALID, Parameter, select};
use crate::error::JsonError;
use crate::json;
use crate::tags::{self, Tags};
use crate::world::World;

pub(super) fn add(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    tags::add(&mut find(world, body)?.tags, &body["Tags"], tags::UPPER)?;
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    tags::remove(&mut find(world, body)?.tags, &json::strings(body, "TagKeys"));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    Ok(json!({ "TagList": tags::write(&find(world, body)?.tags, tags::UPPER) }))
}

/// Adds the tags that only AWS itself may write.
pub(crate) fn add_system_tags(world: &mut World, name: &str, tags: Tags) {
    if let Some(parameter) = world.ssm.0.get_mut(name) {
        parameter.tags.extend(tags);
    }
}

fn find<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Parameter, JsonError> {
    if json::required(body, "ResourceType", INVALID)? != "Parameter" {
        return Err(JsonError::new(
            "InvalidResourceType",
            "The resource type is not valid. The sandbox knows parameters only.",
        ));
    }
    let name = select(json::required(body, "ResourceId", INVALID)?).0;
    world.ssm.0.get_mut(name).ok_or_else(|| {
        JsonError::new(
            "InvalidResourceId",
            "The resource ID is not valid. Verify that you entered the correct ID and try again.",
        )
    })
}
