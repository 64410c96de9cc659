//! Rollouts that end well, and what they look like on the way.

use aws_sdk_ecs::types::{DeploymentConfiguration, ServiceField, StopServiceDeploymentStopType};
use bfd_sandbox::Fault;

use crate::support::{CLUSTER, Lab, REGISTRY, check, code, refusal, status};

#[tokio::test(start_paused = true)]
async fn a_first_deployment_succeeds() {
    let lab = Lab::with_app().await;
    let created = lab.creation("web", 2).send().await.expect("creates").service.expect("a service");
    assert_eq!((created.desired_count, created.running_count), (2, 0));
    assert_eq!(created.deployments()[0].rollout_state().map(|it| it.as_str()), Some("IN_PROGRESS"));
    assert_eq!(status(&lab.service_deployment().await), "PENDING");

    let ended = lab.ended(120).await;
    assert_eq!(status(&ended), "SUCCESSFUL");
    let target = ended.target_service_revision.expect("a target");
    assert_eq!((target.requested_task_count, target.running_task_count), (2, 2));

    let service = lab.service().await;
    assert_eq!((service.running_count, service.pending_count), (2, 0));
    assert_eq!(service.deployments().len(), 1);
    assert_eq!(service.deployments()[0].rollout_state().map(|it| it.as_str()), Some("COMPLETED"));
    let started_by = service.deployments()[0].id().expect("an id");
    for task in lab.tasks().await {
        assert_eq!(task.last_status(), Some("RUNNING"));
        assert_eq!(task.started_by(), Some(started_by));
    }
    assert!(lab.events().await[0].ends_with("has reached a steady state."));
}

#[tokio::test(start_paused = true)]
async fn tasks_pass_through_their_states() {
    let lab = Lab::with_app().await;
    lab.creation("web", 1).send().await.expect("creates");
    let mut seen = Vec::new();
    for _ in 0..40 {
        if let Some(task) = lab.tasks().await.first() {
            let state = task.last_status().unwrap_or_default().to_owned();
            if seen.last() != Some(&state) {
                seen.push(state);
            }
        }
        lab.wait(1).await;
    }
    assert_eq!(seen, ["PROVISIONING", "PENDING", "RUNNING"]);

    lab.ecs
        .delete_service()
        .cluster(CLUSTER)
        .service("web")
        .force(true)
        .send()
        .await
        .expect("deletes");
    for _ in 0..60 {
        let state = lab.tasks().await[0].last_status().unwrap_or_default().to_owned();
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        lab.wait(1).await;
    }
    assert_eq!(seen[3..], ["STOPPING", "DEPROVISIONING", "STOPPED"]);
    lab.wait(3601).await;
    let answer =
        lab.ecs.list_tasks().cluster(CLUSTER).desired_status("STOPPED".into()).send().await;
    assert!(answer.expect("lists").task_arns().is_empty(), "stopped tasks are forgotten");
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_the_minimum_and_the_maximum() {
    let lab = Lab::with_app().await;
    lab.sandbox.push_image("app", "v2");
    lab.deployed("web", 4).await;
    let next = lab.register("app:v2", None).await;
    let limits =
        DeploymentConfiguration::builder().minimum_healthy_percent(50).maximum_percent(125);
    let update = lab.ecs.update_service().cluster(CLUSTER).service("web").task_definition(&next);
    update.deployment_configuration(limits.build()).send().await.expect("updates");

    let (mut least, mut most) = (i32::MAX, 0);
    for _ in 0..300 {
        let service = lab.service().await;
        least = least.min(service.running_count);
        most = most.max(service.running_count + service.pending_count);
        if status(&lab.service_deployment().await) == "SUCCESSFUL" {
            break;
        }
        lab.wait(1).await;
    }
    assert_eq!((least, most), (2, 5));
    assert_eq!(status(&lab.ended(1).await), "SUCCESSFUL");
    assert!(lab.service().await.task_definition().is_some_and(|it| it.ends_with("web:2")));
}

#[tokio::test(start_paused = true)]
async fn old_tasks_stay_until_new_ones_are_healthy() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let next = lab.register("app:v1", Some(check("curl -f http://localhost:3000/health"))).await;
    lab.update(&next).await;
    lab.wait(40).await;
    // Running since second 21 or so, healthy thirty seconds later.
    let service = lab.service().await;
    assert_eq!((service.running_count, service.deployments().len()), (2, 2));
    assert_eq!(status(&lab.ended(60).await), "SUCCESSFUL");
    let tasks = lab.tasks().await;
    assert_eq!(tasks[1].health_status().map(|it| it.as_str()), Some("HEALTHY"));
    let stopped = &tasks[0];
    assert_eq!(stopped.stop_code().map(|it| it.as_str()), Some("ServiceSchedulerInitiated"));
    assert!(stopped.stopped_reason().is_some_and(|it| it.starts_with("Scaling activity")));
}

