//! A task from PROVISIONING to STOPPED, as a list of what is due.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::log;
use super::rollout;
use super::secret;
use super::service::Service;
use super::settings;
use super::task_definition::{self, TaskDefinition};
use crate::image::{self, Behaviour};
use crate::json;
use crate::tags::Tags;
use crate::world::World;

/// Seconds for a network interface, for a pull, and for the pull's one repetition.
const PROVISIONING: f64 = 8.0;
const PULLING: f64 = 12.0;
const PULLING_AGAIN: f64 = 5.0;
/// Seconds in which the agent finds that it cannot read a secret.
const READING_SECRETS: f64 = 5.0;
/// Seconds that a task without a health check has to run before it counts as started.
const SETTLING: f64 = 10.0;
/// Seconds until a container that uses too much memory is killed.
const FILLING_MEMORY: f64 = 2.0;
/// How long a command runs that only ends.
const ENDING: f64 = 1.0;
/// Seconds of a load balancer's deregistration delay, by AWS's default.
const DEREGISTERING: f64 = 300.0;
/// Seconds for the containers to end, for the network interface to go, and for the record.
const STOPPING: f64 = 3.0;
const DEPROVISIONING: f64 = 7.0;
const REMEMBERED: f64 = 3600.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "AWS's own word")]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) cluster: String,
    /// `cluster/service`
    pub(super) service: String,
    /// The deployment it counts for; a rollback takes tasks over.
    pub(super) deployment: String,
    pub(super) started_by: String,
    pub(super) task_definition: String,
    /// The settings it was launched with, for what a description repeats.
    pub(super) settings: Value,
    pub(super) status: Status,
    pub(super) containers: Vec<Container>,
    is_settled: bool,
    pub(super) tags: Tags,
    pub(super) created_at: f64,
    pub(super) pull_started_at: Option<f64>,
    pub(super) pull_stopped_at: Option<f64>,
    pub(super) started_at: Option<f64>,
    pub(super) stopping_at: Option<f64>,
    pub(super) execution_stopped_at: Option<f64>,
    pub(super) stopped_at: Option<f64>,
    pub(super) cause: Option<Cause>,
    /// In no order; the earliest is next.
    due: Vec<(f64, Due)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) is_essential: bool,
    pub(super) runtime_id: String,
    pub(super) digest: Option<String>,
    pub(super) status: Status,
    pub(super) health: Health,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
    /// Whether it has a health check.
    is_checked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Health {
    Unknown,
    Healthy,
    Unhealthy,
}

/// Why a task stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cause {
    pub(super) code: String,
    pub(super) reason: String,
}

/// What a step of a task means to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Changed,
    Healthy,
    Failed,
}

/// What happens to a task by itself; containers by their place in the definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Due {
    Pull,
    /// The pull ends; `again` when it has been tried before.
    Start {
        again: bool,
    },
    Fail(String),
    Settle,
    Check {
        container: usize,
        passes: bool,
    },
    Exit {
        container: usize,
        code: i32,
        reason: Option<String>,
    },
    Deregistered,
    Exited,
    Gone,
    Forget,
}

impl Cause {
    fn new(code: &str, reason: impl Into<String>) -> Self {
        Self { code: code.to_owned(), reason: reason.into() }
    }

    /// The scheduler makes room, or the service goes.
    pub(super) fn scaled(deployment: &str) -> Self {
        let by = if deployment.is_empty() {
            "Scaling activity initiated by service deletion".to_owned()
        } else {
            format!("Scaling activity initiated by (deployment {deployment})")
        };
        Self::new("ServiceSchedulerInitiated", by)
    }

    pub(super) fn user(reason: &str) -> Self {
        Self::new("UserInitiated", reason)
    }
}

impl Task {
    pub(super) fn next_due(&self) -> Option<f64> {
        self.due.iter().map(|(at, _)| *at).min_by(f64::total_cmp)
    }

    pub(super) fn is_of(&self, service: &Service) -> bool {
        self.service == service.key()
    }

