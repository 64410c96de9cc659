//! Change sets.

use super::stacks::{apply_on_failure, new_id, start_create, start_update};
use super::{goes_on, settings, updatable};
use crate::cloudformation::change_set::{self, ChangeSet};
use crate::cloudformation::errors::{constraint, validation};
use crate::cloudformation::preview::{self, Change, Detail};
use crate::cloudformation::request::{Request, page};
use crate::cloudformation::stack::{OnFailure, Settings, Stack};
use crate::cloudformation::xml::Xml;
use crate::cloudformation::{events, ids};
use crate::error::QueryError;
use crate::world::World;

/// How long AWS takes to work a change set out.
const WORKING: f64 = 3.0;

const NO_CHANGES: &str = "The submitted information didn't contain changes. Submit different information to create a change set.";

pub(super) fn create(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let name = change_set_name(request)?;
    let stack_name = request.required("StackName")?;
    let creates = match request.get("ChangeSetType") {
        None | Some("UPDATE") => false,
        Some("CREATE") => true,
        Some("IMPORT") => {
            return Err(validation("the sandbox does not support change sets of type IMPORT"));
        }
        Some(other) => {
            return Err(constraint(
                other,
                "changeSetType",
                "Member must satisfy enum value set: [IMPORT, UPDATE, CREATE]",
            ));
        }
    };
    let found = world.stacks.find(stack_name).filter(|stack| !stack.is_deleted()).cloned();
    let stack = match (creates, found) {
        (true, Some(stack)) if stack.status != "REVIEW_IN_PROGRESS" => {
            return Err(validation(format!(
                "Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}]."
            )));
        }
        (true, Some(stack)) => Some(stack),
        (true, None) => {
            request.new_stack_name()?;
            None
        }
        (false, None) => return Err(validation(format!("Stack [{stack_name}] does not exist"))),
        (false, Some(stack)) => {
            updatable(&stack)?;
            Some(stack)
        }
    };
    let on_failure = settings::on_failure(request, "OnStackFailure")?;
    let previous = stack.as_ref().filter(|_| !creates).map(|stack| stack.settings.clone());
    let (settings, _) =
        settings::read(world, now, request, &previous.unwrap_or_default(), !creates)?;
    let fingerprint = ids::digest(&format!(
        "{:?}{creates}",
        (&settings.template, &settings.tags, request.fingerprint())
    ));
    if let Some(same) =
        stack.as_ref().and_then(|stack| stack.change_sets.iter().find(|set| set.name == name))
    {
        return existing(same, &settings, &fingerprint, stack.as_ref());
    }
    let base = match stack {
        Some(stack) => stack,
        None => shell(world, stack_name, now),
    };
    let outcome = preview::changes(world, &base, &settings);
    let is_new = !world.stacks.all.contains_key(&base.id);
    let (changes, verdict) = match outcome {
        // A circle or a missing mapping is refused at once, and no stack is left behind.
        Err(error) if !error.message.starts_with("No export named") => return Err(error),
        Err(error) => (Vec::new(), Some(error.message)),
        Ok(preview) if !preview.differs => (Vec::new(), Some(NO_CHANGES.to_owned())),
        Ok(preview) => (preview.changes, None),
    };
    let uuid = world.next_uuid();
    let id = world.arn("cloudformation", &format!("changeSet/{name}/{uuid}"));
    let set = ChangeSet {
        id: id.clone(),
        name: name.to_owned(),
        description: request.get("Description").map(str::to_owned),
        created: now,
        creates,
        status: "CREATE_IN_PROGRESS".to_owned(),
        reason: None,
        execution: "UNAVAILABLE".to_owned(),
        settings,
        changes,
        on_failure,
        ready_at: Some(now + WORKING),
        verdict,
        fingerprint,
        nested: request.flag("IncludeNestedStacks"),
    };
    let stack_id = base.id.clone();
    let mut stack = world.stacks.all.remove(&stack_id).unwrap_or(base);
    if is_new {
        events::stack(world, &mut stack, now, "REVIEW_IN_PROGRESS", Some("User Initiated"));
    }
    stack.change_sets.push(set);
    world.stacks.all.insert(stack_id.clone(), stack);
    Ok(Xml::new().text("Id", id).text("StackId", stack_id).finish())
}

/// A request of the same name: the same request is answered again, another one refused.
fn existing(
    set: &ChangeSet,
    settings: &Settings,
    fingerprint: &str,
    stack: Option<&Stack>,
) -> Result<String, QueryError> {
    if set.fingerprint == *fingerprint {
        let stack_id = stack.map(|stack| stack.id.clone()).unwrap_or_default();
        return Ok(Xml::new().text("Id", &set.id).text("StackId", stack_id).finish());
    }
    let attribute =
        if set.settings.template == settings.template { "Parameters" } else { "Template" };
    Err(QueryError::new(
        "AlreadyExistsException",
        format!(
            "ChangeSet {} cannot be created due to a mismatch with existing attribute {attribute}",
            set.name
        ),
    ))
}

