//! Images that cannot run: noticed, undone and proven within seconds, seen from outside.

use std::time::Duration;

use bfd_tests::{Output, exit};
use serde_json::{Value, json};

use crate::harbor::{Harbor, tell};
use crate::world::{changes, list};

const EVENTS: &str = "events.jsonl";
/// What it may take: two looks at the service, and a machine that is busy with other tests.
const SECONDS: Duration = Duration::from_secs(45);

#[test]
fn an_image_that_cannot_be_pulled_is_undone_within_seconds() {
    let failed = goes_back_from("never-pushed:1");

    let failed = failed.says("CannotPullContainerError").says("never-pushed");

    failed.says("check that the image exists");
}

#[test]
fn an_image_that_crashes_is_undone_within_seconds() {
    let failed = goes_back_from("crash:1");

    failed.says("Essential container exited").says("container `web`: exit code 1");
}

#[test]
fn a_first_deployment_that_fails_leaves_nothing_in_the_account_or_the_state() {
    for image in ["never-pushed:1", "crash:1"] {
        let harbor = Harbor::new();
        harbor.release_of("first", image);

        let failed = harbor.project.apply().run().exits(exit::ROLLED_BACK);

        tell(&format!("{image}: rolled back after {:?}", failed.elapsed));
        assert!(failed.elapsed < SECONDS, "{failed}");
        let left = harbor.account.objects();
        assert!(left.is_empty(), "{left:?}\n{failed}");
        assert_eq!(harbor.project.state()["resources"], json!({}));
    }
}

#[test]
fn a_revision_that_cannot_be_gone_back_to_is_said_before_anything_changes() {
    let harbor = Harbor::new().built();
    harbor.account.deregister(&harbor.recorded_revision());
    harbor.release_of("second", "never-pushed:1");

    let planned = harbor.project.plan_json();
    let failed = harbor.project.apply().run().exits(exit::ROLLED_BACK);

    let change = list(&planned["changes"]).iter().find(|it| it["address"] == "service.web");
    let change = change.expect("the service changes");
    assert_eq!(change["undo"], "approximate", "{change}");
    let warnings = planned["warnings"].to_string();
    assert!(warnings.contains("is INACTIVE: a rollback registers its content"), "{warnings}");
    failed.says("only approximately: task definition").says("is INACTIVE");
    harbor.runs(&harbor.recorded_revision());
}

/// Updates to an image that fails, and asserts that nothing is left of it.
#[track_caller]
fn goes_back_from(image: &str) -> Output {
    let mut harbor = Harbor::new().built();
    let before = harbor.recorded_revision();
    harbor.release_of("second", image);
    let wanted = changes(&harbor.project.plan_json());

    let failed = harbor.project.apply().args(["--events", EVENTS]).run().exits(exit::ROLLED_BACK);

    tell(&format!("{image}: rolled back after {:?}", failed.elapsed));
    assert!(failed.elapsed < SECONDS, "{failed}");
    assert_eq!(harbor.recorded_revision(), before);
    harbor.runs(&before);
    assert_eq!(harbor.objects(), harbor.expected());
    assert_eq!(changes(&harbor.project.plan_json()), wanted);
    tells_the_same(&harbor, &failed);
    harbor.release("first");
    harbor.is_sound();
    failed
}

/// Asserts that the events hold the failure that was shown, the proof, and no more failures.
#[track_caller]
fn tells_the_same(harbor: &Harbor, failed: &Output) {
    let text = harbor.project.workspace().read(EVENTS);
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect();
    let failures: Vec<_> = events.iter().filter(|it| it["event"]["failed"].is_object()).collect();
    assert_eq!(failures.len(), 1, "{text}");
    assert_eq!(failures[0]["address"], "service.web");
    let message = &failures[0]["event"]["failed"]["failure"]["message"];
    // What is shown is wrapped, and words are not.
    let shown: Vec<_> = failed.stderr.split_whitespace().collect();
    let said: Vec<_> = message.as_str().expect("a message").split_whitespace().collect();
    assert!(shown.windows(said.len()).any(|words| words == said), "{message}\n{failed}");
    let undone = events
        .iter()
        .rev()
        .find(|it| it["address"] == "service.web" && it["event"]["undo_succeeded"].is_object());
    let proof = &undone.expect("an undo")["event"]["undo_succeeded"]["result"]["outputs"]["proven"];
    assert!(proof.as_str().is_some_and(|proof| proof.contains("2/2 running")), "{proof}");
}
