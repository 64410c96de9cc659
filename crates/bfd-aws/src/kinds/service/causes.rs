//! Why a task stopped, and whether the next one will fare better.

use aws_sdk_ecs::types::{Container, HealthStatus, Task, TaskStopCode};
use aws_smithy_types::DateTime;
use bfd_provider::Secrets;

/// A task that stopped, with what ECS says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// The last part of its ARN.
    pub(super) task: String,
    pub(super) cause: Cause,
    /// The whole story in one line: reasons, containers, exit codes.
    pub(super) text: String,
    /// When it began to stop, in nanoseconds since 1970.
    pub(super) at: i128,
    /// Its containers that ran and failed; all that ran when none says that it did.
    pub(super) failed: Vec<Failed>,
}

/// A container that failed, as its log is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) container: String,
    pub(super) runtime_id: Option<String>,
}

/// What a stop means for the tasks that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The next task will stop for the same reason. The text says what to do.
    Lasting(&'static str),
    /// The next task may well run.
    Passing,
    /// Nothing failed: scaled in, replaced, or stopped by a person.
    Ordinary,
}

impl Stopped {
    pub(super) fn new(task: &Task) -> Self {
        let mut texts: Vec<String> = Vec::new();
        texts.extend(task.stopped_reason.clone());
        for container in task.containers() {
            let name = container.name.as_deref().unwrap_or("?");
            let said: Vec<String> = [
                container.exit_code.map(|code| format!("exit code {code}")),
                // ECS says most things twice: once of the task, once of its container.
                container.reason.clone().filter(|said| task.stopped_reason.as_ref() != Some(said)),
            ]
            .into_iter()
            .flatten()
            .collect();
            if !said.is_empty() {
                texts.push(format!("container `{name}`: {}", said.join(", ")));
            }
        }
        let text = texts.join("; ");
        let id = task.task_arn.as_deref().unwrap_or("?");
        let id = id.rsplit('/').next().unwrap_or(id).to_owned();
        let at = task.stopping_at.as_ref().or(task.stopped_at.as_ref());
        Self {
            cause: classify(task.stop_code.as_ref(), &text),
            task: id,
            text,
            at: at.map_or(0, DateTime::as_nanos),
            failed: failed(task),
        }
    }

    /// Takes secrets out of the reasons: commands and addresses are quoted in them.
    pub(super) fn redacted(mut self, secrets: &dyn Secrets) -> Self {
        self.text = secrets.redact(&self.text);
        self
    }

    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.cause, Cause::Lasting(_))
    }

    /// Whether a health check stopped it.
    pub(super) fn was_unhealthy(&self) -> bool {
        self.cause == Cause::Lasting(HEALTH)
    }

    /// For `details` and for the status.
    pub(super) fn line(&self) -> String {
        format!("task {}: {}", self.task, self.text)
    }
}

/// The containers whose logs may tell why the task stopped. One that never ran has none.
fn failed(task: &Task) -> Vec<Failed> {
    let has_run = |it: &&Container| it.exit_code.is_some() || task.started_at.is_some();
    let has_failed = |it: &&Container| {
        it.exit_code.is_some_and(|code| code != 0)
            || it.reason.is_some()
            || it.health_status == Some(HealthStatus::Unhealthy)
    };
    let ran: Vec<&Container> = task.containers().iter().filter(has_run).collect();
    let mut failed: Vec<&Container> = ran.iter().copied().filter(has_failed).collect();
    if failed.is_empty() {
        failed = ran;
    }
    let failed = failed.into_iter().filter_map(|it| {
        Some(Failed { container: it.name.clone()?, runtime_id: it.runtime_id.clone() })
    });
    failed.collect()
}

const PULL: &str = "check that the image exists under this tag or digest, \
    and that the execution role and the network can reach its registry";
const INITIALIZATION: &str = "check the execution role, the secrets that the containers name, \
    the log group, and the way from the subnets to them";
const START: &str = "check the container's command, entry point and volumes";
const MEMORY: &str = "raise `memory`, or make the container use less";
const HEALTH: &str =
    "check that the health check's port and path are the container's, and its `start_period`";
const EXIT: &str = "look at the container's log: it ended by itself";
const FAILED_TO_START: &str = "look at the service's events in the ECS console";

