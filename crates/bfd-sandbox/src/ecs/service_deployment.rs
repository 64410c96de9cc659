use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::deployment::{Counts, Rollout};
use super::service::Service;
use super::{INVALID, check_list, cluster, invalid, revision, rollout, service, short, view};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// A service deployment: the report on one change of a service, with its rollback.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServiceDeployment {
    pub(super) id: String,
    pub(super) status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Revisions that ran before, by id.
    pub(super) sources: Vec<String>,
    pub(super) target: String,
    pub(super) created_at: f64,
    pub(super) updated_at: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) finished_at: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stopped_at: Option<f64>,
    pub(super) configuration: Value,
    /// What the circuit breaker counted, and the number at which it trips; none when it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) breaker: Option<(usize, usize)>,
    pub(super) is_tripped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rollback: Option<Rollback>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rollback {
    pub(super) reason: String,
    pub(super) started_at: f64,
    pub(super) revision: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Pending,
    InProgress,
    Successful,
    StopRequested,
    Stopped,
    RollbackRequested,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed
        )
    }
}

impl ServiceDeployment {
    /// Moves to a status at a time; a final one keeps the first time it was reached.
    pub(super) fn set(&mut self, status: Status, now: f64) {
        self.status = status;
        self.updated_at = now;
        match status {
            Status::InProgress => self.started_at = Some(self.started_at.unwrap_or(now)),
            Status::Stopped => self.stopped_at = Some(now),
            _ => {}
        }
        if status.is_final() {
            self.finished_at = Some(now);
        }
    }

    /// Ends it because something else took its place, unless it has ended.
    pub(super) fn supersede(&mut self, reason: &str, now: f64) {
        if !self.status.is_final() {
            self.set(Status::Stopped, now);
            self.reason = Some(reason.to_owned());
        }
    }

    fn arn(&self, world: &World, service: &Service) -> String {
        arn(world, service, &self.id)
    }

    fn breaker_view(&self) -> Value {
        let Some((failures, threshold)) = self.breaker else {
            return json!({ "status": "DISABLED", "failureCount": 0, "threshold": 0 });
        };
        let status = if self.is_tripped {
            "TRIGGERED"
        } else if self.status.is_final() {
            "MONITORING_COMPLETE"
        } else {
            "MONITORING"
        };
        json!({ "status": status, "failureCount": failures, "threshold": threshold })
    }
}

pub(super) fn arn(world: &World, service: &Service, id: &str) -> String {
    world.arn("ecs", &format!("service-deployment/{}/{}/{id}", service.cluster, service.name))
}

