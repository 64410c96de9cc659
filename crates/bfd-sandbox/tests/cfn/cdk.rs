//! What the CDK makes: every stack of two assemblies, from bootstrapping to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, StackStatus, Tag};
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use crate::Lab;

const BUCKET: &str = "cdk-hnb659fds-assets-123456789012-ap-southeast-1";

const EXECUTION: &str =
    "arn:aws:iam::123456789012:role/cdk-hnb659fds-cfn-exec-role-123456789012-ap-southeast-1";

/// A stack of an assembly.
#[derive(Debug)]
struct Declared {
    name: String,
    template: String,
    tags: BTreeMap<String, String>,
}

fn assembly(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/cdk").join(name)
}

fn read(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn filled(value: &Value) -> String {
    let text = value.as_str().expect("text");
    text.replace("${AWS::Partition}", "aws")
        .replace("${AWS::AccountId}", "123456789012")
        .replace("${AWS::Region}", "ap-southeast-1")
}

/// The directories of an assembly and of those in it.
fn directories(root: &Path) -> Vec<PathBuf> {
    let manifest = read(&root.join("manifest.json"));
    let nested = manifest["artifacts"].as_object().expect("artifacts").values();
    let nested = nested.filter_map(|artifact| artifact["properties"]["directoryName"].as_str());
    let mut all = vec![root.to_owned()];
    all.extend(nested.flat_map(|name| directories(&root.join(name))));
    all
}

/// Every stack after those that it depends on.
fn stacks(root: &Path) -> Vec<Declared> {
    let mut ordered = Vec::new();
    for directory in directories(root) {
        let manifest = read(&directory.join("manifest.json"));
        let artifacts = manifest["artifacts"].as_object().expect("artifacts");
        let is_stack = |id: &str| artifacts[id]["type"] == "aws:cloudformation:stack";
        let mut left: Vec<&String> = artifacts.keys().filter(|id| is_stack(id)).collect();
        let mut done = BTreeSet::new();
        while !left.is_empty() {
            let at = left.iter().position(|id| {
                let needs = artifacts[*id]["dependencies"].as_array().into_iter().flatten();
                needs.filter_map(Value::as_str).all(|need| {
                    done.contains(need) || !artifacts.contains_key(need) || !is_stack(need)
                })
            });
            let id = left.remove(at.expect("no circles"));
            done.insert(id.as_str());
            let properties = &artifacts[id]["properties"];
            let address = filled(&properties["stackTemplateAssetObjectUrl"]);
            let key = address.rsplit('/').next().expect("a key").to_owned();
            ordered.push(Declared {
                name: properties["stackName"].as_str().unwrap_or(id).to_owned(),
                template: key,
                tags: serde_json::from_value(properties["tags"].clone()).unwrap_or_default(),
            });
        }
    }
    ordered
}

/// What the bootstrapping makes has to be there when a stack asks for it.
#[tokio::test(start_paused = true)]
async fn roles_and_code_have_to_be_there() {
    let lab = Lab::new();
    let role = |arn: &str| {
        let create = lab.client.create_stack().stack_name("stack").role_arn(arn);
        create.template_body(include_str!("bootstrap.json")).send()
    };
    for arn in [
        EXECUTION,
        "arn:aws:iam::123456789012:role/cdk-hnb659fds-file-publishing-role-123456789012-ap-southeast-1",
    ] {
        let error = role(arn).await.expect_err("refused").into_service_error();
        assert_eq!(
            error.meta().message(),
            Some(format!("Role {arn} is invalid or cannot be assumed").as_str())
        );
        // The second is there, but not for CloudFormation.
        if arn == EXECUTION {
            bootstrap(&lab).await;
        }
    }
    let code = |bucket: &str| {
        serde_json::json!({ "Resources": { "Function": { "Type": "AWS::Lambda::Function",
            "Properties": { "Role": "arn:aws:iam::123456789012:role/any",
                "Code": { "S3Bucket": bucket, "S3Key": "code.zip" } } } } })
        .to_string()
    };
    for (name, bucket, missing) in [("a", BUCKET, "NoSuchKey"), ("b", "other", "NoSuchBucket")] {
        let create = lab.client.create_stack().stack_name(name).template_body(code(bucket));
        create.send().await.expect("begins");
        assert_eq!(lab.settled(name).await, StackStatus::RollbackComplete);
        let events = lab.client.describe_stack_events().stack_name(name).send().await;
        let events = events.expect("events").stack_events.expect("events");
        let reasons = events.iter().filter_map(|event| event.resource_status_reason());
        assert!(reasons.into_iter().any(|reason| reason.contains(missing)), "{events:?}");
    }
}

async fn bootstrap(lab: &Lab) {
    let create = lab.client.create_stack().stack_name("CDKToolkit");
    let create = create.template_body(include_str!("bootstrap.json"));
    create.capabilities(Capability::CapabilityNamedIam).send().await.expect("creates");
    assert_eq!(lab.settled("CDKToolkit").await, StackStatus::CreateComplete);
}

/// Publishes the assets of an assembly as the CDK would.
async fn publish(lab: &Lab, root: &Path) {
    let s3 = aws_sdk_s3::Client::new(&lab.config);
    for directory in directories(root) {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if !path.to_string_lossy().ends_with(".assets.json") {
                continue;
            }
            let manifest = read(&path);
            for file in manifest["files"].as_object().expect("files").values() {
                let source = directory.join(file["source"]["path"].as_str().expect("a path"));
                let bytes = match file["source"]["packaging"].as_str() {
                    Some("zip") => b"an archive".to_vec(),
                    _ => std::fs::read(source).expect("a file"),
                };
                for destination in file["destinations"].as_object().expect("some").values() {
                    let put = s3.put_object().bucket(filled(&destination["bucketName"]));
                    let put = put.key(filled(&destination["objectKey"]));
                    put.body(ByteStream::from(bytes.clone())).send().await.expect("puts");
                }
            }
            for image in manifest["dockerImages"].as_object().expect("images").values() {
                for destination in image["destinations"].as_object().expect("some").values() {
                    let name = filled(&destination["repositoryName"]);
                    lab.sandbox.push_image(&name, &filled(&destination["imageTag"]));
                }
            }
        }
    }
}

