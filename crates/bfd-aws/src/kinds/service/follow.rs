//! Follows a rollout until it is proven, has failed, or takes too long.

use super::{
    causes::{Cause, Stopped},
    live,
    look::Watch,
    tail,
    verdict::{Goal, Look, Place, Verdict, judge},
};
use crate::Aws;
use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Service};
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::{collections::BTreeMap, time::Duration};

/// Between two looks. A task that cannot pull its image takes longer than that to say so.
const INTERVAL: Duration = Duration::from_secs(5);
/// Looks in a row that may fail for reasons that pass.
pub(super) const FAILED_LOOKS: u32 = 6;
/// Events in a failure's details.
const EVENTS: usize = 5;

impl Goal {
    /// How long it may take. Containers have up to five minutes to become healthy, what they
    /// replace has five to drain behind a load balancer; twice that is stuck.
    fn limit(self) -> Duration {
        match self {
            Self::Proven | Self::Settled => Duration::from_mins(20),
            Self::Serving => Duration::from_mins(10),
        }
    }
}

/// What is followed, and for what.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    pub(super) aws: &'a Aws,
    pub(super) context: &'a Context,
    /// The call that started it, which a failure is reported as.
    pub(super) operation: &'static str,
    pub(super) cluster: &'a str,
    pub(super) name: &'a str,
    pub(super) task_definition: &'a str,
    pub(super) goal: Goal,
    /// Whether the call started the deployment, or only changed its number of tasks.
    pub(super) is_new: bool,
    /// In words; none where a task counts as healthy as soon as it runs.
    pub(super) health_checks: Vec<String>,
    /// Images that are pinned by digest, by container.
    pub(super) images: BTreeMap<String, String>,
}

/// That a rollout took place, and how it is known.
#[derive(Debug)]
pub(super) struct Proof {
    /// The ARN of the service deployment, or the id of the deployment.
    pub(super) deployment: String,
    pub(super) text: String,
}

