//! Which of a service's events tell of one deployment.
//!
//! ECS keeps the last hundred events of a service, whatever they are about: those of an earlier
//! deployment would be wrong evidence against this one.

use super::look::seconds;
use aws_sdk_ecs::types::{Deployment, ServiceEvent};
use std::collections::BTreeSet;

/// What is known about a deployment that tells its events from others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scope {
    /// `ecs-svc/…`.
    deployment: String,
    /// In seconds since 1970.
    since: f64,
}

impl Scope {
    /// Of a deployment that was started now, or that was found and is followed to its end.
    pub(super) fn whole(deployment: &Deployment) -> Self {
        Self {
            deployment: deployment.id.clone().unwrap_or_default(),
            since: seconds(deployment.created_at.as_ref()),
        }
    }

    /// Of a deployment that exists for long, and whose number of tasks was changed now.
    pub(super) fn latest(deployment: &Deployment) -> Self {
        let whole = Self::whole(deployment);
        let changed = seconds(deployment.updated_at.as_ref());
        Self { since: whole.since.max(changed), ..whole }
    }

    /// Whether the event tells of the deployment. `strangers` are the ids of tasks that other
    /// deployments started: they may stop, and say why, while this one goes on.
    pub(super) fn has(&self, event: &ServiceEvent, strangers: &BTreeSet<&str>) -> bool {
        let at = seconds(event.created_at.as_ref());
        // ECS tells milliseconds; other servers cut them off, and tell a moment too early.
        let since = if at.fract() == 0.0 { self.since.floor() } else { self.since };
        let message = event.message.as_deref().unwrap_or_default();
        let deployments = named(message, "(deployment ");
        let tasks = named(message, "(task ");
        at >= since
            && (deployments.is_empty() || deployments.contains(&self.deployment.as_str()))
            && (tasks.is_empty() || tasks.iter().any(|task| !strangers.contains(task)))
    }
}

/// The names in `… (task 0123abc) … (task 4567def) …`.
fn named<'text>(message: &'text str, opening: &str) -> Vec<&'text str> {
    let parts = message.split(opening).skip(1);
    parts.filter_map(|part| part.split_once(')')).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;

    fn deployment(created: f64, updated: f64) -> Deployment {
        Deployment::builder()
            .id("ecs-svc/2")
            .created_at(DateTime::from_secs_f64(created))
            .updated_at(DateTime::from_secs_f64(updated))
            .build()
    }

    fn event(at: f64, message: &str) -> ServiceEvent {
        ServiceEvent::builder().created_at(DateTime::from_secs_f64(at)).message(message).build()
    }

    fn has(scope: &Scope, at: f64, message: &str) -> bool {
        scope.has(&event(at, message), &BTreeSet::from(["old"]))
    }

    #[test]
    fn what_was_told_before_the_deployment_is_of_another() {
        let scope = Scope::whole(&deployment(100.25, 130.5));
        let message = "(service web) (task 1) failed container health checks.";
        assert!(!has(&scope, 99.0, message));
        assert!(!has(&scope, 100.125, message), "milliseconds count");
        assert!(has(&scope, 100.25, message), "told with its beginning");
        assert!(has(&scope, 100.0, message), "a server without milliseconds");
        assert!(has(&scope, 120.0, message));
    }

    #[test]
    fn of_an_old_deployment_what_came_before_its_change_does_not_count() {
        let scope = Scope::latest(&deployment(100.25, 130.5));
        assert!(!has(&scope, 130.25, "(service web) was unable to place a task"));
        assert!(has(&scope, 130.5, "(service web) was unable to place a task"));
    }

    #[test]
    fn what_names_others_alone_is_not_about_it() {
        let scope = Scope::whole(&deployment(100.0, 100.0));
        let cases = [
            ("(service web) was unable to place a task", true),
            ("(service web) (task new) failed container health checks.", true),
            ("(service web) (task old) failed container health checks.", false),
            ("(service web) has stopped 2 running tasks: (task old) (task new).", true),
            ("(service web) (deployment ecs-svc/2) deployment failed: tasks failed.", true),
            ("(service web) (deployment ecs-svc/1) deployment completed.", false),
        ];
        for (message, expected) in cases {
            assert_eq!(has(&scope, 101.5, message), expected, "{message}");
        }
    }
}
