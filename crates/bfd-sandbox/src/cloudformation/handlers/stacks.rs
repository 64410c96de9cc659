//! Creating, changing and deleting stacks.

use std::collections::BTreeSet;

use super::settings::{self, on_failure};
use super::{bracketed_stack, goes_on, live_stack, updatable};
use crate::cloudformation::engine::PAUSE;
use crate::cloudformation::errors::{bracketed, constraint, validation};
use crate::cloudformation::evaluation::Prepared;
use crate::cloudformation::operation::{Kind, Operation, Phase};
use crate::cloudformation::request::{Request, document};
use crate::cloudformation::stack::{OnFailure, Remembered, Settings, Stack};
use crate::cloudformation::xml::Xml;
use crate::cloudformation::{change_set, events, preview, settle, tasks};
use crate::error::QueryError;
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.new_stack_name()?;
    if let Some(answer) = repeated(world, "CreateStack", name, request)? {
        return Ok(answer);
    }
    let shell = world.stacks.find(name).map(|stack| (stack.id.clone(), stack.status.clone()));
    if shell.as_ref().is_some_and(|(_, status)| status != "REVIEW_IN_PROGRESS") {
        return Err(QueryError::new(
            "AlreadyExistsException",
            format!("Stack [{name}] already exists"),
        ));
    }
    let on_failure = on_failure(request, "OnFailure")?;
    if on_failure.is_some() && request.get("DisableRollback").is_some() {
        return Err(validation("Either DisableRollback or OnFailure can be specified, not both."));
    }
    let (settings, _) = settings::read(world, now, request, &Settings::default(), false)?;
    let id = match shell {
        Some((id, _)) => id,
        None => new_id(world, name),
    };
    // Cycles and dead conditions are refused before there is a stack.
    Prepared::new(world, &id, name, &settings)?;
    let mut stack = world
        .stacks
        .all
        .remove(&id)
        .unwrap_or_else(|| Stack::new(id.clone(), name.to_owned(), now));
    stack.settings = settings;
    stack.on_failure = on_failure.unwrap_or_default();
    stack.disable_rollback = request.flag("DisableRollback");
    stack.retain_except_on_create = request.flag("RetainExceptOnCreate");
    stack.timeout_minutes = request.get("TimeoutInMinutes").and_then(|text| text.parse().ok());
    stack.termination_protection = request.flag("EnableTerminationProtection");
    stack.policy = request.get("StackPolicyBody").map(str::to_owned);
    change_set::obsolete(&mut stack);
    start_create(world, &mut stack, now, request.get("ClientRequestToken"));
    world.stacks.all.insert(id.clone(), stack);
    Ok(remember(world, "CreateStack", name, request, stack_id(&id)))
}

/// Begins to create a stack as its settings say.
pub(in crate::cloudformation) fn start_create(
    world: &mut World,
    stack: &mut Stack,
    now: f64,
    token: Option<&str>,
) {
    let mut operation = Operation::new(Kind::Create, Phase::Deploy, now + PAUSE, token);
    operation.deadline = stack.timeout_minutes.map(|minutes| now + 60.0 * f64::from(minutes));
    stack.operation = Some(operation);
    events::stack(world, stack, now, "CREATE_IN_PROGRESS", Some("User Initiated"));
}

pub(super) fn update(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    if let Some(answer) = repeated(world, "UpdateStack", name, request)? {
        return Ok(answer);
    }
    let stack = bracketed_stack(world, name)?.clone();
    if stack.is_deleted() {
        return Err(validation(format!("Stack [{name}] does not exist")));
    }
    updatable(&stack)?;
    goes_on(&stack, request.flag("DisableRollback"))?;
    let (settings, _) = settings::read(world, now, request, &stack.settings, true)?;
    let preview = preview::changes(world, &stack, &settings)?;
    // After a failed update there is always something to do.
    if !preview.differs && !stack.status.ends_with("_FAILED") {
        return Err(validation("No updates are to be performed."));
    }
    let id = stack.id;
    let Some(mut stack) = world.stacks.all.remove(&id) else {
        return Err(validation(format!("Stack [{name}] does not exist")));
    };
    if let Some(policy) = request.get("StackPolicyBody") {
        stack.policy = Some(policy.to_owned());
    }
    stack.disable_rollback = request.flag("DisableRollback");
    stack.retain_except_on_create = request.flag("RetainExceptOnCreate");
    change_set::obsolete(&mut stack);
    start_update(world, &mut stack, settings, now, request.get("ClientRequestToken"));
    world.stacks.all.insert(id.clone(), stack);
    Ok(remember(world, "UpdateStack", name, request, stack_id(&id)))
}

