use super::{
    follow::{FAILED_LOOKS, is_passing},
    input, key, live, revision, scaling, text,
};
use crate::{Aws, error};
use bfd_core::ResourceState;
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::time::Duration;

const OPERATION: &str = "ecs:DeleteService";
const INTERVAL: Duration = Duration::from_secs(5);
/// Connections drain for up to five minutes behind a load balancer.
const LIMIT: Duration = Duration::from_mins(10);
/// How long a service without tasks may stay DRAINING before the wait is given up: it holds
/// nothing any more, and a new one of its name waits by itself.
const EMPTY: Duration = Duration::from_mins(1);

/// Deletes the service with its tasks and waits until it is INACTIVE, because a service of the
/// same name cannot be created before, nor its cluster deleted.
pub(super) async fn delete(
    aws: &Aws,
    prior: &ResourceState,
    context: &Context,
) -> Result<(), ProviderError> {
    let (cluster, name) = key(&prior.inputs);
    if input(&prior.inputs, "autoscaling").is_some() {
        scaling::remove(aws, cluster, name).await?;
    }
    // `force` stops the tasks, too: no need to scale to 0 first.
    let request = aws.ecs.delete_service().cluster(cluster).service(name).force(true);
    match aws.call(OPERATION, request.send()).await {
        Ok(_) => wait_until_gone(aws, cluster, name, context).await?,
        Err(refused) if refused.class == ErrorClass::NotFound => {}
        Err(refused) if error::code(&refused) == Some("ServiceNotActiveException") => {
            wait_until_gone(aws, cluster, name, context).await?;
        }
        Err(refused) => return Err(refused),
    }
    let task_definition = text(&prior.outputs, "task_definition");
    if !task_definition.is_empty() {
        revision::deregister(aws, task_definition).await?;
    }
    // Where an answer was lost, the recorded one is not all there is.
    revision::sweep(aws, &prior.inputs, &[]).await
}

pub(super) async fn wait_until_gone(
    aws: &Aws,
    cluster: &str,
    name: &str,
    context: &Context,
) -> Result<(), ProviderError> {
    let begun = aws.now();
    let mut empty_since = None;
    let mut told = None;
    let mut failed_looks = 0;
    loop {
        let found = match live::find(aws, cluster, name).await {
            Err(error) if is_passing(error.class) && failed_looks < FAILED_LOOKS => {
                failed_looks += 1;
                aws.sleep(INTERVAL).await;
                continue;
            }
            found => found?,
        };
        failed_looks = 0;
        let Some(service) = found else { return Ok(()) };
        let now = aws.now();
        let tasks = service.running_count + service.pending_count;
        if told != Some(tasks) {
            let noun = if tasks == 1 { "task" } else { "tasks" };
            context.progress.tell(format!("draining, {tasks} {noun} left"));
            told = Some(tasks);
        }
        if tasks == 0 {
            let since = *empty_since.get_or_insert(now);
            if now.duration_since(since).unwrap_or_default() >= EMPTY {
                return Ok(());
            }
        }
        let waited = now.duration_since(begun).unwrap_or_default();
        if waited >= LIMIT {
            let why = format!("still draining after {} minutes", waited.as_secs() / 60);
            return Err(ProviderError::new(OPERATION, ErrorClass::NotStabilized, why)
                .hint("the service goes away by itself when its last task has stopped"));
        }
        aws.sleep(INTERVAL).await;
    }
}
