//! What environments need before their first apply.

use bfd_tests::emulators::new_account;
use bfd_tests::{AwsCli, Ministack, Project, exit};

/// A project whose state is in a bucket that nobody has made yet.
#[track_caller]
fn project(bucket: &str, account: &str) -> Project {
    let manifest = format!(
        "[environment]\nname = \"shared\"\naccount = \"{account}\"\nregion = \"ap-southeast-1\"\n\
         tags = {{ team = \"food\" }}\n\n\
         [state]\nbackend = \"s3\"\nbucket = \"{bucket}\"\n\n\
         [parameter.one]\nname = \"/{bucket}/one\"\nvalue = \"1\"\n"
    );
    Project::new("shared", &manifest).against(Ministack::shared().url(), account)
}

#[test]
fn the_bucket_of_a_state_is_made_and_kept() {
    let account = new_account();
    let bucket = "bootstrap-made";
    let project = project(bucket, &account);
    let aws = AwsCli::new(Ministack::shared().url()).in_account(&account);
    project.apply().run().exits(exit::REFUSED).says("`bfd bootstrap`");

    let plan = project.bfd("bootstrap").args(["--plan", "--detailed-exitcode"]).run();
    plan.exits(exit::CHANGES).prints("+ stack.state  bfd-state-bootstrap-made");
    project.bfd("bootstrap").arg("--yes").run().succeeds();
    let versioning = aws.call(["s3api", "get-bucket-versioning", "--bucket", bucket]);
    assert_eq!(versioning["Status"], "Enabled");
    project.apply().run().succeeds();
    project.has_no_changes();

    // Again, also on a machine that knows nothing of it.
    project.bfd("bootstrap").arg("--yes").run().succeeds().prints("No changes");
    let own = project.workspace().path().join(".bfd/shared.bootstrap.ap-southeast-1");
    std::fs::remove_dir_all(&own).expect("it is there");
    project.bfd("bootstrap").arg("--yes").run().succeeds().prints("is there already");
    project.has_no_changes();
}

#[test]
fn a_bucket_that_somebody_made_is_left_as_it_is() {
    let account = new_account();
    let bucket = "bootstrap-by-hand";
    let project = project(bucket, &account);
    let aws = AwsCli::new(Ministack::shared().url()).in_account(&account);
    let constraint = "LocationConstraint=ap-southeast-1";
    let create = ["s3api", "create-bucket", "--bucket", bucket];
    aws.call([&create[..], &["--create-bucket-configuration", constraint]].concat());

    let told = project.bfd("bootstrap").arg("--yes").run().succeeds();
    told.says("did not make it, and leaves it as it is").prints("Nothing to bootstrap.");
}

#[test]
fn an_environment_of_files_needs_nothing() {
    let project = Project::of_repository("local");
    project.bfd("bootstrap").run().succeeds().prints("Nothing to bootstrap.");
}