/// Begins to make a stack what the settings say.
pub(in crate::cloudformation) fn start_update(
    world: &mut World,
    stack: &mut Stack,
    settings: Settings,
    now: f64,
    token: Option<&str>,
) {
    let mut operation = Operation::new(Kind::Update, Phase::Deploy, now + PAUSE, token);
    operation.previous_status.clone_from(&stack.status);
    match stack.operation.take() {
        // What to go back to is what was before the update that failed.
        Some(paused) if paused.kind == Kind::Update => {
            operation.previous = paused.previous;
            operation.before = paused.before;
            operation.doomed = paused.doomed;
        }
        _ => {
            operation.previous = Some(stack.settings.clone());
        }
    }
    stack.operation = Some(operation);
    stack.settings = settings;
    stack.updated = Some(now);
    events::stack(world, stack, now, "UPDATE_IN_PROGRESS", Some("User Initiated"));
}

pub(super) fn delete(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    // A stack that is not there is as good as deleted.
    let Some(stack) = world.stacks.find(name).filter(|stack| !stack.is_deleted()) else {
        return Ok(String::new());
    };
    let skip: BTreeSet<String> =
        request.texts("RetainResources").unwrap_or_default().into_iter().collect();
    let id = stack.id.clone();
    match stack.status.as_str() {
        // A repeated request changes nothing.
        "DELETE_IN_PROGRESS" => return Ok(String::new()),
        status
            if status.ends_with("_IN_PROGRESS")
                && !matches!(
                    status,
                    "CREATE_IN_PROGRESS" | "REVIEW_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS"
                ) =>
        {
            return Err(validation(format!(
                "Stack [{name}] cannot be deleted while in status {status}"
            )));
        }
        _ => {}
    }
    if is_protected(world, stack) {
        return Err(validation(format!(
            "Stack [{}] cannot be deleted while TerminationProtection is enabled",
            stack.name
        )));
    }
    if !skip.is_empty() && stack.status != "DELETE_FAILED" {
        return Err(validation(format!(
            "Invalid operation on stack [{id}]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state."
        )));
    }
    let mode = request.get("DeletionMode");
    match mode {
        None | Some("STANDARD") => {}
        Some("FORCE_DELETE_STACK") if stack.status == "DELETE_FAILED" => {}
        Some("FORCE_DELETE_STACK") => {
            return Err(validation(format!(
                "Invalid operation on stack [{id}]. When you delete a stack, specify FORCE_DELETE_STACK only when the stack is in the DELETE_FAILED state."
            )));
        }
        Some(other) => {
            return Err(constraint(
                other,
                "deletionMode",
                "Member must satisfy enum value set: [FORCE_DELETE_STACK, STANDARD]",
            ));
        }
    }
    let unknown: Vec<&str> = skip
        .iter()
        .filter(|logical_id| {
            stack
                .resources
                .get(*logical_id)
                .is_none_or(|resource| resource.status != "DELETE_FAILED")
        })
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(validation(format!(
            "The following resources to retain are not in a valid state: {}",
            bracketed(unknown)
        )));
    }
    let Some(mut stack) = world.stacks.all.remove(&id) else { return Ok(String::new()) };
    if stack.operation.is_some() {
        tasks::cancel(&mut stack, now);
    }
    let token = request.get("ClientRequestToken");
    let mut operation = Operation::new(Kind::Delete, Phase::Delete, now + PAUSE, token);
    operation.skip = skip;
    operation.force = mode == Some("FORCE_DELETE_STACK");
    operation.previous_status.clone_from(&stack.status);
    stack.deletion_mode = mode.map(str::to_owned);
    stack.operation = Some(operation);
    change_set::obsolete(&mut stack);
    events::stack(world, &mut stack, now, "DELETE_IN_PROGRESS", Some("User Initiated"));
    world.stacks.all.insert(id, stack);
    Ok(String::new())
}

pub(super) fn cancel_update(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let stack = live_stack(world, name)?;
    if stack.status != "UPDATE_IN_PROGRESS" {
        return Err(validation("CancelUpdateStack cannot be called from current stack status"));
    }
    let id = stack.id.clone();
    let Some(mut stack) = world.stacks.all.remove(&id) else { return Ok(String::new()) };
    tasks::cancel(&mut stack, now);
    settle::start_update_rollback(world, &mut stack, now, "User Initiated");
    world.stacks.all.insert(id, stack);
    Ok(String::new())
}

pub(super) fn continue_rollback(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let skip: BTreeSet<String> =
        request.texts("ResourcesToSkip").unwrap_or_default().into_iter().collect();
    let stack = live_stack(world, name)?;
    if stack.status != "UPDATE_ROLLBACK_FAILED" {
        return Err(validation(format!(
            "Stack:{} is in {} state and can not continue rollback.",
            stack.id, stack.status
        )));
    }
    let failed: BTreeSet<String> =
        stack.operation.as_ref().map(Operation::failed).unwrap_or_default();
    if let Some(other) = skip.iter().find(|logical_id| !failed.contains(*logical_id)) {
        return Err(validation(format!(
            "ResourcesToSkip can only contain resources that failed to roll back: {other}"
        )));
    }
    resume(world, now, name, skip, request.get("ClientRequestToken"))?;
    Ok(String::new())
}

