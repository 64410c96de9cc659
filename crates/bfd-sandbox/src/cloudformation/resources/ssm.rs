//! `AWS::SSM::Parameter`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, already_exists, service_message, text};
use crate::ssm;
use crate::tags::Tags;
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let name = match text(&properties["Name"]) {
        name if name.is_empty() => format!("CFN-{}", subject.generated_name(world, 1000)),
        name => name,
    };
    let tags = subject.tags(properties);
    let mut request = request(&name, properties)?;
    if !tags.is_empty() {
        request["Tags"] =
            tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    }
    ssm::handle(world, now, "PutParameter", &request).map_err(|error| {
        if error.code == "ParameterAlreadyExists" {
            already_exists(world, &subject.kind, &name)
        } else {
            service_message(world, "Ssm", &error)
        }
    })?;
    ssm::add_system_tags(world, &name, subject.system_tags());
    Ok(Made { attributes: attributes(&name, properties), physical_id: name })
}

pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    let name = &made.physical_id;
    let mut request = request(name, properties)?;
    request["Overwrite"] = json!(true);
    ssm::handle(world, now, "PutParameter", &request)
        .map_err(|error| service_message(world, "Ssm", &error))?;
    retag(world, now, name, &subject.tags(properties))
        .map_err(|error| service_message(world, "Ssm", &error))?;
    ssm::add_system_tags(world, name, subject.system_tags());
    Ok(attributes(name, properties))
}

pub(super) fn delete(world: &mut World, now: f64, name: &str) -> Result<(), String> {
    match ssm::handle(world, now, "DeleteParameter", &json!({ "Name": name })) {
        Err(error) if error.code != "ParameterNotFound" => {
            Err(service_message(world, "Ssm", &error))
        }
        _ => Ok(()),
    }
}

fn request(name: &str, properties: &Value) -> Result<Value, String> {
    let kind = text(&properties["Type"]);
    // <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ssm-parameter.html>
    if kind == "SecureString" {
        return Err("Properties validation failed for resource with message:\n[#/Type: SecureString is not a valid enum value]".to_owned());
    }
    let mut request = json!({ "Name": name, "Type": kind, "Value": text(&properties["Value"]) });
    for member in ["Description", "AllowedPattern", "Tier", "Policies", "DataType"] {
        if !properties[member].is_null() {
            request[member] = json!(text(&properties[member]));
        }
    }
    // A template without a pattern takes away the one before.
    if properties["AllowedPattern"].is_null() {
        request["AllowedPattern"] = json!("");
    }
    Ok(request)
}

fn attributes(name: &str, properties: &Value) -> BTreeMap<String, Value> {
    let mut attributes: BTreeMap<String, Value> =
        ["Type", "Value", "Description", "DataType", "Tier", "AllowedPattern"]
            .into_iter()
            .filter(|member| !properties[*member].is_null())
            .map(|member| (member.to_owned(), Value::String(text(&properties[member]))))
            .collect();
    attributes.insert("Name".to_owned(), json!(name));
    attributes
}

fn retag(
    world: &mut World,
    now: f64,
    name: &str,
    wanted: &Tags,
) -> Result<(), crate::error::JsonError> {
    let of = json!({ "ResourceType": "Parameter", "ResourceId": name });
    let listed = ssm::handle(world, now, "ListTagsForResource", &of)?;
    let gone: Vec<&str> = listed["TagList"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag["Key"].as_str())
        .filter(|key| !key.starts_with("aws:") && !wanted.contains_key(*key))
        .collect();
    if !gone.is_empty() {
        let mut request = of.clone();
        request["TagKeys"] = json!(gone);
        ssm::handle(world, now, "RemoveTagsFromResource", &request)?;
    }
    if !wanted.is_empty() {
        let mut request = of;
        request["Tags"] =
            wanted.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        ssm::handle(world, now, "AddTagsToResource", &request)?;
    }
    Ok(())
}
