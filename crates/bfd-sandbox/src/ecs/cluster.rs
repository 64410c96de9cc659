use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{check_list, check_name, invalid, paged, short};
use crate::error::JsonError;
use crate::json;
use crate::tags::{self, Tags};
use crate::world::World;

/// A cluster. `settings` is what was declared, in AWS's spelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cluster {
    name: String,
    status: String,
    settings: Value,
    pub(super) tags: Tags,
}

impl Cluster {
    pub(super) fn is_active(&self) -> bool {
        self.status == "ACTIVE"
    }

    /// The capacity providers of services that name neither one nor a launch type.
    pub(super) fn default_strategy(&self) -> &Value {
        &self.settings["defaultCapacityProviderStrategy"]
    }
}

const PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

pub(super) fn arn(world: &World, name: &str) -> String {
    world.arn("ecs", &format!("cluster/{name}"))
}

pub(super) fn create(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = json::text(body, "clusterName").unwrap_or("default");
    check_name(name, "Cluster")?;
    check_providers(body)?;
    // Creating what is there already gives it back, unchanged.
    if !world.ecs.clusters.get(name).is_some_and(Cluster::is_active) {
        let tags = tags::read(&body["tags"], tags::LOWER)?;
        let mut settings = body.clone();
        for identity in ["clusterName", "tags"] {
            json::object(&mut settings).remove(identity);
        }
        let cluster =
            Cluster { name: name.to_owned(), status: "ACTIVE".to_owned(), settings, tags };
        world.ecs.clusters.insert(name.to_owned(), cluster);
    }
    Ok(json!({ "cluster": view(world, name, &["TAGS", "SETTINGS", "CONFIGURATIONS"]) }))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    check_list(body, "clusters", 100)?;
    let mut names: Vec<_> = json::strings(body, "clusters").into_iter().map(short).collect();
    if names.is_empty() {
        names.push("default");
    }
    let include = json::strings(body, "include");
    let (found, missing): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| world.ecs.clusters.contains_key(*name));
    let clusters: Vec<_> = found.into_iter().map(|name| view(world, name, &include)).collect();
    let failures: Vec<_> = missing
        .into_iter()
        .map(|name| json!({ "arn": arn(world, name), "reason": "MISSING" }))
        .collect();
    Ok(json!({ "clusters": clusters, "failures": failures }))
}

pub(super) fn update(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = change(world, body, &["settings", "configuration", "serviceConnectDefaults"])?;
    Ok(json!({ "cluster": view(world, &name, &["TAGS", "SETTINGS", "CONFIGURATIONS"]) }))
}

pub(super) fn update_settings(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = change(world, body, &["settings"])?;
    Ok(json!({ "cluster": view(world, &name, &["SETTINGS"]) }))
}

pub(super) fn put_capacity_providers(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    if !body["capacityProviders"].is_array() || !body["defaultCapacityProviderStrategy"].is_array()
    {
        return Err(invalid(
            "capacityProviders and defaultCapacityProviderStrategy must both be specified.",
        ));
    }
    check_providers(body)?;
    let name = change(world, body, &["capacityProviders", "defaultCapacityProviderStrategy"])?;
    Ok(json!({ "cluster": view(world, &name, &[]) }))
}

pub(super) fn delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = find(world, body)?;
    let of_cluster = |cluster: &str| cluster == name;
    if world.ecs.services.values().any(|service| of_cluster(&service.cluster) && service.is_there())
    {
        return Err(JsonError::new(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        ));
    }
    if world.ecs.tasks.values().any(|task| of_cluster(&task.cluster) && !task.is_stopped()) {
        return Err(JsonError::new(
            "ClusterContainsTasksException",
            "The Cluster cannot be deleted while Tasks are active.",
        ));
    }
    if let Some(cluster) = world.ecs.clusters.get_mut(&name) {
        "INACTIVE".clone_into(&mut cluster.status);
    }
    Ok(json!({ "cluster": view(world, &name, &[]) }))
}

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let active = world.ecs.clusters.iter().filter(|(_, cluster)| cluster.is_active());
    let arns = active.map(|(name, _)| arn(world, name)).collect();
    paged(arns, body, "clusterArns", 100)
}

fn find(world: &World, body: &Value) -> Result<String, JsonError> {
    if json::text(body, "cluster").is_none() {
        return Err(invalid("Cluster can not be blank."));
    }
    super::active_cluster(world, body)
}

/// Takes over the members that the request has; settings merge by their names.
fn change(world: &mut World, body: &Value, members: &[&str]) -> Result<String, JsonError> {
    let name = find(world, body)?;
    let Some(cluster) = world.ecs.clusters.get_mut(&name) else { return Ok(name) };
    for member in members {
        if body[*member].is_null() {
            continue;
        }
        if *member == "settings" {
            let mut all: Vec<Value> = json::array(&cluster.settings, "settings").to_vec();
            for setting in json::array(body, "settings") {
                all.retain(|known| known["name"] != setting["name"]);
                all.push(setting.clone());
            }
            cluster.settings["settings"] = all.into();
        } else {
            cluster.settings[*member] = body[*member].clone();
        }
    }
    Ok(name)
}

fn check_providers(body: &Value) -> Result<(), JsonError> {
    let providers = json::strings(body, "capacityProviders");
    let strategy = json::array(body, "defaultCapacityProviderStrategy");
    let used = strategy.iter().filter_map(|item| item["capacityProvider"].as_str());
    for name in providers.iter().copied().chain(used.clone()) {
        if !PROVIDERS.contains(&name) {
            return Err(invalid(format!(
                "The specified capacity provider '{name}' was not found. Specify a valid name or \
                 ARN and try again."
            )));
        }
    }
    match used.into_iter().find(|name| !providers.contains(name)) {
        Some(name) => Err(invalid(format!(
            "The specified capacity provider strategy cannot contain a capacity provider that is \
             not associated with the cluster: {name}."
        ))),
        None => Ok(()),
    }
}

fn view(world: &World, name: &str, include: &[&str]) -> Value {
    let cluster = &world.ecs.clusters[name];
    let settings = &cluster.settings;
    let services = world.ecs.services.values();
    let tasks = || world.ecs.tasks.values().filter(|task| task.cluster == name);
    let mut view = json!({
        "clusterArn": arn(world, name),
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": tasks().filter(|task| task.is_running()).count(),
        "pendingTasksCount": tasks().filter(|task| task.is_pending()).count(),
        "activeServicesCount": services
            .filter(|service| service.cluster == name && service.is_active())
            .count(),
        "statistics": [],
        "tags": [],
        "settings": [],
        "capacityProviders": settings["capacityProviders"].as_array().cloned().unwrap_or_default(),
        "defaultCapacityProviderStrategy":
            settings["defaultCapacityProviderStrategy"].as_array().cloned().unwrap_or_default(),
    });
    if !settings["serviceConnectDefaults"].is_null() {
        view["serviceConnectDefaults"] = settings["serviceConnectDefaults"].clone();
    }
    if include.contains(&"TAGS") {
        view["tags"] = tags::write(&cluster.tags, tags::LOWER);
    }
    if include.contains(&"SETTINGS") {
        view["settings"] = if settings["settings"].is_array() {
            settings["settings"].clone()
        } else {
            json!([{ "name": "containerInsights", "value": "disabled" }])
        };
    }
    if include.contains(&"CONFIGURATIONS") && !settings["configuration"].is_null() {
        view["configuration"] = settings["configuration"].clone();
    }
    view
}
