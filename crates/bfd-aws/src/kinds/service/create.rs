use super::{
    AS_RECORDED,
    follow::{Follow, is_passing, started},
    health_checks, is_unproven, key, live, object, pinned_images, proven, requests,
    revision::{self, Revision},
    scaling, unproven,
    verdict::Goal,
};
use crate::{Aws, error};
use aws_sdk_ecs::types::Service;
use bfd_core::{Object, Properties};
use bfd_kinds::service::create_service;
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::time::Duration;

const OPERATION: &str = "ecs:CreateService";
/// How long a service of the same name may take to go away. Connections drain for up to
/// five minutes behind a load balancer.
const DRAINING: Duration = Duration::from_mins(6);
/// How long a role that was made a moment ago may take to be known everywhere.
const ROLES: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) async fn create(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    let revision = revision::ensure(aws, inputs, "", context).await?;
    let service = match send(aws, inputs, &revision, context).await {
        Ok(service) => service,
        Err(error) => return Err(give_up(aws, inputs, revision, error).await),
    };
    let created = object(inputs, service.service_arn.as_deref().unwrap_or_default(), &revision.arn);
    let rest = async {
        let (cluster, name) = key(inputs);
        scaling::set(aws, cluster, name, None, super::input(inputs, "autoscaling")).await?;
        if is_unproven(inputs) {
            context.progress.tell(AS_RECORDED);
            return Ok(None);
        }
        let follow = Follow {
            aws,
            context,
            operation: OPERATION,
            cluster,
            name,
            task_definition: &revision.arn,
            goal: Goal::Proven,
            is_new: true,
            health_checks: health_checks(inputs),
            images: pinned_images(inputs),
        };
        follow.follow(&started(OPERATION, &service)?).await.map(Some)
    };
    match rest.await {
        Ok(Some(proof)) => Ok(proven(created, proof)),
        Ok(None) => Ok(created),
        Err(error) => Err(error.leaving(unproven(created))),
    }
}

/// Creates the service, or finds the one that a lost answer was about.
async fn send(
    aws: &Aws,
    inputs: &Properties,
    revision: &Revision,
    context: &Context,
) -> Result<Service, ProviderError> {
    let mut request = create_service(inputs, &revision.arn);
    request["clientToken"] = context.token.0.as_str().into();
    let begun = aws.now();
    loop {
        let call = requests::create_service(aws, &request)?;
        let refused = match aws.call(OPERATION, call.send()).await {
            Ok(answer) => match answer.service {
                Some(service) => return Ok(service),
                None => ProviderError::new(
                    OPERATION,
                    ErrorClass::ServiceInternalError,
                    "ECS answered without the service",
                ),
            },
            Err(refused) => refused,
        };
        let waited = aws.now().duration_since(begun).unwrap_or_default();
        if retry_within(&refused).is_some_and(|limit| waited < limit) {
            context.progress.tell(format!("waiting: {}", message(&refused)));
            tokio::select! {
                biased;
                () = context.turn_back.cancelled() => return Err(refused),
                () = aws.sleep(INTERVAL) => {}
            }
            continue;
        }
        let (cluster, name) = key(inputs);
        if is_passing(refused.class) || is_taken(&refused) {
            // What was created by an attempt whose answer was lost runs our revision.
            let found = if is_taken(&refused) {
                live::find_known(aws, cluster, name).await
            } else {
                live::find(aws, cluster, name).await
            };
            if let Ok(Some(service)) = found
                && service.task_definition.as_deref() == Some(&revision.arn)
            {
                return Ok(service);
            }
        }
        return Err(if is_taken(&refused) { taken(refused) } else { refused });
    }
}

/// How long a refusal that passes by itself is worth waiting for.
fn retry_within(refused: &ProviderError) -> Option<Duration> {
    let message = message(refused).to_ascii_lowercase();
    if message.contains("still draining") {
        Some(DRAINING)
    } else if message.contains("unable to assume") {
        Some(ROLES)
    } else {
        None
    }
}

fn message(refused: &ProviderError) -> &str {
    error::message(refused).unwrap_or_default()
}

fn is_taken(refused: &ProviderError) -> bool {
    let message = message(refused).to_ascii_lowercase();
    refused.class == ErrorClass::AlreadyExists
        || message.contains("not idempotent")
        || message.contains("already exists")
}

fn taken(mut refused: ProviderError) -> ProviderError {
    refused.class = ErrorClass::AlreadyExists;
    refused.hint("a service of this name exists and is not ours: set `adopt = true`, or rename it")
}

/// Says what a refused creation has left: nothing, unless it may have been carried out.
async fn give_up(
    aws: &Aws,
    inputs: &Properties,
    revision: Revision,
    error: ProviderError,
) -> ProviderError {
    let left = object(inputs, "", &revision.arn);
    let may_be_there = error.in_doubt == Some(true)
        || (is_passing(error.class) && error.class != ErrorClass::Throttling);
    if may_be_there && error.class != ErrorClass::AlreadyExists {
        return error.leaving(left);
    }
    if revision.is_new && revision::sweep(aws, inputs, &[]).await.is_err() {
        // The undo tries again.
        return error.leaving(left);
    }
    error
}
