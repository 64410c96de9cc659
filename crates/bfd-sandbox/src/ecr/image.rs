use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::repository::{self, Repository, find, find_mut};
use super::{INVALID, at_most, invalid};
use crate::error::JsonError;
use crate::image::digest;
use crate::json;
use crate::world::World;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image: the manifest's own bytes, since its digest is their hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Image {
    manifest: String,
    media_type: String,
    artifact_type: String,
    pushed_at: f64,
    size: u64,
}

pub(super) fn put(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let text = json::required(body, "imageManifest", INVALID)?;
    let manifest: Value = serde_json::from_str(text).map_err(|_| {
        invalid(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON \
             syntax'",
        )
    })?;
    let found = digest(text.as_bytes());
    if let Some(asked) = json::text(body, "imageDigest").filter(|asked| *asked != found) {
        return Err(JsonError::new(
            "ImageDigestDoesNotMatchException",
            format!("The digest '{asked}' does not match the digest calculated: '{found}'"),
        ));
    }
    let media_type = json::text(body, "imageManifestMediaType")
        .or_else(|| json::text(&manifest, "mediaType"))
        .unwrap_or(MANIFEST)
        .to_owned();
    let tag = json::text(body, "imageTag");
    let repository = find_mut(world, body)?;
    check_parts(repository, &account, &manifest)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
        match repository.labels.get(tag) {
            Some(known) if *known == found => {
                return Err(exists(repository, &account, &found, tag));
            }
            Some(_) if repository.is_immutable(tag) => {
                return Err(JsonError::new(
                    "ImageTagAlreadyExistsException",
                    format!(
                        "The image tag '{tag}' already exists in the '{}' repository and cannot \
                         be overwritten because the repository is immutable.",
                        repository.name
                    ),
                ));
            }
            _ => {}
        }
        repository.labels.insert(tag.to_owned(), found.clone());
    } else if repository.images.contains_key(&found) {
        return Err(exists(repository, &account, &found, "null"));
    }
    let image = Image {
        manifest: text.to_owned(),
        media_type,
        artifact_type: json::text(&manifest["config"], "mediaType").unwrap_or(CONFIG).to_owned(),
        pushed_at: now,
        size: size(&manifest),
    };
    repository.images.entry(found.clone()).or_insert(image);
    let id = image_id(&found, tag);
    Ok(json!({ "image": view(repository, &account, &found, &id) }))
}

pub(super) fn batch_get(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "imageIds", 100)?;
    let repository = find(world, body)?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for asked in json::array(body, "imageIds") {
        match resolve(repository, asked) {
            Some(found) => {
                let id = image_id(&found, json::text(asked, "imageTag"));
                images.push(view(repository, &world.account, &found, &id));
            }
            None => failures.push(failure(asked)),
        }
    }
    Ok(json!({ "images": images, "failures": failures }))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "imageIds", 100)?;
    let repository = find(world, body)?;
    let asked = json::array(body, "imageIds");
    let mut found = BTreeSet::new();
    for id in asked {
        found.insert(resolve(repository, id).ok_or_else(|| {
            let member = |name: &str| id[name].as_str().unwrap_or("null").to_owned();
            JsonError::new(
                "ImageNotFoundException",
                format!(
                    "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist \
                     within the repository with name '{}' in the registry with id '{}'",
                    member("imageDigest"),
                    member("imageTag"),
                    repository.name,
                    world.account
                ),
            )
        })?);
    }
    if asked.is_empty() {
        found.extend(repository.images.keys().cloned());
    }
    let status = body["filter"]["tagStatus"].as_str().unwrap_or("ANY");
    let details: Vec<_> = found
        .iter()
        .filter(|found| fits(status, !labels(repository, found).is_empty()))
        .map(|found| detail(repository, &world.account, found))
        .collect();
    let size = json::page_size(body, "maxResults", 100, 1000, INVALID)?;
    let token = json::text(body, "nextToken");
    let (page, next) = json::page(details, token, size, repository::bad_token)?;
    let mut answer = json!({ "imageDetails": page });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn list(world: &World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?;
    let status = body["filter"]["tagStatus"].as_str().unwrap_or("ANY");
    let mut ids = Vec::new();
    for found in repository.images.keys() {
        let labels = labels(repository, found);
        if labels.is_empty() && fits(status, false) {
            ids.push(image_id(found, None));
        }
        if fits(status, true) {
            ids.extend(labels.into_iter().map(|label| image_id(found, Some(label))));
        }
    }
    let size = json::page_size(body, "maxResults", 100, 1000, INVALID)?;
    let token = json::text(body, "nextToken");
    let (page, next) = json::page(ids, token, size, repository::bad_token)?;
    let mut answer = json!({ "imageIds": page });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

pub(super) fn batch_delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "imageIds", 100)?;
    let repository = find_mut(world, body)?;
    let (mut deleted, mut failures) = (Vec::new(), Vec::new());
    for asked in json::array(body, "imageIds") {
        let Some(found) = resolve(repository, asked) else {
            failures.push(failure(asked));
            continue;
        };
        // A tag is only untagged; the image goes with its last tag, or when named by digest.
        if let Some(tag) = json::text(asked, "imageTag") {
            repository.labels.remove(tag);
            deleted.push(image_id(&found, Some(tag)));
            if !labels(repository, &found).is_empty() {
                continue;
            }
        } else {
            let gone: Vec<_> = labels(repository, &found).into_iter().map(str::to_owned).collect();
            for tag in gone {
                repository.labels.remove(&tag);
                deleted.push(image_id(&found, Some(&tag)));
            }
            if deleted.is_empty() {
                deleted.push(image_id(&found, None));
            }
        }
        repository.images.remove(&found);
    }
    Ok(json!({ "imageIds": deleted, "failures": failures }))
}