/// The stack that a change set of type `CREATE` reviews: only a name until it is executed.
fn shell(world: &mut World, name: &str, now: f64) -> Stack {
    let id = new_id(world, name);
    let mut stack = Stack::new(id, name.to_owned(), now);
    "REVIEW_IN_PROGRESS".clone_into(&mut stack.status);
    stack
}

fn change_set_name(request: Request<'_>) -> Result<&str, QueryError> {
    let name = request.required("ChangeSetName")?;
    let valid = name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '-');
    if valid {
        return Ok(name);
    }
    Err(constraint(
        name,
        "changeSetName",
        "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
    ))
}

pub(super) fn not_found(name: &str) -> QueryError {
    let mut error =
        QueryError::new("ChangeSetNotFound", format!("ChangeSet [{name}] does not exist"));
    error.status = 404;
    error
}

/// The stack's id and the change set's of a request that names one.
fn find(world: &World, request: Request<'_>) -> Result<(String, String), QueryError> {
    let name = request.required("ChangeSetName")?;
    if name.starts_with("arn:") {
        let found = world.stacks.all.values().find_map(|stack| {
            let set = stack.change_sets.iter().find(|set| set.id == name)?;
            Some((stack.id.clone(), set.id.clone()))
        });
        return found.ok_or_else(|| not_found(name));
    }
    let stack_name = request.get("StackName").ok_or_else(|| {
        validation("StackName must be specified if ChangeSetName is not specified as an ARN.")
    })?;
    let stack = world
        .stacks
        .find(stack_name)
        .ok_or_else(|| validation(format!("Stack [{stack_name}] does not exist")))?;
    // The newest of that name: an executed one may have a successor.
    let set = stack.change_sets.iter().rev().find(|set| set.name == name);
    set.map(|set| (stack.id.clone(), set.id.clone())).ok_or_else(|| not_found(name))
}

fn get<'a>(
    world: &'a World,
    ids: &(String, String),
) -> Result<(&'a Stack, &'a ChangeSet), QueryError> {
    let stack = world.stacks.all.get(&ids.0).ok_or_else(|| not_found(&ids.1))?;
    let set =
        stack.change_sets.iter().find(|set| set.id == ids.1).ok_or_else(|| not_found(&ids.1))?;
    Ok((stack, set))
}

pub(super) fn describe(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let ids = find(world, request)?;
    let (stack, set) = get(world, &ids)?;
    let values = request.flag("IncludePropertyValues");
    let shown = if set.ready_at.is_some() { Vec::new() } else { set.changes.iter().collect() };
    let (changes, next) = page(shown, request.get("NextToken"), 100)?;
    Ok(Xml::new()
        .text("ChangeSetName", &set.name)
        .text("ChangeSetId", &set.id)
        .text("StackId", &stack.id)
        .text("StackName", &stack.name)
        .optional("Description", set.description.as_ref())
        .list("Parameters", &set.settings.parameters, |xml, (name, parameter)| {
            let resolved = parameter.resolved.as_ref().filter(|_| !parameter.no_echo);
            xml.text("ParameterKey", name)
                .text("ParameterValue", parameter.shown())
                .optional("ResolvedValue", resolved)
        })
        .time("CreationTime", set.created)
        .text("ExecutionStatus", &set.execution)
        .text("Status", &set.status)
        .optional("StatusReason", set.reason.as_ref())
        .texts("NotificationARNs", &set.settings.notification_arns)
        .nest("RollbackConfiguration", |xml| xml)
        .texts("Capabilities", &set.settings.capabilities)
        .list("Tags", &set.settings.tags, |xml, (key, value)| {
            xml.text("Key", key).text("Value", value)
        })
        .list("Changes", changes, |xml, one| change(xml, one, values))
        .flag("IncludeNestedStacks", set.nested)
        .optional("OnStackFailure", request_on_failure(set))
        .optional("NextToken", next)
        .finish())
}

fn request_on_failure(set: &ChangeSet) -> Option<&'static str> {
    set.on_failure.map(|on_failure| match on_failure {
        OnFailure::Rollback => "ROLLBACK",
        OnFailure::Delete => "DELETE",
        OnFailure::DoNothing => "DO_NOTHING",
    })
}

fn change(xml: Xml, change: &Change, values: bool) -> Xml {
    let context = |text: &Option<String>| text.clone().filter(|_| values);
    xml.text("Type", "Resource").nest("ResourceChange", |xml| {
        xml.optional("PolicyAction", change.policy_action.as_ref())
            .text("Action", &change.action)
            .text("LogicalResourceId", &change.logical_id)
            .optional("PhysicalResourceId", change.physical_id.as_ref())
            .text("ResourceType", &change.kind)
            .optional("Replacement", change.replacement.as_ref())
            .texts("Scope", &change.scope)
            .list("Details", &change.details, detail)
            .optional("BeforeContext", context(&change.before))
            .optional("AfterContext", context(&change.after))
    })
}

