//! Rollouts that fail, each for its own cause.

use std::time::Duration;

use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentCircuitBreaker, DeploymentConfiguration, Secret, Task,
    ThresholdConfiguration, ThresholdType,
};
use bfd_sandbox::Behaviour;

use crate::support::{CLUSTER, Lab, REGISTRY, check, code, container, status};

fn breaker(threshold: i32) -> DeploymentConfiguration {
    let threshold = ThresholdConfiguration::builder().r#type(ThresholdType::Count).value(threshold);
    let breaker = DeploymentCircuitBreaker::builder()
        .enable(true)
        .rollback(true)
        .threshold_configuration(threshold.build().expect("a threshold"));
    DeploymentConfiguration::builder().deployment_circuit_breaker(breaker.build()).build()
}

fn stop_of(task: &Task) -> (&str, &str) {
    let code = task.stop_code().map_or("", |code| code.as_str());
    (code, task.stopped_reason().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_trips_the_breaker_and_rolls_back() {
    let lab = Lab::with_app().await;
    let before = lab.deployed("web", 2).await;
    let next = lab.register("app:never-pushed", None).await;
    let started = lab.sandbox.now();
    lab.update(&next).await;
    let failed = lab.service().await.deployments()[0].id().expect("an id").to_owned();

    let ended = lab.ended(1200).await;
    assert_eq!(status(&ended), "ROLLBACK_SUCCESSFUL");
    let breaker = ended.deployment_circuit_breaker.expect("a breaker");
    assert_eq!(breaker.status.map(|it| it.as_str().to_owned()).as_deref(), Some("TRIGGERED"));
    assert_eq!((breaker.failure_count, breaker.threshold), (3, 3));
    // Two rounds of two, with the wait in between.
    let took = lab.sandbox.now() - started;
    assert!((50.0..90.0).contains(&took), "{took}");

    let tasks = lab.tasks().await;
    let stopped: Vec<_> = tasks.iter().filter(|it| it.started_by() == Some(&failed)).collect();
    assert_eq!(stopped.len(), 4);
    let (code, reason) = stop_of(stopped[0]);
    assert_eq!(code, "TaskFailedToStart");
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(reason.ends_with("app:never-pushed: not found"), "{reason}");
    assert!(stopped[0].containers()[0].reason().is_some_and(|it| it.contains("CannotPull")));

    let service = lab.service().await;
    assert_eq!(service.task_definition(), before.task_definition());
    assert_eq!(service.deployments().len(), 1);
    assert_eq!(service.running_count, 2);
    let events = lab.events().await.join("\n");
    assert!(events.contains("deployment failed: tasks failed to start."), "{events}");
    assert!(events.contains("rolling back to deployment"), "{events}");
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_has_nothing_to_go_back_to() {
    let lab = Lab::with_app().await;
    let next = lab.register("app:never-pushed", None).await;
    lab.creation(&next, 3).send().await.expect("creates");
    lab.wait(3600).await;
    let deployment = lab.service_deployment().await;
    assert_eq!(status(&deployment), "IN_PROGRESS", "it stalls");
    let service = lab.service().await;
    let primary = &service.deployments()[0];
    assert_eq!(primary.rollout_state().map(|it| it.as_str()), Some("FAILED"));
    assert_eq!((primary.failed_tasks, primary.running_count, primary.pending_count), (3, 0, 0));
    // Not even an image that arrives later is tried.
    lab.sandbox.push_image("app", "never-pushed");
    lab.wait(3600).await;
    assert_eq!(lab.service().await.running_count, 0);
    let arn = deployment.service_deployment_arn.expect("an ARN");
    let stop = lab.ecs.stop_service_deployment().service_deployment_arn(arn).send().await;
    assert_eq!(code(stop), "ConflictException");
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_it_tries_on_and_on() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let next = lab.register("app:late", None).await;
    let off = DeploymentConfiguration::builder()
        .deployment_circuit_breaker(DeploymentCircuitBreaker::builder().build());
    let update = lab.ecs.update_service().cluster(CLUSTER).service("web").task_definition(&next);
    update.deployment_configuration(off.build()).send().await.expect("updates");
    lab.wait(1200).await;
    let primary = lab.service().await.deployments()[0].clone();
    assert_eq!(primary.rollout_state().map(|it| it.as_str()), Some("IN_PROGRESS"));
    assert!(
        (4..=6).contains(&primary.failed_tasks),
        "{}: it waits longer and longer",
        primary.failed_tasks
    );
    assert!(lab.events().await.iter().any(|it| it.contains("unable to consistently start")));
    lab.sandbox.push_image("app", "late");
    assert_eq!(status(&lab.ended(1800).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn without_rollback_the_old_tasks_go_on() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let next = lab.register("app:never-pushed", None).await;
    let stays = DeploymentConfiguration::builder()
        .deployment_circuit_breaker(DeploymentCircuitBreaker::builder().enable(true).build());
    let update = lab.ecs.update_service().cluster(CLUSTER).service("web").task_definition(&next);
    update.deployment_configuration(stays.build()).send().await.expect("updates");
    assert_eq!(status(&lab.ended(600).await), "STOPPED");
    let service = lab.service().await;
    assert_eq!(service.running_count, 1);
    let states: Vec<_> = service.deployments().iter().filter_map(|it| it.status()).collect();
    assert_eq!(states, ["PRIMARY", "ACTIVE"]);
}

#[tokio::test(start_paused = true)]
async fn nginx_on_another_port_is_unhealthy() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    for (image, command) in [
        ("nginx:alpine", "curl -f http://localhost:3000/ || exit 1"),
        ("public.ecr.aws/nginx/nginx:alpine", "curl -f http://localhost:3000/health || exit 1"),
        ("public.ecr.aws/docker/library/nginx:alpine", "curl -f http://localhost/health || exit 1"),
    ] {
        let next = lab.register_image(image, Some(check(command))).await;
        let update = lab.ecs.update_service().cluster(CLUSTER).service("web");
        let update = update.task_definition(&next).deployment_configuration(breaker(1));
        update.send().await.expect("updates");
        assert_eq!(status(&lab.ended(600).await), "ROLLBACK_SUCCESSFUL", "{image} {command}");
        let tasks = lab.tasks().await;
        let failed = tasks.iter().rev().find(|it| it.task_definition_arn() == Some(&next));
        let failed = failed.expect("a stopped task");
        assert_eq!(failed.health_status().map(|it| it.as_str()), Some("UNHEALTHY"));
        let reason = "Task failed container health checks";
        assert_eq!(stop_of(failed), ("ServiceSchedulerInitiated", reason));
        // Failures count after the start period of 60 s: the checks at 90, 120 and 150 s.
        let seconds = |at: Option<&aws_sdk_ecs::primitives::DateTime>| {
            at.map_or(0.0, aws_sdk_ecs::primitives::DateTime::as_secs_f64)
        };
        let lived = seconds(failed.stopping_at()) - seconds(failed.started_at());
        assert!((lived - 150.0).abs() < 0.01, "{lived}");
    }
    for (image, command) in [
        ("nginx:alpine", "curl -f http://localhost/ || exit 1"),
        ("typesense/typesense:27.1", "curl -f http://localhost:8108/health"),
    ] {
        let next = lab.register_image(image, Some(check(command))).await;
        lab.update(&next).await;
        assert_eq!(status(&lab.ended(600).await), "SUCCESSFUL", "{image} {command}");
    }
}

#[tokio::test(start_paused = true)]
async fn scripted_behaviours() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let crash = Behaviour::Crash { exit_code: 3, after: Duration::from_millis(500) };
    for (behaviour, expected, exit_code) in [
        (crash, "Essential container in task exited", Some(3)),
        (Behaviour::OutOfMemory, "Essential container in task exited", Some(137)),
        (Behaviour::Unhealthy, "Task failed container health checks", Some(0)),
        (
            Behaviour::SlowStart(Duration::from_secs(151)),
            "Task failed container health checks",
            Some(0),
        ),
    ] {
        lab.sandbox.push_image("app", "v2");
        // By tag, though the digest is deployed.
        let digest = lab.sandbox.push_image("app", "v2");
        lab.sandbox.behave("app:v2", behaviour);
        let image = format!("{REGISTRY}/app@{digest}");
        let next = lab.register_image(&image, Some(check("curl -f http://localhost:3000/"))).await;
        let update = lab.ecs.update_service().cluster(CLUSTER).service("web");
        let update = update.task_definition(&next).deployment_configuration(breaker(1));
        update.send().await.expect("updates");
        assert_eq!(status(&lab.ended(600).await), "ROLLBACK_SUCCESSFUL", "{behaviour:?}");
        lab.wait(15).await;
        let tasks = lab.tasks().await;
        let failed = tasks.iter().rev().find(|it| it.task_definition_arn() == Some(&next));
        let failed = failed.expect("a stopped task");
        assert_eq!(stop_of(failed).1, expected, "{behaviour:?}");
        assert_eq!(failed.containers()[0].exit_code(), exit_code, "{behaviour:?}");
        if behaviour == Behaviour::OutOfMemory {
            assert!(
                failed.containers()[0]
                    .reason()
                    .is_some_and(|it| it.starts_with("OutOfMemoryError"))
            );
        }
    }
    lab.sandbox.behave("app:v2", Behaviour::SlowStart(Duration::from_secs(100)));
    let next = lab.register("app:v2", Some(check("curl -f http://localhost:3000/"))).await;
    lab.update(&next).await;
    assert_eq!(status(&lab.ended(600).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_rollout_is_replaced() {
    let lab = Lab::with_app().await;
    lab.sandbox.behave("app", Behaviour::Crash { exit_code: 1, after: Duration::from_mins(1) });
    lab.deployed("web", 1).await;
    lab.wait(55).await;
    assert_eq!(lab.service().await.running_count, 0, "it has crashed");
    lab.sandbox.behave("app", Behaviour::Healthy);
    lab.wait(40).await;
    let service = lab.service().await;
    assert_eq!(service.running_count, 1);
    assert_eq!(service.deployments()[0].rollout_state().map(|it| it.as_str()), Some("COMPLETED"));
}

#[tokio::test(start_paused = true)]
async fn a_side_container_may_end() {
    let lab = Lab::with_app().await;
    lab.sandbox.push_image("side", "v1");
    lab.sandbox.behave("side", Behaviour::Crash { exit_code: 0, after: Duration::from_secs(1) });
    let side = ContainerDefinition::builder().name("side").image(format!("{REGISTRY}/side:v1"));
    let definition =
        lab.definition().container_definitions(container(&format!("{REGISTRY}/app:v1")).build());
    definition
        .container_definitions(side.essential(false).build())
        .send()
        .await
        .expect("registers");
    lab.deployed("web", 1).await;
    let tasks = lab.tasks().await;
    let states: Vec<_> = tasks[0].containers().iter().filter_map(|it| it.last_status()).collect();
    assert_eq!(states, ["RUNNING", "STOPPED"]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_parameter_fails_the_task_before_the_pull() {
    let lab = Lab::with_app().await;
    let secret =
        |from: &str| Secret::builder().name("KEY").value_from(from).build().expect("a secret");
    let image = format!("{REGISTRY}/app:v1");
    let with = async |from: &str| {
        let container = container(&image).secrets(secret(from)).build();
        let answer = lab.definition().container_definitions(container).send().await;
        answer
            .expect("registers")
            .task_definition
            .and_then(|it| it.task_definition_arn)
            .expect("an ARN")
    };
    let parameter = "arn:aws:ssm:ap-southeast-1:123456789012:parameter/app/key";
    let next = with(parameter).await;
    lab.creation(&next, 1).send().await.expect("creates");
    lab.wait(20).await;
    let tasks = lab.tasks().await;
    let (code, reason) = stop_of(&tasks[0]);
    assert_eq!(code, "TaskFailedToStart");
    assert!(reason.starts_with("ResourceInitializationError: unable to pull secrets"), "{reason}");
    assert!(tasks[0].pull_started_at().is_none());

    lab.ssm
        .put_parameter()
        .name("/app/key")
        .value("x")
        .r#type("SecureString".into())
        .send()
        .await
        .expect("puts");
    assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn there_are_no_container_instances() {
    let lab = Lab::with_app().await;
    let create =
        lab.ecs.create_service().cluster(CLUSTER).service_name("web").task_definition("web");
    let create = create.desired_count(1).network_configuration(crate::support::network());
    create.send().await.expect("creates");
    lab.wait(600).await;
    assert_eq!(status(&lab.service_deployment().await), "IN_PROGRESS");
    assert!(lab.events().await[0].contains("No Container Instances were found in your cluster."));
}
