use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::image::Image;
use super::{INVALID, at_most, invalid};
use crate::blob::Blobs;
use crate::error::JsonError;
use crate::tags::{self, Tags};
use crate::world::World;
use crate::{image as images, json};

/// A repository. `settings` is what was declared, in AWS's spelling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Repository {
    pub(super) name: String,
    created_at: f64,
    settings: Value,
    tags: Tags,
    pub(super) access: Option<String>,
    pub(super) lifecycle: Option<(String, f64)>,
    pub(super) images: BTreeMap<String, Image>,
    /// Image tags, each with its image's digest.
    pub(super) labels: BTreeMap<String, String>,
    /// Every blob that was uploaded, with its size.
    pub(super) layers: BTreeMap<String, u64>,
}

impl Repository {
    /// The size of one of its blobs, if it is there with its bytes.
    pub(super) fn blob_size(&self, blobs: &Blobs, digest: &str) -> Option<u64> {
        if !self.layers.contains_key(digest) {
            return None;
        }
        let config = || Some(self.config(digest)?.len() as u64);
        blobs.size(digest).or_else(config)
    }

    /// Whether a tag, once there, stays where it is.
    pub(super) fn is_immutable(&self, tag: &str) -> bool {
        let filters = json::array(&self.settings, "imageTagMutabilityExclusionFilters");
        let is_excluded = || {
            filters.iter().any(|filter| matches(filter["filter"].as_str().unwrap_or_default(), tag))
        };
        match self.settings["imageTagMutability"].as_str() {
            Some("IMMUTABLE") => true,
            Some("IMMUTABLE_WITH_EXCLUSION") => !is_excluded(),
            Some("MUTABLE_WITH_EXCLUSION") => is_excluded(),
            _ => false,
        }
    }

    /// The text of an image's config.
    pub(super) fn config(&self, digest: &str) -> Option<&str> {
        let images = self.images.values();
        images
            .filter_map(|image| image.config.as_ref())
            .find_map(|(known, text)| (known == digest).then_some(text.as_str()))
    }

    fn view(&self, world: &World) -> Value {
        let mut view = self.settings.clone();
        view["registryId"] = json!(world.account);
        view["repositoryName"] = json!(self.name);
        view["repositoryArn"] = json!(arn(world, &self.name));
        view["repositoryUri"] = json!(format!("{}/{}", images::registry(world), self.name));
        view["createdAt"] = json::time(self.created_at);
        view
    }
}

/// The repository that a request names.
pub(super) fn find<'a>(world: &'a World, body: &Value) -> Result<&'a Repository, JsonError> {
    let name = json::required(body, "repositoryName", INVALID)?;
    world.ecr.repositories.get(name).ok_or_else(|| not_found(world, name))
}

pub(super) fn find_mut<'a>(
    world: &'a mut World,
    body: &Value,
) -> Result<&'a mut Repository, JsonError> {
    let name = json::required(body, "repositoryName", INVALID)?;
    let missing = not_found(world, name);
    world.ecr.repositories.get_mut(name).ok_or(missing)
}

pub(super) fn create(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "repositoryName", INVALID)?;
    check_name(name)?;
    if world.ecr.repositories.contains_key(name) {
        return Err(JsonError::new(
            "RepositoryAlreadyExistsException",
            format!(
                "The repository with name '{name}' already exists in the registry with id '{}'",
                world.account
            ),
        ));
    }
    let tags = tags::read(&body["tags"], tags::UPPER)?;
    let mut settings = body.clone();
    for identity in ["repositoryName", "registryId", "tags"] {
        json::object(&mut settings).remove(identity);
    }
    json::default(&mut settings, "imageTagMutability", json!("MUTABLE"));
    check_mutability(&settings)?;
    json::default(&mut settings, "imageScanningConfiguration", json!({}));
    json::default(&mut settings["imageScanningConfiguration"], "scanOnPush", json!(false));
    json::default(&mut settings, "encryptionConfiguration", json!({ "encryptionType": "AES256" }));
    let repository = Repository {
        name: name.to_owned(),
        created_at: now,
        settings,
        tags,
        access: None,
        lifecycle: None,
        images: BTreeMap::new(),
        labels: BTreeMap::new(),
        layers: BTreeMap::new(),
    };
    let view = repository.view(world);
    world.ecr.repositories.insert(name.to_owned(), repository);
    Ok(json!({ "repository": view }))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "repositoryNames", 100)?;
    if body["repositoryNames"].is_array() {
        if !body["nextToken"].is_null() || !body["maxResults"].is_null() {
            return Err(invalid(
                "Invalid parameter at 'maxResults' failed to satisfy constraint: 'maxResults and \
                 nextToken cannot be used with repositoryNames'",
            ));
        }
        let names = json::strings(body, "repositoryNames");
        let found = names.into_iter().map(|name| {
            let repository = world.ecr.repositories.get(name);
            repository.map(|found| found.view(world)).ok_or_else(|| not_found(world, name))
        });
        return Ok(json!({ "repositories": found.collect::<Result<Vec<_>, _>>()? }));
    }
    let size = json::page_size(body, "maxResults", 100, 1000, INVALID)?;
    let all: Vec<_> = world.ecr.repositories.values().collect();
    let (page, next) = json::page(all, json::text(body, "nextToken"), size, bad_token)?;
    let views: Vec<_> = page.into_iter().map(|repository| repository.view(world)).collect();
    let mut answer = json!({ "repositories": views });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?;
    if !repository.images.is_empty() && !json::boolean(body, "force") {
        return Err(JsonError::new(
            "RepositoryNotEmptyException",
            format!(
                "The repository with name '{}' in registry with id '{}' cannot be deleted \
                 because it still contains images",
                repository.name, world.account
            ),
        ));
    }
    let (name, view) = (repository.name.clone(), repository.view(world));
    world.ecr.repositories.remove(&name);
    world.sweep_blobs();
    Ok(json!({ "repository": view }))
}

