use super::{
    super::{
        Reading,
        parameter::{read, written::Written},
    },
    Writes, outputs, writes,
};
use crate::{
    Aws, inputs,
    tags::{self, Tags, text_map},
};
use aws_sdk_ssm::types::ParameterMetadata;
use bfd_core::{Object, Observation, Observed, Properties, Value};
use bfd_kinds::coordinator::parameter_name;
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let reads = wanted.iter().map(|wanted| async {
        let observed = match inputs::name(wanted, "parameter_prefix") {
            Some(prefix) => one(reading.aws, wanted, &prefix).await?,
            None => None,
        };
        Ok((wanted.address.clone(), observed))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

async fn one(
    aws: &Aws,
    wanted: &Wanted<'_>,
    prefix: &str,
) -> Result<Option<Observed>, ProviderError> {
    let desired = wanted.inputs.and_then(|inputs| inputs.get("config")?.as_map());
    let desired = desired.into_iter().flat_map(|config| config.keys().cloned());
    let recorded = text_map(wanted.prior.and_then(|prior| prior.inputs.get("config")));
    // Under a new prefix, only what the old one had is ours to look at.
    let moved = wanted.prior.is_some()
        && wanted.inputs.and_then(|i| i.get("parameter_prefix")?.as_str()) != Some(prefix);
    let keys: BTreeSet<String> =
        desired.filter(|_| !moved).chain(recorded.keys().cloned()).collect();
    let names: BTreeSet<String> = keys.iter().map(|key| parameter_name(prefix, key)).collect();
    let found = read::describe(aws, &names).await?;
    let there = |key: &str| found.get(&parameter_name(prefix, key));
    if wanted.prior.is_none() && found.is_empty() {
        return Ok(None);
    }
    let before = wanted.prior.map(|prior| writes(&prior.outputs)).unwrap_or_default();
    let known = |key: &str, now: Written| {
        let same = before.get(key).is_some_and(|written| written.is(now));
        recorded.get(key).filter(|_| same).cloned()
    };
    let mut config = BTreeMap::new();
    let mut now = Writes::new();
    let mut unknown = BTreeSet::new();
    for key in &keys {
        let Some(parameter) = there(key) else { continue };
        let written = Written::observed(parameter);
        now.insert(key.clone(), written);
        match known(key, written) {
            Some(value) => {
                config.insert(key.clone(), value);
            }
            None => {
                unknown.insert(parameter_name(prefix, key));
            }
        }
    }
    let values = read::values(aws, &unknown).await?;
    for key in &keys {
        if let Some(value) = values.get(&parameter_name(prefix, key)) {
            config.insert(key.clone(), value.clone());
        }
    }
    now.retain(|key, _| config.contains_key(key));
    let (tags, owner) = match wanted.prior {
        Some(prior) => (tags::declared(&prior.inputs), None),
        None => foreign(aws, &found).await,
    };
    let inputs = Properties::from([
        ("parameter_prefix".to_owned(), prefix.into()),
        ("config".to_owned(), object(config)),
        ("tags".to_owned(), tags::to_value(&tags)),
    ]);
    Ok(Some(Observed {
        object: Object { id: prefix.to_owned(), inputs, outputs: outputs(prefix, &now) },
        owner: owner.map(|tags| tags::owner(&tags)),
        notes: Vec::new(),
    }))
}

/// The tags of the first parameter that someone else made.
async fn foreign(aws: &Aws, found: &BTreeMap<String, ParameterMetadata>) -> (Tags, Option<Tags>) {
    let Some(name) = found.keys().next() else { return (Tags::new(), None) };
    // Who owns it makes a better message, no more: not being allowed to ask is no error.
    let tags = read::read_tags(aws, name).await.ok();
    (tags.clone().unwrap_or_default(), tags)
}

fn object(config: BTreeMap<String, String>) -> Value {
    Value::Object(config.into_iter().map(|(key, value)| (key, value.into())).collect())
}
