//! `AWS::S3::Bucket` and its policy.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Made, Subject, already_exists, handler_message, opaque, text};
use crate::s3::{self, Bucket, Encryption, PublicAccess, Versioning};
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let made = opaque::create(world, subject, properties);
    let name = &made.physical_id;
    if world.s3.get(name).is_some() {
        return Err(already_exists(world, &subject.kind, name));
    }
    if let Err(message) = s3::make_bucket(world, now, name) {
        return Err(refused(world, &message, "InvalidRequest"));
    }
    set(world, subject, name, properties)?;
    Ok(made)
}

pub(super) fn update(
    world: &mut World,
    subject: &Subject,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    set(world, subject, &made.physical_id, properties)?;
    Ok(opaque::update(subject, made, properties))
}

pub(super) fn delete(world: &mut World, name: &str) -> Result<(), String> {
    if !s3::is_empty(world, name) {
        let has_versions = world.s3.get(name).is_some_and(|bucket| bucket.versioning.is_some());
        let message = if has_versions {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        } else {
            "The bucket you tried to delete is not empty"
        };
        return Err(refused(world, message, "GeneralServiceException"));
    }
    s3::remove_bucket(world, name);
    Ok(())
}

pub(super) fn create_policy(
    world: &mut World,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let made = opaque::create(world, subject, properties);
    let name = text(&properties["Bucket"]);
    if world.s3.get(&name).is_some_and(|bucket| bucket.policy.is_some()) {
        return Err(already_exists(world, &subject.kind, &name));
    }
    set_policy(world, &name, properties)?;
    Ok(made)
}

pub(super) fn update_policy(
    world: &mut World,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    set_policy(world, &text(&properties["Bucket"]), properties)?;
    Ok(made.attributes.clone())
}

pub(super) fn delete_policy(world: &mut World, name: &str) {
    if let Some(bucket) = world.s3.get_mut(name) {
        bucket.policy = None;
    }
}

fn set_policy(world: &mut World, name: &str, properties: &Value) -> Result<(), String> {
    let policy = match &properties["PolicyDocument"] {
        Value::String(policy) => policy.clone(),
        policy => policy.to_string(),
    };
    found(world, name)?.policy = Some(policy);
    Ok(())
}

fn found<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Bucket, String> {
    if world.s3.get(name).is_none() {
        return Err(refused(world, "The specified bucket does not exist", "NotFound"));
    }
    world.s3.get_mut(name).ok_or_else(String::new)
}

fn refused(world: &mut World, message: &str, code: &str) -> String {
    let request = world.next_uuid();
    let message = format!("{message} (Service: S3, Status Code: 400, Request ID: {request})");
    handler_message(world, &message, code)
}

/// Sets what the sandbox knows of a bucket's properties.
fn set(world: &mut World, subject: &Subject, name: &str, properties: &Value) -> Result<(), String> {
    let encryption = encryption(world, &properties["BucketEncryption"])?;
    let mut tags = subject.tags(properties);
    tags.extend(subject.system_tags());
    let bucket = found(world, name)?;
    bucket.encryption = encryption;
    bucket.tags = tags;
    bucket.versioning = match text(&properties["VersioningConfiguration"]["Status"]).as_str() {
        "Enabled" => Some(Versioning::Enabled),
        "Suspended" => Some(Versioning::Suspended),
        // It cannot be taken back, only suspended.
        _ => bucket.versioning.map(|_| Versioning::Suspended),
    };
    bucket.public_access = Some(match &properties["PublicAccessBlockConfiguration"] {
        Value::Object(given) => {
            let flag = |name: &str| given.get(name).map(text).as_deref() == Some("true");
            PublicAccess {
                block_acls: flag("BlockPublicAcls"),
                ignore_acls: flag("IgnorePublicAcls"),
                block_policy: flag("BlockPublicPolicy"),
                restrict_buckets: flag("RestrictPublicBuckets"),
            }
        }
        _ => PublicAccess::default(),
    });
    Ok(())
}

fn encryption(world: &mut World, given: &Value) -> Result<Encryption, String> {
    let rule = &given["ServerSideEncryptionConfiguration"][0];
    let default = &rule["ServerSideEncryptionByDefault"];
    if default.is_null() {
        return Ok(Encryption::default());
    }
    let key = Some(text(&default["KMSMasterKeyID"])).filter(|key| !key.is_empty());
    let bucket_key = text(&rule["BucketKeyEnabled"]) == "true";
    Encryption::new(&text(&default["SSEAlgorithm"]), key, bucket_key).ok_or_else(|| {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        refused(world, message, "InvalidRequest")
    })
}
