//! Coordinator, repository, parameter, stack and cluster.

use crate::harness::{World, lower};
use bfd_core::Value;
use bfd_kinds::repository::{canonical_lifecycle, lifecycle_policy};
use serde_json::json;
use std::collections::BTreeMap;

/// Lowers and says which problems there are.
fn check(address: &str, fields: &Value, wanted: &[(&str, &str)]) {
    assert_eq!(lower(address, fields).codes(), wanted, "{fields}");
}

#[test]
fn tags_of_the_environment_are_under_those_of_the_resource() {
    let tags = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let world = World { tags: tags(&[("App", "one"), ("Team", "web")]), ..World::default() };
    let lowered = world.lower("cluster.main", &json!({ "name": "c", "tags": { "App": "two" } }));
    assert_eq!(lowered.value(), json!({ "name": "c", "tags": { "App": "two", "Team": "web" } }));
    check(
        "cluster.main",
        &json!({ "name": "c", "tags": { "aws:x": "1", "": "2", "long": "x".repeat(257) } }),
        &[
            ("tags::invalid", "tags."),
            ("tags::invalid", "tags.aws:x"),
            ("tags::invalid", "tags.long"),
        ],
    );
    let many: BTreeMap<String, String> =
        (0..49).map(|i| (format!("k{i}"), String::new())).collect();
    check("cluster.main", &json!({ "name": "c", "tags": many }), &[("tags::too_many", "tags")]);
}

#[test]
fn a_coordinator_keeps_its_configuration() {
    let fields =
        json!({ "parameter_prefix": "/app/dev", "config": { "deploy-infra-stack": "true" } });
    assert_eq!(lower("coordinator.main", &fields).value(), fields);
    check(
        "coordinator.main",
        &json!({ "parameter_prefix": "/a", "config": {
            "a/b": "x", "last-deployment": "x", "empty": "", "long": "x".repeat(4097), "ok": "x",
        } }),
        &[
            ("coordinator::invalid_key", "config.a/b"),
            ("coordinator::invalid_value", "config.empty"),
            ("coordinator::reserved_key", "config.last-deployment"),
            ("coordinator::invalid_value", "config.long"),
        ],
    );
    assert_eq!(
        bfd_kinds::coordinator::parameter_name("/app/dev", "deploy-infra-stack"),
        "/app/dev/deploy-infra-stack"
    );
}

#[test]
fn a_repository_is_safe_by_default() {
    assert_eq!(
        lower("repository.web", &json!({ "name": "web" })).value(),
        json!({
            "name": "web", "tag_mutability": "immutable", "scan_on_push": true, "force_delete": false,
        })
    );
}

#[test]
fn policies_are_compared_as_canonical_text() {
    let table = json!({ "name": "web", "policy": { "b": [1, "x"], "a": true } });
    let file = json!({ "name": "web", "policy": { "path": "p.json", "text": "{ \"a\": true,\n \"b\": [1, \"x\"] }" } });
    for fields in [table, file] {
        let value = lower("repository.web", &fields).value();
        assert_eq!(value["policy"], r#"{"a":true,"b":[1,"x"]}"#, "{fields}");
    }
    let broken = json!({ "name": "web", "policy": { "path": "p.json", "text": "{" } });
    check("repository.web", &broken, &[("manifest::invalid_json", "policy")]);
}

#[test]
fn a_policy_may_name_what_is_not_there_yet() {
    let fields = json!({ "name": "web", "policy": { "Principal": "${stack.a.outputs.Role}", "Note": "by \"${stack.a.outputs.By}\"" } });
    let lowered = lower("repository.web", &fields);
    assert_eq!(lowered.codes(), []);
    let known = BTreeMap::from([
        ("${stack.a.outputs.Role}", json!("arn:role")),
        ("${stack.a.outputs.By}", json!("me")),
    ]);
    let policy = &lowered.resolve(&known)["policy"];
    assert_eq!(policy, r#"{"Note":"by \"me\"","Principal":"arn:role"}"#);
}

#[test]
fn keep_images_reads_back_from_the_policy_it_makes() {
    for keep in [1, 100, 100_000] {
        assert_eq!(canonical_lifecycle(&lifecycle_policy(keep)), ("keep_images", keep.into()));
    }
    // The same rule, written by somebody else.
    let foreign = r#"{ "rules": [{ "rulePriority": 9, "selection": { "countNumber": 7,
        "tagStatus": "any", "countType": "imageCountMoreThan" }, "action": { "type": "expire" } }] }"#;
    assert_eq!(canonical_lifecycle(foreign), ("keep_images", 7.into()));
    let other = r#"{ "rules": [{ "rulePriority": 1, "selection": { "countNumber": 7, "tagStatus": "untagged",
        "countType": "imageCountMoreThan" }, "action": { "type": "expire" } }] }"#;
    let (field, text) = canonical_lifecycle(other);
    assert_eq!(field, "lifecycle_policy");
    assert!(!text.as_str().unwrap().contains(' '));
    let both = json!({ "name": "web", "keep_images": 1, "lifecycle_policy": { "rules": [] } });
    check("repository.web", &both, &[("repository::two_lifecycles", "lifecycle_policy")]);
}

