//! The same on the embedded AWS, which bfd bootstraps itself.

use bfd_tests::{AwsCli, Project, cdk, exit};
use serde_json::json;

use super::app::{FIRST, SECOND, STACKS};
use crate::world::changes;

const MANIFEST: &str = r#"[environment]
name = "bellyfed"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[assembly.app]
path = "assembly"
"#;

#[test]
fn a_cdk_application_lives_in_the_sandbox_from_nothing_to_nothing() {
    let project = Project::new("bellyfed", MANIFEST).with_a_builder();
    let place = |release: &str| cdk::place_assembly(release, project.workspace(), "assembly");
    place(FIRST);

    // What the application needs of its account is told before anything else, and made.
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("the account has no bootstrap stack").says("`bfd bootstrap manifest.toml`");
    project.bfd("bootstrap").args(["--plan", "--detailed-exitcode"]).run().exits(exit::CHANGES);
    project.bfd("bootstrap").arg("--yes").run().succeeds();
    project.bfd("bootstrap").arg("--yes").run().succeeds().prints("No changes");

    assert_eq!(changes(&project.plan_json()).len(), STACKS.len() + 1, "the stacks and an image");
    let built = project.plan().run().exits(exit::CHANGES);
    assert!(built.stdout.contains("built from"), "{built}");
    project.apply().run().succeeds();
    project.has_no_changes();
    an_image_that_is_there_is_used(&project);

    place(SECOND);
    project.plan().run().exits(exit::CHANGES).prints("+ stack.app/bellyfed-cdk-audit");
    project.apply().run().succeeds();
    project.has_no_changes();

    let refused = project.destroy().run().exits(exit::REFUSED);
    refused.says("`stack.app/bellyfed-cdk-data` is protected against deletion");
    let manifest = project.workspace().read("manifest.toml");
    let protection = "[stack.\"app/bellyfed-cdk-data\"]\ntermination_protection = false\n";
    project.workspace().write("manifest.toml", format!("{manifest}\n{protection}"));
    project.apply().run().succeeds();
    project.destroy().run().succeeds();
    let server = project.serve();
    let query = ["cloudformation", "describe-stacks", "--query", "Stacks[].StackName"];
    assert_eq!(AwsCli::new(server.url()).call(query), json!([cdk::BOOTSTRAP]));
}

/// Whoever takes over an application finds its images pushed, and nothing to build.
#[track_caller]
fn an_image_that_is_there_is_used(project: &Project) {
    let address = "image.app/771156780c3f";
    project.bfd("state rm").arg(address).run().succeeds();

    let plan = project.plan().run().exits(exit::CHANGES);
    assert!(plan.stdout.contains("used as it is there"), "{plan}");
    assert!(!plan.stdout.contains("built from"), "{plan}");
    let plan = project.plan_json();
    assert_eq!(changes(&plan), [format!("create {address}")]);
    assert_eq!(plan["changes"][0]["undo"], "exact", "nothing is pushed: {plan}");
    let applied = project.apply().run().succeeds();
    assert!(!applied.stderr.contains("STEP"), "nothing was built: {applied}");
    project.has_no_changes();
}
