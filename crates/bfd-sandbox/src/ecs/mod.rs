//! ECS: clusters, task definitions, services, their tasks and the rollouts between.
//!
//! Requests, answers and refusals follow the API reference, version 2014-11-13; what a rollout
//! does follows the developer guide's pages on rolling updates, the deployment circuit breaker
//! and service deployments.

mod cluster;
mod deployment;
mod launch;
mod log;
mod revision;
mod rollout;
mod secret;
mod service;
mod service_deployment;
mod settings;
mod tag;
mod task;
mod task_definition;
mod task_query;
mod update;
mod validate;
mod view;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::cluster::Cluster;
use self::service::Service;
pub(crate) use self::tag::add_system_tags;
use self::task::Task;
use self::task_definition::Family;
use crate::error::JsonError;
use crate::json;
use crate::world::World;

const INVALID: &str = "InvalidParameterException";

/// Everything ECS knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ecs {
    clusters: BTreeMap<String, Cluster>,
    families: BTreeMap<String, Family>,
    /// By `cluster/service`.
    services: BTreeMap<String, Service>,
    /// By task id; stopped ones stay for an hour.
    tasks: BTreeMap<String, Task>,
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    match operation {
        "CreateCluster" => cluster::create(world, body),
        "DescribeClusters" => cluster::describe(world, body),
        "UpdateCluster" => cluster::update(world, body),
        "UpdateClusterSettings" => cluster::update_settings(world, body),
        "PutClusterCapacityProviders" => cluster::put_capacity_providers(world, body),
        "DeleteCluster" => cluster::delete(world, body),
        "ListClusters" => cluster::list(world, body),
        "RegisterTaskDefinition" => task_definition::register(world, now, body),
        "DeregisterTaskDefinition" => task_definition::deregister(world, now, body),
        "DeleteTaskDefinitions" => task_definition::delete(world, now, body),
        "DescribeTaskDefinition" => task_definition::describe(world, body),
        "ListTaskDefinitions" => task_definition::list(world, body),
        "ListTaskDefinitionFamilies" => task_definition::list_families(world, body),
        "CreateService" => service::create(world, now, body),
        "UpdateService" => update::update(world, now, body),
        "DeleteService" => service::delete(world, now, body),
        "DescribeServices" => view::describe(world, body),
        "ListServices" => service::list(world, body),
        "ListTasks" => task_query::list(world, body),
        "DescribeTasks" => task_query::describe(world, body),
        "StopTask" => task_query::stop(world, now, body),
        "ListServiceDeployments" => service_deployment::list(world, body),
        "DescribeServiceDeployments" => service_deployment::describe(world, body),
        "StopServiceDeployment" => service_deployment::stop(world, now, body),
        "DescribeServiceRevisions" => revision::describe(world, body),
        "TagResource" => tag::add(world, body),
        "UntagResource" => tag::remove(world, body),
        "ListTagsForResource" => tag::list(world, body),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

/// When the next thing happens by itself.
pub(crate) fn next_due(world: &World) -> Option<f64> {
    let tasks = world.ecs.tasks.values().filter_map(Task::next_due);
    let services = world.ecs.services.values().filter_map(|service| service.wake_at);
    tasks.chain(services).min_by(f64::total_cmp)
}

/// Replays what is due up to `now`, earliest first; at one moment tasks in order of their ids,
/// then services in order of their names.
pub(crate) fn advance(world: &mut World, now: f64) {
    while let Some(due) = next_due(world).filter(|due| *due <= now) {
        let is_due = |(id, task): (&String, &Task)| {
            task.next_due().is_some_and(|at| at <= due).then(|| id.clone())
        };
        if let Some(id) = world.ecs.tasks.iter().find_map(is_due) {
            task::step(world, &id, due);
            continue;
        }
        let woken = world.ecs.services.iter_mut().find_map(|(key, service)| {
            service.wake_at.filter(|at| *at <= due)?;
            service.wake_at = None;
            Some(key.clone())
        });
        if let Some(key) = woken {
            rollout::schedule(world, &key, due);
        }
    }
}

fn invalid(message: impl Into<String>) -> JsonError {
    JsonError::new(INVALID, message)
}

fn client_error(message: impl Into<String>) -> JsonError {
    JsonError::new("ClientException", message)
}

/// The last part of a name or an ARN.
fn short(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
}

/// The ACTIVE cluster that a request names; `default` when it names none.
fn active_cluster(world: &World, body: &Value) -> Result<String, JsonError> {
    let name = short(json::text(body, "cluster").unwrap_or("default"));
    match world.ecs.clusters.get(name) {
        Some(cluster) if cluster.is_active() => Ok(name.to_owned()),
        _ => Err(JsonError::new("ClusterNotFoundException", "Cluster not found.")),
    }
}

/// Letters, digits, underscores and hyphens, up to 255.
fn check_name(name: &str, what: &str) -> Result<(), JsonError> {
    let is_valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.is_empty() && name.len() <= 255 && name.chars().all(is_valid) {
        return Ok(());
    }
    Err(invalid(format!(
        "{what} name can have up to 255 letters, numbers, hyphens, and underscores."
    )))
}

fn check_list(body: &Value, member: &str, most: usize) -> Result<(), JsonError> {
    if json::array(body, member).len() > most {
        return Err(invalid(format!("{member} can have at most {most} items.")));
    }
    Ok(())
}

/// A page of a listing, as most of ECS's listings give it.
fn paged(
    items: Vec<String>,
    body: &Value,
    member: &str,
    default: usize,
) -> Result<Value, JsonError> {
    let size = json::page_size(body, "maxResults", default, 100, INVALID)?;
    let (page, next) = json::page(items, json::text(body, "nextToken"), size, || {
        invalid("Invalid token: the nextToken is not valid.")
    })?;
    let mut answer = serde_json::json!({ member: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

/// Whether `service/cluster/name` is an ACTIVE service.
pub(crate) fn has_service(world: &World, resource: &str) -> bool {
    let key = resource.strip_prefix("service/").unwrap_or_default();
    world.ecs.services.get(key).is_some_and(Service::is_active)
}
