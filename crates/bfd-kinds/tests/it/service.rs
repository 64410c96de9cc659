//! From the manifest to the canonical form of a service.

use crate::harness::{Lowered, World};
use bfd_core::{
    Severity, Value,
    plan::{Action, Effect, FieldChange, Undo},
};
use bfd_kinds::get;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const ROLE: &str = "arn:aws:iam::123456789012:role/bellyfed-dev-execution-role";
const HEALTH: &str = "curl -f http://localhost:3000/api/health || exit 1";

fn world() -> World {
    World::default()
        .with("cluster.main", json!({ "name": "bellyfed-dev-cluster" }))
        .with("repository.web", json!({ "name": "bellyfed-dev" }))
        .with("image.plain", json!({ "source": "docker.io/typesense/typesense:27.1" }))
        .with("image.pushed", json!({ "source": "${repository.web}:v1" }))
        .with(
            "image.awaited",
            json!({ "source": "${repository.web}:v2", "first_deploy": "scale_to_zero" }),
        )
        .with(
            "image.web",
            json!({
                "source": "${repository.web}:v1",
                "fallback": {
                    "image": "public.ecr.aws/nginx/nginx:alpine", "port": 80,
                    "health_check": "curl -f http://localhost/", "desired_count": 1,
                },
            }),
        )
}

/// The first service of Bellyfed.
fn bellyfed() -> Json {
    json!({
        "name": "bellyfed-dev", "cluster": "main", "desired_count": 2, "cpu": "256", "memory": "512",
        "execution_role": ROLE,
        "network": { "subnets": ["subnet-b", "subnet-a"], "security_groups": ["sg-1"] },
        "container": { "web": {
            "image": "${image.plain}", "port": 3000,
            "environment": { "ENVIRONMENT": "dev", "EMPTY": "" },
            "secrets": { "JWT_SECRET": "arn:aws:secretsmanager:x:JWT_SECRET::" },
            "health_check": {
                "command": HEALTH, "interval": 30, "timeout": 5, "retries": 3, "start_period": 60,
            },
            "logs": { "group": "/aws/ecs/bellyfed-dev" },
        } },
    })
}

/// Lays `over` on `base`; `null` removes.
fn merged(mut base: Json, over: &Json) -> Json {
    match (&mut base, over) {
        (Json::Object(map), Json::Object(over)) => {
            for (key, value) in over {
                let below = map.remove(key).unwrap_or(Json::Null);
                if !value.is_null() {
                    map.insert(key.clone(), merged(below, value));
                }
            }
            base
        }
        _ => over.clone(),
    }
}

fn with(over: &Json) -> Lowered {
    world().lower("service.web", &merged(bellyfed(), over))
}

fn image() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("${image.plain.uri}", json!("typesense@sha256:1")),
        ("${image.pushed.uri}", json!("pushed@sha256:1")),
    ])
}

/// The canonical form, once the image is known.
fn resolved(over: &Json) -> Value {
    let lowered = with(over);
    assert_eq!(lowered.problems, []);
    lowered.resolve(&image())
}

#[test]
fn the_first_service_comes_out_in_aws_own_terms() {
    let lowered = with(&json!({}));
    assert_eq!(lowered.depends_on, ["cluster.main"]);
    assert_eq!(
        resolved(&json!({})),
        json!({
            "name": "bellyfed-dev", "cluster": "bellyfed-dev-cluster", "desired_count": 2, "proven": true,
            "task_definition": {
                "family": "bellyfed-dev", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                "cpu": "256", "memory": "512", "executionRoleArn": ROLE,
                "containers": { "web": {
                    "image": "typesense@sha256:1", "essential": true, "cpu": 0,
                    "portMappings": [{ "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" }],
                    "environment": { "ENVIRONMENT": "dev", "EMPTY": "" },
                    "secrets": { "JWT_SECRET": "arn:aws:secretsmanager:x:JWT_SECRET::" },
                    "healthCheck": {
                        "command": ["CMD-SHELL", HEALTH],
                        "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 60,
                    },
                    "logConfiguration": { "logDriver": "awslogs", "options": {
                        "awslogs-group": "/aws/ecs/bellyfed-dev", "awslogs-region": "ap-southeast-1",
                        "awslogs-stream-prefix": "ecs",
                    } },
                } },
            },
            "service": {
                "launchType": "FARGATE", "healthCheckGracePeriodSeconds": 60,
                "deploymentConfiguration": {
                    "maximumPercent": 200, "minimumHealthyPercent": 100,
                    "deploymentCircuitBreaker": { "enable": true, "rollback": true },
                },
                "networkConfiguration": { "awsvpcConfiguration": {
                    "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"],
                    "assignPublicIp": "DISABLED",
                } },
            },
        })
    );
}

