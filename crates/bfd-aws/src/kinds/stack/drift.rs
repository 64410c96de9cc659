//! What was changed within stacks since their templates were applied, as CloudFormation finds.

use crate::{Aws, AwsProvider, acting::Role, error};
use aws_sdk_cloudformation::types::{
    DifferenceType, StackDriftDetectionStatus, StackResourceDrift, StackResourceDriftStatus,
    StackResourceSummary,
};
use bfd_core::{
    Address, ResourceState, Value,
    plan::{DriftedResource, StackDrift},
};
use bfd_kinds::stack::{self as kind, Property};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::{join_all, try_join_all};
use std::time::Duration;

const DETECT: &str = "cloudformation:DetectStackDrift";
const STATUS: &str = "cloudformation:DescribeStackDriftDetectionStatus";
const DRIFTS: &str = "cloudformation:DescribeStackResourceDrifts";
const LIST: &str = "cloudformation:ListStackResources";
/// Between two looks at a detection.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a detection may take: large stacks take some minutes.
const LIMIT: Duration = Duration::from_mins(15);

/// What was found of a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub drift: StackDrift,
    /// Why some of its resources could not be looked at.
    pub incomplete: Vec<String>,
}

impl AwsProvider {
    /// Asks CloudFormation what was changed within the given stacks and those nested in them,
    /// all at once. It writes nothing but the time of the look.
    pub async fn stack_drift(
        &self,
        stacks: &[(&Address, &ResourceState)],
    ) -> Vec<(Address, Result<Found, ProviderError>)> {
        let looks = stacks.iter().map(|(address, state)| async move {
            ((*address).clone(), of_stack(self.aws(), address, state).await)
        });
        join_all(looks).await
    }
}

/// A stack, or one nested in it.
struct Part {
    /// The ids of the nested stacks that lead to it, each with a `/` behind.
    prefix: String,
    stack: String,
    resources: usize,
}

async fn of_stack(
    aws: &Aws,
    address: &Address,
    state: &ResourceState,
) -> Result<Found, ProviderError> {
    let acting = aws.acting(Role::of(&state.inputs).as_ref()).await?;
    let aws = acting.as_deref().unwrap_or(aws);
    let recorded = state.outputs.get("arn").and_then(Value::as_str);
    let parts = parts(aws, recorded.unwrap_or(&state.id)).await?;
    let template = state.inputs.get("template").and_then(Value::as_str);
    let found = parts.iter().map(|part| async move {
        let incomplete = detect(aws, &part.stack).await?;
        Ok::<_, ProviderError>((incomplete, drifts(aws, &part.stack).await?))
    });
    let found = try_join_all(found).await?;
    let mut incomplete = Vec::new();
    let mut told =
        StackDrift { address: address.clone(), in_sync: 0, not_checked: 0, resources: Vec::new() };
    for (part, (why, found)) in parts.iter().zip(found) {
        incomplete.extend(why);
        // The template of a nested stack is not the recorded one.
        let template = template.filter(|_| part.prefix.is_empty());
        let mut checked = 0;
        for drift in &found {
            match &drift.stack_resource_drift_status {
                Some(StackResourceDriftStatus::InSync) => told.in_sync += 1,
                Some(StackResourceDriftStatus::Modified | StackResourceDriftStatus::Deleted) => {
                    told.resources.push(resource(aws, &part.prefix, template, drift));
                }
                _ => continue,
            }
            checked += 1;
        }
        told.not_checked += part.resources.saturating_sub(checked);
    }
    told.resources.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
    Ok(Found { drift: told, incomplete })
}

/// The stack and all stacks within it: a detection looks at one of them.
async fn parts(aws: &Aws, stack: &str) -> Result<Vec<Part>, ProviderError> {
    let mut parts = Vec::new();
    let mut left = vec![(String::new(), stack.to_owned())];
    while !left.is_empty() {
        let lists = left.iter().map(|(_, stack)| resources(aws, stack));
        let lists = try_join_all(lists).await?;
        let mut below = Vec::new();
        for ((prefix, stack), all) in left.into_iter().zip(lists) {
            let nested = all
                .iter()
                .filter(|it| it.resource_type.as_deref() == Some("AWS::CloudFormation::Stack"));
            let named = nested.filter_map(|it| {
                let logical = it.logical_resource_id.as_deref()?;
                Some((format!("{prefix}{logical}/"), it.physical_resource_id.clone()?))
            });
            below.extend(named.filter(|(_, stack)| !stack.is_empty()));
            parts.push(Part { prefix, stack, resources: all.len() });
        }
        left = below;
    }
    Ok(parts)
}

