//! `AWS::Logs::LogGroup`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, already_exists, opaque, service_message, text};
use crate::logs;
use crate::world::World;

pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    let made = opaque::create(world, subject, properties);
    let name = &made.physical_id;
    logs::handle(world, now, "CreateLogGroup", &json!({ "logGroupName": name })).map_err(
        |error| {
            if error.code == "ResourceAlreadyExistsException" {
                already_exists(world, &subject.kind, name)
            } else {
                service_message(world, "CloudWatchLogs", &error)
            }
        },
    )?;
    keep(world, now, name, properties)?;
    Ok(made)
}

pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    properties: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    keep(world, now, &made.physical_id, properties)?;
    Ok(opaque::update(subject, made, properties))
}

pub(super) fn delete(world: &mut World, now: f64, name: &str) -> Result<(), String> {
    match logs::handle(world, now, "DeleteLogGroup", &json!({ "logGroupName": name })) {
        Err(error) if error.code != "ResourceNotFoundException" => {
            Err(service_message(world, "CloudWatchLogs", &error))
        }
        _ => Ok(()),
    }
}

/// Sets for how long events are kept.
fn keep(world: &mut World, now: f64, name: &str, properties: &Value) -> Result<(), String> {
    let mut request = json!({ "logGroupName": name });
    let operation = match text(&properties["RetentionInDays"]) {
        days if days.is_empty() => "DeleteRetentionPolicy",
        days => {
            request["retentionInDays"] = days.parse::<u64>().map_or(Value::Null, Value::from);
            "PutRetentionPolicy"
        }
    };
    logs::handle(world, now, operation, &request)
        .map(|_| ())
        .map_err(|error| service_message(world, "CloudWatchLogs", &error))
}