#[test]
fn the_canonical_form_survives_a_trip_to_aws() {
    let task = &resolved(&json!({}))["task_definition"];
    let request = bfd_kinds::service::register_task_definition(task);
    assert_eq!(&bfd_kinds::service::canonical_task_definition(&request), task);
}

#[test]
fn the_nearest_of_file_fields_and_passthrough_wins() {
    let file = json!({
        "family": "from-file", "cpu": 1024, "pidMode": "task", "revision": 3,
        "containerDefinitions": [
            { "name": "web", "image": "old", "user": "root", "environment": [{ "name": "FILE", "value": "1" }] },
            { "name": "side", "image": "side", "essential": false },
        ],
    });
    let value = resolved(&json!({
        "task_definition_file": { "path": "td.json", "text": file.to_string() },
        "task_definition": {
            "memory": "1GB", "volumes": [{ "name": "data" }],
            "containerDefinitions": [{
                "name": "web", "environment": [{ "name": "EMPTY", "value": "no" }],
                "healthCheck": { "retries": 5 }, "ulimits": [{ "name": "nofile", "softLimit": 1, "hardLimit": 2 }],
            }],
        },
        "service_definition": {
            "enableECSManagedTags": true, "deploymentConfiguration": { "bakeTimeInMinutes": 1 },
        },
    }));
    let task = &value["task_definition"];
    assert_eq!(task["family"], "from-file");
    assert_eq!(
        (&task["cpu"], &task["memory"], &task["pidMode"]),
        (&json!("256"), &json!("1024"), &json!("task"))
    );
    let web = &task["containers"]["web"];
    assert_eq!(web["environment"], json!({ "FILE": "1", "ENVIRONMENT": "dev", "EMPTY": "no" }));
    assert_eq!((&web["image"], &web["user"]), (&json!("typesense@sha256:1"), &json!("root")));
    assert_eq!(
        (&web["healthCheck"]["retries"], &web["healthCheck"]["startPeriod"]),
        (&json!(5), &json!(60))
    );
    assert_eq!(web["ulimits"][0]["name"], "nofile");
    assert_eq!(
        task["containers"]["side"],
        json!({ "image": "side", "essential": false, "cpu": 0 })
    );
    let settings = &value["service"];
    assert_eq!(settings["enableECSManagedTags"], true);
    assert_eq!(
        settings["deploymentConfiguration"],
        json!({ "bakeTimeInMinutes": 1, "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": { "enable": true, "rollback": true } })
    );
}

