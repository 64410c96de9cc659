//! Looking for drift.

use super::live_stack;
use crate::cloudformation::drift::{self, Drift, Status};
use crate::cloudformation::errors::{constraint, validation};
use crate::cloudformation::request::{Request, page};
use crate::cloudformation::stack::Stack;
use crate::cloudformation::xml::Xml;
use crate::error::QueryError;
use crate::world::World;

/// The looks that are remembered of one stack.
const REMEMBERED: usize = 5;

pub(super) fn detect(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let only = request.texts("LogicalResourceIds").filter(|only| !only.is_empty());
    let stack = live_stack(world, name)?.clone();
    // <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html>
    let is_settled = matches!(
        stack.status.as_str(),
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "UPDATE_ROLLBACK_FAILED"
    );
    if !is_settled {
        return Err(validation(format!(
            "Drift detection cannot be performed on stack [{}] in status [{}].",
            stack.id, stack.status
        )));
    }
    if stack.detections.last().is_some_and(|last| last.ready_at > now) {
        return Err(validation(format!(
            "Drift detection is already in progress for stack [{}].",
            stack.id
        )));
    }
    if let Some(unknown) =
        only.iter().flatten().find(|logical_id| !stack.resources.contains_key(*logical_id))
    {
        return Err(validation(format!(
            "Resource {unknown} does not exist for stack {}",
            stack.name
        )));
    }
    let detection = drift::detect(world, now, &stack, only.as_deref());
    let id = detection.id.clone();
    let stack = live_stack(world, name)?;
    if stack.detections.len() == REMEMBERED {
        stack.detections.remove(0);
    }
    stack.detections.push(detection);
    Ok(Xml::new().text("StackDriftDetectionId", id).finish())
}

pub(super) fn status(world: &World, now: f64, request: Request<'_>) -> Result<String, QueryError> {
    let id = request.required("StackDriftDetectionId")?;
    let found =
        world.stacks.all.values().find_map(|stack| {
            stack.detections.iter().find(|one| one.id == id).map(|one| (stack, one))
        });
    let (stack, detection) =
        found.ok_or_else(|| validation(format!("Drift detection with id {id} does not exist")))?;
    let xml = Xml::new().text("StackId", &stack.id).text("StackDriftDetectionId", id);
    let xml = if detection.ready_at > now {
        xml.text("DetectionStatus", "DETECTION_IN_PROGRESS")
    } else {
        xml.text("StackDriftStatus", detection.status())
            .text("DetectionStatus", "DETECTION_COMPLETE")
            .text("DriftedStackResourceCount", detection.drifted().to_string())
    };
    Ok(xml.time("Timestamp", detection.started).finish())
}

pub(super) fn resources(
    world: &World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    const KNOWN: [&str; 4] = ["IN_SYNC", "MODIFIED", "DELETED", "NOT_CHECKED"];
    let stack = super::bracketed_stack(world, request.required("StackName")?)?;
    let filter = request.texts("StackResourceDriftStatusFilters").unwrap_or_default();
    if let Some(unknown) = filter.iter().find(|status| !KNOWN.contains(&status.as_str())) {
        return Err(constraint(
            &format!("[{unknown}]"),
            "stackResourceDriftStatusFilters",
            "Member must satisfy constraint: [Member must satisfy enum value set: [IN_SYNC, MODIFIED, DELETED, NOT_CHECKED]]",
        ));
    }
    let most = match request.get("MaxResults") {
        None => 100,
        Some(text) => {
            text.parse().ok().filter(|most| (1..=100).contains(most)).ok_or_else(|| {
                constraint(text, "maxResults", "Member must have value between 1 and 100")
            })?
        }
    };
    let found: Vec<(&String, &Drift)> = stack
        .detection(now)
        .into_iter()
        .flat_map(|detection| &detection.resources)
        .filter(|(_, drift)| {
            filter.is_empty() || filter.iter().any(|status| status == drift.status.name())
        })
        .collect();
    let (found, next) = page(found, request.get("NextToken"), most)?;
    Ok(Xml::new()
        .list("StackResourceDrifts", found, |xml, (logical_id, drift)| {
            describe(xml, stack, logical_id, drift)
        })
        .optional("NextToken", next)
        .finish())
}

fn describe(xml: Xml, stack: &Stack, logical_id: &str, drift: &Drift) -> Xml {
    let xml = xml
        .text("StackId", &stack.id)
        .text("LogicalResourceId", logical_id)
        .text("PhysicalResourceId", &drift.physical_id)
        .text("ResourceType", &drift.kind)
        .optional("ExpectedProperties", drift.expected.as_ref())
        .optional("ActualProperties", drift.actual.as_ref());
    let xml = if drift.status == Status::Deleted {
        xml
    } else {
        xml.list("PropertyDifferences", &drift.differences, |xml, difference| {
            xml.text("PropertyPath", &difference.path)
                .text("ExpectedValue", &difference.expected)
                .text("ActualValue", &difference.actual)
                .text("DifferenceType", &difference.kind)
        })
    };
    xml.text("StackResourceDriftStatus", drift.status.name()).time("Timestamp", drift.at)
}
