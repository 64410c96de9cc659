//! `AWS::ECS::Cluster`, `AWS::ECS::TaskDefinition` and `AWS::ECS::Service`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Made, Readiness, Subject, already_exists, handler_message, service_message, text};
use crate::ecs;
use crate::tags::Tags;
use crate::world::World;

/// The attribute, hidden from templates, that names the deployment to wait for.
const DEPLOYMENT: &str = "$Deployment";

/// Members whose keys are the user's own and stay as they are.
const USER_KEYS: [&str; 4] = ["DockerLabels", "DriverOpts", "Labels", "Options"];

/// Members that ECS takes as text although they may look like numbers.
const TEXTS: [&str; 9] =
    ["Cpu", "Memory", "Name", "Value", "Family", "Key", "Image", "User", "Hostname"];

pub(super) fn create_cluster(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let name = match text(&properties["ClusterName"]) {
        name if name.is_empty() => subject.generated_name(world, 255),
        name => name,
    };
    let described = json!({ "clusters": [name] });
    let existing = ecs::handle(world, now, "DescribeClusters", &described);
    // CreateCluster itself answers with the cluster that is there.
    let found = existing.is_ok_and(|answer| {
        answer["clusters"]
            .as_array()
            .is_some_and(|list| list.iter().any(|one| one["status"] == "ACTIVE"))
    });
    if found {
        return Err(already_exists(world, &subject.kind, &name));
    }
    let mut request = camel(properties, true);
    request["clusterName"] = json!(name);
    rename(&mut request, "clusterSettings", "settings");
    request["tags"] = list(&subject.tags(properties));
    let answer = ecs::handle(world, now, "CreateCluster", &request)
        .map_err(|error| service_message(world, "Ecs", &error))?;
    let arn = &answer["cluster"]["clusterArn"];
    ecs::add_system_tags(world, &text(arn), subject.system_tags());
    let attributes = BTreeMap::from([("Arn".to_owned(), arn.clone())]);
    Ok(Made { physical_id: name, attributes })
}

pub(super) fn update_cluster(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    let mut request = camel(properties, true);
    rename(&mut request, "clusterSettings", "settings");
    remove(
        &mut request,
        &["clusterName", "tags", "capacityProviders", "defaultCapacityProviderStrategy"],
    );
    request["cluster"] = json!(made.physical_id);
    if request.as_object().is_some_and(|members| members.len() > 1) {
        ecs::handle(world, now, "UpdateCluster", &request)
            .map_err(|error| service_message(world, "Ecs", &error))?;
    }
    retag(world, now, &made.attributes["Arn"], &subject.tags(properties))
        .map_err(|error| service_message(world, "Ecs", &error))?;
    Ok(made.attributes.clone())
}

pub(super) fn delete_cluster(world: &mut World, now: f64, name: &str) -> Result<(), String> {
    remove_object(world, now, "DeleteCluster", &json!({ "cluster": name }))
}

pub(super) fn register(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let mut request = camel(properties, true);
    if request["family"].is_null() {
        let stem = format!("{}{}", subject.stack_name, subject.logical_id);
        request["family"] = json!(format!("{stem}-{}", super::ids::suffix(world)));
    }
    for container in request["containerDefinitions"].as_array_mut().into_iter().flatten() {
        // Numbers of a container, where those of the task are text.
        for member in ["cpu", "memory"] {
            if let Some(number) =
                container[member].as_str().and_then(|text| text.parse::<i64>().ok())
            {
                container[member] = json!(number);
            }
        }
    }
    let tags = subject.tags(properties);
    remove(&mut request, &["tags"]);
    if !tags.is_empty() {
        request["tags"] = list(&tags);
    }
    let answer = ecs::handle(world, now, "RegisterTaskDefinition", &request)
        .map_err(|error| service_message(world, "Ecs", &error))?;
    let arn = &answer["taskDefinition"]["taskDefinitionArn"];
    ecs::add_system_tags(world, &text(arn), subject.system_tags());
    let attributes = BTreeMap::from([("TaskDefinitionArn".to_owned(), arn.clone())]);
    Ok(Made { physical_id: text(arn), attributes })
}

pub(super) fn deregister(world: &mut World, now: f64, arn: &str) -> Result<(), String> {
    remove_object(world, now, "DeregisterTaskDefinition", &json!({ "taskDefinition": arn }))
}

pub(super) fn create_service(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let mut request = camel(properties, true);
    if request["serviceName"].is_null() {
        request["serviceName"] = json!(subject.generated_name(world, 255));
    }
    if request["desiredCount"].is_null() && request["schedulingStrategy"] != "DAEMON" {
        request["desiredCount"] = json!(1);
    }
    let tags = subject.tags(properties);
    remove(&mut request, &["tags"]);
    if !tags.is_empty() {
        request["tags"] = list(&tags);
    }
    let answer = ecs::handle(world, now, "CreateService", &request)
        .map_err(|error| service_message(world, "Ecs", &error))?;
    let service = &answer["service"];
    let arn = text(&service["serviceArn"]);
    ecs::add_system_tags(world, &arn, subject.system_tags());
    Ok(Made { physical_id: arn, attributes: service_attributes(service) })
}

