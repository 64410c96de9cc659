//! Task definitions, clusters and what ECS refuses.

use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, KeyValuePair, LaunchType, LogConfiguration, LogDriver,
    NetworkMode, PortMapping, Secret, SortOrder, Tag, TaskDefinitionField,
};

use crate::support::{CLUSTER, Lab, REGISTRY, check, code, container, network, refusal};

#[tokio::test(start_paused = true)]
async fn defaults_are_filled_in_and_nothing_is_dropped() {
    let lab = Lab::new();
    let pair = KeyValuePair::builder().name("B").value("2").build();
    let port = PortMapping::builder().container_port(3000).name("http").build();
    let check = aws_sdk_ecs::types::HealthCheck::builder().command("CMD").command("true").build();
    let web = container("nginx:alpine")
        .environment(pair)
        .port_mappings(port)
        .health_check(check.expect("a check"));
    let web = web.docker_labels("team", "web").stop_timeout(20).build();
    let tag = Tag::builder().key("hash").value("abc").build();
    let answer =
        lab.definition().container_definitions(web).tags(tag).send().await.expect("registers");
    assert_eq!(answer.tags().len(), 1);
    let read = lab.ecs.describe_task_definition().task_definition("web").send().await;
    let read = read.expect("describes");
    assert!(read.tags().is_empty(), "only on request");
    let definition = read.task_definition.expect("a definition");
    assert_eq!(definition.revision, 1);
    assert_eq!(definition.compatibilities(), [Compatibility::Ec2, Compatibility::Fargate]);
    let web = &definition.container_definitions()[0];
    assert_eq!((web.essential, web.cpu, web.stop_timeout), (Some(true), 0, Some(20)));
    assert_eq!(web.port_mappings()[0].host_port, Some(3000));
    assert_eq!(web.port_mappings()[0].protocol.as_ref().map(|it| it.as_str()), Some("tcp"));
    let check = web.health_check().expect("a check");
    assert_eq!((check.interval, check.timeout, check.retries), (Some(30), Some(5), Some(3)));
    assert!(web.docker_labels().is_some_and(|it| it["team"] == "web"));
    assert!(web.mount_points.as_ref().is_some_and(Vec::is_empty));
    let read = lab.ecs.describe_task_definition().task_definition("web:1");
    let read = read.include(TaskDefinitionField::Tags).send().await.expect("describes");
    assert_eq!(read.tags()[0].value(), Some("abc"));
}

#[tokio::test(start_paused = true)]
async fn revisions_live_and_die() {
    let lab = Lab::with_app().await;
    let second = lab.register("app:v1", None).await;
    assert!(second.ends_with("task-definition/web:2"), "the same again is another revision");
    lab.deployed(&second, 1).await;
    lab.ecs
        .deregister_task_definition()
        .task_definition(&second)
        .send()
        .await
        .expect("deregisters");
    let read = lab.ecs.describe_task_definition().task_definition("web").send().await;
    assert_eq!(
        read.expect("describes").task_definition.map(|it| it.revision),
        Some(1),
        "the latest ACTIVE"
    );
    // What runs goes on, but it cannot be deployed again.
    lab.ecs
        .update_service()
        .cluster(CLUSTER)
        .service("web")
        .desired_count(2)
        .send()
        .await
        .expect("scales");
    let update = lab.ecs.update_service().cluster(CLUSTER).service("web").task_definition(&second);
    assert_eq!(refusal(update.send().await).1, "TaskDefinition is inactive");

    let delete =
        lab.ecs.delete_task_definitions().task_definitions("web:1").send().await.expect("answers");
    assert!(delete.failures()[0].reason().is_some_and(|it| it.contains("still in ACTIVE status")));
    let delete = lab.ecs.delete_task_definitions().task_definitions(&second).send().await;
    let state = delete.expect("answers").task_definitions()[0].status.clone().expect("a status");
    assert_eq!(state.as_str(), "DELETE_IN_PROGRESS");
    let third = lab.register("app:v1", None).await;
    assert!(third.ends_with(":3"), "numbers are not reused");
    let list =
        lab.ecs.list_task_definitions().family_prefix("web").sort(SortOrder::Desc).send().await;
    let list = list.expect("lists").task_definition_arns.expect("ARNs");
    assert!(list[0].ends_with("web:3") && list[1].ends_with("web:1") && list.len() == 2);
    let missing = lab.ecs.describe_task_definition().task_definition("web:9").send().await;
    assert_eq!(refusal(missing).1, "Unable to describe task definition.");
}

