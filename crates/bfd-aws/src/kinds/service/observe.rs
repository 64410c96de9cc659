//! Reads services into the canonical form.

use super::{converge, live, revision, scaling};
use crate::{
    Aws,
    inputs::{self, Collect},
    tags,
};
use aws_sdk_ecs::types::{DeploymentRolloutState, Service};
use bfd_core::{Object, Observation, Observed, Properties, Value};
use bfd_kinds::service::canonical_task_definition;
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn observe(
    aws: &Aws,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let (services, scaling) =
        tokio::join!(live::by_key(aws, wanted.iter().filter_map(key)), autoscaling(aws, wanted));
    let (services, scaling) = (services?, scaling?);
    let reads = wanted.iter().map(|wanted| async {
        let service = key(wanted).and_then(|key| services.get(&key));
        let observed = match service {
            Some(service) => Some(one(aws, wanted, service, &scaling).await?),
            None => None,
        };
        Ok((wanted.address.clone(), observed))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// The service to look for; `None` while the name of its cluster is not known.
fn key(wanted: &Wanted<'_>) -> Option<(String, String)> {
    Some((inputs::name(wanted, "cluster")?, inputs::name(wanted, "name")?))
}

/// The autoscaling of the services that declare or record it.
async fn autoscaling(
    aws: &Aws,
    wanted: &[Wanted<'_>],
) -> Result<BTreeMap<String, Value>, ProviderError> {
    let scaled = wanted.iter().filter(|wanted| inputs::matters(wanted, "autoscaling"));
    let keys: BTreeSet<_> = scaled.filter_map(key).collect();
    let resources: Vec<String> =
        keys.iter().map(|(cluster, name)| scaling::resource_id(cluster, name)).collect();
    scaling::read(aws, &resources).await
}

async fn one(
    aws: &Aws,
    wanted: &Wanted<'_>,
    service: &Service,
    scaling: &BTreeMap<String, Value>,
) -> Result<Observed, ProviderError> {
    let (cluster, name) = key(wanted).unwrap_or_default();
    let arn = service.task_definition.clone().unwrap_or_default();
    let recorded = wanted.prior.and_then(|prior| inputs::text(&prior.outputs, "task_definition"));
    let task_definition = task_definition(aws, wanted, &arn, recorded).await?;
    let scaling = scaling.get(&scaling::resource_id(&cluster, &name));
    let count = if scaled(wanted, scaling) { None } else { Some(service.desired_count) };
    let all_tags = live::tags(service.tags());
    let inputs = Collect::default()
        .with("name", name.as_str())
        .with("cluster", cluster.as_str())
        .maybe("desired_count", count)
        .with("proven", is_proven(wanted, service))
        .maybe("autoscaling", scaling.cloned())
        .maybe("tags", Some(tags::to_value(&all_tags)))
        .maybe("task_definition", task_definition)
        .maybe("service", Some(converge::settings(service)?))
        .done();
    Ok(Observed {
        object: Object {
            id: format!("{cluster}/{name}"),
            inputs,
            outputs: outputs(wanted, service, &name, &arn),
        },
        owner: wanted.prior.is_none().then(|| tags::owner(&all_tags)),
        notes: notes(service, recorded),
    })
}

/// Whether the deployment that the service is meant to be on has ended well, or needs no proof:
/// there is none, it runs no task, or the server reports no rollouts.
fn is_proven(wanted: &Wanted<'_>, service: &Service) -> bool {
    let Some(primary) = live::primary(service) else { return true };
    match primary.rollout_state {
        Some(DeploymentRolloutState::InProgress) => {
            // A rollback is over when what it goes back to serves: what drains may do so.
            let recorded = wanted.prior.and_then(|it| inputs::text(&it.outputs, "deployment"));
            service.desired_count == 0 || (recorded.is_some() && recorded == primary.id.as_deref())
        }
        Some(DeploymentRolloutState::Failed) => service.desired_count == 0,
        _ => true,
    }
}

/// Whether the number of tasks is left to autoscaling, so that it is not compared.
fn scaled(wanted: &Wanted<'_>, scaling: Option<&Value>) -> bool {
    match wanted.inputs {
        Some(inputs) => inputs.contains_key("autoscaling"),
        None => scaling.is_some(),
    }
}

/// A revision never changes, so the recorded one need not be read again.
async fn task_definition(
    aws: &Aws,
    wanted: &Wanted<'_>,
    arn: &str,
    recorded: Option<&str>,
) -> Result<Option<Value>, ProviderError> {
    let known = wanted.prior.and_then(|prior| prior.inputs.get("task_definition"));
    if recorded == Some(arn)
        && let Some(known) = known
    {
        return Ok(Some(known.clone()));
    }
    let read = revision::read(aws, arn).await?;
    Ok(read.map(|definition| canonical_task_definition(&definition)))
}

fn outputs(wanted: &Wanted<'_>, service: &Service, name: &str, arn: &str) -> Properties {
    let recorded = |field: &str| wanted.prior.and_then(|prior| prior.outputs.get(field)).cloned();
    Collect::default()
        .with("name", name)
        .maybe("arn", service.service_arn.clone())
        .maybe("task_definition", Some(arn))
        .maybe("deployment", recorded("deployment"))
        .maybe("proven", recorded("proven"))
        .done()
}

fn notes(service: &Service, recorded: Option<&str>) -> Vec<String> {
    let mut notes = Vec::new();
    if live::is_draining(service) {
        notes.push("the service is being deleted: it is DRAINING".to_owned());
        return notes;
    }
    let running = service.task_definition.as_deref().unwrap_or_default();
    if let Some(recorded) = recorded.filter(|recorded| *recorded != running) {
        let (is, was) = (live::short(running), live::short(recorded));
        notes.push(format!("the service is on {is}; the last run left it on {was}"));
    }
    let failed = |it: &&aws_sdk_ecs::types::Deployment| {
        it.rollout_state == Some(DeploymentRolloutState::Failed)
    };
    if let Some(failed) = service.deployments().iter().find(failed) {
        let definition = live::short(failed.task_definition.as_deref().unwrap_or_default());
        let reason = failed.rollout_state_reason.as_deref().unwrap_or("no reason given");
        notes.push(format!("the deployment of {definition} failed: {reason}"));
    } else if let Some(primary) = live::primary(service) {
        if primary.rollout_state == Some(DeploymentRolloutState::InProgress) {
            notes.push(format!(
                "a deployment is in progress: {} of {} tasks run",
                primary.running_count, primary.desired_count
            ));
        } else if primary.running_count < primary.desired_count {
            notes.push(format!("{} of {} tasks run", primary.running_count, primary.desired_count));
        }
    }
    notes
}
