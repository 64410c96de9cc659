use super::{super::Reading, read, written::Written};
use crate::{
    inputs::{self, Collect},
    tags,
};
use aws_sdk_ssm::types::ParameterMetadata;
use bfd_core::{Object, Observation, Observed, Properties, Value};
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let aws = reading.aws;
    let names: BTreeSet<String> =
        wanted.iter().filter_map(|wanted| inputs::name(wanted, "name")).collect();
    let found = read::describe(aws, &names).await?;
    let there = |wanted: &Wanted<'_>| found.get(&inputs::name(wanted, "name")?);
    let unknown: BTreeSet<String> = wanted
        .iter()
        .filter(|wanted| there(wanted).is_some_and(|found| known_value(wanted, found).is_none()))
        .filter_map(|wanted| inputs::name(wanted, "name"))
        .collect();
    let foreign = wanted.iter().filter(|wanted| wanted.prior.is_none());
    let tagged = foreign.filter_map(|wanted| there(wanted)?.name.clone()).map(|name| async {
        // Who owns it makes a better message, no more: not being allowed to ask is no error.
        let tags = read::read_tags(aws, &name).await.ok();
        (name, tags)
    });
    let (values, tags) = tokio::join!(read::values(aws, &unknown), join_all(tagged));
    let values = values?;
    let tags: BTreeMap<String, Option<tags::Tags>> = tags.into_iter().collect();
    let observed = |wanted: &Wanted<'_>| {
        let found = there(wanted)?;
        let name = found.name.as_deref().unwrap_or_default();
        let value = match known_value(wanted, found) {
            Some(value) => value,
            // Deleted between the two calls.
            None => values.get(name)?.as_str().into(),
        };
        let tags = tags.get(name).and_then(Option::as_ref);
        Some(as_observed(wanted, found, value, tags))
    };
    Ok(wanted.iter().map(|wanted| (wanted.address.clone(), observed(wanted))).collect())
}

/// The value, where it need not or must not be read.
fn known_value(wanted: &Wanted<'_>, found: &ParameterMetadata) -> Option<Value> {
    let now = Written::observed(found);
    let recorded = wanted.prior.and_then(|prior| {
        Some((Written::recorded(&prior.outputs)?, prior.inputs.get("value")?.clone()))
    });
    let secure = found.r#type.as_ref().is_some_and(|t| t.as_str() == "SecureString");
    if secure || inputs::is_secret(wanted, "value") {
        return Some(match recorded {
            Some((written, value)) if written.is_blindly(now) => value,
            _ => json!({ "$changed_outside": format!("version {}", now.version) }),
        });
    }
    recorded.filter(|(written, _)| written.is(now)).map(|(_, value)| value)
}

fn as_observed(
    wanted: &Wanted<'_>,
    found: &ParameterMetadata,
    value: Value,
    read: Option<&tags::Tags>,
) -> Observed {
    let mut inputs = inputs_of(found);
    inputs.insert("value".to_owned(), value);
    let recorded = wanted.prior.map(|prior| tags::declared(&prior.inputs));
    let known = recorded.or_else(|| read.cloned()).unwrap_or_default();
    inputs.insert("tags".to_owned(), tags::to_value(&known));
    // Asked to choose a tier, AWS answers with the one that it chose.
    let chosen = "Intelligent-Tiering";
    let left_to_aws =
        match wanted.inputs {
            Some(inputs) => inputs.get("tier").and_then(bfd_core::Expr::as_str) == Some(chosen),
            None => false,
        } || wanted.prior.is_some_and(|p| inputs::text(&p.inputs, "tier") == Some(chosen));
    if left_to_aws && wanted.prior.is_some() {
        inputs.insert("tier".to_owned(), chosen.into());
    }
    let now = Written::observed(found);
    let outputs = outputs(found.name.as_deref().unwrap_or_default(), found.arn.as_deref(), now);
    Observed {
        object: Object { id: found.name.clone().unwrap_or_default(), inputs, outputs },
        owner: wanted.prior.is_none().then(|| read.map(tags::owner)).flatten(),
        notes: Vec::new(),
    }
}

/// What a description tells of the inputs: everything but the value and the tags.
pub(super) fn inputs_of(found: &ParameterMetadata) -> Properties {
    Collect::default()
        .maybe("name", found.name.clone())
        .maybe("type", found.r#type.as_ref().map(|t| t.as_str().to_owned()))
        .maybe("description", found.description.clone())
        .maybe("tier", found.tier.as_ref().map(|t| t.as_str().to_owned()))
        .maybe("key_id", found.key_id.clone())
        .maybe("allowed_pattern", found.allowed_pattern.clone())
        .maybe("data_type", found.data_type.clone())
        .done()
}

pub(super) fn outputs(name: &str, arn: Option<&str>, written: Written) -> Properties {
    Collect::default()
        .with("name", name)
        .maybe("arn", arn)
        .with("version", written.version)
        .with("last_modified", written.at)
        .done()
}
