//! What was changed behind a stack's back, and deletions that leave things behind.

use serde_json::json;

use super::{Lab, all, text};
use crate::{ecr, logs, s3, ssm};

const PROTECTED: &str = r#"{ "Resources": {
    "Repository": { "Type": "AWS::ECR::Repository", "Properties": { "RepositoryName": "app" } },
    "Parameter": { "Type": "AWS::SSM::Parameter",
        "Properties": { "Name": "/a", "Type": "String", "Value": "1" } }
} }"#;

fn template() -> String {
    json!({ "Resources": {
        "Parameter": { "Type": "AWS::SSM::Parameter", "Properties": {
            "Name": "/a", "Type": "String", "Value": "1",
            "Tags": { "own": "1", "everywhere": "yes" } } },
        "Repository": { "Type": "AWS::ECR::Repository", "Properties": {
            "RepositoryName": "app", "ImageTagMutability": "IMMUTABLE",
            "LifecyclePolicy": { "LifecyclePolicyText": "{ \"rules\": [{ \"rulePriority\": 1, \"selection\": { \"tagStatus\": \"untagged\", \"countType\": \"imageCountMoreThan\", \"countNumber\": 5 }, \"action\": { \"type\": \"expire\" } }] }" },
            "Tags": [{ "Key": "everywhere", "Value": "yes" }, { "Key": "own", "Value": "1" }] } },
        "Logs": { "Type": "AWS::Logs::LogGroup",
            "Properties": { "LogGroupName": "/app", "RetentionInDays": 7 } },
        "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "objects",
            "VersioningConfiguration": { "Status": "Enabled" } } },
        "Network": { "Type": "AWS::EC2::VPC", "Properties": { "CidrBlock": "10.0.0.0/16" } },
    } })
    .to_string()
}

impl Lab {
    fn with_objects() -> Self {
        let mut lab = Self::new();
        lab.ok(
            "CreateStack",
            &[
                ("StackName", "stack"),
                ("TemplateBody", &template()),
                ("Tags.member.1.Key", "everywhere"),
                ("Tags.member.1.Value", "yes"),
            ],
        );
        assert_eq!(lab.settled("stack"), "CREATE_COMPLETE");
        lab
    }

    /// Looks for drift and gives the answer to the question how that went.
    fn detect(&mut self) -> String {
        let answer = self.ok("DetectStackDrift", &[("StackName", "stack")]);
        let id = text(&answer, "StackDriftDetectionId").unwrap();
        let ask = [("StackDriftDetectionId", id.as_str())];
        let early = self.ok("DescribeStackDriftDetectionStatus", &ask);
        assert_eq!(text(&early, "DetectionStatus").unwrap(), "DETECTION_IN_PROGRESS");
        self.wait(5.0);
        let answer = self.ok("DescribeStackDriftDetectionStatus", &ask);
        assert_eq!(text(&answer, "DetectionStatus").unwrap(), "DETECTION_COMPLETE");
        answer
    }

    /// `LogicalId STATUS` and every difference of each.
    fn drifts(&mut self) -> Vec<String> {
        let answer = self.ok("DescribeStackResourceDrifts", &[("StackName", "stack")]);
        let mut lines = Vec::new();
        for member in all(&answer, "member") {
            let part = |name: &str| text(&member, name).unwrap_or_default();
            if member.starts_with("<StackId>") {
                lines.push(format!(
                    "{} {}",
                    part("LogicalResourceId"),
                    part("StackResourceDriftStatus")
                ));
            } else {
                lines.push(format!(
                    "{} {} -> {} {}",
                    part("PropertyPath"),
                    part("ExpectedValue"),
                    part("ActualValue"),
                    part("DifferenceType")
                ));
            }
        }
        lines
    }

    fn ssm(&mut self, operation: &str, body: &serde_json::Value) {
        ssm::handle(&mut self.world, self.now, operation, body).unwrap();
    }

    fn ecr(&mut self, operation: &str, body: &serde_json::Value) {
        ecr::handle(&mut self.world, self.now, operation, body).unwrap();
    }
}

#[test]
fn what_nobody_touched_is_in_sync() {
    let mut lab = Lab::with_objects();
    let found = lab.ok("DescribeStacks", &[("StackName", "stack")]);
    assert_eq!(text(&found, "StackDriftStatus").unwrap(), "NOT_CHECKED");
    let found = lab.detect();
    assert_eq!(text(&found, "StackDriftStatus").unwrap(), "IN_SYNC");
    assert_eq!(
        lab.drifts(),
        ["Bucket IN_SYNC", "Logs IN_SYNC", "Parameter IN_SYNC", "Repository IN_SYNC"],
        "the network cannot be compared"
    );
    let found = lab.ok("DescribeStacks", &[("StackName", "stack")]);
    assert_eq!(text(&found, "StackDriftStatus").unwrap(), "IN_SYNC");
}

