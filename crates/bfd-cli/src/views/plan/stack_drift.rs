//! What was changed within stacks, in words.

use crate::views::words::count;
use bfd_core::plan::StackDrift;

/// What can be done, which is not for a plan: it compares templates.
pub(crate) const HELP: &str = "no plan repairs this, because the template says what it said before: \
     put it back by hand, or take it over into the template";

/// `1 changed, 1 deleted, 3 as the template says, 2 not checked`
pub(crate) fn counts(stack: &StackDrift) -> String {
    let deleted = stack.resources.iter().filter(|resource| resource.deleted).count();
    let parts = [
        (stack.resources.len() - deleted, "changed"),
        (deleted, "deleted"),
        (stack.in_sync, "as the template says"),
        (stack.not_checked, "not checked"),
    ];
    let told: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, says)| format!("{number} {says}"))
        .collect();
    if told.is_empty() { count(0, "resource") } else { told.join(", ") }
}
