//! Puts drafts of steps in order.

use crate::{
    Graph,
    way_back::{WayBack, ancestors},
};
use bfd_core::{
    Address, Inputs, Resource, ResourceState, State,
    plan::{Action, Op, Phase, Step, StepId},
};
use bfd_kinds::KindSpec;
use std::collections::{BTreeMap, BTreeSet};

/// A step before its place is known.
#[derive(Debug)]
pub(crate) struct Draft {
    address: Address,
    phase: Phase,
    op: Op,
    seconds: u64,
    /// Must follow the draft before it: the second half of a delete-first replacement.
    follows: bool,
    /// Whose changes it takes over, to be undone after them.
    takes_over: BTreeSet<Address>,
}

impl Draft {
    pub(crate) fn create(
        spec: &KindSpec,
        resource: &Resource,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) -> Self {
        let seconds = (spec.seconds)(Action::Create, &inputs);
        Self::deploy(resource, Op::Create { inputs, depends_on }, seconds)
    }

    pub(crate) fn update(
        spec: &KindSpec,
        resource: &Resource,
        prior: ResourceState,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) -> Self {
        let seconds = (spec.seconds)(Action::Update, &inputs);
        Self::deploy(resource, Op::Update { prior, inputs, depends_on }, seconds)
    }

    pub(crate) fn adopt(
        spec: &KindSpec,
        resource: &Resource,
        prior: ResourceState,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) -> Self {
        let seconds = (spec.seconds)(Action::Adopt, &inputs);
        Self::deploy(resource, Op::Adopt { prior, inputs, depends_on }, seconds)
    }

    pub(crate) fn delete(spec: &KindSpec, address: Address, prior: ResourceState) -> Self {
        let seconds = (spec.seconds)(Action::Delete, &Inputs::new());
        let op = Op::Delete { prior };
        Self {
            address,
            phase: Phase::Cleanup,
            op,
            seconds,
            follows: false,
            takes_over: BTreeSet::new(),
        }
    }

    /// Create and delete, in the order that the name allows.
    pub(crate) fn replace(
        spec: &KindSpec,
        resource: &Resource,
        prior: ResourceState,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
        create_first: bool,
    ) -> [Self; 2] {
        let mut create = Self::create(spec, resource, inputs, depends_on);
        let mut delete = Self::delete(spec, resource.address.clone(), prior);
        if create_first {
            [create, delete]
        } else {
            delete.phase = Phase::Deploy;
            create.follows = true;
            [delete, create]
        }
    }

    /// The same, undone after what it takes over.
    pub(crate) fn taking_over(self, takes_over: BTreeSet<Address>) -> Self {
        Self { takes_over, ..self }
    }

    /// The object that it updates.
    pub(crate) fn updates(&self) -> Option<&Address> {
        matches!(self.op, Op::Update { .. }).then_some(&self.address)
    }

    fn deploy(resource: &Resource, op: Op, seconds: u64) -> Self {
        let address = resource.address.clone();
        Self {
            address,
            phase: Phase::Deploy,
            op,
            seconds,
            follows: false,
            takes_over: BTreeSet::new(),
        }
    }
}

/// Numbers the drafts in an order in which each can run, and links them.
///
/// Drafts of deploy steps arrive in topological order; deletes are sorted here:
/// dependents before what they depend on.
pub(crate) fn order(desired: &Graph, drafts: Vec<Draft>, state: &State) -> Vec<Step> {
    let (deploys, cleanups): (Vec<Draft>, Vec<Draft>) =
        drafts.into_iter().partition(|draft| draft.phase == Phase::Deploy);
    let mut steps = deploy_steps(desired, deploys);
    cleanup_steps(cleanups, state, &mut steps);
    longest_paths(&mut steps);
    // Two that take over from each other's neighbours would wait in a circle.
    if !WayBack::of(steps.iter().map(|(step, _)| step)).has_end() {
        for (step, _) in &mut steps {
            step.undone_after.clear();
        }
    }
    steps.into_iter().map(|(step, _)| step).collect()
}

fn id(index: usize) -> StepId {
    StepId(u32::try_from(index).expect("fewer than 2^32 steps"))
}

fn deploy_steps(desired: &Graph, drafts: Vec<Draft>) -> Vec<(Step, u64)> {
    let mut steps: Vec<(Step, u64)> = Vec::with_capacity(drafts.len());
    let mut drafts = drafts.into_iter().peekable();
    // Per resource: the steps that whoever depends on it must wait for. What does
    // not change itself passes on what it would have waited for.
    let mut wait_for: BTreeMap<&Address, BTreeSet<StepId>> = BTreeMap::new();
    for resource in desired.resources() {
        let mut before = BTreeSet::new();
        for dependency in resource.dependencies() {
            before.extend(wait_for.get(&dependency).into_iter().flatten());
        }
        let mut last = None;
        while let Some(draft) = drafts.next_if(|draft| draft.address == resource.address) {
            let mut after = before.clone();
            after.extend(last.filter(|_| draft.follows));
            last = Some(push(&mut steps, draft, after));
        }
        wait_for.insert(&resource.address, last.map_or(before, |step| BTreeSet::from([step])));
    }
    steps
}

