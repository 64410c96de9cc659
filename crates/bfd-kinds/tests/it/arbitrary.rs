//! Task definitions and services as AWS might answer them.

use bfd_core::Value;
use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};
use serde_json::{Map, json};

/// Builds an object of the parts that are there.
fn object(parts: Vec<(&str, Option<Value>)>) -> Value {
    let parts = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(parts.collect::<Map<_, _>>())
}

fn word() -> impl Strategy<Value = String> {
    "[a-c]{1,2}"
}

/// Lists without two entries of the same name, in any order.
fn named(value: &'static str) -> impl Strategy<Value = Value> {
    let names: Vec<&str> = vec!["C", "A", "B", "D"];
    (subsequence(names, 0..4), vec(".{0,4}", 4)).prop_flat_map(move |(names, values)| {
        let items: Vec<Value> = names
            .iter()
            .zip(values)
            .map(|(name, text)| json!({ "name": name, value: text }))
            .collect();
        Just(items).prop_shuffle().prop_map(Value::from)
    })
}

fn port_mapping() -> impl Strategy<Value = Value> {
    let protocol = option::of(select(vec!["tcp", "udp"]));
    (80_i64..84, option::of(80_i64..84), protocol, option::of(word())).prop_map(
        |(port, host, protocol, name)| {
            object(vec![
                ("containerPort", Some(port.into())),
                ("hostPort", host.map(Value::from)),
                ("protocol", protocol.map(Value::from)),
                ("name", name.map(Value::from)),
            ])
        },
    )
}

fn health_check() -> impl Strategy<Value = Value> {
    (option::of(5_i64..9), option::of(2_i64..4), option::of(1_i64..3), option::of(0_i64..3))
        .prop_map(|(interval, timeout, retries, start)| {
            object(vec![
                ("command", Some(json!(["CMD-SHELL", "true"]))),
                ("interval", interval.map(Value::from)),
                ("timeout", timeout.map(Value::from)),
                ("retries", retries.map(Value::from)),
                ("startPeriod", start.map(Value::from)),
            ])
        })
}

fn log_configuration() -> impl Strategy<Value = Value> {
    (named("valueFrom"), any::<bool>()).prop_map(|(secrets, options)| {
        let mut logs = json!({ "logDriver": "awslogs", "secretOptions": secrets });
        logs["options"] = if options { json!({ "awslogs-group": "g", "n": 1 }) } else { json!({}) };
        logs
    })
}

fn container(name: String) -> impl Strategy<Value = Value> {
    let mounts = vec((word(), option::of(any::<bool>())), 0..3).prop_map(|all| {
        let one = |(path, read_only): (String, Option<bool>)| {
            object(vec![
                ("sourceVolume", Some("v".into())),
                ("containerPath", Some(path.into())),
                ("readOnly", read_only.map(Value::from)),
            ])
        };
        Value::from(all.into_iter().map(one).collect::<Vec<_>>())
    });
    let words = || vec(word(), 0..3).prop_map(Value::from);
    let first = (
        option::of(named("value")),
        option::of(named("valueFrom")),
        option::of(vec(port_mapping(), 0..3).prop_map(Value::from)),
        option::of(health_check()),
        option::of(log_configuration()),
        option::of(mounts),
    );
    let second = (
        option::of(words()),
        option::of(words()),
        option::of(any::<bool>()),
        option::of(select(vec![json!(0), json!(128), json!("256"), json!("0.5 vCPU")])),
        option::of(select(vec![json!(512), json!("1GB")])),
        option::of(select(vec![
            json!(null),
            json!([]),
            json!({}),
            json!({ "initProcessEnabled": true }),
        ])),
    );
    (first, second).prop_map(move |(first, second)| {
        let (environment, secrets, ports, check, logs, mounts) = first;
        let (command, files, essential, cpu, memory, linux) = second;
        object(vec![
            ("name", Some(name.clone().into())),
            ("image", Some("nginx".into())),
            ("environment", environment),
            ("secrets", secrets),
            ("portMappings", ports),
            ("healthCheck", check),
            ("logConfiguration", logs),
            ("mountPoints", mounts),
            ("command", command),
            ("dockerSecurityOptions", files),
            ("essential", essential.map(Value::from)),
            ("cpu", cpu),
            ("memory", memory),
            ("linuxParameters", linux),
        ])
    })
}

