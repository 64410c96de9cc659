use crate::world::{World, address, context, properties, secret, state};
use bfd_core::{ResourceState, Value};
use bfd_provider::{Context, ErrorClass, Progress, Provider, ProviderError, Token};
use bfd_sandbox::Fault;
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const AT: &str = "stack.config";
const NAME: &str = "BellyfedConfig-dev";

const ONE: &str = r"
Parameters:
  Value: { Type: String }
Resources:
  Url:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/url, Type: String, Value: !Ref Value }
Outputs:
  Name: { Value: !Ref Url }
";

/// The same, and a parameter whose name may be taken.
const TWO: &str = r"
Parameters:
  Value: { Type: String }
Resources:
  Url:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/url, Type: String, Value: !Ref Value }
  Other:
    Type: AWS::SSM::Parameter
    DependsOn: Url
    Properties: { Name: /bellyfed/dev/other, Type: String, Value: !Ref Value }
Outputs:
  Name: { Value: !Ref Url }
  Other: { Value: !Ref Other }
";

fn stack(template: &str, value: &str) -> Value {
    json!({
        "name": NAME,
        "template": template,
        "parameters": { "Value": value },
        "tags": { "Application": "Bellyfed" },
    })
}

/// A call of its own: every step of a run has its own token.
fn step(number: u32) -> Context {
    Context { token: Token(format!("run-{number}d")), ..context() }
}

async fn update(
    world: &World,
    number: u32,
    prior: &ResourceState,
    inputs: &Value,
) -> Result<ResourceState, ProviderError> {
    let made = world.aws.update(&address(AT), prior, &properties(inputs), &step(number)).await?;
    Ok(state(AT, made))
}

async fn restore(
    world: &World,
    number: u32,
    current: &ResourceState,
    prior: &ResourceState,
) -> ResourceState {
    let context = Context { token: Token(format!("run-{number}u")), ..context() };
    let made = world.aws.restore(&address(AT), current, prior, &context).await;
    state(AT, made.unwrap())
}

fn count(operations: &[String], operation: &str) -> usize {
    operations.iter().filter(|it| *it == operation).count()
}

#[tokio::test(start_paused = true)]
async fn a_stack_lives() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    assert_eq!(made.id, NAME);
    assert_eq!(made.outputs["status"], json!("CREATE_COMPLETE"));
    assert_eq!(made.outputs["outputs"], json!({ "Name": "/bellyfed/dev/url" }));
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("a"));
    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["cloudformation:DescribeStacks"], "the template is known");
    world.assert_quiet(AT, &made).await;
    let (_, operations) = world.counting(update(&world, 1, &made, &stack(ONE, "a"))).await;
    assert_eq!(operations, Vec::<String>::new());

    let changed = update(&world, 2, &made, &stack(TWO, "b")).await.unwrap();
    assert!(changed.outputs["status"].as_str().unwrap().starts_with("UPDATE_COMPLETE"));
    assert_eq!(changed.outputs["outputs"]["Other"], json!("/bellyfed/dev/other"));
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("b"));
    // Somebody else's record is out of date, so the template is read.
    let seen = world.observe(AT, &made).await.unwrap().object.inputs;
    assert_eq!(seen["template"], json!(TWO));
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.assert_quiet(AT, &changed).await;

    let back = restore(&world, 2, &changed, &made).await;
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("a"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.value_of("/bellyfed/dev/other").await, None);
    world.assert_quiet(AT, &back).await;

    world.delete(AT, &back).await.unwrap();
    assert_eq!(world.observe(AT, &back).await, None);
    assert_eq!(world.value_of("/bellyfed/dev/url").await, None);
    world.delete(AT, &back).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_changes_nothing_succeeds_untouched() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    let before = world.observe(AT, &made).await.unwrap();
    // A comment more.
    let same = stack(&format!("{ONE}# the same\n"), "a");
    let (changed, operations) = world.counting(update(&world, 1, &made, &same)).await;
    changed.unwrap();
    assert_eq!(count(&operations, "cloudformation:ExecuteChangeSet"), 0);
    assert_eq!(count(&operations, "cloudformation:DeleteChangeSet"), 1, "nothing is left behind");
    assert_eq!(world.observe(AT, &made).await.unwrap(), before);
}