#[tokio::test(start_paused = true)]
async fn definitions_that_are_refused() {
    let lab = Lab::new();
    let own = format!("{REGISTRY}/app:v1");
    let plain = || container("nginx:alpine");
    let message = async |request: aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder| {
        refusal(request.send().await).1
    };
    let with = |it: ContainerDefinition| lab.definition().container_definitions(it);
    assert_eq!(message(lab.definition()).await, "Container list cannot be empty.");
    let sized = with(plain().build()).memory("4096");
    assert!(
        message(sized)
            .await
            .starts_with("No Fargate configuration exists for given values: 256 CPU, 4096 memory.")
    );
    let bridged = with(plain().build()).network_mode(NetworkMode::Bridge);
    assert_eq!(message(bridged).await, "Fargate only supports network mode ‘awsvpc’.");
    let no_role = || with(container(&own).build()).set_execution_role_arn(None);
    assert!(message(no_role()).await.ends_with("to support ECR images."));
    let logs = LogConfiguration::builder().log_driver(LogDriver::Awslogs).build().expect("logs");
    let logs = with(plain().log_configuration(logs).build()).set_execution_role_arn(None);
    assert!(message(logs).await.ends_with("to support log driver awslogs."));
    let secret = Secret::builder().name("A").value_from("/a").build().expect("a secret");
    let secret = with(plain().secrets(secret).build()).set_execution_role_arn(None);
    assert!(message(secret).await.contains("you must also specify a value for 'executionRoleArn'"));
    let port = PortMapping::builder().container_port(80).host_port(8080).build();
    assert!(message(with(plain().port_mappings(port).build())).await.contains("must match"));
    let twice = with(plain().build()).container_definitions(plain().build());
    assert!(message(twice).await.contains("unique"));
    let none = with(plain().essential(false).build());
    assert!(message(none).await.contains("At least one container must be essential"));
    let mut hasty = check("true");
    hasty.interval = Some(4);
    assert!(message(with(plain().health_check(hasty).build())).await.contains("between 5 and 300"));
    let ec2 =
        lab.ecs.register_task_definition().family("web").container_definitions(plain().build());
    assert!(message(ec2).await.contains("At least one of 'memory' or 'memoryReservation'"));
    let tags = with(plain().build()).set_tags(Some(Vec::new()));
    assert_eq!(message(tags).await, "Tags can not be empty.");
}

