use serde_json::{Value, json};

use super::task::{Cause, Container, Health, Status, Task};
use super::{
    INVALID, active_cluster, check_list, cluster, invalid, paged, rollout, short, task_definition,
};
use crate::error::JsonError;
use crate::json;
use crate::tags;
use crate::world::World;

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let cluster = active_cluster(world, body)?;
    let filter = |member: &str| json::text(body, member);
    if filter("startedBy").is_some()
        && (filter("serviceName").is_some() || filter("family").is_some())
    {
        return Err(invalid("startedBy must be the only filter that you use."));
    }
    let service = filter("serviceName").map(|name| format!("{cluster}/{}", short(name)));
    if let Some(service) = &service
        && !world.ecs.services.contains_key(service)
    {
        return Err(JsonError::new("ServiceNotFoundException", "Service not found."));
    }
    let desired = filter("desiredStatus").unwrap_or("RUNNING");
    if !["RUNNING", "STOPPED", "PENDING"].contains(&desired) {
        return Err(invalid(format!("Invalid desiredStatus: {desired}")));
    }
    let family = |task: &Task| short(&task.task_definition).split(':').next().map(str::to_owned);
    let fits = |task: &&Task| {
        task.cluster == cluster
            && desired_status(task) == desired
            && service.as_ref().is_none_or(|it| task.service == *it)
            && filter("startedBy").is_none_or(|it| task.started_by == it)
            && filter("family").is_none_or(|it| family(task).as_deref() == Some(it))
            && filter("launchType").is_none_or(|it| launch_type(task) == it)
            && filter("containerInstance").is_none()
    };
    let found = world.ecs.tasks.values().filter(fits);
    paged(found.map(|task| arn(world, task)).collect(), body, "taskArns", 100)
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let cluster = active_cluster(world, body)?;
    let asked = json::strings(body, "tasks");
    if asked.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    check_list(body, "tasks", 100)?;
    let with_tags = json::strings(body, "include").contains(&"TAGS");
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in asked {
        let task = world.ecs.tasks.get(short(name)).filter(|task| task.cluster == cluster);
        if let Some(task) = task {
            found.push(view(world, task, with_tags));
        } else {
            let arn = world.arn("ecs", &format!("task/{cluster}/{}", short(name)));
            failures.push(json!({ "arn": arn, "reason": "MISSING" }));
        }
    }
    Ok(json!({ "tasks": found, "failures": failures }))
}

pub(super) fn stop(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let cluster = active_cluster(world, body)?;
    let id = short(json::required(body, "task", INVALID)?);
    let reason = json::text(body, "reason").unwrap_or("Task stopped by user");
    let task = world.ecs.tasks.get_mut(id).filter(|task| task.cluster == cluster);
    let Some(task) = task else {
        return Err(invalid("The referenced task was not found."));
    };
    task.stop(&Cause::user(reason), now);
    let key = task.service.clone();
    if let Some(service) = world.ecs.services.get_mut(&key) {
        rollout::wake(service, now + rollout::TICK);
    }
    Ok(json!({ "task": view(world, &world.ecs.tasks[id], false) }))
}

fn arn(world: &World, task: &Task) -> String {
    world.arn("ecs", &format!("task/{}/{}", task.cluster, task.id))
}

fn desired_status(task: &Task) -> &'static str {
    if task.is_live() { "RUNNING" } else { "STOPPED" }
}

fn launch_type(task: &Task) -> &str {
    // A capacity provider of Fargate's is of that launch type, too.
    task.settings["launchType"].as_str().unwrap_or("FARGATE")
}

fn view(world: &World, task: &Task, with_tags: bool) -> Value {
    let definition = task_definition::find(world, &task.task_definition);
    let declared = |member: &str| definition.map_or(Value::Null, |it| it.body[member].clone());
    let service = task.service.rsplit('/').next().unwrap_or_default();
    let mut view = json!({
        "taskArn": arn(world, task),
        "clusterArn": cluster::arn(world, &task.cluster),
        "taskDefinitionArn": task.task_definition,
        "group": format!("service:{service}"),
        "startedBy": task.started_by,
        "lastStatus": task.status,
        "desiredStatus": desired_status(task),
        "healthStatus": task.health(),
        "launchType": launch_type(task),
        "availabilityZone": format!("{}a", world.region),
        "cpu": declared("cpu"),
        "memory": declared("memory"),
        "containers": task.containers.iter().map(|it| container(world, task, it)).collect::<Vec<_>>(),
        "attachments": attachments(task),
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "connectivity": "CONNECTED",
        "enableExecuteCommand": false,
        "overrides": { "containerOverrides": [], "inferenceAcceleratorOverrides": [] },
        "inferenceAccelerators": [],
        "createdAt": json::time(task.created_at),
        "tags": if with_tags { tags::write(&task.tags, tags::LOWER) } else { json!([]) },
        "version": 1,
    });
    if launch_type(task) == "FARGATE" {
        view["platformVersion"] = json!("1.4.0");
        view["platformFamily"] = json!("Linux");
    }
    let strategy = &json::array(&task.settings, "capacityProviderStrategy");
    if let Some(item) = strategy.first() {
        view["capacityProviderName"] = item["capacityProvider"].clone();
    }
    let times = [
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.pull_stopped_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.execution_stopped_at),
        ("stoppedAt", task.stopped_at),
    ];
    for (member, at) in times {
        if let Some(at) = at {
            view[member] = json::time(at);
        }
    }
    if let Some(cause) = &task.cause {
        view["stopCode"] = json!(cause.code);
        view["stoppedReason"] = json!(cause.reason);
    }
    // What is not declared is left out, not null.
    json::object(&mut view).retain(|_, value| !value.is_null());
    view
}

fn container(world: &World, task: &Task, it: &Container) -> Value {
    let path = format!("container/{}/{}/{}", task.cluster, task.id, it.runtime_id);
    let mut view = json!({
        "containerArn": world.arn("ecs", &path),
        "taskArn": arn(world, task),
        "name": it.name,
        "image": it.image,
        "lastStatus": it.status,
        "healthStatus": if it.status == Status::Stopped && it.health == Health::Healthy {
            Health::Unknown
        } else {
            it.health
        },
        "networkBindings": [],
        "networkInterfaces": [],
        "cpu": "0",
    });
    if task.started_at.is_some() {
        view["runtimeId"] = json!(it.runtime_id);
    }
    if let Some(digest) = &it.digest {
        view["imageDigest"] = json!(digest);
    }
    if let Some(code) = it.exit_code {
        view["exitCode"] = json!(code);
    }
    if let Some(reason) = &it.reason {
        view["reason"] = json!(reason);
    }
    view
}

fn attachments(task: &Task) -> Value {
    let network = &task.settings["networkConfiguration"]["awsvpcConfiguration"];
    let Some(subnet) = json::strings(network, "subnets").first().copied() else { return json!([]) };
    let status = match task.status {
        Status::Provisioning => "ATTACHING",
        Status::Stopped => "DELETED",
        _ => "ATTACHED",
    };
    json!([{
        "id": task.id,
        "type": "ElasticNetworkInterface",
        "status": status,
        "details": [{ "name": "subnetId", "value": subnet }],
    }])
}