#[test]
fn a_parameter_has_one_value() {
    let fields = json!({ "name": "/a/b", "value": "x" });
    let value = lower("parameter.p", &fields).value();
    assert_eq!(value, json!({ "name": "/a/b", "type": "String", "value": "x" }));
    check("parameter.p", &json!({ "name": "/a" }), &[("parameter::no_value", "")]);
    check(
        "parameter.p",
        &json!({ "name": "/a", "value": "x", "value_from": { "$secret_env": "X" }, "type": "SecureString" }),
        &[("parameter::two_values", "value_from")],
    );
}

#[test]
fn a_secret_comes_from_outside_and_is_stored_as_one() {
    let secret = json!({ "$secret_env": "JWT_SECRET" });
    let good =
        json!({ "name": "/a", "type": "SecureString", "value_from": secret, "key_id": "alias/k" });
    let value = lower("parameter.p", &good).value();
    assert_eq!(value["value"]["$secret"]["digest"], "digest");
    check(
        "parameter.p",
        &json!({ "name": "/a", "type": "SecureString", "value": "hunter2" }),
        &[("parameter::secret_in_manifest", "value")],
    );
    check(
        "parameter.p",
        &json!({ "name": "/a", "value_from": secret }),
        &[("parameter::secret_in_the_open", "value_from")],
    );
    check(
        "parameter.p",
        &json!({ "name": "/a", "value": "x", "key_id": "alias/k" }),
        &[("parameter::key_without_secret", "key_id")],
    );
}

#[test]
fn a_list_is_stored_joined_by_commas() {
    let list =
        json!({ "name": "/a", "type": "StringList", "value": ["x", "${stack.a.outputs.B}"] });
    let known = BTreeMap::from([("${stack.a.outputs.B}", json!("y"))]);
    assert_eq!(lower("parameter.p", &list).resolve(&known)["value"], "x,y");
    let plain = json!({ "name": "/a", "type": "StringList", "value": ["x", "y"] });
    assert_eq!(lower("parameter.p", &plain).value()["value"], "x,y");
    check(
        "parameter.p",
        &json!({ "name": "/a", "type": "StringList", "value": ["x", "a,b"] }),
        &[("parameter::comma", "value.1")],
    );
    check("parameter.p", &json!({ "name": "/a", "value": ["x"] }), &[("parameter::list", "value")]);
}

#[test]
fn a_value_fits_its_tier() {
    let sized =
        |size: usize, tier: &str| json!({ "name": "/a", "value": "x".repeat(size), "tier": tier });
    check("parameter.p", &sized(4096, "Standard"), &[]);
    check("parameter.p", &sized(4097, "Standard"), &[("parameter::size", "value")]);
    check("parameter.p", &sized(8192, "Advanced"), &[]);
    check("parameter.p", &sized(8193, "Advanced"), &[("parameter::size", "value")]);
    check("parameter.p", &sized(0, "Standard"), &[("parameter::size", "value")]);
    let long = json!({ "name": "/a", "value": "x", "description": "x".repeat(1025) });
    check("parameter.p", &long, &[("parameter::length", "description")]);
}

const TOPIC: &str = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n";

fn stack(template: &str, capabilities: &[&str]) -> Value {
    json!({
        "name": "S", "template": { "path": "t.yaml", "text": template }, "capabilities": capabilities,
    })
}

