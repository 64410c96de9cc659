use serde_json::{Value, json};

use super::{PARAMETER, find_active, resolve};
use crate::error::JsonError;
use crate::json;
use crate::tags::{self, Spelling, Tags};
use crate::world::World;

pub(super) const SPELLING: Spelling = Spelling { key: "Key", value: "Value", invalid: PARAMETER };

pub(super) fn add(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = find_active(world, body)?;
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        tags::add(&mut secret.tags, &body["Tags"], SPELLING)?;
        secret.changed_at = now;
    }
    Ok(json!({}))
}

pub(super) fn remove(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = find_active(world, body)?;
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        tags::remove(&mut secret.tags, &json::strings(body, "TagKeys"));
        secret.changed_at = now;
    }
    Ok(json!({}))
}

/// Adds the tags that only AWS itself may write.
pub(crate) fn add_system_tags(world: &mut World, id: &str, tags: Tags) {
    let Some(name) = resolve(world, id).map(str::to_owned) else { return };
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        secret.tags.extend(tags);
    }
}

/// Lets a secret have these tags and, of its others, only AWS's own.
pub(crate) fn retag(world: &mut World, id: &str, wanted: &Value) -> Result<(), JsonError> {
    let wanted = tags::read(wanted, SPELLING)?;
    let Some(name) = resolve(world, id).map(str::to_owned) else { return Ok(()) };
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        secret.tags.retain(|key, _| key.starts_with("aws:"));
        secret.tags.extend(wanted);
    }
    Ok(())
}
