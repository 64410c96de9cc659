//! What an object really is, in the words of its resource type.

use serde_json::{Map, Value, json};

use crate::error::JsonError;
use crate::s3::Versioning;
use crate::tags::Tags;
use crate::world::World;
use crate::{ecr, logs, ssm};

/// What is found behind a resource.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cloudformation) enum Observed {
    /// The sandbox cannot compare this type.
    Unknown,
    Gone,
    Properties(Value),
}

/// Reads an object. `stack_tags` are on it by the stack's will, not the template's.
pub(in crate::cloudformation) fn observe(
    world: &mut World,
    now: f64,
    kind: &str,
    physical_id: &str,
    stack_tags: &Tags,
) -> Observed {
    let found = match kind {
        "AWS::SSM::Parameter" => parameter(world, now, physical_id, stack_tags),
        "AWS::ECR::Repository" => repository(world, now, physical_id, stack_tags),
        "AWS::Logs::LogGroup" => log_group(world, now, physical_id),
        "AWS::S3::Bucket" => bucket(world, physical_id, stack_tags),
        "AWS::S3::BucketPolicy" => bucket_policy(world, physical_id),
        _ => return Observed::Unknown,
    };
    found.map_or(Observed::Gone, Observed::Properties)
}

fn parameter(world: &mut World, now: f64, name: &str, stack_tags: &Tags) -> Option<Value> {
    let read = ssm::handle(world, now, "GetParameter", &json!({ "Name": name })).ok()?;
    let filter = json!({ "ParameterFilters": [{ "Key": "Name", "Values": [name] }] });
    let more = ssm::handle(world, now, "DescribeParameters", &filter).unwrap_or_default();
    let more = &more["Parameters"][0];
    let mut found = json!({
        "Name": name,
        "Type": read["Parameter"]["Type"],
        "Value": read["Parameter"]["Value"],
        "DataType": read["Parameter"]["DataType"],
    });
    for member in ["Description", "AllowedPattern", "Tier"] {
        if more[member].as_str().is_some_and(|text| !text.is_empty()) {
            found[member] = more[member].clone();
        }
    }
    let tags = json!({ "ResourceType": "Parameter", "ResourceId": name });
    let tags = ssm::handle(world, now, "ListTagsForResource", &tags).unwrap_or_default();
    let own = own_tags(pairs(&tags["TagList"]), stack_tags);
    found["Tags"] =
        own.into_iter().map(|(key, value)| (key, json!(value))).collect::<Map<_, _>>().into();
    Some(found)
}

fn repository(world: &mut World, now: f64, name: &str, stack_tags: &Tags) -> Option<Value> {
    let mut ask = |operation: &str, body: Value| -> Result<Value, JsonError> {
        ecr::handle(world, now, operation, &body)
    };
    let read = ask("DescribeRepositories", json!({ "repositoryNames": [name] })).ok()?;
    let read = &read["repositories"][0];
    let mut found = json!({
        "RepositoryName": name,
        "ImageTagMutability": read["imageTagMutability"],
        "ImageScanningConfiguration":
            { "ScanOnPush": read["imageScanningConfiguration"]["scanOnPush"] },
        "EncryptionConfiguration":
            { "EncryptionType": read["encryptionConfiguration"]["encryptionType"] },
    });
    let named = json!({ "repositoryName": name });
    if let Ok(policy) = ask("GetLifecyclePolicy", named.clone()) {
        found["LifecyclePolicy"] = json!({ "LifecyclePolicyText": policy["lifecyclePolicyText"] });
    }
    if let Ok(policy) = ask("GetRepositoryPolicy", named) {
        found["RepositoryPolicyText"] = policy["policyText"].clone();
    }
    let arn = json!({ "resourceArn": read["repositoryArn"] });
    let tags = ask("ListTagsForResource", arn).unwrap_or_default();
    found["Tags"] = listed(own_tags(pairs(&tags["tags"]), stack_tags));
    Some(found)
}

fn log_group(world: &mut World, now: f64, name: &str) -> Option<Value> {
    let asked = json!({ "logGroupNamePrefix": name });
    let read = logs::handle(world, now, "DescribeLogGroups", &asked).ok()?;
    let groups = read["logGroups"].as_array()?;
    let group = groups.iter().find(|group| group["logGroupName"] == name)?;
    let mut found = json!({ "LogGroupName": name });
    if !group["retentionInDays"].is_null() {
        found["RetentionInDays"] = group["retentionInDays"].clone();
    }
    Some(found)
}

fn bucket(world: &World, name: &str, stack_tags: &Tags) -> Option<Value> {
    let bucket = world.s3.get(name)?;
    let mut default = json!({ "SSEAlgorithm": bucket.encryption.algorithm });
    if let Some(key) = &bucket.encryption.key {
        default["KMSMasterKeyID"] = json!(key);
    }
    let mut found = json!({
        "BucketName": name,
        "BucketEncryption": { "ServerSideEncryptionConfiguration": [{
            "ServerSideEncryptionByDefault": default,
            "BucketKeyEnabled": bucket.encryption.bucket_key,
        }] },
        "Tags": listed(own_tags(bucket.tags.clone(), stack_tags)),
    });
    if let Some(versioning) = bucket.versioning {
        let status = if versioning == Versioning::Enabled { "Enabled" } else { "Suspended" };
        found["VersioningConfiguration"] = json!({ "Status": status });
    }
    if let Some(access) = bucket.public_access {
        found["PublicAccessBlockConfiguration"] = json!({
            "BlockPublicAcls": access.block_acls,
            "IgnorePublicAcls": access.ignore_acls,
            "BlockPublicPolicy": access.block_policy,
            "RestrictPublicBuckets": access.restrict_buckets,
        });
    }
    Some(found)
}

fn bucket_policy(world: &World, name: &str) -> Option<Value> {
    let policy = world.s3.get(name)?.policy.as_ref()?;
    Some(json!({ "Bucket": name, "PolicyDocument": policy }))
}

fn pairs(list: &Value) -> Tags {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = list.as_array().into_iter().flatten();
    tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// The tags that neither AWS nor the stack has put there.
fn own_tags(mut tags: Tags, stack_tags: &Tags) -> Tags {
    tags.retain(|key, value| !key.starts_with("aws:") && stack_tags.get(key) != Some(value));
    tags
}

fn listed(tags: Tags) -> Value {
    tags.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
