//! Change sets: what tells whether an update would change anything, and then does it.

use super::{assets, follow::is_passing, request::Content};
use crate::{Aws, error, inputs};
use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{ChangeSetStatus, ChangeSetType, ExecutionStatus, Stack, Tag},
};
use bfd_core::Properties;
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::time::Duration;

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const EXECUTE: &str = "cloudformation:ExecuteChangeSet";
/// Between two looks at a change set in the making.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long it may be in the making: large stacks with nested ones take minutes.
const LIMIT: Duration = Duration::from_mins(10);

/// A change set of one stack, named after the call that it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeSet<'a> {
    pub(super) aws: &'a Aws,
    pub(super) context: &'a Context,
    pub(super) stack: &'a str,
    /// How many operations of the same call the stack has seen: a token names one.
    pub(super) attempt: usize,
}

impl ChangeSet<'_> {
    /// A letter first, then the token: the same name for a repeat of the same call.
    fn name(&self) -> String {
        format!("bfd-{}", self.token())
    }

    fn token(&self) -> String {
        let token = &self.context.token.0;
        if self.attempt == 0 { token.clone() } else { format!("{token}-{}", self.attempt) }
    }

    /// Makes the change set and waits until it is ready. Says whether it changes anything.
    pub(super) async fn make(
        &self,
        inputs: &Properties,
        present: &Properties,
        live: &Stack,
    ) -> Result<bool, ProviderError> {
        assets::publish(self.aws, inputs, self.context).await?;
        let mut content = Content::new(self.aws, CREATE, inputs, Some(present)).await?;
        content.keep_others(inputs, present, live);
        let request = self
            .aws
            .cloudformation
            .create_change_set()
            .stack_name(self.stack)
            .change_set_name(self.name())
            .change_set_type(ChangeSetType::Update)
            .client_token(self.token())
            .set_template_body(content.template.body.clone())
            .set_template_url(content.template.url.clone())
            .set_parameters(Some(content.parameters.clone()))
            .set_tags(Some(tags(&content.tags, present, live)))
            .set_capabilities(Some(content.capabilities.clone()))
            .set_role_arn(inputs::text(inputs, "role_arn").map(str::to_owned))
            .set_notification_arns(topics(&content.topics, present));
        match self.aws.call(CREATE, request.send()).await {
            Ok(_) => {}
            // An earlier attempt made it, and its answer was lost.
            Err(exists) if exists.class == ErrorClass::AlreadyExists => {}
            Err(none) if says_no_changes(error::message(&none)) => return Ok(false),
            Err(refused) => return Err(content.redact(refused)),
        }
        let made = self.made().await.map_err(|error| content.redact(error))?;
        if !made {
            self.delete().await;
        }
        Ok(made)
    }

    async fn made(&self) -> Result<bool, ProviderError> {
        let begun = self.aws.now();
        loop {
            let described = self.describe().await?;
            match described.status {
                Some(ChangeSetStatus::CreateComplete) => return Ok(true),
                Some(ChangeSetStatus::Failed) => {
                    if says_no_changes(described.status_reason.as_deref()) {
                        return Ok(false);
                    }
                    self.delete().await;
                    let why = described.status_reason.unwrap_or_else(|| "no reason given".into());
                    return Err(ProviderError::new(CREATE, ErrorClass::InvalidRequest, why));
                }
                _ => {}
            }
            if self.aws.now().duration_since(begun).unwrap_or_default() >= LIMIT {
                self.delete().await;
                let why = "the change set is not ready after 10 minutes";
                return Err(ProviderError::new(CREATE, ErrorClass::NotStabilized, why));
            }
            tokio::select! {
                biased;
                () = self.context.turn_back.cancelled() => {
                    self.delete().await;
                    let why = "the run turned back while the change set was made";
                    return Err(ProviderError::new(CREATE, ErrorClass::Canceled, why));
                }
                () = self.aws.sleep(INTERVAL) => {}
            }
        }
    }

    async fn describe(&self) -> Result<DescribeChangeSetOutput, ProviderError> {
        let request = self.aws.cloudformation.describe_change_set();
        let request = request.stack_name(self.stack).change_set_name(self.name());
        self.aws.call(DESCRIBE, request.send()).await
    }

    /// Starts the update. A stack that failed half way takes only one that may do so again.
    pub(super) async fn execute(&self, is_half: bool) -> Result<(), ProviderError> {
        let request = self
            .aws
            .cloudformation
            .execute_change_set()
            .stack_name(self.stack)
            .change_set_name(self.name())
            .set_retain_except_on_create((!is_half).then_some(true))
            .set_disable_rollback(is_half.then_some(true))
            .client_request_token(self.token());
        let Err(refused) = self.aws.call(EXECUTE, request.send()).await else { return Ok(()) };
        let is_unclear = is_passing(refused.class)
            || error::code(&refused).is_some_and(|code| code.starts_with("InvalidChangeSetStatus"));
        if is_unclear && self.has_begun().await? {
            return Ok(());
        }
        if !is_passing(refused.class) {
            self.delete().await;
        }
        Err(refused)
    }

    /// Whether an attempt whose answer was lost started the update. A change set that was
    /// executed to its end is gone.
    async fn has_begun(&self) -> Result<bool, ProviderError> {
        match self.describe().await {
            Ok(described) => Ok(matches!(
                described.execution_status,
                Some(
                    ExecutionStatus::ExecuteInProgress
                        | ExecutionStatus::ExecuteComplete
                        | ExecutionStatus::ExecuteFailed
                )
            )),
            Err(gone) if gone.class == ErrorClass::NotFound => Ok(true),
            Err(refused) => Err(refused),
        }
    }

    /// Takes away what is of no use any more; a failure costs nothing but tidiness.
    async fn delete(&self) {
        let request = self.aws.cloudformation.delete_change_set();
        let request = request.stack_name(self.stack).change_set_name(self.name());
        let _ = self.aws.call("cloudformation:DeleteChangeSet", request.send()).await;
    }
}

/// CloudFormation replaces all tags of a stack by those that are sent. Tags that were never
/// declared here are somebody's, and go along.
fn tags(declared: &[Tag], present: &Properties, live: &Stack) -> Vec<Tag> {
    let recorded = crate::tags::declared(present);
    let is_ours =
        |key: &str| recorded.contains_key(key) || declared.iter().any(|tag| tag.key() == Some(key));
    let others = live
        .tags()
        .iter()
        .filter(|tag| tag.key().is_some_and(|key| !is_ours(key) && !key.starts_with("aws:")));
    declared.iter().chain(others).cloned().collect()
}

/// A stack of which none were ever said keeps the topics that it has.
fn topics(declared: &[String], present: &Properties) -> Option<Vec<String>> {
    let were_said = present.get("notification_arns").is_some_and(|it| !it.is_null());
    (!declared.is_empty() || were_said).then(|| declared.to_vec())
}

/// CloudFormation calls a change set without changes FAILED.
fn says_no_changes(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| {
        reason.contains("didn't contain changes")
            || reason.contains("No updates are to be performed")
    })
}