/// Wordings: "Stopped tasks error messages" in the ECS developer guide.
fn classify(code: Option<&TaskStopCode>, text: &str) -> Cause {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_timeout = says(&["timeout", "timed out", "deadline exceeded", "request canceled"]);
    if says(&["throttl", "rate exceeded", "toomanyrequests", "too many requests", "429"])
        || says(&["capacity is unavailable", "insufficient capacity", "no capacity"])
        || (is_timeout && says(&["network interface provisioning"]))
        || (is_timeout && says(&["resourceinitializationerror"]) && says(&["secret", "ssm"]))
    {
        return Cause::Passing;
    }
    if says(&["cannotpull", "cannot pull", "pull image", "image manifest"]) {
        return Cause::Lasting(PULL);
    }
    if says(&["resourceinitializationerror", "resource initialization"]) {
        return Cause::Lasting(INITIALIZATION);
    }
    if says(&["cannotstartcontainer", "cannotcreatecontainer", "cannotcreatevolume"]) {
        return Cause::Lasting(START);
    }
    if says(&["outofmemory", "out of memory", "oom"]) {
        return Cause::Lasting(MEMORY);
    }
    if says(&["failed container health checks", "failed elb health checks", "health checks failed"])
    {
        return Cause::Lasting(HEALTH);
    }
    match code {
        Some(TaskStopCode::EssentialContainerExited) => Cause::Lasting(EXIT),
        Some(TaskStopCode::TaskFailedToStart) => Cause::Lasting(FAILED_TO_START),
        // Servers other than AWS leave the code out.
        None if says(&["essential container"]) => Cause::Lasting(EXIT),
        _ => Cause::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(code: Option<&str>, reason: &str, container: Option<(i32, &str)>) -> Stopped {
        let mut task = Task::builder()
            .task_arn("arn:aws:ecs:eu-west-1:123456789012:task/main/0123abc")
            .stopped_reason(reason)
            .set_stop_code(code.map(TaskStopCode::from));
        if let Some((exit_code, reason)) = container {
            let container = Container::builder().name("web").exit_code(exit_code);
            let container = if reason.is_empty() { container } else { container.reason(reason) };
            task = task.containers(container.build());
        }
        Stopped::new(&task.build())
    }

    #[test]
    fn what_will_not_heal_is_told_from_what_may() {
        let failed = Some("TaskFailedToStart");
        let scheduler = Some("ServiceSchedulerInitiated");
        let cases: &[(Option<&str>, &str, bool)] = &[
            (
                failed,
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref web:1: not found",
                true,
            ),
            (failed, "The task cannot pull registry auth from Amazon ECR", true),
            (
                failed,
                "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit",
                false,
            ),
            (
                failed,
                "ResourceInitializationError: unable to pull secrets or registry auth: ResourceNotFoundException: Secrets Manager can't find the specified secret",
                true,
            ),
            (
                failed,
                "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: context deadline exceeded",
                false,
            ),
            (
                failed,
                "ResourceInitializationError: failed to validate logger args: The specified log group does not exist",
                true,
            ),
            (failed, "CannotStartContainerError: exec: \"serve\": not found", true),
            (failed, "Capacity is unavailable at this time. Please try again later", false),
            (failed, "Something new", true),
            (Some("EssentialContainerExited"), "Essential container in task exited", true),
            (None, "Essential container in task exited", true),
            (
                Some("EssentialContainerExited"),
                "OutOfMemoryError: Container killed due to memory usage",
                true,
            ),
            (scheduler, "Task failed container health checks", true),
            (scheduler, "Task failed ELB health checks in (target-group arn:aws:x)", true),
            (scheduler, "Scaling activity initiated by (deployment ecs-svc/1)", false),
            (Some("UserInitiated"), "Task stopped by user", false),
            (Some("SpotInterruption"), "Your Spot Task was interrupted.", false),
        ];
        for (code, reason, lasting) in cases {
            assert_eq!(stopped(*code, reason, None).is_lasting(), *lasting, "{reason}");
        }
    }

    #[test]
    fn the_line_has_task_exit_code_and_reasons() {
        let task = stopped(
            Some("EssentialContainerExited"),
            "Essential container in task exited",
            Some((137, "OutOfMemoryError: killed")),
        );
        assert_eq!(task.cause, Cause::Lasting(MEMORY));
        assert_eq!(
            task.line(),
            "task 0123abc: Essential container in task exited; \
             container `web`: exit code 137, OutOfMemoryError: killed"
        );
    }
}
