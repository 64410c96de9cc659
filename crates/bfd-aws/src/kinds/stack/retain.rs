//! What stays when a stack is deleted.
//!
//! `RetainResources` of a request is for stacks whose deletion has failed already. Before the
//! first attempt the template says what stays, so the stack is updated to a template that does.

use super::{
    follow::{OTHERS, settled},
    phase::Phase,
    read::{self, phase, status},
    request::MASK,
    template::BESIDE,
    update,
};
use crate::{Aws, tags};
use aws_sdk_cloudformation::types::{Capability, Stack};
use bfd_core::{Properties, ResourceState, Value};
use bfd_kinds::stack::{ASSETS, Retain, Unkept, keeping, releasing};
use bfd_provider::{Context, ErrorClass, ProviderError, Token};
use std::collections::BTreeSet;

const OPERATION: &str = "cloudformation:DeleteStack";

/// Sees to it that the resources that shall stay do.
pub(super) async fn prepare(
    aws: &Aws,
    stack: &Stack,
    prior: &ResourceState,
    context: &Context,
) -> Result<(), ProviderError> {
    let Retain::Resources(wanted) = Retain::of(&prior.inputs) else { return Ok(()) };
    let arn = stack.stack_id.as_deref().unwrap_or_default();
    let Some(stack) = at_rest(aws, stack, context).await? else { return Ok(()) };
    // Nothing of it is there that could stay.
    if matches!(phase(&stack), Phase::Husk | Phase::Shell | Phase::Deleted) {
        return Ok(());
    }
    let text = read::template(aws, arn).await?.unwrap_or_default();
    let kept = match keeping(&text, &wanted) {
        Ok(Some(kept)) => kept,
        Ok(None) => return Ok(()),
        Err(Unkept::Unreadable) => {
            return Err(refused("what the stack is made of cannot be read, so nothing is kept"));
        }
        Err(Unkept::Unknown(names)) => {
            let why = format!("the stack has no resource `{}` to keep", names.join("`, `"));
            return Err(refused(&why).hint("apply with a `retain` that names what is there, first"));
        }
    };
    if !matches!(phase(&stack), Phase::Ready | Phase::RolledBack | Phase::HalfUpdated) {
        let why = format!("the stack is {}, in which nothing can be kept", status(&stack));
        return Err(refused(&why).hint(
            "delete it in CloudFormation, which asks what to retain where a deletion has failed",
        ));
    }
    if stack.enable_termination_protection == Some(true) {
        return Err(refused("the stack is protected from deletion")
            .hint("set `termination_protection = false`, apply, and repeat"));
    }
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    context.progress.tell(format!("keeping {}", names.join(", ")));
    set_template(aws, (prior, &stack), &text, kept, (context, "keep")).await
}

/// Lets a stack take along what this run made of it, and what would outlive it by its template: a
/// run that is taken back leaves nothing. `earlier` is the template to go back to, if there is one.
pub(super) async fn release(
    aws: &Aws,
    stack: &Stack,
    made: &ResourceState,
    earlier: Option<&str>,
    context: &Context,
) -> Result<(), ProviderError> {
    let recorded = made.inputs.get("template").and_then(Value::as_str).unwrap_or_default();
    // Most templates keep nothing, and are not asked for.
    if releasing(recorded, earlier).is_none() {
        return Ok(());
    }
    let arn = stack.stack_id.as_deref().unwrap_or_default();
    let found = at_rest(aws, stack, context).await?;
    let Some(stack) = found.filter(|it| matches!(phase(it), Phase::Ready | Phase::HalfUpdated))
    else {
        return Ok(());
    };
    let text = read::template(aws, arn).await?.unwrap_or_default();
    let Some(released) = releasing(&text, earlier) else { return Ok(()) };
    set_template(aws, (made, &stack), &text, released, (context, "release")).await
}

/// The stack with nothing running on it; nothing when it is gone.
async fn at_rest(
    aws: &Aws,
    stack: &Stack,
    context: &Context,
) -> Result<Option<Stack>, ProviderError> {
    if phase(stack).is_settled() {
        return Ok(Some(stack.clone()));
    }
    let arn = stack.stack_id.as_deref().unwrap_or_default();
    settled(aws, context, OPERATION, arn, OTHERS).await
}

/// Updates a stack to another template and to nothing else, with a token of its own: the one of
/// the step is for what comes after it.
async fn set_template(
    aws: &Aws,
    (recorded, stack): (&ResourceState, &Stack),
    there: &str,
    wanted: String,
    (context, purpose): (&Context, &str),
) -> Result<(), ProviderError> {
    let as_it_is = content(recorded, stack, there);
    let mut changed = as_it_is.clone();
    changed.insert("template".to_owned(), Value::from(wanted));
    let token = Token(format!("{}-{purpose}", context.token.0));
    let context = Context { token, ..context.clone() };
    update::set_content(aws, stack, &as_it_is, &changed, &context).await
}

/// What the stack has, whatever is recorded of it: nothing but the template shall change.
fn content(prior: &ResourceState, stack: &Stack, template: &str) -> Properties {
    let parameters = stack.parameters().iter().filter_map(|it| it.parameter_key.clone());
    let parameters = parameters.map(|key| (key, Value::from(MASK))).collect();
    let own = stack
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())));
    let recorded = prior.inputs.get("capabilities").and_then(Value::as_array);
    let capabilities: BTreeSet<&str> = stack
        .capabilities()
        .iter()
        .map(Capability::as_str)
        .chain(recorded.into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let mut all = Properties::new();
    all.insert("template".to_owned(), Value::from(template));
    all.insert("parameters".to_owned(), Value::Object(parameters));
    all.insert("tags".to_owned(), tags::to_value(&own.collect()));
    all.insert("capabilities".to_owned(), capabilities.into_iter().map(Value::from).collect());
    all.insert("notification_arns".to_owned(), stack.notification_arns().into());
    let assets = prior.inputs.get(ASSETS).cloned();
    all.extend(assets.map(|assets| (BESIDE.to_owned(), assets)));
    let role = stack.role_arn.clone().map(Value::from);
    all.extend(role.map(|role| ("role_arn".to_owned(), role)));
    all
}

fn refused(why: &str) -> ProviderError {
    ProviderError::new(OPERATION, ErrorClass::ResourceConflict, why.to_owned()).without_effect()
}
