//! What others change within stacks, and what stays of a stack, on an emulator that was not
//! written here.

use bfd_tests::emulators::new_account;
use bfd_tests::{AwsCli, Ministack, Project, exit};
use serde_json::json;

const TEMPLATE: &str = "Parameters:
  Child: {Type: String}
Resources:
  Setting:
    Type: AWS::SSM::Parameter
    Properties: {Name: /drift/setting, Type: String, Value: one}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: drift}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Nested:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: !Ref Child}
";

const CHILD: &str = "Resources:
  Inner:
    Type: AWS::SSM::Parameter
    Properties: {Name: /drift/inner, Type: String, Value: one}
";

/// The stack with its nested one, applied in an account of its own.
fn applied() -> (Project, AwsCli) {
    let account = new_account();
    let url = Ministack::shared().url().clone();
    let aws = AwsCli::new(&url).in_account(&account);
    let bucket = format!("drift-{account}");
    let manifest = format!(
        "[environment]\nname = \"drift\"\naccount = \"{account}\"\nregion = \"ap-southeast-1\"\n\n\
         [provider]\nkind = \"aws\"\n\n[stack.data]\nname = \"drift\"\ntemplate = \"data.yaml\"\n\
         parameters = {{ Child = \"{url}/{bucket}/child.yaml\" }}\nretain = [\"Setting\"]\n"
    );
    let project = Project::new("drift", &manifest).against(&url, &account);
    project.workspace().write("data.yaml", TEMPLATE);
    let child = project.workspace().write("child.yaml", CHILD);
    let create = ["s3api", "create-bucket", "--create-bucket-configuration"];
    aws.call([&create[..], &["LocationConstraint=ap-southeast-1", "--bucket", &bucket]].concat());
    let body = child.to_str().expect("paths of tests are text");
    aws.call(["s3api", "put-object", "--bucket", &bucket, "--key", "child.yaml", "--body", body]);
    project.apply().run().succeeds();
    (project, aws)
}

#[test]
fn what_was_changed_within_stacks_is_found_and_is_no_change() {
    let (project, aws) = applied();
    let quiet = project.plan().arg("--drift").run().succeeds();
    quiet.prints("Nothing changed within stacks").prints("is as declared");

    let put = ["ssm", "put-parameter", "--overwrite", "--value", "two", "--name"];
    aws.call([&put[..], &["/drift/setting"]].concat());
    aws.call([&put[..], &["/drift/inner"]].concat());
    let queue = aws.call(["sqs", "get-queue-url", "--queue-name", "drift"])["QueueUrl"].clone();
    aws.call(["sqs", "delete-queue", "--queue-url", queue.as_str().expect("a queue")]);

    project.has_no_changes();
    let plan = project.bfd("plan").args(["--drift", "--format", "json"]).run().succeeds().json();
    assert_eq!(plan["steps"], json!([]));
    let drift = &plan["stack_drift"][0];
    assert_eq!(drift["address"], "stack.data");
    let found: Vec<String> = drift["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|it| format!("{} {} {}", it["logical_id"], it["deleted"], it["fields"]))
        .collect();
    let value = |id: &str| {
        found.iter().any(|it| {
            it.starts_with(&format!("\"{id}\" false"))
                && it.contains("\"before\":\"one\"")
                && it.contains("\"after\":\"two\"")
                && it.contains("\"path\":\"Value\"")
        })
    };
    assert!(value("Setting") && value("Nested/Inner"), "{found:#?}");
    assert!(found.contains(&"\"Queue\" true []".to_owned()), "{found:#?}");
    assert!(drift["not_checked"].as_u64() >= Some(1), "{drift}");
    let told = project.plan().arg("--drift").run().succeeds();
    told.prints("no plan repairs this").prints("Setting  AWS::SSM::Parameter");
    let refused = project.plan().args(["--drift", "--offline"]).run().exits(exit::REFUSED);
    refused.says("leave out `--offline`, or `--drift`");
}

#[test]
fn what_is_retained_outlives_its_stack_on_ministack() {
    let (project, aws) = applied();

    project.destroy().run().succeeds().prints("leaves the stack and is kept");

    let there = aws.call(["ssm", "get-parameter", "--name", "/drift/setting"]);
    assert_eq!(there["Parameter"]["Value"], "one");
    assert_ne!(aws.try_call(["ssm", "get-parameter", "--name", "/drift/inner"]).code, Some(0));
    assert_ne!(
        aws.try_call(["cloudformation", "describe-stacks", "--stack-name", "drift"]).code,
        Some(0)
    );
}
