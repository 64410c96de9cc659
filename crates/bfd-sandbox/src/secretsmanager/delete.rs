//! Scheduling a secret for deletion, and taking that back.

use serde_json::{Value, json};

use super::{NOT_FOUND, PARAMETER, REQUEST, find, identity, next_end};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// For how many days a deleted secret can be restored.
const LEAST: i64 = 7;
const MOST: i64 = 30;
/// Seconds.
const DAY: f64 = 86_400.0;

pub(super) fn delete(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let force = json::boolean(body, "ForceDeleteWithoutRecovery");
    let window = &body["RecoveryWindowInDays"];
    if force && !window.is_null() {
        return Err(JsonError::new(
            PARAMETER,
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = if window.is_null() { Some(MOST) } else { window.as_i64() };
    let days =
        days.filter(|days| (LEAST..=MOST).contains(days)).and_then(|it| u32::try_from(it).ok());
    let Some(days) = days else {
        return Err(JsonError::new(
            PARAMETER,
            format!(
                "The RecoveryWindowInDays value must be between {LEAST} and {MOST} days \
                 (inclusive)."
            ),
        ));
    };
    let name = match find(world, body) {
        Ok(name) => name,
        // A repeated request finds it gone; AWS answers as if it had been there.
        Err(error) if force && error.code == NOT_FOUND => return Ok(unknown(world, now, body)),
        Err(error) => return Err(error),
    };
    let secret = &world.secrets.0[&name];
    if secret.gone_at.is_some() && !force {
        return Err(JsonError::new(
            REQUEST,
            "You can't perform this operation on the secret because it was already scheduled for \
             deletion.",
        ));
    }
    let mut answer = identity(world, &name);
    let gone_at = if force { now } else { now + f64::from(days) * DAY };
    answer["DeletionDate"] = json::time(gone_at);
    if force {
        world.secrets.0.remove(&name);
    } else if let Some(secret) = world.secrets.0.get_mut(&name) {
        secret.gone_at = Some(gone_at);
    }
    Ok(answer)
}

pub(super) fn restore(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let name = find(world, body)?;
    if let Some(secret) = world.secrets.0.get_mut(&name) {
        secret.gone_at = None;
    }
    Ok(identity(world, &name))
}

/// The answer about a secret that is not there.
fn unknown(world: &mut World, now: f64, body: &Value) -> Value {
    let id = json::text(body, "SecretId").unwrap_or_default().to_owned();
    let (arn, name) = if id.starts_with("arn:") {
        let name = id.rsplit(':').next().unwrap_or_default().to_owned();
        (id, name)
    } else {
        let end = next_end(world);
        (world.arn("secretsmanager", &format!("secret:{id}-{end}")), id)
    };
    json!({ "ARN": arn, "Name": name, "DeletionDate": json::time(now) })
}
