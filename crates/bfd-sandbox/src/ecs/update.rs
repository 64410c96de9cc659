use serde_json::{Value, json};

use super::service::{self, Service};
use super::{invalid, rollout, settings, task_definition, view};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// Settings that an update changes without starting a deployment.
const PLAIN: [&str; 7] = [
    "availabilityZoneRebalancing",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "propagateTags",
];

/// Changes what the request has; what it leaves out stays as it is.
pub(super) fn update(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let key = service::find(world, body, "service")?;
    let current = &world.ecs.services[&key];
    if !current.is_active() {
        return Err(JsonError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let desired = service::desired_count(body)?;
    let changed = merge(world, current, body)?;
    let forced = json::boolean(body, "forceNewDeployment");
    let moved = settings::DEPLOYING.iter().any(|it| changed[*it] != current.settings[*it]);
    if changed["capacityProviderStrategy"] != current.settings["capacityProviderStrategy"]
        && !forced
    {
        return Err(invalid(
            "When switching from launch type to capacity provider strategy on an existing \
             service, or making a change to a capacity provider strategy on a service that is \
             already using one, you must force a new deployment.",
        ));
    }
    let Some(service) = world.ecs.services.get_mut(&key) else { return Ok(json!({})) };
    service.settings = changed;
    if let Some(desired) = desired
        && desired != service.desired
    {
        service.desired = desired;
        service.is_steady = false;
        // The number belongs to what is being rolled out; a failed deployment stays where it is.
        if let Some(primary) = service.deployments.first_mut() {
            primary.desired = desired;
            primary.updated_at = now;
        }
    }
    rollout::wake(service, now + rollout::TICK);
    if moved || forced {
        rollout::deploy(world, &key, now);
    }
    Ok(json!({ "service": view::service(world, &world.ecs.services[&key], true) }))
}

fn merge(world: &World, service: &Service, body: &Value) -> Result<Value, JsonError> {
    let mut merged = service.settings.clone();
    for member in settings::DEPLOYING.iter().chain(&PLAIN) {
        if !body[*member].is_null() {
            merged[*member] = body[*member].clone();
        }
    }
    if !json::array(body, "capacityProviderStrategy").is_empty() {
        json::object(&mut merged).remove("launchType");
    }
    let definition = if let Some(name) = json::text(body, "taskDefinition") {
        task_definition::find_runnable(world, name)?
    } else {
        // What runs may go on running, ACTIVE or not.
        let name = service.settings["taskDefinition"].as_str().unwrap_or_default();
        task_definition::find(world, name)
            .ok_or_else(|| super::client_error("TaskDefinition not found."))?
    };
    merged["taskDefinition"] = json!(definition.arn());
    // Parts of the configuration that are left out stay, but the breaker is taken whole: what it
    // leaves out is off.
    if let Value::Object(declared) = &body["deploymentConfiguration"] {
        let configuration = json::object(&mut merged["deploymentConfiguration"]);
        for (member, value) in declared {
            if !value.is_null() {
                configuration.insert(member.clone(), value.clone());
            }
        }
    }
    settings::fill_in(world, &service.cluster, &mut merged);
    settings::check(&merged, definition)?;
    Ok(merged)
}
