//! Reads stacks into the canonical form.

use super::{
    outputs,
    phase::Phase,
    read::{self, last_updated, phase, status},
    request::MASK,
    stored::{self, Stored},
};
use crate::{
    Aws,
    inputs::{self, Collect},
    kinds::Reading,
    tags::{self, Tags},
};
use aws_sdk_cloudformation::types::Stack;
use bfd_core::{Object, Observation, Observed, Owner, Value};
use bfd_kinds::{
    json,
    stack::{ASSETS, DEPLOY_ROLE, NESTED, RETAIN, SSM_PARAMETERS},
};
use bfd_provider::{ProviderError, Wanted};
use futures_util::future::try_join_all;
use serde_json::{Map, json};

pub(super) async fn observe(
    reading: &Reading<'_>,
    wanted: &[Wanted<'_>],
) -> Result<Observation, ProviderError> {
    let aws = reading.aws;
    let names: Vec<String> =
        wanted.iter().filter_map(|wanted| inputs::name(wanted, "name")).collect();
    let found = read::named(aws, &names).await?;
    let listed = |wanted: &Wanted<'_>| found.get(&inputs::name(wanted, "name")?);
    for wanted in wanted {
        aws.remarks.put(wanted.address, listed(wanted).and_then(remark));
    }
    // Nothing of a shell or a husk exists: to create it is what makes it one.
    let exists =
        |stack: &&Stack| !matches!(phase(stack), Phase::Shell | Phase::Husk | Phase::Deleted);
    let stack = |wanted: &Wanted<'_>| listed(wanted).filter(exists);
    let compared = wanted.iter().filter(|wanted| inputs::matters(wanted, SSM_PARAMETERS));
    let compared = compared.filter_map(|wanted| Some((wanted, stack(wanted)?)));
    let stored = stored::read(reading.own, compared).await?;
    let reads = wanted.iter().map(|wanted| async {
        let observed = match stack(wanted) {
            Some(stack) => Some(one(aws, wanted, stack, &stored).await?),
            None => None,
        };
        Ok((wanted.address.clone(), observed))
    });
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// What has to be said of a stack that does not exist, and whose name is taken all the same.
fn remark(stack: &Stack) -> Option<String> {
    let what = match phase(stack) {
        Phase::Shell => "only change sets were made for it",
        Phase::Husk => "its creation failed and was undone",
        _ => return None,
    };
    Some(format!(
        "the stack is {}: {what}; what is left of it is deleted, then it is created anew",
        status(stack)
    ))
}

async fn one(
    aws: &Aws,
    wanted: &Wanted<'_>,
    stack: &Stack,
    stored: &Stored,
) -> Result<Observed, ProviderError> {
    let name = stack.stack_name.as_deref().unwrap_or_default();
    let template = async {
        match recorded(wanted, stack, "template") {
            Some(template) => Ok(Some(template.clone())),
            None => read::template(aws, name).await.map(|text| text.map(Value::from)),
        }
    };
    let policy = async {
        if inputs::matters(wanted, "stack_policy") {
            read::policy(aws, name).await
        } else {
            Ok(None)
        }
    };
    let (template, policy) = tokio::join!(template, policy);
    let template = match phase(stack) {
        // Whatever its template says, the stack is not like it.
        Phase::Broken | Phase::HalfUpdated | Phase::HalfDeleted => {
            Some(json!({ "$changed_outside": status(stack) }))
        }
        _ => template?,
    };
    let all_tags: Tags = stack
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
        .collect();
    let inputs = Collect::default()
        .with("name", name)
        .maybe("template", template)
        .maybe("parameters", Some(parameters(wanted, stack)))
        .maybe(SSM_PARAMETERS, stored.seen(wanted, stack))
        .maybe("tags", Some(tags::to_value(&all_tags)))
        .maybe("capabilities", capabilities(wanted, stack))
        .maybe("notification_arns", topics(wanted, stack))
        .maybe(ASSETS, unseen(wanted, ASSETS))
        .maybe(NESTED, unseen(wanted, NESTED))
        .maybe(DEPLOY_ROLE, unseen(wanted, DEPLOY_ROLE))
        .maybe(RETAIN, unseen(wanted, RETAIN))
        .with("termination_protection", stack.enable_termination_protection.unwrap_or(false))
        .maybe("role_arn", role(wanted, stack))
        .maybe("stack_policy", policy?.map(|text| json::canonicalize(&text).unwrap_or(text)))
        .done();
    let object = Object { id: name.to_owned(), inputs, outputs: outputs(stack) };
    let owner = wanted.prior.is_none().then(|| match &stack.root_id {
        Some(root) => Owner::Stack(root.clone()),
        None => tags::owner(&all_tags),
    });
    Ok(Observed { object, owner, notes: notes(stack) })
}

/// A recorded field, unless the stack has changed since. What is there may be another that
/// means the same: CloudFormation keeps what it has where it finds no updates to be performed.
pub(super) fn recorded<'a>(wanted: &Wanted<'a>, stack: &Stack, field: &str) -> Option<&'a Value> {
    let prior = wanted.prior?;
    let is_same = prior.outputs.get("last_updated")?.as_i64()? == last_updated(stack)
        && prior.outputs.get("arn").and_then(Value::as_str) == stack.stack_id.as_deref();
    prior.inputs.get(field).filter(|_| is_same)
}

