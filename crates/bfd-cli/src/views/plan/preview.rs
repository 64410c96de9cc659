//! What CloudFormation itself says of a change of a stack, in words.

use super::resources::within;
use bfd_core::plan::{Change, Plan, Preview, PreviewedResource, Replacement};
use std::collections::BTreeSet;

/// What it said of a change, where it was asked.
pub(crate) fn of<'a>(plan: &'a Plan, change: &Change) -> Option<&'a Preview> {
    plan.previews.iter().find(|preview| preview.address == change.address)
}

/// What it says of one resource: `replaced`, `changed`, `added`, `removed`.
pub(crate) fn says(resource: &PreviewedResource) -> String {
    let what = match (resource.action.as_str(), resource.replacement) {
        ("Modify", Replacement::Always) => "replaced",
        ("Modify", Replacement::Maybe) => "perhaps replaced",
        ("Modify", Replacement::No) => "changed",
        ("Add", _) => "added",
        ("Remove", _) => match resource.policy.as_deref() {
            Some("Retain") => "leaves the stack and is kept",
            Some("Snapshot") => "removed, after a snapshot",
            _ => "removed",
        },
        ("Import", _) => "imported",
        _ => "not known yet",
    };
    let about: Vec<&str> = if resource.properties.is_empty() {
        // That its properties change goes without saying.
        let scope = resource.scope.iter().map(String::as_str);
        scope.filter(|scope| *scope != "Properties").collect()
    } else {
        resource.properties.iter().map(String::as_str).collect()
    };
    if resource.action != "Modify" {
        return what.to_owned();
    }
    let because =
        if about.is_empty() { String::new() } else { format!(", because of {}", about.join(", ")) };
    let old = match resource.policy.as_deref() {
        Some("ReplaceAndRetain") => "; the old one is kept",
        Some("ReplaceAndSnapshot") => "; of the old one there is a snapshot",
        _ => "",
    };
    format!("{what}{because}{old}")
}

/// What it says in all: `2 changed, 1 replaced`.
pub(crate) fn counts(preview: &Preview) -> String {
    let count = |action: &str, replacement: Option<Replacement>, says: &str| {
        let is = |it: &&PreviewedResource| {
            it.action == action && replacement.is_none_or(|wanted| it.replacement == wanted)
        };
        let number = preview.resources.iter().filter(is).count();
        (number > 0).then(|| format!("{number} {says}"))
    };
    let parts = [
        count("Add", None, "added"),
        count("Modify", Some(Replacement::No), "changed"),
        count("Modify", Some(Replacement::Maybe), "perhaps replaced"),
        count("Modify", Some(Replacement::Always), "replaced"),
        count("Remove", None, "removed"),
        count("Import", None, "imported"),
        count("Dynamic", None, "not known yet"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no changes".to_owned() } else { parts.join(", ") }
}

/// What is told one by one: everything of an update, and of what is new only how many.
pub(crate) fn told<'a>(plan: &Plan, preview: &'a Preview) -> Vec<&'a PreviewedResource> {
    let change = plan.changes.iter().find(|change| change.address == preview.address);
    let foreseen: BTreeSet<String> = change
        .and_then(|change| within(plan, change))
        .map(|within| within.resources.into_iter().map(|it| it.logical).collect())
        .unwrap_or_default();
    let is_told = |resource: &&PreviewedResource| {
        let is_new = resource.action == "Add";
        // An addition that the template tells as well says nothing new.
        !is_new || (!foreseen.is_empty() && !foreseen.contains(&resource.logical_id))
    };
    preview.resources.iter().filter(is_told).collect()
}
