//! What a plan may not do to what is there.

use super::Planner;
use bfd_core::{
    Address, Problem, Properties,
    plan::{Action, Change},
};
use bfd_kinds::KindSpec;

impl Planner<'_> {
    /// What AWS would refuse is refused before the first of the deletes.
    pub(super) fn guard_delete(&mut self, spec: &KindSpec, address: &Address, prior: &Properties) {
        let undeletable = spec.content.and_then(|content| (content.undeletable)(prior));
        let Some((what, help)) = undeletable else { return };
        let headline = format!("`{address}` {what}");
        let header = format!("in `[{}.\"{}\"]`: {help}", address.kind(), address.name());
        self.problems.push(Problem::error("plan::undeletable", headline).help(header));
    }

    /// A protected resource that stays keeps what is stored in it.
    pub(super) fn guard_protected(&mut self) {
        for change in self.changes.iter().filter(|change| change.loses_data) {
            let Some(resource) = self.input.desired.get(&change.address) else { continue };
            if resource.protect {
                let headline = "a protected resource would lose what is stored in it";
                let problem = Problem::error("plan::protected", headline);
                let label = self.lost(change);
                self.problems.push(
                    problem
                        .at(resource.span_of("protect"), label)
                        .help("undo that change, or remove `protect`"),
                );
            }
        }
    }

    /// What is lost with it, in words.
    fn lost(&self, change: &Change) -> String {
        self.losses.get(&change.address).map(|all| all.join("; ")).unwrap_or_default()
    }

    pub(super) fn guard_deletes(&mut self) {
        if self.input.deletes {
            return;
        }
        let removing: Vec<&Change> =
            self.changes.iter().filter(|change| change.removes()).collect();
        let (headline, would) = match removing.as_slice() {
            [] => return,
            [_] => ("the manifest forbids deletes, and the plan has one", "keep it"),
            _ => ("the manifest forbids deletes, and the plan has some", "keep them"),
        };
        let mut problem = Problem::error("plan::deletes_forbidden", headline);
        for change in &removing {
            let Some(resource) = self.input.desired.get(&change.address) else { continue };
            let label = match change.action {
                Action::Replace => "would be replaced".to_owned(),
                _ => self.lost(change),
            };
            problem = problem.at(resource.span.clone(), label);
        }
        let named = |is_loss: bool, what: &str| {
            let some = removing.iter().filter(|change| is_loss != change.goes());
            let some: Vec<String> = some.map(|change| format!("`{}`", change.address)).collect();
            (!some.is_empty()).then(|| format!("{} {what}", some.join(", ")))
        };
        let deleted = named(false, "would be deleted");
        let lost = named(true, "would lose what is stored in it");
        let told: Vec<String> = deleted.into_iter().chain(lost).collect();
        self.problems.push(
            problem
                .help(format!("{}: {would}, or set `guard.deletes` to `confirm`", told.join("; "))),
        );
    }
}
