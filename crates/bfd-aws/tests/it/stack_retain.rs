//! What stays when a stack is deleted.

use crate::world::{World, address, context, properties, secret, state};
use bfd_core::{ResourceState, Value};
use bfd_provider::{Context, Provider, ProviderError, Token};
use serde_json::json;

const AT: &str = "stack.data";
const NAME: &str = "data";

const TEMPLATE: &str = "# As people write it.
Parameters:
  Value: {Type: String}
  Key: {Type: String, NoEcho: true, Default: none}
  Size: {Type: Number, Default: 1}
Resources:
  Kept:
    Type: AWS::SSM::Parameter
    Properties: {Name: /data/kept, Type: String, Value: !Sub '${Value} ${Key}'}
  Gone:
    Type: AWS::SSM::Parameter
    Properties: {Name: /data/gone, Type: String, Value: !Ref Value}
";

fn inputs(retain: &Value) -> Value {
    json!({
        "name": NAME,
        "template": TEMPLATE,
        "parameters": { "Value": "a", "Key": secret("KEY", "d1") },
        "tags": { "Owner": "kitchen" },
        "retain": retain,
    })
}

async fn world() -> World {
    World::with_secrets(&[("KEY", "hunter22")]).await
}

async fn delete(world: &World, prior: &ResourceState, undo: bool) -> Result<(), ProviderError> {
    let token = Token(if undo { "run-9u" } else { "run-9d" }.to_owned());
    let context = Context { token, undo, ..context() };
    world.aws.delete(&address(AT), prior, &context).await
}

