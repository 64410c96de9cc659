//! What a part of a template refers to, without evaluating it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::errors::{template_error, validation};
use super::substitution::{Piece, pieces};
use crate::error::QueryError;

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    /// `Ref` or `${Name}`: a parameter, a pseudo parameter or a resource.
    Name(String),
    /// `Fn::GetAtt` or `${Resource.Attribute}`; an attribute that is computed is empty.
    Attribute { resource: String, attribute: String, by_sub: bool },
    /// The condition of an `Fn::If`.
    Condition(String),
}

/// The only member of an object, which is how a function is written.
pub(super) fn function(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    if members.len() != 1 {
        return None;
    }
    members.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

/// Finds every reference in a value.
///
/// With `conditions`, only in the branches that an `Fn::If` takes.
pub(super) fn collect(
    value: &Value,
    conditions: Option<&BTreeMap<String, bool>>,
    found: &mut Vec<Reference>,
) -> Result<(), QueryError> {
    match (function(value), value) {
        (Some(("Ref", argument)), _) => {
            let name = argument.as_str().ok_or_else(|| {
                template_error("every Ref object must have a single String value.")
            })?;
            found.push(Reference::Name(name.to_owned()));
            Ok(())
        }
        (Some(("Fn::GetAtt", argument)), _) => attribute(argument, conditions, found),
        (Some(("Fn::Sub", argument)), _) => substitution(argument, conditions, found),
        (Some(("Fn::If", argument)), _) => choice(argument, conditions, found),
        (Some(("Fn::Transform", argument)), _) => Err(transform(argument)),
        (_, Value::Object(members)) => {
            members.values().try_for_each(|member| collect(member, conditions, found))
        }
        (_, Value::Array(items)) => {
            items.iter().try_for_each(|item| collect(item, conditions, found))
        }
        _ => Ok(()),
    }
}

/// The resource and the attribute of an `Fn::GetAtt`, in either form.
pub(super) fn attribute_of(argument: &Value) -> Result<(&str, &Value), QueryError> {
    let refusal = || {
        template_error(
            "every Fn::GetAtt object requires two non-empty parameters, the resource name and the \
             resource attribute",
        )
    };
    match argument.as_array().map(Vec::as_slice) {
        Some([Value::String(resource), attribute])
            if !resource.is_empty() && attribute.as_str() != Some("") =>
        {
            Ok((resource, attribute))
        }
        _ => Err(refusal()),
    }
}

/// The second argument of an `Fn::Sub`.
type Variables = serde_json::Map<String, Value>;

/// The text and the variables of an `Fn::Sub`.
pub(super) fn sub_of(argument: &Value) -> Result<(&str, Option<&Variables>), QueryError> {
    match argument {
        Value::String(text) => Ok((text, None)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text), Value::Object(variables)] => Ok((text, Some(variables))),
            _ => Err(sub_refusal()),
        },
        _ => Err(sub_refusal()),
    }
}

fn sub_refusal() -> QueryError {
    template_error(
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a \
         string as first argument, and an optional second argument to specify a mapping of values \
         to replace in the string",
    )
}

pub(super) fn if_of(argument: &Value) -> Result<(&str, &Value, &Value), QueryError> {
    match argument.as_array().map(Vec::as_slice) {
        Some([Value::String(condition), yes, no]) => Ok((condition, yes, no)),
        Some([_, _, _]) => {
            Err(template_error("Fn::If first argument must be a String naming a condition"))
        }
        _ => Err(template_error("Fn::If requires a list argument with three elements")),
    }
}

fn attribute(
    argument: &Value,
    conditions: Option<&BTreeMap<String, bool>>,
    found: &mut Vec<Reference>,
) -> Result<(), QueryError> {
    let (resource, attribute) = attribute_of(argument)?;
    collect(attribute, conditions, found)?;
    found.push(Reference::Attribute {
        resource: resource.to_owned(),
        attribute: attribute.as_str().unwrap_or_default().to_owned(),
        by_sub: false,
    });
    Ok(())
}

fn substitution(
    argument: &Value,
    conditions: Option<&BTreeMap<String, bool>>,
    found: &mut Vec<Reference>,
) -> Result<(), QueryError> {
    let (text, variables) = sub_of(argument)?;
    for value in variables.into_iter().flat_map(|variables| variables.values()) {
        collect(value, conditions, found)?;
    }
    for piece in pieces(text)? {
        let Piece::Variable(name) = piece else { continue };
        if variables.is_some_and(|variables| variables.contains_key(name)) {
            continue;
        }
        found.push(match name.split_once('.') {
            Some((resource, attribute)) => Reference::Attribute {
                resource: resource.to_owned(),
                attribute: attribute.to_owned(),
                by_sub: true,
            },
            None => Reference::Name(name.to_owned()),
        });
    }
    Ok(())
}

fn choice(
    argument: &Value,
    conditions: Option<&BTreeMap<String, bool>>,
    found: &mut Vec<Reference>,
) -> Result<(), QueryError> {
    let (condition, yes, no) = if_of(argument)?;
    found.push(Reference::Condition(condition.to_owned()));
    match conditions.and_then(|known| known.get(condition)) {
        Some(true) => collect(yes, conditions, found),
        Some(false) => collect(no, conditions, found),
        None => {
            collect(yes, conditions, found)?;
            collect(no, conditions, found)
        }
    }
}

/// The refusal of a macro: the sandbox runs none, and has no object to include.
pub(super) fn transform(argument: &Value) -> QueryError {
    match argument["Name"].as_str().or_else(|| argument.as_str()) {
        Some("AWS::Include") => validation(
            "Transform AWS::Include failed with: The specified S3 object's content cannot be read: \
             the sandbox does not support AWS::Include",
        ),
        Some(name) => validation(format!("No transform named {name} found.")),
        None => validation("Key Name of transform definition must be a string."),
    }
}
