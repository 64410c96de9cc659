use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{fits, invalid, key, not_registered, paged, read_tags, resource};
use crate::ecs;
use crate::error::JsonError;
use crate::json;
use crate::tags::Tags;
use crate::world::World;

/// A scalable target: what was declared, in AWS's spelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Target {
    settings: Value,
    pub(super) arn: String,
    pub(super) tags: Tags,
    created_at: f64,
}

/// Registers a target, or changes what the request has of one that is.
pub(super) fn register(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let key = key(body)?;
    let known = world.scaling.targets.get(&key);
    let mut settings = known.map_or_else(|| json!({}), |known| known.settings.clone());
    for (member, value) in body.as_object().into_iter().flatten() {
        if member != "Tags" && !value.is_null() {
            settings[member.as_str()] = value.clone();
        }
    }
    let bounds = (settings["MinCapacity"].as_i64(), settings["MaxCapacity"].as_i64());
    let (Some(least), Some(most)) = bounds else {
        return Err(invalid(
            "MinCapacity and MaxCapacity are required when you register a new scalable target",
        ));
    };
    if least < 0 || least > most {
        return Err(invalid("Minimum capacity cannot be greater than maximum capacity"));
    }
    if key.starts_with("ecs|") && !ecs::has_service(world, resource(&key)) {
        return Err(invalid(format!("ECS service doesn't exist: {}", resource(&key))));
    }
    let role = "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/\
                AWSServiceRoleForApplicationAutoScaling_ECSService";
    json::default(
        &mut settings,
        "RoleARN",
        json!(format!("arn:aws:iam::{}:{role}", world.account)),
    );
    json::default(
        &mut settings,
        "SuspendedState",
        json!({
            "DynamicScalingInSuspended": false,
            "DynamicScalingOutSuspended": false,
            "ScheduledScalingSuspended": false,
        }),
    );
    let (arn, tags, created_at) = if let Some(known) = known {
        (known.arn.clone(), known.tags.clone(), known.created_at)
    } else {
        let id = &world.next_hex()[..20];
        let arn = world.arn("application-autoscaling", &format!("scalable-target/0{id}"));
        (arn, read_tags(&body["Tags"]), now)
    };
    let answer = json!({ "ScalableTargetARN": arn });
    world.scaling.targets.insert(key, Target { settings, arn, tags, created_at });
    Ok(answer)
}

/// Its policies go with it.
pub(super) fn deregister(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let key = key(body)?;
    world.scaling.policies.remove(&key);
    match world.scaling.targets.remove(&key) {
        Some(_) => Ok(json!({})),
        None => Err(not_registered()),
    }
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let resources = json::strings(body, "ResourceIds");
    let mut found = Vec::new();
    for (key, target) in &world.scaling.targets {
        if fits(body, key)? && (resources.is_empty() || resources.contains(&resource(key))) {
            let mut view = target.settings.clone();
            view["ScalableTargetARN"] = json!(target.arn);
            view["CreationTime"] = json::time(target.created_at);
            found.push(view);
        }
    }
    paged(found, body, "ScalableTargets")
}
