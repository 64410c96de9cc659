//! What stacks export, and what becomes of whoever imports it.

use bfd_core::{
    Environment, Expr, Inputs, Object, Observation, Observed, Problem, Resource, ResourceState,
    Snapshot, Span, State, StateVersion, Value,
    plan::{Plan, Rollback},
};
use bfd_kinds::exchange;
use bfd_plan::{Graph, PlanInput, plan};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use crate::fixture::{properties, steps};

/// Exports one value, and one that stays.
const EXPORTS: &str = "Resources: {A: {Type: AWS::SNS::Topic}}
Outputs:
  Vpc: {Value: vpc-1, Export: {Name: !Sub '${AWS::StackName}-vpc'}}
  Stays: {Value: x, Export: {Name: stays}}
";
const LESS: &str = "Resources: {A: {Type: AWS::SNS::Topic}}
Outputs:
  Stays: {Value: x, Export: {Name: stays}}
";
const IMPORTS: &str =
    "Resources: {B: {Type: AWS::SNS::Topic, Properties: {TopicName: !ImportValue net-vpc}}}";
const ALONE: &str = "Resources: {B: {Type: AWS::SNS::Topic, Properties: {TopicName: b}}}";
const OTHERWISE: &str =
    "Resources: {B: {Type: AWS::SNS::Topic, Properties: {TopicName: !ImportValue stays}}}";

fn inputs(name: &str, template: &str) -> Value {
    json!({ "name": name, "template": template })
}

/// Plans from templates that were applied to templates that are declared, as the manifest
/// would link them.
fn planned(
    applied: &[(&str, &str)],
    declared: &[(&str, &str)],
    targets: &[&str],
) -> Result<Plan, Vec<Problem>> {
    let environment = Environment {
        name: "test".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
    };
    let address = |name: &str| format!("stack.{name}").parse().unwrap();
    let mut resources: Vec<Resource> = declared
        .iter()
        .map(|(name, template)| Resource {
            address: address(name),
            inputs: properties(inputs(name, template))
                .into_iter()
                .map(|(name, value)| (name, Expr::from(value)))
                .collect::<Inputs>(),
            depends_on: BTreeSet::new(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        })
        .collect();
    let all = resources.iter().map(|resource| (&resource.address, &resource.inputs));
    let spec = |kind: &bfd_core::Kind| bfd_kinds::get(kind.as_str());
    for link in exchange::links(&exchange::of(all, spec, &environment)) {
        let from = resources.iter_mut().find(|resource| resource.address == link.from);
        from.unwrap().depends_on.insert(link.to);
    }
    let (mut state, mut observed) = (State::default(), Observation::default());
    for (name, template) in applied {
        let recorded = ResourceState {
            kind: bfd_core::Kind::new("stack"),
            id: (*name).to_owned(),
            inputs: properties(inputs(name, template)),
            outputs: BTreeMap::new(),
            depends_on: BTreeSet::new(),
        };
        let object = Object {
            id: recorded.id.clone(),
            inputs: recorded.inputs.clone(),
            outputs: BTreeMap::new(),
        };
        let seen = Observed { object, owner: None, notes: Vec::new() };
        observed.insert(address(name), Some(seen));
        state.resources.insert(address(name), recorded);
    }
    let graph = Graph::build(resources)?;
    let current = Snapshot {
        version: StateVersion { lineage: "l".into(), serial: 1 },
        environment: Some(environment.clone()),
        state,
    };
    let targets: BTreeSet<_> = targets.iter().map(|name| address(name)).collect();
    plan(&PlanInput {
        manifest: "dev.toml",
        command: "bfd apply dev.toml",
        environment: &environment,
        endpoint: None,
        desired: &graph,
        current: &current,
        observed: Some(&observed),
        kinds: bfd_kinds::all(),
        targets: (!targets.is_empty()).then_some(&targets),
        fallback_images: true,
        assemblies: &BTreeSet::new(),
        deletes: true,
        rollback: Rollback::default(),
    })
}

fn refused(plan: Result<Plan, Vec<Problem>>) -> String {
    let problems = plan.expect_err("the plan is refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].code, "plan::export_in_use");
    let labels: Vec<&str> = problems[0].labels.iter().map(|label| label.text.as_str()).collect();
    format!("{}: {}", labels.join("; "), problems[0].help.as_deref().unwrap_or_default())
}

#[test]
fn imports_come_after_exports_and_go_before_them() {
    let both = [("net", EXPORTS), ("app", IMPORTS)];

    assert_eq!(
        steps(&planned(&[], &both, &[]).unwrap()),
        ["0 deploy create stack.net after []", "1 deploy create stack.app after [0]"]
    );
    // Recorded without any dependency, as by an older bfd.
    assert_eq!(
        steps(&planned(&both, &[], &[]).unwrap()),
        ["0 cleanup delete stack.app after []", "1 cleanup delete stack.net after [0]"]
    );
}

#[test]
fn whoever_stops_to_import_goes_first() {
    let plan =
        planned(&[("net", EXPORTS), ("app", IMPORTS)], &[("net", LESS), ("app", ALONE)], &[]);

    assert_eq!(
        steps(&plan.unwrap()),
        ["0 deploy update stack.app after []", "1 deploy update stack.net after [0]"]
    );
    let exporter_goes = planned(&[("net", EXPORTS), ("app", IMPORTS)], &[("app", ALONE)], &[]);
    assert_eq!(
        steps(&exporter_goes.unwrap()),
        ["0 deploy update stack.app after []", "1 cleanup delete stack.net after []"]
    );
}

#[test]
fn an_export_in_use_does_not_go() {
    let applied = [("net", EXPORTS), ("app", IMPORTS)];

    assert_eq!(
        refused(planned(&applied, &[("net", LESS), ("app", IMPORTS)], &[])),
        "`stack.net` no longer has the export `net-vpc`; `stack.app` imports it: CloudFormation \
         refuses to take the export `net-vpc` away: first let `stack.app` do without it, and apply"
    );
    assert_eq!(
        refused(planned(&applied, &[("app", IMPORTS)], &[])),
        "reads the export `net-vpc` of `stack.net`, which is no longer declared: CloudFormation \
         refuses to take the export `net-vpc` away: first let `stack.app` do without it, and apply"
    );
    assert_eq!(
        refused(planned(&applied, &[("net", LESS), ("app", ALONE)], &["net"])),
        "`stack.net` no longer has the export `net-vpc`; `stack.app` imports it: `stack.app` \
         imports it as it is now, and is not among the targets: plan both"
    );
    assert_eq!(
        refused(planned(&applied, &[("net", LESS)], &[])),
        "`stack.net` no longer has the export `net-vpc`: `stack.app` still imports it until it is \
         deleted, which comes last: first `bfd apply dev.toml --target stack.app`"
    );
    assert!(planned(&applied, &[("net", LESS)], &["app"]).is_ok());
}

#[test]
fn an_export_that_is_swapped_for_another_takes_two_applies() {
    let said = refused(planned(
        &[("net", EXPORTS), ("app", IMPORTS)],
        &[("net", LESS), ("app", OTHERWISE)],
        &[],
    ));

    assert!(said.contains("this takes two applies: keep the export"), "{said}");
}
