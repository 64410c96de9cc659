//! What takes over what others hold is undone once they hold what they held before.

use super::Planner;
use crate::steps::Draft;
use bfd_core::{
    Address, Inputs, Properties,
    plan::{FieldChange, Op, Step},
};
use bfd_kinds::{KindSpec, exchange::Shared, spec::Update};
use std::collections::BTreeSet;

impl Planner<'_> {
    /// What an update takes over from other updates of the run and may be undone after them: all
    /// of it, or nothing. What it needs of them besides has to be there until it is undone.
    pub(super) fn takes_over(
        &self,
        spec: &KindSpec,
        prior: &Properties,
        inputs: &Inputs,
    ) -> BTreeSet<Address> {
        let field = spec.content.and_then(|content| content.takes_over);
        let (Some(field), Some(exchange)) = (field, spec.exchange) else { return BTreeSet::new() };
        let referred = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<Address> {
            let mut found = BTreeSet::new();
            let fields = inputs.iter().filter(|(name, _)| wanted(name));
            fields.for_each(|(_, expr)| expr.references(&mut found));
            found.into_iter().map(|reference| reference.of).collect()
        };
        let makers = referred(&|name| name == field);
        if makers.is_empty() || !prior.contains_key(field) {
            return BTreeSet::new();
        }
        let updated: BTreeSet<&Address> = self.drafts.iter().filter_map(Draft::updates).collect();
        let takes = exchange(inputs, self.input.environment).takes;
        let gives_more = |maker: &Address| {
            let (Some(spec), Some(maker)) =
                (self.spec(maker.kind()), self.input.desired.get(maker))
            else {
                return true;
            };
            let gives = spec.exchange.map(|it| it(&maker.inputs, self.input.environment).gives);
            let shared = gives.unwrap_or_default();
            shared.intersection(&takes).any(|it| !matches!(it, Shared::Parameter(_)))
        };
        let others = referred(&|name| name != field);
        let is_alone = |maker: &Address| {
            updated.contains(maker) && !others.contains(maker) && !gives_more(maker)
        };
        if makers.iter().all(is_alone) { makers } else { BTreeSet::new() }
    }

    /// Says of the undo of what takes over from others, and is undone after all of them, that
    /// this is no reason for it to be another.
    pub(super) fn undone_in_order(&mut self, steps: &[Step]) {
        for step in steps.iter().filter(|step| !step.undone_after.is_empty()) {
            let Op::Update { prior, inputs, .. } = &step.op else { continue };
            let Some(content) = self.spec(step.address.kind()).and_then(|spec| spec.content) else {
                continue;
            };
            let change = self.changes.iter_mut().find(|change| change.address == step.address);
            let Some(change) = change else { continue };
            let is_other = |field: &&FieldChange| Some(field.path.as_str()) != content.takes_over;
            let fields: Vec<FieldChange> = change.fields.iter().filter(is_other).cloned().collect();
            let update = Update { prior: &prior.inputs, inputs, fields: &fields };
            let (undo, reason) = (content.undo)(&update);
            change.undo = undo;
            change.notes = reason.into_iter().collect();
        }
    }
}
