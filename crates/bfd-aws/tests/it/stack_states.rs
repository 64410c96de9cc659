//! Every state that a stack may be found in, and what comes of it.

use crate::world::{World, address, context, properties, state};
use aws_sdk_cloudformation::types::{ChangeSetType, Parameter};
use bfd_aws::{StackCondition, StackStatus};
use bfd_core::{ResourceState, Value};
use bfd_provider::{Context, ErrorClass, Provider, Token};
use serde_json::json;

const AT: &str = "stack.config";
const NAME: &str = "config";

const TEMPLATE: &str = "
Parameters:
  Value: { Type: String }
Resources:
  First:
    Type: AWS::SSM::Parameter
    Properties: { Name: /states/first, Type: String, Value: !Ref Value }
  Second:
    Type: AWS::SSM::Parameter
    DependsOn: First
    Properties: { Name: /states/second, Type: String, Value: !Ref Value }
";

fn stack(value: &str) -> Value {
    json!({ "name": NAME, "template": TEMPLATE, "parameters": { "Value": value } })
}

fn step(number: u32) -> Context {
    Context { token: Token(format!("run-{number}d")), ..context() }
}

fn given(value: &str) -> Parameter {
    Parameter::builder().parameter_key("Value").parameter_value(value).build()
}

async fn status(world: &World) -> String {
    let described = world.cloudformation().describe_stacks().stack_name(NAME).send().await;
    described.unwrap().stacks()[0].stack_status().unwrap().as_str().to_owned()
}

/// What a plan is told of a stack that is not there.
async fn remark(world: &World) -> String {
    assert_eq!(world.find(AT, &stack("a")).await, None, "nothing of it exists");
    world.aws.remarks().remove(&address(AT)).expect("a remark")
}

#[tokio::test(start_paused = true)]
async fn review_in_progress_is_no_existence() {
    let world = World::new().await;
    let request = world.cloudformation().create_change_set().stack_name(NAME);
    let request = request.change_set_name("theirs").change_set_type(ChangeSetType::Create);
    request.template_body(TEMPLATE).parameters(given("x")).send().await.unwrap();
    assert_eq!(status(&world).await, "REVIEW_IN_PROGRESS");
    assert!(remark(&world).await.contains("REVIEW_IN_PROGRESS: only change sets"));

    let made = world.create(AT, &stack("a")).await.unwrap();

    assert_eq!(made.outputs["status"], json!("CREATE_COMPLETE"));
    world.assert_quiet(AT, &made).await;
    assert_eq!(world.aws.remarks(), [].into(), "what was said is over");
}

#[tokio::test(start_paused = true)]
async fn rollback_complete_is_deleted_and_created_anew() {
    let world = World::new().await;
    world.sandbox.fail_resource(NAME, "Second", "no capacity");
    let request = world.cloudformation().create_stack().stack_name(NAME).template_body(TEMPLATE);
    request.parameters(given("x")).send().await.unwrap();
    world.at_rest(NAME).await;
    assert_eq!(status(&world).await, "ROLLBACK_COMPLETE");
    let told = remark(&world).await;
    assert!(told.contains("ROLLBACK_COMPLETE") && told.contains("created anew"), "{told}");
    world.sandbox.fail_resource(NAME, "Second", "");

    let made = world.create(AT, &stack("a")).await.unwrap();

    assert_eq!(made.outputs["status"], json!("CREATE_COMPLETE"));
    world.assert_quiet(AT, &made).await;
}

/// A stack whose update failed, and whose rollback failed as well.
async fn stuck(world: &World) -> bfd_core::ResourceState {
    let made = world.create(AT, &stack("a")).await.unwrap();
    world.sandbox.fail_resource(NAME, "Second", "no capacity");
    world.sandbox.fail_resource(NAME, "First:rollback", "locked by somebody");
    let (at, inputs) = (address(AT), properties(&stack("b")));
    let failure = world.aws.update(&at, &made, &inputs, &step(1)).await.unwrap_err();
    assert_eq!(status(world).await, "UPDATE_ROLLBACK_FAILED");
    let told = failure.to_failure();
    assert!(failure.left.is_some(), "it is not as it was: {failure:?}");
    assert!(told.message.contains("no capacity"), "the resource's own reason: {told:?}");
    assert!(told.hint.unwrap().contains("continue-update-rollback"), "and what to do");
    made
}