fn detail(xml: Xml, detail: &Detail) -> Xml {
    xml.nest("Target", |xml| {
        xml.text("Attribute", &detail.attribute)
            .optional("Name", detail.name.as_ref())
            .optional("RequiresRecreation", detail.recreation.as_ref())
    })
    .text("Evaluation", &detail.evaluation)
    .text("ChangeSource", &detail.source)
    .optional("CausingEntity", detail.causing_entity.as_ref())
}

pub(super) fn execute(
    world: &mut World,
    now: f64,
    request: Request<'_>,
) -> Result<String, QueryError> {
    let ids = find(world, request)?;
    let (stack, set) = get(world, &ids)?;
    let set = set.clone();
    if set.status != "CREATE_COMPLETE" {
        return Err(QueryError::new(
            "InvalidChangeSetStatus",
            format!(
                "ChangeSet [{}] cannot be executed in its current status of [{}]",
                set.id, set.status
            ),
        ));
    }
    let token = request.get("ClientRequestToken");
    if set.execution != "AVAILABLE" {
        let own = stack.operation.as_ref().is_some_and(|operation| {
            operation.change_set.as_ref() == Some(&set.id)
                && token.is_some()
                && operation.token.as_deref() == token
        });
        if own {
            return Ok(String::new());
        }
        return Err(QueryError::new(
            "InvalidChangeSetStatus",
            format!(
                "ChangeSet [{}] cannot be executed in its current execution status of [{}]",
                set.id, set.execution
            ),
        ));
    }
    if set.on_failure.is_some() && request.get("DisableRollback").is_some() {
        return Err(validation(
            "DisableRollback cannot be specified when the change set was created with OnStackFailure",
        ));
    }
    if !set.creates {
        updatable(stack)?;
        let disables =
            request.flag("DisableRollback") || set.on_failure == Some(OnFailure::DoNothing);
        goes_on(stack, disables)?;
    }
    let Some(mut stack) = world.stacks.all.remove(&ids.0) else { return Err(not_found(&ids.1)) };
    for one in &mut stack.change_sets {
        if one.id == set.id {
            "EXECUTE_IN_PROGRESS".clone_into(&mut one.execution);
        }
    }
    change_set::obsolete(&mut stack);
    stack.change_set_id = Some(set.id.clone());
    apply_on_failure(&mut stack, set.on_failure, request.flag("DisableRollback"));
    stack.retain_except_on_create = request.flag("RetainExceptOnCreate");
    if set.creates {
        stack.settings = set.settings;
        stack.updated = Some(now);
        start_create(world, &mut stack, now, token);
    } else {
        start_update(world, &mut stack, set.settings, now, token);
    }
    if let Some(operation) = &mut stack.operation {
        operation.change_set = Some(set.id);
    }
    world.stacks.all.insert(ids.0, stack);
    Ok(String::new())
}

pub(super) fn delete(world: &mut World, request: Request<'_>) -> Result<String, QueryError> {
    let ids = match find(world, request) {
        // One that is gone is as good as deleted.
        Err(error) if error.code == "ChangeSetNotFound" => return Ok(String::new()),
        other => other?,
    };
    let (_, set) = get(world, &ids)?;
    if set.execution == "EXECUTE_IN_PROGRESS" || set.ready_at.is_some() {
        let status = if set.ready_at.is_some() { &set.status } else { &set.execution };
        return Err(QueryError::new(
            "InvalidChangeSetStatus",
            format!("ChangeSet [{}] cannot be deleted in its current status of [{status}]", set.id),
        ));
    }
    if let Some(stack) = world.stacks.all.get_mut(&ids.0) {
        stack.change_sets.retain(|set| set.id != ids.1);
    }
    Ok(String::new())
}

pub(super) fn list(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let name = request.required("StackName")?;
    let stack = world
        .stacks
        .find(name)
        .ok_or_else(|| validation(format!("Stack [{name}] does not exist")))?;
    // Executed and outdated ones can still be described, but are not listed any more.
    let open: Vec<&ChangeSet> = stack
        .change_sets
        .iter()
        .filter(|set| matches!(set.execution.as_str(), "AVAILABLE" | "UNAVAILABLE"))
        .collect();
    let (sets, next) = page(open, request.get("NextToken"), 100)?;
    Ok(Xml::new()
        .list("Summaries", sets, |xml, set| {
            xml.text("StackId", &stack.id)
                .text("StackName", &stack.name)
                .text("ChangeSetId", &set.id)
                .text("ChangeSetName", &set.name)
                .text("ExecutionStatus", &set.execution)
                .text("Status", &set.status)
                .optional("StatusReason", set.reason.as_ref())
                .time("CreationTime", set.created)
                .optional("Description", set.description.as_ref())
                .flag("IncludeNestedStacks", set.nested)
        })
        .optional("NextToken", next)
        .finish())
}
