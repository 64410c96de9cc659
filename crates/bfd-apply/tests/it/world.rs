//! Generated environments: what was there, what is wanted.

use crate::cloud::FakeCloud;
use bfd_core::{
    Address, Environment, Expr, Inputs, Kind, Reference, Resource, ResourceState, Snapshot, Span,
    State, StateVersion, Value,
    plan::{Effect, Plan, Rollback, Undo},
};
use bfd_kinds::{KindSpec, Output, OutputSource};
use bfd_plan::{Graph, PlanInput, plan};
use bfd_provider::{Provider, Wanted};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) static THING: KindSpec = KindSpec {
    name: "thing",
    doc: "A thing.",
    singleton: false,
    fields: &[],
    outputs: &[Output { name: "arn", doc: "", source: OutputSource::Stable }],
    default_output: None,
    key: &["name"],
    exact: &[],
    sets: &[],
    read_at_start: &[],
    lower: |lower| lower.fields.clone(),
    settle: None,
    content: None,
    exchange: None,
    effect: |path| if matches!(path, ["zone" | "name"]) { Effect::Replaces } else { Effect::None },
    undo: |_, _| (Undo::Exact, None),
    seconds: |_, _| 1,
    clock: |_| bfd_kinds::clock::Clock::default(),
    actions: &[],
};

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) before: Snapshot,
    pub(crate) desired: Vec<Resource>,
}

/// What one generated resource is like before and after.
#[derive(Clone, Debug)]
struct Draft {
    was: Option<(i64, i64, i64)>,
    will_be: Option<(i64, i64, i64)>,
    edges: Vec<bool>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let fields = || (0i64..3, 0i64..2, 0i64..2);
    let parts = (
        prop::option::of(fields()),
        prop::option::of(fields()),
        prop::collection::vec(any::<bool>(), 6),
    );
    parts.prop_map(|(was, will_be, edges)| Draft { was, will_be, edges })
}

fn address(index: usize) -> Address {
    Address::new("thing", &format!("r{index}")).unwrap()
}

fn literals(index: usize, (size, zone, name): (i64, i64, i64)) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("size".to_owned(), size.into()),
        ("zone".to_owned(), zone.into()),
        ("name".to_owned(), format!("n{index}-{name}").into()),
    ])
}

/// Resource `i` may depend only on lower numbers, so every world is acyclic.
pub(crate) fn world() -> impl Strategy<Value = World> {
    prop::collection::vec(draft(), 1..7).prop_map(|drafts| {
        let mut before = State::default();
        let mut desired: Vec<Resource> = Vec::new();
        for (index, draft) in drafts.iter().enumerate() {
            let chosen = draft.edges.iter().take(index).enumerate().filter(|(_, edge)| **edge);
            let depends_on: BTreeSet<Address> = chosen.map(|(other, _)| address(other)).collect();
            if let Some(was) = draft.was {
                before.resources.insert(address(index), recorded(index, was, &depends_on, &before));
            }
            if let Some(will_be) = draft.will_be {
                let declared = |a: &Address| desired.iter().any(|r| r.address == *a);
                let depends_on = depends_on.iter().filter(|a| declared(a)).cloned().collect();
                desired.push(wanted(index, will_be, depends_on));
            }
        }
        let version = StateVersion { lineage: "l".into(), serial: 7 };
        World {
            before: Snapshot { version, environment: Some(environment()), state: before },
            desired,
        }
    })
}

fn recorded(
    index: usize,
    fields: (i64, i64, i64),
    depends_on: &BTreeSet<Address>,
    before: &State,
) -> ResourceState {
    let mut inputs = literals(index, fields);
    let depends_on: BTreeSet<Address> =
        depends_on.iter().filter(|a| before.resources.contains_key(a)).cloned().collect();
    if let Some(of) = depends_on.first() {
        inputs.insert("peer".to_owned(), before.resources[of].outputs["arn"].clone());
    }
    let arn = Value::from(format!("arn:old-{index}"));
    ResourceState {
        kind: Kind::new("thing"),
        id: format!("old-{index}"),
        inputs,
        outputs: BTreeMap::from([("arn".to_owned(), arn)]),
        depends_on,
    }
}

fn wanted(index: usize, fields: (i64, i64, i64), depends_on: BTreeSet<Address>) -> Resource {
    let mut inputs: Inputs = literals(index, fields)
        .into_iter()
        .map(|(name, value)| (name, Expr::from(value)))
        .collect();
    if let Some(of) = depends_on.first() {
        let reference = Reference { of: of.clone(), output: "arn".to_owned() };
        inputs.insert("peer".to_owned(), Expr::Reference(reference));
    }
    Resource {
        address: address(index),
        inputs,
        depends_on,
        adopt: false,
        protect: false,
        span: Span::default(),
        spans: BTreeMap::new(),
    }
}

pub(crate) fn environment() -> Environment {
    Environment { name: "test".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

/// A cloud in which everything recorded is there.
pub(crate) fn cloud_of(snapshot: &Snapshot) -> FakeCloud {
    let cloud = FakeCloud::default();
    cloud.with(|inner| {
        for resource in snapshot.state.resources.values() {
            inner.objects.insert(resource.id.clone(), resource.inputs.clone());
        }
    });
    cloud
}

/// Looks and plans, as a command does.
pub(crate) async fn planned(desired: &[Resource], current: &Snapshot, cloud: &FakeCloud) -> Plan {
    let graph = Graph::build(desired.to_vec()).unwrap();
    let prior = &current.state.resources;
    let addresses: BTreeSet<&Address> =
        prior.keys().chain(graph.resources().map(|r| &r.address)).collect();
    let wanted: Vec<Wanted<'_>> = addresses
        .into_iter()
        .map(|address| Wanted { address, inputs: None, prior: prior.get(address) })
        .collect();
    let observed = cloud.observe(&wanted).await.unwrap();
    plan(&PlanInput {
        manifest: "dev.toml",
        command: "bfd apply dev.toml",
        environment: &environment(),
        endpoint: None,
        desired: &graph,
        current,
        observed: Some(&observed),
        kinds: &[&THING],
        targets: None,
        fallback_images: true,
        assemblies: &BTreeSet::new(),
        deletes: true,
        rollback: Rollback::default(),
    })
    .unwrap()
}

/// Nothing before, and so many things that wait for nothing.
pub(crate) fn wide(count: usize) -> World {
    let desired = (0..count).map(|index| wanted(index, (0, 0, 0), BTreeSet::new())).collect();
    World { before: Snapshot::default(), desired }
}

/// Nothing before, and things each of which waits for the one before it.
pub(crate) fn line(count: usize) -> World {
    let before = |index: usize| index.checked_sub(1).map(address).into_iter().collect();
    let desired = (0..count).map(|index| wanted(index, (0, 0, 0), before(index))).collect();
    World { before: Snapshot::default(), desired }
}
