//! The last log lines of containers that failed, in the failure's details.

use crate::world::World;
use bfd_aws::Settings;
use bfd_core::Value;
use bfd_provider::ProviderError;
use bfd_sandbox::{Behaviour, Fault};
use serde_json::json;
use std::time::Duration;

const GROUP: &str = "/aws/ecs/web";
const AT: &str = "service.web";
const CRASH: Behaviour = Behaviour::Crash { exit_code: 3, after: Duration::from_secs(4) };

/// A world with a cluster, an image that crashes, and a log group made by a stack.
async fn world() -> (World, Value) {
    world_with(Settings::LOG_LINES, CRASH).await
}

/// The same with so many lines of an image that behaves like this.
async fn world_with(log_lines: usize, behaviour: Behaviour) -> (World, Value) {
    let world = World::with_log_lines(log_lines).await;
    world.create("cluster.main", &json!({ "name": "main" })).await.unwrap();
    let template = format!(
        "Resources: {{ Logs: {{ Type: AWS::Logs::LogGroup, Properties: {{ LogGroupName: {GROUP} }} }} }}"
    );
    let stack = world.cloudformation().create_stack().stack_name("logs").template_body(template);
    stack.send().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let digest = world.sandbox.push_image("app", "v1");
    world.sandbox.behave("app", behaviour);
    let image = format!("123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/app@{digest}");
    (world, service(&image))
}

fn service(image: &str) -> Value {
    json!({
        "name": "web",
        "cluster": "main",
        "desired_count": 1,
        "proven": true,
        "task_definition": {
            "family": "web",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
            "containers": { "web": {
                "image": image,
                "essential": true,
                "cpu": 0,
                "logConfiguration": { "logDriver": "awslogs", "options": {
                    "awslogs-group": GROUP,
                    "awslogs-region": "ap-southeast-1",
                    "awslogs-stream-prefix": "ecs",
                } },
            } },
        },
        "service": {
            "launchType": "FARGATE",
            "networkConfiguration": { "awsvpcConfiguration": {
                "subnets": ["subnet-0a"], "securityGroups": ["sg-0a"],
                "assignPublicIp": "DISABLED",
            } },
        },
    })
}

async fn failure(world: &World, inputs: &Value) -> ProviderError {
    world.create(AT, inputs).await.unwrap_err()
}