#[tokio::test(start_paused = true)]
async fn what_starts_a_deployment_and_what_does_not() {
    let lab = Lab::with_app().await;
    let before = lab.deployed("web", 1).await;
    let deployments = async || {
        let list = lab.ecs.list_service_deployments().cluster(CLUSTER).service("web");
        list.send().await.expect("lists").service_deployments().len()
    };
    let update = || lab.ecs.update_service().cluster(CLUSTER).service("web");
    update().desired_count(2).send().await.expect("scales");
    update()
        .health_check_grace_period_seconds(60)
        .enable_execute_command(true)
        .send()
        .await
        .expect("sets");
    update().task_definition("web:1").send().await.expect("changes nothing");
    assert_eq!(deployments().await, 1);
    lab.wait(60).await;
    let after = lab.service().await;
    assert_eq!(after.running_count, 2);
    assert_eq!(after.deployments()[0].id(), before.deployments()[0].id());
    assert!(after.enable_execute_command);

    update().force_new_deployment(true).send().await.expect("restarts");
    assert_eq!(deployments().await, 2);
    // Another one at once takes its place.
    update().force_new_deployment(true).send().await.expect("restarts");
    let list = lab.ecs.list_service_deployments().cluster(CLUSTER).service("web").send().await;
    let list = list.expect("lists");
    let states: Vec<_> = list.service_deployments().iter().filter_map(|it| it.status()).collect();
    assert_eq!(
        states.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
        ["PENDING", "STOPPED", "SUCCESSFUL"]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_desired_succeeds_trivially() {
    let lab = Lab::with_app().await;
    let next = lab.register("app:never-pushed", None).await;
    lab.creation(&next, 0).send().await.expect("creates");
    assert_eq!(status(&lab.ended(10).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn a_revision_tells_the_digest_that_runs() {
    let lab = Lab::with_app().await;
    let digest = lab.sandbox.push_image("app", "v1");
    let service = lab.deployed("web", 1).await;
    let arn = service.current_service_revisions()[0].arn().expect("an ARN").to_owned();
    let read = lab.ecs.describe_service_revisions().service_revision_arns(arn).send().await;
    let revisions = read.expect("describes").service_revisions.expect("revisions");
    let image = &revisions[0].container_images()[0];
    assert_eq!(image.image_digest(), Some(digest.as_str()));
    assert_eq!(lab.tasks().await[0].containers()[0].image_digest(), Some(digest.as_str()));
    // Deploying by digest runs the same.
    let pinned = lab.register_image(&format!("{REGISTRY}/app@{digest}"), None).await;
    lab.update(&pinned).await;
    assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_deployment_rolls_back() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let first = lab.service_deployment().await;
    let arn = first.service_deployment_arn().expect("an ARN");
    let stop = lab.ecs.stop_service_deployment().service_deployment_arn(arn).send().await;
    assert_eq!(code(stop), "ConflictException", "it has ended");

    let next = lab.register("app:never-pushed", None).await;
    lab.update(&next).await;
    lab.wait(10).await;
    let arn = lab.service_deployment().await.service_deployment_arn.expect("an ARN");
    let stop = || {
        let stop = lab.ecs.stop_service_deployment().service_deployment_arn(&arn);
        stop.stop_type(StopServiceDeploymentStopType::Rollback).send()
    };
    stop().await.expect("stops");
    assert_eq!(status(&lab.service_deployment().await), "ROLLBACK_REQUESTED");
    stop().await.expect("stopping what is stopping is no error");
    let ended = lab.ended(60).await;
    assert_eq!(status(&ended), "ROLLBACK_SUCCESSFUL");
    let back = ended.rollback().and_then(|it| it.service_revision_arn());
    assert_eq!(back, first.target_service_revision().and_then(|it| it.arn()));

    let service = lab.service().await;
    assert!(service.task_definition().is_some_and(|it| it.ends_with("web:1")));
    assert_eq!((service.running_count, service.deployments().len()), (1, 1));
    let running = lab.tasks().await.into_iter().filter(|it| it.last_status() == Some("RUNNING"));
    let started: Vec<_> = running.map(|it| it.created_at).collect();
    assert_eq!(started.len(), 1, "the task of before was never touched");
    let missing = lab.ecs.stop_service_deployment().service_deployment_arn(format!("{arn}x"));
    assert_eq!(code(missing.send().await), "ServiceDeploymentNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn an_aborted_deployment_stays_where_it_is() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let next = lab.register("app:never-pushed", None).await;
    lab.update(&next).await;
    lab.wait(5).await;
    let arn = lab.service_deployment().await.service_deployment_arn.expect("an ARN");
    let stop = lab.ecs.stop_service_deployment().service_deployment_arn(&arn);
    stop.stop_type(StopServiceDeploymentStopType::Abort).send().await.expect("stops");
    assert_eq!(status(&lab.ended(60).await), "STOPPED");
    let service = lab.service().await;
    assert!(service.task_definition().is_some_and(|it| it.ends_with("web:2")));
    assert_eq!(service.running_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_drains_and_may_come_back() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let delete = || lab.ecs.delete_service().cluster(CLUSTER).service("web");
    let (refused, message) = refusal(delete().send().await);
    assert_eq!(refused, "InvalidParameterException");
    assert_eq!(message, "The service cannot be stopped while it is scaled above 0.");
    let cluster = lab.ecs.delete_cluster().cluster(CLUSTER).send().await;
    assert_eq!(code(cluster), "ClusterContainsServicesException");

    delete().force(true).send().await.expect("deletes");
    assert_eq!(lab.service().await.status(), Some("DRAINING"));
    let again = refusal(lab.creation("web", 1).send().await);
    assert_eq!(again.1, "Unable to Start a service that is still Draining.");
    lab.wait(30).await;
    assert_eq!(lab.service().await.status(), Some("INACTIVE"));
    let listed = lab.ecs.list_services().cluster(CLUSTER).send().await.expect("lists");
    assert!(listed.service_arns().is_empty());
    assert_eq!(code(delete().force(true).send().await), "ServiceNotActiveException");
    lab.deployed("web", 1).await;
}

#[tokio::test(start_paused = true)]
async fn creating_is_idempotent_by_token_only() {
    let lab = Lab::with_app().await;
    let create = || lab.creation("web", 1);
    create().client_token("once").send().await.expect("creates");
    create().client_token("once").send().await.expect("gives the same back");
    let refused = refusal(create().send().await);
    assert_eq!(refused.1, "Creation of service was not idempotent.");
    let refused = refusal(create().client_token("once").desired_count(3).send().await);
    assert_eq!(refused.1, "Creation of service was not idempotent.");

    // A lost answer looks the same to the client that tries again.
    let lab = Lab::with_app().await;
    lab.sandbox.inject("ecs:CreateService", Fault::LostAnswer);
    assert!(lab.creation("web", 1).send().await.is_err());
    let refused = refusal(lab.creation("web", 1).send().await);
    assert_eq!(refused.1, "Creation of service was not idempotent.");
    assert_eq!(lab.service().await.status(), Some("ACTIVE"));
}

#[tokio::test(start_paused = true)]
async fn services_keep_what_was_declared_and_tags_only_on_request() {
    let lab = Lab::with_app().await;
    let tag = aws_sdk_ecs::types::Tag::builder().key("team").value("web").build();
    lab.creation("web", 0).tags(tag).send().await.expect("creates");
    let service = lab.service().await;
    assert!(service.tags().is_empty());
    let configuration = service.deployment_configuration.expect("a configuration");
    assert_eq!(configuration.maximum_percent, Some(200));
    assert!(configuration.deployment_circuit_breaker.is_some_and(|it| it.enable && it.rollback));
    let read = lab.ecs.describe_services().cluster(CLUSTER).services("web");
    let read = read.include(ServiceField::Tags).send().await.expect("describes");
    assert_eq!(read.services()[0].tags()[0].key(), Some("team"));
}
