//! Revisions of task definitions: reused by their content, registered where there is none.
//!
//! Revisions stay ACTIVE when a newer one takes over, because an INACTIVE one cannot be
//! deployed again: any of them can be gone back to. What a failed update registered is
//! deregistered when it is rolled back, and the revision of a deleted service with the service.
//!
//! RegisterTaskDefinition takes no client token and makes a new revision of the same content,
//! so an answer that was lost may have left one that nobody knows. Each is tagged with its
//! content and its service: that is how [`sweep`] finds it.

use super::{follow::is_passing, key, live, object, requests};
use crate::{Aws, error, shapes, tags, tags::Tags};
use aws_sdk_ecs::types::{TaskDefinition, TaskDefinitionField, TaskDefinitionStatus};
use bfd_core::{Properties, Value};
use bfd_kinds::service::{content_hash, register_task_definition};
use bfd_provider::{Context, ErrorClass, ProviderError};
use serde_json::json;

/// The tags that name a revision's content, and the service it is for: a revision that two
/// services used could not be deregistered with either.
const CONTENT_HASH: &str = "bfd:content-hash";
const SERVICE: &str = "bfd:service";
/// How many revisions in a row may be left by lost answers: the attempts of two requests.
const TWINS: u32 = 10;

/// A revision that holds what is wanted.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) arn: String,
    /// Whether it was made for this, so that a failure should take it away again.
    pub(super) is_new: bool,
}

/// What a service's revisions are known by.
#[derive(Debug)]
struct Mark {
    family: String,
    content_hash: String,
    service: String,
}

impl Mark {
    fn of(inputs: &Properties) -> Self {
        let content = content(inputs);
        let (cluster, name) = key(inputs);
        let family = content.get("family").and_then(Value::as_str).unwrap_or_default();
        Self {
            family: family.to_owned(),
            content_hash: content_hash(content),
            service: format!("{cluster}/{name}"),
        }
    }

    fn is_on(&self, tags: &Tags) -> bool {
        tags.get(CONTENT_HASH) == Some(&self.content_hash)
            && tags.get(SERVICE) == Some(&self.service)
    }
}

fn content(inputs: &Properties) -> &Value {
    inputs.get("task_definition").unwrap_or(&Value::Null)
}

/// Finds the latest revision of the family with the content that inputs declare, or registers
/// one. `before` is the revision that was recorded, if any. An error says what may be left.
pub(super) async fn ensure(
    aws: &Aws,
    inputs: &Properties,
    before: &str,
    context: &Context,
) -> Result<Revision, ProviderError> {
    let mark = Mark::of(inputs);
    // Nobody knows what there is when a later call fails: the undo looks for it.
    let unsure = |error: ProviderError| error.leaving(object(inputs, "", ""));
    let (arn, is_certain) = match latest(aws, &mark).await? {
        Some(arn) => (arn, !context.repeated),
        None => {
            match register(aws, inputs, &mark).await {
                Ok((arn, attempts)) => (arn, attempts <= 1 && !context.repeated),
                Err(refused) if is_passing(refused.class) || refused.in_doubt == Some(true) => {
                    // It may have been carried out all the same.
                    let there = latest(aws, &mark).await.ok().flatten();
                    (there.ok_or_else(|| unsure(refused))?, false)
                }
                Err(refused) => return Err(refused),
            }
        }
    };
    if !is_certain {
        sweep(aws, inputs, &[&arn, before]).await.map_err(unsure)?;
    }
    Ok(Revision { is_new: arn != before, arn })
}

/// Registers a revision; its ARN, and how many attempts it took.
async fn register(
    aws: &Aws,
    inputs: &Properties,
    mark: &Mark,
) -> Result<(String, u32), ProviderError> {
    const OPERATION: &str = "ecs:RegisterTaskDefinition";
    let mut request = register_task_definition(content(inputs));
    let mut tags = tags::declared(inputs);
    tags.insert(CONTENT_HASH.to_owned(), mark.content_hash.clone());
    tags.insert(SERVICE.to_owned(), mark.service.clone());
    request["tags"] =
        tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let request = requests::register_task_definition(aws, &request)?;
    let (answer, attempts) = aws.counted(OPERATION, request.send()).await;
    let arn = answer?.task_definition.and_then(|it| it.task_definition_arn);
    arn.map(|arn| (arn, attempts)).ok_or_else(|| {
        let why = "ECS answered without the ARN of the revision";
        ProviderError::new(OPERATION, ErrorClass::ServiceInternalError, why)
    })
}