    /// Runs or is about to.
    pub(super) fn is_live(&self) -> bool {
        self.is_pending() || self.is_running()
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self.status, Status::Provisioning | Status::Pending)
    }

    pub(super) fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// Stopping, but with connections that a load balancer waits for.
    pub(super) fn is_draining(&self) -> bool {
        self.status == Status::Deactivating
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.status == Status::Stopped
    }

    /// Serves: every health check has passed, or it has run for a while without any.
    pub(super) fn is_healthy(&self) -> bool {
        self.is_running() && self.is_settled
    }

    pub(super) fn health(&self) -> Health {
        let mut checks = self.containers.iter().filter(|it| it.is_essential && it.is_checked);
        let Some(first) = checks.next() else { return Health::Unknown };
        checks.map(|it| it.health).fold(first.health, |all, health| match (all, health) {
            (Health::Unhealthy, _) | (_, Health::Unhealthy) => Health::Unhealthy,
            (Health::Healthy, Health::Healthy) => Health::Healthy,
            _ => Health::Unknown,
        })
    }

    /// Begins to stop the task, unless it does already.
    pub(super) fn stop(&mut self, cause: &Cause, now: f64) {
        if !self.is_live() {
            return;
        }
        self.cause = Some(cause.clone());
        self.stopping_at = Some(now);
        self.due.clear();
        let is_served = self.is_running() && settings::has_load_balancer(&self.settings);
        if self.started_at.is_none() {
            self.containers.iter_mut().for_each(|it| it.status = Status::Stopped);
            self.status = Status::Deprovisioning;
            self.execution_stopped_at = Some(now);
            self.due.push((now + DEPROVISIONING, Due::Gone));
        } else if is_served && cause.code == "ServiceSchedulerInitiated" {
            self.status = Status::Deactivating;
            self.due.push((now + DEREGISTERING, Due::Deregistered));
        } else {
            self.status = Status::Stopping;
            self.due.push((now + STOPPING, Due::Exited));
        }
    }

    fn take_due(&mut self, now: f64) -> Option<Due> {
        let next = self.due.iter().enumerate().min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0))?;
        (next.1.0 <= now).then_some(next.0).map(|at| self.due.remove(at).1)
    }
}

/// A new task of a service, PROVISIONING.
pub(super) fn launch(
    world: &mut World,
    service: &Service,
    definition: &TaskDefinition,
    deployment: &str,
    now: f64,
) -> Task {
    let id = world.next_hex();
    let containers = definition.containers().iter().enumerate().map(|(at, container)| Container {
        name: json::text(container, "name").unwrap_or_default().to_owned(),
        image: json::text(container, "image").unwrap_or_default().to_owned(),
        is_essential: container["essential"] != false,
        runtime_id: format!("{id}-{at:010}"),
        digest: None,
        status: Status::Pending,
        health: Health::Unknown,
        exit_code: None,
        reason: None,
        is_checked: checks(container),
    });
    let mut tags = Tags::new();
    match service.settings["propagateTags"].as_str() {
        Some("SERVICE") => tags.extend(service.tags.clone()),
        Some("TASK_DEFINITION") => tags.extend(definition.tags.clone()),
        _ => {}
    }
    Task {
        cluster: service.cluster.clone(),
        service: service.key(),
        deployment: deployment.to_owned(),
        started_by: deployment.to_owned(),
        task_definition: definition.arn().to_owned(),
        settings: settings::shared_view(&service.settings),
        status: Status::Provisioning,
        containers: containers.collect(),
        is_settled: false,
        tags,
        created_at: now,
        pull_started_at: None,
        pull_stopped_at: None,
        started_at: None,
        stopping_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        cause: None,
        due: vec![(now + PROVISIONING, Due::Pull)],
        id,
    }
}

