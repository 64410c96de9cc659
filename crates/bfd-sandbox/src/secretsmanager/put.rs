//! Making secrets, and giving them values.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::version::{Content, Version};
use super::{
    CURRENT, PARAMETER, REQUEST, Secret, VALIDATION, arn, check_length, find_active, identity,
    next_end, tag,
};
use crate::error::JsonError;
use crate::json;
use crate::tags;
use crate::world::World;

/// The most bytes of a value.
const LARGEST: usize = 65_536;
/// The most labels that one request puts on a version.
const STAGES: usize = 20;

pub(super) fn create(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "Name", VALIDATION)?;
    check_name(name)?;
    let settings = settings(body)?;
    let content = content(body)?;
    let token = token(body)?;
    if let Some(known) = world.secrets.0.get(name) {
        if known.gone_at.is_some() {
            return Err(JsonError::new(
                REQUEST,
                "You can't create this secret because a secret with this name is already \
                 scheduled for deletion.",
            ));
        }
        // A repeated request finds what the first one made.
        return match (known.version(token), &content) {
            (Some(version), Some(content)) if version.content.unseal(world).is_same(content) => {
                Ok(with_version(world, name, Some(token)))
            }
            _ => Err(JsonError::new(
                "ResourceExistsException",
                format!("The operation failed because the secret {name} already exists."),
            )),
        };
    }
    let secret = Secret {
        end: next_end(world),
        versions: Vec::new(),
        tags: tags::read(&body["Tags"], tag::SPELLING)?,
        description: settings.description,
        key: settings.key,
        r#type: settings.r#type,
        created_at: now,
        changed_at: now,
        gone_at: None,
    };
    world.secrets.0.insert(name.to_owned(), secret);
    let has_value = content.is_some();
    if let Some(content) = content {
        add(world, name, token, stages([CURRENT]), content, now);
    }
    Ok(with_version(world, name, has_value.then_some(token)))
}

pub(super) fn put_value(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = find_active(world, body)?;
    let token = token(body)?;
    let Some(content) = content(body)? else {
        return Err(JsonError::new(
            REQUEST,
            "You must provide either SecretString or SecretBinary.",
        ));
    };
    let mut labels = stages(json::strings(body, "VersionStages"));
    if labels.len() > STAGES || labels.iter().any(|label| label.is_empty() || label.len() > 256) {
        return Err(JsonError::new(
            VALIDATION,
            format!(
                "1 validation error detected: Value at 'versionStages' failed to satisfy \
                 constraint: Member must have length less than or equal to {STAGES}"
            ),
        ));
    }
    // A first version is the current one, whatever else it is.
    if labels.is_empty() || world.secrets.0[&name].versions.is_empty() {
        labels.insert(CURRENT.to_owned());
    }
    if !is_repeated(world, &name, token, &content)? {
        add(world, &name, token, labels, content, now);
    }
    let mut answer = with_version(world, &name, Some(token));
    let version = world.secrets.0[&name].version(token);
    answer["VersionStages"] = version.map(|version| json!(version.stages)).unwrap_or_default();
    Ok(answer)
}

pub(super) fn update(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = find_active(world, body)?;
    let settings = settings(body)?;
    let content = content(body)?;
    let token = token(body)?;
    let has_value = content.is_some();
    if let Some(content) = content
        && !is_repeated(world, &name, token, &content)?
    {
        add(world, &name, token, stages([CURRENT]), content, now);
    }
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        // What an update leaves out stays as it was.
        for (kept, given) in [
            (&mut secret.description, settings.description),
            (&mut secret.key, settings.key),
            (&mut secret.r#type, settings.r#type),
        ] {
            if given.is_some() {
                *kept = given.filter(|text| !text.is_empty());
            }
        }
        secret.changed_at = now;
    }
    Ok(with_version(world, &name, has_value.then_some(token)))
}

/// What a request says of a secret apart from its value.
struct Settings {
    description: Option<String>,
    key: Option<String>,
    r#type: Option<String>,
}

fn settings(body: &Value) -> Result<Settings, JsonError> {
    let read = |member: &str, named: &str, most: usize| match body[member].as_str() {
        None => Ok(None),
        Some(text) => check_length(named, text, 0, most).map(|()| Some(text.to_owned())),
    };
    Ok(Settings {
        description: read("Description", "description", 2048)?,
        key: read("KmsKeyId", "kmsKeyId", 2048)?,
        r#type: read("Type", "type", 256)?,
    })
}

fn check_name(name: &str) -> Result<(), JsonError> {
    check_length("name", name, 1, 512)?;
    let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "-/_+=.@!".contains(letter);
    if name.chars().all(is_valid) {
        return Ok(());
    }
    Err(JsonError::new(
        VALIDATION,
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
         following: -/_+=.@!",
    ))
}

/// The version's id. The SDKs make one up where the user gives none; the service does not.
fn token(body: &Value) -> Result<&str, JsonError> {
    let Some(token) = body["ClientRequestToken"].as_str() else {
        return Err(JsonError::new(
            REQUEST,
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        ));
    };
    if !(32..=64).contains(&token.len()) {
        return Err(JsonError::new(PARAMETER, "ClientRequestToken must be 32-64 characters long."));
    }
    Ok(token)
}

fn content(body: &Value) -> Result<Option<Content>, JsonError> {
    let (text, binary) = (body["SecretString"].as_str(), body["SecretBinary"].as_str());
    match (text, binary) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(JsonError::new(
            PARAMETER,
            "You can't specify both a binary secret value and a string secret value in the same \
             secret.",
        )),
        (Some(text), None) => {
            check_length("secretString", text, 1, LARGEST)?;
            Ok(Some(Content::Text(text.to_owned())))
        }
        (None, Some(binary)) => {
            let bytes = aws_smithy_types::base64::decode(binary).map_err(|_| {
                JsonError::new("SerializationException", "SecretBinary is not in base64")
            })?;
            if bytes.is_empty() || bytes.len() > LARGEST {
                check_length("secretBinary", &"x".repeat(bytes.len()), 1, LARGEST)?;
            }
            Ok(Some(Content::Binary(binary.to_owned())))
        }
    }
}

/// Whether the version is there with this value; with another value its id is taken.
fn is_repeated(
    world: &World,
    name: &str,
    token: &str,
    content: &Content,
) -> Result<bool, JsonError> {
    let secret = &world.secrets.0[name];
    match secret.version(token) {
        None => Ok(false),
        Some(version) if version.content.unseal(world).is_same(content) => Ok(true),
        Some(_) => Err(JsonError::new(
            "ResourceExistsException",
            format!(
                "You can't use ClientRequestToken {token} because that value is already in use \
                 for a version of secret {}.",
                arn(world, name, secret)
            ),
        )),
    }
}

fn add(
    world: &mut World,
    name: &str,
    token: &str,
    stages: BTreeSet<String>,
    content: Content,
    now: f64,
) {
    let content = content.seal(world);
    if let Some(secret) = world.secrets.0.get_mut(name) {
        secret.add(Version { id: token.to_owned(), stages, created_at: now, content });
        secret.changed_at = now;
    }
}

fn stages<'a>(labels: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    labels.into_iter().map(str::to_owned).collect()
}

fn with_version(world: &World, name: &str, id: Option<&str>) -> Value {
    let mut answer = identity(world, name);
    if let Some(id) = id {
        answer["VersionId"] = json!(id);
    }
    answer
}
