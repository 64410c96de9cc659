//! Application Auto Scaling: what is registered, for ECS services. It never scales anything.
//!
//! Requests, answers and refusals follow the API reference, version 2016-02-06.

mod policy;
mod target;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::policy::Policy;
use self::target::Target;
use crate::error::JsonError;
use crate::json;
use crate::tags;
use crate::world::World;

const INVALID: &str = "ValidationException";

/// Everything that is registered, by namespace, resource and dimension.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scaling {
    targets: BTreeMap<String, Target>,
    /// By target, then by the policy's name.
    policies: BTreeMap<String, BTreeMap<String, Policy>>,
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    match operation {
        "RegisterScalableTarget" => target::register(world, now, body),
        "DeregisterScalableTarget" => target::deregister(world, body),
        "DescribeScalableTargets" => target::describe(world, body),
        "PutScalingPolicy" => policy::put(world, now, body),
        "DeleteScalingPolicy" => policy::delete(world, body),
        "DescribeScalingPolicies" => policy::describe(world, body),
        "TagResource" => {
            let target = by_arn(world, body)?;
            let mut all = target.tags.clone();
            all.extend(read_tags(&body["Tags"]));
            // One limit for all services; a map of tags is this service's own way.
            tags::add(&mut target.tags, &tags::write(&all, tags::UPPER), tags::UPPER)?;
            Ok(json!({}))
        }
        "UntagResource" => {
            let keys = json::strings(body, "TagKeys");
            tags::remove(&mut by_arn(world, body)?.tags, &keys);
            Ok(json!({}))
        }
        "ListTagsForResource" => Ok(json!({ "Tags": by_arn(world, body)?.tags })),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

fn by_arn<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Target, JsonError> {
    let arn = json::required(body, "ResourceARN", INVALID)?;
    world.scaling.targets.values_mut().find(|target| target.arn == arn).ok_or_else(|| {
        JsonError::new("ResourceNotFoundException", format!("The resource {arn} does not exist."))
    })
}

fn read_tags(map: &Value) -> tags::Tags {
    let pairs = map.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The key of the target that a request names, with its three parts checked.
fn key(body: &Value) -> Result<String, JsonError> {
    let namespace = json::required(body, "ServiceNamespace", INVALID)?;
    let resource = json::required(body, "ResourceId", INVALID)?;
    let dimension = json::required(body, "ScalableDimension", INVALID)?;
    if !dimension.starts_with(&format!("{namespace}:")) {
        return Err(invalid(format!(
            "Unsupported service namespace, resource type or scalable dimension: {dimension}"
        )));
    }
    Ok(format!("{namespace}|{resource}|{dimension}"))
}

fn fits(body: &Value, key: &str) -> Result<bool, JsonError> {
    let namespace = json::required(body, "ServiceNamespace", INVALID)?;
    let dimension = json::text(body, "ScalableDimension");
    let mut parts = key.split('|').skip(1);
    let (_resource, known) = (parts.next(), parts.next());
    Ok(key.starts_with(&format!("{namespace}|")) && dimension.is_none_or(|it| known == Some(it)))
}

fn resource(key: &str) -> &str {
    key.split('|').nth(1).unwrap_or_default()
}

fn paged(found: Vec<Value>, body: &Value, member: &str) -> Result<Value, JsonError> {
    let size = json::page_size(body, "MaxResults", 50, 50, INVALID)?;
    let (page, next) = json::page(found, json::text(body, "NextToken"), size, || {
        JsonError::new("InvalidNextTokenException", "The next token supplied was invalid")
    })?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn invalid(message: impl Into<String>) -> JsonError {
    JsonError::new(INVALID, message)
}

fn not_registered() -> JsonError {
    JsonError::new(
        "ObjectNotFoundException",
        "No scalable target registered for service namespace, resource ID and scalable dimension",
    )
}
