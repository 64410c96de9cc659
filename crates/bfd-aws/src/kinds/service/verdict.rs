//! What one look at a rollout means. Pure: reading is `look`'s, waiting is `follow`'s.

use super::causes::Stopped;

/// How many looks in a row must show an older deployment in our place before it is believed:
/// one such look may be a stale read.
const PATIENCE: u32 = 3;

/// What a rollout is followed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The deployment has ended well: the proof that a change works.
    Proven,
    /// The deployment that was found has ended well, whoever started it. One with which ECS
    /// goes back has no service deployment of its own: there its rollout tells.
    Settled,
    /// The desired number of healthy tasks serves, and no other: the proof that a service is
    /// back. What is replaced may still drain, which takes five minutes behind a load balancer.
    Serving,
}

/// One look at a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) place: Place,
    /// Of the deployment that is followed.
    pub(super) desired: i32,
    pub(super) running: i32,
    /// `rolloutState`; absent where the server has none.
    pub(super) rollout: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) report: Report,
    /// Tasks of the deployment that stopped since it began.
    pub(super) stopped: Vec<Stopped>,
    /// Tasks that run and are healthy; absent where it was not asked for.
    pub(super) healthy: Option<i32>,
    /// Tasks of other revisions that are meant to run, where a service goes back: they still
    /// serve. What is told to stop may drain.
    pub(super) strangers: i32,
}

/// Where in the service the followed deployment is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Primary,
    /// Another deployment was started after it.
    Superseded { by: String },
    /// An earlier deployment has its place: a rollback, or a stale read.
    Earlier { looks: u32, reason: String },
    /// The service itself is gone.
    Deleted,
}

/// What the service deployment says: the truth about a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Report {
    /// Not asked, or not listed yet.
    #[default]
    Unknown,
    /// The server has no service deployments.
    Unsupported,
    Status {
        status: String,
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    /// How it was proven.
    Proven(String),
    Failed {
        message: String,
        hint: Option<&'static str>,
    },
}

pub(super) fn judge(look: &Look, goal: Goal) -> Verdict {
    if look.place == Place::Deleted {
        return failed("the service was deleted while its deployment was followed");
    }
    if let Some(stopped) = look.stopped.iter().find(|stopped| stopped.is_lasting()) {
        let hint = match stopped.cause {
            super::causes::Cause::Lasting(hint) => Some(hint),
            _ => None,
        };
        return Verdict::Failed { message: stopped.line(), hint };
    }
    // A deployment that has succeeded says nothing of tasks that were added afterwards.
    let all_healthy = look.healthy.is_none_or(|healthy| healthy >= look.desired);
    let complete = look.running >= look.desired && all_healthy;
    let is_back = look.running <= look.desired
        && look.strangers == 0
        && look.healthy.is_some_and(|healthy| healthy >= look.desired);
    if let Report::Status { status, reason } = &look.report {
        let why = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match status.as_str() {
            "SUCCESSFUL" if look.place == Place::Primary && complete && goal != Goal::Serving => {
                return proven(look, "service deployment SUCCESSFUL");
            }
            // On the way back a rollback is what is waited for.
            "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" | "ROLLBACK_SUCCESSFUL"
                if goal == Goal::Serving => {}
            "ROLLBACK_REQUESTED"
            | "ROLLBACK_IN_PROGRESS"
            | "ROLLBACK_SUCCESSFUL"
            | "ROLLBACK_FAILED" => {
                return failed(format!("ECS rolled the deployment back ({status}){why}"));
            }
            "STOP_REQUESTED" | "STOPPED" => {
                return match &look.place {
                    Place::Superseded { by } => superseded(by),
                    _ => failed(format!("the deployment was stopped ({status}){why}")),
                };
            }
            _ => {}
        }
    }
    match &look.place {
        Place::Superseded { by } => return superseded(by),
        Place::Earlier { looks, reason } if *looks >= PATIENCE => {
            return failed(format!("ECS went back to an earlier deployment: {reason}"));
        }
        Place::Earlier { .. } => return Verdict::Wait,
        Place::Primary | Place::Deleted => {}
    }
    if look.rollout.as_deref() == Some("FAILED") {
        let why = look.reason.as_deref().unwrap_or("no reason given");
        return failed(format!("the rollout failed: {why}"));
    }
    if look.running < look.desired {
        return Verdict::Wait;
    }
    let completed = look.rollout.as_deref().is_none_or(|state| state == "COMPLETED");
    if look.report == Report::Unsupported && completed {
        return proven(
            look,
            match look.rollout {
                Some(_) => "rollout COMPLETED; the server has no service deployments",
                None => "all tasks run; the server reports no rollouts",
            },
        );
    }
    if goal == Goal::Settled
        && complete
        && look.report == Report::Unknown
        && look.rollout.as_deref() == Some("COMPLETED")
    {
        return proven(look, "rollout COMPLETED");
    }
    if goal == Goal::Serving && is_back {
        return proven(look, "all tasks run and are healthy");
    }
    Verdict::Wait
}

