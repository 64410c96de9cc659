//! Parameters of stacks whose values are in Parameter Store.
//!
//! CloudFormation looks such a value up when a stack is made or updated, and not when the value
//! changes: "Specify existing resources at runtime with CloudFormation-supplied parameter types"
//! in its user guide.

use crate::Aws;
use aws_sdk_cloudformation::types::Stack;
use aws_sdk_ssm::operation::get_parameters::GetParametersOutput;
use bfd_core::Value;
use bfd_kinds::stack::{AS_STORED, OLDER, is_bootstrap};
use bfd_provider::{ErrorClass, ProviderError, Wanted};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The most names that GetParameters takes.
const NAMES: usize = 10;

/// What Parameter Store has now, by name.
#[derive(Debug, Default)]
pub(super) struct Stored(BTreeMap<String, String>);

/// What a stack took from Parameter Store: names and values.
fn taken(stack: &Stack) -> impl Iterator<Item = (&str, &str)> {
    stack
        .parameters()
        .iter()
        .filter_map(|parameter| Some((parameter.parameter_value()?, parameter.resolved_value()?)))
        .filter(|(name, _)| !is_bootstrap(Some(name)))
}

/// Reads what stacks took, in batches over all of them.
pub(super) async fn read<'a>(
    aws: &Aws,
    stacks: impl Iterator<Item = &'a Stack>,
) -> Result<Stored, ProviderError> {
    let names: BTreeSet<&str> =
        stacks.flat_map(|stack| taken(stack).map(|(name, _)| name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let reads = names.chunks(NAMES).map(|names| async move {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let request = aws.ssm.get_parameters().set_names(Some(names));
        match aws.call("ssm:GetParameters", request.send()).await {
            // Roles that deploy need not read it. What is not known is taken for what was taken.
            Err(denied) if denied.class == ErrorClass::AccessDenied => {
                Ok(GetParametersOutput::builder().build())
            }
            answer => answer,
        }
    });
    let mut stored = BTreeMap::new();
    for answer in try_join_all(reads).await? {
        for parameter in answer.parameters.unwrap_or_default() {
            let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
            // A version or label that was asked for is told apart from the name.
            let name = name + &parameter.selector.unwrap_or_default();
            stored.insert(name, value);
        }
    }
    Ok(Stored(stored))
}

impl Stored {
    /// As recorded, while the stack has what is stored; otherwise which parameters changed since.
    /// Of one that is gone there is nothing to be had: the stack keeps what it took.
    pub(super) fn seen(&self, wanted: &Wanted<'_>, stack: &Stack) -> Option<Value> {
        let recorded = wanted.prior.and_then(|prior| prior.inputs.get("ssm_parameters")).cloned();
        let changed: BTreeSet<&str> = taken(stack)
            .filter(|(name, value)| self.0.get(*name).is_some_and(|stored| stored != value))
            .map(|(name, _)| name)
            .collect();
        if changed.is_empty() {
            let nothing_else = || taken(stack).next().map(|_| AS_STORED.into());
            // Recorded as older before it was stored again: it is not any more.
            let is_as_stored = |it: &Value| it.as_str().is_none_or(|it| !it.starts_with(OLDER));
            return recorded.filter(is_as_stored).or_else(nothing_else);
        }
        let changed: Vec<&str> = changed.into_iter().collect();
        Some(format!("{OLDER}{}", changed.join(", ")).into())
    }
}
