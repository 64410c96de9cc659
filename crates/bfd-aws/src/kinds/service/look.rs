//! Reads what there is to see of a rollout.

use super::{
    causes::Stopped,
    events::Scope,
    live,
    verdict::{Goal, Look, Place, Report},
};
use crate::{Aws, error};
use aws_sdk_ecs::types::{
    Deployment, DeploymentRolloutState, DesiredStatus, HealthStatus, Service,
    ServiceDeploymentBrief, ServiceRevision, Task,
};
use aws_smithy_types::DateTime;
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::{BTreeMap, BTreeSet};

/// Tasks per DescribeTasks: the API's own limit.
const TASKS: usize = 100;
/// A service deployment is made a moment before or after the deployment it reports on.
const SLACK_SECONDS: f64 = 10.0;
/// Empty listings in a row, with the rollout over, that show a server without the API.
const EMPTY_LISTINGS: u32 = 2;
/// Looks that must miss the service before it counts as deleted: a new one may be read late.
const MISSING_LOOKS: u32 = 6;

/// One deployment of one service, and what is known about it so far.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    aws: &'a Aws,
    cluster: &'a str,
    name: &'a str,
    goal: Goal,
    task_definition: &'a str,
    /// `ecs-svc/…`, which its tasks carry as `startedBy`.
    deployment: String,
    created: f64,
    /// What tells its events from those of other deployments.
    scope: Scope,
    /// Whether a running task must say that it is healthy.
    has_health_check: bool,
    unsupported: bool,
    empty_listings: u32,
    earlier_looks: u32,
    missing_looks: u32,
    report: Option<String>,
    /// The service revision that the service deployment rolls out.
    revision: Option<ServiceRevision>,
    /// By task ARN; described once, for a stopped task does not change.
    stopped: BTreeMap<String, Option<Stopped>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        aws: &'a Aws,
        (cluster, name): (&'a str, &'a str),
        goal: Goal,
        task_definition: &'a str,
        has_health_check: bool,
        deployment: &Deployment,
    ) -> Self {
        Self {
            aws,
            cluster,
            name,
            goal,
            task_definition,
            deployment: deployment.id.clone().unwrap_or_default(),
            created: seconds(deployment.created_at.as_ref()),
            scope: Scope::whole(deployment),
            has_health_check,
            unsupported: false,
            empty_listings: 0,
            earlier_looks: 0,
            missing_looks: 0,
            report: None,
            revision: None,
            stopped: BTreeMap::new(),
        }
    }

    /// The service deployment where there is one, else the deployment's id.
    pub(super) fn proof(&self) -> &str {
        self.report.as_deref().unwrap_or(&self.deployment)
    }

    /// Leaves out tasks that have stopped so far: they say nothing about what comes. The events
    /// until now neither, unless the deployment was found, and is followed as it is.
    pub(super) async fn forget_the_past(
        &mut self,
        deployment: &Deployment,
    ) -> Result<(), ProviderError> {
        if self.goal != Goal::Settled {
            self.scope = Scope::latest(deployment);
        }
        for arn in self.list_tasks(DesiredStatus::Stopped).await? {
            self.stopped.insert(arn, None);
        }
        Ok(())
    }

    /// What ECS told of the deployment, newest first.
    pub(super) fn events(&self, service: &Service) -> Vec<String> {
        let others = self.stopped.iter().filter(|(_, ours)| ours.is_none());
        let others = others.map(|(arn, _)| arn.rsplit('/').next().unwrap_or(arn)).collect();
        let ours = service.events().iter().filter(|event| self.scope.has(event, &others));
        ours.filter_map(|event| event.message.clone()).collect()
    }

    pub(super) async fn look(&mut self) -> Result<(Look, Option<Service>), ProviderError> {
        let Some(service) = live::find(self.aws, self.cluster, self.name).await? else {
            self.missing_looks += 1;
            let place = if self.missing_looks < MISSING_LOOKS {
                Place::Earlier { looks: 0, reason: String::new() }
            } else {
                Place::Deleted
            };
            return Ok((Look { place, desired: 1, ..Look::default() }, None));
        };
        self.missing_looks = 0;
        if live::is_draining(&service) {
            return Ok((Look { place: Place::Deleted, ..Look::default() }, Some(service)));
        }
        let ours =
            service.deployments().iter().find(|it| it.id.as_deref() == Some(&self.deployment));
        let place = self.place(&service, ours);
        let mut look = Look {
            desired: ours.map_or(service.desired_count, |it| it.desired_count),
            running: ours.map_or(0, |it| it.running_count),
            rollout: ours
                .and_then(|it| it.rollout_state.as_ref())
                .map(|state| state.as_str().to_owned()),
            reason: ours.and_then(|it| it.rollout_state_reason.clone()),
            place,
            ..Look::default()
        };
        // A failed deployment is scaled to 0; what it was meant to run is the service's.
        look.desired =
            look.desired.max(if look.place == Place::Primary { service.desired_count } else { 0 });
        look.stopped = self.stopped_tasks().await?;
        let is_rolling =
            look.rollout.as_deref() == Some("IN_PROGRESS") && look.place == Place::Primary;
        if !is_rolling {
            look.report = self.report(look.rollout.as_deref()).await?;
        }
        let decides = self.goal == Goal::Serving && look.running >= look.desired;
        let tells = self.has_health_check && look.running > 0 && look.place == Place::Primary;
        if decides || tells {
            (look.healthy, look.strangers) = self.healthy_tasks().await?;
        }
        Ok((look, Some(service)))
    }

    fn place(&mut self, service: &Service, ours: Option<&Deployment>) -> Place {
        let Some(primary) = live::primary(service) else {
            return Place::Earlier { looks: 0, reason: "no primary deployment".to_owned() };
        };
        if primary.id.as_deref() == Some(&self.deployment) {
            self.earlier_looks = 0;
            return Place::Primary;
        }
        let reason = primary.rollout_state_reason.as_deref().unwrap_or_default();
        let is_later = seconds(primary.created_at.as_ref()) > self.created;
        if is_later && !reason.to_ascii_lowercase().contains("rolling back") {
            let id = primary.id.as_deref().unwrap_or("another deployment");
            let definition = primary.task_definition.as_deref().unwrap_or_default();
            return Place::Superseded { by: format!("{id} ({})", live::short(definition)) };
        }
        self.earlier_looks += 1;
        let reason = why_it_failed(ours).unwrap_or(reason).to_owned();
        Place::Earlier { looks: self.earlier_looks, reason }
    }

    async fn report(&mut self, rollout: Option<&str>) -> Result<Report, ProviderError> {
        if self.unsupported {
            return Ok(Report::Unsupported);
        }
        if self.report.is_none() {
            self.find_report(rollout).await?;
        }
        let Some(arn) = self.report.clone() else {
            return Ok(if self.unsupported { Report::Unsupported } else { Report::Unknown });
        };
        let request = self.aws.ecs.describe_service_deployments().service_deployment_arns(arn);
        let answer = self.aws.call("ecs:DescribeServiceDeployments", request.send()).await?;
        let found = answer.service_deployments.unwrap_or_default().into_iter().next();
        Ok(found.map_or(Report::Unknown, |it| Report::Status {
            status: it.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            reason: it
                .rollback
                .and_then(|rollback| rollback.reason)
                .or(it.status_reason)
                .filter(|reason| !reason.is_empty()),
        }))
    }

    /// Finds the service deployment that reports on the deployment: of those that are not older
    /// and roll out the same task definition, the one made nearest to it. A request that was
    /// sent again because its answer was lost may have made two within a moment.
    async fn find_report(&mut self, rollout: Option<&str>) -> Result<(), ProviderError> {
        let listed = match recent(self.aws, self.cluster, self.name).await {
            Ok(listed) => listed,
            Err(error) if lacks_the_api(&error, rollout) => {
                self.unsupported = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if listed.is_empty() {
            self.empty_listings += 1;
            self.unsupported = self.empty_listings >= EMPTY_LISTINGS;
            return Ok(());
        }
        self.empty_listings = 0;
        let after = |it: &ServiceDeploymentBrief| seconds(it.created_at.as_ref()) - self.created;
        let mut candidates: Vec<_> =
            listed.iter().rev().filter(|it| after(it) >= -SLACK_SECONDS).collect();
        candidates.sort_by(|a, b| after(a).abs().total_cmp(&after(b).abs()));
        for candidate in candidates {
            let Some(revision) = candidate.target_service_revision_arn.as_deref() else { continue };
            let revision = describe_revision(self.aws, revision).await?;
            let definition = revision.as_ref().and_then(|it| it.task_definition.as_deref());
            if definition == Some(self.task_definition) {
                self.report.clone_from(&candidate.service_deployment_arn);
                self.revision = revision;
                break;
            }
        }
        Ok(())
    }

    /// The images that run, by container: as named, and the digest that was pulled.
    pub(super) async fn images(
        &self,
    ) -> Result<BTreeMap<String, (String, Option<String>)>, ProviderError> {
        let revision = match &self.revision {
            // The digests are known once tasks have pulled them: read it again.
            Some(revision) => {
                describe_revision(self.aws, revision.service_revision_arn().unwrap_or_default())
                    .await?
            }
            None => None,
        };
        if let Some(revision) = revision {
            let images = revision.container_images().iter().filter_map(|it| {
                Some((it.container_name.clone()?, (it.image.clone()?, it.image_digest.clone())))
            });
            return Ok(images.collect());
        }
        let tasks = self.running_tasks().await?;
        let containers = tasks.iter().flat_map(Task::containers);
        Ok(containers
            .filter_map(|it| Some((it.name.clone()?, (it.image.clone()?, it.image_digest.clone()))))
            .collect())
    }

    async fn stopped_tasks(&mut self) -> Result<Vec<Stopped>, ProviderError> {
        let listed = self.list_tasks(DesiredStatus::Stopped).await?;
        let new: Vec<String> =
            listed.into_iter().filter(|arn| !self.stopped.contains_key(arn)).collect();
        let mut stopping = Vec::new();
        for task in describe_tasks(self.aws, self.cluster, &new).await? {
            let Some(arn) = task.task_arn.clone() else { continue };
            let is_ours = self.started(&task);
            let stopped = is_ours.then(|| Stopped::new(&task).redacted(&*self.aws.secrets));
            if task.last_status.as_deref().is_none_or(|status| status == "STOPPED") {
                self.stopped.insert(arn, stopped);
            } else {
                // Why it stops is known before its containers have ended; their exit codes
                // are not, so it is read again.
                stopping.extend(stopped);
            }
        }
        Ok(self.stopped.values().flatten().cloned().chain(stopping).collect())
    }

    /// Whether the deployment started the task. Servers that do not say so (their
    /// `startedBy` names no deployment) are believed by revision and time.
    fn started(&self, task: &Task) -> bool {
        match task.started_by.as_deref() {
            Some(by) if by.starts_with("ecs-svc/") => by == self.deployment,
            _ => {
                task.task_definition_arn.as_deref() == Some(self.task_definition)
                    && seconds(task.created_at.as_ref()) >= self.created
            }
        }
    }

    /// How many tasks are healthy, and for a service that goes back, how many are not yet
    /// told to stop that run something else.
    async fn healthy_tasks(&self) -> Result<(Option<i32>, i32), ProviderError> {
        let is_healthy = |task: &&Task| match task.health_status {
            Some(HealthStatus::Healthy) => true,
            Some(HealthStatus::Unhealthy) => false,
            _ => !self.has_health_check,
        };
        let mut running = self.tasks().await?;
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let all = running.len();
        running.retain(|task| task.task_definition_arn.as_deref() == Some(self.task_definition));
        let strangers = count(all - running.len());
        running.retain(|task| task.last_status.as_deref() == Some("RUNNING"));
        if self.goal == Goal::Serving {
            return Ok((Some(count(running.iter().filter(is_healthy).count())), strangers));
        }
        // Tasks of an earlier deployment may run the same revision.
        running.retain(|task| self.started(task));
        Ok((Some(count(running.iter().filter(is_healthy).count())), 0))
    }

    /// By what they run: a rollback takes over tasks that an earlier deployment started.
    async fn running_tasks(&self) -> Result<Vec<Task>, ProviderError> {
        let mut tasks = self.tasks().await?;
        tasks.retain(|task| {
            task.last_status.as_deref() == Some("RUNNING")
                && task.task_definition_arn.as_deref() == Some(self.task_definition)
        });
        Ok(tasks)
    }

    /// The tasks that are meant to run.
    async fn tasks(&self) -> Result<Vec<Task>, ProviderError> {
        let arns = self.list_tasks(DesiredStatus::Running).await?;
        describe_tasks(self.aws, self.cluster, &arns).await
    }

    async fn list_tasks(&self, status: DesiredStatus) -> Result<BTreeSet<String>, ProviderError> {
        list_tasks(self.aws, self.cluster, self.name, status).await
    }
}

/// What a deployment that ECS went back from says of itself, where it is still listed. The one
/// in its place tells how the rollback goes.
fn why_it_failed(deployment: Option<&Deployment>) -> Option<&str> {
    let failed =
        deployment.filter(|it| it.rollout_state == Some(DeploymentRolloutState::Failed))?;
    failed.rollout_state_reason.as_deref().filter(|reason| !reason.is_empty())
}

/// Servers that lack the call answer in different ways; one that also has no rollout states may
/// answer with an error page.
fn lacks_the_api(refused: &ProviderError, rollout: Option<&str>) -> bool {
    let code = error::code(refused).unwrap_or_default();
    let is_unknown = ["UnknownOperation", "InvalidAction", "NotImplemented", "status 404"];
    is_unknown.iter().any(|known| code.starts_with(known))
        || (rollout.is_none() && refused.class == ErrorClass::ServiceInternalError)
}

/// The latest service deployments, newest first.
pub(super) async fn recent(
    aws: &Aws,
    cluster: &str,
    name: &str,
) -> Result<Vec<ServiceDeploymentBrief>, ProviderError> {
    let request = aws.ecs.list_service_deployments().cluster(cluster).service(name).max_results(20);
    let answer = aws.call("ecs:ListServiceDeployments", request.send()).await?;
    let mut listed = answer.service_deployments.unwrap_or_default();
    listed
        .sort_by(|a, b| seconds(b.created_at.as_ref()).total_cmp(&seconds(a.created_at.as_ref())));
    Ok(listed)
}

pub(super) async fn describe_revision(
    aws: &Aws,
    arn: &str,
) -> Result<Option<ServiceRevision>, ProviderError> {
    let request = aws.ecs.describe_service_revisions().service_revision_arns(arn);
    let answer = aws.call("ecs:DescribeServiceRevisions", request.send()).await?;
    Ok(answer.service_revisions.unwrap_or_default().into_iter().next())
}

pub(super) async fn list_tasks(
    aws: &Aws,
    cluster: &str,
    service: &str,
    status: DesiredStatus,
) -> Result<BTreeSet<String>, ProviderError> {
    let mut arns = BTreeSet::new();
    let mut token = None;
    loop {
        let request = aws
            .ecs
            .list_tasks()
            .cluster(cluster)
            .service_name(service)
            .desired_status(status.clone())
            .set_next_token(token);
        let page = aws.call("ecs:ListTasks", request.send()).await?;
        arns.extend(page.task_arns.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(arns);
        }
    }
}

pub(super) async fn describe_tasks<'s>(
    aws: &Aws,
    cluster: &str,
    arns: impl IntoIterator<Item = &'s String>,
) -> Result<Vec<Task>, ProviderError> {
    let arns: Vec<String> = arns.into_iter().cloned().collect();
    let mut tasks = Vec::new();
    for arns in arns.chunks(TASKS) {
        let request = aws.ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec()));
        let answer = aws.call("ecs:DescribeTasks", request.send()).await?;
        tasks.extend(answer.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

pub(super) fn seconds(time: Option<&DateTime>) -> f64 {
    time.map_or(0.0, DateTime::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_that_failed_says_why_itself() {
        let deployment = |state, reason| {
            Deployment::builder().rollout_state(state).rollout_state_reason(reason).build()
        };
        let failed = deployment(DeploymentRolloutState::Failed, "no such image");
        assert_eq!(why_it_failed(Some(&failed)), Some("no such image"));
        let silent = deployment(DeploymentRolloutState::Failed, "");
        assert_eq!(why_it_failed(Some(&silent)), None);
        let replaced = deployment(DeploymentRolloutState::InProgress, "in progress");
        assert_eq!(why_it_failed(Some(&replaced)), None);
        assert_eq!(why_it_failed(None), None);
    }
}