/// Does what is due for one task, and tells its service.
pub(super) fn step(world: &mut World, id: &str, now: f64) {
    let Some(due) = world.ecs.tasks.get_mut(id).and_then(|task| task.take_due(now)) else { return };
    // Taken out while the world is asked about images and secrets.
    let Some(mut task) = world.ecs.tasks.remove(id) else { return };
    let (key, deployment) = (task.service.clone(), task.deployment.clone());
    let outcome = match due {
        Due::Forget => return,
        Due::Pull => pull(world, &mut task, now),
        Due::Start { again } => start(world, &mut task, again, now),
        Due::Fail(reason) => fail_to_start(&mut task, &reason, now),
        Due::Settle => {
            task.is_settled = true;
            Outcome::Healthy
        }
        Due::Check { container, passes } => {
            if !passes {
                let line = "the health check was answered with an error";
                log::write(world, &task, container, line, now);
            }
            check(&mut task, container, passes, now)
        }
        Due::Exit { container, code, reason } => {
            let line = match &reason {
                Some(_) => "out of memory: allocation failed".to_owned(),
                None => format!("fatal: exiting with code {code}"),
            };
            log::write(world, &task, container, &line, now);
            exit(&mut task, container, code, reason, now)
        }
        Due::Deregistered => {
            task.status = Status::Stopping;
            task.due.push((now + STOPPING, Due::Exited));
            Outcome::Changed
        }
        Due::Exited => {
            for container in &mut task.containers {
                container.status = Status::Stopped;
                container.exit_code = container.exit_code.or(Some(0));
            }
            task.status = Status::Deprovisioning;
            task.execution_stopped_at = Some(now);
            task.due.push((now + DEPROVISIONING, Due::Gone));
            Outcome::Changed
        }
        Due::Gone => {
            task.status = Status::Stopped;
            task.stopped_at = Some(now);
            task.due.push((now + REMEMBERED, Due::Forget));
            Outcome::Changed
        }
    };
    let failed_checks = outcome == Outcome::Failed && task.health() == Health::Unhealthy;
    world.ecs.tasks.insert(id.to_owned(), task);
    if failed_checks && let Some(mut service) = world.ecs.services.remove(&key) {
        service.log(world, now, &format!("(task {id}) failed container health checks."));
        world.ecs.services.insert(key.clone(), service);
    }
    rollout::report(world, &key, &deployment, outcome, now);
}

fn pull(world: &mut World, task: &mut Task, now: f64) -> Outcome {
    task.status = Status::Pending;
    if let Some(reason) = secret::missing(world, task) {
        task.due.push((now + READING_SECRETS, Due::Fail(reason)));
    } else {
        task.pull_started_at = Some(now);
        task.due.push((now + PULLING, Due::Start { again: false }));
    }
    Outcome::Changed
}

fn start(world: &mut World, task: &mut Task, again: bool, now: f64) -> Outcome {
    let definition = task_definition::find(world, &task.task_definition);
    let declared = definition.map(|it| it.containers().to_vec()).unwrap_or_default();
    let platform = definition.map(TaskDefinition::platform).unwrap_or_default();
    for at in 0..task.containers.len() {
        let container = &mut task.containers[at];
        let image = &container.image;
        let cause = match image::pull(world, image) {
            Some(pulled) if pulled.platforms.as_ref().is_none_or(|it| it.contains(&platform)) => {
                container.digest = Some(pulled.digest);
                continue;
            }
            Some(_) => {
                format!("image Manifest does not contain descriptor matching platform '{platform}'")
            }
            None => format!("failed to resolve ref {image}: {image}: not found"),
        };
        if !again {
            task.due.push((now + PULLING_AGAIN, Due::Start { again: true }));
            return Outcome::Changed;
        }
        let reason = format!(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): {cause}"
        );
        container.reason = Some(reason.clone());
        return fail_to_start(task, &reason, now);
    }
    if let Err(reason) = log::prepare(world, task, now) {
        return fail_to_start(task, &reason, now);
    }
    task.status = Status::Running;
    task.pull_stopped_at = Some(now);
    task.started_at = Some(now);
    for (at, container) in task.containers.iter_mut().enumerate() {
        container.status = Status::Running;
        let declared = declared.get(at).unwrap_or(&Value::Null);
        task.due.extend(fate(world, at, &container.image, declared, now));
    }
    for at in 0..task.containers.len() {
        log::start(world, task, at, now);
    }
    // What ends at once ends before anyone calls it started.
    if !task.containers.iter().any(|it| it.is_essential && it.is_checked) {
        task.due.push((now + SETTLING, Due::Settle));
    }
    let digests = task.containers.iter();
    let digests = digests.filter_map(|it| Some((it.name.clone(), it.digest.clone()?)));
    rollout::pulled(world, &task.service, &task.deployment, &digests.collect::<Vec<_>>());
    Outcome::Changed
}

