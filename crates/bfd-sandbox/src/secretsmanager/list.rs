//! Listing secrets.

use serde_json::Value;

use super::filter;
use super::read::{metadata, paged, stages_by_id};
use super::{Secret, VALIDATION};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let filters = filter::read(&body["Filters"])?;
    let planned = json::boolean(body, "IncludePlannedDeletion");
    let by = one_of(
        body,
        "SortBy",
        "sortBy",
        &["created-date", "last-accessed-date", "last-changed-date", "name"],
    )?;
    let order = one_of(body, "SortOrder", "sortOrder", &["asc", "desc"])?;
    let mut found: Vec<(&String, &Secret)> = world
        .secrets
        .0
        .iter()
        .filter(|(_, secret)| planned || secret.gone_at.is_none())
        .filter(|(name, secret)| {
            filters.iter().all(|filter| filter.fits(name, secret, &world.region))
        })
        .collect();
    // Of two of one moment the name decides. Nobody's access is recorded: it counts as creation.
    match by {
        "name" => {}
        "last-changed-date" => found.sort_by(|a, b| a.1.changed_at.total_cmp(&b.1.changed_at)),
        _ => found.sort_by(|a, b| a.1.created_at.total_cmp(&b.1.created_at)),
    }
    if order == "desc" {
        found.reverse();
    }
    let views = found.into_iter().map(|(name, secret)| {
        let mut view = metadata(world, name, secret);
        if !secret.versions.is_empty() {
            view["SecretVersionsToStages"] = stages_by_id(secret);
        }
        view
    });
    paged(views.collect(), body, "SecretList")
}

/// A member that is one of a few words; the first where it is not given.
fn one_of<'a>(
    body: &'a Value,
    member: &str,
    named: &str,
    words: &[&'a str],
) -> Result<&'a str, JsonError> {
    let word = json::text(body, member).unwrap_or(words[0]);
    if words.contains(&word) {
        return Ok(word);
    }
    Err(JsonError::new(
        VALIDATION,
        format!(
            "1 validation error detected: Value '{word}' at '{named}' failed to satisfy \
             constraint: Member must satisfy enum value set: [{}]",
            words.join(", ")
        ),
    ))
}
