//! What stacks no longer give to each other, and in which order CloudFormation lets them.
//!
//! It refuses to take an export away from a stack that imports it. So whoever stops to import
//! goes first, and an export that is still imported cannot go at all.

use crate::{Graph, PlanInput};
use bfd_core::{Address, Inputs, Kind, Problem, Resource, Span};
use bfd_kinds::{
    KindSpec,
    exchange::{self, Exchange, Exchanges, Shared},
    stack::Retain,
};
use std::collections::{BTreeMap, BTreeSet};

/// Exports as they are and as they shall be.
struct Exports<'a> {
    input: &'a PlanInput<'a>,
    before: Exchanges,
    after: Exchanges,
}

/// What is desired, with whoever gives up an export waiting for those who stop to import it.
/// `None` where nothing has to wait that does not do so already.
///
/// Fails with every export that is taken away from somebody.
pub(crate) fn released(input: &PlanInput<'_>) -> Result<Option<Graph>, Vec<Problem>> {
    let specs: BTreeMap<&str, &'static KindSpec> =
        input.kinds.iter().map(|spec| (spec.name, *spec)).collect();
    let spec = |kind: &Kind| specs.get(kind.as_str()).copied();
    let recorded: BTreeMap<&Address, Inputs> = input
        .current
        .state
        .resources
        .iter()
        .filter(|(_, state)| spec(&state.kind).is_some_and(|spec| spec.exchange.is_some()))
        .map(|(address, state)| (address, exchange::recorded(&state.inputs)))
        .collect();
    let before = recorded.iter().map(|(address, inputs)| (*address, inputs));
    let after = input.desired.resources().map(|resource| (&resource.address, &resource.inputs));
    let exports = Exports {
        input,
        before: exchange::of(before, spec, input.environment),
        after: exchange::of(after, spec, input.environment),
    };
    let mut problems = Vec::new();
    let mut waits: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for (giver, shared) in exports.withdrawn() {
        for (taker, takes) in &exports.before {
            if taker != giver && takes.takes.contains(shared) {
                match exports.judge(giver, taker, shared) {
                    Verdict::Free => {}
                    Verdict::Waits => {
                        waits.entry(giver.clone()).or_default().insert(taker.clone());
                    }
                    Verdict::Refused(problem) => problems.push(problem),
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    exports.ordered(&waits)
}

enum Verdict {
    Free,
    /// The import goes before the export.
    Waits,
    Refused(Problem),
}

impl<'a> Exports<'a> {
    /// The exports that go, and whose they were.
    fn withdrawn(&'a self) -> impl Iterator<Item = (&'a Address, &'a Shared)> {
        let one = |(giver, before): (&'a Address, &'a Exchange)| {
            let after = self.after.get(giver);
            let is_open = after.is_some_and(|after| after.is_open);
            let goes = before.gives.iter().filter(move |shared| {
                matches!(shared, Shared::Export(_))
                    && !is_open
                    && !after.is_some_and(|after| after.gives.contains(*shared))
            });
            goes.map(move |shared| (giver, shared))
        };
        let gives_up = |(giver, _): &(&Address, &Exchange)| {
            self.is_targeted(giver) && !self.is_forgotten(giver)
        };
        self.before.iter().filter(gives_up).flat_map(one)
    }

    /// No longer declared, and kept in the cloud as it is.
    fn is_forgotten(&self, address: &Address) -> bool {
        let recorded = self.input.current.state.resources.get(address);
        self.input.desired.get(address).is_none()
            && recorded.is_some_and(|it| Retain::of(&it.inputs) == Retain::Stack)
    }

    fn is_targeted(&self, address: &Address) -> bool {
        self.input.targets.is_none_or(|targets| targets.contains(address))
    }

    fn judge(&self, giver: &Address, taker: &Address, shared: &Shared) -> Verdict {
        let giver_stays = self.input.desired.get(giver);
        let taker_stays = self.input.desired.get(taker);
        let imports = if self.is_targeted(taker) {
            self.after.get(taker).is_some_and(|after| after.takes.contains(shared))
        } else {
            true
        };
        let place = |resource: Option<&Resource>| {
            resource.map_or_else(Span::default, |resource| resource.span_of("template"))
        };
        let headline = "an export goes that another stack imports";
        let refuse = |help: String| {
            let problem = Problem::error("plan::export_in_use", headline);
            let problem = match giver_stays {
                Some(_) => {
                    problem.at(place(giver_stays), format!("`{giver}` no longer has {shared}"))
                }
                None => problem.at(
                    place(taker_stays),
                    format!("reads {shared} of `{giver}`, which is no longer declared"),
                ),
            };
            let problem = match (giver_stays, taker_stays) {
                (Some(_), Some(_)) => {
                    problem.at(place(taker_stays), format!("`{taker}` imports it"))
                }
                _ => problem,
            };
            Verdict::Refused(problem.help(help))
        };
        match (imports, giver_stays, taker_stays) {
            (true, _, _) if !self.is_targeted(taker) => refuse(format!(
                "`{taker}` imports it as it is now, and is not among the targets: plan both"
            )),
            (true, _, _) => refuse(format!(
                "CloudFormation refuses to take {shared} away: first let `{taker}` do without it, \
                 and apply"
            )),
            (false, _, None) if self.is_forgotten(taker) => refuse(format!(
                "`{taker}` is only forgotten (`retain = true`) and goes on to import it: let it do \
                 without {shared} before it leaves, or keep `{giver}` as it is"
            )),
            // It is deleted at the end, by which time the other one has long been updated. An
            // earlier deletion could not be taken back if something fails after it.
            (false, Some(_), None) => refuse(format!(
                "`{taker}` still imports it until it is deleted, which comes last: first \
                 `{} --target {taker}`",
                self.input.command
            )),
            (false, Some(_), Some(_)) => Verdict::Waits,
            // Deletes come after updates, and go by what depends on what.
            (false, None, _) => Verdict::Free,
        }
    }

    /// The graph with the given waits. What waits both ways takes two applies.
    fn ordered(
        &self,
        waits: &BTreeMap<Address, BTreeSet<Address>>,
    ) -> Result<Option<Graph>, Vec<Problem>> {
        if waits.is_empty() {
            return Ok(None);
        }
        let mut problems = Vec::new();
        for (giver, takers) in waits {
            for taker in takers {
                let behind = self.input.desired.closure(&BTreeSet::from([taker.clone()]));
                if behind.is_ok_and(|behind| behind.contains(giver)) {
                    problems.push(self.embraced(giver, taker));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let resources = self.input.desired.resources().cloned().map(|mut resource| {
            resource.depends_on.extend(waits.get(&resource.address).into_iter().flatten().cloned());
            resource
        });
        Graph::build(resources.collect()).map(Some)
    }

    fn embraced(&self, giver: &Address, taker: &Address) -> Problem {
        let place = |address: &Address| {
            let resource = self.input.desired.get(address);
            resource.map_or_else(Span::default, |resource| resource.span_of("template"))
        };
        let headline = "an export goes that another stack imports until it is updated";
        Problem::error("plan::export_in_use", headline)
            .at(place(giver), format!("`{giver}` gives up an export"))
            .at(place(taker), format!("`{taker}` imports it now, and waits for `{giver}`"))
            .help(format!(
                "this takes two applies: keep the export in the template of `{giver}` while \
                 `{taker}` is updated, and remove it afterwards"
            ))
    }
}
