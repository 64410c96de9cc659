//! Who a registry may be told we are: Docker's own configuration.

use crate::Aws;
use aws_smithy_types::base64;
use bfd_provider::{ErrorClass, ProviderError};
use serde_json::Value;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt, process::Command};
use zeroize::Zeroizing;

const OPERATION: &str = "registry:GetCredentials";
/// A helper may ask a person; nobody waits longer than that for one.
const HELPER_TIMEOUT: Duration = Duration::from_mins(1);
/// What Docker writes its own hub's credentials under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper's way of saying that the secret is a token and not a password.
const TOKEN_USER: &str = "<token>";

/// A name and a password, or a token to be exchanged for others.
///
/// It has no `Debug`: what it holds must never be seen.
pub(super) enum Credentials {
    Password { user: String, password: Zeroizing<String> },
    Refresh(Zeroizing<String>),
}

impl Credentials {
    fn new(user: &str, secret: &str) -> Option<Self> {
        let secret = || Zeroizing::new(secret.to_owned());
        match (user, secret().is_empty()) {
            (_, true) => None,
            (TOKEN_USER, false) => Some(Self::Refresh(secret())),
            (user, false) => Some(Self::Password { user: user.to_owned(), password: secret() }),
        }
    }

    /// The value of an `Authorization` header.
    pub(super) fn basic(&self) -> Option<Zeroizing<String>> {
        let Self::Password { user, password } = self else { return None };
        let pair = Zeroizing::new(format!("{user}:{}", password.as_str()));
        Some(Zeroizing::new(format!("Basic {}", base64::encode(pair.as_bytes()))))
    }
}

/// What Docker knows of a registry. `Ok(None)` is nobody in particular.
pub(super) async fn of(aws: &Aws, registry: &str) -> Result<Option<Credentials>, ProviderError> {
    let Some(path) = aws.docker_config() else { return Ok(None) };
    let text = match tokio::fs::read(path).await {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(local(path, &error.to_string())),
    };
    // What is wrong with it is not quoted: it may be the secret.
    let config: Value = serde_json::from_slice(&text).map_err(|_| local(path, "it is not JSON"))?;
    let keys = keys(registry);
    let helper = keys
        .iter()
        .find_map(|key| config["credHelpers"][key].as_str())
        .or_else(|| config["credsStore"].as_str());
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        for key in &keys {
            if let Some(found) = ask(aws, helper, key).await? {
                return Ok(Some(found));
            }
        }
    }
    let auths = &config["auths"];
    Ok(keys.iter().find_map(|key| written(auths.get(key)?)))
}

/// The names that a registry may have in the file.
fn keys(registry: &str) -> Vec<String> {
    if registry == "docker.io" {
        let names = [DOCKER_HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"];
        return names.map(str::to_owned).to_vec();
    }
    vec![
        registry.to_owned(),
        format!("https://{registry}"),
        format!("https://{registry}/"),
        format!("https://{registry}/v1/"),
        format!("https://{registry}/v2/"),
        format!("http://{registry}"),
    ]
}

/// An entry of `auths`. One without a secret is only a note that a helper has it.
fn written(entry: &Value) -> Option<Credentials> {
    if let Some(token) = entry["identitytoken"].as_str().filter(|token| !token.is_empty()) {
        return Credentials::new(TOKEN_USER, token);
    }
    if let Some(auth) = entry["auth"].as_str().filter(|auth| !auth.is_empty()) {
        let pair = Zeroizing::new(String::from_utf8(base64::decode(auth).ok()?).ok()?);
        let (user, password) = pair.split_once(':')?;
        return Credentials::new(user, password.trim_end_matches('\0'));
    }
    Credentials::new(entry["username"].as_str()?, entry["password"].as_str()?)
}

/// Asks a credential helper, `docker-credential-NAME get`.
async fn ask(aws: &Aws, helper: &str, key: &str) -> Result<Option<Credentials>, ProviderError> {
    let program = format!("docker-credential-{helper}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !helper.chars().all(is_name) {
        return Err(failed(&program, "is no program's name"));
    }
    let answer = async {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not listen may still answer.
            let _ = stdin.write_all(key.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let answer = tokio::select! {
        answer = answer => answer,
        () = aws.sleep(HELPER_TIMEOUT) => return Err(failed(&program, "does not answer")),
    };
    let answer = answer.map_err(|error| failed(&program, &format!("cannot be run: {error}")))?;
    let output = Zeroizing::new(answer.stdout);
    if !answer.status.success() {
        // The protocol's only refusal that is none: it has not been told of this registry.
        let said = String::from_utf8_lossy(&output);
        if said.contains("not found") {
            return Ok(None);
        }
        return Err(failed(&program, &format!("failed ({})", answer.status)));
    }
    let said: Value =
        serde_json::from_slice(&output).map_err(|_| failed(&program, "answers with no JSON"))?;
    let text = |name: &str| said[name].as_str().unwrap_or_default();
    Ok(Credentials::new(text("Username"), text("Secret")))
}

fn local(path: &Path, what: &str) -> ProviderError {
    let why = format!("Docker's configuration {} cannot be read: {what}", path.display());
    ProviderError::new(OPERATION, ErrorClass::Local, why)
}

fn failed(program: &str, what: &str) -> ProviderError {
    ProviderError::new(OPERATION, ErrorClass::Local, format!("`{program}` {what}"))
        .hint("`docker login` of that registry shows what is wrong")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(entry: &Value) -> Option<String> {
        match written(entry)? {
            Credentials::Password { user, password } => {
                Some(format!("{user} with {}", password.as_str()))
            }
            Credentials::Refresh(token) => Some(format!("token {}", token.as_str())),
        }
    }

    #[test]
    fn entries_of_dockers_file_are_read() {
        let pair = base64::encode("AWS:pass:word");
        assert_eq!(told(&json!({ "auth": pair })).as_deref(), Some("AWS with pass:word"));
        let plain = json!({ "username": "me", "password": "secret" });
        assert_eq!(told(&plain).as_deref(), Some("me with secret"));
        let token = json!({ "auth": pair, "identitytoken": "abc" });
        assert_eq!(told(&token).as_deref(), Some("token abc"));
        assert_eq!(told(&json!({})), None, "a helper has it");
        assert_eq!(told(&json!({ "auth": "?" })), None);
    }

    #[test]
    fn the_hub_has_its_own_key() {
        assert_eq!(keys("docker.io")[0], DOCKER_HUB_KEY);
        assert_eq!(keys("h.io:5")[..2], ["h.io:5", "https://h.io:5"]);
    }
}
