//! Reading stacks, events, resources and exports.

use super::stacks::is_protected;
use super::{bracketed_stack, with_id};
use crate::cloudformation::errors::{constraint, validation};
use crate::cloudformation::request::{Request, page};
use crate::cloudformation::stack::{Event, Resource, Stack};
use crate::cloudformation::xml::Xml;
use crate::error::QueryError;
use crate::world::World;

const PAGE: usize = 100;

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStacks.html>
const STATUSES: [&str; 23] = [
    "CREATE_IN_PROGRESS",
    "CREATE_FAILED",
    "CREATE_COMPLETE",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_FAILED",
    "ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS",
    "DELETE_FAILED",
    "DELETE_COMPLETE",
    "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
];

pub(super) fn stacks(world: &World, now: f64, request: Request<'_>) -> Result<String, QueryError> {
    let (stacks, next) = if let Some(name) = request.get("StackName") {
        (vec![with_id(world, name)?], None)
    } else {
        let live = newest_first(world.stacks.all.values().filter(|stack| !stack.is_deleted()));
        page(live, request.get("NextToken"), PAGE)?
    };
    Ok(Xml::new()
        .list("Stacks", stacks, |xml, stack| describe(xml, world, now, stack))
        .optional("NextToken", next)
        .finish())
}

pub(super) fn list_stacks(
    world: &World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let filter = request.texts("StackStatusFilter").unwrap_or_default();
    if let Some(unknown) = filter.iter().find(|status| !STATUSES.contains(&status.as_str())) {
        return Err(constraint(
            &format!("[{unknown}]"),
            "stackStatusFilter",
            &format!(
                "Member must satisfy constraint: [Member must satisfy enum value set: [{}]]",
                STATUSES.join(", ")
            ),
        ));
    }
    let all = newest_first(
        world
            .stacks
            .all
            .values()
            .filter(|stack| filter.is_empty() || filter.contains(&stack.status)),
    );
    let (stacks, next) = page(all, request.get("NextToken"), PAGE)?;
    Ok(Xml::new()
        .list("StackSummaries", stacks, |xml, stack| {
            xml.text("StackId", &stack.id)
                .text("StackName", &stack.name)
                .optional("TemplateDescription", stack.settings.description.as_ref())
                .time("CreationTime", stack.created)
                .optional_time("LastUpdatedTime", stack.updated)
                .optional_time("DeletionTime", stack.deleted)
                .optional("ParentId", stack.parent_id.as_ref())
                .optional("RootId", stack.root_id.as_ref())
                .text("StackStatus", &stack.status)
                .optional("StackStatusReason", stack.reason.as_ref())
                .nest("DriftInformation", |xml| drift_of(xml, now, stack))
        })
        .optional("NextToken", next)
        .finish())
}

fn newest_first<'a>(stacks: impl Iterator<Item = &'a Stack>) -> Vec<&'a Stack> {
    let mut stacks: Vec<&Stack> = stacks.collect();
    stacks.sort_by(|left, right| {
        right.created.total_cmp(&left.created).then_with(|| left.id.cmp(&right.id))
    });
    stacks
}

fn describe(xml: Xml, world: &World, now: f64, stack: &Stack) -> Xml {
    let settings = &stack.settings;
    let xml = xml
        .text("StackId", &stack.id)
        .text("StackName", &stack.name)
        .optional("ChangeSetId", stack.change_set_id.as_ref())
        .optional("Description", settings.description.as_ref())
        .list("Parameters", &settings.parameters, |xml, (name, parameter)| {
            let resolved = parameter.resolved.as_ref().filter(|_| !parameter.no_echo);
            xml.text("ParameterKey", name)
                .text("ParameterValue", parameter.shown())
                .optional("ResolvedValue", resolved)
        })
        .time("CreationTime", stack.created)
        .optional_time("DeletionTime", stack.deleted)
        .optional_time("LastUpdatedTime", stack.updated)
        .nest("RollbackConfiguration", |xml| xml)
        .text("StackStatus", &stack.status)
        .optional("StackStatusReason", stack.reason.as_ref())
        .optional("DeletionMode", stack.deletion_mode.as_ref())
        .flag("DisableRollback", stack.disable_rollback)
        .texts("NotificationARNs", &settings.notification_arns)
        .optional("TimeoutInMinutes", stack.timeout_minutes.map(|minutes| minutes.to_string()))
        .texts("Capabilities", &settings.capabilities)
        .list("Outputs", &stack.outputs, |xml, (name, output)| {
            xml.text("OutputKey", name)
                .text("OutputValue", &output.value)
                .optional("Description", output.description.as_ref())
                .optional("ExportName", output.export.as_ref())
        })
        .optional("RoleARN", settings.role_arn.as_ref())
        .list("Tags", &settings.tags, |xml, (key, value)| {
            xml.text("Key", key).text("Value", value)
        });
    let xml = if stack.is_deleted() {
        xml
    } else {
        xml.flag("EnableTerminationProtection", is_protected(world, stack))
    };
    xml.optional("ParentId", stack.parent_id.as_ref())
        .optional("RootId", stack.root_id.as_ref())
        .nest("DriftInformation", |xml| drift_of(xml, now, stack))
}

