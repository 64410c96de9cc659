//! What CloudFormation itself says that a change would do: a change set is made, read and
//! taken away again, whatever comes of it.

use super::{
    assets,
    phase::Phase,
    read::{self, phase},
    request::Content,
};
use crate::{Aws, AwsProvider, acting::Role, inputs};
use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{self, ChangeSetStatus, ChangeSetType, ResourceChange},
};
use bfd_core::{
    Address, Properties,
    plan::{PreviewedResource, Replacement},
};
use bfd_image::Digest;
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::{join_all, try_join_all};
use std::{collections::BTreeSet, time::Duration};

const CREATE: &str = "cloudformation:CreateChangeSet";
const DESCRIBE: &str = "cloudformation:DescribeChangeSet";
const DELETE: &str = "cloudformation:DeleteChangeSet";
const DELETE_STACK: &str = "cloudformation:DeleteStack";
/// Between two looks at a change set in the making.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long it may be in the making: large stacks with nested ones take minutes.
const LIMIT: Duration = Duration::from_mins(10);
/// How long what was made for it may take to go.
const LEAVING: Duration = Duration::from_mins(1);

/// A change of a stack that CloudFormation is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub address: &'a Address,
    /// What is there; absent for a stack that is to be created.
    pub prior: Option<&'a Properties>,
    pub inputs: &'a Properties,
}

/// What became of a question: what changes, and what was left behind, if anything was.
#[derive(Debug)]
pub struct Answer {
    pub address: Address,
    pub changes: Result<Vec<PreviewedResource>, ProviderError>,
    pub left: Option<String>,
}

impl AwsProvider {
    /// Makes a change set for each stack, all at once, reads what CloudFormation says, and
    /// deletes them, with the empty stacks that change sets for new stacks leave.
    pub async fn previews(&self, asked: &[Asked<'_>]) -> Vec<Answer> {
        join_all(asked.iter().map(|one| preview(self.aws(), one))).await
    }
}

async fn preview(aws: &Aws, asked: &Asked<'_>) -> Answer {
    let acting = match aws.acting(Role::of(asked.inputs).as_ref()).await {
        Ok(acting) => acting,
        Err(refused) => {
            let address = asked.address.clone();
            return Answer { address, changes: Err(refused), left: None };
        }
    };
    let aws = acting.as_deref().unwrap_or(aws);
    let question = match Question::new(aws, asked).await {
        Ok(question) => question,
        Err(refused) => {
            let address = asked.address.clone();
            return Answer { address, changes: Err(refused), left: None };
        }
    };
    let changes = question.ask().await;
    let left = question.clear().await.err();
    let changes = changes.map_err(|refused| question.content.redact(refused));
    let left = left.map(|refused| {
        format!("the change set `{}` stays: {}", question.name, refused.to_failure().message)
    });
    Answer { address: asked.address.clone(), changes, left }
}

struct Question<'a> {
    aws: &'a Aws,
    stack: &'a str,
    inputs: &'a Properties,
    content: Content,
    name: String,
    creates: bool,
    /// Somebody else's change set for this new stack was there before.
    has_shell: bool,
}

impl<'a> Question<'a> {
    async fn new(aws: &'a Aws, asked: &Asked<'a>) -> Result<Self, ProviderError> {
        let stack = inputs::required(asked.inputs, "name", CREATE)?;
        assets::publish_templates(aws, asked.inputs).await?;
        let mut content = Content::new(aws, CREATE, asked.inputs, asked.prior).await?;
        let name = name_of(asked.inputs);
        let there = read::find(aws, stack).await?;
        if let (Some(prior), Some(there)) = (asked.prior, &there) {
            content.keep_others(asked.inputs, prior, there);
        }
        let has_shell = match &there {
            Some(shell) if phase(shell) == Phase::Shell => !is_only(aws, stack, &name).await?,
            _ => false,
        };
        let creates = asked.prior.is_none();
        Ok(Self { aws, stack, inputs: asked.inputs, content, name, creates, has_shell })
    }

    async fn ask(&self) -> Result<Vec<PreviewedResource>, ProviderError> {
        if let Err(refused) = self.make().await {
            if refused.class != ErrorClass::AlreadyExists {
                return if says_no_changes(&refused.to_failure().message) {
                    Ok(Vec::new())
                } else {
                    Err(refused)
                };
            }
            // A plan that was interrupted left it: what it says may be out of date.
            self.delete().await?;
            self.make().await?;
        }
        let begun = self.aws.now();
        loop {
            let seen = self.describe(None).await?;
            match seen.status {
                Some(ChangeSetStatus::CreateComplete) => break,
                Some(ChangeSetStatus::Failed) => {
                    let why = seen.status_reason.unwrap_or_else(|| "no reason given".into());
                    if says_no_changes(&why) {
                        return Ok(Vec::new());
                    }
                    return Err(ProviderError::new(CREATE, ErrorClass::InvalidRequest, why));
                }
                _ => {}
            }
            if self.aws.now().duration_since(begun).unwrap_or_default() >= LIMIT {
                let why = "the change set is not ready after 10 minutes";
                return Err(ProviderError::new(CREATE, ErrorClass::NotStabilized, why));
            }
            self.aws.sleep(INTERVAL).await;
        }
        self.read().await
    }

