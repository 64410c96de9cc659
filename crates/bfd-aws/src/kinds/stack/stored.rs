//! Parameters of stacks whose values are in Parameter Store.
//!
//! CloudFormation looks such a value up when a stack is made or updated, and not when the value
//! changes: "Specify existing resources at runtime with CloudFormation-supplied parameter types"
//! in its user guide.

use super::observe::recorded;
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

/// What a stack took from Parameter Store: names and values. The name that it is to read is the
/// recorded one: with the same value under another name there was nothing to update.
fn taken<'a>(
    wanted: &Wanted<'a>,
    stack: &'a Stack,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let recorded = recorded(wanted, stack, "parameters");
    let all = stack.parameters().iter().filter_map(move |parameter| {
        let recorded = recorded.and_then(|all| all.get(parameter.parameter_key()?)?.as_str());
        Some((recorded.or(parameter.parameter_value())?, parameter.resolved_value()?))
    });
    all.filter(|(name, _)| !is_bootstrap(Some(name)))
}

/// Reads what stacks took, in batches over all of them.
pub(super) async fn read<'a>(
    aws: &Aws,
    stacks: impl Iterator<Item = (&'a Wanted<'a>, &'a Stack)>,
) -> Result<Stored, ProviderError> {
    let names: BTreeSet<&str> =
        stacks.flat_map(|(wanted, stack)| taken(wanted, stack).map(|(name, _)| name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut stored = BTreeMap::new();
    for answers in try_join_all(names.chunks(NAMES).map(|names| batch(aws, names))).await? {
        for parameter in answers.into_iter().flat_map(|it| it.parameters.unwrap_or_default()) {
            let (Some(name), Some(value)) = (parameter.name, parameter.value) else { continue };
            // A version or label that was asked for is told apart from the name.
            let name = name + &parameter.selector.unwrap_or_default();
            stored.insert(name, value);
        }
    }
    Ok(Stored(stored))
}

/// Reads a batch. AWS denies it whole for one name that may not be read: then each is asked for
/// by itself. Roles that deploy need not read any, and what is not known is taken for what the
/// stack took.
async fn batch(aws: &Aws, names: &[&str]) -> Result<Vec<GetParametersOutput>, ProviderError> {
    let denied = match get(aws, names).await {
        Err(denied) if denied.class == ErrorClass::AccessDenied => denied,
        answer => return Ok(vec![answer?]),
    };
    if names.len() < 2 {
        return Ok(Vec::new());
    }
    let each = names.iter().map(|name| async move {
        match get(aws, &[*name]).await {
            Err(error) if error.class == denied.class => Ok(None),
            answer => answer.map(Some),
        }
    });
    Ok(try_join_all(each).await?.into_iter().flatten().collect())
}

async fn get(aws: &Aws, names: &[&str]) -> Result<GetParametersOutput, ProviderError> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let request = aws.ssm.get_parameters().set_names(Some(names));
    aws.call("ssm:GetParameters", request.send()).await
}

impl Stored {
    /// As recorded, while the stack has what is stored; otherwise which parameters changed since.
    /// Of one that is gone there is nothing to be had: the stack keeps what it took.
    pub(super) fn seen(&self, wanted: &Wanted<'_>, stack: &Stack) -> Option<Value> {
        let recorded = wanted.prior.and_then(|prior| prior.inputs.get("ssm_parameters")).cloned();
        let changed: BTreeSet<&str> = taken(wanted, stack)
            .filter(|(name, value)| self.0.get(*name).is_some_and(|stored| stored != value))
            .map(|(name, _)| name)
            .collect();
        if changed.is_empty() {
            let nothing_else = || taken(wanted, stack).next().map(|_| AS_STORED.into());
            // Recorded as older before it was stored again: it is not any more.
            let is_as_stored = |it: &Value| it.as_str().is_none_or(|it| !it.starts_with(OLDER));
            return recorded.filter(is_as_stored).or_else(nothing_else);
        }
        let changed: Vec<&str> = changed.into_iter().collect();
        Some(format!("{OLDER}{}", changed.join(", ")).into())
    }
}