pub(super) fn events(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let stack = bracketed_stack(world, request.required("StackName")?)?;
    let newest_first: Vec<&Event> = stack.events.iter().rev().collect();
    let (events, next) = page(newest_first, request.get("NextToken"), PAGE)?;
    Ok(Xml::new()
        .list("StackEvents", events, |xml, event| {
            xml.text("StackId", &stack.id)
                .text("EventId", &event.id)
                .text("StackName", &stack.name)
                .text("LogicalResourceId", &event.logical_id)
                .text("PhysicalResourceId", &event.physical_id)
                .text("ResourceType", &event.kind)
                .time("Timestamp", event.at)
                .text("ResourceStatus", &event.status)
                .optional("ResourceStatusReason", event.reason.as_ref())
                .optional("ResourceProperties", event.properties.as_ref())
                .optional("ClientRequestToken", event.token.as_ref())
        })
        .optional("NextToken", next)
        .finish())
}

/// Whether a stack has drifted, as far as somebody has looked.
fn drift_of(xml: Xml, now: f64, stack: &Stack) -> Xml {
    match stack.detection(now) {
        Some(found) => {
            xml.text("StackDriftStatus", found.status()).time("LastCheckTimestamp", found.started)
        }
        None => xml.text("StackDriftStatus", "NOT_CHECKED"),
    }
}

fn resource_drift(xml: Xml, now: f64, stack: &Stack, logical_id: &str) -> Xml {
    match stack.detection(now).and_then(|found| found.resources.get(logical_id)) {
        Some(drift) => xml
            .text("StackResourceDriftStatus", drift.status.name())
            .time("LastCheckTimestamp", drift.at),
        None => xml.text("StackResourceDriftStatus", "NOT_CHECKED"),
    }
}

fn resource_members(
    xml: Xml,
    now: f64,
    stack: &Stack,
    logical_id: &str,
    resource: &Resource,
    time: &str,
) -> Xml {
    xml.text("LogicalResourceId", logical_id)
        .optional("PhysicalResourceId", Some(&resource.physical_id).filter(|id| !id.is_empty()))
        .text("ResourceType", &resource.kind)
        .time(time, resource.at)
        .text("ResourceStatus", &resource.status)
        .optional("ResourceStatusReason", resource.reason.as_ref())
        .nest("DriftInformation", |xml| resource_drift(xml, now, stack, logical_id))
}

pub(super) fn resources(
    world: &World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let physical = request.get("PhysicalResourceId");
    let stack = match (request.get("StackName"), physical) {
        (Some(_), Some(_)) => {
            return Err(validation(
                "You must specify either StackName or PhysicalResourceId, but not both.",
            ));
        }
        (Some(name), None) => with_id(world, name)?,
        (None, Some(id)) => world
            .stacks
            .all
            .values()
            .find(|stack| {
                stack
                    .resources
                    .values()
                    .any(|resource| resource.exists() && resource.physical_id == id)
            })
            .ok_or_else(|| validation(format!("Stack for {id} does not exist")))?,
        (None, None) => {
            return Err(validation("Either StackName or PhysicalResourceId must be specified."));
        }
    };
    let wanted = request.get("LogicalResourceId");
    let found: Vec<_> = stack
        .resources
        .iter()
        .filter(|(logical_id, _)| wanted.is_none_or(|wanted| wanted == *logical_id))
        .collect();
    if let (Some(wanted), true) = (wanted, found.is_empty()) {
        return Err(no_resource(wanted, &stack.name));
    }
    Ok(Xml::new()
        .list("StackResources", found.into_iter().take(PAGE), |xml, (logical_id, resource)| {
            let xml = xml.text("StackName", &stack.name).text("StackId", &stack.id);
            resource_members(xml, now, stack, logical_id, resource, "Timestamp")
        })
        .finish())
}

pub(super) fn resource(
    world: &World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let logical_id = request.required("LogicalResourceId")?;
    let stack = world
        .stacks
        .find(name)
        .ok_or_else(|| validation(format!("Stack '{name}' does not exist")))?;
    let resource =
        stack.resources.get(logical_id).ok_or_else(|| no_resource(logical_id, &stack.name))?;
    Ok(Xml::new()
        .nest("StackResourceDetail", |xml| {
            let xml = xml.text("StackName", &stack.name).text("StackId", &stack.id);
            resource_members(xml, now, stack, logical_id, resource, "LastUpdatedTimestamp")
                .optional("Metadata", resource.metadata.as_ref().map(ToString::to_string))
        })
        .finish())
}

fn no_resource(logical_id: &str, stack: &str) -> QueryError {
    validation(format!("Resource {logical_id} does not exist for stack {stack}"))
}

pub(super) fn list_resources(
    world: &World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let stack = with_id(world, request.required("StackName")?)?;
    let (found, next) = page(stack.resources.iter().collect(), request.get("NextToken"), PAGE)?;
    Ok(Xml::new()
        .list("StackResourceSummaries", found, |xml, (logical_id, resource)| {
            resource_members(xml, now, stack, logical_id, resource, "LastUpdatedTimestamp")
        })
        .optional("NextToken", next)
        .finish())
}

pub(super) fn exports(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let all: Vec<_> = world.stacks.exports().into_iter().collect();
    let (found, next) = page(all, request.get("NextToken"), PAGE)?;
    Ok(Xml::new()
        .list("Exports", found, |xml, (name, (value, owner))| {
            xml.text("ExportingStackId", owner).text("Name", name).text("Value", value)
        })
        .optional("NextToken", next)
        .finish())
}

pub(super) fn imports(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let export = request.required("ExportName")?;
    let users = world.stacks.importers(export);
    if users.is_empty() {
        return Err(validation(format!("Export '{export}' is not imported by any stack.")));
    }
    let (found, next) = page(users, request.get("NextToken"), PAGE)?;
    Ok(Xml::new().texts("Imports", found).optional("NextToken", next).finish())
}