#[test]
fn every_field_of_a_container_has_its_place() {
    let value = resolved(&json!({
        "task_definition": { "volumes": [{ "name": "data" }] },
        "container": {
            "web": {
                "port": null, "ports": [8080, { "port": 9090, "protocol": "udp", "name": "m", "app_protocol": "http" }],
                "health_check": { "command": ["CMD", "true"], "interval": 10, "timeout": null, "retries": null, "start_period": null },
                "command": ["b", "a"], "entry_point": ["sh"], "cpu": "0.125 vCPU", "memory": "0.5GB",
                "memory_reservation": "256", "depends_on": { "migrate": "SUCCESS" }, "user": "1000",
                "working_directory": "/srv", "stop_timeout": 60, "start_timeout": 30,
                "read_only_root_filesystem": true, "init_process": true,
                "mount_points": [{ "volume": "data", "path": "/data" }], "docker_labels": { "n": "1" },
                "repository_credentials": "arn:secret", "environment_files": ["arn:z", "arn:a"],
            },
            "migrate": { "image": "m", "essential": false, "logs": "group" },
        },
    }));
    let mut web = value["task_definition"]["containers"]["web"].clone();
    for known in ["environment", "secrets", "logConfiguration", "image"] {
        web.as_object_mut().unwrap().remove(known);
    }
    assert_eq!(
        web,
        json!({
            "essential": true, "cpu": 128, "memory": 512, "memoryReservation": 256,
            "portMappings": [
                { "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" },
                { "containerPort": 9090, "hostPort": 9090, "protocol": "udp", "name": "m", "appProtocol": "http" },
            ],
            "healthCheck": { "command": ["CMD", "true"], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 0 },
            "command": ["b", "a"], "entryPoint": ["sh"],
            "dependsOn": [{ "containerName": "migrate", "condition": "SUCCESS" }],
            "user": "1000", "workingDirectory": "/srv", "stopTimeout": 60, "startTimeout": 30,
            "readonlyRootFilesystem": true, "linuxParameters": { "initProcessEnabled": true },
            "mountPoints": [{ "sourceVolume": "data", "containerPath": "/data", "readOnly": false }],
            "dockerLabels": { "n": "1" },
            "repositoryCredentials": { "credentialsParameter": "arn:secret" },
            "environmentFiles": [{ "type": "s3", "value": "arn:z" }, { "type": "s3", "value": "arn:a" }],
        })
    );
    let migrate = &value["task_definition"]["containers"]["migrate"];
    assert_eq!(migrate["logConfiguration"]["options"]["awslogs-group"], "group");
}

#[test]
fn every_field_of_a_service_has_its_place() {
    let value = resolved(&json!({
        "family": "other", "execution_role": "exec", "task_role": "path/task", "platform_version": "1.4.0",
        "enable_execute_command": true, "propagate_tags": "SERVICE", "enable_ecs_managed_tags": true,
        "ephemeral_storage": 30, "runtime_platform": { "cpu_architecture": "ARM64" },
        "grace_period": 90, "tags": { "A": "1" },
        "load_balancer": [{ "target_group": "arn:tg" }],
        "capacity_provider_strategy": [{ "provider": "FARGATE_SPOT", "weight": 1 }],
        "autoscaling": { "min": 1, "max": 4, "target_cpu": 70 }, "desired_count": null,
    }));
    let task = &value["task_definition"];
    assert_eq!(task["family"], "other");
    assert_eq!(task["executionRoleArn"], "arn:aws:iam::123456789012:role/exec");
    assert_eq!(task["taskRoleArn"], "arn:aws:iam::123456789012:role/path/task");
    assert_eq!(task["ephemeralStorage"], json!({ "sizeInGiB": 30 }));
    assert_eq!(task["runtimePlatform"], json!({ "cpuArchitecture": "ARM64" }));
    assert_eq!(task["requiresCompatibilities"], json!(["FARGATE"]));
    let settings = &value["service"];
    assert_eq!(settings["platformVersion"], "1.4.0");
    assert_eq!(settings["healthCheckGracePeriodSeconds"], 90);
    assert_eq!(settings["propagateTags"], "SERVICE");
    assert_eq!(settings.get("launchType"), None);
    assert_eq!(
        settings["capacityProviderStrategy"],
        json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0 }])
    );
    assert_eq!(
        settings["loadBalancers"],
        json!([{ "targetGroupArn": "arn:tg", "containerName": "web", "containerPort": 3000 }])
    );
    assert_eq!(value.get("desired_count"), None);
    assert_eq!(
        value["autoscaling"],
        json!({ "min": 1, "max": 4, "target_cpu": 70, "scale_in_cooldown": 300, "scale_out_cooldown": 300 })
    );
    assert_eq!(value["tags"], json!({ "A": "1" }));
}

