//! What CloudFormation says of a change before it is made, and what is left of the question.

use crate::world::{World, address, properties};
use bfd_aws::{Answer, Asked};
use bfd_core::{Properties, plan::Replacement};
use bfd_sandbox::Fault;
use serde_json::json;
use std::time::Duration;

const AT: &str = "stack.config";
const NAME: &str = "preview";

const TEMPLATE: &str = "Parameters: {Value: {Type: String}}
Resources:
  Url: {Type: AWS::SSM::Parameter, Properties: {Name: /preview/url, Type: String, Value: !Ref Value}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: one}}
";

fn stack(template: &str, value: &str) -> serde_json::Value {
    json!({ "name": NAME, "template": template, "parameters": { "Value": value } })
}

async fn ask(world: &World, prior: Option<&Properties>, inputs: &Properties) -> Answer {
    let (address, mut answers) = (address(AT), Vec::new());
    answers.extend(world.aws.previews(&[Asked { address: &address, prior, inputs }]).await);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Nothing that was made for the question is there.
async fn assert_clear(world: &World, exists: bool) {
    let cloudformation = world.cloudformation();
    let stacks = cloudformation.describe_stacks().send().await.unwrap();
    assert_eq!(stacks.stacks().len(), usize::from(exists), "{stacks:?}");
    if exists {
        let sets = cloudformation.list_change_sets().stack_name(NAME).send().await.unwrap();
        assert!(sets.summaries().is_empty(), "{sets:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_stack_leaves_nothing_behind() {
    let world = World::new().await;

    let answer = ask(&world, None, &properties(&stack(TEMPLATE, "a"))).await;

    let changes = answer.changes.unwrap();
    let told: Vec<(&str, &str)> =
        changes.iter().map(|it| (it.logical_id.as_str(), it.action.as_str())).collect();
    assert_eq!(told, [("Queue", "Add"), ("Url", "Add")]);
    assert_eq!(answer.left, None);
    assert_clear(&world, false).await;
    world.create(AT, &stack(TEMPLATE, "a")).await.expect("nothing is in the way");
}

#[tokio::test(start_paused = true)]
async fn what_is_replaced_is_told_and_nothing_is_changed() {
    let world = World::new().await;
    let made = world.create(AT, &stack(TEMPLATE, "a")).await.unwrap();
    let other = properties(&stack(&TEMPLATE.replace("QueueName: one", "QueueName: two"), "b"));

    let answer = ask(&world, Some(&made.inputs), &other).await;

    let changes = answer.changes.unwrap();
    assert_eq!(changes[0].logical_id, "Queue");
    assert_eq!(changes[0].replacement, Replacement::Always);
    assert_eq!(changes[0].properties, ["QueueName"]);
    assert_eq!((changes[1].logical_id.as_str(), changes[1].replacement), ("Url", Replacement::No));
    assert_clear(&world, true).await;
    assert_eq!(world.value_of("/preview/url").await.as_deref(), Some("a"));
    let same = ask(&world, Some(&made.inputs), &made.inputs).await;
    assert_eq!(same.changes.unwrap(), [], "no changes are no refusal");
    assert_clear(&world, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_leaves_nothing_behind() {
    let world = World::new().await;
    let importing =
        "Resources: {A: {Type: AWS::SNS::Topic, Properties: {TopicName: !ImportValue nothing}}}";
    let inputs = properties(&json!({ "name": NAME, "template": importing }));

    let answer = ask(&world, None, &inputs).await;

    let refused = answer.changes.unwrap_err().to_failure().message;
    assert!(refused.contains("No export named nothing found"), "{refused}");
    assert_eq!(answer.left, None);
    assert_clear(&world, false).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_interrupted_plan_left_is_taken_away() {
    let world = World::new().await;
    let inputs = properties(&stack(TEMPLATE, "a"));
    world.sandbox.inject("cloudformation:DeleteChangeSet", Fault::AccessDenied);
    let first = ask(&world, None, &inputs).await;
    assert!(first.changes.is_ok());
    assert!(first.left.expect("it stays").contains("bfd-plan-"));
    tokio::time::sleep(Duration::from_mins(1)).await;

    let second = ask(&world, None, &inputs).await;

    assert!(second.changes.is_ok(), "{:?}", second.changes);
    assert_clear(&world, false).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_change_set_stays() {
    let world = World::new().await;
    let theirs = world.cloudformation().create_change_set().stack_name(NAME);
    let theirs = theirs.change_set_name("theirs").change_set_type("CREATE".into());
    theirs.template_body("Resources: {A: {Type: AWS::SNS::Topic}}").send().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;

    let answer = ask(&world, None, &properties(&stack(TEMPLATE, "a"))).await;

    assert!(answer.changes.is_ok() && answer.left.is_none(), "{answer:?}");
    let sets = world.cloudformation().list_change_sets().stack_name(NAME).send().await.unwrap();
    let names: Vec<_> = sets.summaries().iter().filter_map(|it| it.change_set_name()).collect();
    assert_eq!(names, ["theirs"]);
}
