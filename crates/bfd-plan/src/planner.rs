mod guards;
mod takeover;

use crate::{
    Graph,
    clock::Clockwork,
    diff::{differences, project},
    exchange,
    existing::{self, Existing},
    names::Names,
    started,
    steps::{Draft, order},
};
use bfd_core::{
    Address, Environment, Expr, Inputs, Kind, Observation, Observed, Problem, Properties,
    Reference, Resource, ResourceState, Snapshot, State, Value, lookup_path,
    plan::{
        Action, Change, Drift, Effect, FORMAT_VERSION, FieldChange, Plan, Rollback, RollbackPlan,
        Undo, Warning,
    },
};
use bfd_kinds::{
    KindSpec, Output, OutputSource, coordinator,
    spec::{Loss, Settle, Update},
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything a plan depends on.
#[derive(Debug)]
pub struct PlanInput<'a> {
    pub environment: &'a Environment,
    pub endpoint: Option<String>,
    pub desired: &'a Graph,
    pub current: &'a Snapshot,
    /// What is really there; `None` trusts the record (`--offline`).
    pub observed: Option<&'a Observation>,
    pub kinds: &'a [&'static KindSpec],
    /// Only these and what they depend on; `None` is everything.
    pub targets: Option<&'a BTreeSet<Address>>,
    pub fallback_images: bool,
    /// The names of the CDK applications that stacks come from.
    pub assemblies: &'a BTreeSet<String>,
    /// Whether the plan may delete or replace anything.
    pub deletes: bool,
    pub rollback: Rollback,
    /// The path of the manifest, for the next command.
    pub manifest: &'a str,
    /// The command that plans, as it is repeated for a part: `bfd apply dev.toml`.
    pub command: &'a str,
}

/// Plans the way from what is there to what is desired.
///
/// Writes nothing and asks nobody. Fails with everything that stands in the way.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Vec<Problem>> {
    match exchange::released(input)? {
        None => Planner::new(input).plan(),
        Some(ordered) => {
            let endpoint = input.endpoint.clone();
            Planner::new(&PlanInput { desired: &ordered, endpoint, ..*input }).plan()
        }
    }
}

struct Planner<'a> {
    input: &'a PlanInput<'a>,
    specs: BTreeMap<&'a str, &'static KindSpec>,
    refreshed: State,
    missing: BTreeMap<Address, ResourceState>,
    names: Names,
    /// What is known of each resource's outputs once its step has run.
    known: BTreeMap<Address, Properties>,
    drafts: Vec<Draft>,
    changes: Vec<Change>,
    drift: Vec<Drift>,
    warnings: Vec<Warning>,
    /// What is lost for good of what is stored in objects that stay.
    losses: BTreeMap<Address, Vec<String>>,
    problems: Vec<Problem>,
    /// What is there and not recorded, and not to be adopted.
    existing: Vec<Existing>,
    unchanged: usize,
}

