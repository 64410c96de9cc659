//! The calls of `coordinator`: its configuration, and the record of the last deployment.

mod change;
mod observe;
mod record;

pub(crate) use record::record_deployment;

use self::change::Change;
use super::{
    KindCalls, Reading,
    parameter::{write, written::Written},
};
use crate::{Aws, inputs, tags::text_map};
use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Properties, ResourceState, Value};
use bfd_kinds::coordinator::{RECORD, parameter_name};
use bfd_provider::{Context, ProviderError, Wanted};
use serde_json::{Map, json};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) struct Coordinator;

/// Which write each entry of the configuration is from, by key.
///
/// Kept in the outputs under `parameters`, so that unchanged values need not be read.
type Writes = BTreeMap<String, Written>;

#[async_trait]
impl KindCalls for Coordinator {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        observe::observe(reading, wanted).await
    }

    fn by_name(&self, inputs: &Properties) -> Option<Object> {
        let id = inputs.get("parameter_prefix")?.as_str()?.to_owned();
        Some(Object { id, inputs: inputs.clone(), outputs: Properties::new() })
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let prefix = inputs::required(inputs, "parameter_prefix", write::PUT)?;
        let made = Change { prefix, before: &Properties::new(), after: inputs, is_undo: false };
        change::converge(aws, made, &Writes::new(), context).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let writes = writes(&prior.outputs);
        let made =
            Change { prefix: &prior.id, before: &prior.inputs, after: inputs, is_undo: false };
        change::converge(aws, made, &writes, context).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        let writes = writes(&current.outputs);
        let (before, after) = (&current.inputs, &prior.inputs);
        let made = Change { prefix: &current.id, before, after, is_undo: true };
        change::converge(aws, made, &writes, context).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        _context: &Context,
    ) -> Result<(), ProviderError> {
        let config = text_map(prior.inputs.get("config"));
        let keys = config.keys().map(String::as_str).chain([RECORD]);
        let names: Vec<String> = keys.map(|key| parameter_name(&prior.id, key)).collect();
        write::delete(aws, &names).await
    }
}

fn writes(outputs: &Properties) -> Writes {
    let parameters = outputs.get("parameters").and_then(Value::as_object);
    let entry = |(key, value): (&String, &Value)| {
        Some((key.clone(), Written::read(value.get("version"), value.get("last_modified"))?))
    };
    parameters.into_iter().flatten().filter_map(entry).collect()
}

fn outputs(prefix: &str, writes: &Writes) -> Properties {
    let entry = |(key, written): (&String, &Written)| {
        (key.clone(), json!({ "version": written.version, "last_modified": written.at }))
    };
    let parameters: Map<String, Value> = writes.iter().map(entry).collect();
    Properties::from([
        ("prefix".to_owned(), prefix.into()),
        ("parameters".to_owned(), parameters.into()),
    ])
}
