//! What was changed within stacks looks like.

use super::{
    fixture::{at, empty, field},
    legible, markdown, styles,
};
use crate::views::{plan, value};
use bfd_core::{
    Value,
    plan::{DriftedResource, FieldChange, Plan, StackDrift},
};
use serde_json::json;

fn drifted() -> Plan {
    let resource = |logical_id: &str, type_name: &str, fields: Vec<FieldChange>| DriftedResource {
        logical_id: logical_id.to_owned(),
        type_name: type_name.to_owned(),
        deleted: fields.is_empty(),
        fields,
    };
    let password = FieldChange {
        sensitive: true,
        ..field("MasterUserPassword", json!("****"), json!("****"))
    };
    let rule = json!({ "CidrIp": "0.0.0.0/0", "FromPort": 22, "IpProtocol": "tcp", "ToPort": 22 });
    let policy = "arn:aws:iam::123456789012:policy/everything-that-the-people-of-the-kitchen-need";
    let resources = vec![
        resource("Database", "AWS::RDS::DBInstance", vec![password]),
        resource(
            "Network/Web",
            "AWS::EC2::SecurityGroup",
            vec![field("SecurityGroupIngress.1", Value::Null, rule)],
        ),
        resource("Queue", "AWS::SQS::Queue", vec![]),
        resource(
            "Role",
            "AWS::IAM::Role",
            vec![
                field("Description", json!("web"), json!("the web, for a while")),
                field("ManagedPolicyArns.0", json!(policy), json!("arn:aws:iam::aws:policy/All")),
            ],
        ),
    ];
    let quiet =
        StackDrift { address: at("stack.logs"), in_sync: 2, not_checked: 1, resources: vec![] };
    let data = StackDrift { address: at("stack.data"), in_sync: 12, not_checked: 3, resources };
    Plan { stack_drift: vec![data, quiet], ..empty() }
}

#[test]
fn what_changed_within_stacks_is_told_by_its_resources() {
    for (how, style) in styles() {
        let text = legible(&plan::text(&drifted(), &style));
        insta::assert_snapshot!(format!("stack_drift_{how}"), text);
    }
}

#[test]
fn reviewers_get_it_folded() {
    insta::assert_snapshot!("stack_drift_markdown", markdown(&drifted()));
}

#[test]
fn programs_get_it_beside_the_drift_of_inputs() {
    let json = plan::json(&drifted());
    super::promises::check_schema(&plan::schema(), &json);
    assert_eq!(plan::json(&empty()).get("stack_drift"), None, "nobody asked");
    insta::assert_snapshot!("stack_drift_json", value::pretty(&json["stack_drift"]));
}

#[test]
fn stacks_without_a_change_are_told_as_looked_at() {
    let mut plan = drifted();
    plan.stack_drift.remove(0);

    let text = plan::text(&plan, &styles()[0].1);

    assert!(text.contains("Nothing changed within stacks"), "{text}");
    assert!(text.contains("2 as the template says"), "{text}");
    assert!(text.contains("No changes. dev is as declared"), "{text}");
}
