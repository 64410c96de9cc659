//! From nothing to nothing.

use std::collections::BTreeSet;

use bfd_tests::{cdk, exit};

use super::app::{App, SECOND, STACKS, each};
use crate::world::list;

#[test]
fn a_cdk_application_lives_on_ministack_from_nothing_to_nothing() {
    let app = App::new();
    assert_eq!(app.planned(), each("create", &STACKS));

    app.project.apply().run().succeeds();
    app.project.has_no_changes();
    assert_eq!(app.stacks(), BTreeSet::from(STACKS.map(str::to_owned)));
    assert_eq!(app.parameter("/bellyfed-cdk/greeting"), "Good morning");
    assert_eq!(app.parameter("/bellyfed-cdk/echo"), "Good morning, Singapore");
    assert_eq!(images(&app), ["771156780c3f10a28afa315fedc5d7674feebb4ae9bcadf4270eeb6a0d8e4a07"]);

    app.release(SECOND);
    app.project.plan().run().exits(exit::CHANGES);
    let mut expected = each("update", &CHANGED);
    expected.insert("create bellyfed-cdk-audit".to_owned());
    assert_eq!(app.planned(), expected);
    // A stack within a stack is opened: what changes is a queue in it, and nothing else.
    let plan = app.project.plan_json();
    let kitchen = list(&plan["changes"]).iter().find(|it| it["address"] == KITCHEN);
    let [queue] = list(&kitchen.expect("a change")["resources"]) else {
        panic!("one resource: {kitchen:#?}")
    };
    let logical = queue["logical_id"].as_str().expect("an id");
    assert!(logical.ends_with("/Tickets83B11BB2"), "{logical}");
    assert_eq!(list(&queue["properties"])[0]["path"], "Properties.VisibilityTimeout");
    app.project.apply().run().succeeds();
    app.project.has_no_changes();
    assert_eq!(app.parameter("/bellyfed-cdk/greeting"), "Good evening");
    assert_eq!(app.parameter("/bellyfed-cdk/echo"), "Good evening, Singapore");

    // The application says that one of its stacks is not to be deleted.
    app.manifest_goes_on("\n[stack.\"app/bellyfed-cdk-data\"]\ntermination_protection = false");
    assert_eq!(app.planned(), each("update", &["bellyfed-cdk-data"]));
    app.project.apply().run().succeeds();
    app.project.destroy().run().succeeds();
    let seen = app.seen();
    let left: Vec<_> = seen["stacks"].as_object().expect("stacks").keys().collect();
    assert_eq!(left, [cdk::BOOTSTRAP]);
    let parameters: Vec<_> = seen["parameters"].as_object().expect("parameters").keys().collect();
    assert_eq!(parameters, ["/cdk-bootstrap/hnb659fds/version"]);
}

const KITCHEN: &str = "stack.app/bellyfed-cdk-kitchen";

/// What is another in the second release, see `tests/fixtures/cdk/app/README.md`. The template of
/// the reader is the same: it reads a parameter of the settings.
const CHANGED: [&str; 6] = [
    "Preview-Notes",
    "bellyfed-cdk-functions",
    "bellyfed-cdk-kitchen",
    "bellyfed-cdk-messaging",
    "bellyfed-cdk-settings",
    "bellyfed-cdk-settings-reader",
];

/// The tags of all image assets.
#[track_caller]
fn images(app: &App) -> Vec<String> {
    let repository = cdk::asset_repository();
    let answer = app.aws().call(["ecr", "describe-images", "--repository-name", &repository]);
    let tags = list(&answer["imageDetails"]).iter().flat_map(|image| list(&image["imageTags"]));
    tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
}
