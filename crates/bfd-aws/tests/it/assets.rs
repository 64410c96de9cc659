//! What stacks have in buckets, and the roles that some calls are made with.

use crate::world::{World, address, context, properties};
use bfd_aws::Asked;
use bfd_core::Value;
use bfd_provider::{Context, ErrorClass, Provider, Token};
use serde_json::json;
use std::{fs, path::Path};

const AT: &str = "stack.first";
const BUCKET: &str = "assets";
const ACCOUNT: &str = "123456789012";

/// A bucket, a role that may be assumed by this account and one that may not.
const GROUND: &str = r#"
Resources:
  Bucket: { Type: AWS::S3::Bucket, Properties: { BucketName: assets } }
  Publisher:
    Type: AWS::IAM::Role
    Properties:
      RoleName: publisher
      AssumeRolePolicyDocument:
        Statement: [{ Effect: Allow, Action: "sts:AssumeRole", Principal: { AWS: !Ref "AWS::AccountId" } }]
  Tasks:
    Type: AWS::IAM::Role
    Properties:
      RoleName: tasks
      AssumeRolePolicyDocument:
        Statement: [{ Effect: Allow, Action: "sts:AssumeRole", Principal: { Service: ecs-tasks.amazonaws.com } }]
"#;

const TEMPLATE: &str = "Resources: { Topic: { Type: AWS::SNS::Topic, Properties: { TopicName: !Ref AWS::StackName } } }";

async fn world() -> World {
    let world = World::new().await;
    let ground = json!({ "name": "ground", "template": GROUND,
        "capabilities": ["CAPABILITY_NAMED_IAM"] });
    world.create("stack.ground", &ground).await.unwrap();
    world
}

fn role(name: &str) -> Value {
    json!({ "arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}") })
}

fn asset(path: &Path, packaging: &str, key: &str) -> Value {
    json!({ "path": path.to_str().unwrap(), "packaging": packaging, "bucket": BUCKET, "key": key })
}

fn stack(name: &str, asset: &Value) -> Value {
    json!({ "name": name, "template": TEMPLATE, "assets": { "one": asset } })
}

fn count(operations: &[String], operation: &str) -> usize {
    operations.iter().filter(|it| *it == operation).count()
}

/// A file in a directory.
fn code() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let code = directory.path().join("code");
    fs::create_dir(&code).unwrap();
    fs::write(code.join("index.js"), "exports.handler = 1;\n").unwrap();
    (directory, code)
}

async fn read(world: &World, key: &str) -> Option<Vec<u8>> {
    let object = world.s3().get_object().bucket(BUCKET).key(key).send().await.ok()?;
    Some(object.body.collect().await.unwrap().to_vec())
}

