use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{INVALID, check_list, client_error, invalid, paged, short, validate};
use crate::error::JsonError;
use crate::json;
use crate::sts;
use crate::tags::{self, Tags};
use crate::world::World;

/// A family; numbers are never given twice, not even after a revision is deleted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Family {
    latest: u64,
    revisions: BTreeMap<u64, TaskDefinition>,
}

/// One revision: what was registered, with what AWS fills in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TaskDefinition {
    pub(super) body: Value,
    pub(super) tags: Tags,
}

impl TaskDefinition {
    pub(super) fn arn(&self) -> &str {
        self.body["taskDefinitionArn"].as_str().unwrap_or_default()
    }

    fn status(&self) -> &str {
        self.body["status"].as_str().unwrap_or_default()
    }

    pub(super) fn is_active(&self) -> bool {
        self.status() == "ACTIVE"
    }

    pub(super) fn containers(&self) -> &[Value] {
        json::array(&self.body, "containerDefinitions")
    }

    pub(super) fn is_awsvpc(&self) -> bool {
        self.body["networkMode"] == "awsvpc"
    }

    /// `linux/amd64`, as images spell what ECS calls LINUX and X86_64, its defaults.
    pub(super) fn platform(&self) -> String {
        let declared = &self.body["runtimePlatform"];
        let family = declared["operatingSystemFamily"].as_str().unwrap_or("LINUX");
        let os = if family.starts_with("WINDOWS") { "windows" } else { "linux" };
        let architecture = match declared["cpuArchitecture"].as_str() {
            Some("ARM64") => "arm64",
            _ => "amd64",
        };
        format!("{os}/{architecture}")
    }

    pub(super) fn supports(&self, launch_type: &str) -> bool {
        let kinds = json::array(&self.body, "compatibilities");
        kinds.iter().any(|kind| kind == launch_type)
    }
}

/// Finds `family:revision`, an ARN, or the latest ACTIVE revision of `family`.
pub(super) fn find<'a>(world: &'a World, name: &str) -> Option<&'a TaskDefinition> {
    if let Some((family, revision)) = short(name).split_once(':') {
        return world.ecs.families.get(family)?.revisions.get(&revision.parse().ok()?);
    }
    let revisions = &world.ecs.families.get(short(name))?.revisions;
    revisions.values().rev().find(|revision| revision.is_active())
}

pub(super) fn find_mut<'a>(world: &'a mut World, name: &str) -> Option<&'a mut TaskDefinition> {
    let (family, revision) = short(name).split_once(':')?;
    world.ecs.families.get_mut(family)?.revisions.get_mut(&revision.parse().ok()?)
}

/// The revision to run, refused as `CreateService` and `UpdateService` do.
pub(super) fn find_runnable<'a>(
    world: &'a World,
    name: &str,
) -> Result<&'a TaskDefinition, JsonError> {
    match find(world, name) {
        Some(found) if found.is_active() => Ok(found),
        Some(_) => Err(client_error("TaskDefinition is inactive")),
        None => Err(client_error("TaskDefinition not found.")),
    }
}

pub(super) fn register(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    if body["tags"].as_array().is_some_and(Vec::is_empty) {
        return Err(invalid("Tags can not be empty."));
    }
    let tags = tags::read(&body["tags"], tags::LOWER)?;
    let mut body = body.clone();
    json::object(&mut body).remove("tags");
    validate::check(world, &body)?;
    let family = json::required(&body, "family", INVALID)?.to_owned();
    fill_in(&mut body);
    let registered_by = sts::caller(world);
    let revision = world.ecs.families.get(&family).map_or(0, |family| family.latest) + 1;
    body["taskDefinitionArn"] =
        json!(world.arn("ecs", &format!("task-definition/{family}:{revision}")));
    body["revision"] = json!(revision);
    body["status"] = json!("ACTIVE");
    body["registeredAt"] = json::time(now);
    body["registeredBy"] = json!(registered_by);
    let definition = TaskDefinition { body, tags };
    let answer = answer(&definition, true);
    let family = world.ecs.families.entry(family).or_default();
    family.latest = revision;
    family.revisions.insert(revision, definition);
    Ok(answer)
}

pub(super) fn deregister(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "taskDefinition", INVALID)?;
    if !short(name).contains(':') {
        return Err(invalid("The task definition must name a revision, family:revision."));
    }
    let Some(found) = find_mut(world, name) else {
        return Err(client_error("The specified task definition does not exist."));
    };
    if found.is_active() {
        found.body["status"] = json!("INACTIVE");
        found.body["deregisteredAt"] = json::time(now);
    }
    Ok(answer(found, false))
}

