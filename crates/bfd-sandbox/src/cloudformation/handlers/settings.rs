//! From a request to what an operation sets out to do.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cloudformation::errors::{bracketed, validation};
use crate::cloudformation::evaluation::{open, seal};
use crate::cloudformation::intrinsics::Pseudo;
use crate::cloudformation::parameters::{self, Parameter, Stored};
use crate::cloudformation::registry::{IamName, needs_iam_capability};
use crate::cloudformation::request::Request;
use crate::cloudformation::rules;
use crate::cloudformation::stack::{OnFailure, Settings};
use crate::cloudformation::template::{self, Template};
use crate::error::QueryError;
use crate::ssm;
use crate::world::World;

/// Reads template, parameters, tags and the rest, over what the stack has.
pub(super) fn read(
    world: &mut World,
    now: f64,
    request: Request<'_>,
    previous: &Settings,
    updating: bool,
) -> Result<(Settings, Template), QueryError> {
    let body = match request.template_body(world)? {
        Some(_) if request.flag("UsePreviousTemplate") => {
            return Err(validation(
                "You cannot specify both usePreviousTemplate and Template Body/Template URL.",
            ));
        }
        Some(body) => body,
        None if updating && request.flag("UsePreviousTemplate") => previous.template.clone(),
        None => {
            return Err(validation("Either Template URL or Template Body must be specified."));
        }
    };
    if let Some(arn) = request.get("RoleARN") {
        check_role(world, arn)?;
    }
    let template = template::parse(&body)?;
    let capabilities = capabilities(request)?;
    check_capabilities(&template, &capabilities)?;
    check_resource_types(&template, request)?;
    let given = request.parameters()?;
    let current = open(world, &previous.parameters);
    let resolved = parameters::resolve(&template.parameters, &given, &current, &mut |name| {
        stored(world, now, name)
    })?;
    let pseudo = Pseudo {
        account: world.account.clone(),
        region: world.region.clone(),
        ..Pseudo::default()
    };
    rules::check(&template, &resolved, &pseudo)?;
    let settings = Settings {
        template: body,
        description: template.description.clone(),
        parameters: keep_seals(world, resolved, previous),
        tags: request.tags()?.unwrap_or_else(|| previous.tags.clone()),
        notification_arns: request
            .texts("NotificationARNs")
            .unwrap_or_else(|| previous.notification_arns.clone()),
        capabilities,
        role_arn: request.get("RoleARN").map(str::to_owned).or_else(|| previous.role_arn.clone()),
    };
    Ok((settings, template))
}

/// The role that a stack is to be made with has to be one for `CloudFormation`.
fn check_role(world: &World, arn: &str) -> Result<(), QueryError> {
    let is_usable = world
        .roles
        .find(arn)
        .is_some_and(|(_, role)| role.trusts_service("cloudformation.amazonaws.com"));
    if is_usable {
        return Ok(());
    }
    Err(validation(format!("Role {arn} is invalid or cannot be assumed")))
}

/// Seals secrets anew only where they differ, so that equal settings stay equal.
fn keep_seals(
    world: &mut World,
    resolved: BTreeMap<String, Parameter>,
    previous: &Settings,
) -> BTreeMap<String, Parameter> {
    let current = open(world, &previous.parameters);
    let (same, different): (BTreeMap<_, _>, BTreeMap<_, _>) =
        resolved.into_iter().partition(|(name, parameter)| current.get(name) == Some(parameter));
    let mut kept = seal(world, different);
    for name in same.keys() {
        kept.insert(name.clone(), previous.parameters[name].clone());
    }
    kept
}

/// What an SSM parameter holds now.
fn stored(world: &mut World, now: f64, name: &str) -> Stored {
    let Ok(answer) = ssm::handle(world, now, "GetParameter", &json!({ "Name": name })) else {
        return Stored::Missing;
    };
    let parameter = &answer["Parameter"];
    if parameter["Type"] == "SecureString" {
        return Stored::Secure;
    }
    parameter["Value"].as_str().map_or(Stored::Missing, |value| Stored::Value(value.to_owned()))
}

fn capabilities(request: Request<'_>) -> Result<Vec<String>, QueryError> {
    const KNOWN: [&str; 3] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
    let given = request.texts("Capabilities").unwrap_or_default();
    if given.iter().all(|capability| KNOWN.contains(&capability.as_str())) {
        return Ok(given);
    }
    Err(validation(format!(
        "1 validation error detected: Value '{}' at 'capabilities' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [CAPABILITY_NAMED_IAM, CAPABILITY_AUTO_EXPAND, CAPABILITY_IAM]]",
        bracketed(given.iter().map(String::as_str))
    )))
}

/// The capabilities that a template asks for, and why.
pub(super) fn required_capabilities(template: &Template) -> Option<(&'static str, String)> {
    let mut kinds: Vec<&str> = Vec::new();
    let mut named = false;
    for resource in template.resources.values() {
        if let Some(IamName(name)) = needs_iam_capability(&resource.kind) {
            kinds.push(&resource.kind);
            named |= name.is_some_and(|name| !resource.properties[name].is_null());
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return None;
    }
    let reason = format!("The following resource(s) require capabilities: {}", bracketed(kinds));
    Some((if named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" }, reason))
}

fn check_capabilities(template: &Template, given: &[String]) -> Result<(), QueryError> {
    let Some((required, _)) = required_capabilities(template) else { return Ok(()) };
    let enough = given
        .iter()
        .any(|capability| capability == "CAPABILITY_NAMED_IAM" || capability == required);
    if enough {
        return Ok(());
    }
    Err(QueryError::new(
        "InsufficientCapabilitiesException",
        format!("Requires capabilities : [{required}]"),
    ))
}

fn check_resource_types(template: &Template, request: Request<'_>) -> Result<(), QueryError> {
    let Some(allowed) = request.texts("ResourceTypes").filter(|allowed| !allowed.is_empty()) else {
        return Ok(());
    };
    let refused = template.resources.values().find(|resource| {
        !allowed.iter().any(|pattern| {
            pattern == "*"
                || *pattern == resource.kind
                || pattern
                    .strip_suffix("::*")
                    .is_some_and(|prefix| resource.kind.starts_with(&format!("{prefix}::")))
        })
    });
    match refused {
        None => Ok(()),
        Some(resource) => Err(validation(format!(
            "Resource type {} is not allowed by parameter ResourceTypes {}",
            resource.kind,
            bracketed(allowed.iter().map(String::as_str))
        ))),
    }
}

/// `OnFailure` or `OnStackFailure`.
pub(super) fn on_failure(
    request: Request<'_>,
    member: &str,
) -> Result<Option<OnFailure>, QueryError> {
    match request.get(member) {
        None => Ok(None),
        Some("ROLLBACK") => Ok(Some(OnFailure::Rollback)),
        Some("DELETE") => Ok(Some(OnFailure::Delete)),
        Some("DO_NOTHING") => Ok(Some(OnFailure::DoNothing)),
        Some(other) => Err(validation(format!(
            "1 validation error detected: Value '{other}' at '{}' failed to satisfy constraint: Member must satisfy enum value set: [ROLLBACK, DELETE, DO_NOTHING]",
            if member == "OnFailure" { "onFailure" } else { "onStackFailure" }
        ))),
    }
}