#[tokio::test(start_paused = true)]
async fn what_stacks_share_is_looked_for_and_put_once() {
    let world = world().await;
    let (_directory, code) = code();
    let asset = asset(&code, "zip", "code.zip");
    let (made, operations) = world
        .counting(async {
            let (first, second) = (stack("first", &asset), stack("second", &asset));
            let (one, two) =
                tokio::join!(world.create(AT, &first), world.create("stack.second", &second));
            two.unwrap();
            one.unwrap()
        })
        .await;
    let seen = [count(&operations, "s3:GetObject"), count(&operations, "s3:PutObject")];
    assert_eq!(seen, [1, 1], "{operations:?}");
    let archive = read(&world, "code.zip").await.unwrap();
    assert!(archive.starts_with(b"PK"), "an archive");
    world.assert_quiet(AT, &made).await;

    // Another process finds it, and writes nothing.
    let other = world.someone_else(&[]).await;
    let third = stack("third", &asset);
    let (at, third, context) = (address("stack.third"), properties(&third), context());
    let (third, operations) = world.counting(other.create(&at, &third, &context)).await;
    third.unwrap();
    assert_eq!(count(&operations, "s3:PutObject"), 0, "{operations:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_there_needs_no_file_any_more() {
    let world = world().await;
    let (directory, code) = code();
    let file = asset(&code.join("index.js"), "file", "index.js");
    let made = world.create(AT, &stack("first", &file)).await.unwrap();
    assert_eq!(read(&world, "index.js").await.unwrap(), b"exports.handler = 1;\n");

    // As an undo has it, long after.
    drop(directory);
    let other = world.someone_else(&[]).await;
    let mut changed = stack("first", &file);
    changed["tags"] = json!({ "Release": "2" });
    let update = other.update(&address(AT), &made, &properties(&changed), &context()).await;
    update.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_is_told_before_the_stack_is_touched() {
    let world = world().await;
    let gone = asset(Path::new("/no/such/file"), "file", "gone.js");
    let (failed, operations) = world.counting(world.create(AT, &stack("first", &gone))).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Local);
    assert!(failure.left.is_none(), "nothing is left: {failure:?}");
    let failure = failure.to_failure();
    assert!(failure.message.contains("/no/such/file"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("cdk synth"));
    assert_eq!(count(&operations, "cloudformation:CreateStack"), 0, "{operations:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reviewed_is_not_published() {
    let world = world().await;
    let (_directory, code) = code();
    let mut asset = asset(&code, "zip", "code.zip");
    let digest = |asset: &Value| bfd_aws::asset_digest(asset, Path::new("")).unwrap();
    asset["sha256"] = json!(digest(&asset));
    let reviewed = asset["sha256"].clone();
    fs::write(code.join("index.js"), "exports.handler = 2;\n").unwrap();
    assert_ne!(reviewed, json!(digest(&asset)), "or this proves nothing");

    let (failed, operations) = world.counting(world.create(AT, &stack("first", &asset))).await;

    let failure = failed.unwrap_err().to_failure();
    assert!(failure.message.contains("is not what it was when this was planned"), "{failure:?}");
    assert_eq!(count(&operations, "s3:PutObject"), 0, "{operations:?}");
    fs::write(code.join("index.js"), "exports.handler = 1;\n").unwrap();
    world.create(AT, &stack("first", &asset)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_that_were_never_declared_are_somebodys() {
    let world = world().await;
    let theirs = aws_sdk_cloudformation::types::Tag::builder().key("Cost").value("42").build();
    let create = world.cloudformation().create_stack().stack_name("first");
    create.template_body(TEMPLATE).tags(theirs).send().await.unwrap();
    world.at_rest("first").await;
    let tagged = |tags: &Value| json!({ "name": "first", "template": TEMPLATE, "tags": tags });
    let untagged = tagged(&json!({}));
    let there = world.find(AT, &untagged).await.unwrap().object;
    let inputs = properties(&untagged);
    let adopted = bfd_core::ResourceState { inputs, ..crate::world::state(AT, there) };

    let made = world.update(AT, &adopted, &tagged(&json!({ "Ours": "1" }))).await.unwrap();
    let tags = async || {
        let stacks = world.cloudformation().describe_stacks().stack_name("first").send().await;
        let stacks = stacks.unwrap().stacks.unwrap();
        let tags = stacks[0].tags().iter();
        let mut tags: Vec<String> = tags.filter_map(|tag| tag.key.clone()).collect();
        tags.sort();
        tags
    };
    assert_eq!(tags().await, ["Cost", "Ours"]);
    // A call of another run.
    let later = Context { token: Token("run-2".to_owned()), ..context() };
    let untagged = properties(&untagged);
    world.aws.update(&address(AT), &made, &untagged, &later).await.unwrap();
    assert_eq!(tags().await, ["Cost"], "ours goes, theirs stays");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_not_there_is_told_with_what_makes_it() {
    let world = world().await;
    let (_directory, code) = code();
    let mut asset = asset(&code, "zip", "code.zip");
    asset["bucket"] = json!("nobody-made-this");
    let failure = world.create(AT, &stack("first", &asset)).await.unwrap_err();
    assert!(failure.left.is_none(), "nothing is left: {failure:?}");
    assert!(failure.to_failure().hint.unwrap().contains("bfd bootstrap"));
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_too_large_for_a_request_is_read_from_its_asset() {
    let world = world().await;
    let directory = tempfile::tempdir().unwrap();
    let inputs = large(directory.path(), "");

    let made = world.create(AT, &inputs).await.unwrap();

    assert_eq!(
        read(&world, "large0.yaml").await.unwrap(),
        inputs["template"].as_str().unwrap().as_bytes()
    );
    world.assert_quiet(AT, &made).await;
}

/// A stack whose template is too large for a request, as a file beside it.
fn large(directory: &Path, more: &str) -> Value {
    let text = format!("{TEMPLATE}\nMetadata: {{ Note: {} }}\n{more}", "x".repeat(51_200));
    let key = format!("large{}.yaml", more.len());
    let path = directory.join(&key);
    fs::write(&path, &text).unwrap();
    let mut asset = asset(&path, "file", &key);
    asset["template"] = json!(true);
    let mut inputs = stack("first", &asset);
    inputs["template"] = json!(text);
    inputs
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_large_template_is_written_beside_it() {
    let (world, directory) = (world().await, tempfile::tempdir().unwrap());
    let mut inputs = large(directory.path(), "");
    inputs["retain"] = json!(["Topic"]);
    let made = world.create(AT, &inputs).await.unwrap();

    world.aws.delete(&address(AT), &made, &context()).await.unwrap();

    assert_eq!(world.observe(AT, &made).await, None);
    let listed = world.s3().list_objects_v2().bucket(BUCKET).prefix("bfd/").send().await.unwrap();
    let [kept] = listed.contents() else { panic!("{listed:?}") };
    let kept = read(&world, kept.key().unwrap()).await.unwrap();
    assert!(String::from_utf8(kept).unwrap().contains("Retain"));
    // The release itself is as it was.
    let release = read(&world, "large0.yaml").await.unwrap();
    assert!(!String::from_utf8(release).unwrap().contains("Retain"));
}

#[tokio::test(start_paused = true)]
async fn to_ask_what_would_change_publishes_templates_and_nothing_else() {
    let (world, directory) = (world().await, tempfile::tempdir().unwrap());
    let (_code, path) = code();
    let made = world.create(AT, &large(directory.path(), "")).await.unwrap();
    let mut wanted = large(directory.path(), "# changed\n");
    let more = "Other: { Type: AWS::SNS::Topic }, Topic: {";
    let text = wanted["template"].as_str().unwrap().replace("Topic: {", more);
    fs::write(wanted["assets"]["one"]["path"].as_str().unwrap(), &text).unwrap();
    wanted["template"] = json!(text);
    wanted["assets"]["code"] = asset(&path, "zip", "code.zip");

    let (at, wanted) = (address(AT), properties(&wanted));
    let asked = Asked { address: &at, prior: Some(&made.inputs), inputs: &wanted };
    let answers = world.aws.previews(&[asked]).await;

    let changes = answers[0].changes.as_ref().unwrap();
    let told: Vec<&str> = changes.iter().map(|it| it.logical_id.as_str()).collect();
    assert_eq!(told, ["Other"]);
    assert_eq!(read(&world, "code.zip").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_role_is_assumed_once_for_all_calls() {
    let world = world().await;
    let inputs = |name: &str| json!({ "name": name, "template": TEMPLATE, "deploy_role": role("publisher") });
    let (made, operations) = world
        .counting(async {
            let one = world.create(AT, &inputs("first")).await.unwrap();
            world.create("stack.second", &inputs("second")).await.unwrap();
            world.observe(AT, &one).await.expect("it is there");
            one
        })
        .await;
    assert_eq!(count(&operations, "sts:AssumeRole"), 1, "{operations:?}");
    world.assert_quiet(AT, &made).await;
    world.delete(AT, &made).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_a_role_may_not_be_assumed_the_callers_own_credentials_do() {
    let world = world().await;
    for denied in ["tasks", "nobody-made-this"] {
        let at = format!("stack.{denied}");
        let inputs = json!({ "name": denied, "template": TEMPLATE, "deploy_role": role(denied) });
        let (made, operations) = world.counting(world.create(&at, &inputs)).await;
        made.unwrap();
        assert_eq!(count(&operations, "sts:AssumeRole"), 1, "{operations:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_another_account_has_nobody_to_stand_in() {
    let world = world().await;
    let other = json!({ "arn": "arn:aws:iam::210987654321:role/publisher" });
    let inputs = json!({ "name": "first", "template": TEMPLATE, "deploy_role": other });
    let (failed, operations) = world.counting(world.create(AT, &inputs)).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.class, ErrorClass::AccessDenied);
    assert!(failure.to_failure().hint.unwrap().contains("roles = \"own\""));
    assert_eq!(count(&operations, "cloudformation:CreateStack"), 0, "{operations:?}");
}

#[tokio::test(start_paused = true)]
async fn topics_are_told_and_taken_away_again() {
    let world = world().await;
    let topic = format!("arn:aws:sns:ap-southeast-1:{ACCOUNT}:events");
    let inputs = json!({ "name": "first", "template": TEMPLATE, "notification_arns": [topic] });
    let made = world.create(AT, &inputs).await.unwrap();
    world.assert_quiet(AT, &made).await;

    let without = json!({ "name": "first", "template": TEMPLATE });
    world.update(AT, &made, &without).await.unwrap();

    let stacks = world.cloudformation().describe_stacks().stack_name("first").send().await;
    let stacks = stacks.unwrap().stacks.unwrap();
    assert_eq!(stacks[0].notification_arns(), Vec::<String>::new());
}