#[test]
fn every_difference_is_named() {
    let mut lab = Lab::with_objects();
    let put = json!({ "Name": "/a", "Value": "2", "Type": "String", "Overwrite": true });
    lab.ssm("PutParameter", &put);
    lab.ssm(
        "AddTagsToResource",
        &json!({ "ResourceType": "Parameter", "ResourceId": "/a",
        "Tags": [{ "Key": "new", "Value": "x" }] }),
    );
    lab.ecr(
        "PutImageTagMutability",
        &json!({ "repositoryName": "app", "imageTagMutability": "MUTABLE" }),
    );
    lab.ecr("DeleteLifecyclePolicy", &json!({ "repositoryName": "app" }));
    let group = json!({ "logGroupName": "/app" });
    logs::handle(&mut lab.world, lab.now, "DeleteLogGroup", &group).unwrap();
    lab.world.s3.get_mut("objects").unwrap().versioning = Some(s3::Versioning::Suspended);
    let found = lab.detect();
    assert_eq!(text(&found, "StackDriftStatus").unwrap(), "DRIFTED");
    assert_eq!(text(&found, "DriftedStackResourceCount").unwrap(), "4");
    assert_eq!(
        lab.drifts(),
        [
            "Bucket MODIFIED",
            "/VersioningConfiguration/Status Enabled -> Suspended NOT_EQUAL",
            "Logs DELETED",
            "Parameter MODIFIED",
            "/Tags/new null -> x ADD",
            "/Value 1 -> 2 NOT_EQUAL",
            "Repository MODIFIED",
            "/ImageTagMutability IMMUTABLE -> MUTABLE NOT_EQUAL",
            "/LifecyclePolicy {\"LifecyclePolicyText\":\"{ \\\"rules\\\": [{ \\\"rulePriority\\\": 1, \\\"selection\\\": { \\\"tagStatus\\\": \\\"untagged\\\", \\\"countType\\\": \\\"imageCountMoreThan\\\", \\\"countNumber\\\": 5 }, \\\"action\\\": { \\\"type\\\": \\\"expire\\\" } }] }\"} -> null REMOVE",
        ]
    );
    let only = [("StackName", "stack"), ("StackResourceDriftStatusFilters.member.1", "DELETED")];
    let answer = lab.ok("DescribeStackResourceDrifts", &only);
    assert_eq!(text(&answer, "LogicalResourceId").unwrap(), "Logs");
    let read = lab.ok("DescribeStackResources", &[("StackName", "stack")]);
    assert!(read.contains("<StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>"));

    let changed = template().replace("\"1\",\"Tags\"", "\"3\",\"Tags\"");
    let changed = changed.replace("\"Value\":\"1\"", "\"Value\":\"3\"");
    lab.ok("UpdateStack", &[("StackName", "stack"), ("TemplateBody", &changed)]);
    lab.settled("stack");
    let found = lab.ok("DescribeStacks", &[("StackName", "stack")]);
    assert_eq!(text(&found, "StackDriftStatus").unwrap(), "NOT_CHECKED", "after an update");
}

#[test]
fn drift_is_looked_for_in_a_stack_at_rest() {
    let mut lab = Lab::new();
    lab.create("stack", PROTECTED);
    let (code, message) = lab.refused("DetectStackDrift", &[("StackName", "stack")]);
    assert_eq!(code, "ValidationError");
    assert!(message.contains("CREATE_IN_PROGRESS"), "{message}");
    lab.settled("stack");
    lab.ok("DetectStackDrift", &[("StackName", "stack")]);
    let (_, message) = lab.refused("DetectStackDrift", &[("StackName", "stack")]);
    assert!(message.contains("already in progress"), "{message}");
}

#[test]
fn a_forced_deletion_leaves_behind_what_does_not_go() {
    let mut lab = Lab::new();
    lab.create("stack", PROTECTED);
    lab.settled("stack");
    let force = [("StackName", "stack"), ("DeletionMode", "FORCE_DELETE_STACK")];
    let (_, message) = lab.refused("DeleteStack", &force);
    assert!(message.contains("only when the stack is in the DELETE_FAILED state"), "{message}");
    ecr::push_minimal_image(&mut lab.world, lab.now, "app", "v1").unwrap();
    lab.ok("DeleteStack", &[("StackName", "stack")]);
    assert_eq!(lab.settled("stack"), "DELETE_FAILED");
    let id = text(&lab.ok("DescribeStacks", &[("StackName", "stack")]), "StackId").unwrap();
    lab.ok("DeleteStack", &force);
    assert_eq!(lab.settled(&id), "DELETE_COMPLETE");
    let described = lab.ok("DescribeStacks", &[("StackName", &id)]);
    assert_eq!(text(&described, "DeletionMode").unwrap(), "FORCE_DELETE_STACK");
    assert!(lab.events(&id).iter().any(|event| event.starts_with("Repository DELETE_SKIPPED")));
    assert!(lab.world.ecr.resolve("app:v1").is_some(), "left behind");
    assert_eq!(lab.parameter("/a"), None);
}
