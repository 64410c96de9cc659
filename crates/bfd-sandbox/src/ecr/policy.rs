use serde_json::{Value, json};

use super::repository::{find, find_mut};
use super::{INVALID, invalid};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

pub(super) fn put_lifecycle(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let text = json::required(body, "lifecyclePolicyText", INVALID)?;
    let policy = parse(text, "LifecyclePolicyText")?;
    if json::array(&policy, "rules").is_empty() {
        return Err(invalid(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle \
             policy validation failure: instance failed to match the schema: rules is required'",
        ));
    }
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    // Evaluated within a day of being put; none has been yet.
    repository.lifecycle = Some((text.to_owned(), now));
    Ok(json!({
        "registryId": account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": text,
    }))
}

pub(super) fn get_lifecycle(world: &World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?;
    let Some((text, put_at)) = &repository.lifecycle else {
        return Err(no_lifecycle(&world.account, &repository.name));
    };
    Ok(json!({
        "registryId": world.account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": text,
        "lastEvaluatedAt": json::time(*put_at),
    }))
}

pub(super) fn delete_lifecycle(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    let Some((text, put_at)) = repository.lifecycle.take() else {
        return Err(no_lifecycle(&account, &repository.name));
    };
    Ok(json!({
        "registryId": account,
        "repositoryName": repository.name,
        "lifecyclePolicyText": text,
        "lastEvaluatedAt": json::time(put_at),
    }))
}

pub(super) fn set_access(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let text = json::required(body, "policyText", INVALID)?;
    parse(text, "PolicyText")?;
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    repository.access = Some(text.to_owned());
    Ok(access(&account, &repository.name, text))
}

pub(super) fn get_access(world: &World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?;
    match &repository.access {
        Some(text) => Ok(access(&world.account, &repository.name, text)),
        None => Err(no_access(&world.account, &repository.name)),
    }
}

pub(super) fn delete_access(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    match repository.access.take() {
        Some(text) => Ok(access(&account, &repository.name, &text)),
        None => Err(no_access(&account, &repository.name)),
    }
}

fn access(account: &str, name: &str, text: &str) -> Value {
    json!({ "registryId": account, "repositoryName": name, "policyText": text })
}

fn no_access(account: &str, name: &str) -> JsonError {
    JsonError::new(
        "RepositoryPolicyNotFoundException",
        format!(
            "Repository policy does not exist for the repository with name '{name}' in the \
             registry with id '{account}'"
        ),
    )
}

fn no_lifecycle(account: &str, name: &str) -> JsonError {
    JsonError::new(
        "LifecyclePolicyNotFoundException",
        format!(
            "Lifecycle policy does not exist for the repository with name '{name}' in the \
             registry with id '{account}'"
        ),
    )
}

fn parse(text: &str, parameter: &str) -> Result<Value, JsonError> {
    serde_json::from_str(text).map_err(|_| {
        invalid(format!(
            "Invalid parameter at '{parameter}' failed to satisfy constraint: 'Invalid JSON \
             syntax'"
        ))
    })
}
