//! Which resource waits for which.

use std::collections::{BTreeMap, BTreeSet};

use super::dangling::unresolved;
use super::errors::{bracketed, validation};
use super::references::{self, Reference};
use super::template::Template;
use crate::error::QueryError;

/// For every resource, the resources it waits for.
pub(super) type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The dependencies among the resources whose condition holds.
///
/// A reference to a resource whose condition does not hold is what AWS calls unresolved; a
/// `DependsOn` on one is not.
pub(super) fn dependencies(
    template: &Template,
    conditions: &BTreeMap<String, bool>,
) -> Result<Dependencies, QueryError> {
    let active = |name: &str| is_active(template, conditions, name);
    let mut dependencies = Dependencies::new();
    let mut missing = BTreeSet::new();
    for (name, resource) in &template.resources {
        if !active(name) {
            continue;
        }
        let mut waits: BTreeSet<String> =
            resource.depends_on.iter().filter(|on| active(on)).cloned().collect();
        let mut found = Vec::new();
        references::collect(&resource.properties, Some(conditions), &mut found)?;
        for reference in found {
            let (Reference::Name(target) | Reference::Attribute { resource: target, .. }) =
                reference
            else {
                continue;
            };
            if !template.resources.contains_key(&target) {
                continue;
            }
            if active(&target) {
                waits.insert(target);
            } else {
                missing.insert(target);
            }
        }
        dependencies.insert(name.clone(), waits);
    }
    unresolved(&missing, "Resources")?;
    acyclic(&dependencies)?;
    Ok(dependencies)
}

pub(super) fn is_active(
    template: &Template,
    conditions: &BTreeMap<String, bool>,
    name: &str,
) -> bool {
    template.resources.get(name).is_some_and(|resource| {
        resource
            .condition
            .as_ref()
            .is_none_or(|condition| conditions.get(condition).copied().unwrap_or_default())
    })
}

/// Refuses a cycle; AWS names everything that cannot be put in order.
fn acyclic(dependencies: &Dependencies) -> Result<(), QueryError> {
    let mut left: BTreeMap<&str, &BTreeSet<String>> =
        dependencies.iter().map(|(name, waits)| (name.as_str(), waits)).collect();
    loop {
        let ready: Vec<&str> = left
            .iter()
            .filter(|(_, waits)| waits.iter().all(|on| !left.contains_key(on.as_str())))
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            left.remove(name);
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(validation(format!(
        "Circular dependency between resources: {}",
        bracketed(left.keys().copied())
    )))
}
