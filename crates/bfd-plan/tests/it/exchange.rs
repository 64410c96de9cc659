//! What stacks export, and what becomes of whoever imports it.

use bfd_core::{
    Environment, Expr, Inputs, Object, Observation, Observed, Problem, Resource, ResourceState,
    Run, Snapshot, Span, State, StateVersion, Value,
    journal::Event,
    plan::{Plan, Rollback, Undo},
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

const READS: &str = "Parameters:
  Url: {Type: 'AWS::SSM::Parameter::Value<String>'}
  More: {Type: String, Default: x}
Resources: {B: {Type: AWS::SSM::Parameter, Properties: {Value: !Sub '${Url}${More}'}}}";

/// Two parameters that change and two stacks, each of which reads one of them in Parameter Store.
/// `refers`: each is given something of the other one as well.
fn readers(refers: bool) -> Plan {
    let environment = Environment {
        name: "test".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
    };
    let version = |of: &str| {
        Expr::Reference(bfd_core::Reference { of: of.parse().unwrap(), output: "version".into() })
    };
    let as_stored = |of: &str| Expr::Template(vec!["as stored".into(), " ".into(), version(of)]);
    let parameter =
        |name: &str, value: &str| json!({ "name": name, "type": "String", "value": value });
    let stack = |name: &str, reads: &str, more: &Value| {
        json!({ "name": name, "template": READS, "ssm_parameters": "as stored 1",
            "parameters": { "Url": reads, "More": more } })
    };
    let before = [
        ("parameter.p", parameter("/p", "a")),
        ("parameter.q", parameter("/q", "a")),
        ("stack.one", stack("one", "/p", &json!("1"))),
        ("stack.two", stack("two", "/q", &json!("1"))),
    ];
    let wanted = before.iter().map(|(at, inputs)| {
        let mut inputs: Inputs = properties(inputs.clone())
            .into_iter()
            .map(|(name, value)| (name, Expr::from(value)))
            .collect();
        let (reads, other) = if *at == "stack.one" {
            ("parameter.p", "parameter.q")
        } else {
            ("parameter.q", "parameter.p")
        };
        if at.starts_with("stack.") {
            inputs.insert("ssm_parameters".into(), as_stored(reads));
            if refers && let Some(Expr::Map(given)) = inputs.get_mut("parameters") {
                given.insert("More".into(), version(other));
            }
        } else {
            inputs.insert("value".into(), "b".into());
        }
        Resource {
            address: at.parse().unwrap(),
            inputs,
            depends_on: BTreeSet::new(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        }
    });
    let graph = Graph::build(wanted.collect()).unwrap();
    let (mut state, mut observed) = (State::default(), Observation::default());
    for (at, inputs) in &before {
        let address: bfd_core::Address = at.parse().unwrap();
        let inputs = properties(inputs.clone());
        let outputs = properties(json!({ "version": 1 }));
        let id = (*at).to_owned();
        let object = Object { id: id.clone(), inputs: inputs.clone(), outputs: outputs.clone() };
        observed.insert(address.clone(), Some(Observed { object, owner: None, notes: Vec::new() }));
        let kind = address.kind().clone();
        let recorded = ResourceState { kind, id, inputs, outputs, depends_on: BTreeSet::new() };
        state.resources.insert(address, recorded);
    }
    let current = Snapshot {
        version: StateVersion { lineage: "l".into(), serial: 1 },
        environment: Some(environment.clone()),
        state,
    };
    let planned = plan(&PlanInput {
        manifest: "dev.toml",
        command: "bfd apply dev.toml",
        assemblies: &BTreeSet::new(),
        environment: &environment,
        endpoint: None,
        desired: &graph,
        current: &current,
        observed: Some(&observed),
        kinds: bfd_kinds::all(),
        targets: None,
        fallback_images: true,
        deletes: true,
        rollback: Rollback::default(),
    });
    planned.unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn who_reads_parameter_store_is_undone_after_what_it_reads() {
    let plan = readers(false);

    let at = |id: &bfd_core::plan::StepId| plan.step(*id).address.to_string();
    let undone: BTreeMap<String, Vec<String>> = plan
        .steps
        .iter()
        .map(|step| (step.address.to_string(), step.undone_after.iter().map(at).collect()))
        .collect();
    let after = |at: &str, of: &[&str]| {
        (at.to_owned(), of.iter().map(ToString::to_string).collect::<Vec<String>>())
    };
    assert_eq!(
        undone,
        BTreeMap::from([
            after("parameter.p", &[]),
            after("parameter.q", &[]),
            after("stack.one", &["parameter.p"]),
            after("stack.two", &["parameter.q"])
        ])
    );
    assert!(plan.changes.iter().all(|change| change.undo == Undo::Exact), "{:?}", plan.changes);

    // The run goes back in that order.
    let mut run = Run::new(plan.clone());
    for step in plan.steps.iter().filter(|step| step.address.name() != "two") {
        run.record(Some(step.id), &Event::Started).unwrap();
        let result = plan.refreshed.resources.get(&step.address).cloned();
        run.record(Some(step.id), &Event::Succeeded { result }).unwrap();
    }
    run.record(None, &Event::Canceled).unwrap();
    // Both parameters: nobody who needs them is changed yet, or goes back before them.
    let first: BTreeSet<String> = run.next_tasks(9).iter().map(|it| at(&it.step())).collect();
    assert_eq!(first, BTreeSet::from(["parameter.p".to_owned(), "parameter.q".to_owned()]));
    let parameters = plan.steps.iter().filter(|step| step.address.kind().as_str() == "parameter");
    for id in parameters.map(|step| step.id) {
        run.record(Some(id), &Event::UndoStarted).unwrap();
        let result = plan.refreshed.resources.get(&plan.step(id).address).cloned();
        run.record(Some(id), &Event::UndoSucceeded { result }).unwrap();
    }
    let next: Vec<String> = run.next_tasks(9).iter().map(|it| at(&it.step())).collect();
    assert_eq!(next, ["stack.one"]);
}

#[test]
fn what_would_wait_in_a_circle_is_undone_the_other_way_round() {
    let plan = readers(true);

    assert!(plan.steps.iter().all(|step| step.undone_after.is_empty()), "{:?}", plan.steps);
    let undo = |at: &str| {
        let change = plan.changes.iter().find(|change| change.address.to_string() == at).unwrap();
        (change.undo, change.notes.concat())
    };
    let (undo, why) = undo("stack.one");
    assert_eq!(undo, Undo::Approximate);
    assert!(why.contains("what it reads in Parameter Store may be another value by then"), "{why}");
}

#[test]
fn nothing_goes_back_under_a_reader_that_is_still_being_updated() {
    let plan = readers(false);
    let step = |at: &str| {
        let found = plan.steps.iter().find(|step| step.address.to_string() == at);
        (found.unwrap().id, plan.refreshed.resources[&at.parse().unwrap()].clone())
    };
    let ((parameter, was), (reader, _)) = (step("parameter.p"), step("stack.one"));
    let mut run = Run::new(plan.clone());
    run.record(Some(parameter), &Event::Started).unwrap();
    run.record(Some(parameter), &Event::Succeeded { result: Some(was) }).unwrap();
    run.record(Some(reader), &Event::Started).unwrap();

    run.record(None, &Event::Canceled).unwrap();

    assert_eq!(run.next_tasks(9), []);
    let failed = Event::Failed { failure: bfd_core::journal::Failure::default(), left: None };
    run.record(Some(reader), &failed).unwrap();
    assert_eq!(run.next_tasks(9), [bfd_core::Task::Undo(parameter)]);
}
