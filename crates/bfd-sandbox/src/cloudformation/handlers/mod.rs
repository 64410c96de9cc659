//! The actions of the API.

mod change_sets;
mod describe;
mod drift;
mod settings;
mod stacks;
mod templates;

pub(super) use self::stacks::{new_id, start_create, start_update};
use super::errors::validation;
use super::request::Request;
use super::stack::Settings;
use super::stack::Stack;
use crate::error::QueryError;
use crate::world::World;

/// Answers one action with the inside of its result element.
pub(super) fn handle(
    world: &mut World,
    now: f64,
    action: &str,
    request: Request<'_>,
) -> Result<String, QueryError> {
    match action {
        "CreateStack" => stacks::create(world, now, request),
        "UpdateStack" => stacks::update(world, now, request),
        "DeleteStack" => stacks::delete(world, now, request),
        "CancelUpdateStack" => stacks::cancel_update(world, now, request),
        "ContinueUpdateRollback" => stacks::continue_rollback(world, now, request),
        "RollbackStack" => stacks::rollback(world, now, request),
        "UpdateTerminationProtection" => stacks::protect(world, request),
        "SetStackPolicy" => stacks::set_policy(world, request),
        "GetStackPolicy" => stacks::get_policy(world, request),
        "DescribeStacks" => describe::stacks(world, now, request),
        "ListStacks" => describe::list_stacks(world, now, request),
        "DescribeStackEvents" => describe::events(world, request),
        "DescribeStackResources" => describe::resources(world, now, request),
        "DescribeStackResource" => describe::resource(world, now, request),
        "ListStackResources" => describe::list_resources(world, now, request),
        "DetectStackDrift" => drift::detect(world, now, request),
        "DescribeStackDriftDetectionStatus" => drift::status(world, now, request),
        "DescribeStackResourceDrifts" => drift::resources(world, now, request),
        "ListExports" => describe::exports(world, request),
        "ListImports" => describe::imports(world, request),
        "GetTemplate" => templates::get(world, request),
        "GetTemplateSummary" => templates::summary(world, request),
        "ValidateTemplate" => templates::validate(world, request),
        "CreateChangeSet" => change_sets::create(world, now, request),
        "DescribeChangeSet" => change_sets::describe(world, request),
        "ExecuteChangeSet" => change_sets::execute(world, now, request),
        "DeleteChangeSet" => change_sets::delete(world, request),
        "ListChangeSets" => change_sets::list(world, request),
        _ => Err(QueryError::unknown_action(action)),
    }
}

/// What a request sets out to make of a stack.
pub(super) fn settings(
    world: &mut World,
    now: f64,
    request: Request<'_>,
    previous: &Settings,
    updating: bool,
) -> Result<Settings, QueryError> {
    settings::read(world, now, request, previous, updating).map(|(settings, _)| settings)
}

/// `Stack with id X does not exist`, which is what most reads say.
fn with_id<'a>(world: &'a World, name: &str) -> Result<&'a Stack, QueryError> {
    world
        .stacks
        .find(name)
        .ok_or_else(|| validation(format!("Stack with id {name} does not exist")))
}

/// `Stack [X] does not exist`, which is what events and writes say.
fn bracketed_stack<'a>(world: &'a World, name: &str) -> Result<&'a Stack, QueryError> {
    world.stacks.find(name).ok_or_else(|| validation(format!("Stack [{name}] does not exist")))
}

/// A stack that a write is meant for; deleted ones can be read only.
fn live_stack<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Stack, QueryError> {
    world
        .stacks
        .find_mut(name)
        .filter(|stack| !stack.is_deleted())
        .ok_or_else(|| validation(format!("Stack [{name}] does not exist")))
}

/// Refuses to carry out an update of a stack that failed half way, unless it may fail so again.
fn goes_on(stack: &Stack, disables_rollback: bool) -> Result<(), QueryError> {
    let is_half = matches!(stack.status.as_str(), "UPDATE_FAILED" | "CREATE_FAILED");
    if !is_half || disables_rollback {
        return Ok(());
    }
    Err(validation(format!(
        "This stack is currently in a non-terminal [{}] state. To update the stack from this state, \
         please use the disable-rollback parameter with update-stack API. To rollback to the last \
         known good state, use the rollback-stack API",
        stack.status
    )))
}

/// Refuses an update of a stack that is not in a state for one.
fn updatable(stack: &Stack) -> Result<(), QueryError> {
    // <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>
    let ready = matches!(
        stack.status.as_str(),
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "UPDATE_FAILED"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
    ) || (stack.status == "CREATE_FAILED" && stack.disable_rollback);
    if ready {
        return Ok(());
    }
    Err(validation(format!(
        "Stack:{} is in {} state and can not be updated.",
        stack.id, stack.status
    )))
}