#[test]
fn a_cluster_outside_the_manifest_is_named() {
    let value = resolved(&json!({ "cluster": null, "cluster_name": "theirs" }));
    assert_eq!(value["cluster"], "theirs");
    assert_eq!(
        with(&json!({ "cluster_name": "theirs" })).codes(),
        [("service::cluster", "cluster_name")]
    );
    assert_eq!(with(&json!({ "cluster": null })).codes(), [("service::cluster", "")]);
}

/// The service on an image with a fallback, with the fallback active or not.
fn fallback(over: &Json, active: bool) -> Value {
    let lowered = with(&merged(
        json!({
            "container": { "web": {
                "image": "${image.web}", "command": ["node", "server.js"], "user": "node",
                "read_only_root_filesystem": true,
            } },
            "load_balancer": [{ "target_group": "arn:tg" }],
        }),
        over,
    ));
    assert_eq!(lowered.problems, []);
    let uri = if active { "nginx" } else { "web@sha256:1" };
    lowered.resolve(&BTreeMap::from([
        ("${image.web.uri}", json!(uri)),
        ("${image.web.fallback_active}", json!(active)),
    ]))
}

#[test]
fn a_fallback_brings_its_own_port_and_health_check() {
    let real = fallback(&json!({}), false);
    let web = &real["task_definition"]["containers"]["web"];
    assert_eq!(
        web["portMappings"],
        json!([{ "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" }])
    );
    assert_eq!(web["healthCheck"]["command"], json!(["CMD-SHELL", HEALTH]));
    assert_eq!(web["command"], json!(["node", "server.js"]));
    assert_eq!(real["service"]["loadBalancers"][0]["containerPort"], 3000);
    assert_eq!(real["desired_count"], 2);

    let stand_in = fallback(&json!({}), true);
    let task = bfd_kinds::service::canonical_task_definition(&stand_in["task_definition"]);
    let web = &task["containers"]["web"];
    assert_eq!(web["image"], "nginx");
    assert_eq!(
        web["portMappings"],
        json!([{ "containerPort": 80, "hostPort": 80, "protocol": "tcp" }])
    );
    assert_eq!(
        web["healthCheck"],
        json!({
            "command": ["CMD-SHELL", "curl -f http://localhost/"],
            "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 60,
        })
    );
    for of_the_image in ["command", "user", "readonlyRootFilesystem"] {
        assert_eq!(web.get(of_the_image), None, "{of_the_image}");
    }
    assert_eq!(web["environment"]["ENVIRONMENT"], "dev");
    assert_eq!(stand_in["service"]["loadBalancers"][0]["containerPort"], 80);
    assert_eq!(stand_in["desired_count"], 1);
}

#[test]
fn a_fallback_also_replaces_what_was_passed_through() {
    let over = json!({ "task_definition": { "containerDefinitions": [{
        "name": "web", "healthCheck": { "retries": 9 }, "entryPoint": ["sh"],
    }] } });
    let real = fallback(&over, false);
    assert_eq!(real["task_definition"]["containers"]["web"]["healthCheck"]["retries"], 9);
    assert_eq!(real["task_definition"]["containers"]["web"]["entryPoint"], json!(["sh"]));
    let stand_in = fallback(&over, true);
    assert_eq!(stand_in["task_definition"]["containers"]["web"]["entryPoint"], Value::Null);
}

#[test]
fn a_fallback_that_others_wait_for_needs_a_health_check() {
    let over = json!({ "container": {
        "web": { "image": "${image.bare}" }, "other": { "image": "o", "depends_on": { "web": "HEALTHY" } },
    } });
    let bare = json!({ "source": "${repository.web}:v1", "fallback": { "image": "nginx" } });
    let lowered = world().with("image.bare", bare).lower("service.web", &merged(bellyfed(), &over));
    assert_eq!(
        lowered.codes(),
        [("service::fallback_without_health_check", "container.web.image")]
    );
}

