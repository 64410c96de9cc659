use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{INVALID, fits, invalid, key, not_registered, paged, resource};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// A scaling policy: what was declared, in AWS's spelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    settings: Value,
    arn: String,
    alarms: Vec<Value>,
    created_at: f64,
}

pub(super) fn put(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let key = key(body)?;
    let name = json::required(body, "PolicyName", INVALID)?.to_owned();
    if !world.scaling.targets.contains_key(&key) {
        return Err(not_registered());
    }
    let known = world.scaling.policies.get(&key).and_then(|policies| policies.get(&name)).cloned();
    let mut settings = known.as_ref().map_or_else(|| json!({}), |known| known.settings.clone());
    for (member, value) in body.as_object().into_iter().flatten() {
        if !value.is_null() {
            settings[member.as_str()] = value.clone();
        }
    }
    json::default(&mut settings, "PolicyType", json!("StepScaling"));
    let needed = match settings["PolicyType"].as_str() {
        Some("TargetTrackingScaling") => "TargetTrackingScalingPolicyConfiguration",
        Some("StepScaling") => "StepScalingPolicyConfiguration",
        Some("PredictiveScaling") => "PredictiveScalingPolicyConfiguration",
        other => return Err(invalid(format!("Unknown PolicyType: {}", other.unwrap_or("null")))),
    };
    if settings[needed].is_null() {
        return Err(invalid(format!("The policy type requires {needed}")));
    }
    let policy = if let Some(known) = known {
        Policy { settings, ..known }
    } else {
        let id = world.next_uuid();
        let path = resource_path(&key);
        let path = format!("scalingPolicy:{id}:resource/{path}:policyName/{name}");
        let arn = world.arn("autoscaling", &path);
        let is_tracking = needed.starts_with("TargetTracking");
        let alarms = if is_tracking { alarms(world, resource(&key)) } else { Vec::new() };
        Policy { settings, arn, alarms, created_at: now }
    };
    let answer = json!({ "PolicyARN": policy.arn, "Alarms": policy.alarms });
    world.scaling.policies.entry(key).or_default().insert(name, policy);
    Ok(answer)
}

pub(super) fn delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let key = key(body)?;
    let name = json::required(body, "PolicyName", INVALID)?;
    let policies = world.scaling.policies.get_mut(&key);
    match policies.and_then(|policies| policies.remove(name)) {
        Some(_) => Ok(json!({})),
        None => Err(JsonError::new(
            "ObjectNotFoundException",
            format!("No scaling policy found for service namespace, resource ID and name: {name}"),
        )),
    }
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let names = json::strings(body, "PolicyNames");
    let asked = json::text(body, "ResourceId");
    let mut found = Vec::new();
    for (key, policies) in &world.scaling.policies {
        if !fits(body, key)? || asked.is_some_and(|asked| asked != resource(key)) {
            continue;
        }
        let asked =
            policies.iter().filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
        for (_, policy) in asked {
            let mut view = policy.settings.clone();
            view["PolicyARN"] = json!(policy.arn);
            view["Alarms"] = json!(policy.alarms);
            view["CreationTime"] = json::time(policy.created_at);
            found.push(view);
        }
    }
    paged(found, body, "ScalingPolicies")
}

/// `ecs/service/cluster/name`
fn resource_path(key: &str) -> String {
    let namespace = key.split('|').next().unwrap_or_default();
    format!("{namespace}/{}", resource(key))
}

/// The two alarms that target tracking makes for itself.
fn alarms(world: &mut World, resource: &str) -> Vec<Value> {
    ["AlarmHigh", "AlarmLow"]
        .into_iter()
        .map(|kind| {
            let name = format!("TargetTracking-{resource}-{kind}-{}", world.next_uuid());
            let arn = world.arn("cloudwatch", &format!("alarm:{name}"));
            json!({ "AlarmName": name, "AlarmARN": arn })
        })
        .collect()
}