impl Follow<'_> {
    fn watch(&self, deployment: &Deployment) -> Watch<'_> {
        Watch::new(
            self.aws,
            (self.cluster, self.name),
            self.goal,
            self.task_definition,
            !self.health_checks.is_empty(),
            deployment,
        )
    }

    /// Whether the deployment has failed, or fails for a cause that lasts: then ECS waits ever
    /// longer between its attempts, up to half an hour, or makes none any more.
    pub(super) async fn is_failing(&self, deployment: &Deployment) -> Result<bool, ProviderError> {
        match deployment.rollout_state {
            Some(DeploymentRolloutState::Failed) => return Ok(true),
            Some(DeploymentRolloutState::Completed) => return Ok(false),
            _ => {}
        }
        let (look, _) = self.watch(deployment).look().await?;
        Ok(look.running < look.desired && look.stopped.iter().any(Stopped::is_lasting))
    }

    /// Errors say nothing about what is left: the caller knows.
    pub(super) async fn follow(&self, deployment: &Deployment) -> Result<Proof, ProviderError> {
        let mut watch = self.watch(deployment);
        if !self.is_new {
            watch.forget_the_past(deployment).await?;
        }
        let begun = self.aws.now();
        let mut told = String::new();
        let mut failed_looks = 0;
        loop {
            let (look, service) = match watch.look().await {
                Ok(seen) => seen,
                Err(error) if is_passing(error.class) && failed_looks < FAILED_LOOKS => {
                    failed_looks += 1;
                    self.pause().await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            failed_looks = 0;
            self.tell(&look, &mut told);
            match judge(&look, self.goal) {
                Verdict::Proven(text) => {
                    self.check_images(&watch, &look).await?;
                    return Ok(Proof { deployment: watch.proof().to_owned(), text });
                }
                Verdict::Failed { message, hint } => {
                    let error =
                        self.failure(message, &look, events(&watch, service.as_ref())).await;
                    return Err(match hint {
                        Some(hint) => error.hint(hint),
                        None => error,
                    });
                }
                Verdict::Wait => {}
            }
            let waited = self.aws.now().duration_since(begun).unwrap_or_default();
            if waited >= self.goal.limit() {
                return Err(self.too_long(waited, &look, events(&watch, service.as_ref())).await);
            }
            self.pause().await?;
        }
    }

    /// Waits for the next look; ends early when the run turns back.
    async fn pause(&self) -> Result<(), ProviderError> {
        tokio::select! {
            biased;
            () = self.context.turn_back.cancelled() => Err(ProviderError::new(
                self.operation,
                ErrorClass::Canceled,
                "the run turned back while the deployment was followed",
            )),
            () = self.aws.sleep(INTERVAL) => Ok(()),
        }
    }

    fn tell(&self, look: &Look, told: &mut String) {
        let rollout = look.rollout.as_deref().unwrap_or("unknown");
        let healthy = match look.healthy.filter(|_| !self.health_checks.is_empty()) {
            Some(healthy) => format!(", {} healthy", healthy.min(look.running)),
            None => String::new(),
        };
        let mut line =
            format!("{}/{} running{healthy}, rollout {rollout}", look.running, look.desired);
        let mut failed = look.stopped.iter().filter(|it| it.cause != Cause::Ordinary);
        if let Some(last) = failed.next_back() {
            line = format!("{line}; {}", last.line());
        }
        if matches!(look.place, Place::Primary) && line != *told {
            self.context.progress.tell(line.clone());
            *told = line;
        }
    }

    /// What is known about a failure; read before anything is undone, as logs may go with it.
    async fn failure(&self, message: String, look: &Look, events: Vec<String>) -> ProviderError {
        let message = self.aws.secrets.redact(&message);
        let told = message.clone();
        let mut error = ProviderError::new(self.operation, ErrorClass::NotStabilized, message);
        for line in
            look.stopped.iter().map(Stopped::line).filter(|line| !told.contains(line.as_str()))
        {
            error = error.detail(line);
        }
        let is_unhealthy = look.stopped.iter().any(Stopped::was_unhealthy)
            || look.healthy.is_some_and(|healthy| healthy < look.running);
        if is_unhealthy {
            for check in &self.health_checks {
                error = error.detail(check.clone());
            }
        }
        for event in events {
            error = error.detail(format!("event: {event}"));
        }
        for line in tail::details(self.aws, self.task_definition, &look.stopped).await {
            error = error.detail(line);
        }
        error
    }

    async fn too_long(&self, waited: Duration, look: &Look, events: Vec<String>) -> ProviderError {
        let state = match &look.rollout {
            Some(rollout) => format!("the rollout is {rollout}"),
            None => "the server reports no rollouts".to_owned(),
        };
        let message = format!(
            "not proven within {} minutes: {} of {} tasks run, {state}",
            waited.as_secs() / 60,
            look.running,
            look.desired,
        );
        self.failure(message, look, events)
            .await
            .hint("look at the service's events: they tell why tasks are not placed or not healthy")
    }

    /// The last part of the proof: what was pinned is what runs.
    async fn check_images(&self, watch: &Watch<'_>, look: &Look) -> Result<(), ProviderError> {
        if self.images.is_empty() || look.desired == 0 {
            return Ok(());
        }
        let running = watch.images().await?;
        for (container, pinned) in &self.images {
            let Some((image, digest)) = running.get(container) else { continue };
            // An image for several platforms is pinned by its index, and may run under the
            // digest of one of them: then the name tells.
            let expected = pinned.split_once('@').map(|(_, digest)| digest);
            if image != pinned && digest.as_deref() != expected {
                let message = format!(
                    "container `{container}` runs {image} ({}), not {pinned}",
                    digest.as_deref().unwrap_or("no digest"),
                );
                return Err(self.failure(message, look, Vec::new()).await);
            }
        }
        Ok(())
    }
}

/// The last events of the deployment.
fn events(watch: &Watch<'_>, service: Option<&Service>) -> Vec<String> {
    let mut events = service.map(|it| watch.events(it)).unwrap_or_default();
    events.truncate(EVENTS);
    events
}

/// Whether the same request may succeed a moment later.
pub(super) fn is_passing(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Throttling | ErrorClass::NetworkFailure | ErrorClass::ServiceInternalError
    )
}

/// The deployment to follow in what ECS answered.
pub(super) fn started(
    operation: &'static str,
    service: &Service,
) -> Result<Deployment, ProviderError> {
    live::primary(service).cloned().ok_or_else(|| {
        ProviderError::new(
            operation,
            ErrorClass::NotStabilized,
            "ECS answered without a primary deployment",
        )
    })
}