#[tokio::test(start_paused = true)]
async fn update_rollback_failed_is_continued_by_an_undo() {
    let world = World::new().await;
    let made = stuck(&world).await;
    let left = bfd_core::ResourceState { inputs: properties(&stack("b")), ..made.clone() };
    // Whatever locked the resource has let go.
    world.sandbox.fail_resource(NAME, "First:rollback", "");
    let undo = Context { token: Token("run-1u".to_owned()), undo: true, ..context() };

    let restored = world.aws.restore(&address(AT), &left, &made, &undo).await;

    world.assert_quiet(AT, &state(AT, restored.unwrap())).await;
    assert_eq!(world.value_of("/states/first").await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn update_rollback_failed_is_explained_to_who_updates() {
    let world = World::new().await;
    let made = stuck(&world).await;
    let (at, inputs) = (address(AT), properties(&stack("c")));
    let failure = world.aws.update(&at, &made, &inputs, &step(2)).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::ResourceConflict);
    assert!(failure.to_failure().hint.unwrap().contains("continue-update-rollback"));
    let seen = world.observe(AT, &made).await.unwrap();
    assert!(seen.notes[0].contains("the rollback has to be continued first"), "{:?}", seen.notes);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_somebody_else_is_waited_for() {
    let world = World::new().await;
    let made = world.create(AT, &stack("a")).await.unwrap();
    let request = world.cloudformation().update_stack().stack_name(NAME).template_body(TEMPLATE);
    request.parameters(given("theirs")).send().await.unwrap();
    assert_eq!(status(&world).await, "UPDATE_IN_PROGRESS");

    let changed = world.update(AT, &made, &stack("ours")).await.unwrap();

    // It may still be cleaning up.
    world.at_rest(NAME).await;
    world.assert_quiet(AT, &changed).await;
    assert_eq!(world.value_of("/states/second").await.as_deref(), Some("ours"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_somebody_else_is_not_waited_for_for_ever() {
    let world = World::new().await;
    let made = world.create(AT, &stack("a")).await.unwrap();
    world.ecr().create_repository().repository_name("app").send().await.unwrap();
    // A service whose image is not there keeps CloudFormation waiting for hours.
    let stalls = format!(
        "{TEMPLATE}
  Cluster: {{ Type: AWS::ECS::Cluster }}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {{ Name: app, Image: 123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/app:none, Memory: 64 }}
  Service:
    Type: AWS::ECS::Service
    Properties: {{ Cluster: !Ref Cluster, TaskDefinition: !Ref Task, DesiredCount: 1 }}
"
    );
    let request = world.cloudformation().update_stack().stack_name(NAME).template_body(stalls);
    request.parameters(given("theirs")).send().await.unwrap();

    let failure = world.update(AT, &made, &stack("ours")).await.unwrap_err();

    assert_eq!(status(&world).await, "UPDATE_IN_PROGRESS", "theirs goes on");
    assert!(failure.left.is_none(), "{failure:?}");
    let told = failure.to_failure().message;
    assert!(told.contains("another operation runs on the stack"), "{told}");
}

/// While something happens, what happens is read, and not what the stack is: that would say no
/// more, of each of the stacks that are made at once.
#[tokio::test(start_paused = true)]
async fn a_stack_is_asked_for_its_news_and_at_the_end_for_its_state() {
    let world = World::new().await;
    let topic = |number: u32| {
        let after = number.checked_sub(1).map(|before| format!(", DependsOn: R{before}"));
        format!("  R{number}: {{Type: AWS::SNS::Topic{}}}\n", after.unwrap_or_default())
    };
    let topics: String = (0..12).map(topic).collect();
    let template = format!("Resources:\n{topics}");
    let inputs = json!({ "name": "long", "template": template });

    let (made, operations) = world.counting(world.create("stack.long", &inputs)).await;

    made.unwrap();
    let count = |name: &str| operations.iter().filter(|it| it.ends_with(name)).count();
    let (states, news) = (count(":DescribeStacks"), count(":DescribeStackEvents"));
    assert!(news >= 4, "{operations:?}");
    assert!(states * 2 <= news, "{states} states for {news} news: {operations:?}");
}

const GIVEN: &str = "
Parameters:
  Size: { Type: String, Default: small }
  Shape: { Type: String, Default: round }
  Word: { Type: String, NoEcho: true, Default: changeme }
Resources:
  One:
    Type: AWS::SSM::Parameter
    Properties: { Name: /states/given, Type: String, Value: !Sub '${Size} ${Shape} ${Word}' }
";

/// CloudFormation takes the default for each parameter that a request leaves out, whatever the
/// stack has.
#[tokio::test(start_paused = true)]
async fn what_others_gave_to_parameters_stays() {
    let world = World::new().await;
    let parameter = |key: &str, value: &str| {
        Parameter::builder().parameter_key(key).parameter_value(value).build()
    };
    let create = world.cloudformation().create_stack().stack_name(NAME).template_body(GIVEN);
    let create =
        create.parameters(parameter("Size", "large")).parameters(parameter("Word", "real"));
    create.send().await.unwrap();
    world.at_rest(NAME).await;
    let inputs = |template: &str| json!({ "name": NAME, "template": template });
    let there = state(AT, world.find(AT, &inputs(GIVEN)).await.unwrap().object);
    let prior = ResourceState { inputs: properties(&inputs(GIVEN)), ..there };

    // A default that nobody replaced follows the template; another resource is added.
    let changed = GIVEN.replace("Default: round", "Default: square");
    let more = format!("{changed}  Two: {{ Type: AWS::SNS::Topic }}\n");
    let wanted = properties(&inputs(&more));
    let updated = world.aws.update(&address(AT), &prior, &wanted, &step(1)).await.unwrap();
    assert_eq!(world.value_of("/states/given").await.as_deref(), Some("large square real"));

    let undo = Context { undo: true, ..step(2) };
    let back = world.aws.restore(&address(AT), &state(AT, updated), &prior, &undo).await;
    back.unwrap();
    assert_eq!(world.value_of("/states/given").await.as_deref(), Some("large round real"));
}

/// How stacks are, as `bfd status` asks.
async fn statuses(world: &World, stacks: &[&bfd_core::ResourceState]) -> Vec<StackStatus> {
    let addresses: Vec<_> =
        stacks.iter().map(|stack| address(&format!("stack.{}", stack.id))).collect();
    let asked: Vec<_> = addresses.iter().zip(stacks.iter().copied()).collect();
    world.aws.stack_status(&asked).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_status_says_how_stacks_are_and_why() {
    let world = World::new().await;
    let made = world.create(AT, &stack("a")).await.unwrap();
    let good = &statuses(&world, &[&made]).await[0];
    assert_eq!((good.status.as_str(), good.condition), ("CREATE_COMPLETE", StackCondition::Good));
    assert_eq!(good.reasons, Vec::<String>::new());
    tokio::time::advance(std::time::Duration::from_hours(2)).await;
    let (later, operations) = world.counting(statuses(&world, &[&made])).await;
    let waited = later[0].since.unwrap() - good.since.unwrap();
    assert_eq!(waited, 7200);
    assert_eq!(operations, ["cloudformation:DescribeStacks"], "what is well takes one request");

    let request = world.cloudformation().update_stack().stack_name(NAME).template_body(TEMPLATE);
    request.parameters(given("b")).send().await.unwrap();
    let busy = &statuses(&world, &[&made]).await[0];
    assert_eq!(busy.condition, StackCondition::UnderWay);
    assert_eq!(busy.status, "UPDATE_IN_PROGRESS");
    world.at_rest(NAME).await;

    world.sandbox.fail_resource(NAME, "Second", "no capacity");
    let request = world.cloudformation().update_stack().stack_name(NAME).template_body(TEMPLATE);
    request.parameters(given("c")).send().await.unwrap();
    world.at_rest(NAME).await;
    let bad = &statuses(&world, &[&made]).await[0];
    assert_eq!(bad.condition, StackCondition::Bad);
    assert_eq!(bad.status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(bad.reasons.len(), 1, "{bad:?}");
    let reason = &bad.reasons[0];
    assert!(reason.starts_with("Second (AWS::SSM::Parameter)"), "{reason}");
    assert!(reason.ends_with("no capacity"), "{reason}");

    // What came right is not told any more.
    world.sandbox.fail_resource(NAME, "Second", "");
    let request = world.cloudformation().update_stack().stack_name(NAME).template_body(TEMPLATE);
    request.parameters(given("d")).send().await.unwrap();
    world.at_rest(NAME).await;
    assert_eq!(statuses(&world, &[&made]).await[0].reasons, Vec::<String>::new());

    world.delete(AT, &made).await.unwrap();
    let gone = &statuses(&world, &[&made]).await[0];
    assert_eq!((gone.condition, gone.since), (StackCondition::Missing, None));
}

#[tokio::test(start_paused = true)]
async fn the_status_of_many_stacks_is_one_request() {
    let world = World::new().await;
    let made = world.create(AT, &stack("a")).await.unwrap();
    let others =
        ["d", "b", "a"].map(|name| bfd_core::ResourceState { id: name.to_owned(), ..made.clone() });
    let all: Vec<_> = others.iter().chain([&made]).collect();

    let (told, operations) = world.counting(statuses(&world, &all)).await;

    assert_eq!(operations, ["cloudformation:DescribeStacks"]);
    let told: Vec<_> = told.iter().map(|status| (status.name.as_str(), status.condition)).collect();
    let missing = |name| (name, StackCondition::Missing);
    assert_eq!(told, [missing("a"), missing("b"), (NAME, StackCondition::Good), missing("d")]);
}

/// What `cdk deploy --no-rollback` leaves: it takes only an update that may fail so again.
#[tokio::test(start_paused = true)]
async fn update_failed_takes_the_next_update() {
    let world = World::new().await;
    let made = world.create(AT, &stack("a")).await.unwrap();
    let taken = world.ssm().put_parameter().name("/states/taken").value("x");
    taken.r#type(aws_sdk_ssm::types::ParameterType::String).send().await.unwrap();
    let broken = TEMPLATE.replace("Name: /states/second", "Name: /states/taken");
    let update = world.cloudformation().update_stack().stack_name(NAME).template_body(broken);
    let given = Parameter::builder().parameter_key("Value").parameter_value("b").build();
    update.parameters(given).disable_rollback(true).send().await.unwrap();
    world.at_rest(NAME).await;
    assert_eq!(status(&world).await, "UPDATE_FAILED");

    let wanted = properties(&stack("c"));
    world.aws.update(&address(AT), &made, &wanted, &step(3)).await.unwrap();

    assert_eq!(world.value_of("/states/second").await.as_deref(), Some("c"));
    world.at_rest(NAME).await;
    assert_eq!(status(&world).await, "UPDATE_COMPLETE");
}