/// Each mistake is found alone, at its place.
fn refused(cases: &[(Json, &str, &str)]) {
    for (over, code, place) in cases {
        assert_eq!(with(over).codes(), [(*code, *place)], "{over}");
    }
}

#[test]
fn containers_that_ecs_would_refuse_are_found_before() {
    refused(&[
        (json!({ "container": null }), "service::no_containers", ""),
        (
            json!({ "container": { "web": { "image": null } } }),
            "service::no_image",
            "container.web",
        ),
        (
            json!({ "container": { "web": { "essential": false } } }),
            "service::nothing_essential",
            "container",
        ),
        (
            json!({ "container": { "web": { "memory": "1024" } } }),
            "service::size",
            "container.web.memory",
        ),
        (
            json!({ "container": { "web": { "memory": "100", "memory_reservation": "200" } } }),
            "service::size",
            "container.web.memory_reservation",
        ),
        (json!({ "execution_role": null }), "service::execution_role", "container.web"),
        (
            json!({ "container": { "web": { "environment": { "JWT_SECRET": "x" } } } }),
            "service::duplicate_variable",
            "container.web.secrets.JWT_SECRET",
        ),
        (
            json!({ "container": { "web": { "health_check": { "command": ["true"] } } } }),
            "service::health_check",
            "container.web.health_check.command",
        ),
        (
            json!({ "task_definition": { "containerDefinitions": [{ "name": "web", "healthCheck": { "timeout": 90 } }] } }),
            "service::health_check",
            "container.web.health_check.timeout",
        ),
        (
            json!({ "container": { "web": { "logs": { "group": null } } } }),
            "service::logs",
            "container.web.logs",
        ),
        (
            json!({ "container": { "web": { "logs": { "driver": "splunk" } } } }),
            "service::logs",
            "container.web.logs.group",
        ),
        (
            json!({ "container": { "web": { "mount_points": [{ "volume": "v", "path": "/v" }] } } }),
            "service::unknown_volume",
            "container.web.mount_points",
        ),
        (
            json!({ "container": { "web": { "depends_on": { "nobody": "START" } } } }),
            "service::container_dependency",
            "container.web.depends_on.nobody",
        ),
        (
            json!({ "container": { "web": { "depends_on": { "web": "START" } } } }),
            "service::container_dependency",
            "container.web.depends_on.web",
        ),
        (
            json!({ "container": { "web": { "depends_on": { "b": "HEALTHY" } }, "b": { "image": "b" } } }),
            "service::container_dependency",
            "container.web.depends_on.b",
        ),
        (
            json!({ "container": { "web": { "depends_on": { "b": "SUCCESS" } }, "b": { "image": "b" } } }),
            "service::container_dependency",
            "container.web.depends_on.b",
        ),
        (
            json!({ "container": { "b": { "image": "b", "port": 3000 } } }),
            "service::port",
            "container.web.port",
        ),
        (
            json!({ "container": { "web": { "port": null, "ports": [{ "port": 1, "host_port": 2 }] } } }),
            "service::port",
            "container.web",
        ),
    ]);
}