/// What takes a value over from Parameter Store.
const READER: &str = r"
Parameters:
  Value: { Type: 'AWS::SSM::Parameter::Value<String>' }
Resources:
  Copy:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/copy, Type: String, Value: !Ref Value }
";

fn reader(name: &str) -> Value {
    let mut inputs = stack(READER, name);
    inputs["ssm_parameters"] = json!("as stored");
    inputs
}

async fn put(world: &World, name: &str, value: &str) {
    let request = world.ssm().put_parameter().name(name).value(value).overwrite(true);
    request.r#type(aws_sdk_ssm::types::ParameterType::String).send().await.unwrap();
}

/// CloudFormation has nothing to update where another parameter holds the same value.
#[tokio::test(start_paused = true)]
async fn what_is_read_under_another_name_is_settled_and_still_compared() {
    let world = World::new().await;
    put(&world, "/old", "a").await;
    put(&world, "/new", "a").await;
    let made = world.create(AT, &reader("/old")).await.unwrap();

    let changed = update(&world, 1, &made, &reader("/new")).await.unwrap();

    world.assert_quiet(AT, &changed).await;
    let seen = || async {
        world.observe(AT, &changed).await.unwrap().object.inputs["ssm_parameters"].clone()
    };
    assert_eq!(seen().await, json!("as stored"));
    put(&world, "/old", "b").await;
    assert_eq!(seen().await, json!("as stored"), "it is not read any more");
    put(&world, "/new", "b").await;
    assert_eq!(seen().await, json!("older than /new"));
}

