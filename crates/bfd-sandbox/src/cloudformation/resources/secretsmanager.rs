//! `AWS::SecretsManager::Secret`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, handler_message, service_message, text};
use crate::cloudformation::ids;
use crate::error::JsonError;
use crate::secretsmanager;
use crate::tags::{self, Tags};
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let name = match text(&properties["Name"]) {
        // Unlike most types it does without the stack's name.
        name if name.is_empty() => format!("{}-{}", subject.logical_id, ids::suffix(world)),
        name => name,
    };
    let mut request = settings(properties);
    request["Name"] = json!(name);
    request["ClientRequestToken"] = json!(world.next_uuid());
    request["Tags"] = tags::write(&subject.tags(properties), tags::UPPER);
    if let Some(value) = value(world, properties)? {
        request["SecretString"] = json!(value);
    }
    let made = secretsmanager::handle(world, now, "CreateSecret", &request);
    let made = made.map_err(|error| refused(world, &error))?;
    let arn = made["ARN"].as_str().unwrap_or_default().to_owned();
    secretsmanager::add_system_tags(world, &arn, subject.system_tags());
    Ok(Made { attributes: attributes(&arn), physical_id: arn })
}

/// Changes the value only where the template's own words for it change: what a person put in
/// meanwhile stays otherwise.
pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    old: &Value,
    new: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    let arn = &made.physical_id;
    let mut request = settings(new);
    request["SecretId"] = json!(arn);
    request["ClientRequestToken"] = json!(world.next_uuid());
    let is_changed =
        ["SecretString", "GenerateSecretString"].iter().any(|member| old[*member] != new[*member]);
    if is_changed && let Some(value) = value(world, new)? {
        request["SecretString"] = json!(value);
    }
    // A template without them takes away the ones before.
    for member in ["Description", "KmsKeyId"] {
        if request[member].is_null() {
            request[member] = json!("");
        }
    }
    secretsmanager::handle(world, now, "UpdateSecret", &request)
        .map_err(|error| refused(world, &error))?;
    retag(world, arn, &subject.tags(new)).map_err(|error| refused(world, &error))?;
    secretsmanager::add_system_tags(world, arn, subject.system_tags());
    Ok(attributes(arn))
}

/// At once: `CloudFormation` leaves no window in which the name is taken.
pub(super) fn delete(world: &mut World, now: f64, arn: &str) -> Result<(), String> {
    let request = json!({ "SecretId": arn, "ForceDeleteWithoutRecovery": true });
    secretsmanager::handle(world, now, "DeleteSecret", &request)
        .map(|_| ())
        .map_err(|error| refused(world, &error))
}

fn settings(properties: &Value) -> Value {
    let mut request = json!({});
    for member in ["Description", "KmsKeyId", "Type"] {
        if !properties[member].is_null() {
            request[member] = json!(text(&properties[member]));
        }
    }
    request
}

/// The value that the template asks for; a secret may begin without one.
fn value(world: &mut World, properties: &Value) -> Result<Option<String>, String> {
    match (&properties["SecretString"], &properties["GenerateSecretString"]) {
        (Value::Null, Value::Null) => Ok(None),
        (given, Value::Null) => Ok(Some(text(given))),
        (Value::Null, wanted) => secretsmanager::generate(world, wanted)
            .map(Some)
            .map_err(|message| handler_message(world, &message, "InvalidRequest")),
        _ => Err(handler_message(
            world,
            "You can't specify both GenerateSecretString and SecretString.",
            "InvalidRequest",
        )),
    }
}

fn attributes(arn: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([("Id".to_owned(), json!(arn))])
}

fn retag(world: &mut World, arn: &str, wanted: &Tags) -> Result<(), JsonError> {
    secretsmanager::retag(world, arn, &tags::write(wanted, tags::UPPER))
}

fn refused(world: &mut World, error: &JsonError) -> String {
    service_message(world, "SecretsManager", error)
}
