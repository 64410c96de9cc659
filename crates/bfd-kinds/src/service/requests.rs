//! The canonical form of a service's own settings, and ECS's requests and answers.

use super::tree::{
    Map, boolean, default, in_list, in_map, map_of, number, prune, sort, sort_set, value_of,
};
use bfd_core::{Expr, Properties, Value};
use serde_json::{Map as Object, json};

/// What DescribeServices tells and CreateService does not take, or takes from
/// another part of the canonical form.
const READ_ONLY: &[&str] = &[
    "serviceArn",
    "serviceName",
    "clusterArn",
    "cluster",
    "status",
    "desiredCount",
    "runningCount",
    "pendingCount",
    "taskDefinition",
    "taskSets",
    "deployments",
    "events",
    "createdAt",
    "createdBy",
    "tags",
    "roleArn",
    "platformFamily",
    "currentServiceDeployment",
    "currentServiceRevisions",
    "resourceManagementType",
    "clientToken",
    "forceNewDeployment",
    "service",
];

/// What DescribeServices tells of the current deployment only.
const OF_THE_DEPLOYMENT: &[&str] =
    &["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"];

/// Reads one service as DescribeServices answers it into the canonical form of its
/// settings: the `service` part of the inputs.
pub fn canonical_service(described: &Value) -> Value {
    let mut map = map_of(described);
    let primary = described["deployments"]
        .as_array()
        .and_then(|all| all.iter().find(|deployment| deployment["status"] == "PRIMARY"));
    for key in OF_THE_DEPLOYMENT {
        if let Some(value) = primary.and_then(|deployment| deployment.get(*key)) {
            default(&mut map, key, Expr::from(value.clone()));
        }
    }
    if let Some(role) = map.remove("roleArn") {
        default(&mut map, "role", role);
    }
    let mut map = shape(map);
    finish(&mut map);
    value_of(map)
}

pub(super) fn shape(mut map: Map) -> Map {
    for key in READ_ONLY {
        map.remove(*key);
    }
    prune(&mut map);
    map
}

/// Fills in what AWS fills in, drops what says no more than that, and sorts what has no order.
pub(super) fn finish(map: &mut Map) {
    in_map(map, "networkConfiguration", |network| {
        in_map(network, "awsvpcConfiguration", |vpc| {
            default(vpc, "assignPublicIp", "DISABLED".into());
            sort_set(vpc, "subnets");
            sort_set(vpc, "securityGroups");
        });
    });
    in_list(map, "capacityProviderStrategy", |item| {
        default(item, "weight", number(0));
        default(item, "base", number(0));
    });
    in_map(map, "deploymentConfiguration", |deployment| {
        default(deployment, "maximumPercent", number(200));
        default(deployment, "minimumHealthyPercent", number(100));
        in_map(deployment, "deploymentCircuitBreaker", |breaker| {
            default(breaker, "enable", boolean(false));
            default(breaker, "rollback", boolean(false));
        });
        in_map(deployment, "alarms", |alarms| sort_set(alarms, "alarmNames"));
        if deployment.get("alarms").is_some_and(no_alarms) {
            deployment.remove("alarms");
        }
        drop_default(deployment, "strategy", &"ROLLING".into());
        drop_default(deployment, "bakeTimeInMinutes", &number(0));
    });
    sort(map, "capacityProviderStrategy", &["capacityProvider"]);
    sort(
        map,
        "loadBalancers",
        &["targetGroupArn", "loadBalancerName", "containerName", "containerPort"],
    );
    sort(map, "serviceRegistries", &["registryArn"]);
    sort(map, "placementConstraints", &["type", "expression"]);
    sort(map, "volumeConfigurations", &["name"]);
    sort(map, "vpcLatticeConfigurations", &["targetGroupArn", "portName"]);
    prune(map);
}

/// AWS answers with the block even where none was sent.
fn no_alarms(alarms: &Expr) -> bool {
    alarms.as_map().is_some_and(|alarms| {
        !alarms.contains_key("alarmNames")
            && alarms.values().all(|value| value.as_bool() == Some(false))
    })
}

