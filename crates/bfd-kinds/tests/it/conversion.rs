//! To what ECS is asked and from what it answers.

use crate::arbitrary::{service_settings, task_definition};
use bfd_core::{Properties, Value};
use bfd_kinds::service::{
    canonical_service, canonical_task_definition, content_hash, create_service,
    register_task_definition, update_service,
};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #[test]
    fn the_canonical_form_is_its_own(described in task_definition()) {
        let canonical = canonical_task_definition(&described);
        prop_assert_eq!(canonical_task_definition(&canonical), canonical);
    }

    #[test]
    fn what_is_registered_reads_back_as_it_was(described in task_definition()) {
        let canonical = canonical_task_definition(&described);
        prop_assert_eq!(canonical_task_definition(&register_task_definition(&canonical)), canonical);
    }

    #[test]
    fn what_is_registered_is_what_ecs_takes(described in task_definition()) {
        let request = register_task_definition(&described);
        for container in request["containerDefinitions"].as_array().unwrap() {
            prop_assert!(container["name"].is_string());
            for list in ["environment", "secrets"] {
                prop_assert!(container.get(list).is_none_or(Value::is_array), "{}", container);
            }
        }
        for gone in ["tags", "containers", "revision", "status", "taskDefinitionArn"] {
            prop_assert!(request.get(gone).is_none(), "{}", gone);
        }
    }

    #[test]
    fn order_and_defaults_do_not_change_the_hash(described in task_definition()) {
        let mut other = described.clone();
        other["revision"] = 7.into();
        for container in other["containerDefinitions"].as_array_mut().unwrap() {
            for list in ["environment", "secrets", "portMappings", "mountPoints"] {
                if let Some(list) = container.get_mut(list).and_then(Value::as_array_mut) {
                    list.reverse();
                }
            }
            if container.get("essential").is_none() {
                container["essential"] = true.into();
            }
        }
        other["containerDefinitions"].as_array_mut().unwrap().reverse();
        prop_assert_eq!(content_hash(&other), content_hash(&described));
    }

    #[test]
    fn the_canonical_form_of_settings_is_its_own(described in service_settings()) {
        let canonical = canonical_service(&described);
        prop_assert_eq!(canonical_service(&canonical), canonical);
    }

    #[test]
    fn no_difference_is_no_update(described in service_settings()) {
        prop_assert_eq!(update_service(&described, &described), None);
        prop_assert_eq!(update_service(&canonical_service(&described), &described), None);
    }

    /// Applies the request as ECS would, and looks again.
    #[test]
    fn an_update_arrives_and_stays(before in service_settings(), after in service_settings()) {
        let mut live = canonical_service(&before);
        if let Some(request) = update_service(&before, &after) {
            for (name, value) in request.as_object().unwrap() {
                live[name] = value.clone();
            }
        }
        prop_assert_eq!(update_service(&live, &after), None);
        let (live, after) = (canonical_service(&live), canonical_service(&after));
        for (name, value) in after.as_object().unwrap() {
            if name != "launchType" && name != "schedulingStrategy" {
                prop_assert_eq!(live.get(name), Some(value), "{}", name);
            }
        }
    }
}

