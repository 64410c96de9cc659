//! SSM Parameter Store.
//!
//! Requests, answers and refusals follow the API reference, version 2014-11-06.

mod filter;
mod put;
mod read;
mod tag;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::tag::add_system_tags;
use crate::error::JsonError;
use crate::json;
use crate::tags::Tags;
use crate::world::World;

const INVALID: &str = "ValidationException";

/// Every parameter of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parameters(BTreeMap<String, Parameter>);

/// A parameter; its versions are in order and never empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parameter {
    versions: Vec<Version>,
    tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Version {
    number: u64,
    /// Sealed when the type is `SecureString`.
    value: String,
    r#type: String,
    tier: String,
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    allowed_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    policies: Option<String>,
    modified_at: f64,
}

impl Parameter {
    fn latest(&self) -> &Version {
        &self.versions[self.versions.len() - 1]
    }

    fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

impl Version {
    fn is_secret(&self) -> bool {
        self.r#type == "SecureString"
    }
}

impl Parameters {
    /// Whether the name or ARN, with or without a version, is one of a parameter.
    pub(crate) fn contains(&self, selector: &str) -> bool {
        let (name, number, _) = select(selector);
        self.0.get(name).is_some_and(|found| number.is_none_or(|n| found.version(n).is_some()))
    }
}

/// The latest value of a parameter, in plain text.
pub(crate) fn plaintext(world: &World, name: &str) -> Option<String> {
    let version = world.ssm.0.get(name)?.latest();
    Some(if version.is_secret() { world.unseal(&version.value) } else { version.value.clone() })
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    match operation {
        "PutParameter" => put::put(world, now, body),
        "DeleteParameter" => delete(world, body),
        "DeleteParameters" => delete_several(world, body),
        "GetParameter" => read::get(world, body),
        "GetParameters" => read::get_several(world, body),
        "GetParametersByPath" => read::get_by_path(world, body),
        "GetParameterHistory" => read::history(world, body),
        "DescribeParameters" => read::describe(world, body),
        "AddTagsToResource" => tag::add(world, body),
        "RemoveTagsFromResource" => tag::remove(world, body),
        "ListTagsForResource" => tag::list(world, body),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

fn delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "Name", INVALID)?;
    match world.ssm.0.remove(select(name).0) {
        Some(_) => Ok(json!({})),
        None => Err(not_found(name)),
    }
}

fn delete_several(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let (deleted, missing): (Vec<_>, Vec<_>) =
        names(body)?.into_iter().partition(|name| world.ssm.0.remove(select(name).0).is_some());
    Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": missing }))
}

/// Splits a selector into the name, a version's number, and the selector's own text.
///
/// A name may come as an ARN, `arn:aws:ssm:…:parameter/name`, whose name has lost its slash only
/// if it has no further one.
fn select(selector: &str) -> (&str, Option<u64>, &str) {
    let (rest, was_arn) = match selector.split_once(":parameter/") {
        Some((_, rest)) if selector.starts_with("arn:") => {
            (&selector[selector.len() - rest.len() - 1..], true)
        }
        _ => (selector, false),
    };
    let (name, suffix) = rest.split_once(':').unwrap_or((rest, ""));
    let is_flat = was_arn && !name[1..].contains('/');
    let name = if is_flat { &name[1..] } else { name };
    (
        name,
        suffix.parse().ok(),
        &rest[rest.len() - suffix.len() - usize::from(!suffix.is_empty())..],
    )
}

/// The names of a request that takes one to ten.
fn names(body: &Value) -> Result<Vec<&str>, JsonError> {
    let names = json::strings(body, "Names");
    let (bound, number) = match names.len() {
        0 => ("greater", 1),
        1..=10 => return Ok(names),
        _ => ("less", 10),
    };
    Err(JsonError::new(
        INVALID,
        format!(
            "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: \
             Member must have length {bound} than or equal to {number}",
            names.join(", ")
        ),
    ))
}

fn arn(world: &World, name: &str) -> String {
    world.arn("ssm", &format!("parameter/{}", name.strip_prefix('/').unwrap_or(name)))
}

fn not_found(name: &str) -> JsonError {
    JsonError::new("ParameterNotFound", format!("Parameter {name} not found."))
}

#[cfg(test)]
mod tests {
    use super::select;

    #[test]
    fn selectors() {
        assert_eq!(select("/a/b"), ("/a/b", None, ""));
        assert_eq!(select("/a/b:12"), ("/a/b", Some(12), ":12"));
        assert_eq!(select("arn:aws:ssm:eu-west-1:123456789012:parameter/a/b"), ("/a/b", None, ""));
        assert_eq!(
            select("arn:aws:ssm:eu-west-1:123456789012:parameter/a:3"),
            ("a", Some(3), ":3")
        );
    }
}
