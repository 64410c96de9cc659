use crate::world::{World, address, context, properties, repeated, state};
use bfd_core::{ResourceState, Value};
use bfd_provider::{Context, ErrorClass, Progress, Provider, ProviderError, Token};
use bfd_sandbox::{Behaviour, Fault};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const AT: &str = "service.web";
const REPOSITORY: &str = "bellyfed-dev";

/// A world with a cluster and an image, and the image's name pinned by digest.
async fn world() -> (World, String) {
    let world = World::new().await;
    world.create("cluster.main", &json!({ "name": "main" })).await.unwrap();
    let image = push(&world, "v1");
    (world, image)
}

fn push(world: &World, tag: &str) -> String {
    let digest = world.sandbox.push_image(REPOSITORY, tag);
    format!("{}@{digest}", repository())
}

fn repository() -> String {
    format!("123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/{REPOSITORY}")
}

fn service(image: &str, setting: &str) -> Value {
    json!({
        "name": "web",
        "cluster": "main",
        "desired_count": 2,
        "proven": true,
        "tags": { "Application": "Bellyfed" },
        "task_definition": {
            "family": "web",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
            "containers": {
                "web": {
                    "image": image,
                    "essential": true,
                    "cpu": 0,
                    "environment": { "SETTING": setting },
                    "portMappings": [
                        { "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" },
                    ],
                    "healthCheck": {
                        "command": ["CMD-SHELL", "curl -f http://localhost:3000/ || exit 1"],
                        "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 0,
                    },
                },
            },
        },
        "service": {
            "launchType": "FARGATE",
            "networkConfiguration": { "awsvpcConfiguration": {
                "subnets": ["subnet-0a"], "securityGroups": ["sg-0a"],
                "assignPublicIp": "DISABLED",
            } },
            "deploymentConfiguration": {
                "maximumPercent": 200, "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            },
        },
    })
}

fn with(mut inputs: Value, path: &str, value: Value) -> Value {
    *inputs.pointer_mut(path).unwrap() = value;
    inputs
}

/// What the engine records of a call that failed.
fn left(failure: &ProviderError) -> ResourceState {
    state(AT, *failure.left.clone().expect("it says what it left"))
}

fn revision(state: &ResourceState) -> &str {
    state.outputs["task_definition"].as_str().unwrap().rsplit('/').next().unwrap()
}

fn count(operations: &[String], operation: &str) -> usize {
    operations.iter().filter(|it| *it == operation).count()
}

fn elapsed(world: &World, since: f64) -> f64 {
    world.sandbox.now() - since
}

/// A context whose progress is kept.
fn listening() -> (Context, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    let progress = Progress::new(move |line| kept.lock().unwrap().push(line));
    (Context { progress, ..context() }, told)
}

#[tokio::test(start_paused = true)]
async fn a_service_lives() {
    let (world, image) = world().await;
    let first = service(&image, "one");
    let (made, operations) = world.counting(world.create(AT, &first)).await;
    let made = made.unwrap();
    assert_eq!(made.id, "main/web");
    assert_eq!(revision(&made), "web:1");
    assert_eq!(
        made.outputs["proven"],
        json!("service deployment SUCCESSFUL, 2/2 running"),
        "{:?}",
        made.outputs
    );
    assert!(made.outputs["deployment"].as_str().unwrap().contains(":service-deployment/"));
    assert_eq!(count(&operations, "ecs:RegisterTaskDefinition"), 1);
    assert_eq!(count(&operations, "ecs:CreateService"), 1);

    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ecs:DescribeServices"], "the revision is known");
    world.assert_quiet(AT, &made).await;
    let (_, operations) = world.counting(world.update(AT, &made, &first)).await;
    assert_eq!(operations, Vec::<String>::new(), "nothing differs, nothing is called");
    let mut recorded_earlier = made.clone();
    recorded_earlier.inputs.remove("proven");
    let (_, operations) = world.counting(world.update(AT, &recorded_earlier, &first)).await;
    assert_eq!(operations, Vec::<String>::new(), "what was not recorded is no difference");

    let second = service(&image, "two");
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(revision(&changed), "web:2");
    assert_ne!(changed.outputs["deployment"], made.outputs["deployment"]);
    assert_eq!(count(&operations, "ecs:UpdateService"), 1, "one call, one deployment");
    assert_eq!(count(&operations, "ecs:TagResource"), 0);
    world.assert_quiet(AT, &changed).await;

    let back = world.restore(AT, &changed, &made).await.unwrap();
    assert_eq!(revision(&back), "web:1", "the recorded revision, and no new one");
    let found = world.observe(AT, &made).await.unwrap();
    assert_eq!(found.object.inputs, world.observe(AT, &back).await.unwrap().object.inputs);
    assert_eq!(found.object.inputs["task_definition"], first["task_definition"]);

    world.delete(AT, &back).await.unwrap();
    assert_eq!(world.observe(AT, &back).await, None);
    world.delete(AT, &back).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_fails_fast_and_the_old_revision_comes_back() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let before = world.observe(AT, &made).await.unwrap();

    let missing = format!("{}:never-pushed", repository());
    let begun = world.sandbox.now();
    let failure = world.update(AT, &made, &service(&missing, "one")).await.unwrap_err();
    assert!(elapsed(&world, begun) < 60.0, "long before the breaker: {}", elapsed(&world, begun));
    assert_eq!(failure.class, ErrorClass::NotStabilized);
    let text = failure.to_failure();
    assert!(text.message.contains("CannotPullContainerError"), "{text:?}");
    assert!(text.message.contains("never-pushed"), "{text:?}");
    assert!(text.hint.unwrap().contains("check that the image exists"));
    let left = left(&failure);
    assert_eq!(revision(&left), "web:2");

    let begun = world.sandbox.now();
    let (back, operations) = world.counting(world.restore(AT, &left, &made)).await;
    let back = back.unwrap();
    assert!(elapsed(&world, begun) < 60.0, "{}", elapsed(&world, begun));
    assert_eq!(count(&operations, "ecs:StopServiceDeployment"), 1);
    assert_eq!(count(&operations, "ecs:UpdateService"), 0, "ECS goes back by itself");
    assert_eq!(count(&operations, "ecs:DeregisterTaskDefinition"), 1, "web:2 is of no use");
    assert_eq!(revision(&back), "web:1");
    tokio::time::sleep(Duration::from_mins(2)).await;
    let after = world.observe(AT, &made).await.unwrap();
    assert_eq!(after, before, "as it was, and nothing to note");
}

#[tokio::test(start_paused = true)]
async fn the_way_back_needs_no_service_deployments() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let missing = format!("{}:never-pushed", repository());
    let failure = world.update(AT, &made, &service(&missing, "one")).await.unwrap_err();
    // Refused like this, UpdateService has to do it.
    world.sandbox.inject("ecs:StopServiceDeployment", Fault::AccessDenied);
    let (back, operations) = world.counting(world.restore(AT, &left(&failure), &made)).await;
    assert_eq!(revision(&back.unwrap()), "web:1");
    assert_eq!(count(&operations, "ecs:UpdateService"), 1);
    tokio::time::sleep(Duration::from_mins(2)).await;
    world.assert_quiet(AT, &made).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_fails_leaves_a_service_to_delete() {
    let (world, image) = world().await;
    world.sandbox.behave("v1", Behaviour::Crash { exit_code: 3, after: Duration::from_secs(1) });
    let failure = world.create(AT, &service(&image, "one")).await.unwrap_err();
    let text = failure.to_failure();
    assert!(text.message.contains("exit code 3"), "{text:?}");
    assert_eq!(text.operation.as_deref(), Some("ecs:CreateService"));
    let left = left(&failure);
    world.delete(AT, &left).await.unwrap();
    assert_eq!(world.observe(AT, &left).await, None);
    world.delete("cluster.main", &cluster()).await.expect("nothing is left in it");
}

fn cluster() -> ResourceState {
    ResourceState {
        kind: address("cluster.main").kind().clone(),
        id: "main".to_owned(),
        inputs: properties(&json!({ "name": "main" })),
        outputs: properties(&json!({ "name": "main" })),
        depends_on: std::collections::BTreeSet::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_health_check_that_fails_is_not_waited_out() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let sick = push(&world, "v2");
    world.sandbox.behave("v2", Behaviour::Unhealthy);
    let failure = world.update(AT, &made, &service(&sick, "one")).await.unwrap_err();
    let text = failure.to_failure();
    assert!(text.message.contains("health checks"), "{text:?}");
    let check =
        "container `web`: health check `curl -f http://localhost:3000/ || exit 1`, port 3000";
    assert!(text.details.iter().any(|line| line == check), "{text:?}");
    let back = world.restore(AT, &left(&failure), &made).await.unwrap();
    assert_eq!(revision(&back), "web:1");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_another_one_replaced_is_no_success() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let other = world.someone_else(&[]).await;
    let (two, three) = (service(&image, "two"), properties(&service(&image, "three")));
    let (at, in_between) = (address(AT), context());
    let (ours, theirs) = tokio::join!(world.update(AT, &made, &two), async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        other.update(&at, &made, &three, &in_between).await
    });
    let failure = ours.unwrap_err().to_failure();
    assert!(failure.message.contains("superseded"), "{failure:?}");
    assert!(failure.message.contains("web:3"), "{failure:?}");
    theirs.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_count_starts_no_deployment() {
    let (world, image) = world().await;
    let first = service(&image, "one");
    let made = world.create(AT, &first).await.unwrap();
    let more = with(first.clone(), "/desired_count", json!(3));
    let (changed, operations) = world.counting(world.update(AT, &made, &more)).await;
    let changed = changed.unwrap();
    assert_eq!(count(&operations, "ecs:RegisterTaskDefinition"), 0);
    assert_eq!(revision(&changed), "web:1");
    assert!(changed.outputs["proven"].as_str().unwrap().contains("3/3 running"), "{changed:?}");
    world.assert_quiet(AT, &changed).await;

    let none = with(first, "/desired_count", json!(0));
    let changed = world.update(AT, &changed, &none).await.unwrap();
    assert_eq!(changed.outputs["proven"], json!("not proven: desired count is 0"));
}

#[tokio::test(start_paused = true)]
async fn tags_and_settings_change_without_a_new_revision() {
    let (world, image) = world().await;
    let first = service(&image, "one");
    let made = world.create(AT, &first).await.unwrap();
    let second = with(first.clone(), "/tags", json!({ "Team": "web" }));
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(operations, ["ecs:DescribeServices", "ecs:TagResource", "ecs:UntagResource"]);
    assert_eq!(changed.outputs, made.outputs);
    world.assert_quiet(AT, &changed).await;

    let breaker = "/service/deploymentConfiguration/deploymentCircuitBreaker/rollback";
    let third = with(second, breaker, json!(false));
    let changed = world.update(AT, &changed, &third).await.unwrap();
    assert_eq!(revision(&changed), "web:1");
    world.assert_quiet(AT, &changed).await;
    let back = world.restore(AT, &changed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(world.observe(AT, &back).await.unwrap().object.inputs["tags"], first["tags"]);
}

#[tokio::test(start_paused = true)]
async fn autoscaling_takes_the_count_over_and_gives_it_back() {
    let (world, image) = world().await;
    let fixed = service(&image, "one");
    let made = world.create(AT, &fixed).await.unwrap();
    let mut scaled = fixed.clone();
    scaled.as_object_mut().unwrap().remove("desired_count");
    scaled["autoscaling"] = json!({
        "min": 2, "max": 6, "target_cpu": 60, "target_memory": 80,
        "scale_in_cooldown": 300, "scale_out_cooldown": 60,
    });
    let changed = world.update(AT, &made, &scaled).await.unwrap();
    world.assert_quiet(AT, &changed).await;
    let seen = world.observe(AT, &changed).await.unwrap().object.inputs;
    assert_eq!(seen["autoscaling"], scaled["autoscaling"]);
    assert_eq!(seen.get("desired_count"), None);
    let back = world.restore(AT, &changed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(world.observe(AT, &changed).await.unwrap().object.inputs.get("autoscaling"), None);
    world.delete(AT, &changed).await.expect("deregistering twice is no error");
    let arn = changed.outputs["task_definition"].as_str().unwrap().replace("web:", "never:");
    let mut gone = changed.clone();
    gone.outputs.insert("task_definition".to_owned(), arn.into());
    world.delete(AT, &gone).await.expect("what was never there is gone");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_found_again() {
    let (world, image) = world().await;
    world.sandbox.inject("ecs:CreateService", Fault::LostAnswer);
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    world.assert_quiet(AT, &made).await;
    world.sandbox.inject("ecs:UpdateService", Fault::LostAnswer);
    let changed = world.update(AT, &made, &service(&image, "two")).await.unwrap();
    world.assert_quiet(AT, &changed).await;
    world.sandbox.inject("ecs:DeleteService", Fault::LostAnswer);
    world.delete(AT, &changed).await.unwrap();
    assert_eq!(world.observe(AT, &changed).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_neither_a_proof_nor_a_failure() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    world.sandbox.inject("ecs:DescribeServices", Fault::Delay(Duration::ZERO));
    world.sandbox.inject("ecs:DescribeServices", Fault::Stale(Duration::from_secs(30)));
    world.sandbox.inject("ecs:DescribeServices", Fault::Stale(Duration::from_secs(30)));
    let changed = world.update(AT, &made, &service(&image, "two")).await.unwrap();
    assert_eq!(revision(&changed), "web:2");
    world.assert_quiet(AT, &changed).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_call_is_followed_to_its_end() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let two = properties(&service(&image, "two"));
    let at = address(AT);
    // The process dies while it follows.
    let first = context();
    let dying = world.aws.update(&at, &made, &two, &first);
    let _ = tokio::time::timeout(Duration::from_secs(8), dying).await.unwrap_err();
    let (again, operations) = world.counting(world.aws.update(&at, &made, &two, &repeated())).await;
    let again = state(AT, again.unwrap());
    assert_eq!(count(&operations, "ecs:UpdateService"), 0, "it had arrived");
    assert_eq!(count(&operations, "ecs:RegisterTaskDefinition"), 0, "found by its content");
    assert_eq!(revision(&again), "web:2");
    world.assert_quiet(AT, &again).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_turns_back_is_not_kept_waiting() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let turn_back = CancellationToken::new();
    let context = Context { turn_back: turn_back.clone(), ..context() };
    let two = properties(&service(&image, "two"));
    let at = address(AT);
    let (answer, ()) = tokio::join!(world.aws.update(&at, &made, &two, &context), async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        turn_back.cancel();
    });
    let failure = answer.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Canceled);
    let back = world.restore(AT, &left(&failure), &made).await.unwrap();
    assert_eq!(revision(&back), "web:1");
}

#[tokio::test(start_paused = true)]
async fn without_its_cluster_there_is_no_service() {
    let world = World::new().await;
    assert_eq!(world.find(AT, &service("nginx:alpine", "one")).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_someone_else_is_left_alone() {
    let (world, image) = world().await;
    let theirs = world.create(AT, &service(&image, "theirs")).await.unwrap();
    let at = address(AT);
    let other = Context { token: Token("run-2-0d".to_owned()), ..context() };
    let ours = properties(&service(&image, "ours"));
    let failure = world.aws.create(&at, &ours, &other).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::AlreadyExists);
    assert_eq!(failure.left, None, "a rollback must not delete it");
    world.assert_quiet(AT, &theirs).await;
}

#[tokio::test(start_paused = true)]
async fn a_field_that_ecs_does_not_have_is_refused_before_anything_is_made() {
    let (world, image) = world().await;
    let mut inputs = service(&image, "one");
    inputs["task_definition"]["containers"]["web"]["comand"] = json!(["serve"]);
    let (failure, operations) = world.counting(world.create(AT, &inputs)).await;
    let failure = failure.unwrap_err();
    assert!(failure.to_failure().message.contains("comand"), "{failure:?}");
    assert_eq!(operations, ["ecs:DescribeTaskDefinition"]);
    assert_eq!(failure.left, None);
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_when_it_changes() {
    let (world, image) = world().await;
    let (context, told) = listening();
    let inputs = properties(&service(&image, "one"));
    world.aws.create(&address(AT), &inputs, &context).await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.first().unwrap(), "0/2 running, rollout IN_PROGRESS");
    assert_eq!(told.last().unwrap(), "2/2 running, 2 healthy, rollout COMPLETED");
    let starting = "2/2 running, 0 healthy, rollout IN_PROGRESS";
    assert!(told.iter().any(|line| line == starting), "{told:?}");
    let mut once = told.clone();
    once.dedup();
    assert_eq!(*told, once);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_by_the_events_of_its_own_deployment() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let unhealthy = service(&push(&world, "v2"), "one");
    world.sandbox.behave("v2", Behaviour::Unhealthy);
    let events = |failure: &ProviderError| -> Vec<String> {
        let told = failure.details.iter().filter(|detail| detail.starts_with("event: "));
        told.cloned().collect()
    };
    let earlier = world.update(AT, &made, &unhealthy).await.unwrap_err();
    let told = events(&earlier);
    assert!(told.iter().any(|it| it.contains("failed container health checks")), "{told:?}");

    let back = world.restore(AT, &left(&earlier), &made).await.unwrap();
    let missing = service(&format!("{}:never-pushed", repository()), "one");
    let later = world.update(AT, &back, &missing).await.unwrap_err();
    let told = events(&later);
    assert!(!told.is_empty(), "{later:?}");
    assert!(!told.iter().any(|it| it.contains("failed container health checks")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_status_says_how_services_are() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let missing = format!("{}:never-pushed", repository());
    let failure = world.update(AT, &made, &service(&missing, "one")).await.unwrap_err();
    let address = address(AT);
    let failed = left(&failure);
    let all = world.aws.service_status(&[(&address, &failed)]).await.unwrap();
    let status = &all[0];
    assert_eq!((status.desired, status.running), (2, 2), "the old tasks still serve");
    assert_eq!(status.rollout.as_deref(), Some("IN_PROGRESS"));
    assert_eq!(status.task_definition, "web:2");
    assert_eq!(status.images["web"], image);
    assert!(image.ends_with(&status.image_digests["web"]));
    assert!(status.stopped[0].contains("CannotPullContainerError"), "{status:?}");
    world.delete(AT, &failed).await.unwrap();
    let all = world.aws.service_status(&[(&address, &failed)]).await.unwrap();
    assert!(!all[0].exists);
}

/// What the next run finds, as the planner gives it to an update.
async fn found(world: &World, recorded: &ResourceState) -> ResourceState {
    let mut found = state(AT, world.observe(AT, recorded).await.unwrap().object);
    for (name, value) in &mut found.inputs {
        keep_declared(value, recorded.inputs.get(name).unwrap_or(&Value::Null));
    }
    found
}

fn keep_declared(observed: &mut Value, declared: &Value) {
    if let (Value::Object(observed), Value::Object(declared)) = (observed, declared) {
        observed.retain(|name, _| declared.contains_key(name));
        for (name, value) in observed {
            keep_declared(value, &declared[name]);
        }
    }
}

fn assert_only_read(operations: &[String]) {
    let is_read = |it: &&String| it.starts_with("ecs:Describe") || it.starts_with("ecs:List");
    let others: Vec<_> = operations.iter().filter(|it| !is_read(it)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_left_failing_is_a_difference_until_it_is_proven() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    assert_eq!(found(&world, &made).await.inputs["proven"], json!(true));
    let wanted = service(&format!("{}:never-pushed", repository()), "one");
    let failure = world.update(AT, &made, &wanted).await.unwrap_err();

    // Nobody rolled it back. The next run must not believe it.
    let first = found(&world, &left(&failure)).await;
    assert_eq!(revision(&first), "web:2");
    assert_eq!(first.inputs["proven"], json!(false));
    let begun = world.sandbox.now();
    let (again, operations) = world.counting(world.update(AT, &first, &wanted)).await;
    let failure = again.unwrap_err();
    let text = failure.to_failure();
    assert!(text.message.contains("never-pushed"), "{text:?}");
    assert!(elapsed(&world, begun) < 60.0, "not as long as ECS waits between two attempts");
    assert_eq!(count(&operations, "ecs:UpdateService"), 1, "a new deployment");
    assert_eq!(count(&operations, "ecs:RegisterTaskDefinition"), 0);

    // Its undo asks for no more than was there.
    let begun = world.sandbox.now();
    let (back, operations) = world.counting(world.restore(AT, &left(&failure), &first)).await;
    let back = back.unwrap();
    assert_only_read(&operations);
    assert!(elapsed(&world, begun) < 5.0, "{}", elapsed(&world, begun));
    assert_eq!(revision(&back), "web:2");
    assert_eq!(back.outputs.get("proven"), None);

    world.sandbox.push_image(REPOSITORY, "never-pushed");
    let again = found(&world, &back).await;
    assert_eq!(again.inputs["proven"], json!(false));
    world.sandbox.inject("ecs:UpdateService", Fault::LostAnswer);
    let proven = world.update(AT, &again, &wanted).await.unwrap();
    assert_eq!(revision(&proven), "web:2");
    assert_eq!(proven.outputs["proven"], json!("service deployment SUCCESSFUL, 2/2 running"));
    world.assert_quiet(AT, &proven).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_nobody_follows_is_followed_without_touching_it() {
    let (world, image) = world().await;
    let made = world.create(AT, &service(&image, "one")).await.unwrap();
    let wanted = service(&image, "two");
    let (at, inputs, context) = (address(AT), properties(&wanted), context());
    let dying = world.aws.update(&at, &made, &inputs, &context);
    let _ = tokio::time::timeout(Duration::from_secs(8), dying).await.unwrap_err();

    let under_way = found(&world, &made).await;
    assert_eq!(under_way.inputs["proven"], json!(false));
    let (done, operations) = world.counting(world.update(AT, &under_way, &wanted)).await;
    let done = done.unwrap();
    assert_only_read(&operations);
    assert_eq!(revision(&done), "web:2");
    assert_eq!(done.outputs["proven"], json!("service deployment SUCCESSFUL, 2/2 running"));
    world.assert_quiet(AT, &done).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_ecs_gave_up_is_started_again() {
    let (world, image) = world().await;
    world.sandbox.behave("v1", Behaviour::Crash { exit_code: 3, after: Duration::from_secs(1) });
    let wanted = service(&image, "one");
    let failure = world.create(AT, &wanted).await.unwrap_err();
    tokio::time::sleep(Duration::from_hours(2)).await;
    let stalled = found(&world, &left(&failure)).await;
    assert_eq!(stalled.inputs["proven"], json!(false));
    world.sandbox.behave("v1", Behaviour::Healthy);
    let (done, operations) = world.counting(world.update(AT, &stalled, &wanted)).await;
    assert_eq!(count(&operations, "ecs:UpdateService"), 1);
    world.assert_quiet(AT, &done.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn ecs_on_its_own_way_back_is_followed_to_where_it_goes() {
    let (world, image) = world().await;
    // Where the old tasks may go first, the way back takes as long as new ones need.
    let percent = "/service/deploymentConfiguration/minimumHealthyPercent";
    let wanted = with(service(&image, "one"), percent, json!(0));
    let made = world.create(AT, &wanted).await.unwrap();
    let sick = push(&world, "v2");
    world.sandbox.behave("v2", Behaviour::Unhealthy);
    let failing = with(service(&sick, "one"), percent, json!(0));
    world.update(AT, &made, &failing).await.unwrap_err();
    // The circuit breaker ends it later. `made` is what a manifest that was put back wants.
    let mut recorded = made.clone();
    recorded.outputs.remove("deployment");
    let mut seconds = 0;
    let going_back = loop {
        let now = found(&world, &recorded).await;
        if revision(&now) == "web:1" && now.inputs["proven"] == json!(false) {
            break now;
        }
        assert!(seconds < 7200, "never seen on its way");
        seconds += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let (done, operations) = world.counting(world.update(AT, &going_back, &wanted)).await;
    let done = done.unwrap();
    assert_only_read(&operations);
    assert_eq!(done.outputs["proven"], json!("rollout COMPLETED, 2/2 running"));
    world.assert_quiet(AT, &done).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_unproven_is_not_waited_for() {
    let (world, _) = world().await;
    let missing = service(&format!("{}:never-pushed", repository()), "one");
    let recorded = with(missing, "/proven", json!(false));
    let begun = world.sandbox.now();
    let back = world.create(AT, &recorded).await.expect("no more than was there is asked for");
    assert!(elapsed(&world, begun) < 5.0, "{}", elapsed(&world, begun));
    assert_eq!(back.outputs.get("proven"), None);
    assert_eq!(found(&world, &back).await.inputs["proven"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_service_of_no_tasks_needs_no_proof() {
    let (world, _) = world().await;
    let missing = service(&format!("{}:never-pushed", repository()), "one");
    let none = with(missing, "/desired_count", json!(0));
    let made = world.create(AT, &none).await.unwrap();
    assert_eq!(found(&world, &made).await.inputs["proven"], json!(true));
}
