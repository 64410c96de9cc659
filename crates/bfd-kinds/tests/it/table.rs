//! Laws that hold for the description of every kind.

use bfd_core::{
    Inputs, Value,
    plan::{Action, Effect, FieldChange, Undo},
};
use bfd_kinds::{Field, KindSpec, OutputSource, Type, all, get};
use std::collections::BTreeSet;

const ACTIONS: [Action; 5] =
    [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Adopt];

#[test]
fn kinds_are_listed_in_a_fixed_order() {
    let names: Vec<&str> = all().iter().map(|spec| spec.name).collect();
    assert_eq!(
        names,
        ["coordinator", "repository", "image", "parameter", "stack", "cluster", "service"]
    );
    assert!(names.iter().all(|name| get(name).is_some_and(|spec| spec.name == *name)));
    assert!(get("lambda").is_none());
}

fn fields(of: &'static [Field], visit: &mut dyn FnMut(&'static [Field], &'static Field)) {
    fn inside(ty: &'static Type, visit: &mut dyn FnMut(&'static [Field], &'static Field)) {
        match ty {
            Type::List(of) | Type::Map(of) => inside(of, visit),
            Type::Table(of) | Type::Tables(of) => fields(of, visit),
            Type::Either(one, other) => {
                inside(one, visit);
                inside(other, visit);
            }
            _ => {}
        }
    }
    for field in of {
        visit(of, field);
        inside(&field.ty, visit);
    }
}

