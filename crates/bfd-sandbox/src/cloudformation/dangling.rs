//! References in a template that lead nowhere.

use std::collections::BTreeSet;

use serde_json::Value;

use super::errors::{bracketed, template_error, template_format};
use super::intrinsics::is_pseudo;
use super::references::{self, Reference};
use super::registry;
use super::template::Template;
use crate::error::QueryError;

/// Everything that refers to nothing.
pub(super) fn check(template: &Template) -> Result<(), QueryError> {
    for condition in template.conditions.values() {
        check_condition(template, condition)?;
    }
    let mut missing = BTreeSet::new();
    for resource in template.resources.values() {
        check_condition_exists(template, resource.condition.as_deref(), "Resources")?;
        missing.extend(
            resource.depends_on.iter().filter(|on| !template.resources.contains_key(*on)).cloned(),
        );
        missing.extend(check_references(template, &resource.properties)?);
        if let Some(metadata) = &resource.metadata {
            missing.extend(check_references(template, metadata)?);
        }
    }
    unresolved(&missing, "Resources")?;
    missing.clear();
    for output in template.outputs.values() {
        check_condition_exists(template, output.condition.as_deref(), "Outputs")?;
        missing.extend(check_references(template, &output.value)?);
        if let Some(export) = &output.export {
            missing.extend(check_references(template, export)?);
        }
    }
    unresolved(&missing, "Outputs")
}

pub(super) fn unresolved(missing: &BTreeSet<String>, block: &str) -> Result<(), QueryError> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(template_format(format!(
        "Unresolved resource dependencies {} in the {block} block of the template",
        bracketed(missing.iter().map(String::as_str))
    )))
}

fn check_condition_exists(
    template: &Template,
    condition: Option<&str>,
    block: &str,
) -> Result<(), QueryError> {
    match condition {
        Some(name) if !template.conditions.contains_key(name) => Err(template_format(format!(
            "Unresolved condition dependency {name} in the {block} block of the template"
        ))),
        _ => Ok(()),
    }
}

fn check_condition(template: &Template, value: &Value) -> Result<(), QueryError> {
    let mut found = Vec::new();
    references::collect(value, None, &mut found)?;
    let mut resources = BTreeSet::new();
    for reference in found {
        match reference {
            Reference::Name(name) if is_known_value(template, &name) => {}
            Reference::Name(name) => {
                resources.insert(name);
            }
            Reference::Attribute { resource, .. } => {
                resources.insert(resource);
            }
            Reference::Condition(other) => known_condition(template, &other)?,
        }
    }
    if resources.is_empty() {
        return Ok(());
    }
    Err(template_format(format!(
        "Unresolved dependencies {}. Cannot reference resources in the Conditions block of the template",
        bracketed(resources.iter().map(String::as_str))
    )))
}

fn known_condition(template: &Template, name: &str) -> Result<(), QueryError> {
    if template.conditions.contains_key(name) {
        return Ok(());
    }
    Err(template_error(format!("unresolved condition dependency {name} in Fn::If")))
}

fn is_known_value(template: &Template, name: &str) -> bool {
    template.parameters.contains_key(name) || is_pseudo(name)
}

/// The names that neither a resource nor a parameter has.
fn check_references(template: &Template, value: &Value) -> Result<BTreeSet<String>, QueryError> {
    let mut found = Vec::new();
    references::collect(value, None, &mut found)?;
    let mut missing = BTreeSet::new();
    for reference in found {
        match reference {
            Reference::Name(name) => {
                if !is_known_value(template, &name) && !template.resources.contains_key(&name) {
                    missing.insert(name);
                }
            }
            Reference::Condition(name) => known_condition(template, &name)?,
            Reference::Attribute { resource, attribute, by_sub } => {
                check_attribute(template, &resource, &attribute, by_sub)?;
            }
        }
    }
    Ok(missing)
}

fn check_attribute(
    template: &Template,
    resource: &str,
    attribute: &str,
    by_sub: bool,
) -> Result<(), QueryError> {
    let Some(declared) = template.resources.get(resource) else {
        return Err(template_error(if by_sub {
            format!(
                "instance of Fn::Sub references invalid resource attribute {resource}.{attribute}"
            )
        } else {
            format!("instance of Fn::GetAtt references undefined resource {resource}")
        }));
    };
    let known = registry::find(&declared.kind)
        .is_none_or(|kind| kind.open || attribute.is_empty() || has_attribute(&kind, attribute));
    if known {
        return Ok(());
    }
    Err(template_error(format!(
        "resource {resource} does not support attribute type {attribute} in Fn::GetAtt"
    )))
}

fn has_attribute(kind: &registry::Type, attribute: &str) -> bool {
    kind.attributes.iter().any(|known| {
        *known == attribute
            || known.strip_prefix(attribute).is_some_and(|rest| rest.starts_with('.'))
            || attribute.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))
    })
}