pub(crate) fn task_definition() -> impl Strategy<Value = Value> {
    let containers = (container("web".to_owned()), container("api".to_owned()), any::<bool>())
        .prop_map(|(web, api, both)| if both { json!([web, api]) } else { json!([web]) });
    let volumes = select(vec![
        json!([]),
        json!([{ "name": "v", "host": {} }]),
        json!([{ "name": "w", "efsVolumeConfiguration": { "fileSystemId": "fs" } }, { "name": "v" }]),
    ]);
    (
        containers,
        option::of(select(vec!["awsvpc", "bridge", "host", "none"])),
        option::of(select(vec![json!("256"), json!(256), json!("1 vCPU"), json!("odd")])),
        option::of(select(vec![json!("512"), json!("2GB")])),
        option::of(volumes),
        option::of(select(vec![json!(["FARGATE", "EC2"]), json!(["EC2"])])),
        any::<bool>(),
    )
        .prop_map(|(containers, mode, cpu, memory, volumes, compatible, described)| {
            object(vec![
                ("family", Some("f".into())),
                ("containerDefinitions", Some(containers)),
                ("networkMode", mode.map(Value::from)),
                ("cpu", cpu),
                ("memory", memory),
                ("volumes", volumes),
                ("requiresCompatibilities", compatible),
                ("revision", described.then(|| 3.into())),
                ("status", described.then(|| "ACTIVE".into())),
                ("tags", described.then(|| json!([]))),
            ])
        })
}

pub(crate) fn service_settings() -> impl Strategy<Value = Value> {
    let network = (vec(word(), 1..4), vec(word(), 0..3), option::of(any::<bool>())).prop_map(
        |(subnets, groups, public)| {
            let public = public.map(|public| if public { "ENABLED" } else { "DISABLED" });
            json!({ "awsvpcConfiguration": object(vec![
                ("subnets", Some(subnets.into())),
                ("securityGroups", Some(groups.into())),
                ("assignPublicIp", public.map(Value::from)),
            ]) })
        },
    );
    let deployment = (option::of(100_i64..202), option::of(any::<(bool, bool)>()), any::<bool>())
        .prop_map(|(most, breaker, described)| {
            object(vec![
                ("maximumPercent", most.map(Value::from)),
                (
                    "deploymentCircuitBreaker",
                    breaker.map(
                        |(enable, rollback)| json!({ "enable": enable, "rollback": rollback }),
                    ),
                ),
                ("strategy", described.then(|| "ROLLING".into())),
                (
                    "alarms",
                    described
                        .then(|| json!({ "alarmNames": [], "enable": false, "rollback": false })),
                ),
            ])
        });
    let balancers = vec((word(), 80_i64..83), 0..3).prop_map(|all| {
        let one = |(arn, port): (String, i64)| {
            json!({ "targetGroupArn": arn, "containerName": "web", "containerPort": port })
        };
        Value::from(all.into_iter().map(one).collect::<Vec<_>>())
    });
    let strategy = vec((word(), option::of(0_i64..3)), 0..3).prop_map(|all| {
        let one = |(provider, weight): (String, Option<i64>)| {
            object(vec![
                ("capacityProvider", Some(provider.into())),
                ("weight", weight.map(Value::from)),
            ])
        };
        Value::from(all.into_iter().map(one).collect::<Vec<_>>())
    });
    (
        // A network cannot be taken back, so it is always there.
        network,
        option::of(deployment),
        option::of(balancers),
        option::of(strategy),
        option::of(select(vec!["LATEST", "1.4.0"])),
        option::of(select(vec!["SERVICE", "NONE"])),
        option::of(any::<bool>()),
        option::of(0_i64..3),
        option::of(select(vec!["FARGATE", "EC2"])),
    )
        .prop_map(
            |(network, deployment, balancers, strategy, platform, tags, exec, grace, launch)| {
                object(vec![
                    ("networkConfiguration", Some(network)),
                    ("deploymentConfiguration", deployment),
                    ("loadBalancers", balancers),
                    ("capacityProviderStrategy", strategy),
                    ("platformVersion", platform.map(Value::from)),
                    ("propagateTags", tags.map(Value::from)),
                    ("enableExecuteCommand", exec.map(Value::from)),
                    ("healthCheckGracePeriodSeconds", grace.map(Value::from)),
                    ("launchType", launch.map(Value::from)),
                ])
            },
        )
}
