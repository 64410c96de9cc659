//! Whether what a rollback of a service needs is still there.

use crate::world::{World, address};
use bfd_core::{
    Address, Environment, Expr, ResourceState, State, StateVersion,
    plan::{FORMAT_VERSION, Op, Phase, Plan, Rollback, Step, StepId, Undo, UndoProblem},
};
use bfd_provider::{Earlier, Provider};
use bfd_sandbox::Fault;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const AT: &str = "service.web";
const REGISTRY: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";
const SECRET: &str = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app-AbCdEf";

/// A service as it is recorded, with one container for each image, all with the same secrets.
fn recorded(images: &[&str], secrets: &Value) -> ResourceState {
    let containers = images.iter().enumerate().map(|(number, image)| {
        (format!("c{number}"), json!({ "image": image, "secrets": secrets }))
    });
    let containers: serde_json::Map<String, Value> = containers.collect();
    let inputs = json!({
        "name": "web", "cluster": "main",
        "task_definition": { "family": "web", "containers": containers },
    });
    ResourceState {
        kind: address(AT).kind().clone(),
        id: "main/web".to_owned(),
        inputs: crate::world::properties(&inputs),
        outputs: crate::world::properties(&json!({})),
        depends_on: std::collections::BTreeSet::default(),
    }
}

fn running(mut recorded: ResourceState, arn: &str) -> ResourceState {
    recorded.outputs.insert("task_definition".to_owned(), arn.into());
    recorded
}

/// A plan that creates or changes these.
fn plan<'a>(changed: impl IntoIterator<Item = (&'a str, Value)>) -> Plan {
    let step = |(id, (at, inputs)): (u32, (&str, Value))| Step {
        id: StepId(id),
        address: address(at),
        phase: Phase::Deploy,
        op: Op::Create {
            inputs: crate::world::properties(&inputs)
                .into_iter()
                .map(|(name, value)| (name, Expr::from(value)))
                .collect(),
            depends_on: [].into(),
        },
        after: [].into(),
        undone_after: BTreeSet::new(),
        path_seconds: 0,
    };
    Plan {
        format_version: FORMAT_VERSION,
        environment: Environment {
            name: "dev".to_owned(),
            account: "123456789012".to_owned(),
            region: "ap-southeast-1".to_owned(),
        },
        endpoint: None,
        base: StateVersion::default(),
        refreshed: State::default(),
        missing: [].into(),
        changes: Vec::new(),
        unchanged: 0,
        steps: (0..).zip(changed).map(step).collect(),
        drift: Vec::new(),
        stack_drift: Vec::new(),
        previews: Vec::new(),
        back_to: None,
        warnings: Vec::new(),
        targets: [].into(),
        rollback: Rollback::default().into(),
    }
}

/// An image of the repository `web` that is pushed.
fn pushed(tag: &str) -> Value {
    let content = format!("sha256:{}", "1".repeat(64));
    json!({ "origin": "archive", "repository": "web", "content": content, "tag": tag })
}

async fn check(world: &World, recorded: &ResourceState) -> (Vec<UndoProblem>, Vec<String>) {
    let at = address(AT);
    let targets = [(&at, recorded)];
    world.counting(world.aws.check_undo(&plan([]), &targets, &[])).await
}

async fn register(world: &World) -> String {
    let request = world.ecs().register_task_definition().family("web").container_definitions(
        aws_sdk_ecs::types::ContainerDefinition::builder()
            .name("web")
            .image("nginx")
            .memory(128)
            .build(),
    );
    let made = request.send().await.unwrap();
    made.task_definition.unwrap().task_definition_arn.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_there_costs_one_request_of_a_kind() {
    let world = World::new().await;
    let arn = register(&world).await;
    let digests = ["v1", "v2"].map(|tag| world.sandbox.push_image("web", tag));
    let images = digests.map(|digest| format!("{REGISTRY}/web@{digest}"));
    let images = [images[0].as_str(), images[1].as_str(), "public.ecr.aws/nginx/nginx:alpine"];
    for number in 0..3 {
        let inputs = json!({ "name": format!("/app/{number}"), "type": "String", "value": "x" });
        world.create("parameter.a", &inputs).await.unwrap();
    }
    let secrets = json!({
        "A": "/app/0", "B": "/app/1",
        "C": "arn:aws:ssm:ap-southeast-1:123456789012:parameter/app/2",
        "D": "arn:aws:ssm:eu-west-1:123456789012:parameter/elsewhere",
    });
    let (problems, mut operations) =
        check(&world, &running(recorded(&images, &secrets), &arn)).await;
    assert_eq!(problems, []);
    operations.sort();
    let expected = [
        "ecr:DescribeImages",
        "ecr:GetLifecyclePolicy",
        "ecs:DescribeTaskDefinition",
        "ssm:GetParameters",
    ];
    assert_eq!(operations, expected);
}

#[tokio::test(start_paused = true)]
async fn an_inactive_revision_comes_back_as_another() {
    let world = World::new().await;
    let arn = register(&world).await;
    world.ecs().deregister_task_definition().task_definition(&arn).send().await.unwrap();
    let (problems, _) = check(&world, &running(recorded(&[], &json!({})), &arn)).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.address, address(AT));
    assert_eq!(problem.undo, Some(Undo::Approximate));
    let expected =
        "task definition `web:1` is INACTIVE: a rollback registers its content as a new revision";
    assert_eq!(problem.message, expected);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_cannot_be_gone_back_to() {
    let world = World::new().await;
    let digest = world.sandbox.push_image("web", "v1");
    let gone = format!("sha256:{}", "0".repeat(64));
    let images = [format!("{REGISTRY}/web@{digest}"), format!("{REGISTRY}/web:v0@{gone}")];
    let images = [images[0].as_str(), images[1].as_str()];
    let (problems, _) = check(&world, &recorded(&images, &json!({}))).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.undo, Some(Undo::None));
    let expected = format!("image `web@{gone}` is gone: a rollback can start no task with it");
    assert_eq!(problem.message, expected);
    assert!(problem.help.as_deref().unwrap().contains("push that image again"));
}

