//! Stacks that the CDK's CLI deployed.

use bfd_tests::exit;
use serde_json::Value;

use super::app::{App, STACKS, each, planned, said};
use crate::world::list;

#[test]
fn stacks_that_the_cdk_deployed_are_adopted() {
    let app = App::new();
    app.cdk.deploy(&app.assembly()).run().succeeds();
    let [before, changed_before] = [app.seen(), last_changes(&app)];
    // Nothing is taken over unasked.
    let refused = app.project.plan().run().exits(exit::REFUSED);
    let told = said(&refused);
    let help = "set `adopt = true` in `[assembly.app]` to take over all of them";
    assert!(told.contains(help) && told.contains("found 1 problem"), "{refused}");

    app.manifest_goes_on("adopt = true\n");

    let plan = app.project.plan_json();
    assert_eq!(planned(&plan), each("adopt", &STACKS));
    for change in list(&plan["changes"]) {
        let resources = change["resources"].as_array();
        assert!(resources.is_none_or(Vec::is_empty), "no object changes: {change}");
    }
    app.project.apply().run().succeeds();
    app.project.has_no_changes();
    assert_eq!(app.seen()["stacks"], before["stacks"]);
    assert_eq!(last_changes(&app), changed_before, "no stack was updated");

    // From here on they are bfd's, and the CDK's CLI still finds them as it left them.
    let again = app.cdk.deploy(&app.assembly()).run().succeeds();
    App::cdk_left(&again, &STACKS);
    app.project.has_no_changes();
}

/// When each stack was changed last.
#[track_caller]
fn last_changes(app: &App) -> Value {
    let query = "Stacks[].[StackName, CreationTime, LastUpdatedTime]";
    app.aws().call(["cloudformation", "describe-stacks", "--query", query])
}
