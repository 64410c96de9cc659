//! Some of the stacks, by the patterns that the CDK's CLI has.

use std::collections::BTreeSet;

use bfd_tests::exit;

use super::app::{App, STACKS, each};

const PATTERNS: [&str; 2] = ["Cluster", "Preview/*"];
/// Those of the patterns, and the network that the cluster waits for.
const SELECTED: [&str; 4] =
    ["Preview-Inbox", "Preview-Notes", "bellyfed-cdk-cluster", "bellyfed-cdk-network"];

#[test]
fn patterns_select_what_they_select_for_the_cdk() {
    let app = App::new();
    app.manifest_goes_on(&format!("stacks = {PATTERNS:?}"));
    assert_eq!(app.planned(), each("create", &SELECTED));

    app.project.apply().run().succeeds();
    app.project.has_no_changes();
    assert_eq!(app.stacks(), BTreeSet::from(SELECTED.map(str::to_owned)));

    // The CLI has nothing to do, for the same stacks.
    let again = app.cdk.deploy_only(&app.assembly(), &PATTERNS).run().succeeds();
    App::cdk_left(&again, &SELECTED);
    assert_eq!(app.stacks(), BTreeSet::from(SELECTED.map(str::to_owned)));

    // Without patterns the others come to them.
    app.manifest_goes_on("");
    let others = STACKS.into_iter().filter(|stack| !SELECTED.contains(stack));
    assert_eq!(app.planned(), each("create", &others.collect::<Vec<_>>()));
}

#[test]
fn patterns_that_name_nothing_are_refused_without_a_request() {
    let app = App::new();
    app.manifest_goes_on("stacks = [\"Kitchen-*\"]");

    let cost = app.cost(|| app.project.plan().run().exits(exit::REFUSED).says("Kitchen-*"));

    assert_eq!(cost.requests, 0);
}