/// `RollbackStack`: what `DisableRollback` left undone.
pub(super) fn rollback(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let stack = live_stack(world, name)?;
    let id = stack.id.clone();
    match stack.status.as_str() {
        "UPDATE_FAILED" => {
            resume(world, now, name, BTreeSet::new(), request.get("ClientRequestToken"))?;
        }
        "CREATE_FAILED" => {
            let Some(mut stack) = world.stacks.all.remove(&id) else { return Ok(String::new()) };
            let token = request.get("ClientRequestToken");
            stack.operation =
                Some(Operation::new(Kind::Create, Phase::Rollback, now + PAUSE, token));
            events::stack(world, &mut stack, now, "ROLLBACK_IN_PROGRESS", Some("User Initiated"));
            world.stacks.all.insert(id.clone(), stack);
        }
        status => {
            return Err(validation(format!(
                "Stack:{id} is in {status} state and can not be rolled back."
            )));
        }
    }
    Ok(stack_id(&id))
}

fn resume(
    world: &mut World,
    now: f64,
    name: &str,
    skip: BTreeSet<String>,
    token: Option<&str>,
) -> Result<(), QueryError> {
    let id = live_stack(world, name)?.id.clone();
    if let Some(mut stack) = world.stacks.all.remove(&id) {
        if let Some(operation) = &mut stack.operation {
            operation.skip = skip;
            operation.token = token.map(str::to_owned);
        }
        settle::start_update_rollback(world, &mut stack, now, "User Initiated");
        world.stacks.all.insert(id, stack);
    }
    Ok(())
}

pub(super) fn protect(world: &mut World, request: Request<'_>) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    request.required("EnableTerminationProtection")?;
    let stack = live_stack(world, name)?;
    if let Some(root) = &stack.root_id {
        return Err(validation(format!(
            "TerminationProtection cannot be updated on nested stack [{}]. It is that of the root stack [{root}].",
            stack.id
        )));
    }
    stack.termination_protection = request.flag("EnableTerminationProtection");
    Ok(stack_id(&stack.id))
}

pub(super) fn set_policy(world: &mut World, request: Request<'_>) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let body = match (request.get("StackPolicyBody"), request.get("StackPolicyURL")) {
        (Some(body), None) => body.to_owned(),
        (None, Some(url)) => document(world, url, "StackPolicyURL")?,
        _ => {
            return Err(validation(
                "You must specify either the StackPolicyBody or the StackPolicyURL, but not both.",
            ));
        }
    };
    if serde_json::from_str::<serde_json::Value>(&body).is_err() {
        return Err(validation("Error validating stack policy: Invalid stack policy"));
    }
    live_stack(world, name)?.policy = Some(body);
    Ok(String::new())
}

pub(super) fn get_policy(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let stack = bracketed_stack(world, request.required("StackName")?)?;
    Ok(Xml::new().optional("StackPolicyBody", stack.policy.as_ref()).finish())
}

/// Whether a stack, or for a nested one its root, may not be deleted.
pub(super) fn is_protected(world: &World, stack: &Stack) -> bool {
    let root = stack.root_id.as_ref().and_then(|root| world.stacks.all.get(root));
    root.unwrap_or(stack).termination_protection
}

/// A new stack's ARN.
pub(in crate::cloudformation) fn new_id(world: &mut World, name: &str) -> String {
    let uuid = world.next_uuid();
    world.arn("cloudformation", &format!("stack/{name}/{uuid}"))
}

pub(super) fn stack_id(id: &str) -> String {
    Xml::new().text("StackId", id).finish()
}

/// The answer to a request that has been made before, by its token.
fn repeated(
    world: &World,
    action: &str,
    name: &str,
    request: Request<'_>,
) -> Result<Option<String>, QueryError> {
    let Some(token) = request.get("ClientRequestToken") else { return Ok(None) };
    match world.stacks.tokens.get(&format!("{action}/{name}/{token}")) {
        None => Ok(None),
        Some(known) if known.fingerprint == request.fingerprint() => Ok(Some(known.answer.clone())),
        Some(_) => Err(QueryError::new(
            "TokenAlreadyExistsException",
            format!("Token {token} already exists"),
        )),
    }
}

fn remember(
    world: &mut World,
    action: &str,
    name: &str,
    request: Request<'_>,
    answer: String,
) -> String {
    if let Some(token) = request.get("ClientRequestToken") {
        let known = Remembered { fingerprint: request.fingerprint(), answer: answer.clone() };
        world.stacks.tokens.insert(format!("{action}/{name}/{token}"), known);
    }
    answer
}

/// What a change set's creation leads to when it fails.
pub(super) fn apply_on_failure(stack: &mut Stack, on_failure: Option<OnFailure>, disable: bool) {
    stack.on_failure = on_failure.unwrap_or_default();
    stack.disable_rollback = disable || on_failure == Some(OnFailure::DoNothing);
}
