//! How long a rollback takes at worst, and what is said when that is too long.

use crate::fixture::{Case, address, resource};
use bfd_core::plan::{Plan, Rollback, in_words};
use serde_json::json;

fn takes(case: Case, name: &str, detection: u64, undo: u64, after: &[&str]) -> Case {
    case.wants(resource(name, json!({ "name": name, "detection": detection, "undo": undo }), after))
}

fn worst(plan: &Plan) -> (u64, u64) {
    plan.rollback.estimate.as_ref().map_or((0, 0), |it| (it.detection.seconds, it.undo.seconds))
}

#[test]
fn an_empty_plan_takes_no_time() {
    assert_eq!(Case::default().plan().unwrap().rollback.estimate, None);
}

#[test]
fn it_is_the_longest_detection_and_the_longest_path_of_undos() {
    let case = takes(Case::default(), "a", 5, 10, &[]);
    let case = takes(case, "b", 100, 20, &["a"]);
    let case = takes(case, "c", 7, 25, &["a"]);
    let plan = case.plan().unwrap();
    assert_eq!(worst(&plan), (100, 35));
    let estimate = plan.rollback.estimate.unwrap();
    assert_eq!((estimate.detection.address, estimate.undo.address), (address("b"), address("c")));
    assert_eq!(estimate.undo.fields[0].field, "thing.c.undo");
}

#[test]
fn one_more_resource_never_lowers_it() {
    let mut last = (0, 0);
    let mut case = Case::default();
    for (name, detection, undo, after) in
        [("a", 9, 9, &[][..]), ("b", 1, 30, &["a"]), ("c", 40, 2, &["b"]), ("d", 0, 0, &["c"])]
    {
        case = takes(case, name, detection, undo, after);
        let now = worst(&case.plan().unwrap());
        assert!(now.0 >= last.0 && now.1 >= last.1, "{last:?} {now:?}");
        last = now;
    }
}

#[test]
fn a_deadline_that_is_kept_needs_no_warning() {
    let plan = takes(Case::default(), "a", 200, 100, &[]).plan().unwrap();
    assert_eq!((worst(&plan), plan.warnings.len()), ((200, 100), 0));
}

#[test]
fn a_warning_says_how_long_and_what_to_change() {
    let case = takes(takes(Case::default(), "a", 5, 40, &[]), "b", 300, 20, &["a"]);
    let plan = case.plan().unwrap();
    let [warning] = &plan.warnings[..] else { panic!("{:?}", plan.warnings) };
    assert_eq!(warning.address, Some(address("b")));
    assert_eq!(
        warning.message,
        "if this change fails, all may be back only after 6 min, later than \
         `rollback.deadline` (5 min): 5 min until the failure is known (5 min of waiting, \
         `detection`), and 1 min to undo (20 s here: 20 s of waiting, `undo`; 40 s in `thing.a`)"
    );
    assert_eq!(warning.help.as_deref(), Some("set `thing.b.detection` to `\"240s\"`"));
    let mended = takes(takes(Case::default(), "a", 5, 40, &[]), "b", 240, 20, &["a"]);
    assert_eq!(mended.plan().unwrap().warnings, []);
    let short = takes(takes(Case::default(), "a", 5, 40, &[]), "b", 241, 20, &["a"]);
    assert_eq!(short.plan().unwrap().warnings.len(), 1);
}

#[test]
fn several_fields_or_the_deadline_where_one_is_not_enough() {
    let two = takes(Case::default(), "a", 400, 400, &[]).plan().unwrap();
    let help = two.warnings[0].help.as_deref();
    assert_eq!(help, Some("set `thing.a.detection` to `\"10s\"`, `thing.a.undo` to `\"290s\"`"));
    let mut none = takes(Case::default(), "a", 10, 10, &[]);
    none.rollback = Rollback { on_failure: true, deadline: 15 };
    let help = none.plan().unwrap().warnings[0].help.clone().unwrap();
    assert!(help.starts_with("raise `rollback.deadline` to `\"30s\"`"), "{help}");
}

#[test]
fn only_together_too_slow_is_told_once() {
    let case = takes(takes(Case::default(), "a", 200, 1, &[]), "b", 1, 200, &[]);
    let plan = case.plan().unwrap();
    assert_eq!(plan.warnings.len(), 1);
    assert_eq!(plan.warnings[0].address, Some(address("a")));
    assert!(plan.warnings[0].message.contains("6 min 40 s"), "{}", plan.warnings[0].message);
}

#[test]
fn without_rollback_nobody_waits_for_one() {
    let mut case = takes(Case::default(), "a", 400, 400, &[]);
    case.rollback.on_failure = false;
    assert_eq!(case.plan().unwrap().warnings, []);
}

#[test]
fn durations_are_told_in_words() {
    let told = [0, 45, 60, 160, 3900].map(in_words);
    assert_eq!(told, ["0 s", "45 s", "1 min", "2 min 40 s", "1 h 5 min"]);
}
