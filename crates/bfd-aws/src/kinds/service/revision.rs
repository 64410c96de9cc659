//! Revisions of task definitions: reused by their content, registered where there is none.
//!
//! Revisions stay ACTIVE when a newer one takes over, because an INACTIVE one cannot be
//! deployed again: any of them can be gone back to. What a failed update registered is
//! deregistered when it is rolled back, and the revision of a deleted service with the service.

use super::{live, requests};
use crate::{Aws, error, shapes, tags::Tags};
use aws_sdk_ecs::types::{TaskDefinition, TaskDefinitionField, TaskDefinitionStatus};
use bfd_core::Value;
use bfd_kinds::service::{content_hash, register_task_definition};
use bfd_provider::{ErrorClass, ProviderError};
use serde_json::json;

/// The tag that names a revision's content, because RegisterTaskDefinition takes no client
/// token and makes a new revision of the same content.
const CONTENT_HASH: &str = "bfd:content-hash";

/// A revision that holds what is wanted.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) arn: String,
    /// Whether it was made for this, so that a failure should take it away again.
    pub(super) is_new: bool,
}

/// Finds the latest revision of the family with this content, or registers one.
pub(super) async fn ensure(
    aws: &Aws,
    task_definition: &Value,
    tags: &Tags,
) -> Result<Revision, ProviderError> {
    let hash = content_hash(task_definition);
    let mut request = register_task_definition(task_definition);
    let family = request["family"].as_str().unwrap_or_default().to_owned();
    if let Some((latest, its_tags)) = describe(aws, &family).await?
        && latest.status == Some(TaskDefinitionStatus::Active)
        && its_tags.get(CONTENT_HASH) == Some(&hash)
        && let Some(arn) = latest.task_definition_arn
    {
        return Ok(Revision { arn, is_new: false });
    }
    let mut tags = tags.clone();
    tags.insert(CONTENT_HASH.to_owned(), hash);
    request["tags"] =
        tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let request = requests::register_task_definition(aws, &request)?;
    let answer = aws.call("ecs:RegisterTaskDefinition", request.send()).await?;
    let arn = answer.task_definition.and_then(|it| it.task_definition_arn);
    let arn = arn.ok_or_else(|| {
        ProviderError::new(
            "ecs:RegisterTaskDefinition",
            ErrorClass::ServiceInternalError,
            "ECS answered without the ARN of the revision",
        )
    })?;
    Ok(Revision { arn, is_new: true })
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
                message.contains("unable to describe") || message.contains("not found")
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

/// Takes a revision out of use. A failure costs nothing but tidiness, and is not reported.
pub(super) async fn deregister(aws: &Aws, arn: &str) {
    let request = aws.ecs.deregister_task_definition().task_definition(arn);
    let _ = aws.call("ecs:DeregisterTaskDefinition", request.send()).await;
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
