//! What containers take from Parameter Store and Secrets Manager before they start.

use serde_json::Value;

use super::task::Task;
use super::task_definition;
use crate::json;
use crate::secretsmanager;
use crate::world::World;

/// Why the task cannot start: the first thing that it is to read and cannot.
pub(super) fn missing(world: &mut World, task: &Task) -> Option<String> {
    let definition = task_definition::find(world, &task.task_definition)?;
    let sources: Vec<String> = definition
        .containers()
        .iter()
        .flat_map(|it| {
            let options = json::array(&it["logConfiguration"], "secretOptions");
            json::array(it, "secrets").iter().chain(options)
        })
        .filter_map(|secret| secret["valueFrom"].as_str().map(str::to_owned))
        .collect();
    let why = sources.iter().find_map(|source| {
        if is_secret(source) {
            let why = secret(world, source).err()?;
            Some(format!("unable to retrieve secret from asm: {why}"))
        } else if world.ssm.contains(source) {
            None
        } else {
            Some(format!(
                "unable to retrieve secrets from ssm: service call has been retried 1 time(s): \
                 invalid parameters: {source}"
            ))
        }
    })?;
    Some(format!(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
         retrieval failed: {why}"
    ))
}

/// Whether the source is an ARN of Secrets Manager; everything else is a parameter.
fn is_secret(source: &str) -> bool {
    source.starts_with("arn:") && source.split(':').nth(2) == Some("secretsmanager")
}

/// Reads a secret, or a key of it: `ARN[:json-key:version-stage:version-id]`.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>
fn secret(world: &mut World, source: &str) -> Result<(), String> {
    let parts: Vec<&str> = source.split(':').collect();
    let (arn, key, stage, version) = match parts.as_slice() {
        [_, _, _, _, _, _, _] => (source.to_owned(), "", "", ""),
        [arn @ .., key, stage, version] if arn.len() == 7 => {
            (arn.join(":"), *key, *stage, *version)
        }
        _ => {
            return Err("unexpected ARN format with parameters when trying to retrieve ASM secret"
                .to_owned());
        }
    };
    let asked = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let text = match secretsmanager::text(world, &arn, asked(version), asked(stage)) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            let request = world.next_uuid();
            return Err(format!(
                "service call has been retried 1 time(s): failed to fetch secret {arn} from \
                 secrets manager: operation error Secrets Manager: GetSecretValue, https response \
                 error StatusCode: {}, RequestID: {request}, {}: {}",
                error.status, error.code, error.message
            ));
        }
    };
    let Some(key) = asked(key) else { return Ok(()) };
    let why = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) if object.contains_key(key) => return Ok(()),
        Ok(Value::Object(_)) => {
            format!("retrieved secret from Secrets Manager did not contain json key {key}")
        }
        Ok(other) => format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            kind(&other)
        ),
        Err(error) if error.is_eof() => "unexpected end of JSON input".to_owned(),
        // AWS quotes the character as well. It is a character of a secret.
        Err(_) => "invalid character looking for beginning of value".to_owned(),
    };
    Err(format!("service call has been retried 1 time(s): {why}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        _ => "string",
    }
}
