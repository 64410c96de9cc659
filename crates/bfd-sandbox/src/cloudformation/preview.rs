//! What a new template and new values would change, without changing it.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors::{bracketed, validation};
use super::evaluation::{Prepared, lookup, open, open_properties};
use super::intrinsics::KNOWN_AFTER_APPLY;
use super::references::{self, Reference};
use super::stack::{Resource, Settings, Stack};
use super::template::{Policy, Template};
use super::{difference, nested, registry, template};
use crate::error::QueryError;
use crate::world::World;

/// One resource's change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// `Add`, `Modify` or `Remove`.
    pub(super) action: String,
    pub(super) logical_id: String,
    pub(super) physical_id: Option<String>,
    pub(super) kind: String,
    /// `True`, `False` or `Conditional`; only of a `Modify`.
    pub(super) replacement: Option<String>,
    pub(super) policy_action: Option<String>,
    pub(super) scope: Vec<String>,
    pub(super) details: Vec<Detail>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// Why a property changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail {
    pub(super) attribute: String,
    pub(super) name: Option<String>,
    /// `Never`, `Conditionally` or `Always`.
    pub(super) recreation: Option<String>,
    /// `Static` or `Dynamic`.
    pub(super) evaluation: String,
    pub(super) source: String,
    pub(super) causing_entity: Option<String>,
}

/// The changes, and whether anything at all would be different.
#[derive(Clone, Debug)]
pub(super) struct Preview {
    pub(super) changes: Vec<Change>,
    pub(super) differs: bool,
}

/// Compares a stack with what it is to become.
pub(super) fn changes(
    world: &World,
    stack: &Stack,
    settings: &Settings,
) -> Result<Preview, QueryError> {
    let prepared = Prepared::new(world, &stack.id, &stack.name, settings)?;
    same_types(stack, &prepared.template)?;
    let old_template = template::parse(&stack.settings.template).unwrap_or_default();
    let changed_parameters = changed_parameters(world, &stack.settings, settings);
    let mut found = BTreeMap::new();
    let mut unsettled: BTreeSet<String> = BTreeSet::new();
    for logical_id in in_order(&prepared) {
        let wanted = prepared.properties(&logical_id, &|name, attribute| {
            if unsettled.contains(name) {
                None
            } else {
                lookup(world, &stack.resources, name, attribute)
            }
        });
        let existing = stack.resources.get(&logical_id).filter(|resource| resource.exists());
        let declared = &prepared.template.resources[&logical_id];
        let Some(old) = existing else {
            unsettled.insert(logical_id.clone());
            let change = Change {
                action: "Add".to_owned(),
                kind: declared.kind.clone(),
                logical_id: logical_id.clone(),
                after: Some(context(&wanted?.shown)),
                ..Change::default()
            };
            found.insert(logical_id, change);
            continue;
        };
        let wanted = wanted?;
        let Some(kind) = registry::find(&declared.kind) else { continue };
        let old_properties = open_properties(world, &old.properties);
        let mut difference = difference::properties(&kind, &old_properties, &wanted.properties);
        difference.note("Metadata", old.metadata != declared.metadata);
        difference.note("DeletionPolicy", old.deletion_policy != declared.deletion_policy);
        difference.note("UpdateReplacePolicy", old.replace_policy != declared.replace_policy);
        difference.note("Tags", kind.tags.is_some() && old.tags != settings.tags);
        if difference.is_empty() {
            continue;
        }
        // What a nested stack puts out may change with it.
        if difference.replaces() || declared.kind == nested::KIND {
            unsettled.insert(logical_id.clone());
        }
        let cause = Cause {
            old: old_template.resources.get(&logical_id).map(|resource| &resource.properties),
            new: &declared.properties,
            wanted: &wanted.properties,
            changed_parameters: &changed_parameters,
            unsettled: &unsettled,
        };
        let mut change = modify(&logical_id, old, &difference, &cause);
        change.before = (!prepared.has_secrets()).then(|| context(&old_properties));
        change.after = Some(context(&wanted.shown));
        if difference.replaces() {
            let keeps = declared.replace_policy == Policy::Retain;
            change.policy_action =
                Some(if keeps { "ReplaceAndRetain" } else { "ReplaceAndDelete" }.to_owned());
        }
        found.insert(logical_id, change);
    }
    for (logical_id, resource) in &stack.resources {
        if prepared.is_active(logical_id) || !resource.exists() {
            continue;
        }
        let keeps =
            matches!(resource.deletion_policy, Policy::Retain | Policy::RetainExceptOnCreate);
        let change = Change {
            action: "Remove".to_owned(),
            logical_id: logical_id.clone(),
            physical_id: Some(resource.physical_id.clone()),
            kind: resource.kind.clone(),
            policy_action: Some(if keeps { "Retain" } else { "Delete" }.to_owned()),
            ..Change::default()
        };
        found.insert(logical_id.clone(), change);
    }
    let outputs = prepared.outputs(&|name, attribute| {
        if unsettled.contains(name) {
            None
        } else {
            lookup(world, &stack.resources, name, attribute)
        }
    })?;
    let differs = !found.is_empty()
        || outputs != stack.outputs
        || settings.tags != stack.settings.tags
        || settings.notification_arns != stack.settings.notification_arns;
    Ok(Preview { changes: found.into_values().collect(), differs })
}

