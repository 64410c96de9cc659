//! The same application, deployed by the CDK's CLI and by bfd.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::app::{App, Cost, SECOND};
use crate::world::list;

/// Of how many requests of the CDK's CLI bfd may make one, at most. How long either takes is
/// printed and never judged: it is the machine's.
const ONE_IN: usize = 3;

#[test]
fn what_the_cdk_deployed_and_bfd_deploys_is_the_same() {
    let [theirs, ours] = [App::new(), App::new()];

    let first = phase(&theirs, &ours);
    is_the_same(&theirs, &ours);
    let unchanged = phase(&theirs, &ours);
    is_the_same(&theirs, &ours);
    for app in [&theirs, &ours] {
        app.release(SECOND);
    }
    let changed = phase(&theirs, &ours);
    is_the_same(&theirs, &ours);
    ours.project.has_no_changes();

    let phases = [("first", first), ("unchanged", unchanged), ("changed", changed)];
    print(&table(&phases));
    for (name, [cdk, bfd]) in &phases {
        assert!(bfd.requests * ONE_IN <= cdk.requests, "{name}: {cdk:?}, {bfd:?}");
    }
}

/// Deploys the release of both, and what it cost the CDK's CLI and bfd.
#[track_caller]
fn phase(theirs: &App, ours: &App) -> [Cost; 2] {
    let cdk = theirs.cost(|| theirs.cdk.deploy(&theirs.assembly()).run().succeeds());
    let bfd = ours.cost(|| ours.project.apply().run().succeeds());
    [cdk, bfd]
}

/// Asserts that two accounts have the same, whoever deployed it.
#[track_caller]
fn is_the_same(theirs: &App, ours: &App) {
    let [theirs, ours] = [theirs, ours].map(App::seen);
    for what in ["stacks", "exports", "parameters"] {
        differs_nowhere(what, &theirs[what], &ours[what]);
    }
    // A template need not go through the bucket, and what no stack refers to any more may be there
    // or not.
    let assets = |seen: &Value| -> BTreeSet<String> {
        let templates = seen["stacks"].to_string();
        let keys = list(&seen["assets"]).iter().filter_map(Value::as_str);
        keys.filter(|key| templates.contains(*key)).map(str::to_owned).collect()
    };
    assert_eq!(assets(&theirs), assets(&ours));
    let is_archive = |key: &String| key.rsplit_once('.').is_some_and(|(_, end)| end == "zip");
    assert!(assets(&theirs).iter().any(is_archive), "an archive is referred to");
}

/// Compares one by one: whole accounts are more than anybody reads.
#[track_caller]
fn differs_nowhere(what: &str, theirs: &Value, ours: &Value) {
    let [left, right] = [theirs, ours].map(|it| it.as_object().expect("a table"));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{what}");
    for (name, value) in left {
        let (what, other) = (format!("{what}, {name}"), &right[name]);
        if value.is_object() && other.is_object() {
            differs_nowhere(&what, value, other);
        } else {
            assert_eq!(value, other, "{what}");
        }
    }
}

/// Prints what is for people, apart from what the commands said.
#[expect(clippy::print_stdout, reason = "shown with a failure, or with `--nocapture`")]
fn print(table: &str) {
    println!("{table}");
}

/// What both took, as a table for a page of the documentation.
fn table(phases: &[(&str, [Cost; 2])]) -> String {
    let mut table = "| phase | cdk seconds | cdk requests | bfd seconds | bfd requests | ratio |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for (name, [cdk, bfd]) in phases {
        let [theirs, ours] = [cdk, bfd].map(|cost| cost.elapsed.as_secs_f64());
        let (cdk, bfd) = (cdk.requests, bfd.requests);
        let ratio = bfd * 100 / cdk;
        writeln!(table, "| {name} | {theirs:.1} | {cdk} | {ours:.1} | {bfd} | {ratio} % |")
            .expect("a string takes text");
    }
    table
}