#[tokio::test(start_paused = true)]
async fn services_that_are_refused() {
    let lab = Lab::with_app().await;
    assert_eq!(refusal(lab.creation("other", 1).send().await).1, "TaskDefinition not found.");
    let nowhere = lab.creation("web", 1).cluster("other").send().await;
    assert_eq!(code(nowhere), "ClusterNotFoundException");
    let no_network = lab.creation("web", 1).set_network_configuration(None).send().await;
    assert!(refusal(no_network).1.starts_with("Network Configuration must be provided"));
    let mut empty = network();
    empty.awsvpc_configuration.as_mut().expect("a network").subnets.clear();
    let empty = lab.creation("web", 1).network_configuration(empty).send().await;
    assert_eq!(refusal(empty).1, "subnets can not be empty.");
    let update = lab.ecs.update_service().cluster(CLUSTER).service("web").send().await;
    assert_eq!(code(update), "ServiceNotFoundException");
    lab.ecs
        .register_task_definition()
        .family("old")
        .container_definitions(container("nginx:alpine").memory(128).build())
        .send()
        .await
        .expect("registers");
    let old =
        lab.creation("old", 1).set_network_configuration(None).launch_type(LaunchType::Fargate);
    assert_eq!(
        refusal(old.send().await).1,
        "Task definition does not support launch_type FARGATE."
    );

    let names: Vec<_> = (0..11).map(|n| format!("s{n}")).collect();
    let read = |names: &[String]| {
        lab.ecs.describe_services().cluster(CLUSTER).set_services(Some(names.to_vec())).send()
    };
    assert_eq!(code(read(&names).await), "InvalidParameterException");
    let failures = read(&names[..10]).await.expect("describes").failures.expect("failures");
    assert!(failures.len() == 10 && failures[0].reason() == Some("MISSING"));
    let arns = vec!["x".to_owned(); 21];
    let read =
        lab.ecs.describe_service_deployments().set_service_deployment_arns(Some(arns)).send().await;
    assert_eq!(code(read), "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn services_are_listed_ten_at_a_time() {
    let lab = Lab::with_app().await;
    for n in 0..12 {
        lab.creation("web", 0).service_name(format!("s{n:02}")).send().await.expect("creates");
    }
    let first = lab.ecs.list_services().cluster(CLUSTER).send().await.expect("lists");
    assert_eq!(first.service_arns().len(), 10);
    let rest =
        lab.ecs.list_services().cluster(CLUSTER).next_token(first.next_token().expect("more"));
    let rest = rest.send().await.expect("lists");
    assert_eq!((rest.service_arns().len(), rest.next_token()), (2, None));
}

#[tokio::test(start_paused = true)]
async fn clusters_live_and_die() {
    let lab = Lab::new();
    let create = || lab.ecs.create_cluster().cluster_name(CLUSTER).send();
    create().await.expect("creates");
    create().await.expect("creating again gives it back");
    let providers = lab.ecs.put_cluster_capacity_providers().cluster(CLUSTER);
    let strategy = aws_sdk_ecs::types::CapacityProviderStrategyItem::builder();
    let strategy = strategy.capacity_provider("FARGATE").weight(1).build().expect("a strategy");
    let providers =
        providers.capacity_providers("FARGATE").default_capacity_provider_strategy(strategy);
    providers.send().await.expect("puts");
    let read = lab
        .ecs
        .describe_clusters()
        .clusters(CLUSTER)
        .clusters("other")
        .send()
        .await
        .expect("describes");
    assert_eq!(read.clusters()[0].capacity_providers(), ["FARGATE"]);
    assert_eq!(read.failures()[0].reason(), Some("MISSING"));
    lab.ecs.delete_cluster().cluster(CLUSTER).send().await.expect("deletes");
    assert_eq!(
        code(lab.ecs.delete_cluster().cluster(CLUSTER).send().await),
        "ClusterNotFoundException"
    );
    let read = lab.ecs.describe_clusters().clusters(CLUSTER).send().await.expect("describes");
    assert_eq!(read.clusters()[0].status(), Some("INACTIVE"));
    assert!(lab.ecs.list_clusters().send().await.expect("lists").cluster_arns().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tags_of_everything() {
    let lab = Lab::with_app().await;
    let service = lab.deployed("web", 1).await;
    let tasks = lab.tasks().await;
    let definition = tasks[0].task_definition_arn().expect("an ARN");
    let cluster = service.cluster_arn().expect("an ARN");
    for arn in [
        service.service_arn().expect("an ARN"),
        tasks[0].task_arn().expect("an ARN"),
        definition,
        cluster,
    ] {
        let tag = Tag::builder().key("a").value("b").build();
        lab.ecs.tag_resource().resource_arn(arn).tags(tag).send().await.expect("tags");
        let read = lab.ecs.list_tags_for_resource().resource_arn(arn).send().await.expect("lists");
        assert_eq!(read.tags()[0].value(), Some("b"), "{arn}");
        lab.ecs.untag_resource().resource_arn(arn).tag_keys("a").send().await.expect("untags");
        let read = lab.ecs.list_tags_for_resource().resource_arn(arn).send().await.expect("lists");
        assert!(read.tags().is_empty(), "{arn}");
    }
    let missing = lab.ecs.list_tags_for_resource().resource_arn(format!("{cluster}x")).send().await;
    assert_eq!(code(missing), "InvalidParameterException");
}
