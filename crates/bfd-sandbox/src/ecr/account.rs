use serde_json::{Value, json};

use super::{INVALID, invalid};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// Whether layers are shared between the repositories of a registry.
pub(super) const BLOB_MOUNTING: &str = "BLOB_MOUNTING";

/// The settings that there are, each with its values; the first one is AWS's default.
const SETTINGS: [(&str, [&str; 2]); 3] = [
    ("BASIC_SCAN_TYPE_VERSION", ["AWS_NATIVE", "CLAIR"]),
    (BLOB_MOUNTING, ["DISABLED", "ENABLED"]),
    ("REGISTRY_POLICY_SCOPE", ["V2", "V1"]),
];

pub(super) fn get(world: &World, body: &Value) -> Result<Value, JsonError> {
    let (name, _) = known(body)?;
    Ok(json!({ "name": name, "value": value(world, name) }))
}

pub(super) fn put(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let (name, values) = known(body)?;
    let value = json::required(body, "value", INVALID)?;
    if !values.contains(&value) {
        return Err(invalid(format!(
            "Invalid parameter at 'value' failed to satisfy constraint: '{value} is not one of \
             {}'",
            values.join(", ")
        )));
    }
    world.ecr.settings.insert(name.to_owned(), value.to_owned());
    Ok(json!({ "name": name, "value": value }))
}

/// What a setting is, set or not.
pub(super) fn value<'a>(world: &'a World, name: &str) -> &'a str {
    let default = SETTINGS.iter().find(|(known, _)| *known == name);
    let default = default.map_or("", |(_, values)| values[0]);
    world.ecr.settings.get(name).map_or(default, String::as_str)
}

fn known(body: &Value) -> Result<(&'static str, [&'static str; 2]), JsonError> {
    let asked = json::required(body, "name", INVALID)?;
    SETTINGS.into_iter().find(|(name, _)| *name == asked).ok_or_else(|| {
        invalid(format!(
            "Invalid parameter at 'name' failed to satisfy constraint: '{asked} is not one of {}'",
            SETTINGS.map(|(name, _)| name).join(", ")
        ))
    })
}