pub(super) fn put_tag_mutability(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    check_mutability(body)?;
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    let mut answer = json!({ "registryId": account, "repositoryName": repository.name });
    for member in ["imageTagMutability", "imageTagMutabilityExclusionFilters"] {
        if body[member].is_null() {
            json::object(&mut repository.settings).remove(member);
        } else {
            repository.settings[member] = body[member].clone();
            answer[member] = body[member].clone();
        }
    }
    Ok(answer)
}

pub(super) fn put_scanning(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let repository = find_mut(world, body)?;
    let scan = json!({
        "scanOnPush": json::boolean(&body["imageScanningConfiguration"], "scanOnPush")
    });
    repository.settings["imageScanningConfiguration"] = scan.clone();
    Ok(json!({
        "registryId": account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": scan,
    }))
}

pub(super) fn tag(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = by_arn(world, body)?;
    tags::add(&mut repository.tags, &body["tags"], tags::UPPER)?;
    Ok(json!({}))
}

/// Adds the tags that only AWS itself may write.
pub(crate) fn add_system_tags(world: &mut World, name: &str, tags: Tags) {
    if let Some(repository) = world.ecr.repositories.get_mut(name) {
        repository.tags.extend(tags);
    }
}

pub(super) fn untag(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = by_arn(world, body)?;
    tags::remove(&mut repository.tags, &json::strings(body, "tagKeys"));
    Ok(json!({}))
}

pub(super) fn list_tags(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = by_arn(world, body)?;
    Ok(json!({ "tags": tags::write(&repository.tags, tags::UPPER) }))
}

pub(super) fn bad_token() -> JsonError {
    invalid("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'")
}

fn by_arn<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Repository, JsonError> {
    let asked = json::required(body, "resourceArn", INVALID)?;
    let name = asked.strip_prefix(&arn(world, "")).ok_or_else(|| {
        invalid(format!(
            "Invalid parameter at 'resourceArn' failed to satisfy constraint: '{asked} is not the \
             ARN of a repository of this registry'"
        ))
    })?;
    let missing = not_found(world, name);
    world.ecr.repositories.get_mut(name).ok_or(missing)
}

fn arn(world: &World, name: &str) -> String {
    world.arn("ecr", &format!("repository/{name}"))
}

fn not_found(world: &World, name: &str) -> JsonError {
    JsonError::new(
        "RepositoryNotFoundException",
        format!(
            "The repository with name '{name}' does not exist in the registry with id '{}'",
            world.account
        ),
    )
}

/// 2 to 256 characters: lower-case words joined by `.`, `_`, `-`, in parts joined by `/`.
fn check_name(name: &str) -> Result<(), JsonError> {
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_part = |part: &str| {
        let letters = part.as_bytes();
        let ends = letters.first().zip(letters.last());
        ends.is_some_and(|(first, last)| is_plain(*first) && is_plain(*last))
            && letters.iter().all(|letter| is_plain(*letter) || b"._-".contains(letter))
            && !letters.windows(2).any(|pair| {
                // Two underscores and any run of hyphens are allowed, as in Docker's grammar.
                !is_plain(pair[0]) && !is_plain(pair[1]) && !matches!(pair, b"__" | b"--")
            })
    };
    if (2..=256).contains(&name.len()) && name.split('/').all(is_part) {
        return Ok(());
    }
    Err(invalid(
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy \
         regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''",
    ))
}

fn check_mutability(body: &Value) -> Result<(), JsonError> {
    match body["imageTagMutability"].as_str() {
        Some("MUTABLE" | "IMMUTABLE" | "IMMUTABLE_WITH_EXCLUSION" | "MUTABLE_WITH_EXCLUSION") => {
            Ok(())
        }
        other => Err(invalid(format!(
            "Invalid parameter at 'imageTagMutability' failed to satisfy constraint: '{} is not \
             one of MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION'",
            other.unwrap_or("null")
        ))),
    }
}

/// Whether a tag fits a filter, in which `*` stands for any run of characters.
fn matches(filter: &str, tag: &str) -> bool {
    let Some((start, rest)) = filter.split_once('*') else { return filter == tag };
    let Some(tag) = tag.strip_prefix(start) else { return false };
    (0..=tag.len()).any(|at| tag.is_char_boundary(at) && matches(rest, &tag[at..]))
}
