//! What the promise of an undo rests on.

use crate::fixture::{Case, address, resource};
use bfd_core::{
    Run,
    journal::Event,
    plan::{Phase, Plan, Undo, UndoProblem, Warning},
};
use bfd_plan::{undo_targets, weaken};
use serde_json::json;

/// One thing whose tasks restart, one that changes otherwise, one that is new, one that goes.
fn plan() -> Plan {
    let thing =
        |name: &str, image: &str, size: u8| json!({ "name": name, "image": image, "size": size });
    Case::default()
        .wants(resource("restarted", thing("restarted", "b", 1), &[]))
        .has("restarted", thing("restarted", "a", 1), &[])
        .wants(resource("resized", thing("resized", "a", 2), &[]))
        .has("resized", thing("resized", "a", 1), &[])
        .wants(resource("created", json!({ "name": "new", "image": "a" }), &[]))
        .has("deleted", json!({ "name": "old", "image": "a" }), &[])
        .plan()
        .unwrap()
}

fn problem(name: &str, undo: Option<Undo>) -> UndoProblem {
    let help = Some("push it".to_owned());
    UndoProblem { address: address(name), undo, message: format!("no {undo:?}"), help }
}

#[test]
fn only_what_restarts_tasks_needs_something_to_go_back_to() {
    let plan = plan();
    let targets = undo_targets(&plan);
    let [(at, prior)] = targets.as_slice() else { panic!("{targets:?}") };
    assert_eq!(**at, address("restarted"));
    assert_eq!(prior.inputs["image"], "a", "what it is put back to");
}

#[test]
fn a_promise_becomes_no_better_by_a_second_problem() {
    let mut plan = plan();
    let problems = [Some(Undo::None), Some(Undo::Approximate), None];
    weaken(&mut plan, problems.map(|undo| problem("restarted", undo)).to_vec());
    let undo = |name: &str| {
        let found = plan.changes.iter().find(|change| change.address == address(name)).unwrap();
        (found.undo, found.notes.clone())
    };
    let notes = vec!["no Some(None)".to_owned(), "no Some(Approximate)".to_owned()];
    assert_eq!(undo("restarted"), (Undo::None, notes));
    assert_eq!(undo("resized"), (Undo::Exact, vec![]));
    let warnings: Vec<&Warning> = plan.warnings.iter().filter(|it| it.help.is_some()).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(warnings[2].address, Some(address("restarted")));
    assert_eq!(warnings[2].message, "no None");
}

#[test]
fn a_run_on_its_way_back_has_no_pivot_even_when_all_of_it_had_succeeded() {
    let plan = plan();
    let deploys: Vec<_> = plan.steps.iter().filter(|it| it.phase == Phase::Deploy).collect();
    let (ids, objects): (Vec<_>, Vec<_>) =
        deploys.iter().map(|it| (it.id, plan.refreshed.resources.values().next().cloned())).unzip();
    let mut run = Run::new(plan.clone());
    for id in &ids {
        run.record(Some(*id), &Event::Started).unwrap();
    }
    // Asked to stop while the last calls are under way, which then succeed.
    run.record(None, &Event::Canceled).unwrap();
    for (id, result) in ids.iter().zip(objects) {
        run.record(Some(*id), &Event::Succeeded { result }).unwrap();
    }
    assert!(run.unwinding() && !run.pivoted());
}