fn lines(error: &ProviderError) -> Vec<&str> {
    error.details.iter().filter_map(|detail| detail.strip_prefix("| ")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_last_lines_are_in_the_failure_and_their_secrets_are_not() {
    let (world, inputs) = world().await;
    world.sandbox.say("app", "connecting to postgres://app:hunter2@db/app");
    world.sandbox.say("app", "\u{1b}[31mno such table: users\u{1b}[0m");
    let error = failure(&world, &inputs).await;
    assert_eq!(
        lines(&error),
        [
            "web started",
            "connecting to postgres://***@db/app",
            "no such table: users",
            "fatal: exiting with code 3",
        ]
    );
    let details = error.details.join("\n");
    assert!(details.contains("last log lines of container `web`, task "), "{details}");
    assert!(details.contains("(`/aws/ecs/web`, `ecs/web/"), "{details}");
    assert!(!format!("{:?} {error:?}", error.to_failure()).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_goes_over_several_lines_is_in_none_of_them() {
    let (world, inputs) = world().await;
    for line in ["-----BEGIN PRIVATE KEY-----", "c2hvcnQ", "-----END PRIVATE KEY-----", "bye"] {
        world.sandbox.say("app", line);
    }

    let error = failure(&world, &inputs).await;

    assert_eq!(lines(&error)[1..], ["***", "bye", "fatal: exiting with code 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_one_line_and_hides_nothing() {
    let (world, inputs) = world().await;
    world.sandbox.inject("logs:GetLogEvents", Fault::AccessDenied);
    let error = failure(&world, &inputs).await;
    let details = error.details.join("\n");
    assert!(details.contains("the role in use lacks `logs:GetLogEvents`"), "{details}");
    assert!(error.source.to_string().contains("exit code 3"), "{}", error.source);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_gone_or_an_answer_that_never_comes_delays_by_seconds() {
    let (world, inputs) = world().await;
    let begun = world.sandbox.now();
    let plain = failure(&world, &inputs).await;
    let plain_took = world.sandbox.now() - begun;
    assert!(!lines(&plain).is_empty());

    let (world, inputs) = self::world().await;
    for _ in 0..8 {
        world.sandbox.inject("logs:GetLogEvents", Fault::Hang);
    }
    let begun = world.sandbox.now();
    let hung = failure(&world, &inputs).await;
    let took = world.sandbox.now() - begun;
    assert!(took <= plain_took + 10.0, "{took} against {plain_took}");
    assert!(hung.details.join("\n").contains("no answer within 8 s"), "{:?}", hung.details);
    assert!(hung.source.to_string().contains("exit code 3"));
}

#[tokio::test(start_paused = true)]
async fn why_there_are_no_lines_is_told_though_the_next_answer_never_comes() {
    let (world, inputs) = world().await;
    world.sandbox.inject("logs:GetLogEvents", Fault::Stale(Duration::from_hours(1)));
    for _ in 0..8 {
        world.sandbox.inject("logs:GetLogEvents", Fault::Hang);
    }
    let details = failure(&world, &inputs).await.details.join("\n");
    assert!(details.contains("log group does not exist. (after 0 s)"), "{details}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_read_is_repeated_like_any_other_request() {
    let (world, inputs) = world().await;
    world.sandbox.inject("logs:GetLogEvents", Fault::Throttle);
    let error = failure(&world, &inputs).await;
    assert!(!lines(&error).is_empty(), "{:?}", error.details);
    let asked = world.sandbox.requests();
    let asked = asked.iter().filter(|it| it.operation == "logs:GetLogEvents").count();
    assert!(asked >= 2, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_group_is_the_stop_reason_and_no_log_is_read() {
    let (world, mut inputs) = world().await;
    let options = "/task_definition/containers/web/logConfiguration/options/awslogs-group";
    *inputs.pointer_mut(options).unwrap() = json!("/never/made");
    let error = failure(&world, &inputs).await;
    let said = error.source.to_string();
    assert!(said.contains("failed to validate logger args"), "{said}");
    assert!(said.contains("The specified log group does not exist."), "{said}");
    let asked = world.sandbox.requests();
    assert!(!asked.iter().any(|it| it.operation == "logs:GetLogEvents"), "nothing ever ran");
}

#[tokio::test(start_paused = true)]
async fn as_many_lines_are_kept_as_asked_for() {
    for (wanted, expected) in [
        (1, &["fatal: exiting with code 3"][..]),
        (2, &["no such table: users", "fatal: exiting with code 3"]),
        (200, &["web started", "no such table: users", "fatal: exiting with code 3"]),
    ] {
        let (world, inputs) = world_with(wanted, CRASH).await;
        world.sandbox.say("app", "no such table: users");

        let error = failure(&world, &inputs).await;

        assert_eq!(lines(&error), expected, "{wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_several_lines_counts_as_several() {
    let (world, inputs) = world_with(2, CRASH).await;
    world.sandbox.say("app", "one\ntwo\nthree");

    let error = failure(&world, &inputs).await;

    assert_eq!(lines(&error), ["three", "fatal: exiting with code 3"]);
}

#[tokio::test(start_paused = true)]
async fn no_lines_asked_for_are_none_read_and_none_told() {
    let (world, inputs) = world_with(0, CRASH).await;

    let error = failure(&world, &inputs).await;

    let details = error.details.join("\n");
    assert!(!details.contains("log lines") && lines(&error).is_empty(), "{details}");
    assert!(error.source.to_string().contains("exit code 3"), "{}", error.source);
    let asked = world.sandbox.requests();
    assert!(asked.iter().any(|it| it.operation == "ecs:DescribeTasks"));
    assert!(!asked.iter().any(|it| it.operation.starts_with("logs:")), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_without_memory_has_last_words() {
    let (world, inputs) = world_with(Settings::LOG_LINES, Behaviour::OutOfMemory).await;
    world.sandbox.say("app", "loading the whole table");

    let error = failure(&world, &inputs).await;

    assert!(error.source.to_string().contains("OutOfMemoryError"), "{}", error.source);
    assert_eq!(lines(&error)[..2], ["web started", "loading the whole table"]);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_container_has_last_words() {
    let (world, mut inputs) = world_with(Settings::LOG_LINES, Behaviour::Unhealthy).await;
    inputs["task_definition"]["containers"]["web"]["healthCheck"] = json!({
        "command": ["CMD-SHELL", "curl -f http://localhost/"],
        "interval": 5, "timeout": 2, "retries": 2, "startPeriod": 0,
    });
    world.sandbox.say("app", "waiting for the database");

    let error = failure(&world, &inputs).await;

    let said = error.source.to_string();
    assert!(said.contains("failed container health checks"), "{said}");
    let told = lines(&error);
    assert_eq!(told[..2], ["web started", "waiting for the database"]);
    assert_eq!(told.last(), Some(&"the health check was answered with an error"));
}
