//! What a plan promises.

mod clock;
mod environments;
mod exchange;
mod fixture;
mod undo;

use bfd_core::{
    Owner, SourceId, Span,
    plan::{Action, Op, Phase},
};
use fixture::{Case, address, fields, reference, resource, steps};
use serde_json::json;

#[test]
fn what_is_as_declared_needs_nothing() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "tags": {}, "list": [], "off": null }), &[]))
        .has("a", json!({ "name": "a" }), &[]);
    let plan = case.plan().unwrap();
    assert!(plan.is_empty() && plan.changes.is_empty() && plan.drift.is_empty());
    assert_eq!(plan.unchanged, 1);
}

#[test]
fn only_declared_fields_count() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "image": "x" }), &[]))
        .has("a", json!({ "name": "a", "image": "x" }), &[])
        .sees(
            "a",
            json!({ "name": "a", "image": "x", "added_by_aws": true, "tags": {"aws:x": "1"} }),
            None,
        );
    assert!(case.plan().unwrap().is_empty());
}

#[test]
fn a_field_that_is_no_longer_declared_is_removed() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "tags": {"keep": "1"} }), &[]))
        .has("a", json!({ "name": "a", "policy": "p", "tags": {"keep": "1", "drop": "2"} }), &[]);
    assert_eq!(
        fields(&case.plan().unwrap()),
        [r#"thing.a tags.drop: "2" -> none None"#, r#"thing.a policy: "p" -> none None"#]
    );
}

#[test]
fn exact_maps_allow_nothing_undeclared() {
    let wanted =
        json!({ "name": "a", "environment": {"A": "1"}, "parts": {"web": {"environment": {}}} });
    let case = Case::default()
        .wants(resource("a", wanted.clone(), &[]))
        .has("a", wanted, &[])
        .sees(
            "a",
            json!({ "name": "a", "environment": {"A": "1", "B": "2"}, "parts": {"web": {"environment": {"C": "3"}}} }),
            None,
        );
    let plan = case.plan().unwrap();
    assert_eq!(
        fields(&plan),
        [
            r#"thing.a environment.B: "2" -> none None"#,
            r#"thing.a parts.web.environment.C: "3" -> none None"#
        ]
    );
    assert_eq!(plan.drift.len(), 1);
}

#[test]
fn the_order_of_a_set_means_nothing() {
    let wanted = |items| json!({ "name": "a", "set": items });
    let case = Case::default()
        .wants(resource("a", wanted(json!(["z", { "x": 1 }, "b"])), &[]))
        .has("a", wanted(json!(["z", { "x": 1 }, "b"])), &[])
        .sees("a", wanted(json!(["b", { "x": 1, "by_aws": 2 }, "z"])), None);
    let plan = case.plan().unwrap();
    assert!(plan.is_empty() && plan.drift.is_empty());
}

#[test]
fn a_set_differs_by_its_items_only() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "set": ["z", "b", "b"] }), &[]))
        .has("a", json!({ "name": "a", "set": ["z", "z", "b"] }), &[]);
    assert_eq!(
        fields(&case.plan().unwrap()),
        [r#"thing.a set: ["b","z","z"] -> ["b","b","z"] None"#]
    );
}

#[test]
fn drift_is_told_and_put_right() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "image": "new" }), &[]))
        .has("a", json!({ "name": "a", "image": "new" }), &[])
        .sees("a", json!({ "name": "a", "image": "by hand" }), None);
    let plan = case.plan().unwrap();
    let drift = &plan.drift[0].fields[0];
    assert_eq!(
        (drift.before.clone(), drift.after.clone()),
        (Some(json!("new")), Some(json!("by hand")))
    );
    assert_eq!(fields(&plan), [r#"thing.a image: "by hand" -> "new" RestartsTasks"#]);
    assert_eq!(plan.refreshed.resources[&address("a")].inputs["image"], json!("by hand"));
}

#[test]
fn what_disappeared_is_created_again() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a" }), &[]))
        .has("a", json!({ "name": "a" }), &[])
        .lost("a");
    let plan = case.plan().unwrap();
    assert!(plan.drift[0].gone);
    assert_eq!(steps(&plan), ["0 deploy create thing.a after []"]);
    assert!(plan.refreshed.resources.is_empty());
}

#[test]
fn offline_trusts_the_record() {
    let mut case = Case::default()
        .wants(resource("a", json!({ "name": "a", "image": "x" }), &[]))
        .has("a", json!({ "name": "a", "image": "x" }), &[])
        .lost("a");
    case.offline = true;
    assert!(case.plan().unwrap().is_empty());
}

