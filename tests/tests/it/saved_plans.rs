//! What was reviewed is what is applied, or nothing is.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use bfd_tests::{AwsCli, Project, emulators::new_account, exit};

use crate::harbor::Harbor;
use crate::shop;

const LOG: &str = "LOG = \"info\"";

/// Saves a plan for a part of the environment, and returns the digest that reviewers see.
fn saved(project: &Project, target: &str) -> String {
    let plan = project.bfd("plan").args(["-o", "plan.json", "--target", target]);
    let shown = plan.run().succeeds();
    let digest = shown.stdout.lines().find_map(|line| line.strip_prefix("plan sha256:"));
    digest.unwrap_or_else(|| panic!("no digest: {shown}")).to_owned()
}

fn apply(project: &Project) -> bfd_tests::Output {
    project.workspace().bfd(["apply", "plan.json"]).run()
}

#[test]
fn a_change_elsewhere_does_not_void_a_plan_and_is_kept() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    project.change(LOG, "LOG = \"debug\"");
    project.change("value = \"https://api.example.com\"", "value = \"https://b.example.com\"");
    let digest = saved(&project, "service.web");
    assert_eq!(saved(&project, "service.web"), digest, "the same plan");
    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run();
    // A parameter that the plan does not touch: another part of the same manifest.
    project.apply().args(["--target", "service.search"]).run().succeeds();
    let serial = project.state()["serial"].clone();

    let applied = apply(&project).succeeds();

    applied.prints(&format!("the plan sha256:{digest}, made at 20"));
    assert_ne!(project.state()["serial"], serial);
    project.has_no_changes();
}

#[test]
fn a_change_of_what_a_plan_rests_on_voids_it_and_is_named() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let old = project.workspace().read(project.manifest());
    project.change(LOG, "LOG = \"debug\"");
    saved(&project, "service.web");
    let planned = project.workspace().read(project.manifest());
    // Somebody else is faster.
    project.workspace().write(project.manifest(), old);
    project.change(LOG, "LOG = \"trace\"");
    project.apply().run().succeeds();
    project.workspace().write(project.manifest(), planned);
    let before = project.world();

    let refused = apply(&project).exits(exit::STALE);

    let refused = refused.says("changed since the plan was made: `service.web`");
    refused.says("`bfd plan manifest.toml --target service.web -o FILE`");
    assert_eq!(project.world(), before);
}

#[test]
fn a_plan_belongs_to_its_files_its_age_and_its_account() {
    let project = shop::on_sandbox();
    saved(&project, "parameter.api-url");
    let planned = project.workspace().read(project.manifest());
    project.change(LOG, "LOG = \"debug\"");
    apply(&project).exits(exit::STALE).says("was made: `manifest.toml`");
    project.workspace().write(project.manifest(), planned);
    apply(&project).succeeds();

    let harbor = Harbor::new();
    harbor.project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    let elsewhere =
        harbor.project.in_environment(harbor.project.workspace().bfd(["apply", "plan.json"]));
    elsewhere.account(&new_account()).run().exits(exit::WRONG_ACCOUNT);
    assert!(harbor.account.objects().is_empty());
}

#[test]
fn a_run_changes_no_more_than_the_guard_allows() {
    let project = shop::on_sandbox();
    project.change("[coordinator]", "[guard]\nmax_changes = 2\n\n[coordinator]");
    let planned = project.plan().run().exits(exit::CHANGES);
    planned.prints("`max_changes` is 2");

    project.apply().run().exits(exit::REFUSED).says("`max_changes` is 2").says("--target");

    project.apply().args(["--target", "parameter.api-url"]).run().succeeds();
}

#[test]
fn what_others_changed_in_aws_after_the_review_is_not_overwritten() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    project.change("value = \"https://api.example.com\"", "value = \"https://b.example.com\"");
    saved(&project, "parameter.api-url");
    let server = project.serve();
    let put = ["ssm", "put-parameter", "--overwrite", "--name", "/shop/api/url", "--value"];
    AwsCli::new(server.url()).call(put.into_iter().chain(["hotfix"]));
    drop(server);

    let refused = apply(&project).exits(exit::STALE);

    refused.says("changed since the plan was made: `parameter.api-url`");
    let value = &project.world()["ssm"]["/shop/api/url"]["versions"];
    assert!(value.to_string().contains("hotfix"), "{value}");
}

#[test]
fn what_others_made_after_the_review_is_found_before_anything_changes() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    project.change(
        "[cluster.main]",
        "[parameter.new]\nname = \"/shop/new\"\nvalue = \"1\"\n\n[cluster.main]",
    );
    saved(&project, "parameter.new");
    let server = project.serve();
    let put = ["ssm", "put-parameter", "--name", "/shop/new", "--type", "String", "--value"];
    AwsCli::new(server.url()).call(put.into_iter().chain(["theirs"]));
    drop(server);
    let before = project.state();

    let refused = apply(&project).exits(exit::STALE);

    refused.says("changed since the plan was made: `parameter.new`").never_mentions("rolling back");
    assert_eq!(project.state(), before);
}

#[test]
fn a_plan_that_takes_over_an_object_is_applied_as_reviewed() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let taken = "[parameter.new]\nname = \"/shop/new\"\nvalue = \"1\"\nadopt = true\n\n";
    project.change("[cluster.main]", &format!("{taken}[cluster.main]"));
    let server = project.serve();
    let put = ["ssm", "put-parameter", "--name", "/shop/new", "--type", "String", "--value"];
    AwsCli::new(server.url()).call(put.into_iter().chain(["theirs"]));
    drop(server);
    saved(&project, "parameter.new");

    apply(&project).succeeds();

    project.has_no_changes();
}