/// What DescribeTaskDefinition answers for the first service of Bellyfed.
fn described() -> Value {
    json!({
        "taskDefinitionArn": "arn:aws:ecs:ap-southeast-1:123456789012:task-definition/bellyfed-dev:7",
        "family": "bellyfed-dev", "revision": 7, "status": "ACTIVE", "registeredAt": 1.5,
        "registeredBy": "arn:aws:iam::123456789012:user/me",
        "requiresAttributes": [{ "name": "com.amazonaws.ecs.capability.task-iam-role" }],
        "compatibilities": ["EC2", "FARGATE"], "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc", "cpu": "256", "memory": "512", "volumes": [],
        "placementConstraints": [],
        "containerDefinitions": [{
            "name": "web", "image": "nginx", "cpu": 0, "essential": true, "links": [], "mountPoints": [],
            "volumesFrom": [], "systemControls": [], "secrets": [],
            "portMappings": [{ "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" }],
            "environment": [{ "name": "B", "value": "2" }, { "name": "A", "value": "" }],
            "healthCheck": { "command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3 },
            "command": ["z", "a"],
        }],
    })
}

#[test]
fn a_described_task_definition_is_what_was_declared() {
    let canonical = canonical_task_definition(&described());
    let wanted = json!({
        "family": "bellyfed-dev", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "cpu": "256", "memory": "512",
        "containers": { "web": {
            "image": "nginx", "cpu": 0, "essential": true,
            "portMappings": [{ "containerPort": 3000, "hostPort": 3000, "protocol": "tcp" }],
            "environment": { "A": "", "B": "2" },
            "healthCheck": {
                "command": ["CMD-SHELL", "true"], "interval": 30, "timeout": 5, "retries": 3, "startPeriod": 0,
            },
            "command": ["z", "a"],
        } },
    });
    assert_eq!(canonical, wanted);
    // As the AWS CLI prints it, and with as little as one can write.
    assert_eq!(
        canonical_task_definition(&json!({ "taskDefinition": described(), "tags": [] })),
        wanted
    );
    let short = json!({
        "family": "bellyfed-dev", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "cpu": ".25 vCPU", "memory": "0.5GB",
        "containerDefinitions": [{
            "name": "web", "image": "nginx", "portMappings": [{ "containerPort": 3000 }],
            "environment": [{ "name": "A", "value": "" }, { "name": "B", "value": 2 }],
            "healthCheck": { "command": ["CMD-SHELL", "true"] }, "command": ["z", "a"],
        }],
    });
    assert_eq!(canonical_task_definition(&short), wanted);
    assert_eq!(content_hash(&short), content_hash(&described()));
}

#[test]
fn the_hash_tells_contents_apart() {
    let hash = content_hash(&described());
    assert!(hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit()), "{hash}");
    let changes: [(&str, Value); 4] = [
        ("/containerDefinitions/0/command", json!(["a", "z"])),
        ("/containerDefinitions/0/image", json!("httpd")),
        ("/cpu", json!("512")),
        ("/family", json!("other")),
    ];
    for (pointer, value) in changes {
        let mut other = described();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_ne!(content_hash(&other), hash, "{pointer}");
    }
}

#[test]
fn the_order_of_environment_files_is_kept() {
    let files = json!([{ "type": "s3", "value": "z" }, { "type": "s3", "value": "a" }]);
    let canonical = canonical_task_definition(&json!({
        "containerDefinitions": [{ "name": "web", "environmentFiles": files }],
    }));
    assert_eq!(canonical["containers"]["web"]["environmentFiles"], files);
}

#[test]
fn host_ports_follow_the_network_mode() {
    let cases = [
        (json!("awsvpc"), json!(80)),
        (json!("host"), json!(80)),
        (json!("bridge"), json!(0)),
        (Value::Null, json!(0)),
        (json!("none"), Value::Null),
    ];
    for (mode, port) in cases {
        let canonical = canonical_task_definition(&json!({
            "networkMode": mode,
            "containerDefinitions": [{ "name": "web", "portMappings": [{ "containerPort": 80 }] }],
        }));
        assert_eq!(canonical["containers"]["web"]["portMappings"][0]["hostPort"], port, "{mode}");
    }
}

#[test]
fn a_described_service_is_what_was_declared() {
    let described = json!({
        "serviceArn": "arn", "serviceName": "web", "clusterArn": "arn", "status": "ACTIVE",
        "desiredCount": 1, "runningCount": 1, "pendingCount": 0, "taskDefinition": "arn", "events": [{}],
        "launchType": "FARGATE", "platformVersion": "LATEST", "platformFamily": "Linux",
        "loadBalancers": [], "serviceRegistries": [], "roleArn": "arn:role", "createdAt": 1.0,
        "propagateTags": "NONE", "enableExecuteCommand": false,
        "deploymentConfiguration": {
            "maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING",
            "bakeTimeInMinutes": 0, "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            "alarms": { "alarmNames": [], "enable": false, "rollback": false },
        },
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": ["b", "a"], "securityGroups": [], "assignPublicIp": "ENABLED",
        } },
        "deployments": [
            { "status": "ACTIVE", "serviceConnectConfiguration": { "enabled": false } },
            { "status": "PRIMARY", "serviceConnectConfiguration": { "enabled": true } },
        ],
    });
    assert_eq!(
        canonical_service(&described),
        json!({
            "launchType": "FARGATE", "platformVersion": "LATEST", "role": "arn:role",
            "propagateTags": "NONE", "enableExecuteCommand": false,
            "deploymentConfiguration": {
                "maximumPercent": 200, "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": { "enable": true, "rollback": true },
            },
            "networkConfiguration": { "awsvpcConfiguration": {
                "subnets": ["a", "b"], "assignPublicIp": "ENABLED",
            } },
            "serviceConnectConfiguration": { "enabled": true },
        })
    );
}

