//! Secrets Manager.
//!
//! Requests, answers and refusals follow the API reference, version 2017-10-17.

mod delete;
mod filter;
mod list;
mod password;
mod put;
mod read;
mod tag;
mod version;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::password::generate;
pub(crate) use self::read::text;
pub(crate) use self::tag::{add_system_tags, retag};
use self::version::Version;
use crate::error::JsonError;
use crate::json;
use crate::tags::Tags;
use crate::world::World;

/// The code of a value that the request's model does not allow.
const VALIDATION: &str = "ValidationException";
/// The code of a value that the service does not allow.
const PARAMETER: &str = "InvalidParameterException";
/// The code of a request that the secret's condition does not allow.
const REQUEST: &str = "InvalidRequestException";
/// The code of a secret or version that is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// The labels that move by themselves.
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Every secret of a world, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Secrets(BTreeMap<String, Secret>);

/// A secret; its versions are in order of their creation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Secret {
    /// The six characters that end its ARN.
    end: String,
    versions: Vec<Version>,
    tags: Tags,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    /// What partner's secret it is, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    r#type: Option<String>,
    created_at: f64,
    changed_at: f64,
    /// When it will be gone, once it is scheduled for deletion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gone_at: Option<f64>,
}

impl Secrets {
    /// Deletes what was scheduled for deletion until now.
    pub(crate) fn purge(&mut self, now: f64) {
        self.0.retain(|_, secret| secret.gone_at.is_none_or(|at| at > now));
    }
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    match operation {
        "CreateSecret" => put::create(world, now, body),
        "PutSecretValue" => put::put_value(world, now, body),
        "UpdateSecret" => put::update(world, now, body),
        "DescribeSecret" => read::describe(world, body),
        "GetSecretValue" => read::get(world, body),
        "ListSecretVersionIds" => read::versions(world, body),
        "ListSecrets" => list::list(world, body),
        "DeleteSecret" => delete::delete(world, now, body),
        "RestoreSecret" => delete::restore(world, body),
        "TagResource" => tag::add(world, now, body),
        "UntagResource" => tag::remove(world, now, body),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

/// The name of the secret that a request is about: by its name, its ARN, or its ARN without the
/// six characters at the end.
///
/// What ends in a hyphen and six characters counts as a complete ARN, even where a name ends so.
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen>
fn resolve<'a>(world: &'a World, id: &str) -> Option<&'a str> {
    let secrets = &world.secrets.0;
    let known = |name: &str| secrets.get_key_value(name).map(|(name, _)| name.as_str());
    if !id.starts_with("arn:") {
        return known(id);
    }
    let rest = id.strip_prefix(&world.arn("secretsmanager", "secret:"))?;
    match rest.rsplit_once('-').filter(|(_, end)| is_end(end)) {
        Some((name, end)) => known(name).filter(|name| secrets[*name].end == end),
        None => known(rest),
    }
}

fn is_end(text: &str) -> bool {
    text.len() == END && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// How many random characters end an ARN.
const END: usize = 6;

/// Six letters of either case, as AWS ends a secret's ARN.
fn next_end(world: &mut World) -> String {
    const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = world.next_number();
    let mut end = String::new();
    for _ in 0..END {
        end.push(char::from(LETTERS[usize::try_from(number % 52).unwrap_or_default()]));
        number /= 52;
    }
    end
}

/// The name of the secret that `SecretId` asks for, whether or not it is scheduled for deletion.
fn find(world: &World, body: &Value) -> Result<String, JsonError> {
    let id = json::required(body, "SecretId", VALIDATION)?;
    check_length("secretId", id, 1, 2048)?;
    resolve(world, id).map(str::to_owned).ok_or_else(not_found)
}

/// The same, for what cannot be done to a secret that is scheduled for deletion.
fn find_active(world: &World, body: &Value) -> Result<String, JsonError> {
    let name = find(world, body)?;
    match world.secrets.0[&name].gone_at {
        None => Ok(name),
        Some(_) => Err(JsonError::new(
            REQUEST,
            "You can't perform this operation on the secret because it was marked for deletion.",
        )),
    }
}

fn arn(world: &World, name: &str, secret: &Secret) -> String {
    world.arn("secretsmanager", &format!("secret:{name}-{}", secret.end))
}

/// What every answer about one secret begins with.
fn identity(world: &World, name: &str) -> Value {
    json!({ "ARN": arn(world, name, &world.secrets.0[name]), "Name": name })
}

/// Checks a text's length without telling the text, which may be a secret.
fn check_length(member: &str, text: &str, least: usize, most: usize) -> Result<(), JsonError> {
    let (bound, number) = match text.len() {
        length if length < least => ("greater", least),
        length if length > most => ("less", most),
        _ => return Ok(()),
    };
    Err(JsonError::new(
        VALIDATION,
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member \
             must have length {bound} than or equal to {number}"
        ),
    ))
}

fn not_found() -> JsonError {
    JsonError::new(NOT_FOUND, "Secrets Manager can't find the specified secret.")
}