fn proven(look: &Look, how: &str) -> Verdict {
    if look.desired == 0 {
        // Trivially successful: no task has shown that it can run.
        return Verdict::Proven("not proven: desired count is 0".to_owned());
    }
    Verdict::Proven(format!("{how}, {}/{} running", look.running, look.desired))
}

fn failed(message: impl Into<String>) -> Verdict {
    Verdict::Failed { message: message.into(), hint: None }
}

fn superseded(by: &str) -> Verdict {
    Verdict::Failed {
        message: format!("the deployment was superseded by {by}"),
        hint: Some("someone else deploys this service: find out who before the next apply"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::service::causes::Cause;

    fn look(rollout: Option<&str>, running: i32, desired: i32, report: Report) -> Look {
        Look { rollout: rollout.map(str::to_owned), running, desired, report, ..Look::default() }
    }

    fn status(status: &str) -> Report {
        Report::Status { status: status.to_owned(), reason: Some("why".to_owned()) }
    }

    fn is_proven(look: &Look) -> bool {
        matches!(judge(look, Goal::Proven), Verdict::Proven(_))
    }

    fn message(look: &Look) -> String {
        match judge(look, Goal::Proven) {
            Verdict::Failed { message, .. } => message,
            other => panic!("not failed: {other:?}"),
        }
    }

    #[test]
    fn only_a_successful_service_deployment_with_all_tasks_is_a_proof() {
        assert!(is_proven(&look(Some("COMPLETED"), 2, 2, status("SUCCESSFUL"))));
        assert!(!is_proven(&look(Some("COMPLETED"), 2, 2, status("IN_PROGRESS"))));
        assert!(!is_proven(&look(Some("COMPLETED"), 2, 2, Report::Unknown)));
        assert!(!is_proven(&look(Some("COMPLETED"), 1, 2, status("SUCCESSFUL"))));
    }

    #[test]
    fn tasks_that_were_added_to_a_successful_deployment_have_to_be_healthy_too() {
        let mut seen = look(Some("COMPLETED"), 2, 2, status("SUCCESSFUL"));
        seen.healthy = Some(1);
        assert!(!is_proven(&seen));
        seen.healthy = Some(2);
        assert!(is_proven(&seen));
    }

    #[test]
    fn without_service_deployments_completed_counts_only_with_all_tasks() {
        assert!(is_proven(&look(Some("COMPLETED"), 2, 2, Report::Unsupported)));
        assert!(!is_proven(&look(Some("COMPLETED"), 1, 2, Report::Unsupported)));
        assert!(!is_proven(&look(Some("IN_PROGRESS"), 2, 2, Report::Unsupported)));
        assert!(is_proven(&look(None, 2, 2, Report::Unsupported)));
        assert!(!is_proven(&look(None, 0, 2, Report::Unsupported)));
    }

    #[test]
    fn no_task_proves_nothing() {
        let verdict = judge(&look(Some("COMPLETED"), 0, 0, status("SUCCESSFUL")), Goal::Proven);
        assert_eq!(verdict, Verdict::Proven("not proven: desired count is 0".to_owned()));
    }

    #[test]
    fn a_rollback_is_a_failure_however_healthy_the_service_is() {
        for state in ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"] {
            let seen = look(Some("COMPLETED"), 2, 2, status(state));
            assert!(message(&seen).contains("rolled the deployment back"), "{state}");
        }
        let mut seen = look(Some("FAILED"), 0, 0, Report::Unsupported);
        seen.reason = Some("circuit breaker".to_owned());
        assert_eq!(message(&seen), "the rollout failed: circuit breaker");
    }

    #[test]
    fn another_deployment_in_our_place_is_never_a_success() {
        let mut seen = look(Some("COMPLETED"), 2, 2, status("SUCCESSFUL"));
        seen.place = Place::Superseded { by: "web:9".to_owned() };
        assert_eq!(message(&seen), "the deployment was superseded by web:9");
        seen.place = Place::Earlier { looks: 1, reason: "r".to_owned() };
        assert_eq!(judge(&seen, Goal::Proven), Verdict::Wait, "may be a stale read");
        seen.place = Place::Earlier { looks: 3, reason: "r".to_owned() };
        assert!(message(&seen).contains("earlier deployment"));
    }

    #[test]
    fn a_task_that_will_not_heal_fails_it_at_once() {
        let mut seen = look(Some("IN_PROGRESS"), 1, 2, Report::Unknown);
        let stopped = |cause| Stopped {
            task: "t".into(),
            cause,
            text: "CannotPull".into(),
            at: 0,
            failed: Vec::new(),
        };
        seen.stopped = vec![stopped(Cause::Passing), stopped(Cause::Ordinary)];
        assert_eq!(judge(&seen, Goal::Proven), Verdict::Wait);
        seen.stopped.push(stopped(Cause::Lasting("hint")));
        assert_eq!(message(&seen), "task t: CannotPull");
    }

    #[test]
    fn what_was_found_is_settled_by_its_rollout_where_nothing_else_reports_on_it() {
        let is_settled = |look: &Look| matches!(judge(look, Goal::Settled), Verdict::Proven(_));
        assert!(is_settled(&look(Some("COMPLETED"), 2, 2, Report::Unknown)));
        assert!(!is_settled(&look(Some("COMPLETED"), 1, 2, Report::Unknown)));
        assert!(!is_settled(&look(Some("COMPLETED"), 2, 2, status("IN_PROGRESS"))));
        assert!(!is_settled(&look(Some("IN_PROGRESS"), 2, 2, Report::Unknown)));
        assert!(!is_proven(&look(Some("COMPLETED"), 2, 2, Report::Unknown)));
    }

    #[test]
    fn a_service_is_back_when_its_tasks_are_healthy() {
        let mut seen = look(Some("IN_PROGRESS"), 2, 2, status("IN_PROGRESS"));
        assert_eq!(judge(&seen, Goal::Serving), Verdict::Wait);
        seen.healthy = Some(1);
        assert_eq!(judge(&seen, Goal::Serving), Verdict::Wait);
        seen.healthy = Some(2);
        seen.strangers = 1;
        assert_eq!(judge(&seen, Goal::Serving), Verdict::Wait, "what failed still serves");
        seen.strangers = 0;
        seen.running = 3;
        assert_eq!(judge(&seen, Goal::Serving), Verdict::Wait, "one too many");
        seen.running = 2;
        assert!(matches!(judge(&seen, Goal::Serving), Verdict::Proven(_)));
        assert_eq!(judge(&seen, Goal::Proven), Verdict::Wait);
    }
}
