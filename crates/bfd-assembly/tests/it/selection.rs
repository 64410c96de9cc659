//! Which stacks a pattern names.

use crate::{
    fixture::directory,
    support::{Memory, stack},
};
use bfd_assembly::{Assembly, Reach, SelectionError};
use insta::assert_snapshot;
use serde_json::json;

fn fixture() -> Assembly {
    Assembly::read(&directory("cdk.out")).unwrap()
}

fn selected(patterns: &[&str], reach: Reach) -> Vec<String> {
    let assembly = fixture();
    let stacks = assembly.select(patterns, reach).unwrap();
    stacks.iter().map(|stack| stack.hierarchical_id.clone()).collect()
}

fn errors(assembly: &Assembly, patterns: &[&str]) -> String {
    let errors: Vec<SelectionError> = assembly.select(patterns, Reach::Alone).unwrap_err();
    let lines = errors.iter().map(|it| format!("{it}\n  help: {}", it.help()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_star_is_every_stack_outside_of_stages() {
    let all = selected(&["**"], Reach::Alone);
    let outer = selected(&["*"], Reach::Alone);

    assert_eq!((all.len(), outer.len()), (15, 13));
    assert!(outer.iter().all(|id| !id.contains('/')));
    assert_eq!(selected(&["Preview/*"], Reach::Alone), ["Preview/Inbox", "Preview/Notes"]);
    assert_eq!(selected(&["*", "Preview/**"], Reach::Alone), all);
}

#[test]
fn a_stack_has_three_names() {
    assert_eq!(selected(&["Preview/Notes"], Reach::Alone), ["Preview/Notes"]);
    assert_eq!(selected(&["Preview-Notes"], Reach::Alone), ["Preview/Notes"]);
    assert_eq!(selected(&["PreviewNotes6109BB2C"], Reach::Alone), ["Preview/Notes"]);
    assert_eq!(selected(&["bellyfed-cdk-data"], Reach::Alone), ["Data"]);
}

#[test]
fn what_a_stack_depends_on_comes_first() {
    assert_eq!(selected(&["Worker"], Reach::Alone), ["Worker"]);
    assert_eq!(
        selected(&["Worker"], Reach::WithDependencies),
        ["Network", "Cluster", "Roles", "Worker"]
    );
    // The order is that of the whole application, not of the patterns.
    assert_eq!(selected(&["Worker", "Network", "Worker"], Reach::Alone), ["Network", "Worker"]);
}

#[test]
fn some_can_be_left_out() {
    let without = selected(&["!Preview/**"], Reach::Alone);
    assert_eq!(without, selected(&["*"], Reach::Alone));
    assert_eq!(selected(&["{Data,Access}", "!Data"], Reach::Alone), ["Access"]);
    assert_eq!(selected(&["{Data,Access}", "!bellyfed-cdk-data"], Reach::Alone), ["Access"]);
    let again = selected(&["Worker", "Network", "!Network"], Reach::WithDependencies);
    assert_eq!(again, ["Network", "Cluster", "Roles", "Worker"]);
}

#[test]
fn every_pattern_that_selects_nothing() {
    let assembly = fixture();

    assert_snapshot!(errors(
        &assembly,
        &["Wroker", "bellyfed-cdk-dat", "Billing", "Foo/*", "!Dta", "[", ""]
    ));
    assert_snapshot!(errors(&assembly, &[]));
    assert_snapshot!(errors(&assembly, &["Data", "!**"]));
    let empty = Memory::default().artifacts(json!({})).open().unwrap();
    assert_snapshot!(errors(&empty, &["**"]));
}

#[test]
fn a_hierarchical_id_goes_before_a_name() {
    let mut other = stack("B", &[]);
    other["properties"]["stackName"] = json!("A");
    let files = Memory::default().artifacts(json!({ "A": stack("A", &[]), "B": other }));
    let assembly = files.open().unwrap();

    let stacks = assembly.select(&["A"], Reach::Alone).unwrap();

    assert_eq!(stacks.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["A"]);
}
