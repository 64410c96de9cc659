use super::order::{may_restart_tasks, restarts_tasks};
use crate::views::{outcome::short, value::visible, words::count};
use bfd_core::{
    Address,
    plan::{Action, Estimate, Plan, in_words},
};
use std::collections::BTreeSet;

/// One line: how much of what.
///
/// `Plan: 3 to create, 1 to update (restarts tasks of 1 service), 0 to delete. 12 unchanged.`
pub fn summary(plan: &Plan) -> String {
    let summary = plan.summary();
    if plan.changes.is_empty() && plan.is_empty() {
        let resources = count(summary.unchanged, "resource");
        if plan.has_stack_drift() {
            return format!(
                "No changes. No plan repairs what differs within stacks ({resources})."
            );
        }
        if !plan.targets.is_empty() {
            return format!("No changes in what was looked at ({resources}).");
        }
        let name = visible(&plan.environment.name);
        return match &plan.back_to {
            Some(run) => {
                format!("No changes. {name} is as run {} left it ({resources}).", short(run))
            }
            None => format!("No changes. {name} is as declared ({resources})."),
        };
    }
    format!("Plan: {}. {} unchanged.", counts(plan), summary.unchanged)
}

/// One line: how long a run that fails takes at worst, and how long it may take.
///
/// `worst case 2 min 40 s (detection 1 min 50 s in service.web, undo 50 s), deadline 5 min`
pub(crate) fn rollback(plan: &Plan) -> Option<String> {
    let estimate = plan.rollback.estimate.as_ref()?;
    if !plan.rollback.on_failure {
        return Some("none, a failure leaves what took effect as it is".to_owned());
    }
    let (detection, undo) = (&estimate.detection, &estimate.undo);
    let place = |address: &Address| format!(" in {}", visible(&address.to_string()));
    let elsewhere =
        if undo.address == detection.address { String::new() } else { place(&undo.address) };
    let mostly = if elsewhere.is_empty() { "" } else { ", mostly" };
    Some(format!(
        "worst case {} (detection {}{}, undo {}{mostly}{elsewhere}), deadline {}",
        in_words(estimate.seconds()),
        in_words(detection.seconds),
        place(&detection.address),
        in_words(undo.seconds),
        in_words(plan.rollback.deadline),
    ))
}

/// Whether a rollback may take longer than it is allowed to.
pub(crate) fn is_late(plan: &Plan) -> bool {
    let worst = plan.rollback.estimate.as_ref().map_or(0, Estimate::seconds);
    plan.rollback.on_failure && worst > plan.rollback.deadline
}

/// `3 to create, 1 to update, 0 to delete`; what is rarer only where it occurs.
pub(crate) fn counts(plan: &Plan) -> String {
    let summary = plan.summary();
    let restarting = |action| {
        let services = plan
            .changes
            .iter()
            .filter(|change| change.action == action && restarts_tasks(change))
            .count();
        let maybe = plan
            .changes
            .iter()
            .filter(|change| change.action == action && may_restart_tasks(change))
            .count();
        match (services, maybe) {
            (0, 0) => String::new(),
            (0, maybe) => format!(" (may restart tasks of {})", count(maybe, "service")),
            (some, 0) => format!(" (restarts tasks of {})", count(some, "service")),
            (some, maybe) => {
                format!(" (restarts tasks of {}, may of {maybe} more)", count(some, "service"))
            }
        }
    };
    let mut parts = vec![
        format!("{} to create", summary.create),
        format!("{} to update{}", summary.update, restarting(Action::Update)),
    ];
    if summary.adopt > 0 {
        parts.push(format!("{} to adopt{}", summary.adopt, restarting(Action::Adopt)));
    }
    if summary.replace > 0 {
        parts.push(format!("{} to replace", summary.replace));
    }
    parts.push(format!("{} to delete", summary.delete));
    let losing = plan.changes.iter().filter(|change| change.loses_data).count();
    if losing > 0 {
        parts.push(format!("data at risk in {}", count(losing, "stack")));
    }
    parts.join(", ")
}

/// The images that bfd pushed and that stay as they are, with their digests.
pub(crate) fn kept_images(plan: &Plan) -> Vec<(&Address, &str)> {
    let changed: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
    let images = plan.refreshed.resources.iter().filter(|(address, state)| {
        state.kind.as_str() == "image"
            && state.inputs.contains_key("origin")
            && !changed.contains(address)
    });
    images
        .filter_map(|(address, state)| Some((address, state.outputs.get("digest")?.as_str()?)))
        .collect()
}