fn cleanup_steps(drafts: Vec<Draft>, state: &State, steps: &mut Vec<(Step, u64)>) {
    let doomed: BTreeSet<Address> = drafts.iter().map(|draft| draft.address.clone()).collect();
    // Whoever recorded a dependency on it goes before it.
    let mut dependents: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
    let deposed = state
        .deposed
        .iter()
        .flat_map(|(address, all)| all.iter().map(move |resource| (address, resource)));
    for (address, resource) in state.resources.iter().chain(deposed) {
        for dependency in resource.depends_on.iter().filter(|d| doomed.contains(*d)) {
            if doomed.contains(address) && address != dependency {
                dependents.entry(dependency).or_default().insert(address);
            }
        }
    }
    let mut by_address: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        by_address.entry(&draft.address).or_default().push(index);
    }
    let mut sequence = Vec::new();
    let mut seen = BTreeSet::new();
    for address in &doomed {
        visit(address, &dependents, &mut seen, &mut sequence);
    }
    let mut placed: BTreeMap<Address, Vec<StepId>> = BTreeMap::new();
    let mut slots: Vec<Option<Draft>> = Vec::new();
    let order: Vec<(Address, Vec<usize>)> =
        sequence.iter().map(|address| ((*address).clone(), by_address[*address].clone())).collect();
    let waits: BTreeMap<Address, BTreeSet<Address>> = dependents
        .into_iter()
        .map(|(a, all)| (a.clone(), all.into_iter().cloned().collect()))
        .collect();
    slots.extend(drafts.into_iter().map(Some));
    for (address, indices) in order {
        let before = waits.get(&address).into_iter().flatten();
        let after: BTreeSet<StepId> =
            before.filter_map(|dependent| placed.get(dependent)).flatten().copied().collect();
        for index in indices {
            let draft = slots[index].take().expect("each draft is placed once");
            let step = push(steps, draft, after.clone());
            placed.entry(address.clone()).or_default().push(step);
        }
    }
}

/// Lists an address after everything that depends on it. Iterative: chains can be long.
fn visit<'a>(
    address: &'a Address,
    dependents: &BTreeMap<&'a Address, BTreeSet<&'a Address>>,
    seen: &mut BTreeSet<&'a Address>,
    sequence: &mut Vec<&'a Address>,
) {
    let mut stack = vec![(address, false)];
    while let Some((address, done)) = stack.pop() {
        if done {
            sequence.push(address);
        } else if seen.insert(address) {
            stack.push((address, true));
            let next = dependents.get(address).into_iter().flatten();
            stack.extend(next.rev().map(|dependent| (*dependent, false)));
        }
    }
}

fn push(steps: &mut Vec<(Step, u64)>, draft: Draft, after: BTreeSet<StepId>) -> StepId {
    let Draft { address, phase, op, seconds, takes_over, .. } = draft;
    let id = id(steps.len());
    let undone_after = undone_after(steps, &after, &takes_over);
    let step = Step { id, address, phase, op, after, undone_after, path_seconds: seconds };
    steps.push((step, seconds));
    id
}

/// The steps of what is taken over, unless another step comes between: that would have to be
/// undone both before and after them.
fn undone_after(
    steps: &[(Step, u64)],
    after: &BTreeSet<StepId>,
    takes_over: &BTreeSet<Address>,
) -> BTreeSet<StepId> {
    let wanted: BTreeSet<StepId> = after
        .iter()
        .copied()
        .filter(|id| takes_over.contains(&steps[id.index()].0.address))
        .collect();
    if wanted.is_empty() {
        return wanted;
    }
    let behind = ancestors(steps, after.iter().copied());
    if wanted.iter().any(|id| behind[id.index()]) { BTreeSet::new() } else { wanted }
}

/// Every step is behind those it waits for, so one pass from the end is enough.
fn longest_paths(steps: &mut [(Step, u64)]) {
    for index in (0..steps.len()).rev() {
        let path = steps[index].0.path_seconds;
        let before: Vec<StepId> = steps[index].0.after.iter().copied().collect();
        for earlier in before {
            let (step, own) = &mut steps[earlier.index()];
            step.path_seconds = step.path_seconds.max(*own + path);
        }
    }
}
