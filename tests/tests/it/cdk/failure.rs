//! A stack that fails when others have been changed.

use std::fs;
use std::path::Path;

use bfd_tests::exit;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::app::{App, SECOND, said};
use crate::harbor::tell;

/// A parameter of somebody else, whose name is taken.
const TAKEN: &str = "/bellyfed-cdk/taken";

#[test]
fn a_stack_that_fails_takes_back_what_was_changed_before_it() {
    let app = App::new();
    app.project.apply().run().succeeds();
    let before = app.seen();
    let put = ["ssm", "put-parameter", "--type", "String", "--value", "theirs", "--name", TAKEN];
    app.aws().call(put);
    app.release(SECOND);
    // It waits for the stacks that change, so they have been changed when it fails.
    wants_what_is_taken(&app, "Monitoring");

    let failed = app.project.apply().run().exits(exit::ROLLED_BACK);

    tell(&format!("{failed}"));
    let said = said(&failed);
    let changed_before = "✓ stack.app/bellyfed-cdk-functions updated";
    for words in [changed_before, "Taken", "The parameter already exists"] {
        assert!(said.contains(words), "expected {words:?} on stderr\n{failed}");
    }
    let after = app.seen();
    let names = |seen: &Value| -> Vec<String> {
        seen["stacks"].as_object().expect("stacks").keys().cloned().collect()
    };
    assert_eq!(names(&after), names(&before), "a stack that was new is gone");
    for name in names(&before) {
        for what in ["template", "tags", "resources", "protected"] {
            let [then, now] = [&before, &after].map(|seen| &seen["stacks"][&name][what]);
            assert_eq!(now, then, "{what} of {name}");
        }
    }
    assert_eq!(app.parameter("/bellyfed-cdk/greeting"), "Good morning");
    assert_eq!(app.parameter("/bellyfed-cdk/preview/release"), "first");
    assert_eq!(app.parameter(TAKEN), "theirs");

    // The release as it was meant can be deployed afterwards.
    app.release(SECOND);
    app.project.apply().run().succeeds();
    app.project.has_no_changes();
}

/// Adds a parameter to a stack of the release, as synthesis would have: its template is another
/// asset then.
#[track_caller]
fn wants_what_is_taken(app: &App, stack: &str) {
    let directory = app.assembly();
    let [template, assets, manifest] =
        [format!("{stack}.template.json"), format!("{stack}.assets.json"), "manifest.json".into()]
            .map(|file| directory.join(file));
    let read = |path: &Path| fs::read_to_string(path).expect("a file of the assembly");
    let text = read(&template);
    let mut body: Value = serde_json::from_str(&text).expect("a template");
    body["Resources"]["Taken"] = json!({
        "Type": "AWS::SSM::Parameter",
        "Properties": { "Name": TAKEN, "Type": "String", "Value": "ours" },
    });
    let changed = format!("{body:#}");
    let [before, after] = [&text, &changed].map(|text| hash(text));
    for file in [&assets, &manifest] {
        let naming = read(file);
        assert!(naming.contains(&before), "{} names the template by its hash", file.display());
        fs::write(file, naming.replace(&before, &after)).expect("a file can be written");
    }
    fs::write(template, changed).expect("a file can be written");
}

/// The SHA-256 of a text, by which the CDK names the template of a stack.
fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