/// The resources of a stack that are there.
async fn resources(aws: &Aws, stack: &str) -> Result<Vec<StackResourceSummary>, ProviderError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let request =
            aws.cloudformation.list_stack_resources().stack_name(stack).set_next_token(token);
        let page = aws.call(LIST, request.send()).await?;
        let there = page.stack_resource_summaries.unwrap_or_default().into_iter().filter(|it| {
            it.resource_status.as_ref().is_none_or(|status| status.as_str() != "DELETE_COMPLETE")
        });
        all.extend(there);
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// Has one stack looked at, and waits for the end of it. Gives the reason where some of its
/// resources could not be looked at: the others were.
async fn detect(aws: &Aws, stack: &str) -> Result<Option<String>, ProviderError> {
    let begun = aws.now();
    let is_late = || aws.now().duration_since(begun).unwrap_or_default() >= LIMIT;
    let detection = loop {
        let request = aws.cloudformation.detect_stack_drift().stack_name(stack);
        match aws.call(DETECT, request.send()).await {
            Ok(answer) => break answer.stack_drift_detection_id.unwrap_or_default(),
            // Somebody else asked a moment before.
            Err(refused) if is_under_way(&refused) && !is_late() => aws.sleep(INTERVAL).await,
            Err(refused) => return Err(refused),
        }
    };
    loop {
        let request = aws
            .cloudformation
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(&detection);
        let seen = aws.call(STATUS, request.send()).await?;
        match seen.detection_status {
            Some(StackDriftDetectionStatus::DetectionComplete) => return Ok(None),
            Some(StackDriftDetectionStatus::DetectionFailed) => {
                let why = seen.detection_status_reason;
                return Ok(Some(aws.secrets.redact(why.as_deref().unwrap_or("no reason given"))));
            }
            _ if is_late() => {
                let why = "the detection has not ended after 15 minutes";
                return Err(ProviderError::new(DETECT, ErrorClass::NotStabilized, why));
            }
            _ => aws.sleep(INTERVAL).await,
        }
    }
}

fn is_under_way(refused: &ProviderError) -> bool {
    error::message(refused).is_some_and(|said| {
        let said = said.to_ascii_lowercase();
        said.contains("drift") && said.contains("in progress")
    })
}

/// What the latest look at a stack found.
async fn drifts(aws: &Aws, stack: &str) -> Result<Vec<StackResourceDrift>, ProviderError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let request = aws
            .cloudformation
            .describe_stack_resource_drifts()
            .stack_name(stack)
            .set_next_token(token);
        let page = aws.call(DRIFTS, request.send()).await?;
        all.extend(page.stack_resource_drifts.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn resource(
    aws: &Aws,
    prefix: &str,
    template: Option<&str>,
    drift: &StackResourceDrift,
) -> DriftedResource {
    let logical = drift.logical_resource_id.as_deref().unwrap_or_default();
    let redacted = |text: Option<&str>| text.map(|text| aws.secrets.redact(text));
    let differences = drift.property_differences().iter().map(|property| {
        // What is on one side alone has no value on the other.
        let (expected, actual) = match property.difference_type.as_ref().map(DifferenceType::as_str)
        {
            Some("ADD") => (None, property.actual_value.as_deref()),
            Some("REMOVE") => (property.expected_value.as_deref(), None),
            _ => (property.expected_value.as_deref(), property.actual_value.as_deref()),
        };
        let (expected, actual) = (redacted(expected), redacted(actual));
        let path = property.property_path.as_deref().unwrap_or_default();
        let property = Property { path, expected: expected.as_deref(), actual: actual.as_deref() };
        kind::drifted(template, logical, property)
    });
    DriftedResource {
        logical_id: format!("{prefix}{logical}"),
        type_name: drift.resource_type.clone().unwrap_or_default(),
        deleted: drift.stack_resource_drift_status == Some(StackResourceDriftStatus::Deleted),
        fields: differences.collect(),
    }
}
