//! What a service's settings mean: limits, the circuit breaker, capacity, and what is refused.

use serde_json::{Value, json};

use super::task_definition::TaskDefinition;
use super::{client_error, invalid};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// The tasks a rollout may take away and add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// The least that stay healthy.
    pub(super) least: usize,
    /// The most that run or are about to.
    pub(super) most: usize,
}

/// The deployment circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    pub(super) threshold: usize,
    pub(super) rollback: bool,
    pub(super) resets: bool,
}

/// Settings whose change starts a deployment.
/// Source: `UpdateService` in the API reference.
pub(super) const DEPLOYING: [&str; 10] = [
    "capacityProviderStrategy",
    "loadBalancers",
    "monitoring",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "taskDefinition",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// What a deployment and a service revision repeat of their service.
const SHARED: [&str; 10] = [
    "capacityProviderStrategy",
    "launchType",
    "loadBalancers",
    "networkConfiguration",
    "platformFamily",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// The minimum is rounded up and the maximum down.
pub(super) fn limits(settings: &Value, desired: usize) -> Limits {
    let percent = |member: &str, default: usize| {
        let number = settings["deploymentConfiguration"][member].as_u64();
        number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
    };
    Limits {
        least: (desired * percent("minimumHealthyPercent", 100)).div_ceil(100),
        most: desired * percent("maximumPercent", 200) / 100,
    }
}

/// The circuit breaker, if it is on.
///
/// By default half of the desired tasks, but no fewer than 3 and no more than 200.
pub(super) fn breaker(settings: &Value, desired: usize) -> Option<Breaker> {
    let declared = &settings["deploymentConfiguration"]["deploymentCircuitBreaker"];
    if !json::boolean(declared, "enable") {
        return None;
    }
    Some(Breaker {
        threshold: threshold(&declared["thresholdConfiguration"], desired),
        rollback: json::boolean(declared, "rollback"),
        resets: declared["resetOnHealthyTask"].as_bool().unwrap_or(true),
    })
}

fn threshold(declared: &Value, desired: usize) -> usize {
    let value =
        declared["value"].as_u64().and_then(|value| usize::try_from(value).ok()).unwrap_or(50);
    let share = (desired * value).div_ceil(100);
    match declared["type"].as_str() {
        Some("COUNT") => value.max(1),
        Some("UNBOUNDED_PERCENT") => share.max(1),
        _ => share.clamp(3, 200),
    }
}

pub(super) fn has_load_balancer(settings: &Value) -> bool {
    !json::array(settings, "loadBalancers").is_empty()
}

/// Whether there is anything to run tasks on: Fargate always, container instances never.
pub(super) fn has_capacity(settings: &Value) -> bool {
    settings["launchType"] == "FARGATE" || uses_fargate_provider(settings)
}

fn uses_fargate_provider(settings: &Value) -> bool {
    let items = json::array(settings, "capacityProviderStrategy").iter();
    items
        .filter_map(|item| item["capacityProvider"].as_str())
        .any(|name| name.starts_with("FARGATE"))
}

/// Fills in what AWS fills in when a service is created.
pub(super) fn fill_in(world: &World, cluster: &str, settings: &mut Value) {
    let is_empty = |settings: &Value, member: &str| json::array(settings, member).is_empty();
    if settings["launchType"].is_null() && is_empty(settings, "capacityProviderStrategy") {
        match world.ecs.clusters.get(cluster).map(super::Cluster::default_strategy) {
            Some(Value::Array(strategy)) if !strategy.is_empty() => {
                settings["capacityProviderStrategy"] = strategy.clone().into();
            }
            _ => settings["launchType"] = json!("EC2"),
        }
    }
    if has_capacity(settings) {
        json::default(settings, "platformVersion", json!("LATEST"));
        json::default(settings, "platformFamily", json!("Linux"));
    }
    json::default(settings, "schedulingStrategy", json!("REPLICA"));
    json::default(settings, "propagateTags", json!("NONE"));
    for list in ["loadBalancers", "serviceRegistries", "placementConstraints", "placementStrategy"]
    {
        json::default(settings, list, json!([]));
    }
    for flag in ["enableECSManagedTags", "enableExecuteCommand"] {
        json::default(settings, flag, json!(false));
    }
    if has_load_balancer(settings) {
        json::default(settings, "healthCheckGracePeriodSeconds", json!(0));
    }
    json::default(settings, "deploymentConfiguration", json!({}));
    let configuration = &mut settings["deploymentConfiguration"];
    json::default(configuration, "strategy", json!("ROLLING"));
    json::default(configuration, "maximumPercent", json!(200));
    json::default(configuration, "minimumHealthyPercent", json!(100));
    json::default(configuration, "bakeTimeInMinutes", json!(0));
    json::default(configuration, "deploymentCircuitBreaker", json!({}));
    for flag in ["enable", "rollback"] {
        json::default(&mut configuration["deploymentCircuitBreaker"], flag, json!(false));
    }
    let spreads = settings["deploymentConfiguration"]["maximumPercent"].as_u64() > Some(100);
    let rebalancing = if spreads { "ENABLED" } else { "DISABLED" };
    json::default(settings, "availabilityZoneRebalancing", json!(rebalancing));
    let network = &mut settings["networkConfiguration"]["awsvpcConfiguration"];
    if network.is_object() {
        json::default(network, "assignPublicIp", json!("DISABLED"));
        json::default(network, "securityGroups", json!([]));
    } else if settings["networkConfiguration"]["awsvpcConfiguration"].is_null() {
        // Indexing has made them; nothing was declared.
        json::object(settings).remove("networkConfiguration");
    }
}

/// Refuses what `CreateService` and `UpdateService` refuse about settings and their definition.
pub(super) fn check(settings: &Value, definition: &TaskDefinition) -> Result<(), JsonError> {
    let subnets = json::array(&settings["networkConfiguration"]["awsvpcConfiguration"], "subnets");
    let groups =
        json::array(&settings["networkConfiguration"]["awsvpcConfiguration"], "securityGroups");
    let has_network = settings["networkConfiguration"]["awsvpcConfiguration"].is_object();
    if definition.is_awsvpc() && !has_network {
        return Err(invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ));
    }
    if !definition.is_awsvpc() && has_network {
        return Err(invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ));
    }
    if has_network && subnets.is_empty() {
        return Err(invalid("subnets can not be empty."));
    }
    if subnets.len() > 16 {
        return Err(invalid("subnets can have at most 16 items."));
    }
    if groups.len() > 5 {
        return Err(invalid("securityGroups can have at most 5 items."));
    }
    if has_capacity(settings) && !definition.supports("FARGATE") {
        return Err(invalid("Task definition does not support launch_type FARGATE."));
    }
    for balancer in json::array(settings, "loadBalancers") {
        check_balancer(balancer, definition)?;
    }
    check_configuration(&settings["deploymentConfiguration"])
}