/// What cannot be read back is taken to be what was recorded.
fn parameters(wanted: &Wanted<'_>, stack: &Stack) -> Value {
    let unchanged = recorded(wanted, stack, "parameters");
    let known = |key: &str| wanted.prior?.inputs.get("parameters")?.get(key).cloned();
    let read: Map<String, Value> = stack
        .parameters()
        .iter()
        .filter_map(|parameter| {
            let key = parameter.parameter_key.clone()?;
            let value = parameter.parameter_value.clone().unwrap_or_default();
            let value = match known(&key) {
                Some(known) if value == MASK || unchanged.is_some() => known,
                _ => value.into(),
            };
            Some((key, value))
        })
        .collect();
    Value::Object(read)
}

/// Topics that others added matter where some are declared; a stack of which none are said
/// keeps those that it has.
fn topics(wanted: &Wanted<'_>, stack: &Stack) -> Option<Value> {
    if !inputs::matters(wanted, "notification_arns") {
        return None;
    }
    let mut topics = stack.notification_arns().to_vec();
    topics.sort_unstable();
    Some(json!(topics))
}

/// AWS never takes a role from a stack, so that one that is not told is the one that was given:
/// ministack tells none.
fn role(wanted: &Wanted<'_>, stack: &Stack) -> Option<Value> {
    let recorded = || wanted.prior?.inputs.get("role_arn").cloned();
    stack.role_arn.clone().map(Value::from).or_else(recorded)
}

/// What nothing in AWS tells is what was recorded; of a stack that is found, what is declared.
fn unseen(wanted: &Wanted<'_>, field: &str) -> Option<Value> {
    match (wanted.prior, wanted.inputs) {
        (Some(prior), _) => prior.inputs.get(field).cloned(),
        (None, Some(inputs)) => inputs.get(field)?.resolve(&|_| None).ok(),
        (None, None) => None,
    }
}

/// Capabilities belong to requests more than to the stack: sending others changes nothing.
fn capabilities(wanted: &Wanted<'_>, stack: &Stack) -> Option<Value> {
    if let Some(prior) = wanted.prior {
        return prior.inputs.get("capabilities").cloned();
    }
    let mut all: Vec<&str> = stack
        .capabilities()
        .iter()
        .map(aws_sdk_cloudformation::types::Capability::as_str)
        .collect();
    all.sort_unstable();
    Some(json!(all))
}

fn notes(stack: &Stack) -> Vec<String> {
    let reason = stack.stack_status_reason.as_deref().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let status = status(stack);
    let what = match phase(stack) {
        Phase::Busy | Phase::CleaningUp | Phase::RolledBackCleaningUp => {
            "an operation is in progress"
        }
        Phase::RollbackFailed => {
            "an update and its rollback failed; the rollback has to be continued first"
        }
        Phase::Broken => {
            "it was never created completely, and takes no update: delete it in CloudFormation, \
             then `bfd apply` creates it anew"
        }
        Phase::HalfUpdated => "an update failed half way",
        Phase::HalfDeleted => {
            "a delete failed half way, and it takes no update: finish the deletion in \
             CloudFormation, then `bfd apply` creates it anew"
        }
        _ => return Vec::new(),
    };
    vec![format!("the stack is {status}: {what}{reason}")]
}