#[test]
fn settings_that_ecs_would_refuse_are_found_before() {
    refused(&[
        (json!({ "memory": "4096" }), "service::size", "memory"),
        (json!({ "cpu": "300" }), "service::size", "memory"),
        (json!({ "cpu": null }), "service::size", ""),
        (json!({ "cpu": "many" }), "service::amount", "cpu"),
        (json!({ "container": { "web": { "cpu": "512" } } }), "service::size", "cpu"),
        (json!({ "execution_role": "a b" }), "service::role", "execution_role"),
        (json!({ "network": null }), "service::network", ""),
        (json!({ "network_mode": "bridge", "network": null }), "service::network", "network_mode"),
        (
            json!({ "network": { "security_groups": ["1", "2", "3", "4", "5", "6"] } }),
            "service::network",
            "network.security_groups",
        ),
        (
            json!({ "load_balancer": [{ "target_group": "a", "container": "nobody", "port": 1 }] }),
            "service::unknown_container",
            "load_balancer.0.container",
        ),
        (
            json!({ "load_balancer": [{ "target_group": "a", "port": 1 }] }),
            "service::unknown_port",
            "load_balancer.0.port",
        ),
        (json!({ "load_balancer": [{}] }), "service::load_balancer", "load_balancer.0"),
        (
            json!({ "load_balancer": [{ "target_group": "a" }], "container": { "b": { "image": "b", "port": 1 } } }),
            "service::load_balancer",
            "load_balancer.0",
        ),
        (
            json!({ "launch_type": "FARGATE", "capacity_provider_strategy": [{ "provider": "FARGATE" }] }),
            "service::launch_type",
            "launch_type",
        ),
        (
            json!({ "autoscaling": { "min": 3, "max": 2, "target_cpu": 1 }, "desired_count": null }),
            "service::autoscaling",
            "autoscaling.max",
        ),
        (
            json!({
                "autoscaling": { "min": 1, "max": 2, "target_cpu": 50 }, "desired_count": null,
                "container": { "web": { "image": "${image.awaited}" } },
            }),
            "service::count_with_autoscaling",
            "container.web.image",
        ),
        (
            json!({
                "autoscaling": { "min": 1, "max": 2, "target_cpu": 50 }, "desired_count": null,
                "container": { "web": { "image": "${image.web}" } },
            }),
            "service::count_with_autoscaling",
            "container.web.image",
        ),
        (
            json!({ "autoscaling": { "min": 1, "max": 2 }, "desired_count": null }),
            "service::autoscaling",
            "autoscaling",
        ),
    ]);
}

#[test]
fn passthrough_that_ecs_would_not_understand_is_found_before() {
    refused(&[
        (
            json!({ "task_definition": { "netwrokMode": "awsvpc" } }),
            "service::unknown_aws_field",
            "task_definition.netwrokMode",
        ),
        (
            json!({ "task_definition": { "containerDefinitions": [{ "name": "web", "healthcheck": {} }] } }),
            "service::unknown_aws_field",
            "task_definition.containerDefinitions.0.healthcheck",
        ),
        (
            json!({ "service_definition": { "desiredCount": 1 } }),
            "service::unknown_aws_field",
            "service_definition.desiredCount",
        ),
        (
            json!({ "task_definition_file": { "path": "td.json", "text": "[]" } }),
            "manifest::invalid_json",
            "task_definition_file",
        ),
    ]);
}

#[test]
fn containers_that_wait_in_a_circle_are_found() {
    let lowered = with(&json!({ "container": {
        "web": { "depends_on": { "b": "START" } }, "b": { "image": "b", "depends_on": { "web": "START" } },
    } }));
    let places: Vec<&str> = lowered.codes().iter().map(|(_, place)| *place).collect();
    assert_eq!(places, ["container.b.depends_on", "container.web.depends_on"]);
}

#[test]
fn misspelled_fields_of_aws_get_a_suggestion() {
    let cases = [
        (
            json!({ "service_definition": { "propogateTags": "NONE" } }),
            "did you mean `propagateTags`?",
        ),
        (
            json!({ "service_definition": { "health_check_grace_period_seconds": 1 } }),
            "did you mean `healthCheckGracePeriodSeconds`?",
        ),
        (
            json!({ "service_definition": { "desiredCount": 1 } }),
            "write `desired_count` in the service",
        ),
    ];
    for (over, help) in cases {
        assert_eq!(with(&over).problems[0].help, help);
    }
}