#[tokio::test(start_paused = true)]
async fn secrets_that_are_gone_are_named() {
    let world = World::new().await;
    let inputs = json!({ "name": "/app/there", "type": "String", "value": "x" });
    world.create("parameter.a", &inputs).await.unwrap();
    let secrets = json!({ "A": "/app/there", "B": "/app/gone", "C": format!("{SECRET}:KEY::") });
    let (problems, _) = check(&world, &recorded(&["nginx"], &secrets)).await;
    let said: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    let expected = [
        "secret `app-AbCdEf` is gone: a rollback can start no task with it",
        "parameter `/app/gone` is gone: a rollback can start no task with it",
    ];
    assert_eq!(said, expected);
    assert!(problems.iter().all(|problem| problem.undo == Some(Undo::None)), "{problems:?}");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_looked_at_is_said_and_promises_nothing_less() {
    let world = World::new().await;
    world.sandbox.inject("secretsmanager:DescribeSecret", Fault::AccessDenied);
    let secrets = json!({ "A": format!("{SECRET}:KEY::") });
    let (problems, operations) = check(&world, &recorded(&["nginx"], &secrets)).await;
    assert_eq!(operations, ["secretsmanager:DescribeSecret"], "asked once");
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.undo, None);
    let begins = "a rollback needs secret `app-AbCdEf`, and nobody could look for it: secretsmanager:DescribeSecret: ";
    assert!(problem.message.starts_with(begins), "{}", problem.message);
    assert!(problem.help.as_deref().unwrap().contains("lacks `secretsmanager:DescribeSecret`"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_found_is_looked_for_again() {
    let world = World::new().await;
    let earlier = world.sandbox.push_image("web", "v1");
    tokio::time::sleep(Duration::from_mins(1)).await;
    let digest = world.sandbox.push_image("web", "v2");
    assert_ne!(earlier, digest);
    // The first look, and the listing that follows it, are older than the image.
    world.sandbox.inject("ecr:DescribeImages", Fault::Stale(Duration::from_secs(30)));
    world.sandbox.inject("ecr:DescribeImages", Fault::Stale(Duration::from_secs(30)));
    let image = format!("{REGISTRY}/web@{digest}");
    let (problems, operations) = check(&world, &recorded(&[&image], &json!({}))).await;
    assert_eq!(problems, []);
    let looks = operations.iter().filter(|it| *it == "ecr:DescribeImages");
    assert_eq!(looks.count(), 3, "twice in vain, then once: {operations:?}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_the_next_push_expires_is_said_before() {
    let world = World::new().await;
    let repository = json!({ "name": "web", "keep_images": 2 });
    world.create("repository.web", &repository).await.unwrap();
    let old = world.sandbox.push_image("web", "v1");
    let image = format!("{REGISTRY}/web@{old}");
    assert_eq!(check(&world, &recorded(&[&image], &json!({}))).await.0, [], "one more fits");
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.sandbox.push_image("web", "v2");
    let (problems, _) = check(&world, &recorded(&[&image], &json!({}))).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.undo, None, "it is still there");
    assert!(problem.message.contains("expires it with the next push"), "{}", problem.message);
    assert!(problem.help.as_deref().unwrap().contains("`keep_images`"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_about_to_be_deleted_is_as_good_as_gone() {
    let world = World::new().await;
    let secrets_manager = world.secrets_manager();
    let made = secrets_manager.create_secret().name("app").secret_string("{}").send().await;
    let arn = made.unwrap().arn.unwrap();
    let recorded = recorded(&["nginx"], &json!({ "A": format!("{arn}:KEY::") }));
    assert_eq!(check(&world, &recorded).await.0, []);
    secrets_manager.delete_secret().secret_id(&arn).send().await.unwrap();
    let (problems, _) = check(&world, &recorded).await;
    assert_eq!(problems.iter().map(|it| it.undo).collect::<Vec<_>>(), [Some(Undo::None)]);
    secrets_manager.restore_secret().secret_id(&arn).send().await.unwrap();
    assert_eq!(check(&world, &recorded).await.0, []);
}

#[tokio::test(start_paused = true)]
async fn as_many_images_as_the_plan_pushes_are_counted_by_the_policy_that_it_sets() {
    let world = World::new().await;
    world.create("repository.web", &json!({ "name": "web", "keep_images": 3 })).await.unwrap();
    let old = world.sandbox.push_image("web", "v1");
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.sandbox.push_image("web", "v2");
    let at = address(AT);
    let recorded = recorded(&[&format!("{REGISTRY}/web@{old}")], &json!({}));
    let is_expiring = async |plan: Plan| {
        let problems = world.aws.check_undo(&plan, &[(&at, &recorded)], &[]).await;
        problems.iter().any(|it| it.message.contains("is needed by a rollback"))
    };
    assert!(!is_expiring(plan([("image.a", pushed("v3"))])).await);
    assert!(is_expiring(plan([("image.a", pushed("v3")), ("image.b", pushed("v4"))])).await);
    let mut there = pushed("v4");
    there["was_there"] = true.into();
    assert!(!is_expiring(plan([("image.a", pushed("v3")), ("image.b", there)])).await);
    let keeping = |keep: u8| ("repository.web", json!({ "name": "web", "keep_images": keep }));
    assert!(is_expiring(plan([("image.a", pushed("v3")), keeping(2)])).await);
    assert!(!is_expiring(plan([keeping(9), ("image.a", pushed("v3"))])).await);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_another_service_runs_is_not_expired_in_silence() {
    let world = World::new().await;
    world.create("repository.web", &json!({ "name": "web", "keep_images": 1 })).await.unwrap();
    let running = world.sandbox.push_image("web", "v1");
    let recorded = recorded(&[&format!("{REGISTRY}/web@{running}")], &json!({}));
    let refreshed = |mut plan: Plan| {
        plan.refreshed.resources.insert(address("service.other"), recorded.clone());
        plan
    };
    let pushing = refreshed(plan([("image.web", pushed("v2"))]));
    let problems = world.aws.check_undo(&pushing, &[], &[]).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((problem.address.clone(), problem.undo), (address("service.other"), None));
    assert!(problem.message.contains("is in use, and"), "{}", problem.message);

    // What is deleted needs no image; a plan that pushes elsewhere asks for nothing.
    let mut deleting = pushing.clone();
    let at: Address = address("service.other");
    let delete = Op::Delete { prior: recorded.clone() };
    let step = Step { address: at, phase: Phase::Cleanup, op: delete, ..deleting.steps[0].clone() };
    deleting.steps.push(step);
    assert_eq!(world.aws.check_undo(&deleting, &[], &[]).await, []);
    let mut elsewhere = pushed("v2");
    elsewhere["repository"] = "api".into();
    let elsewhere = refreshed(plan([("image.web", elsewhere)]));
    let (problems, operations) = world.counting(world.aws.check_undo(&elsewhere, &[], &[])).await;
    assert_eq!((problems, operations), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_an_earlier_deployment_ran_is_not_expired_in_silence() {
    let world = World::new().await;
    world.create("repository.web", &json!({ "name": "web", "keep_images": 2 })).await.unwrap();
    let mut ran = Vec::new();
    for tag in ["v1", "v2", "v3"] {
        let digest = world.sandbox.push_image("web", tag);
        ran.push(recorded(&[&format!("{REGISTRY}/web@{digest}")], &json!({})));
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let at: Address = address(AT);
    let earlier = |run: &'static str, state| Earlier { run, address: &at, state };
    // The last one is what runs: the target of the rollback itself.
    let targets = [(&at, &ran[2])];
    let all = [earlier("run-3", &ran[2]), earlier("run-2", &ran[1]), earlier("run-1", &ran[1])];

    let pushing = plan([("image.web", pushed("v4"))]);
    let problems = world.aws.check_undo(&pushing, &targets, &all).await;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((problem.address.clone(), problem.undo), (at.clone(), None));
    let said = "ran before (`bfd rollback --to run-2` needs it), and the repository's lifecycle";
    assert!(problem.message.contains(said), "{}", problem.message);

    // What expires by itself is nobody's fault, and is not asked for.
    let nothing = plan([]);
    let (_, operations) = world.counting(world.aws.check_undo(&nothing, &[], &all)).await;
    assert_eq!(operations, [""; 0]);
}
