//! What a secret is, and what it holds.

use serde_json::{Value, json};

use super::version::{Content, Version};
use super::{CURRENT, NOT_FOUND, REQUEST, Secret, VALIDATION, arn, find, find_active, identity};
use crate::error::JsonError;
use crate::json;
use crate::tags;
use crate::world::World;

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = find(world, body)?;
    let secret = &world.secrets.0[&name];
    let mut view = metadata(world, &name, secret);
    // Where nothing was ever put in, AWS leaves the member out.
    if !secret.versions.is_empty() {
        view["VersionIdsToStages"] = stages_by_id(secret);
    }
    Ok(view)
}

pub(super) fn get(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = find_active(world, body)?;
    let secret = &world.secrets.0[&name];
    let version = select(secret, json::text(body, "VersionId"), json::text(body, "VersionStage"))?;
    let mut answer = identity(world, &name);
    answer["VersionId"] = json!(version.id);
    answer["VersionStages"] = json!(version.stages);
    answer["CreatedDate"] = json::time(version.created_at);
    match version.content.unseal(world) {
        Content::Text(text) => answer["SecretString"] = json!(text),
        Content::Binary(binary) => answer["SecretBinary"] = json!(binary),
    }
    Ok(answer)
}

pub(super) fn versions(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = find(world, body)?;
    let deprecated = json::boolean(body, "IncludeDeprecated");
    let all = world.secrets.0[&name].versions.iter().rev();
    let all = all.filter(|version| deprecated || !version.stages.is_empty());
    let views: Vec<Value> = all
        .map(|version| {
            let mut view = json!({
                "VersionId": version.id,
                "CreatedDate": json::time(version.created_at),
            });
            if !version.stages.is_empty() {
                view["VersionStages"] = json!(version.stages);
            }
            view
        })
        .collect();
    let mut answer = paged(views, body, "Versions")?;
    json::object(&mut answer).extend(json::object(&mut identity(world, &name)).clone());
    Ok(answer)
}

/// The text of a secret's version, for who reads it as a task does.
pub(crate) fn text(
    world: &World,
    id: &str,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<Option<String>, JsonError> {
    let request = json!({ "SecretId": id, "VersionId": version, "VersionStage": stage });
    Ok(get(world, &request)?["SecretString"].as_str().map(str::to_owned))
}

/// The version that is asked for: the current one where nothing is said.
fn select<'a>(
    secret: &'a Secret,
    id: Option<&str>,
    stage: Option<&str>,
) -> Result<&'a Version, JsonError> {
    let missing = |what: &str, asked: &str| {
        JsonError::new(
            NOT_FOUND,
            format!("Secrets Manager can't find the specified secret value for {what}: {asked}"),
        )
    };
    let Some(id) = id else {
        let stage = stage.unwrap_or(CURRENT);
        return secret.labelled(stage).ok_or_else(|| missing("staging label", stage));
    };
    let version = secret.version(id).ok_or_else(|| missing("VersionId", id))?;
    if stage.is_some_and(|stage| !version.stages.contains(stage)) {
        return Err(JsonError::new(
            REQUEST,
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    Ok(version)
}

/// What descriptions and listings both tell.
pub(super) fn metadata(world: &World, name: &str, secret: &Secret) -> Value {
    let mut view = json!({
        "ARN": arn(world, name, secret),
        "Name": name,
        "Tags": tags::write(&secret.tags, tags::UPPER),
        "CreatedDate": json::time(secret.created_at),
        "LastChangedDate": json::time(secret.changed_at),
    });
    let optional =
        [("Description", &secret.description), ("KmsKeyId", &secret.key), ("Type", &secret.r#type)];
    for (member, text) in optional {
        if let Some(text) = text {
            view[member] = json!(text);
        }
    }
    if let Some(at) = secret.gone_at {
        view["DeletedDate"] = json::time(at);
    }
    view
}

/// Versions by their ids, without those that have lost all labels.
pub(super) fn stages_by_id(secret: &Secret) -> Value {
    let labelled = secret.versions.iter().filter(|version| !version.stages.is_empty());
    labelled.map(|version| (version.id.clone(), json!(version.stages))).collect()
}

/// A page of a listing under a member's name.
pub(super) fn paged(found: Vec<Value>, body: &Value, member: &str) -> Result<Value, JsonError> {
    let size = json::page_size(body, "MaxResults", 100, 100, VALIDATION)?;
    let (page, next) = json::page(found, json::text(body, "NextToken"), size, || {
        JsonError::new("InvalidNextTokenException", "Invalid NextToken.")
    })?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}