/// Deploys a stack through a change set; `None` when there is nothing to change.
async fn deploy(lab: &Lab, stack: &Declared) -> Option<StackStatus> {
    let known = lab.client.describe_stacks().stack_name(&stack.name).send().await.is_ok();
    let kind = if known { ChangeSetType::Update } else { ChangeSetType::Create };
    if known {
        let delete = lab.client.delete_change_set().stack_name(&stack.name);
        delete.change_set_name("cdk-deploy-change-set").send().await.expect("deletes");
    }
    let tags = stack.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let set = lab
        .client
        .create_change_set()
        .stack_name(&stack.name)
        .change_set_name("cdk-deploy-change-set")
        .change_set_type(kind)
        .template_url(format!(
            "https://s3.ap-southeast-1.amazonaws.com/{BUCKET}/{}",
            stack.template
        ))
        .role_arn(EXECUTION)
        .notification_arns("arn:aws:sns:ap-southeast-1:123456789012:events")
        .set_tags(Some(tags.collect()))
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .include_nested_stacks(true);
    let set = set.send().await.unwrap_or_else(|error| panic!("{}: {error:?}", stack.name));
    let id = set.id.expect("an id");
    loop {
        let read = lab.client.describe_change_set().change_set_name(&id).send().await;
        let read = read.expect("describes");
        assert_eq!(read.include_nested_stacks(), Some(true));
        match read.status {
            Some(ChangeSetStatus::CreateComplete) => break,
            Some(ChangeSetStatus::Failed) => {
                let reason = read.status_reason.unwrap_or_default();
                assert!(reason.contains("didn't contain changes"), "{}: {reason}", stack.name);
                lab.client.delete_change_set().change_set_name(id).send().await.expect("deletes");
                return None;
            }
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    lab.client.execute_change_set().change_set_name(id).send().await.expect("executes");
    let status = lab.settled(&stack.name).await;
    if !status.as_str().ends_with("_COMPLETE") || status.as_str().contains("ROLLBACK") {
        let events = lab.client.describe_stack_events().stack_name(&stack.name).send().await;
        panic!("{}: {status}: {:#?}", stack.name, events.expect("events").stack_events);
    }
    Some(status)
}

#[tokio::test(start_paused = true)]
async fn two_assemblies_from_the_first_stack_to_the_last() {
    let lab = Lab::new();
    bootstrap(&lab).await;
    let (first, second) = (assembly("cdk.out"), assembly("cdk.out.changed"));
    publish(&lab, &first).await;
    let declared = stacks(&first);
    assert_eq!(declared.len(), 15);
    for stack in &declared {
        assert_eq!(deploy(&lab, stack).await, Some(StackStatus::CreateComplete), "{}", stack.name);
    }
    let queue = lab.sandbox.parameter("/bellyfed-cdk/kitchen/queue").expect("from a nested stack");
    assert!(queue.starts_with("arn:aws:sqs:"), "{queue}");
    assert!(lab.sandbox.parameter("/bellyfed-cdk/kitchen/topic").is_some(), "made by it");
    for stack in &declared {
        assert_eq!(deploy(&lab, stack).await, None, "{}", stack.name);
    }

    publish(&lab, &second).await;
    let changed = stacks(&second);
    assert_eq!(changed.len(), 16);
    let mut outcomes = BTreeMap::new();
    for stack in &changed {
        let outcome = deploy(&lab, stack).await;
        outcomes
            .entry(outcome.map(|status| status.to_string()))
            .or_insert(Vec::new())
            .push(&stack.name);
    }
    assert_eq!(outcomes[&Some("CREATE_COMPLETE".to_owned())].len(), 1, "{outcomes:?}");
    assert!(outcomes[&Some("UPDATE_COMPLETE".to_owned())].len() > 1, "{outcomes:?}");
    for stack in &changed {
        assert_eq!(deploy(&lab, stack).await, None, "{}", stack.name);
    }

    for stack in changed.iter().rev() {
        lab.client.delete_stack().stack_name(&stack.name).send().await.expect("deletes");
        loop {
            let read = lab.client.describe_stacks().stack_name(&stack.name).send().await;
            let Ok(read) = read else { break };
            let status = read.stacks()[0].stack_status().expect("a status");
            assert_eq!(status, &StackStatus::DeleteInProgress, "{}", stack.name);
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }
    assert_eq!(lab.sandbox.parameter("/bellyfed-cdk/kitchen/topic"), None, "nested ones, too");
}
