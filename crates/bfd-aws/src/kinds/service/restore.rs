//! Puts a service back as it was recorded.

use super::{
    AS_RECORDED,
    converge::Converge,
    create, delete,
    follow::{Follow, started},
    health_checks, is_unproven, key, live,
    look::{describe_revision, recent},
    object, pinned_images, proven, revision, text,
    verdict::Goal,
};
use crate::Aws;
use aws_sdk_ecs::types::{
    Service, ServiceDeploymentBrief, ServiceDeploymentStatus, StopServiceDeploymentStopType,
};
use bfd_core::{Object, Properties, ResourceState};
use bfd_provider::{Context, ProviderError};
use std::time::Duration;

const OPERATION: &str = "ecs:UpdateService";
const INTERVAL: Duration = Duration::from_secs(2);
/// How long ECS may take to begin a rollback that it has accepted.
const BEGINNING: Duration = Duration::from_mins(1);

pub(super) async fn restore(
    aws: &Aws,
    current: &ResourceState,
    prior: &ResourceState,
    context: &Context,
) -> Result<Object, ProviderError> {
    let (cluster, name) = key(&prior.inputs);
    let Some(mut service) = live::find_known(aws, cluster, name).await? else {
        return create::create(aws, &prior.inputs, context).await;
    };
    if live::is_draining(&service) {
        delete::wait_until_gone(aws, cluster, name, context).await?;
        return create::create(aws, &prior.inputs, context).await;
    }
    let mut target = text(&prior.outputs, "task_definition").to_owned();
    if target.is_empty() {
        target = register(aws, &prior.inputs, context).await?;
    } else if !is_unproven(&prior.inputs)
        // ECS goes back to what was last complete, which an unproven one never was.
        && service.task_definition.as_deref() != Some(target.as_str())
        && stop_deployment(aws, &service, cluster, name, &target).await
        && let Some(back) = wait_for(aws, cluster, name, &target).await?
    {
        service = back;
    }
    let follow = send(aws, &service, current, prior, &mut target, context).await;
    let arn = service.service_arn.clone().unwrap_or_default();
    let restored = object(&prior.inputs, &arn, &target);
    let (answered, is_new) = follow.map_err(|error| error.leaving(restored.clone()))?;
    let kept = [target.as_str(), text(&prior.outputs, "task_definition")];
    if is_unproven(&prior.inputs) {
        // What did not get healthy before will not do so now.
        context.progress.tell(AS_RECORDED);
        revision::sweep(aws, &current.inputs, &kept).await?;
        return Ok(restored);
    }
    let follow = Follow {
        aws,
        context,
        operation: OPERATION,
        cluster,
        name,
        task_definition: &target,
        goal: Goal::Serving,
        is_new,
        health_checks: health_checks(&prior.inputs),
        images: pinned_images(&prior.inputs),
    };
    let proof = async { follow.follow(&started(OPERATION, &answered)?).await };
    let proof = proof.await.map_err(|error| error.leaving(restored.clone()))?;
    revision::sweep(aws, &current.inputs, &kept).await?;
    Ok(proven(restored, proof))
}

/// Sends what still differs. Says which service to follow, and whether a deployment was started.
async fn send(
    aws: &Aws,
    service: &Service,
    current: &ResourceState,
    prior: &ResourceState,
    target: &mut String,
    context: &Context,
) -> Result<(Service, bool), ProviderError> {
    let (before, desired) = (&current.inputs, &prior.inputs);
    let recorded = target.clone();
    let first = Converge { aws, live: service, before, desired, task_definition: &recorded };
    let answered = match first.request()? {
        None => None,
        Some(request) => match first.send(&request).await {
            Ok(answered) => Some(answered),
            // An INACTIVE revision cannot be deployed again, but its content can.
            Err(refused) if revision::is_inactive(&refused) => {
                *target = register(aws, desired, context).await?;
                let again = Converge { task_definition: target.as_str(), ..first };
                match again.request()? {
                    Some(request) => Some(again.send(&request).await?),
                    // An earlier attempt has come so far already.
                    None => None,
                }
            }
            Err(refused) => return Err(refused),
        },
    };
    first.send_the_rest().await?;
    let before = live::primary(service).and_then(|it| it.id.as_deref());
    let is_new = answered
        .as_ref()
        .is_some_and(|it| live::primary(it).and_then(|it| it.id.as_deref()) != before);
    Ok((answered.unwrap_or_else(|| service.clone()), is_new))
}

async fn register(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<String, ProviderError> {
    Ok(revision::ensure(aws, inputs, "", context).await?.arn)
}

/// Asks ECS to go back by itself, which takes over the tasks that still run: the fastest way,
/// and one that needs no rollback to be configured. Says whether ECS is on its way to `target`.
///
/// Whatever goes wrong here, UpdateService does the same more slowly.
async fn stop_deployment(
    aws: &Aws,
    service: &Service,
    cluster: &str,
    name: &str,
    target: &str,
) -> bool {
    let Ok(recent) = recent(aws, cluster, name).await else { return false };
    let Some(latest) = recent.first() else { return false };
    if !comes_from(aws, latest, target).await {
        return false;
    }
    match latest.status {
        Some(
            ServiceDeploymentStatus::RollbackRequested
            | ServiceDeploymentStatus::RollbackInProgress,
        ) => true,
        Some(ServiceDeploymentStatus::Pending | ServiceDeploymentStatus::InProgress) => {
            let request = aws
                .ecs
                .stop_service_deployment()
                .set_service_deployment_arn(latest.service_deployment_arn.clone())
                .stop_type(StopServiceDeploymentStopType::Rollback);
            let is_current = live::primary(service).is_some();
            is_current && aws.call("ecs:StopServiceDeployment", request.send()).await.is_ok()
        }
        _ => false,
    }
}

/// Whether a rollback of the deployment leads to the revision.
async fn comes_from(aws: &Aws, deployment: &ServiceDeploymentBrief, target: &str) -> bool {
    let Some(arn) = deployment.service_deployment_arn.as_deref() else { return false };
    let request = aws.ecs.describe_service_deployments().service_deployment_arns(arn);
    let Ok(answer) = aws.call("ecs:DescribeServiceDeployments", request.send()).await else {
        return false;
    };
    let described = answer.service_deployments.unwrap_or_default();
    let Some(described) = described.into_iter().next() else { return false };
    for source in described.source_service_revisions() {
        let Some(arn) = source.arn.as_deref() else { continue };
        if let Ok(Some(revision)) = describe_revision(aws, arn).await
            && revision.task_definition.as_deref() == Some(target)
        {
            return true;
        }
    }
    false
}

/// Waits until the service's primary deployment runs the revision; `None` when it takes too long.
async fn wait_for(
    aws: &Aws,
    cluster: &str,
    name: &str,
    target: &str,
) -> Result<Option<Service>, ProviderError> {
    let begun = aws.now();
    loop {
        let found = live::find(aws, cluster, name).await?;
        let is_back = |service: &Service| {
            live::primary(service).and_then(|it| it.task_definition.as_deref()) == Some(target)
        };
        if let Some(service) = found.filter(is_back) {
            return Ok(Some(service));
        }
        if aws.now().duration_since(begun).unwrap_or_default() >= BEGINNING {
            return Ok(None);
        }
        aws.sleep(INTERVAL).await;
    }
}