fn check_balancer(balancer: &Value, definition: &TaskDefinition) -> Result<(), JsonError> {
    let name = &balancer["containerName"];
    let container = definition.containers().iter().find(|container| container["name"] == *name);
    let container = container.ok_or_else(|| {
        invalid(format!(
            "The container {} does not exist in the task definition.",
            name.as_str().unwrap_or_default()
        ))
    })?;
    let mappings = json::array(container, "portMappings");
    if mappings.iter().any(|mapping| mapping["containerPort"] == balancer["containerPort"]) {
        return Ok(());
    }
    Err(invalid(format!(
        "The container {} did not have a container port {} defined.",
        name.as_str().unwrap_or_default(),
        balancer["containerPort"]
    )))
}

fn check_configuration(configuration: &Value) -> Result<(), JsonError> {
    let least = configuration["minimumHealthyPercent"].as_i64().unwrap_or(100);
    let most = configuration["maximumPercent"].as_i64().unwrap_or(200);
    if least < 0 || most < 0 || most > 200 && configuration["strategy"] != "ROLLING" {
        return Err(invalid("Deployment percentages are out of range."));
    }
    if most < 100 || most <= least && least >= 100 {
        return Err(invalid(
            "maximumPercent must be at least 100 and greater than minimumHealthyPercent.",
        ));
    }
    let breaker = &configuration["deploymentCircuitBreaker"]["thresholdConfiguration"];
    if !breaker.is_null() {
        let is_known = matches!(
            breaker["type"].as_str(),
            Some("COUNT" | "BOUNDED_PERCENT" | "UNBOUNDED_PERCENT")
        );
        if !is_known || breaker["value"].as_i64().is_none_or(|value| value < 1) {
            return Err(client_error("Invalid thresholdConfiguration for the circuit breaker."));
        }
    }
    Ok(())
}

/// Puts back what a revision records; limits, count and the like stay as they are now.
pub(super) fn revert(settings: &mut Value, revision: &Value) {
    for member in DEPLOYING.iter().chain(&SHARED) {
        match &revision[*member] {
            Value::Null => json::object(settings).remove(*member),
            value => json::object(settings).insert((*member).to_owned(), value.clone()),
        };
    }
}

pub(super) fn shared_view(settings: &Value) -> Value {
    let mut view = json!({});
    for member in SHARED {
        if !settings[member].is_null() {
            view[member] = settings[member].clone();
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_favours_the_running_tasks() {
        let settings = json!({ "deploymentConfiguration": {
            "minimumHealthyPercent": 50, "maximumPercent": 150,
        } });
        assert_eq!(limits(&settings, 3), Limits { least: 2, most: 4 });
        assert_eq!(limits(&json!({}), 3), Limits { least: 3, most: 6 });
    }

    #[test]
    fn thresholds() {
        let of = |declared: Value, desired| threshold(&declared, desired);
        assert_eq!(of(Value::Null, 1), 3);
        assert_eq!(of(Value::Null, 25), 13);
        assert_eq!(of(Value::Null, 1000), 200);
        assert_eq!(of(json!({ "type": "COUNT", "value": 1 }), 10), 1);
        assert_eq!(of(json!({ "type": "UNBOUNDED_PERCENT", "value": 10 }), 10), 1);
        assert_eq!(of(json!({ "type": "BOUNDED_PERCENT", "value": 10 }), 100), 10);
    }
}
