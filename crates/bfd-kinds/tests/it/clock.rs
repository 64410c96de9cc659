//! The worst cases: bounds, terms, and that they grow with their fields.

use crate::harness::lower;
use bfd_core::{
    Inputs, Kind, Properties, ResourceState, Value,
    plan::{Effect, FieldChange, Op},
};
use bfd_kinds::clock::{Clock, Work, total};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

fn service(fields: &Json) -> Inputs {
    let mut written = json!({
        "name": "web", "cluster_name": "main", "cpu": 256, "memory": 512,
        "network": { "subnets": ["subnet-1"] },
        "container": { "web": { "image": "web:1", "health_check": { "command": "true" } } },
    });
    merge(&mut written, fields);
    lower("service.web", &written).inputs
}

fn merge(base: &mut Json, over: &Json) {
    match (base, over) {
        (Json::Object(base), Json::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Json::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn field(path: &str, effect: Effect) -> FieldChange {
    FieldChange {
        path: path.into(),
        before: None,
        after: None,
        sensitive: false,
        known: true,
        effect,
    }
}

fn create(kind: &str, inputs: Inputs) -> Clock {
    let op = Op::Create { inputs, depends_on: BTreeSet::new() };
    (bfd_kinds::get(kind).unwrap().clock)(&Work { op: &op, fields: &[] })
}

fn update(before: &Inputs, inputs: Inputs, fields: &[FieldChange]) -> Clock {
    let known = |expr: &bfd_core::Expr| expr.resolve(&|_: &bfd_core::Reference| None::<Value>);
    let recorded: Properties =
        before.iter().map(|(name, expr)| (name.clone(), known(expr).unwrap())).collect();
    let prior = ResourceState {
        kind: Kind::new("service"),
        id: "main/web".into(),
        inputs: recorded,
        outputs: Properties::new(),
        depends_on: BTreeSet::new(),
    };
    let op = Op::Update { prior, inputs, depends_on: BTreeSet::new() };
    (bfd_kinds::service::SPEC.clock)(&Work { op: &op, fields })
}

fn restart(fields: &Json) -> (u64, u64) {
    let inputs = service(fields);
    let changes = [field("task_definition.cpu", Effect::RestartsTasks)];
    let clock = update(&inputs, inputs.clone(), &changes);
    (total(&clock.detection), total(&clock.undo))
}

#[test]
fn the_defaults_keep_five_minutes() {
    let (detection, undo) = restart(&json!({}));
    assert_eq!((detection, undo), (35 + 3 * 35 + 5, 10 + 35 + 35 + 5));
}

#[test]
fn every_field_counts_where_it_says() {
    let inputs = service(&json!({ "container": { "web": {
        "health_check": { "interval": 20, "timeout": 4, "retries": 5, "start_period": 50 } } } }));
    let clock = create("service", inputs);
    let of = |name: &str| {
        let path = format!("container.web.health_check.{name}");
        let of = clock.detection.iter().filter(|term| term.field.as_ref() == Some(&path));
        of.map(|term| term.seconds).sum::<u64>()
    };
    assert_eq!((of("interval"), of("timeout"), of("start_period")), (100, 20, 50));
    let stop = clock.undo.iter().find(|term| term.what == "stopping a task").unwrap();
    assert_eq!((stop.field.as_deref(), stop.seconds), (Some("container.web.stop_timeout"), 30));
}

#[test]
fn what_restarts_nothing_is_undone_in_seconds() {
    let inputs = service(&json!({}));
    let clock = update(&inputs, inputs.clone(), &[field("tags.A", Effect::None)]);
    assert!(total(&clock.undo) <= 10 && total(&clock.detection) <= 5);
}

#[test]
fn draining_counts_only_where_a_service_is_deleted() {
    let balanced = json!({ "load_balancer": [{ "target_group": "arn:tg", "container": "web", "port": 80 }],
        "container": { "web": { "port": 80 } } });
    assert!(total(&create("service", service(&balanced)).undo) > 300);
    assert!(restart(&balanced).1 < 120);
}

#[test]
fn what_is_recorded_has_no_levers() {
    let inputs = service(&json!({}));
    let changes = [field("task_definition.cpu", Effect::RestartsTasks)];
    let clock = update(&inputs, inputs.clone(), &changes);
    assert!(clock.undo.iter().all(|term| term.levers.is_empty()));
    assert!(clock.detection.iter().any(|term| !term.levers.is_empty()));
}

#[test]
fn a_stack_counts_the_resources_of_its_template() {
    use bfd_kinds::stack::resources;
    assert_eq!(resources(r#"{"Resources": {"A": {"Type": "AWS::X::Y"}, "B": {}}}"#), 2);
    let yaml = "Parameters:\n  P:\n    Type: AWS::SSM::Parameter::Value<String>\n  Q:\n    Type: String\nResources:\n  A:\n    Type: AWS::EC2::VPC\n  B:\n    Type: 'Custom::Thing'\n";
    assert_eq!(resources(yaml), 2);
    let one = create("stack", Inputs::from([("template".to_owned(), yaml.into())]));
    assert_eq!(total(&one.undo), 15 + 2 * 5);
}

#[test]
fn fewer_tasks_at_once_take_more_rounds() {
    let (all, undo) = restart(&json!({ "desired_count": 4 }));
    let (half, half_undo) = restart(&json!({ "desired_count": 4, "maximum_percent": 150 }));
    assert!(half > all && half_undo > undo);
}

fn settings() -> impl Strategy<Value = [u64; 8]> {
    // interval, timeout, retries, start period, stop timeout, grace, tasks, percent below 200.
    [5..=300, 2..=60, 1..=10, 0..=300, 0..=120, 0..=2_147_483_647, 0..=5000, 0..=199_u64]
}

fn written(all: &[u64; 8]) -> Json {
    let [interval, timeout, retries, start, stop, grace, count, below] = all;
    json!({
        "desired_count": count, "grace_period": grace, "maximum_percent": 200 - below,
        "container": { "web": { "stop_timeout": stop, "health_check": {
            "interval": interval, "timeout": timeout, "retries": retries, "start_period": start } } },
    })
}

proptest! {
    #[test]
    fn no_field_that_grows_makes_it_faster(all in settings(), which in 0..8_usize, more in 0..5000_u64) {
        let mut larger = all;
        larger[which] = larger[which].saturating_add(more);
        larger[7] = larger[7].min(199);
        larger[6] = larger[6].min(5000);
        let (detection, undo) = restart(&written(&all));
        let (later, longer) = restart(&written(&larger));
        prop_assert!(later >= detection && longer >= undo);
        let (one, other) = (create("service", service(&written(&all))), create("service", service(&written(&larger))));
        prop_assert!(total(&other.detection) >= total(&one.detection));
        prop_assert!(total(&other.undo) >= total(&one.undo));
    }
}

#[test]
fn absurd_values_do_not_overflow() {
    let all = [u64::MAX / 4; 8].map(|value| value / 2);
    let mut all = all;
    all[7] = 199;
    let (detection, undo) = restart(&written(&all));
    assert!(detection > 1_000_000 && undo > 1_000_000);
}