/// Newest first, a page at a time.
pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let key = service::find(world, body, "service")?;
    let service = &world.ecs.services[&key];
    let statuses = json::strings(body, "status");
    let after = body["createdAt"]["after"].as_f64().unwrap_or(f64::NEG_INFINITY);
    let before = body["createdAt"]["before"].as_f64().unwrap_or(f64::INFINITY);
    let found: Vec<Value> = service
        .history
        .iter()
        .rev()
        .filter(|it| it.created_at > after && it.created_at < before)
        .map(|it| brief(world, service, it))
        .filter(|it| {
            statuses.is_empty() || it["status"].as_str().is_some_and(|is| statuses.contains(&is))
        })
        .collect();
    let size = json::page_size(body, "maxResults", 20, 100, INVALID)?;
    let (page, next) = json::page(found, json::text(body, "nextToken"), size, || {
        invalid("Invalid token: the nextToken is not valid.")
    })?;
    let mut answer = json!({ "serviceDeployments": page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    check_list(body, "serviceDeploymentArns", 20)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for asked in json::strings(body, "serviceDeploymentArns") {
        match locate(world, asked) {
            Some((key, at)) => {
                let service = &world.ecs.services[&key];
                found.push(full(world, service, &service.history[at]));
            }
            None => failures.push(json!({ "arn": asked, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "serviceDeployments": found, "failures": failures }))
}

pub(super) fn stop(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let asked = json::required(body, "serviceDeploymentArn", INVALID)?;
    let Some((key, at)) = locate(world, asked) else {
        return Err(JsonError::new(
            "ServiceDeploymentNotFoundException",
            "The service deployment could not be found.",
        ));
    };
    let abort = match json::text(body, "stopType") {
        None | Some("ROLLBACK") => false,
        Some("ABORT") => true,
        Some(other) => return Err(invalid(format!("Invalid stopType: {other}"))),
    };
    let conflict = |message: &str| Err(JsonError::new("ConflictException", message));
    let Some(service) = world.ecs.services.get_mut(&key) else { return Ok(json!({})) };
    let deployment = &mut service.history[at];
    match deployment.status {
        Status::Pending | Status::InProgress if abort => deployment.set(Status::StopRequested, now),
        Status::Pending | Status::InProgress => {
            // The revision to go back to is the last that was rolled out completely.
            if service.completed.is_none() {
                return conflict(
                    "The service deployment cannot be rolled back: the service has no earlier \
                     service revision to roll back to.",
                );
            }
            deployment.set(Status::RollbackRequested, now);
        }
        Status::StopRequested | Status::RollbackRequested | Status::RollbackInProgress => {}
        _ => {
            return conflict(
                "The service deployment is not in a state in which it can be stopped.",
            );
        }
    }
    rollout::wake(service, now + rollout::TICK);
    Ok(json!({ "serviceDeploymentArn": asked }))
}

/// The service's key, and where in its history the deployment is.
fn locate(world: &World, arn: &str) -> Option<(String, usize)> {
    let path = arn.split_once(":service-deployment/")?.1;
    let (key, id) = path.rsplit_once('/')?;
    let service = world.ecs.services.get(key)?;
    let at = service.history.iter().position(|it| it.id == id)?;
    Some((key.to_owned(), at))
}

fn brief(world: &World, service: &Service, it: &ServiceDeployment) -> Value {
    let mut view = json!({
        "serviceDeploymentArn": it.arn(world, service),
        "serviceArn": service.arn(world),
        "clusterArn": cluster::arn(world, &service.cluster),
        "targetServiceRevisionArn": revision::arn(world, service, &it.target),
        "status": it.status,
        "createdAt": json::time(it.created_at),
    });
    let times = [("startedAt", it.started_at), ("finishedAt", it.finished_at)];
    for (member, at) in times {
        if let Some(at) = at {
            view[member] = json::time(at);
        }
    }
    if let Some(reason) = &it.reason {
        view["statusReason"] = json!(reason);
    }
    view
}

fn full(world: &World, service: &Service, it: &ServiceDeployment) -> Value {
    let mut view = brief(world, service, it);
    let summary = |id: &str| {
        let Counts { running, pending } = view::counts_of_revision(world, service, id);
        let deployment = service.deployments.iter().find(|it| it.is_primary && it.revision == id);
        let requested =
            deployment.map_or(0, |it| if it.rollout == Rollout::Failed { 0 } else { it.desired });
        json!({
            "arn": revision::arn(world, service, id),
            "requestedTaskCount": requested,
            "runningTaskCount": running,
            "pendingTaskCount": pending,
        })
    };
    let sources: Vec<_> = it.sources.iter().map(|id| summary(id)).collect();
    let target = summary(&it.target);
    json::object(&mut view).remove("targetServiceRevisionArn");
    view["sourceServiceRevisions"] = sources.into();
    view["targetServiceRevision"] = target;
    view["updatedAt"] = json::time(it.updated_at);
    view["deploymentConfiguration"] = it.configuration.clone();
    view["deploymentCircuitBreaker"] = it.breaker_view();
    view["alarms"] = json!({ "status": "DISABLED" });
    if let Some(at) = it.stopped_at {
        view["stoppedAt"] = json::time(at);
    }
    if let Some(rollback) = &it.rollback {
        view["rollback"] = json!({
            "reason": rollback.reason,
            "startedAt": json::time(rollback.started_at),
            "serviceRevisionArn": revision::arn(world, service, &rollback.revision),
        });
    }
    view
}

/// The id at the end of a service deployment's ARN or name.
pub(super) fn current<'a>(service: &'a Service, tracker: &str) -> Option<&'a ServiceDeployment> {
    service.history.iter().find(|it| it.id == short(tracker))
}