impl<'a> Planner<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        Self {
            input,
            specs: input.kinds.iter().map(|spec| (spec.name, *spec)).collect(),
            refreshed: input.current.state.clone(),
            missing: BTreeMap::new(),
            names: Names::default(),
            known: BTreeMap::new(),
            drafts: Vec::new(),
            changes: Vec::new(),
            drift: Vec::new(),
            warnings: Vec::new(),
            losses: BTreeMap::new(),
            problems: Vec::new(),
            existing: Vec::new(),
            unchanged: 0,
        }
    }

    fn plan(mut self) -> Result<Plan, Vec<Problem>> {
        self.names = Names::recorded(&self.input.current.state, |kind| self.spec(kind));
        self.refresh();
        for resource in self.input.desired.resources() {
            if self.is_targeted(&resource.address) {
                self.resource(resource);
            } else {
                self.keep_outputs(resource);
            }
        }
        self.problems.extend(existing::problems(std::mem::take(&mut self.existing)));
        self.forgotten();
        self.guard_protected();
        self.guard_deletes();
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        self.changes.sort_by(|a, b| a.address.cmp(&b.address));
        let steps = order(self.input.desired, std::mem::take(&mut self.drafts), &self.refreshed);
        self.undone_in_order(&steps);
        let reading =
            started::warnings(self.input.desired, &self.changes, &self.specs, &self.refreshed);
        self.warnings.extend(reading);
        let rollback = self.input.rollback;
        let clock = Clockwork::new(&steps, &self.changes, &self.specs);
        let estimate = clock.estimate();
        self.warnings.extend(clock.warnings(rollback));
        Ok(Plan {
            format_version: FORMAT_VERSION,
            environment: self.input.environment.clone(),
            endpoint: self.input.endpoint.clone(),
            base: self.input.current.version.clone(),
            steps,
            refreshed: self.refreshed,
            missing: self.missing,
            changes: self.changes,
            unchanged: self.unchanged,
            drift: self.drift,
            stack_drift: Vec::new(),
            previews: Vec::new(),
            back_to: None,
            warnings: self.warnings,
            targets: self.input.targets.cloned().unwrap_or_default(),
            rollback: RollbackPlan { estimate, ..rollback.into() },
        })
    }

    fn spec(&self, kind: &Kind) -> Option<&'static KindSpec> {
        self.specs.get(kind.as_str()).copied()
    }

    fn is_targeted(&self, address: &Address) -> bool {
        self.input.targets.is_none_or(|targets| targets.contains(address))
    }

    fn observed(&self, address: &Address) -> Option<&'a Observed> {
        self.input.observed?.get(address)?.as_ref()
    }

    /// Brings the record up to date with what is really there, and tells what moved.
    fn refresh(&mut self) {
        let Some(observation) = self.input.observed else { return };
        for (address, recorded) in &self.input.current.state.resources {
            let (Some(spec), Some(found)) = (self.spec(&recorded.kind), observation.get(address))
            else {
                continue;
            };
            if !spec.owns_object() {
                continue;
            }
            let Some(observed) = found else {
                self.refreshed.resources.remove(address);
                self.missing.insert(address.clone(), recorded.clone());
                let wanted = self.input.desired.get(address).is_some();
                let note = Drift { address: address.clone(), gone: true, fields: Vec::new() };
                if wanted {
                    self.drift.push(note);
                }
                continue;
            };
            let mut declared: Inputs =
                recorded.inputs.iter().map(|(k, v)| (k.clone(), Expr::from(v.clone()))).collect();
            let object = &observed.object;
            if let Some(content) = &spec.content {
                (content.keep)(&mut declared, &object.inputs, None);
            }
            let moved = differences(spec, &declared, &object.inputs, None);
            if !moved.is_empty() {
                // Seen from the record: it said `after`, now there is `before`.
                let turned = |change: FieldChange| FieldChange {
                    before: change.after,
                    after: change.before,
                    ..change
                };
                let fields = moved.into_iter().map(turned).collect();
                self.drift.push(Drift { address: address.clone(), gone: false, fields });
            }
            let entry = self.refreshed.resources.get_mut(address).expect("cloned from the record");
            entry.inputs = project(spec, &object.inputs, Some(&recorded.inputs), None);
            entry.outputs.clone_from(&object.outputs);
            for note in &observed.notes {
                let warning =
                    Warning { address: Some(address.clone()), message: note.clone(), help: None };
                self.warnings.push(warning);
            }
        }
    }

    fn resource(&mut self, resource: &Resource) {
        let address = &resource.address;
        let Some(spec) = self.spec(address.kind()) else {
            let problem = Problem::error("plan::unknown_kind", "nothing knows this kind");
            self.problems.push(problem.at(resource.span.clone(), address.to_string()));
            return;
        };
        let lookup = |reference: &Reference| self.lookup(reference);
        let mut inputs: Inputs = resource
            .inputs
            .iter()
            .map(|(name, expr)| (name.clone(), expr.partially(&lookup)))
            .collect();
        let recorded = self.input.current.state.resources.get(address);
        let observed = self.observed(address);
        let gone = self.settle(spec, resource, &mut inputs, observed, recorded);
        let depends_on = resource.dependencies();
        let there = match (spec.owns_object(), self.input.observed.is_some()) {
            (true, true) => observed.map(|observed| ResourceState {
                kind: address.kind().clone(),
                id: observed.object.id.clone(),
                inputs: observed.object.inputs.clone(),
                outputs: observed.object.outputs.clone(),
                depends_on: recorded.map_or_else(BTreeSet::new, |r| r.depends_on.clone()),
            }),
            _ => recorded.filter(|_| !gone).cloned(),
        };
        if gone && let Some(recorded) = self.refreshed.resources.remove(address) {
            self.missing.insert(address.clone(), recorded);
            self.drift.push(Drift { address: address.clone(), gone: true, fields: Vec::new() });
        }
        let is_declared = |other: &Address| self.input.desired.get(other).is_some();
        let manifest = self.input.manifest;
        let conflict = self.names.conflict(spec, resource, &inputs, is_declared, manifest);
        if let Some(problem) = conflict {
            self.problems.push(problem);
            return;
        }
        match (recorded, there) {
            (_, None) => self.create(spec, resource, inputs, depends_on),
            (None, Some(there)) if resource.adopt => {
                self.adopt(spec, resource, there, inputs, depends_on);
            }
            (None, Some(_)) => {
                self.existing.push(Existing::new(resource, observed, self.input.assemblies));
            }
            (Some(recorded), Some(there)) => {
                self.compare(spec, resource, recorded, there, inputs, depends_on);
            }
        }
    }

    /// Completes inputs with what was observed. Says whether what is recorded has to be made again.
    fn settle(
        &mut self,
        spec: &KindSpec,
        resource: &Resource,
        inputs: &mut Inputs,
        observed: Option<&Observed>,
        recorded: Option<&ResourceState>,
    ) -> bool {
        let Some(settle) = spec.settle else { return false };
        let mut gone = false;
        settle(&mut Settle {
            address: &resource.address,
            inputs,
            observed: observed.map(|observed| &observed.object.inputs),
            outputs: observed.map(|observed| &observed.object.outputs),
            recorded,
            offline: self.input.observed.is_none(),
            fallback_images: self.input.fallback_images,
            gone: &mut gone,
            span: &resource.span,
            spans: &resource.spans,
            problems: &mut self.problems,
        });
        gone
    }

    fn lookup(&self, reference: &Reference) -> Option<Value> {
        lookup_path(self.known.get(&reference.of)?, &reference.output).cloned()
    }

    fn create(
        &mut self,
        spec: &'static KindSpec,
        resource: &Resource,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) {
        let mut fields = differences(spec, &inputs, &Properties::new(), None);
        for field in &mut fields {
            field.effect = Effect::None;
        }
        self.known.insert(resource.address.clone(), spec.predict(&inputs));
        self.change(spec, &resource.address, Action::Create, fields, None);
        self.drafts.push(Draft::create(spec, resource, inputs, depends_on));
    }

    fn adopt(
        &mut self,
        spec: &'static KindSpec,
        resource: &Resource,
        there: ResourceState,
        mut inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) {
        if let Some(content) = &spec.content {
            (content.keep)(&mut inputs, &there.inputs, None);
        }
        let fields = differences(spec, &inputs, &there.inputs, None);
        if fields.iter().any(|field| field.effect == Effect::Replaces) {
            let problem = Problem::error(
                "plan::adopt_replaces",
                "an existing object cannot be adopted without being recreated",
            );
            let differing: Vec<&str> = fields
                .iter()
                .filter(|field| field.effect == Effect::Replaces)
                .map(|field| field.path.as_str())
                .collect();
            let label = format!("differs in `{}`", differing.join("`, `"));
            self.problems.push(
                problem
                    .at(resource.span_of("adopt"), label)
                    .help("declare these fields as they are, adopt, and change them afterwards"),
            );
            return;
        }
        self.know_updated(spec, resource, &inputs, &there, &fields);
        let prior =
            ResourceState { inputs: project(spec, &there.inputs, None, Some(&inputs)), ..there };
        self.change(spec, &resource.address, Action::Adopt, fields, None);
        self.within(spec, &prior.inputs, &inputs);
        self.drafts.push(Draft::adopt(spec, resource, prior, inputs, depends_on));
    }

    fn compare(
        &mut self,
        spec: &'static KindSpec,
        resource: &Resource,
        recorded: &ResourceState,
        there: ResourceState,
        mut inputs: Inputs,
        depends_on: BTreeSet<Address>,
    ) {
        let address = &resource.address;
        if let Some(content) = &spec.content {
            (content.keep)(&mut inputs, &there.inputs, Some(&recorded.inputs));
        }
        let fields = differences(spec, &inputs, &there.inputs, Some(&recorded.inputs));
        let deposed = self.input.current.state.deposed.contains_key(address);
        if let Some(state) = self.refreshed.resources.get_mut(address) {
            // What waits for what is recorded even when nothing else changes: deletes go by it.
            state.depends_on.clone_from(&depends_on);
        }
        if fields.is_empty() {
            let mut outputs = there.outputs;
            outputs.extend(spec.predict(&inputs));
            self.known.insert(address.clone(), outputs);
            self.unchanged += usize::from(!deposed);
            return;
        }
        if self.takes_over_entries(spec, resource, recorded, &fields) {
            return;
        }
        let prior = ResourceState {
            inputs: project(spec, &there.inputs, Some(&recorded.inputs), Some(&inputs)),
            ..there
        };
        if fields.iter().any(|field| field.effect == Effect::Replaces) {
            if resource.protect {
                let problem =
                    Problem::error("plan::protected", "a protected resource would be replaced");
                let because: Vec<&str> = fields
                    .iter()
                    .filter(|field| field.effect == Effect::Replaces)
                    .map(|field| field.path.as_str())
                    .collect();
                let label = format!("because of `{}`", because.join("`, `"));
                let place = resource.span_of("protect");
                self.problems
                    .push(problem.at(place, label).help("undo that change, or remove `protect`"));
                return;
            }
            let renamed =
                fields.iter().any(|field| spec.key.contains(&field.path.as_str()) && field.known);
            self.known.insert(address.clone(), spec.predict(&inputs));
            self.replaced(spec, address, fields, renamed);
            self.kept(spec, &prior.inputs);
            self.drafts.extend(Draft::replace(spec, resource, prior, inputs, depends_on, renamed));
            return;
        }
        self.know_updated(spec, resource, &inputs, &prior, &fields);
        self.change(spec, address, Action::Update, fields, None);
        self.within(spec, &prior.inputs, &inputs);
        let taken = self.takes_over(spec, &prior.inputs, &inputs);
        let draft = Draft::update(spec, resource, prior, inputs, depends_on);
        self.drafts.push(draft.taking_over(taken));
    }

    /// Refuses new entries of the coordinator that somebody else's parameters hold already:
    /// each entry is an object of its own.
    fn takes_over_entries(
        &mut self,
        spec: &KindSpec,
        resource: &Resource,
        recorded: &ResourceState,
        fields: &[FieldChange],
    ) -> bool {
        if spec.name != coordinator::SPEC.name || resource.adopt {
            return false;
        }
        let config = recorded.inputs.get("config");
        let foreign = fields.iter().filter(|field| {
            let entry = field.path.strip_prefix("config.");
            field.before.is_some()
                && entry
                    .is_some_and(|entry| config.is_none_or(|config| config.get(entry).is_none()))
        });
        let label = "a parameter of this name is there already; nothing tells who made it";
        let problem = Problem::error("plan::exists", "an object exists but is not in the state");
        let problem = foreign
            .fold(problem, |problem, field| problem.at(resource.span_of(&field.path), label));
        if problem.labels.is_empty() {
            return false;
        }
        let help = "choose another key, or set `adopt = true` to take over what there is";
        self.problems.push(problem.help(help));
        true
    }

    /// After an update the cloud keeps the outputs it calls stable, and what is made of nothing
    /// that changes.
    fn know_updated(
        &mut self,
        spec: &KindSpec,
        resource: &Resource,
        inputs: &Inputs,
        prior: &ResourceState,
        fields: &[FieldChange],
    ) {
        let before = &prior.outputs;
        // Tags change nothing that others refer to.
        let only_tags = fields.iter().all(|field| field.path.split('.').next() == Some("tags"));
        let keeps = |output: &&Output| only_tags || output.source == OutputSource::Stable;
        let kept =
            spec.outputs.iter().filter(keeps).filter_map(|output| {
                Some((output.name.to_owned(), before.get(output.name)?.clone()))
            });
        let mut known: Properties = kept.collect();
        known.extend(spec.predict(inputs));
        for (name, value) in steady(spec, prior, inputs) {
            known.entry(name).or_insert(value);
        }
        self.known.insert(resource.address.clone(), known);
    }

    /// What is not targeted stays as it is, for others to refer to.
    fn keep_outputs(&mut self, resource: &Resource) {
        if let Some(state) = self.refreshed.resources.get(&resource.address) {
            self.known.insert(resource.address.clone(), state.outputs.clone());
        }
    }

    /// What of the given resources reads by name what others of them make: an older bfd did not
    /// record it.
    fn links(&self, gone: &[(Address, ResourceState)]) -> BTreeMap<Address, BTreeSet<Address>> {
        let recorded: Vec<(&Address, Inputs)> = gone
            .iter()
            .map(|(address, state)| (address, bfd_kinds::exchange::recorded(&state.inputs)))
            .collect();
        let all = recorded.iter().map(|(address, inputs)| (*address, inputs));
        let exchanges =
            bfd_kinds::exchange::of(all, |kind| self.spec(kind), self.input.environment);
        let mut links: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
        for link in bfd_kinds::exchange::links(&exchanges) {
            links.entry(link.from).or_default().insert(link.to);
        }
        links
    }

    /// Deletes what is recorded and no longer declared, and what a replacement left.
    fn forgotten(&mut self) {
        let state = &self.input.current.state;
        let undeclared =
            state.resources.iter().filter(|(address, _)| self.input.desired.get(address).is_none());
        let gone: Vec<(Address, ResourceState)> = undeclared
            .filter(|(address, _)| self.is_targeted(address))
            .map(|(address, recorded)| {
                let now = self.refreshed.resources.get(address).unwrap_or(recorded);
                (address.clone(), now.clone())
            })
            .collect();
        let links = self.links(&gone);
        for (address, mut prior) in gone {
            prior.depends_on.extend(links.get(&address).into_iter().flatten().cloned());
            // Even when it is gone already: the step is what removes it from the record.
            self.refreshed.resources.insert(address.clone(), prior.clone());
            let is_there = self.missing.remove(&address).is_none();
            let Some(spec) = self.spec(&prior.kind) else { continue };
            if is_there {
                self.guard_delete(spec, &address, &prior.inputs);
            }
            self.change(spec, &address, Action::Delete, Vec::new(), None);
            self.kept(spec, &prior.inputs);
            self.drafts.push(Draft::delete(spec, address, prior));
        }
        for (address, all) in &state.deposed {
            if !self.is_targeted(address) {
                continue;
            }
            for prior in all {
                let Some(spec) = self.spec(&prior.kind) else { continue };
                let note = format!("deletes `{}`, left over from an earlier replacement", prior.id);
                let listed = self.changes.iter_mut().find(|change| change.address == *address);
                if let Some(change) = listed {
                    change.notes.push(note);
                } else {
                    self.change(spec, address, Action::Delete, Vec::new(), Some(&note));
                }
                self.drafts.push(Draft::delete(spec, address.clone(), prior.clone()));
            }
        }
    }

    fn change(
        &mut self,
        spec: &KindSpec,
        address: &Address,
        action: Action,
        fields: Vec<FieldChange>,
        note: Option<&str>,
    ) {
        let (undo, reason) = match (action, (spec.undo)(action, &fields)) {
            // A delete waits for everything else to succeed, and then there is no way back.
            (Action::Delete, (Undo::None, reason)) => (Undo::None, reason),
            (Action::Delete, _) => (Undo::None, None),
            (_, undo) => undo,
        };
        let notes = note.into_iter().chain(reason).map(str::to_owned).collect();
        let (address, kind) = (address.clone(), address.kind().clone());
        self.changes.push(Change { address, kind, action, fields, undo, loses_data: false, notes });
    }

    /// What stays of the object that the last change deletes.
    fn kept(&mut self, spec: &KindSpec, prior: &Properties) {
        let Some(content) = spec.content else { return };
        let Some(change) = self.changes.last_mut() else { return };
        change.notes.extend((content.kept)(prior));
        let address = Some(change.address.clone());
        self.warnings.extend((content.lost_with)(prior).map(|(message, help)| Warning {
            address,
            message,
            help: Some(help),
        }));
    }

    /// What the last change does within its object, of which both sides are known.
    fn within(&mut self, spec: &KindSpec, prior: &Properties, inputs: &Inputs) {
        let (Some(content), Some(change)) = (&spec.content, self.changes.last_mut()) else {
            return;
        };
        let update = Update { prior, inputs, fields: &change.fields };
        let (undo, reason) = (content.undo)(&update);
        let losses = (content.losses)(&update);
        change.undo = undo;
        change.notes = reason.into_iter().collect();
        let address = &change.address;
        let lost = losses.iter().filter(|loss| !loss.kept).map(|loss| loss.message.clone());
        let lost: Vec<String> = lost.collect();
        change.loses_data = !lost.is_empty();
        if change.loses_data {
            self.losses.insert(address.clone(), lost);
        }
        self.warnings.extend(losses.into_iter().map(|Loss { message, help, .. }| Warning {
            address: Some(address.clone()),
            message,
            help: Some(help),
        }));
    }

    fn replaced(
        &mut self,
        spec: &KindSpec,
        address: &Address,
        fields: Vec<FieldChange>,
        create_first: bool,
    ) {
        self.change(spec, address, Action::Replace, fields, None);
        if create_first && let Some(change) = self.changes.last_mut() {
            // Until everything has succeeded, the old object is not touched.
            change.undo = Undo::Exact;
            change.notes.clear();
        }
    }
}

/// What an update leaves of outputs that are named by what the object is made of.
fn steady(spec: &KindSpec, prior: &ResourceState, inputs: &Inputs) -> Properties {
    let Some(content) = &spec.content else { return Properties::new() };
    let open = spec.outputs.iter().filter(|output| output.source == OutputSource::Open);
    let steady = (content.steady_outputs)(&prior.inputs, inputs);
    let known = open.filter_map(|output| {
        let before = prior.outputs.get(output.name)?.as_object()?.clone();
        let stays = before.into_iter().filter(|(name, _)| steady.contains(name)).collect();
        Some((output.name.to_owned(), Value::Object(stays)))
    });
    known.collect()
}