#[tokio::test(start_paused = true)]
async fn what_is_retained_outlives_its_stack() {
    let world = world().await;
    let made = world.create(AT, &inputs(&json!(["Kept"]))).await.unwrap();
    world.assert_quiet(AT, &made).await;

    delete(&world, &made, false).await.unwrap();

    assert_eq!(world.observe(AT, &made).await, None);
    assert_eq!(world.value_of("/data/kept").await.as_deref(), Some("a hunter22"), "as it was");
    assert_eq!(world.value_of("/data/gone").await, None);
    delete(&world, &made, false).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_retained_is_left_alone() {
    let world = world().await;
    let made = world.create(AT, &inputs(&json!(true))).await.unwrap();

    let (deleted, operations) = world.counting(delete(&world, &made, false)).await;

    deleted.unwrap();
    assert_eq!(operations, Vec::<String>::new());
    assert!(world.observe(AT, &made).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_undo_of_a_creation_keeps_nothing() {
    for retain in [json!(true), json!(["Kept"])] {
        let world = world().await;
        let made = world.create(AT, &inputs(&retain)).await.unwrap();

        delete(&world, &made, true).await.unwrap();

        assert_eq!(world.observe(AT, &made).await, None);
        assert_eq!(world.value_of("/data/kept").await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_deleted() {
    let world = world().await;
    let made = world.create(AT, &inputs(&json!(["Kept", "Lost"]))).await.unwrap();

    let refused = delete(&world, &made, false).await.unwrap_err();

    let said = refused.to_failure().message;
    assert!(said.contains("no resource `Lost` to keep"), "{said}");
    assert_eq!(world.value_of("/data/gone").await.as_deref(), Some("a"), "nothing was called");
}

#[tokio::test(start_paused = true)]
async fn to_retain_something_else_calls_nothing() {
    let world = world().await;
    let made = world.create(AT, &inputs(&json!(["Kept"]))).await.unwrap();

    let other = properties(&inputs(&json!(["Gone"])));
    let (at, step) = (address(AT), context());
    let update = world.aws.update(&at, &made, &other, &step);
    let (updated, operations) = world.counting(update).await;
    let updated = state(AT, updated.unwrap());
    assert_eq!(updated.inputs["retain"], json!(["Gone"]));
    assert_eq!(operations, Vec::<String>::new());

    let undo = Context { undo: true, ..context() };
    let restore = world.aws.restore(&at, &updated, &made, &undo);
    let (restored, operations) = world.counting(restore).await;
    assert_eq!(restored.unwrap().inputs["retain"], json!(["Kept"]));
    assert_eq!(operations, Vec::<String>::new());
}

/// A parameter that outlives its stack, by the template, as the CDK has buckets and tables.
const OUTLIVING: &str = "Resources:
  Stays: {Type: AWS::SSM::Parameter, DeletionPolicy: Retain, Properties: {Name: /data/stays, Type: String, Value: a}}
";
/// Beside it a name that is taken.
const FAILING: &str = "  Taken: {Type: AWS::SSM::Parameter, DependsOn: Stays, Properties: {Name: /data/taken, Type: String, Value: a}}\n";

fn of(template: &str) -> Value {
    json!({ "name": NAME, "template": template })
}

async fn create_again(world: &World) -> ResourceState {
    let context = Context { token: Token("run-2d".to_owned()), ..context() };
    let made = world.aws.create(&address(AT), &properties(&of(OUTLIVING)), &context).await;
    state(AT, made.expect("nothing is in the way"))
}

async fn take(world: &World) {
    let put = world.ssm().put_parameter().name("/data/taken").value("x");
    put.r#type(aws_sdk_ssm::types::ParameterType::String).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_run_made_goes_with_it_whatever_its_template_keeps() {
    // A creation that is undone.
    let world = world().await;
    let made = world.create(AT, &of(OUTLIVING)).await.unwrap();
    delete(&world, &made, true).await.unwrap();
    assert_eq!(world.value_of("/data/stays").await, None);
    let made = create_again(&world).await;
    // One that is deleted as planned leaves what it says.
    delete(&world, &made, false).await.unwrap();
    assert_eq!(world.value_of("/data/stays").await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_leaves_nothing_that_its_template_keeps() {
    let world = world().await;
    take(&world).await;

    let failure = world.create(AT, &of(&format!("{OUTLIVING}{FAILING}"))).await.unwrap_err();

    assert!(failure.left.is_none(), "{failure:?}");
    assert_eq!(world.value_of("/data/stays").await, None);
    create_again(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_undone_takes_along_what_it_added() {
    let world = world().await;
    let before = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n";
    let more = format!("{OUTLIVING}  Topic: {{Type: AWS::SNS::Topic}}\n");
    let made = world.create(AT, &of(before)).await.unwrap();
    let (at, undo) =
        (address(AT), Context { token: Token("run-3u".into()), undo: true, ..context() });

    let step = Context { token: Token("run-3d".into()), ..context() };
    let updated = world.aws.update(&at, &made, &properties(&of(&more)), &step).await.unwrap();
    assert_eq!(world.value_of("/data/stays").await.as_deref(), Some("a"));
    world.aws.restore(&at, &state(AT, updated), &made, &undo).await.unwrap();
    world.at_rest(NAME).await;
    assert_eq!(world.value_of("/data/stays").await, None);

    // And one that fails by itself.
    take(&world).await;
    let step = Context { token: Token("run-4d".into()), ..context() };
    let failing = properties(&of(&format!("{more}{FAILING}")));
    world.aws.update(&at, &made, &failing, &step).await.unwrap_err();
    world.at_rest(NAME).await;
    assert_eq!(world.value_of("/data/stays").await, None);
}

/// A stack that others left half changed has no template to go back to, so nothing tells what was
/// there before: its policies stay.
#[tokio::test(start_paused = true)]
async fn without_an_earlier_template_no_policy_is_taken_off() {
    let world = world().await;
    let made = world.create(AT, &of(OUTLIVING)).await.unwrap();
    let mut half = made.clone();
    half.inputs.insert("template".to_owned(), json!({ "$changed_outside": "UPDATE_FAILED" }));
    let undo = Context { token: Token("run-5u".into()), undo: true, ..context() };

    world.aws.restore(&address(AT), &made, &half, &undo).await.unwrap_err();

    delete(&world, &made, false).await.unwrap();
    assert_eq!(world.value_of("/data/stays").await.as_deref(), Some("a"), "it is kept");
}
