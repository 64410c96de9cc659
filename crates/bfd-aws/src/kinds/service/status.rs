//! How services are doing now, for `bfd status`.

use super::{
    causes::{Cause, Stopped},
    key, live,
    look::{describe_tasks, list_tasks, seconds},
};
use crate::{Aws, AwsProvider};
use aws_sdk_ecs::types::{DesiredStatus, Service, Task};
use bfd_core::{Address, ResourceState};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

/// Events that are told of each service.
const EVENTS: usize = 5;
/// Stopped tasks that are told of each service.
const STOPPED: usize = 5;

/// How a service is doing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub address: Address,
    pub cluster: String,
    pub name: String,
    /// Whether there is such a service. Without one, the rest is empty.
    pub exists: bool,
    pub desired: u32,
    pub running: u32,
    pub pending: u32,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; absent where the server reports none.
    pub rollout: Option<String>,
    /// Why it is in this state, in the words of ECS.
    pub rollout_reason: Option<String>,
    /// Seconds since the rollout last changed.
    pub since: Option<u64>,
    /// The revision it is on, such as `web:7`.
    pub task_definition: String,
    /// Per container, as the tasks that run name it.
    pub images: BTreeMap<String, String>,
    /// Per container, where ECS tells: `sha256:…`.
    pub image_digests: BTreeMap<String, String>,
    /// The latest first.
    pub events: Vec<String>,
    /// Why tasks stopped in the last hour, the latest first. Scaling in is not told.
    pub stopped: Vec<String>,
}

impl AwsProvider {
    /// Reads how recorded services are doing, in their order. Three requests per service and
    /// one per ten.
    pub async fn service_status(
        &self,
        services: &[(&Address, &ResourceState)],
    ) -> Result<Vec<ServiceStatus>, ProviderError> {
        let aws = self.aws();
        let keys = services.iter().map(|(_, state)| key(&state.inputs));
        let keys = keys.map(|(cluster, name)| (cluster.to_owned(), name.to_owned()));
        let found = live::by_key(aws, keys).await?;
        let reads = services.iter().map(|(address, state)| {
            let (cluster, name) = key(&state.inputs);
            let service = found.get(&(cluster.to_owned(), name.to_owned()));
            one(aws, address, cluster, name, service)
        });
        try_join_all(reads).await
    }
}

async fn one(
    aws: &Aws,
    address: &Address,
    cluster: &str,
    name: &str,
    service: Option<&Service>,
) -> Result<ServiceStatus, ProviderError> {
    let mut status = ServiceStatus {
        address: address.clone(),
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        exists: service.is_some(),
        desired: 0,
        running: 0,
        pending: 0,
        rollout: None,
        rollout_reason: None,
        since: None,
        task_definition: String::new(),
        images: BTreeMap::new(),
        image_digests: BTreeMap::new(),
        events: Vec::new(),
        stopped: Vec::new(),
    };
    let Some(service) = service else { return Ok(status) };
    status.desired = count(service.desired_count);
    status.running = count(service.running_count);
    status.pending = count(service.pending_count);
    let definition = service.task_definition.as_deref().unwrap_or_default();
    live::short(definition).clone_into(&mut status.task_definition);
    if let Some(primary) = live::primary(service) {
        status.rollout = primary.rollout_state.as_ref().map(|state| state.as_str().to_owned());
        status.rollout_reason.clone_from(&primary.rollout_state_reason);
        status.since = primary.updated_at.as_ref().map(|at| age(aws, seconds(Some(at))));
    }
    let events = service.events().iter().filter_map(|event| event.message.clone());
    status.events = events.take(EVENTS).collect();
    for task in tasks(aws, cluster, name).await? {
        tell(aws, &mut status, &task);
    }
    status.stopped.truncate(STOPPED);
    Ok(status)
}

/// The tasks that run and those that stopped, the latest first.
async fn tasks(aws: &Aws, cluster: &str, name: &str) -> Result<Vec<Task>, ProviderError> {
    let list = |status| list_tasks(aws, cluster, name, status);
    let (running, stopped) =
        tokio::join!(list(DesiredStatus::Running), list(DesiredStatus::Stopped));
    let arns: BTreeSet<String> = running?.into_iter().chain(stopped?).collect();
    let mut tasks = match describe_tasks(aws, cluster, &arns).await {
        Ok(tasks) => tasks,
        Err(gone) if gone.class == ErrorClass::NotFound => Vec::new(),
        Err(refused) => return Err(refused),
    };
    tasks.sort_by(|a, b| {
        let at = |task: &Task| seconds(task.stopped_at.as_ref().or(task.created_at.as_ref()));
        at(b).total_cmp(&at(a)).then_with(|| a.task_arn.cmp(&b.task_arn))
    });
    Ok(tasks)
}

fn tell(aws: &Aws, status: &mut ServiceStatus, task: &Task) {
    if task.last_status.as_deref() == Some("RUNNING") {
        for container in task.containers() {
            let Some(name) = &container.name else { continue };
            if let Some(image) = &container.image {
                status.images.entry(name.clone()).or_insert_with(|| image.clone());
            }
            if let Some(digest) = &container.image_digest {
                status.image_digests.entry(name.clone()).or_insert_with(|| digest.clone());
            }
        }
    } else if task.desired_status.as_deref() == Some("STOPPED") {
        let stopped = Stopped::new(task).redacted(&*aws.secrets);
        if stopped.cause != Cause::Ordinary {
            status.stopped.push(stopped.line());
        }
    }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn age(aws: &Aws, at: f64) -> u64 {
    let now = aws.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at = std::time::Duration::try_from_secs_f64(at).unwrap_or_default();
    now.saturating_sub(at).as_secs()
}