pub(super) fn update_service(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    let mut request = camel(properties, true);
    remove(
        &mut request,
        &[
            "serviceName",
            "launchType",
            "schedulingStrategy",
            "role",
            "tags",
            "deploymentController",
        ],
    );
    request["service"] = json!(made.physical_id);
    request["cluster"] = json!(cluster_of(&made.physical_id));
    let answer = ecs::handle(world, now, "UpdateService", &request)
        .map_err(|error| service_message(world, "Ecs", &error))?;
    retag(world, now, &made.attributes["ServiceArn"], &subject.tags(properties))
        .map_err(|error| service_message(world, "Ecs", &error))?;
    Ok(service_attributes(&answer["service"]))
}

pub(super) fn delete_service(world: &mut World, now: f64, arn: &str) -> Result<(), String> {
    let request = json!({ "service": arn, "cluster": cluster_of(arn), "force": true });
    remove_object(world, now, "DeleteService", &request)
}

/// A service's attributes, and the deployment that the stack waits for.
fn service_attributes(service: &Value) -> BTreeMap<String, Value> {
    let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let primary = deployments.iter().find(|deployment| deployment["status"] == "PRIMARY");
    BTreeMap::from([
        ("Name".to_owned(), service["serviceName"].clone()),
        ("ServiceArn".to_owned(), service["serviceArn"].clone()),
        (DEPLOYMENT.to_owned(), primary.map(|primary| primary["id"].clone()).unwrap_or_default()),
    ])
}

/// A service is ready when the deployment that the stack started is complete. A service that
/// has become steady with another one, its circuit breaker's, has failed.
pub(super) fn service_readiness(
    world: &mut World,
    now: f64,
    arn: &str,
    attributes: &BTreeMap<String, Value>,
) -> Readiness {
    let Some(service) = describe_service(world, now, arn) else {
        return Readiness::Failed(handler_message(world, "Service not found.", "NotFound"));
    };
    let deployments = service["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = deployments.iter().find(|one| Some(&one["id"]) == attributes.get(DEPLOYMENT));
    match own.map(|one| one["rolloutState"].as_str().unwrap_or_default()) {
        Some("COMPLETED") => Readiness::Ready,
        Some("IN_PROGRESS") => Readiness::Waiting,
        _ => Readiness::Failed(handler_message(
            world,
            "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.",
            "GeneralServiceException",
        )),
    }
}

/// A service is gone when its tasks are, too.
pub(super) fn service_gone(world: &mut World, now: f64, arn: &str) -> Readiness {
    match describe_service(world, now, arn) {
        Some(service) if service["status"] != "INACTIVE" => Readiness::Waiting,
        _ => Readiness::Ready,
    }
}

fn describe_service(world: &mut World, now: f64, arn: &str) -> Option<Value> {
    let request = json!({ "services": [arn], "cluster": cluster_of(arn) });
    let answer = ecs::handle(world, now, "DescribeServices", &request).ok()?;
    answer["services"].get(0).cloned()
}

/// Deletes what is there; what is gone already is fine.
fn remove_object(
    world: &mut World,
    now: f64,
    operation: &str,
    request: &Value,
) -> Result<(), String> {
    match ecs::handle(world, now, operation, request) {
        Err(error) if !error.code.contains("NotFound") && !error.code.contains("NotActive") => {
            Err(service_message(world, "Ecs", &error))
        }
        _ => Ok(()),
    }
}

fn retag(
    world: &mut World,
    now: f64,
    arn: &Value,
    wanted: &Tags,
) -> Result<(), crate::error::JsonError> {
    let listed = ecs::handle(world, now, "ListTagsForResource", &json!({ "resourceArn": arn }))?;
    let gone: Vec<&str> = listed["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag["key"].as_str())
        .filter(|key| !key.starts_with("aws:") && !wanted.contains_key(*key))
        .collect();
    if !gone.is_empty() {
        ecs::handle(world, now, "UntagResource", &json!({ "resourceArn": arn, "tagKeys": gone }))?;
    }
    if !wanted.is_empty() {
        ecs::handle(
            world,
            now,
            "TagResource",
            &json!({ "resourceArn": arn, "tags": list(wanted) }),
        )?;
    }
    Ok(())
}

/// `arn:…:service/CLUSTER/NAME`
fn cluster_of(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or("default")
}

fn list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn rename(request: &mut Value, from: &str, to: &str) {
    if let Some(members) = request.as_object_mut()
        && let Some(value) = members.remove(from)
    {
        members.insert(to.to_owned(), value);
    }
}

fn remove(request: &mut Value, members: &[&str]) {
    if let Some(map) = request.as_object_mut() {
        for member in members {
            map.remove(*member);
        }
    }
}

/// ECS's own spelling of a template's properties, with text turned into the numbers and
/// booleans that its API takes.
fn camel(value: &Value, coerce: bool) -> Value {
    match value {
        Value::Object(members) => {
            let mut spelled = Map::new();
            for (name, member) in members {
                let value = if USER_KEYS.contains(&name.as_str()) {
                    member.clone()
                } else {
                    camel(member, !TEXTS.contains(&name.as_str()))
                };
                spelled.insert(lower_first(name), value);
            }
            Value::Object(spelled)
        }
        Value::Array(items) => items
            .iter()
            // The items of a list of text are text, whatever they look like.
            .map(|item| if item.is_string() { item.clone() } else { camel(item, coerce) })
            .collect(),
        Value::String(text) if coerce => match text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            number => number.parse::<i64>().map_or_else(|_| value.clone(), |number| json!(number)),
        },
        Value::Number(number) if !coerce => json!(number.to_string()),
        other => other.clone(),
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
