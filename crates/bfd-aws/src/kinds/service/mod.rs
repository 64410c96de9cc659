//! The calls of `service`.
//!
//! | module | what it does |
//! |---|---|
//! | `observe` | reads services into the canonical form |
//! | `create`, `update`, `restore`, `delete` | one operation each |
//! | `converge` | the one UpdateService call that an update and a restore share |
//! | `revision` | task definitions: reused by content, registered, deregistered |
//! | `scaling` | Application Auto Scaling |
//! | `requests` | ECS's requests from AWS's own JSON |
//! | `follow` | waits until a rollout is proven or has failed |
//! | `look`, `verdict`, `causes` | what is read of a rollout; what that means; why tasks stopped |
//! | `tail` | the last log lines of containers that failed |
//! | `target` | whether what a rollback goes back to is still there |
//! | `status` | how services are doing, for people |
//! | `live` | services as ECS describes them |

mod causes;
mod converge;
mod create;
mod delete;
mod events;
mod follow;
mod live;
mod look;
mod observe;
mod requests;
mod restore;
mod revision;
mod scaling;
mod status;
mod tail;
mod target;
mod update;
mod verdict;

pub use status::ServiceStatus;

use super::{KindCalls, Reading};
use crate::Aws;
use async_trait::async_trait;
use bfd_core::{
    Address, Object, Observation, Properties, ResourceState, Value,
    plan::{Plan, UndoProblem},
};
use bfd_provider::{Context, Earlier, ProviderError, Wanted};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) struct Service;

#[async_trait]
impl KindCalls for Service {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        observe::observe(reading.aws, wanted).await
    }

    async fn check_undo(
        &self,
        aws: &Aws,
        plan: &Plan,
        targets: &[(&Address, &ResourceState)],
        earlier: &[Earlier<'_>],
    ) -> Vec<UndoProblem> {
        target::check(aws, plan, targets, earlier).await
    }

    fn by_name(&self, inputs: &Properties) -> Option<Object> {
        Some(object(inputs, "", ""))
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        create::create(aws, inputs, context).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        update::update(aws, prior, inputs, context).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        restore::restore(aws, current, prior, context).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        delete::delete(aws, prior, context).await
    }
}

/// What names a service: its cluster and its own name.
fn key(inputs: &Properties) -> (&str, &str) {
    (text(inputs, "cluster"), text(inputs, "name"))
}

fn text<'a>(properties: &'a Properties, name: &str) -> &'a str {
    properties.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An input that is there and not `null`.
fn input<'a>(inputs: &'a Properties, name: &str) -> Option<&'a Value> {
    inputs.get(name).filter(|value| !value.is_null())
}

/// The service as an object, before anything of its deployment is known.
fn object(inputs: &Properties, arn: &str, task_definition: &str) -> Object {
    let (cluster, name) = key(inputs);
    let outputs = [("name", name), ("arn", arn), ("task_definition", task_definition)];
    Object {
        id: format!("{cluster}/{name}"),
        inputs: inputs.clone(),
        outputs: outputs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
    }
}

/// The same object with its deployment proven.
fn proven(mut object: Object, proof: follow::Proof) -> Object {
    object.outputs.insert("deployment".to_owned(), proof.deployment.into());
    object.outputs.insert("proven".to_owned(), proof.text.into());
    object
}

/// The same object with a deployment that nobody has seen succeed.
fn unproven(mut object: Object) -> Object {
    object.inputs.insert("proven".to_owned(), false.into());
    object
}

fn containers(inputs: &Properties) -> impl Iterator<Item = (&String, &Value)> {
    let containers = inputs.get("task_definition").and_then(|it| it.get("containers"));
    containers.and_then(Value::as_object).into_iter().flatten()
}

/// Images that are pinned by digest, by container.
fn pinned_images(inputs: &Properties) -> BTreeMap<String, String> {
    containers(inputs)
        .filter_map(|(name, container)| Some((name, container.get("image")?.as_str()?)))
        .filter(|(_, image)| image.contains("@sha256:"))
        .map(|(name, image)| (name.clone(), image.to_owned()))
        .collect()
}

/// The health checks that decide by more than the running of a task that it is healthy, each
/// in words: what it runs, and the ports of its container.
fn health_checks(inputs: &Properties) -> Vec<String> {
    let checked = containers(inputs)
        .filter_map(|(name, container)| Some((name, container, container.get("healthCheck")?)));
    checked
        .map(|(name, container, check)| {
            let words = check["command"].as_array().into_iter().flatten().filter_map(Value::as_str);
            // The first word says how the others are run.
            let words: Vec<&str> =
                words.filter(|word| !matches!(*word, "CMD" | "CMD-SHELL")).collect();
            let ports = container["portMappings"].as_array().into_iter().flatten();
            let ports: Vec<String> =
                ports.filter_map(|it| Some(it["containerPort"].as_u64()?.to_string())).collect();
            let command = words.join(" ");
            match ports.as_slice() {
                [] => format!("container `{name}`: health check `{command}`"),
                [port] => format!("container `{name}`: health check `{command}`, port {port}"),
                ports => {
                    let ports = ports.join(", ");
                    format!("container `{name}`: health check `{command}`, ports {ports}")
                }
            }
        })
        .collect()
}

/// Whether nobody has seen the service's deployment succeed. Only what is observed says so;
/// what is declared is always to be proven.
fn is_unproven(inputs: &Properties) -> bool {
    inputs.get("proven") == Some(&Value::Bool(false))
}

/// Told where a service is put back as it was, and that was not proven.
const AS_RECORDED: &str = "as recorded: its deployment was not proven then, and is not waited for";