#[tokio::test(start_paused = true)]
async fn one_name_that_may_not_be_read_hides_no_other() {
    let world = World::new().await;
    let template = READER.replace(
        "Resources:",
        "  Other: { Type: 'AWS::SSM::Parameter::Value<String>' }\nResources:",
    );
    let mut inputs = reader("/one");
    inputs["template"] = json!(template);
    inputs["parameters"]["Other"] = json!("/two");
    put(&world, "/one", "a").await;
    put(&world, "/two", "a").await;
    let made = world.create(AT, &inputs).await.unwrap();
    put(&world, "/two", "b").await;
    // The batch is denied, and then the first of the two.
    for _ in 0..2 {
        world.sandbox.inject("ssm:GetParameters", Fault::AccessDenied);
    }

    let (seen, operations) = world.counting(world.observe(AT, &made)).await;

    assert_eq!(count(&operations, "ssm:GetParameters"), 3);
    assert_eq!(seen.unwrap().object.inputs["ssm_parameters"], json!("older than /two"));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_leaves_the_stack_as_it_was() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    let taken = json!({ "name": "/bellyfed/dev/other", "type": "String", "value": "theirs" });
    world.create("parameter.other", &taken).await.unwrap();
    let failure = update(&world, 1, &made, &stack(TWO, "b")).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::NotStabilized);
    assert_eq!(failure.left, None, "CloudFormation has put it back");
    let text = failure.to_failure();
    assert!(text.message.starts_with("Other (AWS::SSM::Parameter) CREATE_FAILED"), "{text:?}");
    assert!(text.message.contains("already exists"), "{text:?}");
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("a"));
    assert_eq!(world.value_of("/bellyfed/dev/other").await.as_deref(), Some("theirs"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.assert_quiet(AT, &made).await;
    let back = restore(&world, 1, &made, &made).await;
    world.assert_quiet(AT, &back).await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_leaves_nothing() {
    let world = World::new().await;
    let taken = json!({ "name": "/bellyfed/dev/other", "type": "String", "value": "theirs" });
    world.create("parameter.other", &taken).await.unwrap();
    let inputs = stack(TWO, "a");
    let failure = world.create(AT, &inputs).await.unwrap_err();
    assert!(failure.to_failure().message.starts_with("Other ("), "{failure:?}");
    assert_eq!(failure.left, None);
    assert_eq!(world.find(AT, &inputs).await, None);
    assert_eq!(world.value_of("/bellyfed/dev/url").await, None);
}

/// A creation that was undone leaves a stack that can only be deleted.
#[tokio::test(start_paused = true)]
async fn what_an_undone_creation_left_is_deleted_first() {
    let world = World::new().await;
    let taken = json!({ "name": "/bellyfed/dev/other", "type": "String", "value": "theirs" });
    let other = world.create("parameter.other", &taken).await.unwrap();
    let cloudformation = world.cloudformation();
    let value = aws_sdk_cloudformation::types::Parameter::builder();
    let request = cloudformation.create_stack().stack_name(NAME).template_body(TWO);
    request
        .parameters(value.parameter_key("Value").parameter_value("x").build())
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
    let described = cloudformation.describe_stacks().stack_name(NAME).send().await.unwrap();
    let status = described.stacks()[0].stack_status().unwrap().as_str();
    assert_eq!(status, "ROLLBACK_COMPLETE");

    let inputs = stack(TWO, "a");
    assert_eq!(world.find(AT, &inputs).await, None, "nothing of it exists");
    world.delete("parameter.other", &other).await.unwrap();
    let made = world.create(AT, &inputs).await.unwrap();
    assert_eq!(made.outputs["status"], json!("CREATE_COMPLETE"));
    world.assert_quiet(AT, &made).await;
}

#[tokio::test(start_paused = true)]
async fn events_are_told_in_order() {
    let world = World::new().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let progress = Progress::new(move |line| kept.lock().unwrap().push(line));
    let context = Context { progress, ..context() };
    let inputs = properties(&stack(TWO, "a"));
    world.aws.create(&address(AT), &inputs, &context).await.unwrap();
    let told = told.lock().unwrap();
    let at = |line: &str| {
        told.iter().position(|told| told.starts_with(line)).unwrap_or_else(|| panic!("{told:?}"))
    };
    assert!(at("Url CREATE_IN_PROGRESS") < at("Url CREATE_COMPLETE"));
    assert!(at("Url CREATE_COMPLETE") < at("Other CREATE_IN_PROGRESS"));
    assert_eq!(told.last().unwrap(), &format!("{NAME} CREATE_COMPLETE"));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_found_again() {
    let world = World::new().await;
    world.sandbox.inject("cloudformation:CreateStack", Fault::LostAnswer);
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    world.sandbox.inject("cloudformation:CreateChangeSet", Fault::LostAnswer);
    world.sandbox.inject("cloudformation:ExecuteChangeSet", Fault::LostAnswer);
    let changed = update(&world, 1, &made, &stack(ONE, "b")).await.unwrap();
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("b"));
    world.sandbox.inject("cloudformation:DeleteStack", Fault::LostAnswer);
    world.delete(AT, &changed).await.unwrap();
    assert_eq!(world.observe(AT, &changed).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_call_is_followed_to_its_end() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    let (at, two) = (address(AT), properties(&stack(TWO, "b")));
    let first = step(1);
    let dying = world.aws.update(&at, &made, &two, &first);
    let _ = tokio::time::timeout(Duration::from_secs(8), dying).await.unwrap_err();
    let again = Context { repeated: true, ..step(1) };
    let changed = state(AT, world.aws.update(&at, &made, &two, &again).await.unwrap());
    assert_eq!(world.value_of("/bellyfed/dev/other").await.as_deref(), Some("b"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.assert_quiet(AT, &changed).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_is_canceled_when_the_run_turns_back() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    let turn_back = CancellationToken::new();
    let context = Context { turn_back: turn_back.clone(), ..step(1) };
    let (at, two) = (address(AT), properties(&stack(TWO, "b")));
    let (answer, ()) = tokio::join!(world.aws.update(&at, &made, &two, &context), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        turn_back.cancel();
    });
    match answer {
        Err(failure) => {
            assert_eq!(failure.class, ErrorClass::Canceled, "{failure:?}");
            assert_eq!(failure.left, None);
        }
        // It was over before it could be canceled: then it is undone like any other.
        Ok(changed) => drop(restore(&world, 1, &state(AT, changed), &made).await),
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.assert_quiet(AT, &made).await;
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_turns_back_is_deleted() {
    let world = World::new().await;
    let turn_back = CancellationToken::new();
    turn_back.cancel();
    let context = Context { turn_back, ..context() };
    let inputs = properties(&stack(TWO, "a"));
    let failure = world.aws.create(&address(AT), &inputs, &context).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Canceled);
    let left = state(AT, *failure.left.unwrap());
    world.delete(AT, &left).await.unwrap();
    assert_eq!(world.observe(AT, &left).await, None);
    assert_eq!(world.value_of("/bellyfed/dev/url").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_someone_else_is_left_alone() {
    let world = World::new().await;
    let theirs = world.create(AT, &stack(ONE, "theirs")).await.unwrap();
    let inputs = properties(&stack(ONE, "ours"));
    let failure = world.aws.create(&address(AT), &inputs, &step(7)).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::AlreadyExists);
    assert_eq!(failure.left, None, "a rollback must not delete it");
    world.assert_quiet(AT, &theirs).await;
}

#[tokio::test(start_paused = true)]
async fn protection_holds_except_against_the_undo_of_the_creation() {
    let world = World::new().await;
    let mut inputs = stack(ONE, "a");
    inputs["termination_protection"] = json!(true);
    let created = world.aws.create(&address(AT), &properties(&inputs), &step(1)).await.unwrap();
    let created = state(AT, created);
    world.assert_quiet(AT, &created).await;
    let failure = world.aws.delete(&address(AT), &created, &step(2)).await.unwrap_err();
    assert!(failure.to_failure().hint.unwrap().contains("termination_protection"));
    world.assert_quiet(AT, &created).await;
    let undo = Context { token: Token("run-1u".to_owned()), ..context() };
    world.aws.delete(&address(AT), &created, &undo).await.unwrap();
    assert_eq!(world.observe(AT, &created).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_sent_once_and_then_taken_over() {
    const SECRET: &str = r"
Parameters:
  Value: { Type: String, NoEcho: true }
  Plain: { Type: String }
Resources:
  Url:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/url, Type: String, Value: !Ref Value }
  Other:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/other, Type: String, Value: !Ref Plain }
";
    let world = World::with_secrets(&[("PASSWORD", "hunter2")]).await;
    let mut inputs = stack(SECRET, "");
    inputs["parameters"] = json!({ "Value": secret("PASSWORD", "d1"), "Plain": "one" });
    let made = world.create(AT, &inputs).await.unwrap();
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("hunter2"));
    world.assert_quiet(AT, &made).await;
    // Whoever changes something else need not know it.
    inputs["parameters"]["Plain"] = json!("two");
    let other = world.someone_else(&[]).await;
    other.update(&address(AT), &made, &properties(&inputs), &step(1)).await.unwrap();
    assert_eq!(world.value_of("/bellyfed/dev/url").await.as_deref(), Some("hunter2"));
    assert_eq!(world.value_of("/bellyfed/dev/other").await.as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_reason_quotes_is_told_nowhere() {
    const QUOTED: &str = r"
Parameters:
  Value: { Type: String, NoEcho: true }
Resources:
  Url:
    Type: AWS::SSM::Parameter
    Properties: { Name: /bellyfed/dev/url, Type: String, Value: x, Tier: !Ref Value }
";
    let world = World::with_secrets(&[("WORD", "correct horse")]).await;
    let mut inputs = stack(QUOTED, "");
    inputs["parameters"] = json!({ "Value": secret("WORD", "d1") });
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let progress = Progress::new(move |line| hears.lock().unwrap().push(line));
    let context = Context { progress, ..context() };

    let made = world.aws.create(&address(AT), &properties(&inputs), &context).await;

    let failure = made.unwrap_err().to_failure();
    let told = told.lock().unwrap().join("\n");
    assert!(told.contains("Value '***' at 'tier'"), "{told}");
    let failure = format!("{failure:?}");
    assert!(failure.contains("Value '***' at 'tier'"), "{failure}");
    assert!(!told.contains("horse") && !failure.contains("horse"), "{told}\n{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_too_large_is_refused_unsent() {
    let world = World::new().await;
    let large = format!("{ONE}{}", "# filler\n".repeat(6000));
    let (failure, operations) = world.counting(world.create(AT, &stack(&large, "a"))).await;
    assert!(failure.unwrap_err().to_failure().message.contains("51200"));
    assert_eq!(operations, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn many_stacks_are_read_in_one_listing() {
    let world = World::new().await;
    let made = world.create(AT, &stack(ONE, "a")).await.unwrap();
    let names = ["stack.a", "stack.b", "stack.c", AT];
    let addresses: Vec<_> = names.iter().map(|name| address(name)).collect();
    let inputs: Vec<_> = names
        .iter()
        .map(|name| {
            let name = if *name == AT { NAME } else { name.trim_start_matches("stack.") };
            crate::world::expressions(&properties(&json!({ "name": name })))
        })
        .collect();
    let wanted: Vec<_> = addresses
        .iter()
        .zip(&inputs)
        .map(|(address, inputs)| bfd_provider::Wanted {
            address,
            inputs: Some(inputs),
            prior: (address.name() == "config").then_some(&made),
        })
        .collect();
    let (seen, operations) = world.counting(world.aws.observe(&wanted)).await;
    assert_eq!(operations, ["cloudformation:DescribeStacks"]);
    let there: Vec<bool> = seen.unwrap().values().map(Option::is_some).collect();
    assert_eq!(there, [false, false, false, true]);
}

/// A stack whose deletion failed: what it has may be all that is left of somebody's data.
#[tokio::test(start_paused = true)]
async fn what_a_failed_deletion_left_is_never_deleted_by_an_update() {
    const REPOSITORY: &str = r"
Parameters:
  Value: { Type: String }
Resources:
  Images: { Type: AWS::ECR::Repository, Properties: { RepositoryName: bellyfed-dev } }
Outputs:
  Value: { Value: !Ref Value }
";
    let world = World::new().await;
    let made = world.create(AT, &stack(REPOSITORY, "a")).await.unwrap();
    world.sandbox.push_image("bellyfed-dev", "v1");
    let cloudformation = world.cloudformation();
    cloudformation.delete_stack().stack_name(NAME).send().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let seen = world.observe(AT, &made).await.unwrap();
    assert_eq!(seen.object.outputs["status"], json!("DELETE_FAILED"));
    assert!(seen.notes[0].contains("takes no update"), "{:?}", seen.notes);

    let mut changed = made.clone();
    changed.inputs = properties(&stack(REPOSITORY, "b"));
    let mut protected = changed.clone();
    protected.inputs.insert("termination_protection".to_owned(), true.into());
    let (at, undo) = (address(AT), Context { token: Token("run-1u".to_owned()), ..context() });
    let again = Context { repeated: true, ..step(1) };
    let (failures, operations) = world
        .counting(async {
            [
                world.aws.update(&at, &made, &changed.inputs, &step(1)).await,
                world.aws.update(&at, &made, &changed.inputs, &again).await,
                world.aws.update(&at, &changed, &protected.inputs, &step(2)).await,
                world.aws.restore(&at, &changed, &made, &undo).await,
            ]
        })
        .await;
    for failure in failures {
        let failure = failure.unwrap_err();
        assert_eq!((failure.class, &failure.left), (ErrorClass::ResourceConflict, &None));
        let failure = failure.to_failure();
        assert!(failure.message.contains("DELETE_FAILED"), "{failure:?}");
        assert!(failure.hint.unwrap().contains("bfd state rm"));
    }
    assert_eq!(operations, ["cloudformation:DescribeStacks"; 4], "looked at, and left alone");
    assert_eq!(world.observe(AT, &made).await.unwrap(), seen);
}

/// AWS has no call that removes one: what is not sent stays in force.
#[tokio::test(start_paused = true)]
async fn a_policy_that_is_removed_forbids_nothing_any_more() {
    let forbids =
        r#"{"Statement":[{"Action":"Update:*","Effect":"Deny","Principal":"*","Resource":"*"}]}"#;
    let world = World::new().await;
    let mut inputs = stack(ONE, "a");
    inputs["stack_policy"] = json!(forbids);
    let made = world.create(AT, &inputs).await.unwrap();
    let (removed, operations) = world.counting(update(&world, 1, &made, &stack(ONE, "a"))).await;
    let removed = removed.unwrap();
    assert_eq!(operations.iter().filter(|it| it.contains("SetStackPolicy")).count(), 1);
    let policy = async || {
        let request = world.cloudformation().get_stack_policy().stack_name(NAME);
        request.send().await.unwrap().stack_policy_body.unwrap()
    };
    assert!(policy().await.contains("Allow"));
    let back = restore(&world, 1, &removed, &made).await;
    assert!(policy().await.contains("Deny"));
    assert_eq!(back.inputs, made.inputs);
}