/// Puts an image of one config and no layers under a tag: what a test needs for a task to start.
pub(crate) fn push_minimal_image(
    world: &mut World,
    now: f64,
    repository: &str,
    tag: &str,
) -> Result<String, JsonError> {
    let named = json!({ "repositoryName": repository });
    if !world.ecr.repositories.contains_key(repository) {
        repository::create(world, now, &named)?;
    }
    let config =
        json!({ "architecture": "amd64", "os": "linux", "bfd": [repository, tag] }).to_string();
    let config_digest = digest(config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
        "layers": [],
    })
    .to_string();
    find_mut(world, &named)?.layers.insert(config_digest, config.len());
    let found = digest(manifest.as_bytes());
    let body = json!({
        "repositoryName": repository, "imageTag": tag, "imageManifest": manifest,
    });
    match put(world, now, &body) {
        Ok(_) => Ok(found),
        Err(error) if error.code == "ImageAlreadyExistsException" => Ok(found),
        Err(error) => Err(error),
    }
}

/// Refuses a manifest whose blobs, or whose images, are not there yet.
fn check_parts(repository: &Repository, account: &str, manifest: &Value) -> Result<(), JsonError> {
    let digests = |list: &Value, known: &dyn Fn(&str) -> bool| -> Vec<String> {
        let digests =
            list.as_array().into_iter().flatten().filter_map(|part| part["digest"].as_str());
        digests.filter(|digest| !known(digest)).map(str::to_owned).collect()
    };
    let images = digests(&manifest["manifests"], &|digest| repository.images.contains_key(digest));
    if !images.is_empty() {
        return Err(JsonError::new(
            "ReferencedImagesNotFoundException",
            format!(
                "Images with digests '[{}]' required for pushing image into repository with name \
                 '{}' in the registry with id '{account}' do not exist",
                images.join(", "),
                repository.name
            ),
        ));
    }
    let is_layer = |digest: &str| repository.layers.contains_key(digest);
    let mut layers = digests(&json!([manifest["config"]]), &is_layer);
    layers.extend(digests(&manifest["layers"], &is_layer));
    if !layers.is_empty() {
        return Err(JsonError::new(
            "LayersNotFoundException",
            format!(
                "Layers with digests '[{}]' required for pushing image into repository with name \
                 '{}' in the registry with id '{account}' do not exist",
                layers.join(", "),
                repository.name
            ),
        ));
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), JsonError> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut letters = tag.chars();
    let is_valid = tag.len() <= 128
        && letters.next().is_some_and(is_word)
        && letters.all(|letter| is_word(letter) || letter == '.' || letter == '-');
    if is_valid {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid parameter at 'imageTag' failed to satisfy constraint: '{tag} must satisfy regular \
         expression '[a-zA-Z0-9_][a-zA-Z0-9-_.]{{0,127}}''"
    )))
}

fn exists(repository: &Repository, account: &str, found: &str, tag: &str) -> JsonError {
    JsonError::new(
        "ImageAlreadyExistsException",
        format!(
            "Image with digest '{found}' and tag '{tag}' already exists in the repository with \
             name '{}' in registry with id '{account}'",
            repository.name
        ),
    )
}

fn resolve(repository: &Repository, id: &Value) -> Option<String> {
    let tagged = json::text(id, "imageTag").map(|tag| repository.labels.get(tag));
    match (json::text(id, "imageDigest"), tagged) {
        (Some(digest), None) => repository.images.contains_key(digest).then(|| digest.to_owned()),
        (None, Some(found)) => found.cloned(),
        (Some(digest), Some(found)) => found.filter(|found| *found == digest).cloned(),
        (None, None) => None,
    }
}

fn labels<'a>(repository: &'a Repository, found: &str) -> Vec<&'a str> {
    let labels = repository.labels.iter().filter(|(_, labelled)| *labelled == found);
    labels.map(|(label, _)| label.as_str()).collect()
}

fn fits(status: &str, is_tagged: bool) -> bool {
    match status {
        "TAGGED" => is_tagged,
        "UNTAGGED" => !is_tagged,
        _ => true,
    }
}

fn image_id(found: &str, tag: Option<&str>) -> Value {
    let mut id = json!({ "imageDigest": found });
    if let Some(tag) = tag {
        id["imageTag"] = json!(tag);
    }
    id
}

fn failure(asked: &Value) -> Value {
    json!({
        "imageId": asked,
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    })
}

fn view(repository: &Repository, account: &str, found: &str, id: &Value) -> Value {
    let image = &repository.images[found];
    json!({
        "registryId": account,
        "repositoryName": repository.name,
        "imageId": id,
        "imageManifest": image.manifest,
        "imageManifestMediaType": image.media_type,
    })
}

fn detail(repository: &Repository, account: &str, found: &str) -> Value {
    let image = &repository.images[found];
    let mut detail = json!({
        "registryId": account,
        "repositoryName": repository.name,
        "imageDigest": found,
        "imageSizeInBytes": image.size,
        "imagePushedAt": json::time(image.pushed_at),
        "imageManifestMediaType": image.media_type,
        "artifactMediaType": image.artifact_type,
    });
    let labels = labels(repository, found);
    if !labels.is_empty() {
        detail["imageTags"] = json!(labels);
    }
    detail
}

fn size(manifest: &Value) -> u64 {
    let layers = json::array(manifest, "layers").iter();
    layers.chain([&manifest["config"]]).filter_map(|part| part["size"].as_u64()).sum()
}
