use super::observe::{describe, object_of, outputs_of};
use crate::{Aws, error, inputs, tags};
use aws_sdk_ecs::types::{CapacityProviderStrategyItem, ClusterSetting, ClusterSettingName, Tag};
use bfd_core::{Object, Properties, ResourceState, Value};
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::{future::Future, time::Duration};

const CREATE: &str = "ecs:CreateCluster";
const PROVIDERS: &str = "ecs:PutClusterCapacityProviders";
/// Between two looks at something that takes its time.
const PAUSE: Duration = Duration::from_secs(5);
/// How often to look: tasks take up to two minutes to stop, a service-linked role seconds.
const LOOKS: u32 = 36;

/// Creates a cluster and waits until it is active.
///
/// A repeat finds the cluster of the first call: CreateCluster answers with one that exists.
pub(super) async fn create(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    let name = inputs::required(inputs, "name", CREATE)?;
    if !context.repeated {
        // CreateCluster answers with a cluster that exists as if it had made it.
        let there = describe(aws, &[name.to_owned()].into()).await?.remove(name);
        if there.is_some_and(|cluster| cluster.status().is_none_or(|it| it != "INACTIVE")) {
            let why = format!("a cluster `{name}` exists already");
            return Err(ProviderError::new(CREATE, ErrorClass::AlreadyExists, why)
                .hint("choose another name, or declare it apart with `adopt = true`"));
        }
    }
    let answer = patiently(aws, context, is_role_missing, || async {
        let request = aws
            .ecs
            .create_cluster()
            .cluster_name(name)
            .set_settings(insights(inputs).map(|setting| vec![setting]))
            .set_capacity_providers(providers(inputs))
            .set_default_capacity_provider_strategy(strategy(inputs, CREATE)?)
            .set_tags(sdk_tags(&tags::declared(inputs)));
        aws.call(CREATE, request.send()).await
    })
    .await?;
    let Some(mut cluster) = answer.cluster else {
        return Err(ProviderError::new(
            CREATE,
            ErrorClass::ServiceInternalError,
            "an empty answer",
        ));
    };
    for _ in 0..LOOKS {
        match cluster.status() {
            Some("PROVISIONING") => {}
            Some("FAILED") => {
                let why = "the cluster did not become active";
                let failed = ProviderError::new(CREATE, ErrorClass::NotStabilized, why);
                return Err(failed.leaving(object_of(&cluster)));
            }
            // Servers that leave the status out do not provision either.
            _ => {
                let (id, outputs) = (name.to_owned(), outputs_of(&cluster));
                return Ok(Object { id, inputs: inputs.clone(), outputs });
            }
        }
        context.progress.tell("waiting for capacity providers");
        aws.sleep(PAUSE).await;
        if let Some(found) = describe(aws, &[name.to_owned()].into()).await?.remove(name) {
            cluster = found;
        }
    }
    let why = "the cluster is still provisioning";
    let failed = ProviderError::new(CREATE, ErrorClass::NotStabilized, why);
    Err(failed.leaving(object_of(&cluster)))
}

/// Brings a cluster from one set of inputs to another, calling only for what differs.
///
/// Every call is idempotent, so a repeat after a failure or a crash does the rest.
pub(super) async fn converge(
    aws: &Aws,
    prior: &ResourceState,
    after: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    let mut now = prior.inputs.clone();
    let result = changes(aws, prior, after, &mut now, context).await;
    let object = |inputs| Object { id: prior.id.clone(), inputs, outputs: prior.outputs.clone() };
    match result {
        Ok(()) => Ok(object(after.clone())),
        Err(refused) if now == prior.inputs => Err(refused),
        Err(refused) => Err(refused.leaving(object(now))),
    }
}

