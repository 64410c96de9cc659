//! Resources that wait for each other.
//!
//! Only dependencies that are there whatever the conditions say: not those in a branch of
//! `Fn::If`, nor of or to a resource with a condition. In those AWS may see no circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::depends_on;
use crate::references::{self, Kind};
use crate::template::Template;

/// What each resource certainly depends on.
fn edges(template: &Template) -> BTreeMap<&str, BTreeSet<&str>> {
    let certain: BTreeSet<&str> = template
        .resources()
        .filter(|(_, resource)| resource.get("Condition").is_none())
        .map(|(logical, _)| logical)
        .collect();
    let mut edges = BTreeMap::new();
    for (logical, resource) in template.resources() {
        if !certain.contains(logical) {
            continue;
        }
        let mut targets: BTreeSet<&str> =
            depends_on(logical, resource).into_iter().map(|(name, _)| name).collect();
        for found in resource.get("Properties").map(references::all).unwrap_or_default() {
            if !found.in_branch && matches!(found.kind, Kind::Value | Kind::Attribute) {
                targets.insert(found.name);
            }
        }
        targets.retain(|target| certain.contains(target));
        edges.insert(logical, targets);
    }
    edges
}

/// Circles that share no resource, each from its alphabetically first on.
pub(crate) fn find(template: &Template) -> Vec<Vec<String>> {
    let mut edges = edges(template);
    let mut cycles = Vec::new();
    loop {
        peel(&mut edges);
        let found = walk(&edges);
        if found.is_empty() {
            cycles.sort();
            return cycles;
        }
        for mut cycle in found {
            for logical in &cycle {
                edges.remove(logical);
            }
            let first = cycle.iter().enumerate().min_by_key(|(_, name)| **name);
            let first = first.map_or(0, |(position, _)| position);
            cycle.rotate_left(first);
            cycles.push(cycle.into_iter().map(str::to_owned).collect());
        }
    }
}

/// The circles that one meets who always takes the first way on.
///
/// All that is left leads on, so that walking from anywhere comes back to where it was.
fn walk<'all>(edges: &BTreeMap<&'all str, BTreeSet<&'all str>>) -> Vec<Vec<&'all str>> {
    let mut walked = BTreeSet::new();
    let mut cycles = Vec::new();
    for start in edges.keys().copied() {
        let (mut way, mut seen, mut at) = (Vec::new(), BTreeMap::new(), start);
        while walked.insert(at) {
            seen.insert(at, way.len());
            way.push(at);
            let Some(next) = edges.get(at).and_then(BTreeSet::first) else { break };
            at = next;
        }
        // Otherwise the way led into an earlier one.
        if let Some(position) = seen.get(at) {
            cycles.push(way.split_off(*position));
        }
    }
    cycles
}

/// Takes away whatever depends on nothing that is left.
fn peel(edges: &mut BTreeMap<&str, BTreeSet<&str>>) {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let left: BTreeSet<&str> = edges.keys().copied().collect();
    for (logical, targets) in edges.iter_mut() {
        targets.retain(|target| left.contains(target));
        for target in targets.iter() {
            dependents.entry(target).or_default().push(logical);
        }
    }
    let free = |(_, targets): &(&&str, &BTreeSet<&str>)| targets.is_empty();
    let mut ready: Vec<&str> = edges.iter().filter(free).map(|(logical, _)| *logical).collect();
    while let Some(logical) = ready.pop() {
        edges.remove(logical);
        for dependent in dependents.remove(logical).unwrap_or_default() {
            if let Some(targets) = edges.get_mut(dependent) {
                targets.remove(logical);
                if targets.is_empty() {
                    ready.push(dependent);
                }
            }
        }
    }
}
