use super::order::{may_restart_tasks, restarts_tasks};
use crate::views::{value::visible, words::count};
use bfd_core::plan::{Action, Plan};

/// One line: how much of what.
///
/// `Plan: 3 to create, 1 to update (restarts tasks of 1 service), 0 to delete. 12 unchanged.`
pub fn summary(plan: &Plan) -> String {
    let summary = plan.summary();
    if plan.changes.is_empty() && plan.is_empty() {
        let resources = count(summary.unchanged, "resource");
        if !plan.targets.is_empty() {
            return format!("No changes in what was looked at ({resources}).");
        }
        return format!(
            "No changes. {} is as declared ({resources}).",
            visible(&plan.environment.name)
        );
    }
    format!("Plan: {}. {} unchanged.", counts(plan), summary.unchanged)
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
    parts.join(", ")
}
