//! Small environments by hand, of one made-up kind.

use bfd_core::{
    Address, Environment, Expr, Inputs, Kind, Object, Observation, Observed, Owner, Problem,
    Properties, Reference, Resource, ResourceState, Snapshot, Span, State, StateVersion, Value,
    plan::{Effect, Op, Plan, Rollback, Undo},
};
use bfd_kinds::{
    KindSpec, Output, OutputSource,
    clock::{Clock, Lever, Term, Unit, Work},
};
use bfd_plan::{Graph, PlanInput, plan};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) static THING: KindSpec = KindSpec {
    name: "thing",
    doc: "A thing.",
    singleton: false,
    fields: &[],
    outputs: &[
        Output { name: "arn", doc: "", source: OutputSource::Stable },
        Output { name: "version", doc: "", source: OutputSource::Volatile },
        Output { name: "name", doc: "", source: OutputSource::Input("name") },
    ],
    default_output: None,
    key: &["name"],
    exact: &["environment", "parts.*.environment"],
    sets: &["set"],
    read_at_start: &["parts.*.reads"],
    lower: |lower| lower.fields.clone(),
    settle: None,
    content: None,
    exchange: None,
    effect: |path| match path {
        ["name" | "zone"] => Effect::Replaces,
        ["image"] => Effect::RestartsTasks,
        _ => Effect::None,
    },
    undo: |_, _| (Undo::Exact, None),
    clock: thing_clock,
    seconds: |_, inputs| inputs.get("seconds").and_then(Expr::as_i64).unwrap_or(1).unsigned_abs(),
    actions: &[],
};

/// A thing takes as long as it says: `detection`, and `undo`, forward and back.
fn thing_clock(work: &Work<'_>) -> Clock {
    let of = |name: &'static str| {
        let seconds = match work.op {
            Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
                inputs.get(name).and_then(Expr::as_i64)
            }
            Op::Delete { prior } => prior.inputs.get(name).and_then(Value::as_i64),
        };
        let now = seconds.unwrap_or(0).unsigned_abs();
        let path = vec![name.to_owned()];
        let lever =
            Lever { field: name.to_owned(), path, now, best: now.min(10), unit: Unit::Seconds };
        let levers = if now > 10 { vec![lever] } else { Vec::new() };
        vec![Term { what: "of waiting", field: Some(name.to_owned()), seconds: now, levers }]
    };
    Clock { detection: of("detection"), undo: of("undo") }
}

/// An environment before planning.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) desired: Vec<Resource>,
    pub(crate) recorded: BTreeMap<Address, ResourceState>,
    pub(crate) deposed: BTreeMap<Address, Vec<ResourceState>>,
    pub(crate) observed: Observation,
    pub(crate) offline: bool,
    pub(crate) targets: Vec<&'static str>,
    pub(crate) forbid_deletes: bool,
    pub(crate) rollback: Rollback,
}

pub(crate) fn address(text: &str) -> Address {
    format!("thing.{text}").parse().unwrap()
}

pub(crate) fn properties(value: Value) -> Properties {
    let Value::Object(map) = value else { panic!("not an object") };
    map.into_iter().collect()
}

pub(crate) fn resource(name: &str, inputs: Value, depends_on: &[&str]) -> Resource {
    let inputs: Inputs = properties(inputs).into_iter().map(|(k, v)| (k, Expr::from(v))).collect();
    Resource {
        address: address(name),
        inputs,
        depends_on: depends_on.iter().map(|name| address(name)).collect(),
        adopt: false,
        protect: false,
        span: Span::default(),
        spans: BTreeMap::new(),
    }
}

/// An input that is another thing's output.
pub(crate) fn reference(of: &str, output: &str) -> Expr {
    Expr::Reference(Reference { of: address(of), output: output.to_owned() })
}

fn state(name: &str, inputs: Value, depends_on: &[&str]) -> ResourceState {
    ResourceState {
        kind: Kind::new("thing"),
        id: name.to_owned(),
        inputs: properties(inputs),
        outputs: properties(
            serde_json::json!({ "arn": format!("arn:{name}"), "version": 1, "name": name }),
        ),
        depends_on: depends_on.iter().map(|name| address(name)).collect(),
    }
}

impl Case {
    pub(crate) fn wants(mut self, resource: Resource) -> Self {
        self.desired.push(resource);
        self
    }

    /// Recorded, and there as recorded.
    pub(crate) fn has(mut self, name: &str, inputs: Value, depends_on: &[&str]) -> Self {
        self.recorded.insert(address(name), state(name, inputs.clone(), depends_on));
        self.sees(name, inputs, None)
    }

    /// There, whatever is recorded.
    pub(crate) fn sees(mut self, name: &str, inputs: Value, owner: Option<Owner>) -> Self {
        let state = state(name, inputs, &[]);
        let object = Object { id: state.id, inputs: state.inputs, outputs: state.outputs };
        let observed = Observed { object, owner, notes: Vec::new() };
        self.observed.insert(address(name), Some(observed));
        self
    }

    /// No longer there.
    pub(crate) fn lost(mut self, name: &str) -> Self {
        self.observed.insert(address(name), None);
        self
    }

    pub(crate) fn left_over(mut self, name: &str, id: &str) -> Self {
        let old = ResourceState { id: id.to_owned(), ..state(name, serde_json::json!({}), &[]) };
        self.deposed.entry(address(name)).or_default().push(old);
        self
    }

    pub(crate) fn plan(&self) -> Result<Plan, Vec<Problem>> {
        let graph = Graph::build(self.desired.clone())?;
        let environment = Environment {
            name: "test".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        };
        let current = Snapshot {
            version: StateVersion { lineage: "l".into(), serial: 3 },
            environment: Some(environment.clone()),
            state: State { resources: self.recorded.clone(), deposed: self.deposed.clone() },
        };
        let targets: BTreeSet<Address> = self.targets.iter().map(|name| address(name)).collect();
        let targets = graph.closure(&targets).unwrap_or(targets);
        plan(&PlanInput {
            manifest: "dev.toml",
            command: "bfd apply dev.toml",
            environment: &environment,
            endpoint: None,
            desired: &graph,
            current: &current,
            observed: (!self.offline).then_some(&self.observed),
            kinds: &[&THING],
            targets: (!self.targets.is_empty()).then_some(&targets),
            fallback_images: true,
            assemblies: &BTreeSet::new(),
            deletes: !self.forbid_deletes,
            rollback: self.rollback,
        })
    }
}

/// One line per step: `0 deploy create thing.a after [] path 3`.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let after: Vec<u32> = step.after.iter().map(|id| id.0).collect();
            let phase = format!("{:?}", step.phase).to_lowercase();
            format!("{} {phase} {} {} after {after:?}", step.id.0, step.op.verb(), step.address)
        })
        .collect()
}

/// One line per changed field: `thing.a image: "a" -> "b" RestartsTasks`.
pub(crate) fn fields(plan: &Plan) -> Vec<String> {
    let text =
        |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), ToString::to_string);
    let line = |address: &Address, field: &bfd_core::plan::FieldChange| {
        let after = if field.known { text(&field.after) } else { "unknown".to_owned() };
        format!("{address} {}: {} -> {after} {:?}", field.path, text(&field.before), field.effect)
    };
    plan.changes
        .iter()
        .flat_map(|change| change.fields.iter().map(move |field| line(&change.address, field)))
        .collect()
}