#[test]
fn a_renamed_object_is_created_before_the_old_one_goes() {
    let case = Case::default().wants(resource("a", json!({ "name": "b" }), &[])).has(
        "a",
        json!({ "name": "a" }),
        &[],
    );
    let plan = case.plan().unwrap();
    assert_eq!(plan.changes[0].action, Action::Replace);
    assert_eq!(
        steps(&plan),
        ["0 deploy create thing.a after []", "1 cleanup delete thing.a after []"]
    );
}

#[test]
fn an_object_that_keeps_its_name_is_deleted_first() {
    let case = Case::default().wants(resource("a", json!({ "name": "a", "zone": 2 }), &[])).has(
        "a",
        json!({ "name": "a", "zone": 1 }),
        &[],
    );
    let plan = case.plan().unwrap();
    assert_eq!(
        steps(&plan),
        ["0 deploy delete thing.a after []", "1 deploy create thing.a after [0]"]
    );
}

#[test]
fn dependents_wait_through_what_does_not_change() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "image": "new" }), &[]))
        .wants(resource("b", json!({ "name": "b" }), &["a"]))
        .wants(resource("c", json!({ "name": "c", "image": "new" }), &["b"]))
        .has("a", json!({ "name": "a" }), &[])
        .has("b", json!({ "name": "b" }), &["a"])
        .has("c", json!({ "name": "c" }), &["b"]);
    assert_eq!(
        steps(&case.plan().unwrap()),
        ["0 deploy update thing.a after []", "1 deploy update thing.c after [0]"]
    );
}

#[test]
fn deletes_go_dependents_first_and_last_of_all() {
    let case = Case::default()
        .wants(resource("new", json!({ "name": "new" }), &[]))
        .has("a", json!({}), &[])
        .has("b", json!({}), &["a"])
        .has("c", json!({}), &["a", "b"]);
    let plan = case.plan().unwrap();
    assert_eq!(
        steps(&plan),
        [
            "0 deploy create thing.new after []",
            "1 cleanup delete thing.c after []",
            "2 cleanup delete thing.b after [1]",
            "3 cleanup delete thing.a after [1, 2]"
        ]
    );
    assert_eq!(plan.summary().delete, 3);
}

#[test]
fn leftovers_of_a_replacement_are_cleaned_up() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a" }), &[]))
        .has("a", json!({ "name": "a" }), &[])
        .left_over("a", "old");
    let plan = case.plan().unwrap();
    assert_eq!(steps(&plan), ["0 cleanup delete thing.a after []"]);
    assert!(matches!(&plan.steps[0].op, Op::Delete { prior } if prior.id == "old"));
}

#[test]
fn the_longest_path_is_the_most_urgent() {
    let case = Case::default()
        .wants(resource("a", json!({ "seconds": 1 }), &[]))
        .wants(resource("b", json!({ "seconds": 5 }), &[]))
        .wants(resource("c", json!({ "seconds": 10 }), &["a"]));
    let plan = case.plan().unwrap();
    let path = |name| plan.steps.iter().find(|s| s.address == address(name)).unwrap().path_seconds;
    assert_eq!((path("a"), path("b"), path("c")), (11, 5, 10));
}

#[test]
fn stable_outputs_are_known_through_an_update_and_others_are_not() {
    let mut stable = resource("s", json!({ "name": "s" }), &[]);
    stable.inputs.insert("peer".into(), reference("a", "arn"));
    let mut volatile = resource("v", json!({ "name": "v" }), &[]);
    volatile.inputs.insert("peer".into(), reference("a", "version"));
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "image": "new" }), &[]))
        .wants(stable)
        .wants(volatile)
        .has("a", json!({ "name": "a", "image": "old" }), &[])
        .has("s", json!({ "name": "s", "peer": "arn:a" }), &["a"])
        .has("v", json!({ "name": "v", "peer": 1 }), &["a"]);
    assert_eq!(
        fields(&case.plan().unwrap()),
        [r#"thing.a image: "old" -> "new" RestartsTasks"#, "thing.v peer: 1 -> unknown None"]
    );
}