fn drop_default(map: &mut Map, key: &str, default: &Expr) {
    if map.get(key) == Some(default) {
        map.remove(key);
    }
}

/// Writes the request of CreateService, without a client token, from the canonical
/// inputs of a service. `task_definition` is the ARN of a revision.
///
/// With autoscaling the service begins with the fewest tasks.
pub fn create_service(inputs: &Properties, task_definition: &str) -> Value {
    let mut request = match canonical_service(inputs.get("service").unwrap_or(&Value::Null)) {
        Value::Object(request) => request,
        _ => Object::new(),
    };
    let text = |key: &str| inputs.get(key).cloned().unwrap_or_default();
    request.insert("serviceName".to_owned(), text("name"));
    request.insert("cluster".to_owned(), text("cluster"));
    request.insert("taskDefinition".to_owned(), task_definition.into());
    // A daemon has one task on each instance, and ECS refuses a count.
    if request.get("schedulingStrategy").is_none_or(|strategy| strategy != "DAEMON") {
        let fewest = inputs.get("autoscaling").and_then(|scaling| scaling.get("min"));
        let count = inputs.get("desired_count").filter(|count| !count.is_null()).or(fewest);
        request.insert("desiredCount".to_owned(), count.cloned().unwrap_or_else(|| json!(1)));
    }
    let tags: Vec<Value> = inputs
        .get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    // ECS refuses an empty list of tags.
    if !tags.is_empty() {
        request.insert("tags".to_owned(), tags.into());
    }
    Value::Object(request)
}

/// How a setting that is no longer declared is taken back, because ECS leaves alone
/// what a request does not mention.
fn reset(setting: &str) -> Option<Value> {
    Some(match setting {
        "platformVersion" => json!("LATEST"),
        "healthCheckGracePeriodSeconds" => json!(0),
        "propagateTags" => json!("NONE"),
        "availabilityZoneRebalancing" => json!("DISABLED"),
        "enableExecuteCommand" | "enableECSManagedTags" => json!(false),
        "loadBalancers"
        | "serviceRegistries"
        | "capacityProviderStrategy"
        | "placementConstraints"
        | "placementStrategy"
        | "volumeConfigurations"
        | "vpcLatticeConfigurations"
        | "gatewayConnectors" => json!([]),
        "serviceConnectConfiguration" => json!({ "enabled": false }),
        "deploymentController" => json!({ "type": "ECS" }),
        "deploymentConfiguration" => json!({
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": { "enable": false, "rollback": false },
        }),
        _ => return None,
    })
}

/// What UpdateService does not take: a change of these replaces the service.
const NOT_UPDATABLE: &[&str] = &["launchType", "schedulingStrategy", "role"];

/// Writes the part of an UpdateService request that makes the settings `prior` into
/// `desired`, both the `service` part of canonical inputs; `None` when nothing differs.
///
/// `prior` holds the settings that were declared before, as they are now: what is in
/// it and not in `desired` is reset. Each setting that differs is sent whole, because
/// ECS merges the parts of some and not of others. The caller adds `cluster`,
/// `service`, and what else changes, so that there is one call and one deployment.
pub fn update_service(prior: &Value, desired: &Value) -> Option<Value> {
    let (prior, desired) = (canonical_service(prior), canonical_service(desired));
    let empty = Object::new();
    let prior = prior.as_object().unwrap_or(&empty);
    let desired = desired.as_object().unwrap_or(&empty);
    let mut request = Object::new();
    for (setting, value) in desired {
        if prior.get(setting) != Some(value) {
            request.insert(setting.clone(), value.clone());
        }
    }
    for (setting, value) in prior {
        if let Some(reset) = reset(setting).filter(|reset| reset != value)
            && !desired.contains_key(setting)
        {
            request.insert(setting.clone(), reset);
        }
    }
    for setting in NOT_UPDATABLE {
        request.remove(*setting);
    }
    // ECS refuses a change of the strategy that leaves the running tasks where they are.
    if request.contains_key("capacityProviderStrategy") {
        request.insert("forceNewDeployment".to_owned(), json!(true));
    }
    (!request.is_empty()).then_some(Value::Object(request))
}