    async fn make(&self) -> Result<(), ProviderError> {
        let kind = if self.creates { ChangeSetType::Create } else { ChangeSetType::Update };
        let request = self
            .aws
            .cloudformation
            .create_change_set()
            .stack_name(self.stack)
            .change_set_name(&self.name)
            .change_set_type(kind)
            .description("made by `bfd plan --change-sets`, and deleted by it")
            .include_nested_stacks(true)
            .set_template_body(self.content.template.body.clone())
            .set_template_url(self.content.template.url.clone())
            .set_parameters(Some(self.content.parameters.clone()))
            .set_tags(Some(self.content.tags.clone()))
            .set_capabilities(Some(self.content.capabilities.clone()))
            .set_notification_arns(Some(self.content.topics.clone()))
            .set_role_arn(inputs::text(self.inputs, "role_arn").map(str::to_owned));
        self.aws.call(CREATE, request.send()).await.map(|_| ())
    }

    async fn describe(
        &self,
        token: Option<String>,
    ) -> Result<DescribeChangeSetOutput, ProviderError> {
        let request = self.aws.cloudformation.describe_change_set();
        let request = request.stack_name(self.stack).change_set_name(&self.name);
        self.aws.call(DESCRIBE, request.set_next_token(token).send()).await
    }

    /// All changes, those of nested stacks below the ids of these.
    async fn read(&self) -> Result<Vec<PreviewedResource>, ProviderError> {
        let mut all = Vec::new();
        let first = pages(self.aws, Some(self.stack), &self.name).await?;
        let mut left = vec![(String::new(), first)];
        while let Some((prefix, changes)) = left.pop() {
            let nested = changes.iter().filter_map(|change| {
                let logical = change.logical_resource_id.as_deref()?;
                Some((format!("{prefix}{logical}/"), change.change_set_id.as_deref()?))
            });
            let reads = nested.map(|(prefix, id)| async move {
                Ok::<_, ProviderError>((prefix, pages(self.aws, None, id).await?))
            });
            let below = try_join_all(reads).await?;
            all.extend(changes.iter().map(|change| previewed(&prefix, change)));
            left.extend(below);
        }
        all.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
        Ok(all)
    }

    async fn delete(&self) -> Result<(), ProviderError> {
        let request = self.aws.cloudformation.delete_change_set();
        let request = request.stack_name(self.stack).change_set_name(&self.name);
        match self.aws.call(DELETE, request.send()).await {
            Err(gone) if gone.class == ErrorClass::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Takes everything away that was made.
    async fn clear(&self) -> Result<(), ProviderError> {
        // Of a new stack that was refused there is nothing a change set could be deleted from.
        let found = read::find(self.aws, self.stack).await?;
        let Some(stack) = found else { return Ok(()) };
        self.delete().await?;
        if !self.creates || self.has_shell || phase(&stack) != Phase::Shell {
            return Ok(());
        }
        let arn = stack.stack_id.as_deref().unwrap_or(self.stack);
        let request = self.aws.cloudformation.delete_stack().stack_name(arn);
        self.aws.call(DELETE_STACK, request.send()).await?;
        let begun = self.aws.now();
        loop {
            match read::find(self.aws, arn).await? {
                None => return Ok(()),
                Some(stack) if phase(&stack) == Phase::Deleted => return Ok(()),
                Some(_) if self.aws.now().duration_since(begun).unwrap_or_default() >= LEAVING => {
                    let why = "the empty stack that it was made for is still there";
                    return Err(ProviderError::new(DELETE_STACK, ErrorClass::NotStabilized, why));
                }
                Some(_) => self.aws.sleep(INTERVAL).await,
            }
        }
    }
}

/// A letter first; the same for the same inputs, so that what an interrupted plan left is found.
fn name_of(inputs: &Properties) -> String {
    let text = serde_json::to_string(inputs).unwrap_or_default();
    format!("bfd-plan-{}", &Digest::of(text.as_bytes()).hex()[..16])
}

/// Whether a new stack has no change sets but the one of this name.
async fn is_only(aws: &Aws, stack: &str, name: &str) -> Result<bool, ProviderError> {
    let request = aws.cloudformation.list_change_sets().stack_name(stack);
    let answer = aws.call("cloudformation:ListChangeSets", request.send()).await?;
    Ok(answer.summaries().iter().all(|set| set.change_set_name.as_deref() == Some(name)))
}

async fn pages(
    aws: &Aws,
    stack: Option<&str>,
    name: &str,
) -> Result<Vec<ResourceChange>, ProviderError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let request = aws.cloudformation.describe_change_set().change_set_name(name);
        let request = request.set_stack_name(stack.map(str::to_owned)).set_next_token(token);
        let page = aws.call(DESCRIBE, request.send()).await?;
        let changes = page.changes.unwrap_or_default().into_iter();
        all.extend(changes.filter_map(|change| change.resource_change));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn previewed(prefix: &str, change: &ResourceChange) -> PreviewedResource {
    let properties: BTreeSet<String> =
        change.details().iter().filter_map(|detail| detail.target.as_ref()?.name.clone()).collect();
    PreviewedResource {
        logical_id: format!("{prefix}{}", change.logical_resource_id.as_deref().unwrap_or("?")),
        type_name: change.resource_type.clone().unwrap_or_default(),
        action: change.action.as_ref().map_or("?", |it| it.as_str()).to_owned(),
        replacement: match change.replacement.as_ref().map(types::Replacement::as_str) {
            Some("True") => Replacement::Always,
            Some("Conditional") => Replacement::Maybe,
            _ => Replacement::No,
        },
        scope: change.scope().iter().map(|scope| scope.as_str().to_owned()).collect(),
        properties: properties.into_iter().collect(),
        policy: change.policy_action.as_ref().map(|it| it.as_str().to_owned()),
    }
}

/// CloudFormation calls a change set without changes FAILED.
fn says_no_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}
