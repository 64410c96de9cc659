//! Updates go through change sets, which tell without touching anything when nothing differs.

use super::{
    change_set::ChangeSet,
    create::{self, is_ours, protect},
    follow::{Cancel, Ended, Follow, OTHERS, failed, settled},
    object,
    phase::Phase,
    read::{self, latest_event, phase, status},
    retain,
};
use crate::{Aws, inputs};
use aws_sdk_cloudformation::types::Stack;
use bfd_core::{Object, Properties, ResourceState};
use bfd_kinds::stack::{RETAIN, SSM_PARAMETERS};
use bfd_provider::{Context, ErrorClass, ProviderError};

const OPERATION: &str = "cloudformation:ExecuteChangeSet";
/// What a change set carries. Capabilities go along, and change nothing by themselves.
const CONTENT: [&str; 6] =
    ["template", "parameters", SSM_PARAMETERS, "tags", "role_arn", "notification_arns"];
const PROTECTION: &str = "termination_protection";
const POLICY: &str = "stack_policy";

pub(super) async fn update(
    aws: &Aws,
    prior: &ResourceState,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    let differs = |field: &str| inputs::differs(&prior.inputs, inputs, field);
    let is_other = CONTENT.iter().any(|field| differs(field));
    if !context.repeated && !is_other && !differs(PROTECTION) && !differs(POLICY) {
        return Ok(Object {
            id: prior.id.clone(),
            inputs: inputs.clone(),
            outputs: prior.outputs.clone(),
        });
    }
    let change = Change { aws, context, before: &prior.inputs, inputs, is_undo: false };
    let name = inputs::required(inputs, "name", OPERATION)?;
    let Some(stack) = change.find(name).await? else {
        let why = format!("the stack `{name}` is no longer there");
        return Err(ProviderError::new(OPERATION, ErrorClass::NotFound, why)
            .hint("it was deleted after the plan was made: plan again"));
    };
    change.make(&stack, is_other || context.repeated).await
}

/// Puts the previous template and parameters back the way they came.
pub(super) async fn restore(
    aws: &Aws,
    current: &ResourceState,
    prior: &ResourceState,
    context: &Context,
) -> Result<Object, ProviderError> {
    if is_only_ours(&current.inputs, &prior.inputs) {
        let (id, inputs) = (prior.id.clone(), prior.inputs.clone());
        return Ok(Object { id, inputs, outputs: current.outputs.clone() });
    }
    let change =
        Change { aws, context, before: &current.inputs, inputs: &prior.inputs, is_undo: true };
    let name = inputs::required(&prior.inputs, "name", OPERATION)?;
    match change.find(name).await? {
        Some(mut stack) => {
            // Without an earlier template nothing tells what this run made and what was there.
            if phase(&stack) == Phase::Ready
                && let Some(earlier) = inputs::text(&prior.inputs, "template")
            {
                retain::release(aws, &stack, current, Some(earlier), context).await?;
                // It may still clean up, and takes no update meanwhile.
                stack = change.find(name).await?.unwrap_or(stack);
            }
            change.make(&stack, true).await
        }
        None => create::create(aws, &prior.inputs, context).await,
    }
}

/// Updates a stack to another content, apart from any record of it.
pub(super) async fn set_content(
    aws: &Aws,
    stack: &Stack,
    before: &Properties,
    inputs: &Properties,
    context: &Context,
) -> Result<(), ProviderError> {
    let name = stack.stack_name.as_deref().unwrap_or_default();
    let change = Change { aws, context, before, inputs, is_undo: false };
    change.send_content(stack, name).await.map(|_| ())
}

/// Whether what bfd alone knows is all that differs.
fn is_only_ours(current: &Properties, prior: &Properties) -> bool {
    let rest = |all: &Properties| {
        let rest = all.iter().filter(|(name, _)| *name != RETAIN);
        rest.map(|(name, value)| (name.clone(), value.clone())).collect::<Properties>()
    };
    current != prior && rest(current) == rest(prior)
}

/// A stack on its way from one set of inputs to another.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    aws: &'a Aws,
    context: &'a Context,
    before: &'a Properties,
    inputs: &'a Properties,
    is_undo: bool,
}

