use super::{
    converge::Converge,
    follow::{Follow, is_passing, started},
    health_checks, input, is_unproven, key, live, object, pinned_images, proven,
    revision::{self, Revision},
    text, unproven,
    verdict::Goal,
};
use crate::Aws;
use aws_sdk_ecs::types::Service;
use bfd_core::{Object, Properties, ResourceState, Value};
use bfd_kinds::service::content_hash;
use bfd_provider::{Context, ErrorClass, ProviderError};

const OPERATION: &str = "ecs:UpdateService";

pub(super) async fn update(
    aws: &Aws,
    prior: &ResourceState,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    if !context.repeated && !is_unproven(&prior.inputs) && !differs(&prior.inputs, inputs) {
        return Ok(Object {
            id: prior.id.clone(),
            inputs: inputs.clone(),
            outputs: prior.outputs.clone(),
        });
    }
    let (cluster, name) = key(inputs);
    let Some(live) =
        live::find_known(aws, cluster, name).await?.filter(|it| !live::is_draining(it))
    else {
        let why = format!("the service `{name}` is no longer in the cluster `{cluster}`");
        return Err(ProviderError::new(OPERATION, ErrorClass::NotFound, why)
            .hint("it was deleted after the plan was made: plan again"));
    };
    let arn = live.service_arn.clone().unwrap_or_default();
    let revision = revision(aws, prior, inputs, &live, context).await?;
    let updated = object(inputs, &arn, &revision.arn);
    let converge = Converge {
        aws,
        live: &live,
        before: &prior.inputs,
        desired: inputs,
        task_definition: &revision.arn,
    };
    let mut request = converge.request()?;
    let is_unproven = is_unproven(&prior.inputs);
    if is_unproven && request.as_ref().is_none_or(|it| it.get("taskDefinition").is_none()) {
        let found = started(OPERATION, &live)?;
        if follow(&converge, context, Goal::Settled, false).is_failing(&found).await? {
            context.progress.tell("the deployment that is there fails; starting a new one");
            request = Some(converge.forced(request));
        }
    }
    let Some(request) = request else {
        return match finish(&converge, None, is_unproven, context).await {
            Ok(proof) => Ok(complete(updated, prior, proof)),
            Err(error) => Err(error.leaving(unproven(updated))),
        };
    };
    let service = match converge.send(&request).await {
        Ok(service) => service,
        // It may have been carried out all the same.
        Err(error)
            if error.in_doubt == Some(true)
                || (is_passing(error.class) && error.class != ErrorClass::Throttling) =>
        {
            return Err(error.leaving(unproven(updated)));
        }
        Err(error) => {
            let kept = [text(&prior.outputs, "task_definition")];
            if revision.is_new && revision::sweep(aws, inputs, &kept).await.is_err() {
                // The undo tries again.
                return Err(error.leaving(updated));
            }
            return Err(error);
        }
    };
    match finish(&converge, Some(&service), is_unproven, context).await {
        Ok(proof) => Ok(complete(updated, prior, proof)),
        Err(error) => Err(error.leaving(unproven(updated))),
    }
}

/// Sets tags and autoscaling, then follows what the call started, if there was one, or what was
/// there and is not proven, or what a process that died may have started.
async fn finish(
    converge: &Converge<'_>,
    answered: Option<&Service>,
    is_unproven: bool,
    context: &Context,
) -> Result<Option<super::follow::Proof>, ProviderError> {
    converge.send_the_rest().await?;
    let service = match answered {
        Some(service) => service,
        None if context.repeated || is_unproven => converge.live,
        None => return Ok(None),
    };
    let deployment = started(OPERATION, service)?;
    let before = live::primary(converge.live).and_then(|it| it.id.as_deref());
    let is_new = deployment.id.as_deref() != before;
    let follow = if is_unproven && !is_new {
        follow(converge, context, Goal::Settled, false)
    } else {
        follow(converge, context, Goal::Proven, context.repeated || is_new)
    };
    follow.follow(&deployment).await.map(Some)
}

fn follow<'a>(
    converge: &Converge<'a>,
    context: &'a Context,
    goal: Goal,
    is_new: bool,
) -> Follow<'a> {
    let (cluster, name) = key(converge.desired);
    Follow {
        aws: converge.aws,
        context,
        operation: OPERATION,
        cluster,
        name,
        task_definition: converge.task_definition,
        goal,
        is_new,
        health_checks: health_checks(converge.desired),
        images: pinned_images(converge.desired),
    }
}

/// What the update made of the service; without a new deployment the earlier proof holds.
fn complete(
    mut updated: Object,
    prior: &ResourceState,
    proof: Option<super::follow::Proof>,
) -> Object {
    if let Some(proof) = proof {
        return proven(updated, proof);
    }
    for name in ["deployment", "proven"] {
        if let Some(value) = prior.outputs.get(name) {
            updated.outputs.insert(name.to_owned(), value.clone());
        }
    }
    updated
}

/// The revision that the service runs when it has the desired content, else another one.
async fn revision(
    aws: &Aws,
    prior: &ResourceState,
    inputs: &Properties,
    live: &Service,
    context: &Context,
) -> Result<Revision, ProviderError> {
    let null = Value::Null;
    let desired = inputs.get("task_definition").unwrap_or(&null);
    let observed = prior.inputs.get("task_definition").unwrap_or(&null);
    let running = live.task_definition.as_deref().unwrap_or_default();
    let is_as_observed = running == text(&prior.outputs, "task_definition");
    if is_as_observed && content_hash(desired) == content_hash(observed) {
        return Ok(Revision { arn: running.to_owned(), is_new: false });
    }
    revision::ensure(aws, inputs, text(&prior.outputs, "task_definition"), context).await
}

fn differs(prior: &Properties, desired: &Properties) -> bool {
    let names = ["task_definition", "service", "tags", "autoscaling", "desired_count"];
    names.iter().any(|name| {
        if *name == "desired_count" && input(desired, "autoscaling").is_some() {
            return false;
        }
        !is_same(input(prior, name), input(desired, name))
    })
}

/// Absent and empty mean the same.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    };
    one.filter(|value| !is_empty(value)) == other.filter(|value| !is_empty(value))
}
