//! The repository's own environments keep their deadline.

use bfd_core::{
    Address, Environment, Inputs, Reference, ResourceState, SecretSource, Snapshot, State, Value,
    plan::{Op, Plan},
};
use bfd_manifest::Manifest;
use bfd_plan::{Graph, PlanInput, plan};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// What is read, by the end of its path.
const FILES: [(&str, &str); 7] = [
    ("base.toml", include_str!("../../../../environments/base.toml")),
    ("dev.toml", include_str!("../../../../environments/dev.toml")),
    ("qa.toml", include_str!("../../../../environments/qa.toml")),
    ("prod.toml", include_str!("../../../../environments/prod.toml")),
    ("local.toml", include_str!("../../../../environments/local.toml")),
    ("network.yaml", include_str!("../../../../environments/templates/network.yaml")),
    ("infrastructure.yaml", include_str!("../../../../environments/templates/infrastructure.yaml")),
];

fn load(name: &str) -> Manifest {
    let read = |path: &Path| {
        let found = FILES.iter().find(|(name, _)| path.ends_with(name));
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let vars = BTreeMap::new();
    let options = bfd_manifest::Options {
        read: &read,
        env: &|_| None,
        git: &|_| Err("there is no work tree".to_owned()),
        vars: &vars,
        files: &bfd_manifest::Disk,
        secret_digest: &|_: &SecretSource, _: &Environment, _: &Address| Ok(String::new()),
        kinds: bfd_kinds::all(),
    };
    bfd_manifest::load(Path::new(name), &options).unwrap_or_else(|_| panic!("{name} has problems"))
}

fn planned(manifest: &Manifest, current: &Snapshot) -> Plan {
    let graph = Graph::build(manifest.resources.clone()).unwrap();
    plan(&PlanInput {
        manifest: "dev.toml",
        command: "bfd apply dev.toml",
        environment: &manifest.environment,
        endpoint: None,
        desired: &graph,
        current,
        observed: None,
        kinds: bfd_kinds::all(),
        targets: None,
        fallback_images: true,
        assemblies: &BTreeSet::new(),
        deletes: true,
        rollback: manifest.rollback,
    })
    .unwrap()
}

/// As the plan would leave it, but with other templates, and with outputs nobody knows: every
/// service restarts and every stack changes.
fn outdated(plan: &Plan) -> Snapshot {
    let state = |inputs: &Inputs, address: &Address| {
        let unknown = |_: &Reference| Some(Value::from("unknown"));
        let known = inputs.iter().map(|(name, it)| (name.clone(), it.resolve(&unknown).unwrap()));
        let mut inputs: BTreeMap<String, Value> = known.collect();
        if let Some(template) = inputs.get_mut("template") {
            *template = "Resources: {}".into();
        }
        ResourceState {
            kind: address.kind().clone(),
            id: address.to_string(),
            inputs,
            outputs: BTreeMap::new(),
            depends_on: BTreeSet::new(),
        }
    };
    let made = plan.steps.iter().filter_map(|step| match &step.op {
        Op::Create { inputs, .. } => Some((step.address.clone(), state(inputs, &step.address))),
        _ => None,
    });
    let state = State { resources: made.collect(), ..State::default() };
    Snapshot { state, ..Snapshot::default() }
}

#[test]
fn the_first_deployment_and_one_of_everything_fit_in_five_minutes() {
    for name in ["dev.toml", "qa.toml", "prod.toml", "local.toml"] {
        let manifest = load(name);
        assert_eq!(manifest.rollback.deadline, 300);
        let first = planned(&manifest, &Snapshot::default());
        let next = planned(&manifest, &outdated(&first));
        assert!(next.changes.iter().any(|change| change.address.to_string() == "service.web"));
        for plan in [first, next] {
            assert_eq!(plan.warnings, [], "{name}");
            let estimate = plan.rollback.estimate.expect("there is something to undo");
            assert!(estimate.seconds() > 120, "{name}: {estimate:?}");
        }
    }
}