fn properties(value: &Value) -> Properties {
    value.as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn a_service_is_created_in_one_request() {
    let inputs = json!({
        "name": "web", "cluster": "main", "desired_count": 2, "tags": { "B": "2", "A": "1" },
        "task_definition": { "family": "web" }, "service": { "launchType": "FARGATE", "loadBalancers": null },
    });
    assert_eq!(
        create_service(&properties(&inputs), "arn:td:1"),
        json!({
            "serviceName": "web", "cluster": "main", "taskDefinition": "arn:td:1", "desiredCount": 2,
            "launchType": "FARGATE",
            "tags": [{ "key": "A", "value": "1" }, { "key": "B", "value": "2" }],
        })
    );
    let scaled = json!({ "name": "web", "cluster": "main", "autoscaling": { "min": 3, "max": 9 }, "tags": {} });
    let request = create_service(&properties(&scaled), "arn");
    assert_eq!((&request["desiredCount"], request.get("tags")), (&json!(3), None));
    let daemon = json!({
        "name": "web", "cluster": "main", "desired_count": 1, "service": { "schedulingStrategy": "DAEMON" },
    });
    assert_eq!(create_service(&properties(&daemon), "arn").get("desiredCount"), None);
}

#[test]
fn an_update_sends_what_differs_and_takes_back_what_is_gone() {
    let breaker = |enable: bool| json!({ "deploymentCircuitBreaker": { "enable": enable, "rollback": true } });
    let block = |enable: bool| {
        json!({ "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": { "enable": enable, "rollback": true } })
    };
    let cases = [
        // Whole blocks, not their parts.
        (
            json!({ "deploymentConfiguration": breaker(true) }),
            json!({ "deploymentConfiguration": breaker(false) }),
            json!({ "deploymentConfiguration": block(false) }),
        ),
        (json!({ "platformVersion": "1.4.0" }), json!({}), json!({ "platformVersion": "LATEST" })),
        (
            json!({ "healthCheckGracePeriodSeconds": 60 }),
            json!({}),
            json!({ "healthCheckGracePeriodSeconds": 0 }),
        ),
        (json!({ "propagateTags": "SERVICE" }), json!({}), json!({ "propagateTags": "NONE" })),
        (
            json!({ "enableExecuteCommand": true }),
            json!({}),
            json!({ "enableExecuteCommand": false }),
        ),
        (
            json!({ "loadBalancers": [{ "targetGroupArn": "a" }] }),
            json!({}),
            json!({ "loadBalancers": [] }),
        ),
        (
            json!({ "serviceConnectConfiguration": { "enabled": true } }),
            json!({}),
            json!({ "serviceConnectConfiguration": { "enabled": false } }),
        ),
        // A change of the strategy needs new tasks.
        (
            json!({}),
            json!({ "capacityProviderStrategy": [{ "capacityProvider": "A" }] }),
            json!({ "capacityProviderStrategy": [{ "capacityProvider": "A", "weight": 0, "base": 0 }],
                "forceNewDeployment": true }),
        ),
        (
            json!({}),
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["b", "a"] } } }),
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["a", "b"], "assignPublicIp": "DISABLED" } } }),
        ),
    ];
    for (prior, desired, request) in cases {
        assert_eq!(update_service(&prior, &desired), Some(request), "{prior} to {desired}");
    }
    let nothing = [
        // AWS's defaults are nothing to take back.
        (
            json!({ "propagateTags": "NONE", "platformVersion": "LATEST", "enableExecuteCommand": false }),
            json!({}),
        ),
        // What only a replacement changes.
        (json!({ "launchType": "EC2" }), json!({ "launchType": "FARGATE" })),
        (
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["a", "b"] } } }),
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["b", "a"], "assignPublicIp": "DISABLED" } } }),
        ),
        (Value::Null, Value::Null),
    ];
    for (prior, desired) in nothing {
        assert_eq!(update_service(&prior, &desired), None, "{prior} to {desired}");
    }
}
