//! Services as `DescribeServices` shows them.

use serde_json::{Value, json};

use super::deployment::Counts;
use super::service::{Service, Status};
use super::task::Task;
use super::{active_cluster, cluster, invalid, revision, service_deployment, short};
use crate::error::JsonError;
use crate::json;
use crate::sts;
use crate::tags;
use crate::world::World;

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let cluster = active_cluster(world, body)?;
    let asked = json::strings(body, "services");
    if asked.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if asked.len() > 10 {
        return Err(invalid("Services cannot have more than 10 elements."));
    }
    let with_tags = json::strings(body, "include").contains(&"TAGS");
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in asked {
        let key = format!("{cluster}/{}", short(name));
        if let Some(it) = world.ecs.services.get(&key) {
            found.push(service(world, it, with_tags));
        } else {
            let arn = world.arn("ecs", &format!("service/{key}"));
            failures.push(json!({ "arn": arn, "reason": "MISSING" }));
        }
    }
    Ok(json!({ "services": found, "failures": failures }))
}

pub(super) fn service(world: &World, it: &Service, with_tags: bool) -> Value {
    let of_deployment = |id: &str| count(world, it, |task| task.deployment == id);
    let deployments = it.deployments.iter().map(|deployment| {
        let revision = it.revisions.iter().find(|revision| revision.id == deployment.revision);
        let settings = revision.map_or(&Value::Null, |revision| &revision.settings);
        deployment.view(of_deployment(&deployment.id), settings)
    });
    let events = it.events.iter().rev().map(|event| {
        json!({ "id": event.id, "createdAt": json::time(event.at), "message": event.message })
    });
    let all = count(world, it, |_| true);
    let mut view = it.settings.clone();
    let own = json!({
        "serviceArn": it.arn(world),
        "serviceName": it.name,
        "clusterArn": cluster::arn(world, &it.cluster),
        "status": it.status,
        "desiredCount": it.desired,
        "runningCount": all.running,
        "pendingCount": all.pending,
        "deployments": deployments.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "createdAt": json::time(it.created_at),
        "createdBy": sts::caller(world),
    });
    if let Value::Object(own) = own {
        json::object(&mut view).extend(own);
    }
    if let Some(role) = json::object(&mut view).remove("role") {
        view["roleArn"] = role;
    }
    if it.status == Status::Active {
        add_current(world, it, &mut view);
    }
    if with_tags && !it.tags.is_empty() {
        view["tags"] = tags::write(&it.tags, tags::LOWER);
    }
    view
}

/// Tasks of a service that run one of its revisions.
pub(super) fn counts_of_revision(world: &World, it: &Service, revision: &str) -> Counts {
    let deployments: Vec<_> =
        it.deployments.iter().filter(|d| d.revision == revision).map(|d| &d.id).collect();
    count(world, it, |task| deployments.contains(&&task.deployment))
}

fn count(world: &World, it: &Service, fits: impl Fn(&Task) -> bool) -> Counts {
    let tasks = world.ecs.tasks.values().filter(|task| task.is_of(it) && fits(task));
    tasks.fold(Counts::default(), |counts, task| Counts {
        running: counts.running + usize::from(task.is_running()),
        pending: counts.pending + usize::from(task.is_pending()),
    })
}

fn add_current(world: &World, it: &Service, view: &mut Value) {
    let Some(primary) = it.deployments.first() else { return };
    if let Some(current) = service_deployment::current(it, &primary.tracker) {
        view["currentServiceDeployment"] = json!(service_deployment::arn(world, it, &current.id));
    }
    let revisions = it.deployments.iter().map(|deployment| {
        let Counts { running, pending } = count(world, it, |task| task.deployment == deployment.id);
        json!({
            "arn": revision::arn(world, it, &deployment.revision),
            "requestedTaskCount": if deployment.is_primary { deployment.desired } else { 0 },
            "runningTaskCount": running,
            "pendingTaskCount": pending,
        })
    });
    view["currentServiceRevisions"] = revisions.collect();
}
