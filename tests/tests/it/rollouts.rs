//! Images that cannot run: noticed, undone and proven within seconds, seen from outside.

use std::fs;
use std::time::Duration;

use bfd_tests::{AwsCli, Ministack, Output, exit};
use serde_json::{Value, json};

use crate::harbor::{Harbor, tell};
use crate::ministack::says_that_there_is_no_image;
use crate::secrets::files_in;
use crate::world::{changes, list};

const EVENTS: &str = "events.jsonl";
/// A value that comes from a variable.
const SECRET: &str = "type = \"SecureString\"\nvalue_from = { env = \"API\" }";
const PLANTED: &str = "correct-horse-battery-staple";
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ";
/// What it may take: two looks at the service, and a machine that is busy with other tests.
const SECONDS: Duration = Duration::from_secs(45);

#[test]
fn an_image_that_cannot_be_pulled_is_undone_within_seconds() {
    let failed = goes_back_from("never-pushed:1");

    says_that_there_is_no_image(&failed);
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

#[test]
fn the_last_words_of_a_container_are_told_without_its_secret() {
    let (harbor, shown) = last_words(true, None);

    let shown =
        shown.says("last log lines of container `web`, task ").says("(`/harbor/web`, `ecs/web/");
    // It told its environment, as a bad program does. ministack hands on the secret as base64.
    let shown =
        shown.says("| RELEASE=first").says("| GREETING=ENCRYPTED:***").says("| I cannot go on");
    shown.never_mentions(PLANTED).never_mentions(ENCODED);
    let run = harbor.project.bfd("show").arg("--run").run().succeeds().never_mentions(PLANTED);
    run.prints("GREETING=ENCRYPTED:***").prints("I cannot go on");
    let kept = harbor.project.workspace().path().join(harbor.project.state_file("state.json"));
    let mut files = files_in(kept.parent().expect("a directory"));
    files.push(harbor.project.workspace().path().join(EVENTS).to_string_lossy().into_owned());
    let mut told = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.contains(PLANTED) && !text.contains(ENCODED), "{file}:\n{text}");
        told += usize::from(text.contains("GREETING=ENCRYPTED:***"));
    }
    assert_eq!(told, 2, "the run and its events");
}

#[test]
fn as_many_last_words_are_told_as_asked_for() {
    let (_, none) = last_words(true, Some(0));
    let (_, one) = last_words(true, Some(1));

    none.says("exit code 1").never_mentions("log lines").never_mentions("cannot go on");
    one.says("| I cannot go on").never_mentions("RELEASE=first");
}

#[test]
fn without_a_log_group_the_failure_is_told_and_why_there_are_no_last_words() {
    let (_, shown) = last_words(false, None);

    let shown = shown.says("container `web`: exit code 1");
    shown.says("no log lines of container `web`").says("log group does not exist");
}

/// A first deployment of an image that crashes, which has a log group and a secret.
#[track_caller]
fn last_words(has_group: bool, log_lines: Option<usize>) -> (Harbor, Output) {
    let harbor = Harbor::new();
    let project = &harbor.project;
    harbor.release_of("first", "crash:1");
    project.change("value = \"https://first.example.com\"", SECRET);
    let greeting = "logs = \"/harbor/web\"\nsecrets = { GREETING = \"${parameter.url.arn}\" }";
    project.change("image = \"crash:1\"", &format!("image = \"crash:1\"\n{greeting}"));
    let role = format!("arn:aws:iam::{}:role/harbor", harbor.account.number());
    project.change("desired_count = 2", &format!("desired_count = 1\nexecution_role = \"{role}\""));
    if let Some(lines) = log_lines {
        project
            .change("[coordinator]", &format!("[rollback]\nlog_lines = {lines}\n\n[coordinator]"));
    }
    if has_group {
        let aws = AwsCli::new(Ministack::shared().url()).in_account(harbor.account.number());
        aws.call(["logs", "create-log-group", "--log-group-name", "/harbor/web"]);
    }
    let apply = project.apply().args(["--events", EVENTS]).env("API", PLANTED);
    let shown = apply.env("COLUMNS", "300").run().exits(exit::ROLLED_BACK);
    tell(&format!("{shown}"));
    (harbor, shown)
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