struct Cause<'a> {
    old: Option<&'a Value>,
    new: &'a Value,
    wanted: &'a Value,
    changed_parameters: &'a BTreeSet<String>,
    unsettled: &'a BTreeSet<String>,
}

fn modify(
    logical_id: &str,
    old: &Resource,
    difference: &difference::Difference,
    cause: &Cause<'_>,
) -> Change {
    let mut details = Vec::new();
    for name in &difference.properties {
        let always = difference.replacing.contains(name);
        let target = |evaluation: &str, source: &str, entity: Option<String>| Detail {
            attribute: "Properties".to_owned(),
            name: Some(name.clone()),
            recreation: Some(if always { "Always" } else { "Never" }.to_owned()),
            evaluation: evaluation.to_owned(),
            source: source.to_owned(),
            causing_entity: entity,
        };
        let mut found = Vec::new();
        let _ = references::collect(&cause.new[name.as_str()], None, &mut found);
        let mut caused = Vec::new();
        for reference in found {
            match reference {
                Reference::Name(entity) if cause.changed_parameters.contains(&entity) => {
                    caused.push(target("Static", "ParameterReference", Some(entity)));
                }
                Reference::Name(entity) if cause.unsettled.contains(&entity) => {
                    caused.push(target("Dynamic", "ResourceReference", Some(entity)));
                }
                Reference::Attribute { resource, attribute, .. }
                    if cause.unsettled.contains(&resource) =>
                {
                    let entity = format!("{resource}.{attribute}");
                    caused.push(target("Dynamic", "ResourceAttribute", Some(entity)));
                }
                _ => {}
            }
        }
        let edited = cause.old.is_none_or(|old| old[name.as_str()] != cause.new[name.as_str()]);
        let later = cause.wanted[name.as_str()].to_string().contains(KNOWN_AFTER_APPLY);
        if edited || caused.is_empty() {
            let evaluation = if later && !edited { "Dynamic" } else { "Static" };
            details.push(target(evaluation, "DirectModification", None));
        } else {
            details.push(target("Dynamic", "DirectModification", None));
        }
        details.extend(caused);
    }
    for scope in difference.scope() {
        if scope != "Properties" {
            details.push(Detail {
                attribute: scope.to_owned(),
                recreation: Some("Never".to_owned()),
                evaluation: "Static".to_owned(),
                source: "DirectModification".to_owned(),
                ..Detail::default()
            });
        }
    }
    // A value that is only known later may turn out to be the same.
    let certain = difference.replacing.iter().any(|name| {
        details
            .iter()
            .any(|detail| detail.name.as_ref() == Some(name) && detail.evaluation == "Static")
    });
    let replacement = match (difference.replaces(), certain) {
        (false, _) => "False",
        (true, true) => "True",
        (true, false) => "Conditional",
    };
    Change {
        action: "Modify".to_owned(),
        logical_id: logical_id.to_owned(),
        physical_id: Some(old.physical_id.clone()),
        kind: old.kind.clone(),
        replacement: Some(replacement.to_owned()),
        scope: difference.scope().into_iter().map(str::to_owned).collect(),
        details,
        ..Change::default()
    }
}

/// The text of a change's context, as `IncludePropertyValues` shows it.
fn context(properties: &Value) -> String {
    match properties.as_object() {
        Some(members) if !members.is_empty() => {
            serde_json::json!({ "Properties": properties }).to_string()
        }
        _ => "{}".to_owned(),
    }
}

/// Each resource after those it depends on.
pub(super) fn in_order(prepared: &Prepared) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let mut placed: BTreeSet<&String> = BTreeSet::new();
    while order.len() < prepared.dependencies.len() {
        let before = order.len();
        for (logical_id, waits) in &prepared.dependencies {
            if !placed.contains(logical_id) && waits.iter().all(|on| placed.contains(on)) {
                placed.insert(logical_id);
                order.push(logical_id.clone());
            }
        }
        if order.len() == before {
            break;
        }
    }
    order
}

fn same_types(stack: &Stack, template: &Template) -> Result<(), QueryError> {
    let changed: Vec<&str> = template
        .resources
        .iter()
        .filter(|(logical_id, declared)| {
            stack
                .resources
                .get(*logical_id)
                .is_some_and(|resource| resource.exists() && resource.kind != declared.kind)
        })
        .map(|(logical_id, _)| logical_id.as_str())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(validation(format!(
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: {}",
        bracketed(changed)
    )))
}

fn changed_parameters(world: &World, old: &Settings, new: &Settings) -> BTreeSet<String> {
    let old = open(world, &old.parameters);
    open(world, &new.parameters)
        .into_iter()
        .filter(|(name, parameter)| old.get(name) != Some(parameter))
        .map(|(name, _)| name)
        .collect()
}
