use super::{
    create::protect,
    follow::{Cancel, Follow, OTHERS, failed, settled},
    object,
    phase::Phase,
    read::{self, latest_event, phase},
    retain,
};
use crate::{Aws, error, inputs, provider::SETTLING};
use aws_sdk_cloudformation::types::Stack;
use bfd_core::ResourceState;
use bfd_kinds::stack::Retain;
use bfd_provider::{Context, ProviderError};

const OPERATION: &str = "cloudformation:DeleteStack";

pub(super) async fn delete(
    aws: &Aws,
    prior: &ResourceState,
    context: &Context,
) -> Result<(), ProviderError> {
    // The undo of a creation keeps nothing: what it made a moment ago is nobody's yet.
    let retain = if context.undo { Retain::Nothing } else { Retain::of(&prior.inputs) };
    if retain == Retain::Stack {
        return Ok(());
    }
    let name = inputs::required(&prior.inputs, "name", OPERATION)?;
    let recorded = inputs::text(&prior.outputs, "arn");
    // By ARN, so that another stack that has taken the name since is left alone.
    let asked = recorded.unwrap_or(name);
    let mut found = read::find(aws, asked).await?;
    if found.is_none() && retain != Retain::Nothing {
        // A read may be old, and what is not found can keep nothing: then it is really gone.
        aws.sleep(SETTLING).await;
        found = read::find(aws, asked).await?;
        if found.is_none() {
            return Ok(());
        }
    }
    if found.as_ref().is_some_and(|stack| phase(stack) == Phase::Deleted) {
        return Ok(());
    }
    if let Some(stack) = found.as_ref().filter(|_| retain != Retain::Nothing) {
        retain::prepare(aws, stack, prior, context).await?;
    }
    if let Some(stack) = found.as_ref().filter(|_| context.undo) {
        retain::release(aws, stack, prior, None, context).await?;
    }
    // One that is not found may have been made a moment ago: a deletion asks nothing of it.
    let arn = found.as_ref().and_then(|stack| stack.stack_id.as_deref()).unwrap_or(asked);
    let stack = found.clone().unwrap_or_else(|| Stack::builder().stack_name(name).build());
    let mark = match found {
        Some(_) => latest_event(aws, arn).await?,
        None => None,
    };
    let role = inputs::text(&prior.inputs, "role_arn");
    send(aws, arn, role, context).await?;
    let ended = follow(aws, arn, mark, context).until(Phase::is_settled).await;
    let ended = ended.map_err(|error| error.leaving(object(&prior.inputs, &stack)))?;
    match &ended.stack {
        None => Ok(()),
        Some(stack) if phase(stack) == Phase::Deleted => Ok(()),
        Some(stack) => Err(failed(OPERATION, &ended).leaving(object(&prior.inputs, stack)).hint(
            "what CloudFormation could not delete is named above: empty or detach it, and repeat",
        )),
    }
}

/// Asks for the deletion, once nothing else runs on the stack.
pub(super) async fn send(
    aws: &Aws,
    arn: &str,
    role: Option<&str>,
    context: &Context,
) -> Result<(), ProviderError> {
    let request = || {
        aws.cloudformation
            .delete_stack()
            .stack_name(arn)
            .set_role_arn(role.map(str::to_owned))
            .client_request_token(&context.token.0)
            .send()
    };
    let Err(refused) = aws.call(OPERATION, request()).await else { return Ok(()) };
    let message = error::message(&refused).unwrap_or_default();
    if message.contains("TerminationProtection") {
        if !made_by_this_step(aws, arn, context).await? {
            return Err(refused.hint("set `termination_protection = false`, apply, and repeat"));
        }
        protect(aws, arn, false).await?;
    } else if message.contains("in status") || message.contains("IN_PROGRESS") {
        settled(aws, context, OPERATION, arn, OTHERS).await?;
    } else {
        return Err(refused);
    }
    aws.call(OPERATION, request()).await.map(|_| ())
}

/// Whether this deletion undoes the creation of the stack in the same run: the protection was
/// set by the very step that is undone, and is no reason to leave half an environment.
///
/// A step and its undo have tokens that differ in their last letter.
async fn made_by_this_step(aws: &Aws, arn: &str, context: &Context) -> Result<bool, ProviderError> {
    let Some(step) = context.token.0.strip_suffix('u') else { return Ok(false) };
    let events = read::events_after(aws, arn, None).await?;
    let token = events.first().and_then(|event| event.client_request_token.as_deref());
    Ok(token.and_then(|token| token.strip_suffix('d')) == Some(step))
}

/// Waits until a deletion that was asked for has ended well.
pub(super) async fn wait(aws: &Aws, arn: &str, context: &Context) -> Result<(), ProviderError> {
    let mark = latest_event(aws, arn).await?;
    let ended = follow(aws, arn, mark, context).until(Phase::is_settled).await?;
    match &ended.stack {
        None => Ok(()),
        Some(stack) if phase(stack) == Phase::Deleted => Ok(()),
        Some(_) => Err(failed(OPERATION, &ended)),
    }
}

fn follow<'a>(
    aws: &'a Aws,
    arn: &'a str,
    mark: Option<String>,
    context: &'a Context,
) -> Follow<'a> {
    Follow { aws, context, operation: OPERATION, stack: arn, mark, cancel: Cancel::Never }
}