/// What will become of a container that starts now.
fn fate(world: &World, at: usize, image: &str, declared: &Value, now: f64) -> Option<(f64, Due)> {
    let exit = |after: f64, code: i32, reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        Some((now + after, Due::Exit { container: at, code, reason }))
    };
    if let Some(code) = image::exits(declared) {
        return exit(ENDING, code, None);
    }
    let behaviour = image::behaviour(world, image);
    let ready = match behaviour {
        Behaviour::Crash { exit_code, after } => return exit(after.as_secs_f64(), exit_code, None),
        Behaviour::OutOfMemory => {
            let reason = "OutOfMemoryError: Container killed due to memory usage";
            return exit(FILLING_MEMORY, 137, Some(reason));
        }
        Behaviour::Unhealthy => f64::INFINITY,
        Behaviour::SlowStart(after) => after.as_secs_f64(),
        Behaviour::Healthy => 0.0,
    };
    if !checks(declared) {
        return None;
    }
    let passes = image::answers(world, image, &declared["healthCheck"]["command"]);
    let ready = if passes { ready } else { f64::INFINITY };
    let (after, passes) = verdict(&declared["healthCheck"], ready);
    Some((now + after, Due::Check { container: at, passes }))
}

fn checks(container: &Value) -> bool {
    let command = json::strings(&container["healthCheck"], "command");
    command.first().is_some_and(|first| *first != "NONE")
}

/// When a health check decides, in seconds after the start, and how.
///
/// It runs once per interval. A first success makes the container healthy; failures count only
/// once the start period is over, and `retries` of them make it unhealthy.
fn verdict(check: &Value, ready: f64) -> (f64, bool) {
    let number = |member: &str, default: u64| {
        f64::from(u32::try_from(check[member].as_u64().unwrap_or(default)).unwrap_or(u32::MAX))
    };
    let interval = number("interval", 30);
    let first_counted = (number("startPeriod", 0) / interval).floor() + 1.0;
    let unhealthy = interval * (first_counted + number("retries", 3) - 1.0);
    let healthy = interval * (ready / interval).ceil().max(1.0);
    if healthy <= unhealthy { (healthy, true) } else { (unhealthy, false) }
}

fn check(task: &mut Task, at: usize, passes: bool, now: f64) -> Outcome {
    let container = &mut task.containers[at];
    container.health = if passes { Health::Healthy } else { Health::Unhealthy };
    match task.health() {
        Health::Unhealthy => {
            let reason = "Task failed container health checks";
            task.stop(&Cause::new("ServiceSchedulerInitiated", reason), now);
            Outcome::Failed
        }
        Health::Healthy => {
            task.is_settled = true;
            Outcome::Healthy
        }
        Health::Unknown => Outcome::Changed,
    }
}

fn exit(task: &mut Task, at: usize, code: i32, reason: Option<String>, now: f64) -> Outcome {
    let container = &mut task.containers[at];
    container.status = Status::Stopped;
    container.exit_code = Some(code);
    container.reason = reason;
    if !container.is_essential && task.containers.iter().any(|it| it.status == Status::Running) {
        return Outcome::Changed;
    }
    let reason = "Essential container in task exited";
    task.stop(&Cause::new("EssentialContainerExited", reason), now);
    Outcome::Failed
}

fn fail_to_start(task: &mut Task, reason: &str, now: f64) -> Outcome {
    task.stop(&Cause::new("TaskFailedToStart", reason), now);
    Outcome::Failed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::verdict;

    #[test]
    fn verdicts() {
        let check = json!({ "interval": 30, "retries": 3, "startPeriod": 60 });
        assert_eq!(verdict(&check, 0.0), (30.0, true));
        assert_eq!(verdict(&check, 31.0), (60.0, true));
        assert_eq!(verdict(&check, f64::INFINITY), (150.0, false));
        assert_eq!(verdict(&check, 150.0), (150.0, true));
        assert_eq!(verdict(&check, 151.0), (150.0, false));
        assert_eq!(verdict(&json!({}), f64::INFINITY), (90.0, false));
    }
}
