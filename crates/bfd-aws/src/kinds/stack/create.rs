use super::{
    assets, delete,
    follow::{Cancel, Follow, failed, is_passing},
    object,
    phase::Phase,
    read::{self, phase},
    request::Content,
};
use crate::{Aws, inputs};
use aws_sdk_cloudformation::types::{OnFailure, Stack};
use bfd_core::{Object, Properties};
use bfd_kinds::stack::outlives;
use bfd_provider::{Context, ErrorClass, ProviderError, Token};

const OPERATION: &str = "cloudformation:CreateStack";

pub(super) async fn create(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    assets::publish(aws, inputs, context).await?;
    let made_of = Content::new(aws, OPERATION, inputs, None).await?;
    let name = inputs::required(inputs, "name", OPERATION)?;
    let arn = match send(aws, name, inputs, &made_of, context).await {
        Ok(arn) => arn,
        Err(refused) if refused.class == ErrorClass::AlreadyExists => {
            match clear(aws, name, context, refused).await? {
                Some(ours) => ours,
                None => send(aws, name, inputs, &made_of, context)
                    .await
                    .map_err(|refused| lost(refused, inputs, name))?,
            }
        }
        Err(refused) => return Err(lost(refused, inputs, name)),
    };
    let follow = Follow {
        aws,
        context,
        operation: OPERATION,
        stack: &arn,
        mark: None,
        // A stack that is being created can be deleted at once.
        cancel: Cancel::Leave,
    };
    let created = Stack::builder().stack_name(name).stack_id(&arn).build();
    let ended = match follow.until(Phase::is_settled).await {
        Ok(ended) => ended,
        Err(error) => return Err(error.leaving(object(inputs, &created))),
    };
    match &ended.stack {
        Some(stack) if phase(stack) == Phase::Ready => {
            let created = object(inputs, stack);
            // Not with the creation: then a failed one could not delete itself.
            if inputs.get("termination_protection").is_some_and(|it| it == true) {
                protect(aws, name, true).await.map_err(|error| error.leaving(created.clone()))?;
            }
            Ok(created)
        }
        stack if ended.canceled => {
            let why = "the run turned back while the stack was created";
            Err(ProviderError::new(OPERATION, ErrorClass::Canceled, why)
                .leaving(object(inputs, stack.as_ref().unwrap_or(&created))))
        }
        // It deletes itself when its creation fails.
        None => Err(failed(OPERATION, &ended)),
        Some(stack) if phase(stack) == Phase::Deleted => Err(failed(OPERATION, &ended)),
        Some(stack) if phase(stack) == Phase::Husk => {
            // A token of its own: the one of the step is the creation's.
            let token = Token(format!("{}-gone", context.token.0));
            let apart = Context { token, ..context.clone() };
            let gone = async {
                delete::send(aws, &arn, None, &apart).await?;
                delete::wait(aws, &arn, &apart).await
            };
            match gone.await {
                Ok(()) => Err(failed(OPERATION, &ended)),
                Err(_) => Err(failed(OPERATION, &ended).leaving(object(inputs, stack))),
            }
        }
        Some(stack) => Err(failed(OPERATION, &ended).leaving(object(inputs, stack))),
    }
}

async fn send(
    aws: &Aws,
    name: &str,
    inputs: &Properties,
    made_of: &Content,
    context: &Context,
) -> Result<String, ProviderError> {
    // What is rolled back takes along what would outlive the stack; what is deleted does not.
    let leaves_something = inputs::text(inputs, "template").is_some_and(outlives);
    let request = aws
        .cloudformation
        .create_stack()
        .stack_name(name)
        .set_template_body(made_of.template.body.clone())
        .set_template_url(made_of.template.url.clone())
        .set_parameters(Some(made_of.parameters.clone()))
        .set_tags(Some(made_of.tags.clone()))
        .set_capabilities(Some(made_of.capabilities.clone()))
        .set_role_arn(inputs::text(inputs, "role_arn").map(str::to_owned))
        .set_notification_arns(Some(made_of.topics.clone()))
        .set_stack_policy_body(inputs::text(inputs, "stack_policy").map(str::to_owned))
        .on_failure(if leaves_something { OnFailure::Rollback } else { OnFailure::Delete })
        .retain_except_on_create(true)
        .client_request_token(&context.token.0);
    let answer =
        aws.call(OPERATION, request.send()).await.map_err(|refused| made_of.redact(refused))?;
    answer.stack_id.ok_or_else(|| {
        let why = "CloudFormation answered without the stack's ARN";
        ProviderError::new(OPERATION, ErrorClass::ServiceInternalError, why)
    })
}

/// A request whose answer was lost may have been carried out.
fn lost(refused: ProviderError, inputs: &Properties, name: &str) -> ProviderError {
    if is_passing(refused.class) && refused.class != ErrorClass::Throttling {
        let unknown = Stack::builder().stack_name(name).build();
        return refused.leaving(object(inputs, &unknown));
    }
    refused
}

/// Sees to a stack of the same name: it is ours, or nothing of it exists, or it is in the way.
///
/// Gives the ARN of one that this very request made before its answer was lost.
async fn clear(
    aws: &Aws,
    name: &str,
    context: &Context,
    refused: ProviderError,
) -> Result<Option<String>, ProviderError> {
    let Some(stack) = read::find(aws, name).await? else { return Ok(None) };
    let arn = stack.stack_id.clone().unwrap_or_default();
    match phase(&stack) {
        Phase::Deleted => Ok(None),
        // Only a change set was made, or a creation was undone: nothing is lost with it.
        Phase::Shell | Phase::Husk => {
            context.progress.tell(format!("deleting what is left of it: {}", read::status(&stack)));
            delete::send(aws, &arn, None, context).await?;
            delete::wait(aws, &arn, context).await?;
            Ok(None)
        }
        _ if is_ours(aws, &arn, context).await? => Ok(Some(arn)),
        _ => Err(refused.hint("a stack of this name exists: set `adopt = true`, or rename it")),
    }
}

/// Whether the latest operation on the stack is one of this call's.
pub(super) async fn is_ours(
    aws: &Aws,
    name: &str,
    context: &Context,
) -> Result<bool, ProviderError> {
    let tokens = read::tokens(aws, name).await?;
    Ok(tokens.last().is_some_and(|latest| is_of(latest, context)))
}

/// Whether a client token is this call's, or one that it derived.
pub(super) fn is_of(token: &str, context: &Context) -> bool {
    token
        .strip_prefix(&context.token.0)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

pub(super) async fn protect(aws: &Aws, name: &str, enable: bool) -> Result<(), ProviderError> {
    let request = aws
        .cloudformation
        .update_termination_protection()
        .stack_name(name)
        .enable_termination_protection(enable);
    aws.call("cloudformation:UpdateTerminationProtection", request.send()).await?;
    Ok(())
}