impl Change<'_> {
    fn differs(&self, field: &str) -> bool {
        inputs::differs(self.before, self.inputs, field)
    }

    /// Finds the stack, with nothing running on it any more.
    async fn find(&self, name: &str) -> Result<Option<Stack>, ProviderError> {
        let Some(stack) = read::find_live(self.aws, name).await? else { return Ok(None) };
        let is_running = status(&stack) == "UPDATE_IN_PROGRESS";
        if is_running && self.is_undo && !is_ours(self.aws, name, self.context).await? {
            // The update that is undone was left running; refused when it has just ended.
            let request = self.aws.cloudformation.cancel_update_stack().stack_name(name);
            let _ = self.aws.call("cloudformation:CancelUpdateStack", request.send()).await;
        }
        if phase(&stack).is_settled() {
            return Ok(Some(stack));
        }
        settled(self.aws, self.context, OPERATION, name, OTHERS).await
    }

    async fn make(&self, stack: &Stack, is_other: bool) -> Result<Object, ProviderError> {
        let name = stack.stack_name.as_deref().unwrap_or_default();
        let mut stack = stack.clone();
        match phase(&stack) {
            // To delete what is left of it was not planned, and may be forbidden.
            Phase::Husk | Phase::Broken | Phase::HalfDeleted => return Err(takes_none(&stack)),
            Phase::RollbackFailed if self.is_undo => stack = self.continue_rollback(name).await?,
            Phase::RollbackFailed => {
                let why = format!("the stack is {}", status(&stack));
                return Err(explained(ProviderError::new(
                    OPERATION,
                    ErrorClass::ResourceConflict,
                    why,
                )));
            }
            _ => {}
        }
        let apart = self.send_apart(name).await?;
        let made = async {
            if is_other && let Some(updated) = self.send_content(&stack, name).await? {
                return Ok(updated);
            }
            // Nothing differed, or nothing but what was sent apart.
            Ok::<_, ProviderError>(
                read::find(self.aws, name).await?.unwrap_or_else(|| stack.clone()),
            )
        };
        match made.await {
            Ok(updated) => Ok(object(self.inputs, &updated)),
            Err(error) if apart && error.left.is_none() => {
                Err(error.leaving(object(self.inputs, &stack)))
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what has requests of its own. A policy that was loosened has to be there before
    /// the update that needs it.
    async fn send_apart(&self, name: &str) -> Result<bool, ProviderError> {
        if self.differs(POLICY) {
            let request = self.aws.cloudformation.set_stack_policy().stack_name(name);
            let request = request.stack_policy_body(self.policy());
            self.aws.call("cloudformation:SetStackPolicy", request.send()).await?;
        }
        if self.differs(PROTECTION) {
            let enable = self.inputs.get(PROTECTION).is_some_and(|enable| enable == true);
            protect(self.aws, name, enable).await?;
        }
        Ok(self.differs(POLICY) || self.differs(PROTECTION))
    }

    /// The policy to set. AWS never removes one: where there shall be none, everything is
    /// allowed, which is what the absence of a policy means.
    fn policy(&self) -> &str {
        const ALL: &str = r#"{"Statement":[{"Action":"Update:*","Effect":"Allow","Principal":"*","Resource":"*"}]}"#;
        inputs::text(self.inputs, POLICY).unwrap_or(ALL)
    }

    /// Updates the stack; `None` when CloudFormation finds nothing to change.
    async fn send_content(
        &self,
        stack: &Stack,
        name: &str,
    ) -> Result<Option<Stack>, ProviderError> {
        let earlier =
            if self.context.repeated { read::tokens(self.aws, name).await? } else { Vec::new() };
        let has_ended = earlier.last().is_some_and(|latest| is_attempt(latest, self.context));
        let is_undone = phase(stack) == Phase::RolledBack;
        if has_ended && !(self.is_undo && is_undone) {
            // A process that died began it, and it has come to its end since.
            let ended = Ended { stack: Some(stack.clone()), failures: Vec::new(), canceled: false };
            return self.judge(ended).map(Some);
        }
        // CloudFormation has rolled the failed update back: secrets are the previous ones.
        let present = if self.is_undo && phase(stack) == Phase::RolledBack {
            self.inputs
        } else {
            self.before
        };
        let attempt = earlier.iter().filter(|token| is_attempt(token, self.context)).count();
        let change_set = ChangeSet { aws: self.aws, context: self.context, stack: name, attempt };
        if !change_set.make(self.inputs, present, stack).await? {
            return Ok(None);
        }
        let mark = latest_event(self.aws, name).await?;
        let is_half = phase(stack) == Phase::HalfUpdated;
        change_set.execute(is_half).await.map_err(|error| {
            if super::follow::is_passing(error.class) && error.class != ErrorClass::Throttling {
                error.leaving(object(self.inputs, stack))
            } else {
                error
            }
        })?;
        let follow = Follow {
            aws: self.aws,
            context: self.context,
            operation: OPERATION,
            stack: stack.stack_id.as_deref().unwrap_or(name),
            mark,
            cancel: Cancel::Update,
        };
        let ended = follow.until(is_over).await;
        let ended = ended.map_err(|error| error.leaving(object(self.inputs, stack)))?;
        self.judge(ended).map(Some)
    }

    fn judge(&self, ended: Ended) -> Result<Stack, ProviderError> {
        let error = failed(OPERATION, &ended);
        let Some(stack) = ended.stack else { return Err(error) };
        match phase(&stack) {
            Phase::Ready | Phase::CleaningUp => Ok(stack),
            // CloudFormation put everything back: nothing is left of the update.
            Phase::RolledBack | Phase::RolledBackCleaningUp => Err(error),
            Phase::RollbackFailed => Err(explained(error).leaving(object(self.inputs, &stack))),
            _ => Err(error.leaving(object(self.inputs, &stack))),
        }
    }

    async fn continue_rollback(&self, name: &str) -> Result<Stack, ProviderError> {
        const CONTINUE: &str = "cloudformation:ContinueUpdateRollback";
        let mark = latest_event(self.aws, name).await?;
        let request = self
            .aws
            .cloudformation
            .continue_update_rollback()
            .stack_name(name)
            .client_request_token(format!("{}-continue", self.context.token.0));
        self.aws.call(CONTINUE, request.send()).await?;
        let follow = Follow {
            aws: self.aws,
            context: self.context,
            operation: CONTINUE,
            stack: name,
            mark,
            cancel: Cancel::Never,
        };
        let ended = follow.until(Phase::is_settled).await?;
        match ended.stack {
            Some(stack) if matches!(phase(&stack), Phase::RolledBack | Phase::Ready) => Ok(stack),
            stack => Err(explained(failed(CONTINUE, &Ended { stack, ..ended }))),
        }
    }
}

/// Whether a token is of one of this call's own updates, and not of what it did beside them.
fn is_attempt(token: &str, context: &Context) -> bool {
    let rest = token.strip_prefix(&context.token.0);
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix('-').unwrap_or(rest);
        number.bytes().all(|digit| digit.is_ascii_digit()) && rest != "-"
    })
}

/// Whether an update has come to its end. What it cleans up afterwards decides nothing.
fn is_over(phase: Phase) -> bool {
    phase.is_settled() || matches!(phase, Phase::CleaningUp | Phase::RolledBackCleaningUp)
}

/// What only a deletion can follow. Nothing was called, so nothing is left behind.
fn takes_none(stack: &Stack) -> ProviderError {
    let name = stack.stack_name.as_deref().unwrap_or_default();
    let why = format!("the stack `{name}` is {} and takes no update", status(stack));
    let error = ProviderError::new(OPERATION, ErrorClass::ResourceConflict, why).without_effect();
    let error = error.hint(
        "finish its deletion in CloudFormation, then `bfd apply` creates it anew; or let bfd \
         forget it with `bfd state rm`",
    );
    let reason = stack.stack_status_reason.as_deref().map(str::trim);
    match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => error.detail(reason),
        None => error,
    }
}

fn explained(error: ProviderError) -> ProviderError {
    error.hint(
        "an update of the stack failed, and so did its rollback: remove the cause, then \
         `aws cloudformation continue-update-rollback`, with `--resources-to-skip` for what \
         cannot be put back",
    )
}