#[test]
fn an_execution_role_is_wanted_for_what_needs_one() {
    let bare = json!({ "execution_role": null, "container": { "web": { "secrets": null, "logs": null } } });
    assert_eq!(with(&bare).codes(), []);
    let ecr = json!({ "container": { "web": { "image": "${image.pushed}" } } });
    assert_eq!(
        with(&merged(bare.clone(), &ecr)).codes(),
        [("service::execution_role", "container.web")]
    );
    let literal =
        json!({ "container": { "web": { "image": "1.dkr.ecr.eu-west-1.amazonaws.com/a:b" } } });
    assert_eq!(
        with(&merged(bare.clone(), &literal)).codes(),
        [("service::execution_role", "container.web")]
    );
    let passed = json!({ "task_definition": { "executionRoleArn": ROLE } });
    assert_eq!(with(&merged(json!({ "execution_role": null }), &passed)).codes(), []);
    // An instance pulls and logs by itself, and cannot read secrets.
    let ec2 = json!({ "launch_type": "EC2", "execution_role": null, "container": { "web": { "secrets": null } } });
    assert_eq!(with(&ec2).codes(), []);
}

#[test]
fn weaker_rollback_settings_are_warned_about() {
    let cases = [
        (json!({ "minimum_healthy_percent": 50 }), "minimum_healthy_percent"),
        (json!({ "maximum_percent": 150 }), "maximum_percent"),
        (json!({ "circuit_breaker": { "rollback": false } }), "circuit_breaker.rollback"),
        (json!({ "circuit_breaker": { "enable": false } }), "circuit_breaker.enable"),
    ];
    for (over, place) in cases {
        let lowered = with(&over);
        assert_eq!(lowered.codes(), [("service::slow_rollback", place)], "{over}");
        assert_eq!(lowered.problems[0].severity, Severity::Warning);
    }
    let scaled = with(&json!({ "autoscaling": { "min": 1, "max": 2, "target_cpu": 70 } }));
    assert_eq!(scaled.problems[0].severity, Severity::Warning);
    assert_eq!(scaled.codes(), [("service::count_with_autoscaling", "desired_count")]);
}

#[test]
fn a_grace_period_is_there_when_something_checks_health() {
    let key = "healthCheckGracePeriodSeconds";
    assert_eq!(resolved(&json!({}))["service"][key], 60);
    let unchecked = json!({ "container": { "web": { "health_check": null } } });
    assert_eq!(resolved(&unchecked)["service"].get(key), None);
    let balanced =
        merged(unchecked.clone(), &json!({ "load_balancer": [{ "target_group": "a" }] }));
    assert_eq!(resolved(&balanced)["service"][key], 60);
    let useless = merged(unchecked, &json!({ "grace_period": 30 }));
    assert_eq!(with(&useless).codes(), [("service::grace_period", "grace_period")]);
}

#[test]
fn tasks_on_instances_need_no_size_of_their_own() {
    let ec2 = json!({
        "launch_type": "EC2", "network_mode": "bridge", "network": null, "cpu": null, "memory": null,
        "container": { "web": { "memory_reservation": "128" } },
    });
    let value = resolved(&ec2);
    assert_eq!(value["task_definition"]["requiresCompatibilities"], json!(["EC2"]));
    assert_eq!(value["task_definition"]["containers"]["web"]["portMappings"][0]["hostPort"], 0);
    let unlimited = merged(ec2, &json!({ "container": { "web": { "memory_reservation": null } } }));
    assert_eq!(with(&unlimited).codes(), [("service::size", "container.web")]);
}

#[test]
fn a_rollback_to_what_was_never_proven_is_not_exact() {
    let undo = get("service").unwrap().undo;
    let change = |path: &str| FieldChange {
        path: path.to_owned(),
        before: None,
        after: None,
        sensitive: false,
        known: true,
        effect: Effect::None,
    };
    assert_eq!((get("service").unwrap().effect)(&["proven"]), Effect::None);
    let (exact, _) = undo(Action::Update, &[change("desired_count")]);
    let (approximate, why) = undo(Action::Update, &[change("desired_count"), change("proven")]);
    assert_eq!((exact, approximate), (Undo::Exact, Undo::Approximate));
    assert!(why.unwrap().contains("never proven"), "{why:?}");
}