#[test]
fn a_plan_that_looked_at_nothing_is_not_saved() {
    let project = shop::on_sandbox();

    let refused = project.bfd("plan").args(["--offline", "-o", "plan.json"]).run();

    refused.exits(exit::REFUSED).says("a plan that looks at nothing is not saved");
    assert!(!project.workspace().path().join("plan.json").exists());
}

#[test]
fn a_saved_plan_is_shown_to_reviewers_with_its_digest() {
    let project = shop::on_sandbox();
    let digest = saved(&project, "service.web");
    let show = |format: &str| {
        project.workspace().bfd(["show", "plan.json", "--format", format]).run().succeeds()
    };

    let text = project.workspace().bfd(["show", "plan.json"]).run().succeeds();
    let text = text.prints("+ service.web").prints(&format!("plan sha256:{digest}, made at 20"));
    let made_at = text_after(&text.stdout, ", made at ");
    assert_eq!(show("text").stdout, text.stdout);
    let markdown = show("markdown").stdout;
    let last = markdown.lines().last();
    assert_eq!(last, Some(&*format!("Plan `sha256:{digest}`, made at `{made_at}`")), "{markdown}");
    assert!(markdown.starts_with("### `shop`: "), "{markdown}");
    let json = show("json").json();
    assert!(json["digest"].as_str().unwrap().starts_with(&format!("sha256:{digest}")), "{json}");
    assert_eq!(json["made_at"], made_at);
    apply(&project).succeeds().prints(&format!("the plan sha256:{digest}, made at {made_at}"));

    let bfd = |arguments: &[&str]| project.workspace().bfd(arguments).run();
    let refused = bfd(&["show", "manifest.toml", "--format", "markdown"]).exits(exit::REFUSED);
    refused.says("only a saved plan is shown as Markdown").says("`bfd plan manifest.toml -o FILE`");
    bfd(&["show", "manifest.toml", "--run", "--format", "markdown"]).exits(exit::REFUSED);
    let refused = bfd(&["show", "manifest.toml", "--format", "json"]).exits(exit::REFUSED);
    refused.says("bfd state pull manifest.toml");
    bfd(&["show", "manifest.toml", "--run", "--format", "json"]).succeeds();
}

fn text_after(text: &str, before: &str) -> String {
    let line = text.lines().find_map(|line| line.split_once(before));
    line.unwrap_or_else(|| panic!("no `{before}` in {text}")).1.to_owned()
}

#[test]
fn what_tells_as_much_as_the_state_is_as_private() {
    let project = shop::on_sandbox();
    let files = ["plan.json", "events.jsonl"].map(|file| project.workspace().path().join(file));
    // Whatever was there before: a file of another mode is replaced.
    for was_there in [false, true] {
        if was_there {
            for file in &files {
                fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
            }
        }
        saved(&project, "coordinator.main");
        let apply = project.workspace().bfd(["apply", "plan.json", "--events", "events.jsonl"]);
        apply.run().succeeds();
        for file in &files {
            let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}: {mode:o}", file.display());
        }
    }
}

#[test]
fn another_region_is_another_place() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let before = project.state();
    project.change("region = \"ap-southeast-1\"", "region = \"eu-west-1\"");

    for refused in [project.plan().run(), project.apply().run(), project.destroy().run()] {
        let refused = refused.exits(exit::WRONG_ACCOUNT);
        refused.says("the state belongs to environment `shop` of account 123456789012");
    }
    assert_eq!(project.state(), before);
}

#[test]
fn a_plan_is_bound_to_the_files_that_stacks_publish() {
    let head = "[environment]\nname = \"files\"\naccount = \"123456789012\"\n\
                region = \"ap-southeast-1\"\n\n[provider]\nkind = \"sandbox\"\n";
    let stacks = "\n[stack.bucket]\nname = \"bucket\"\ntemplate = \"bucket.yaml\"\n\
                  \n[stack.app]\nname = \"app\"\ntemplate = \"app.yaml\"\n\
                  depends_on = [\"stack.bucket\"]\n\
                  \n[stack.app.assets.page]\npath = \"page.html\"\nbucket = \"files-of-app\"\n\
                  key = \"page-1.html\"\n";
    let project = Project::new("files", &format!("{head}{stacks}"));
    let write = |name: &str, text: &str| project.workspace().write(name, text);
    let bucket = "{Type: AWS::S3::Bucket, Properties: {BucketName: files-of-app}}";
    write("bucket.yaml", &format!("Resources:\n  Bucket: {bucket}\n"));
    write("app.yaml", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n");
    write("page.html", "<p>reviewed\n");
    project.bfd("plan").args(["-o", "reviewed.plan"]).run().succeeds();

    write("page.html", "<p>something else\n");
    let apply = project.workspace().bfd(["apply", "reviewed.plan", "--yes"]);
    let refused = project.in_environment(apply).run().exits(exit::REFUSED);
    refused.says("`stack.app`: its content changed since it was planned");

    write("page.html", "<p>reviewed\n");
    let apply = project.workspace().bfd(["apply", "reviewed.plan", "--yes"]);
    project.in_environment(apply).run().succeeds();
    project.has_no_changes();
}
