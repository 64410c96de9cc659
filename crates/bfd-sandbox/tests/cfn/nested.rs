//! Templates in S3, stacks within stacks, and rules.

use aws_sdk_cloudformation::types::{Parameter, Stack, StackStatus};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use serde_json::{Value, json};

use crate::Lab;

const REGION: &str = "ap-southeast-1";

impl Lab {
    async fn with_bucket() -> Self {
        let lab = Self::new();
        let place = BucketLocationConstraint::from(REGION);
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        let create = lab.s3().create_bucket().bucket("templates");
        create.create_bucket_configuration(place).send().await.expect("creates");
        lab
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    /// Puts a template and gives its address.
    async fn put(&self, key: &str, template: &Value) -> String {
        let body = ByteStream::from(template.to_string().into_bytes());
        let put = self.s3().put_object().bucket("templates").key(key).body(body);
        put.send().await.expect("puts");
        format!("https://templates.s3.{REGION}.amazonaws.com/{key}")
    }

    async fn create(&self, name: &str, url: &str) -> StackStatus {
        let create = self.client.create_stack().stack_name(name).template_url(url);
        create.send().await.expect("creates");
        self.settled(name).await
    }

    async fn update(&self, name: &str, url: &str) -> StackStatus {
        let update = self.client.update_stack().stack_name(name).template_url(url);
        update.send().await.expect("updates");
        self.settled(name).await
    }

    async fn stack(&self, name: &str) -> Stack {
        let read = self.client.describe_stacks().stack_name(name).send().await;
        read.expect("describes").stacks.expect("stacks").remove(0)
    }

    async fn child(&self, parent: &str, logical_id: &str) -> String {
        let read = self.client.describe_stack_resource();
        let read = read.stack_name(parent).logical_resource_id(logical_id).send().await;
        let detail = read.expect("describes").stack_resource_detail.expect("a resource");
        detail.physical_resource_id.expect("an id")
    }

    async fn reasons(&self, name: &str) -> Vec<String> {
        let read = self.client.describe_stack_events().stack_name(name).send().await;
        let events = read.expect("describes").stack_events.expect("events");
        events.into_iter().filter_map(|event| event.resource_status_reason).collect()
    }
}

/// A stack with one parameter of SSM, whose value comes in and goes out.
fn leaf(name: &str) -> Value {
    json!({
        "Parameters": { "Value": { "Type": "String", "Default": "default" } },
        "Resources": { "Parameter": { "Type": "AWS::SSM::Parameter",
            "Properties": { "Name": name, "Type": "String", "Value": { "Ref": "Value" } } } },
        "Outputs": { "Value": { "Value": { "Fn::GetAtt": ["Parameter", "Value"] } } },
    })
}

/// A stack with another one in it, and a parameter of SSM that reads what that puts out.
fn branch(url: &str, value: &str, reader: &str) -> Value {
    json!({
        "Resources": {
            "Child": { "Type": "AWS::CloudFormation::Stack",
                "Properties": { "TemplateURL": url, "Parameters": { "Value": value } } },
            "Reader": { "Type": "AWS::SSM::Parameter", "Properties": { "Name": reader,
                "Type": "String", "Value": { "Fn::GetAtt": ["Child", "Outputs.Value"] } } },
        },
        "Outputs": { "Value": { "Value": { "Fn::GetAtt": ["Child", "Outputs.Value"] } } },
    })
}

#[tokio::test(start_paused = true)]
async fn values_go_down_and_come_up_again() {
    let lab = Lab::with_bucket().await;
    let leaf = lab.put("leaf.json", &leaf("/leaf")).await;
    let middle = lab
        .put("middle.json", &{
            let mut middle = branch(&leaf, "", "/middle");
            middle["Parameters"] = json!({ "Value": { "Type": "String" } });
            middle["Resources"]["Child"]["Properties"]["Parameters"]["Value"] =
                json!({ "Ref": "Value" });
            middle
        })
        .await;
    let top = lab.put("top.json", &branch(&middle, "one", "/top")).await;
    assert_eq!(lab.create("top", &top).await, StackStatus::CreateComplete);
    for name in ["/leaf", "/middle", "/top"] {
        assert_eq!(lab.sandbox.parameter(name).as_deref(), Some("one"), "{name}");
    }
    let root = lab.stack("top").await;
    let middle_id = lab.child("top", "Child").await;
    let leaf_id = lab.child(&middle_id, "Child").await;
    let middle = lab.stack(&middle_id).await;
    assert_eq!(middle.parent_id, root.stack_id);
    let inner = lab.stack(&leaf_id).await;
    assert_eq!(inner.parent_id.as_deref(), Some(middle_id.as_str()));
    assert_eq!(inner.root_id, root.stack_id);
    assert!(inner.stack_name().expect("a name").starts_with("top-Child-"));
    assert_eq!(root.root_id, None);

    let protect = async |name: &str, flag: bool| {
        let set = lab.client.update_termination_protection().stack_name(name);
        set.enable_termination_protection(flag).send().await
    };
    protect(&middle_id, true).await.expect_err("it is the root's");
    protect("top", true).await.expect("protects");
    assert_eq!(lab.stack(&leaf_id).await.enable_termination_protection, Some(true));
    lab.client.delete_stack().stack_name(&leaf_id).send().await.expect_err("protected");
    protect("top", false).await.expect("no more");

    let top = lab.put("top2.json", &branch(&lab_url("middle.json"), "two", "/top")).await;
    assert_eq!(lab.update("top", &top).await, StackStatus::UpdateComplete);
    for name in ["/leaf", "/middle", "/top"] {
        assert_eq!(lab.sandbox.parameter(name).as_deref(), Some("two"), "{name}");
    }
    assert_eq!(lab.child("top", "Child").await, middle_id, "changed in place");

    lab.client.delete_stack().stack_name("top").send().await.expect("deletes");
    let id = root.stack_id.expect("an id");
    assert_eq!(lab.settled(&id).await, StackStatus::DeleteComplete);
    assert_eq!(lab.settled(&leaf_id).await, StackStatus::DeleteComplete);
    for name in ["/leaf", "/middle", "/top"] {
        assert_eq!(lab.sandbox.parameter(name), None, "{name}");
    }
}

fn lab_url(key: &str) -> String {
    format!("https://s3.{REGION}.amazonaws.com/templates/{key}")
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_fails_its_parent_and_is_deleted() {
    let lab = Lab::with_bucket().await;
    let bad = json!({ "Resources": {
        "Bad": { "Type": "AWS::SSM::Parameter", "Properties": { "Type": "Other", "Value": "x" } },
    }, "Parameters": { "Value": { "Type": "String" } } });
    let url = lab.put("bad.json", &bad).await;
    let top = lab.put("top.json", &branch(&url, "one", "/top")).await;
    assert_eq!(lab.create("top", &top).await, StackStatus::RollbackComplete);
    let reasons = lab.reasons("top").await;
    let reason = reasons.iter().find(|reason| reason.starts_with("Embedded stack arn:"));
    let reason = reason.unwrap_or_else(|| panic!("{reasons:?}"));
    assert!(
        reason.contains(
            "was not successfully created: The following resource(s) failed to create: [Bad]"
        ),
        "{reason}"
    );
    let id = reason.split(' ').nth(2).expect("an id");
    assert_eq!(lab.stack(id).await.stack_status, Some(StackStatus::DeleteComplete));
}

#[tokio::test(start_paused = true)]
async fn an_update_that_fails_takes_the_children_back() {
    let lab = Lab::with_bucket().await;
    let leaf_url = lab.put("leaf.json", &leaf("/leaf")).await;
    let top = lab.put("top.json", &branch(&leaf_url, "one", "/top")).await;
    assert_eq!(lab.create("top", &top).await, StackStatus::CreateComplete);
    let child = lab.child("top", "Child").await;

    // The parent fails after its child has changed.
    let mut failing = branch(&leaf_url, "two", "/top");
    failing["Resources"]["Late"] = json!({ "Type": "AWS::SSM::Parameter", "DependsOn": "Child",
        "Properties": { "Type": "Other", "Value": "x" } });
    let failing = lab.put("failing.json", &failing).await;
    assert_eq!(lab.update("top", &failing).await, StackStatus::UpdateRollbackComplete);
    assert_eq!(lab.sandbox.parameter("/leaf").as_deref(), Some("one"));
    assert_eq!(lab.sandbox.parameter("/top").as_deref(), Some("one"));

    // The child fails.
    let mut bad = leaf("/leaf");
    bad["Resources"]["Bad"] =
        json!({ "Type": "AWS::SSM::Parameter", "Properties": { "Type": "Other", "Value": "x" } });
    let bad = lab.put("bad.json", &bad).await;
    let failing = lab.put("failing.json", &branch(&bad, "three", "/top")).await;
    assert_eq!(lab.update("top", &failing).await, StackStatus::UpdateRollbackComplete);
    assert_eq!(lab.sandbox.parameter("/leaf").as_deref(), Some("one"));
    let reasons = lab.reasons("top").await;
    assert!(
        reasons
            .iter()
            .any(|reason| reason
                .contains("was not successfully updated. Currently in UPDATE_ROLLBACK")),
        "{reasons:?}"
    );
    assert_eq!(lab.stack(&child).await.stack_status, Some(StackStatus::UpdateRollbackComplete));

    // Neither stands in the way of the next update.
    let top = lab.put("top.json", &branch(&leaf_url, "four", "/top")).await;
    assert_eq!(lab.update("top", &top).await, StackStatus::UpdateComplete);
    assert_eq!(lab.sandbox.parameter("/top").as_deref(), Some("four"));

    // One that does not get as far as the child leaves it as the last good one did.
    let top = lab.put("top.json", &branch(&lab_url("none.json"), "five", "/top")).await;
    assert_eq!(lab.update("top", &top).await, StackStatus::UpdateRollbackComplete);
    assert_eq!(lab.sandbox.parameter("/leaf").as_deref(), Some("four"));
}

#[tokio::test(start_paused = true)]
async fn templates_that_cannot_be_read() {
    let lab = Lab::with_bucket().await;
    let refused = async |url: &str| {
        let create = lab.client.create_stack().stack_name("top").template_url(url).send().await;
        let error = create.expect_err("refused").into_service_error();
        error.meta().message().unwrap_or_default().to_owned()
    };
    assert_eq!(refused("s3://templates/leaf.json").await, "TemplateURL must be a supported URL.");
    let elsewhere = refused("https://other.s3.amazonaws.com/leaf.json").await;
    assert!(elsewhere.starts_with("S3 error: Access Denied"), "{elsewhere}");
    let missing = refused(&lab_url("none.json")).await;
    assert!(missing.starts_with("S3 error: The specified key does not exist."), "{missing}");
    let none = branch("https://other.s3.amazonaws.com/leaf.json", "one", "/top");
    let top = lab.put("top.json", &none).await;
    assert_eq!(lab.create("top", &top).await, StackStatus::RollbackComplete);
    let reasons = lab.reasons("top").await;
    assert!(reasons.iter().any(|reason| reason.starts_with("S3 error: Access Denied")));

    let leaf = lab.put("leaf.json", &leaf("/leaf")).await;
    let mut unread = branch(&leaf, "one", "/top");
    unread["Resources"]["Reader"]["Properties"]["Value"] =
        json!({ "Fn::GetAtt": ["Child", "Outputs.Other"] });
    let url = lab.put("unread.json", &unread).await;
    assert_eq!(lab.create("unread", &url).await, StackStatus::RollbackComplete);
    let reasons = lab.reasons("unread").await;
    assert!(
        reasons.iter().any(|reason| reason.starts_with("Output 'Other' not found")),
        "{reasons:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn rules_are_checked_before_anything_is_made() {
    let lab = Lab::with_bucket().await;
    let mut template = leaf("/leaf");
    template["Rules"] = json!({ "Check": {
        "RuleCondition": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Value" }, "anything"] }] },
        "Assertions": [{
            "Assert": { "Fn::Not": [{ "Fn::Contains": [["1", "2"], { "Ref": "Value" }] }] },
            "AssertDescription": "a newer version is required",
        }, {
            "Assert": { "Fn::EachMemberIn": [[{ "Ref": "Value" }], ["3", "4"]] },
        }],
    } });
    let create = async |value: &str| {
        let value = Parameter::builder().parameter_key("Value").parameter_value(value).build();
        let create = lab.client.create_stack().stack_name("ruled").parameters(value);
        create.template_body(template.to_string()).send().await
    };
    for (value, reason) in [("1", "a newer version is required"), ("5", "Assertion failed")] {
        let error = create(value).await.expect_err("refused").into_service_error();
        let message = error.meta().message().unwrap_or_default();
        assert!(message.ends_with(reason), "{message}");
    }
    create("3").await.expect("creates");
    assert_eq!(lab.settled("ruled").await, StackStatus::CreateComplete);
}