#[test]
fn inputs_of_a_new_object_are_known_where_they_repeat() {
    let mut b = resource("b", json!({ "name": "b" }), &[]);
    b.inputs.insert("peer".into(), reference("a", "name"));
    b.inputs.insert("arn".into(), reference("a", "arn"));
    let case = Case::default().wants(resource("a", json!({ "name": "a" }), &[])).wants(b);
    let plan = case.plan().unwrap();
    assert!(fields(&plan).contains(&r#"thing.b peer: none -> "a" None"#.to_owned()));
    assert!(fields(&plan).contains(&"thing.b arn: none -> unknown None".to_owned()));
}

#[test]
fn an_existing_object_is_refused_with_its_owner() {
    for (owner, says) in [
        (Some(Owner::Stack("net".into())), "the CloudFormation stack `net`"),
        (Some(Owner::Tags(vec!["Team=a".into()])), "`Team=a`"),
        (None, "nothing tells who made it"),
    ] {
        let case = Case::default().wants(resource("a", json!({ "name": "a" }), &[])).sees(
            "a",
            json!({ "name": "a" }),
            owner,
        );
        let problems = case.plan().unwrap_err();
        assert_eq!(problems[0].code, "plan::exists");
        assert!(problems[0].labels[0].text.contains(says), "{:?}", problems[0]);
    }
}

#[test]
fn what_exists_of_several_resources_is_refused_once() {
    let mut case = Case::default();
    for name in ["a", "b", "c", "d", "e"] {
        let mut wanted = resource(name, json!({ "name": name }), &[]);
        let line = usize::from(name == "e");
        wanted.span = Span::new(SourceId(1), 10 * line..10 * line + 5);
        case = case.wants(wanted).sees(name, json!({ "name": name }), None);
    }
    let problems = case.plan().unwrap_err();
    let [problem] = problems.as_slice() else { panic!("not one problem: {problems:?}") };
    let labels: Vec<&str> = problem.labels.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(
        labels,
        [
            "4 are there already: `a`, `b`, `c` and 1 more; nothing tells who made them",
            "`e` is there already; nothing tells who made it"
        ]
    );
    assert!(problem.help.as_ref().unwrap().starts_with("set `adopt = true` in each"));
    // What belongs to a stack has another way out.
    let owner = Some(Owner::Stack("net".into()));
    let case = case.wants(resource("f", json!({ "name": "f" }), &[])).sees(
        "f",
        json!({ "name": "f" }),
        owner,
    );
    assert_eq!(case.plan().unwrap_err().len(), 2);
}

#[test]
fn an_adopted_object_is_only_changed_where_it_differs() {
    let mut a = resource("a", json!({ "name": "a", "image": "new" }), &[]);
    a.adopt = true;
    let case =
        Case::default().wants(a).sees("a", json!({ "name": "a", "image": "old", "zone": 1 }), None);
    let plan = case.plan().unwrap();
    assert_eq!(steps(&plan), ["0 deploy adopt thing.a after []"]);
    assert_eq!(fields(&plan), [r#"thing.a image: "old" -> "new" RestartsTasks"#]);
}

#[test]
fn adopting_never_recreates() {
    let mut a = resource("a", json!({ "name": "a", "zone": 2 }), &[]);
    a.adopt = true;
    let case = Case::default().wants(a).sees("a", json!({ "name": "a", "zone": 1 }), None);
    assert_eq!(case.plan().unwrap_err()[0].code, "plan::adopt_replaces");
}

#[test]
fn who_reads_a_value_at_its_start_only_is_told() {
    let warnings = |reader: serde_json::Value, was: serde_json::Value| {
        let case = Case::default()
            .wants(resource("key", json!({ "name": "/shop/key", "value": "new" }), &[]))
            .wants(resource("web", reader, &["key"]))
            .has("key", json!({ "name": "/shop/key", "value": "old" }), &[])
            .has("web", was, &["key"]);
        let plan = case.plan().unwrap();
        plan.warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>()
    };
    let reads = |of: &str| json!({ "name": "w", "parts": { "app": { "reads": { "KEY": of } } } });
    let told = "its tasks read `thing.key` when they start: those that run keep the value that \
                they have";

    for of in ["/shop/key", "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/key"] {
        assert_eq!(warnings(reads(of), reads(of)), [told]);
    }
    assert_eq!(warnings(reads("/shop/other"), reads("/shop/other")), [""; 0]);
    // Its tasks are replaced anyway.
    let mut newer = reads("/shop/key");
    newer["image"] = json!("new");
    assert_eq!(warnings(newer, reads("/shop/key")), [""; 0]);
}

#[test]
fn protected_resources_are_not_replaced() {
    let mut a = resource("a", json!({ "name": "a", "zone": 2 }), &[]);
    a.protect = true;
    let case = Case::default().wants(a).has("a", json!({ "name": "a", "zone": 1 }), &[]);
    assert_eq!(case.plan().unwrap_err()[0].code, "plan::protected");
}

#[test]
fn forbidden_deletes_are_refused() {
    let mut case = Case::default().has("a", json!({}), &[]);
    case.forbid_deletes = true;
    let problems = case.plan().unwrap_err();
    assert_eq!(problems[0].code, "plan::deletes_forbidden");
    // All of them at once, and the way out once.
    let mut case = case.has("b", json!({}), &[]);
    case.forbid_deletes = true;
    let problems = case.plan().unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].help.as_ref().unwrap().starts_with("`thing.a`, `thing.b` would be"));
}

#[test]
fn a_target_brings_what_it_depends_on_and_nothing_else() {
    let mut case = Case::default()
        .wants(resource("a", json!({}), &[]))
        .wants(resource("b", json!({}), &["a"]))
        .wants(resource("c", json!({}), &[]))
        .has("old", json!({}), &[]);
    case.targets = vec!["b"];
    assert_eq!(
        steps(&case.plan().unwrap()),
        ["0 deploy create thing.a after []", "1 deploy create thing.b after [0]"]
    );
}

#[test]
fn the_order_of_the_manifest_does_not_show() {
    let all = ["c", "a", "b"].map(|name| resource(name, json!({ "name": name }), &[]));
    let one = all.iter().cloned().fold(Case::default(), Case::wants).plan().unwrap();
    let other = all.into_iter().rev().fold(Case::default(), Case::wants).plan().unwrap();
    assert_eq!(one, other);
    assert!(one.steps.iter().all(|step| step.phase == Phase::Deploy));
}

#[test]
fn cycles_and_dangling_dependencies_are_all_reported() {
    let case = Case::default()
        .wants(resource("a", json!({}), &["b"]))
        .wants(resource("b", json!({}), &["a"]))
        .wants(resource("c", json!({}), &["nowhere"]));
    let codes: Vec<&str> = case.plan().unwrap_err().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["plan::unknown_reference", "plan::cycle"]);
}

#[test]
fn a_renamed_table_never_deletes_the_object_it_stands_for() {
    for adopt in [false, true] {
        let mut renamed = resource("new", json!({ "name": "x" }), &[]);
        renamed.adopt = adopt;
        let mut case = Case::default().wants(renamed).has("old", json!({ "name": "x" }), &[]).sees(
            "new",
            json!({ "name": "x" }),
            None,
        );
        // Both addresses see the same object.
        let seen = case.observed[&address("old")].clone();
        case.observed.insert(address("new"), seen);
        let problems = case.plan().unwrap_err();
        assert_eq!(problems[0].code, "plan::renamed");
        assert!(
            problems[0].help.as_ref().unwrap().contains("state mv dev.toml thing.old thing.new")
        );
    }
}

#[test]
fn a_new_dependency_is_recorded_even_when_nothing_else_changes() {
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a" }), &[]))
        .wants(resource("b", json!({ "name": "b" }), &["a"]))
        .has("a", json!({ "name": "a" }), &[])
        .has("b", json!({ "name": "b" }), &[]);
    let plan = case.plan().unwrap();
    assert!(plan.is_empty());
    assert!(plan.refreshed.resources[&address("b")].depends_on.contains(&address("a")));
}

#[test]
fn a_change_of_tags_leaves_every_output_known() {
    let mut b = resource("b", json!({ "name": "b" }), &[]);
    b.inputs.insert("peer".into(), reference("a", "version"));
    let case = Case::default()
        .wants(resource("a", json!({ "name": "a", "tags": {"team": "b"} }), &[]))
        .wants(b)
        .has("a", json!({ "name": "a", "tags": {"team": "a"} }), &[])
        .has("b", json!({ "name": "b", "peer": 1 }), &["a"]);
    assert_eq!(fields(&case.plan().unwrap()), [r#"thing.a tags.team: "a" -> "b" None"#]);
}

#[test]
fn names_are_never_swapped_chained_or_taken_from_what_awaits_deletion() {
    let swap = Case::default()
        .wants(resource("a", json!({ "name": "y" }), &[]))
        .wants(resource("b", json!({ "name": "x" }), &[]))
        .has("a", json!({ "name": "x" }), &[])
        .has("b", json!({ "name": "y" }), &[]);
    assert_eq!(swap.plan().unwrap_err().len(), 2);
    let chain = Case::default()
        .wants(resource("a", json!({ "name": "y" }), &[]))
        .has("a", json!({ "name": "x" }), &[])
        .has("b", json!({ "name": "y" }), &[]);
    assert_eq!(chain.plan().unwrap_err()[0].code, "plan::renamed");
    let mut adopted = resource("z", json!({ "name": "old" }), &[]);
    adopted.adopt = true;
    let mut deposed = Case::default()
        .wants(resource("a", json!({ "name": "new" }), &[]))
        .wants(adopted)
        .has("a", json!({ "name": "new" }), &[])
        .sees("z", json!({ "name": "old" }), None)
        .left_over("a", "old");
    let old = deposed.deposed.get_mut(&address("a")).unwrap();
    old[0].inputs = fixture::properties(json!({ "name": "old" }));
    assert_eq!(deposed.plan().unwrap_err()[0].code, "plan::renamed");
}

#[test]
fn a_name_that_its_own_address_left_behind_is_free_only_after_cleanup() {
    let mut case = Case::default()
        .wants(resource("a", json!({ "name": "old" }), &[]))
        .has("a", json!({ "name": "new" }), &[])
        .left_over("a", "old");
    let old = case.deposed.get_mut(&address("a")).unwrap();
    old[0].inputs = fixture::properties(json!({ "name": "old" }));
    assert_eq!(case.plan().unwrap_err()[0].code, "plan::renamed");
}