#[test]
fn a_stack_takes_the_text_of_its_template() {
    let value =
        lower("stack.s", &stack(TOPIC, &["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]))
            .value();
    assert_eq!(
        value,
        json!({
            "name": "S", "template": TOPIC, "termination_protection": false,
            "capabilities": ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"],
        })
    );
    let large = format!("{TOPIC}{}\n", "#".repeat(1_000_000 - TOPIC.len()));
    check("stack.s", &stack(&large, &[]), &[("stack::template_size", "template")]);
    check("stack.s", &stack(large.trim_end(), &[]), &[]);
}

#[test]
fn a_template_says_which_capabilities_it_needs() {
    let missing: &[(&str, &str)] = &[("stack::capability", "template")];
    let role = "Resources:\n  R: {Type: 'AWS::IAM::Role'} # one\n";
    check("stack.s", &stack(role, &[]), missing);
    check("stack.s", &stack(role, &["CAPABILITY_IAM"]), &[]);
    check("stack.s", &stack(role, &["CAPABILITY_NAMED_IAM"]), &[]);
    let named = "Resources:\n  R: {Type: AWS::IAM::Role, Properties: {RoleName: r}}\n";
    check("stack.s", &stack(named, &["CAPABILITY_IAM"]), missing);
    check("stack.s", &stack(named, &["CAPABILITY_NAMED_IAM"]), &[]);
    let transform = "Transform: AWS::Serverless-2016-10-31\nResources: {}\n";
    check("stack.s", &stack(transform, &[]), missing);
    check("stack.s", &stack(transform, &["CAPABILITY_AUTO_EXPAND"]), &[]);
    let looped =
        "Resources:\n  Fn::ForEach::R: [N, [a, b], {'Role&{N}': {Type: AWS::IAM::Role}}]\n";
    check("stack.s", &stack(looped, &["CAPABILITY_AUTO_EXPAND"]), missing);
    let quoted = "Resources:\n  R: {Type: AWS::SNS::Topic, Metadata: {Note: AWS::IAM::Role}}\n";
    check("stack.s", &stack(quoted, &[]), &[]);
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_place_in_the_file() {
    let text = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref Nmae\n      Note: !Oops x\n";
    let mistakes = lower("stack.s", &stack(text, &[])).problems;
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].place, "template");
    assert!(mistakes[0].label.starts_with("t.yaml:6:13: "), "{mistakes:?}");

    let text = text.replace("      Note: !Oops x\n", "")
        + "  Other:\n    Type: AWS::SQS::Queue\n    DependsOn: Nobody\n";
    let mistakes = lower("stack.s", &stack(&text, &[])).problems;
    let labels: Vec<&str> = mistakes.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(labels.len(), 2, "all at once: {labels:?}");
    assert!(labels[0].starts_with("t.yaml:5:") && labels[1].starts_with("t.yaml:8:"), "{labels:?}");
}

#[test]
fn given_parameters_are_those_of_the_template() {
    const TEMPLATE: &str = "Parameters:\n  Size: {Type: String, AllowedValues: [small, large]}\n  \
        Key: {Type: String, NoEcho: true, MinLength: 8}\n  Vpc: {Type: 'AWS::EC2::VPC::Id'}\n  \
        Other: {Type: String, Default: x}\nResources:\n  T: {Type: AWS::SNS::Topic}\n";
    let with = |parameters: Value| {
        let mut fields = stack(TEMPLATE, &[]);
        fields["parameters"] = parameters;
        fields
    };
    let secret = json!({ "$secret_env": "KEY" });
    let good =
        |key: &Value| json!({ "Size": "small", "Key": key, "Vpc": "${stack.a.outputs.Vpc}" });
    check("stack.s", &with(good(&secret)), &[]);
    check("stack.s", &with(good(&"long enough".into())), &[("stack::secret", "parameters.Key")]);
    let mut shown = good(&secret);
    shown["Other"] = secret.clone();
    check("stack.s", &with(shown), &[("stack::secret", "parameters.Other")]);
    check(
        "stack.s",
        &with(json!({ "Size": "medium", "Key": "short", "Szie": "small" })),
        &[
            ("template::unknown_parameter", "parameters.Szie"),
            ("template::parameter_value", "parameters.Size"),
            ("template::parameter_value", "parameters.Key"),
            ("template::missing_parameter", "parameters"),
            ("stack::secret", "parameters.Key"),
        ],
    );
    let one = with(json!({ "Size": "small", "Key": "hunter2", "Vpc": "v" }));
    let mistakes = lower("stack.s", &one).problems;
    assert!(mistakes.len() == 2 && !format!("{mistakes:?}").contains("hunter2"), "{mistakes:?}");
}

#[test]
fn a_cluster_names_its_providers_in_order() {
    let fields = json!({
        "name": "c", "container_insights": "enhanced",
        "capacity_providers": ["FARGATE_SPOT", "FARGATE"],
        "default_capacity_provider_strategy": [
            { "provider": "FARGATE_SPOT", "weight": 3 }, { "provider": "FARGATE", "base": 1 },
        ],
    });
    assert_eq!(
        lower("cluster.main", &fields).value(),
        json!({
            "name": "c", "container_insights": "enhanced",
            "capacity_providers": ["FARGATE", "FARGATE_SPOT"],
            "default_capacity_provider_strategy": [
                { "capacityProvider": "FARGATE", "weight": 0, "base": 1 },
                { "capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0 },
            ],
        })
    );
    check(
        "cluster.main",
        &json!({ "name": "c", "default_capacity_provider_strategy": [{ "provider": "FARGATE" }] }),
        &[("cluster::unknown_provider", "default_capacity_provider_strategy")],
    );
}