pub(super) fn delete(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    check_list(body, "taskDefinitions", 10)?;
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    for name in json::strings(body, "taskDefinitions") {
        let Some(found) = find_mut(world, name) else {
            failures.push(json!({
                "arn": name,
                "reason": "The specified task definition does not exist. Specify a valid account, \
                           family, revision and try again.",
            }));
            continue;
        };
        if found.is_active() {
            failures.push(json!({
                "arn": found.arn(),
                "reason": "The specified task definition is still in ACTIVE status. Please \
                           deregister the target and try again.",
            }));
            continue;
        }
        found.body["status"] = json!("DELETE_IN_PROGRESS");
        found.body["deleteRequestedAt"] = json::time(now);
        deleted.push(found.body.clone());
    }
    sweep(world);
    Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "taskDefinition", INVALID)?;
    match find(world, name) {
        Some(found) => Ok(answer(found, json::strings(body, "include").contains(&"TAGS"))),
        None => Err(client_error("Unable to describe task definition.")),
    }
}

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let status = json::text(body, "status").unwrap_or("ACTIVE");
    // The prefix is a whole family's name, in spite of what it is called.
    let family = json::text(body, "familyPrefix");
    let families = world.ecs.families.iter();
    let mut arns: Vec<String> = families
        .filter(|(name, _)| family.is_none_or(|family| family == *name))
        .flat_map(|(_, family)| family.revisions.values())
        .filter(|revision| revision.status() == status)
        .map(|revision| revision.arn().to_owned())
        .collect();
    if body["sort"] == "DESC" {
        arns.reverse();
    }
    paged(arns, body, "taskDefinitionArns", 100)
}

pub(super) fn list_families(world: &World, body: &Value) -> Result<Value, JsonError> {
    let status = json::text(body, "status").unwrap_or("ALL");
    let prefix = json::text(body, "familyPrefix").unwrap_or_default();
    let fits = |family: &Family| {
        let is_active = family.revisions.values().any(TaskDefinition::is_active);
        match status {
            "ACTIVE" => is_active,
            "INACTIVE" => !is_active,
            _ => true,
        }
    };
    let families = world.ecs.families.iter();
    let names = families
        .filter(|(name, family)| name.starts_with(prefix) && fits(family))
        .map(|(name, _)| name.clone())
        .collect();
    paged(names, body, "families", 100)
}

/// Removes what was deleted once nothing runs on it any more.
fn sweep(world: &mut World) {
    let ecs = &mut world.ecs;
    let mut used: Vec<&str> =
        ecs.tasks.values().map(|task| task.task_definition.as_str()).collect();
    for service in ecs.services.values().filter(|service| service.is_there()) {
        used.extend(service.deployments.iter().map(|it| it.task_definition.as_str()));
    }
    for family in ecs.families.values_mut() {
        family.revisions.retain(|_, revision| {
            revision.status() != "DELETE_IN_PROGRESS" || used.contains(&revision.arn())
        });
    }
}

fn answer(definition: &TaskDefinition, with_tags: bool) -> Value {
    let mut answer = json!({ "taskDefinition": definition.body });
    if with_tags {
        answer["tags"] = tags::write(&definition.tags, tags::LOWER);
    }
    answer
}

/// Adds what AWS gives back though nobody declared it.
fn fill_in(body: &mut Value) {
    for list in ["volumes", "placementConstraints"] {
        json::default(body, list, json!([]));
    }
    for amount in ["cpu", "memory"] {
        if let Some(normal) = body[amount].as_str().and_then(validate::amount) {
            body[amount] = json!(normal.to_string());
        }
    }
    let is_awsvpc = body["networkMode"] == "awsvpc";
    for container in body["containerDefinitions"].as_array_mut().into_iter().flatten() {
        json::default(container, "cpu", json!(0));
        json::default(container, "essential", json!(true));
        for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"]
        {
            json::default(container, list, json!([]));
        }
        for mapping in container["portMappings"].as_array_mut().into_iter().flatten() {
            let port = if is_awsvpc { mapping["containerPort"].clone() } else { json!(0) };
            json::default(mapping, "hostPort", port);
            json::default(mapping, "protocol", json!("tcp"));
        }
        if container["healthCheck"].is_object() {
            let check = &mut container["healthCheck"];
            for (member, value) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
                json::default(check, member, json!(value));
            }
        }
    }
    body["requiresAttributes"] = required_attributes(body);
    body["compatibilities"] = json!(validate::compatibilities(body));
}

fn required_attributes(body: &Value) -> Value {
    let containers = json::array(body, "containerDefinitions");
    let any = |test: &dyn Fn(&Value) -> bool| containers.iter().any(test);
    let logs = any(&|container| container["logConfiguration"]["logDriver"] == "awslogs");
    let secrets = any(&|container| !json::array(container, "secrets").is_empty());
    let has_role = json::text(body, "executionRoleArn").is_some();
    let needed = [
        (logs, "com.amazonaws.ecs.capability.logging-driver.awslogs"),
        (logs && has_role, "ecs.capability.execution-role-awslogs"),
        (secrets, "ecs.capability.secrets.ssm.environment-variables"),
        (json::text(body, "taskRoleArn").is_some(), "com.amazonaws.ecs.capability.task-iam-role"),
        (body["networkMode"] == "awsvpc", "ecs.capability.task-eni"),
        (
            any(&|container| container["healthCheck"].is_object()),
            "ecs.capability.container-health-check",
        ),
        (true, "com.amazonaws.ecs.capability.docker-remote-api.1.18"),
    ];
    needed.iter().filter(|(is, _)| *is).map(|(_, name)| json!({ "name": name })).collect()
}
