//! The `Conditions` section.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::errors;
use super::intrinsics::{Pseudo, Scope};
use super::parameters::Parameter;
use super::references::{function, if_of};
use super::template::Template;
use crate::error::QueryError;

/// Evaluates the `Conditions` section.
pub(super) fn settle(
    template: &Template,
    parameters: &BTreeMap<String, Parameter>,
    pseudo: &Pseudo,
) -> Result<BTreeMap<String, bool>, QueryError> {
    let exports = BTreeMap::new();
    let mut settled: BTreeMap<String, bool> = BTreeMap::new();
    // Each round settles at least one condition, or what is left goes round in circles.
    while settled.len() < template.conditions.len() {
        let mut progress = false;
        for (name, value) in &template.conditions {
            if settled.contains_key(name)
                || !needs(value).is_subset(&settled.keys().cloned().collect())
            {
                continue;
            }
            let scope = Scope {
                template,
                parameters,
                conditions: &settled,
                pseudo,
                exports: &exports,
                resource: &|_, _| None,
                imported: RefCell::default(),
            };
            let value = scope.operand(value)?;
            settled.insert(name.clone(), value);
            progress = true;
        }
        if !progress {
            let left: Vec<&str> = template
                .conditions
                .keys()
                .filter(|name| !settled.contains_key(*name))
                .map(String::as_str)
                .collect();
            let missing = left
                .iter()
                .flat_map(|name| needs(&template.conditions[*name]))
                .find(|need| !template.conditions.contains_key(need));
            return Err(match missing {
                Some(name) => errors::template_format(format!(
                    "Unresolved condition dependency {name} in the Conditions block of the template"
                )),
                None => errors::template_format(format!(
                    "Circular dependency between conditions: {}",
                    errors::bracketed(left)
                )),
            });
        }
    }
    Ok(settled)
}

/// The conditions that a condition is made of.
fn needs(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(("Condition", Value::String(name))) = function(value) {
        names.insert(name.clone());
    }
    match value {
        Value::Object(members) => members.values().for_each(|member| names.extend(needs(member))),
        Value::Array(items) => items.iter().for_each(|item| names.extend(needs(item))),
        _ => {}
    }
    if let Some(("Fn::If", argument)) = function(value) {
        names.extend(if_of(argument).ok().map(|(name, _, _)| name.to_owned()));
    }
    names
}