/// The latest ACTIVE revision of the family, if it has the mark.
async fn latest(aws: &Aws, mark: &Mark) -> Result<Option<String>, ProviderError> {
    let Some((latest, tags)) = describe(aws, &mark.family).await? else { return Ok(None) };
    let is_it = is_active(&latest) && mark.is_on(&tags);
    Ok(latest.task_definition_arn.filter(|_| is_it))
}

/// Deregisters the service's latest revisions that have the content of `inputs`, but for those
/// that are `kept`: what an update registered that is undone, and what lost answers have left.
pub(super) async fn sweep(
    aws: &Aws,
    inputs: &Properties,
    kept: &[&str],
) -> Result<(), ProviderError> {
    let mark = Mark::of(inputs);
    let there = describe(aws, &mark.family).await?;
    let there = there.and_then(|(definition, _)| definition.task_definition_arn);
    // A read may be older than what is known to be there.
    let known = kept.iter().copied().chain(there.as_deref()).filter_map(|arn| number(arn, &mark));
    let Some(last) = known.max() else { return Ok(()) };
    for number in (1..=last).rev().take(TWINS as usize) {
        let name = format!("{}:{number}", mark.family);
        // Its number was given out, so it is there, unless the read is old.
        let found = aws.look_again(|| describe(aws, &name)).await?;
        let Some((definition, tags)) = found else { continue };
        if !mark.is_on(&tags) && is_active(&definition) {
            break;
        }
        let arn = definition.task_definition_arn.as_deref().unwrap_or_default();
        if is_active(&definition) && !kept.contains(&arn) {
            deregister(aws, arn).await?;
        }
    }
    Ok(())
}

/// The number of a revision of the mark's family, by its ARN.
fn number(arn: &str, mark: &Mark) -> Option<u64> {
    let (family, number) = live::short(arn).rsplit_once(':')?;
    number.parse().ok().filter(|_| family == mark.family)
}

fn is_active(definition: &TaskDefinition) -> bool {
    definition.status == Some(TaskDefinitionStatus::Active)
}

/// Reads a revision by ARN, or the latest ACTIVE one by family.
async fn describe(aws: &Aws, name: &str) -> Result<Option<(TaskDefinition, Tags)>, ProviderError> {
    let request =
        aws.ecs.describe_task_definition().task_definition(name).include(TaskDefinitionField::Tags);
    match aws.call("ecs:DescribeTaskDefinition", request.send()).await {
        Ok(answer) => {
            let tags = live::tags(answer.tags());
            Ok(answer.task_definition.map(|definition| (definition, tags)))
        }
        Err(refused) if is_missing(&refused) => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// ECS has no code of its own for this: `ClientException`, "Unable to describe task definition."
fn is_missing(refused: &ProviderError) -> bool {
    refused.class == ErrorClass::NotFound
        || (error::code(refused) == Some("ClientException")
            && error::message(refused).is_some_and(|message| {
                let message = message.to_ascii_lowercase();
                message.contains("unable to describe")
                    || message.contains("not found")
                    || message.contains("specified task definition does not exist")
            }))
}

/// Reads the content of a revision in AWS's spelling; `None` when there is no such revision.
pub(super) async fn read(aws: &Aws, arn: &str) -> Result<Option<Value>, ProviderError> {
    let Some((definition, _)) = describe(aws, arn).await? else { return Ok(None) };
    let definition = shapes::write(TaskDefinition::SCHEMA, &definition).map_err(|error| {
        ProviderError::new("ecs:DescribeTaskDefinition", ErrorClass::ServiceInternalError, error)
    })?;
    Ok(Some(definition))
}

/// Whether a revision is there and can be deployed.
pub(super) async fn is_usable(aws: &Aws, arn: &str) -> Result<bool, ProviderError> {
    let found = describe(aws, arn).await?;
    Ok(found.is_some_and(|(definition, _)| is_active(&definition)))
}

/// Takes a revision out of use. One that is out of use, or not there, is left as it is.
pub(super) async fn deregister(aws: &Aws, arn: &str) -> Result<(), ProviderError> {
    let request = aws.ecs.deregister_task_definition().task_definition(arn);
    match aws.call("ecs:DeregisterTaskDefinition", request.send()).await {
        Ok(_) => Ok(()),
        Err(refused) if is_missing(&refused) || is_inactive(&refused) => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// Whether ECS refused a revision because it was deregistered.
pub(super) fn is_inactive(refused: &ProviderError) -> bool {
    error::message(refused).is_some_and(|message| {
        let message = message.to_ascii_lowercase();
        message.contains("taskdefinition is inactive")
            || message.contains("task definition is inactive")
            || message.contains("taskdefinition not found")
    })
}
