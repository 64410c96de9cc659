//! `AWS::ECR::Repository`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, already_exists, service_message, text};
use crate::ecr;
use crate::error::JsonError;
use crate::tags::Tags;
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let name = match text(&properties["RepositoryName"]) {
        name if name.is_empty() => subject.generated_name(world, 200).to_lowercase(),
        name => name,
    };
    let tags = subject.tags(properties);
    let mut request = json!({ "repositoryName": name });
    if let Some(mutability) = properties["ImageTagMutability"].as_str() {
        request["imageTagMutability"] = json!(mutability);
    }
    let scanning = &properties["ImageScanningConfiguration"]["ScanOnPush"];
    if !scanning.is_null() {
        request["imageScanningConfiguration"] = json!({ "scanOnPush": text(scanning) == "true" });
    }
    if let Some(encryption) = properties["EncryptionConfiguration"].as_object() {
        request["encryptionConfiguration"] =
            json!({ "encryptionType": encryption.get("EncryptionType") });
    }
    if !tags.is_empty() {
        request["tags"] = list(&tags);
    }
    let answer = ecr::handle(world, now, "CreateRepository", &request).map_err(|error| {
        if error.code == "RepositoryAlreadyExistsException" {
            already_exists(world, &subject.kind, &name)
        } else {
            service_message(world, "Ecr", &error)
        }
    })?;
    // A refused policy fails the resource, which then exists: the rollback deletes it.
    let policies = policies(world, now, &name, &Value::Null, properties);
    if let Err(error) = policies {
        let _ = ecr::handle(world, now, "DeleteRepository", &json!({ "repositoryName": name }));
        return Err(service_message(world, "Ecr", &error));
    }
    ecr::add_system_tags(world, &name, subject.system_tags());
    let repository = &answer["repository"];
    let attributes = BTreeMap::from([
        ("Arn".to_owned(), repository["repositoryArn"].clone()),
        ("RepositoryUri".to_owned(), repository["repositoryUri"].clone()),
    ]);
    Ok(Made { physical_id: name, attributes })
}

pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    old: &Value,
    new: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    change(world, now, subject, made, old, new)
        .map_err(|error| service_message(world, "Ecr", &error))?;
    Ok(made.attributes.clone())
}

pub(super) fn delete(
    world: &mut World,
    now: f64,
    name: &str,
    properties: &Value,
) -> Result<(), String> {
    let force = text(&properties["EmptyOnDelete"]) == "true";
    let request = json!({ "repositoryName": name, "force": force });
    match ecr::handle(world, now, "DeleteRepository", &request) {
        Err(error) if error.code != "RepositoryNotFoundException" => {
            Err(service_message(world, "Ecr", &error))
        }
        _ => Ok(()),
    }
}

fn change(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    old: &Value,
    new: &Value,
) -> Result<(), JsonError> {
    let name = &made.physical_id;
    let mutability = new["ImageTagMutability"].as_str().unwrap_or("MUTABLE");
    let request = json!({ "repositoryName": name, "imageTagMutability": mutability });
    ecr::handle(world, now, "PutImageTagMutability", &request)?;
    let scan = text(&new["ImageScanningConfiguration"]["ScanOnPush"]) == "true";
    let request =
        json!({ "repositoryName": name, "imageScanningConfiguration": { "scanOnPush": scan } });
    ecr::handle(world, now, "PutImageScanningConfiguration", &request)?;
    policies(world, now, name, old, new)?;
    let wanted = subject.tags(new);
    let gone: Vec<String> =
        subject.tags(old).into_keys().filter(|key| !wanted.contains_key(key)).collect();
    let arn = &made.attributes["Arn"];
    if !gone.is_empty() {
        ecr::handle(world, now, "UntagResource", &json!({ "resourceArn": arn, "tagKeys": gone }))?;
    }
    if !wanted.is_empty() {
        ecr::handle(
            world,
            now,
            "TagResource",
            &json!({ "resourceArn": arn, "tags": list(&wanted) }),
        )?;
    }
    Ok(())
}

fn policies(
    world: &mut World,
    now: f64,
    name: &str,
    old: &Value,
    new: &Value,
) -> Result<(), JsonError> {
    let rules = &new["LifecyclePolicy"]["LifecyclePolicyText"];
    if !rules.is_null() {
        let request = json!({ "repositoryName": name, "lifecyclePolicyText": document(rules) });
        ecr::handle(world, now, "PutLifecyclePolicy", &request)?;
    } else if !old["LifecyclePolicy"].is_null() {
        ecr::handle(world, now, "DeleteLifecyclePolicy", &json!({ "repositoryName": name }))?;
    }
    let access = &new["RepositoryPolicyText"];
    if !access.is_null() {
        let request = json!({ "repositoryName": name, "policyText": document(access) });
        ecr::handle(world, now, "SetRepositoryPolicy", &request)?;
    } else if !old["RepositoryPolicyText"].is_null() {
        ecr::handle(world, now, "DeleteRepositoryPolicy", &json!({ "repositoryName": name }))?;
    }
    Ok(())
}

/// A policy that a template may write as text or as an object.
fn document(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
