use aws_smithy_types::base64;
use serde_json::{Value, json};

use super::Refusal;
use crate::image;
use crate::json;
use crate::router::Head;
use crate::world::World;

/// How long a password is good for, in seconds: twelve hours, as AWS says of
/// GetAuthorizationToken.
const LIFETIME: f64 = 12.0 * 3600.0;

/// GetAuthorizationToken: a password that carries its own end, so that giving it out changes
/// nothing.
pub(crate) fn authorization(world: &World, now: f64) -> Value {
    let expires_at = (now + world.password_life.unwrap_or(LIFETIME)).floor();
    let token = json!({
        "payload": world.sign(&format!("token/{expires_at}")),
        "version": "2",
        "type": "DATA_KEY",
        "expiration": expires_at,
    });
    let password = base64::encode(token.to_string());
    json!({ "authorizationData": [{
        "authorizationToken": base64::encode(format!("AWS:{password}")),
        "expiresAt": json::time(expires_at),
        "proxyEndpoint": format!("https://{}", image::registry(world)),
    }] })
}

/// Refuses whoever does not come with a password that is good now.
pub(super) fn check(world: &World, now: f64, head: &Head) -> Result<(), Refusal> {
    let header = head.header("authorization");
    let Some(basic) = header.strip_prefix("Basic ").or_else(|| header.strip_prefix("basic "))
    else {
        let realm = image::registry(world);
        return Err(Refusal::new(401, "UNAUTHORIZED", "Not Authorized").header(
            "www-authenticate",
            format!("Basic realm=\"https://{realm}/\",service=\"ecr.amazonaws.com\""),
        ));
    };
    let Some(expires_at) = expiry(world, basic.trim()) else {
        return Err(Refusal::new(403, "DENIED", "Your Authorization Token is invalid."));
    };
    if expires_at <= now {
        return Err(Refusal::new(
            403,
            "DENIED",
            "Your authorization token has expired. Reauthenticate and try again.",
        ));
    }
    Ok(())
}

/// When the password ends, if this world gave it out.
fn expiry(world: &World, basic: &str) -> Option<f64> {
    let text = |encoded: &str| String::from_utf8(base64::decode(encoded).ok()?).ok();
    let credentials = text(basic)?;
    let token: Value = serde_json::from_str(&text(credentials.strip_prefix("AWS:")?)?).ok()?;
    let expires_at = token["expiration"].as_f64()?;
    let is_ours = token["payload"] == world.sign(&format!("token/{expires_at}"));
    is_ours.then_some(expires_at)
}