/// `now` follows what has taken effect.
async fn changes(
    aws: &Aws,
    prior: &ResourceState,
    after: &Properties,
    now: &mut Properties,
    context: &Context,
) -> Result<(), ProviderError> {
    let (name, before) = (prior.id.as_str(), &prior.inputs);
    let mut follow = |field: &str| {
        match after.get(field) {
            Some(value) => now.insert(field.to_owned(), value.clone()),
            None => now.remove(field),
        };
    };
    if inputs::differs(before, after, "container_insights") {
        // Absent means unchanged, so that a removal has to be said.
        let setting = insights(after).unwrap_or_else(|| setting("disabled"));
        let request = aws.ecs.update_cluster().cluster(name).settings(setting);
        aws.call("ecs:UpdateCluster", request.send()).await?;
        follow("container_insights");
    }
    let strategy_field = "default_capacity_provider_strategy";
    if inputs::differs(before, after, "capacity_providers")
        || inputs::differs(before, after, strategy_field)
    {
        patiently(aws, context, is_update_in_progress, || async {
            // Both are required, and replace what was there.
            let request = aws
                .ecs
                .put_cluster_capacity_providers()
                .cluster(name)
                .set_capacity_providers(Some(providers(after).unwrap_or_default()))
                .set_default_capacity_provider_strategy(Some(
                    strategy(after, PROVIDERS)?.unwrap_or_default(),
                ));
            aws.call(PROVIDERS, request.send()).await
        })
        .await?;
        follow("capacity_providers");
        follow(strategy_field);
    }
    let (set, removed) = tags::difference(&tags::declared(before), &tags::declared(after));
    let arn = || inputs::required(&prior.outputs, "arn", "ecs:TagResource");
    if let Some(set) = sdk_tags(&set) {
        let request = aws.ecs.tag_resource().resource_arn(arn()?).set_tags(Some(set));
        aws.call("ecs:TagResource", request.send()).await?;
    }
    if !removed.is_empty() {
        let request = aws.ecs.untag_resource().resource_arn(arn()?).set_tag_keys(Some(removed));
        aws.call("ecs:UntagResource", request.send()).await?;
    }
    follow("tags");
    Ok(())
}

/// Deletes a cluster, once the tasks of its last services have stopped.
pub(super) async fn delete(aws: &Aws, name: &str, context: &Context) -> Result<(), ProviderError> {
    let answer = patiently(aws, context, is_draining, || async {
        let request = aws.ecs.delete_cluster().cluster(name);
        aws.call("ecs:DeleteCluster", request.send()).await
    })
    .await;
    match answer {
        Ok(_) => Ok(()),
        Err(gone) if gone.class == ErrorClass::NotFound => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// Repeats a call as long as it is refused for a reason that passes.
async fn patiently<T, F>(
    aws: &Aws,
    context: &Context,
    passes: fn(&ProviderError) -> bool,
    call: impl Fn() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    for _ in 1..LOOKS {
        match call().await {
            Err(refused) if passes(&refused) && !context.turn_back.is_cancelled() => {
                let why = error::message(&refused).unwrap_or("the cluster is busy");
                context.progress.tell(format!("waiting: {why}"));
                aws.sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
    call().await
}

/// The first call to ECS in an account makes its role, which takes a moment.
fn is_role_missing(refused: &ProviderError) -> bool {
    error::message(refused).is_some_and(|message| message.contains("service linked role"))
}

fn is_update_in_progress(refused: &ProviderError) -> bool {
    error::code(refused) == Some("UpdateInProgressException")
}

fn is_draining(refused: &ProviderError) -> bool {
    matches!(
        error::code(refused),
        Some(
            "ClusterContainsTasksException"
                | "ClusterContainsServicesException"
                | "UpdateInProgressException"
        )
    )
}

fn insights(inputs: &Properties) -> Option<ClusterSetting> {
    inputs::text(inputs, "container_insights").map(setting)
}

fn setting(value: &str) -> ClusterSetting {
    ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value(value).build()
}

fn providers(inputs: &Properties) -> Option<Vec<String>> {
    let all = inputs.get("capacity_providers")?.as_array()?;
    let all: Vec<String> = all.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    (!all.is_empty()).then_some(all)
}

fn strategy(
    inputs: &Properties,
    operation: &'static str,
) -> Result<Option<Vec<CapacityProviderStrategyItem>>, ProviderError> {
    let items = inputs.get("default_capacity_provider_strategy").and_then(Value::as_array);
    let items = items.into_iter().flatten().map(|item| {
        let number = |field: &str| {
            item[field].as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
        };
        CapacityProviderStrategyItem::builder()
            .capacity_provider(item["capacityProvider"].as_str().unwrap_or_default())
            .weight(number("weight"))
            .base(number("base"))
            .build()
            .map_err(|wrong| ProviderError::new(operation, ErrorClass::Local, wrong))
    });
    let items: Vec<_> = items.collect::<Result<_, _>>()?;
    Ok((!items.is_empty()).then_some(items))
}

/// `None` rather than an empty list: AWS refuses those.
fn sdk_tags(tags: &tags::Tags) -> Option<Vec<Tag>> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let tags: Vec<Tag> = tags.iter().map(tag).collect();
    (!tags.is_empty()).then_some(tags)
}