fn each_field(mut check: impl FnMut(&'static KindSpec, &'static [Field], &'static Field)) {
    for spec in all() {
        fields(spec.fields, &mut |siblings, field| check(spec, siblings, field));
    }
}

#[test]
fn every_field_is_described_once() {
    each_field(|spec, siblings, field| {
        let place = format!("{}.{}", spec.name, field.name);
        assert_eq!(siblings.iter().filter(|other| other.name == field.name).count(), 1, "{place}");
        assert!(field.doc.ends_with('.'), "{place}: the description is no sentence");
        assert!(!field.required || field.default.is_none(), "{place}: required, with a default");
        assert!(
            field.name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'),
            "{place}: a field is in snake case"
        );
    });
}

#[test]
fn fields_of_all_kinds_are_left_to_the_loader() {
    for spec in all() {
        for name in ["depends_on", "adopt", "protect"] {
            assert!(spec.field(name).is_none(), "{}.{name}", spec.name);
        }
    }
}

#[test]
fn keys_and_outputs_name_what_is_there() {
    for spec in all() {
        if let Some(default) = spec.default_output {
            assert!(spec.output(default).is_some(), "{}: {default}", spec.name);
        }
        for key in spec.key {
            assert_eq!((spec.effect)(&[key]), Effect::Replaces, "{}: {key}", spec.name);
        }
        for output in spec.outputs {
            if let OutputSource::Input(input) = output.source {
                let inputs = Inputs::from([(input.to_owned(), "value".into())]);
                let known = spec.predict(&inputs);
                assert_eq!(known.get(output.name), Some(&Value::from("value")), "{}", spec.name);
            }
        }
    }
}

#[test]
fn actions_of_iam_are_sorted_and_well_formed() {
    for spec in all() {
        assert!(spec.actions.is_sorted(), "{}", spec.name);
        let once: BTreeSet<_> = spec.actions.iter().collect();
        assert_eq!(once.len(), spec.actions.len(), "{}", spec.name);
        for action in spec.actions {
            let (service, call) = action.split_once(':').expect("service:Call");
            let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            assert!(service.bytes().all(is_name), "{action}");
            assert!(call.starts_with(|c: char| c.is_ascii_uppercase()), "{action}");
        }
    }
}

#[test]
fn an_undo_that_is_not_exact_says_why() {
    for spec in all() {
        for action in ACTIONS {
            let (undo, why) = (spec.undo)(action, &[]);
            assert_eq!(undo == Undo::Exact, why.is_none(), "{} {action:?}", spec.name);
        }
        assert_eq!((spec.undo)(Action::Create, &[]).0, Undo::Exact, "{}", spec.name);
    }
}

fn change(path: &str, before: Option<Value>, after: Value) -> FieldChange {
    let effect = Effect::None;
    let sensitive = path.contains("secret");
    FieldChange {
        path: path.to_owned(),
        before,
        after: Some(after),
        sensitive,
        known: true,
        effect,
    }
}

#[test]
fn what_cannot_be_put_back_is_told_by_the_field() {
    let cases = [
        ("parameter", "value", Some("old"), "new", Undo::Exact),
        ("parameter", "tier", Some("Standard"), "Advanced", Undo::Approximate),
        ("parameter", "tier", Some("Advanced"), "Standard", Undo::Exact),
        ("stack", "termination_protection", Some("false"), "true", Undo::Exact),
        ("stack", "template", Some("old"), "new", Undo::Approximate),
        ("stack", "parameters.Password", Some("****"), "new", Undo::Approximate),
        ("stack", "stack_policy", None, "{}", Undo::Approximate),
        ("stack", "stack_policy", Some("{}"), "{ }", Undo::Exact),
        ("stack", "role_arn", None, "arn", Undo::Approximate),
        ("stack", "role_arn", Some("arn"), "other", Undo::Exact),
        ("service", "task_definition.cpu", Some("256"), "512", Undo::Exact),
        ("repository", "scan_on_push", Some("false"), "true", Undo::Exact),
        ("repository", "lifecycle_policy", Some("{}"), "{ }", Undo::Approximate),
    ];
    for (kind, path, before, after, wanted) in cases {
        let fields = [change(path, before.map(Value::from), after.into())];
        let (undo, _) = (get(kind).unwrap().undo)(Action::Update, &fields);
        assert_eq!(undo, wanted, "{kind} {path} {before:?} {after}");
    }
    let repository = get("repository").unwrap().undo;
    for (before, after, wanted) in
        [(Some(1), 2, Undo::Exact), (Some(2), 1, Undo::Approximate), (None, 5, Undo::Approximate)]
    {
        let fields = [change("keep_images", before.map(Value::from), after.into())];
        assert_eq!(repository(Action::Update, &fields).0, wanted, "{before:?} {after}");
    }
    let secret = [change("value.secret", Some("digest".into()), Value::Null)];
    assert_eq!((get("parameter").unwrap().undo)(Action::Delete, &secret).0, Undo::None);
}

#[test]
fn a_service_says_which_changes_restart_its_tasks() {
    let effect = get("service").unwrap().effect;
    let restarts = [
        "task_definition.cpu",
        "task_definition.containers.web.environment.A",
        "service.networkConfiguration.awsvpcConfiguration.subnets",
        "service.platformVersion",
        "service.loadBalancers",
        "service.serviceRegistries",
        "service.serviceConnectConfiguration.enabled",
        "service.volumeConfigurations",
        "service.capacityProviderStrategy",
    ];
    let quiet = [
        "desired_count",
        "tags.A",
        "autoscaling.min",
        "service.deploymentConfiguration.maximumPercent",
        "service.healthCheckGracePeriodSeconds",
        "service.placementStrategy",
        "service.enableExecuteCommand",
        "service.propagateTags",
    ];
    let replaces =
        ["name", "cluster", "service.launchType", "service.schedulingStrategy", "service.role"];
    let groups: [(&[&str], Effect); 3] =
        [(&restarts, Effect::RestartsTasks), (&quiet, Effect::None), (&replaces, Effect::Replaces)];
    for (paths, wanted) in groups {
        for path in paths {
            let parts: Vec<&str> = path.split('.').collect();
            assert_eq!(effect(&parts), wanted, "{path}");
        }
    }
}

#[test]
fn patterns_stand_for_whole_paths() {
    let service = get("service").unwrap();
    assert!(service.is_exact(&["task_definition", "containers", "web", "environment"]));
    assert!(!service.is_exact(&["task_definition", "containers", "web"]));
    assert!(!service.is_exact(&["task_definition", "containers", "web", "environment", "A"]));
    assert!(service.is_set(&["task_definition", "containers", "web", "portMappings"]));
    assert!(!service.is_set(&["task_definition", "containers", "web", "command"]));
}
