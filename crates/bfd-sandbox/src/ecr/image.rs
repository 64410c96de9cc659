use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::repository::{self, Repository, find, find_mut};
use super::{INVALID, at_most, invalid};
use crate::blob::Content;
use crate::error::JsonError;
use crate::image::digest;
use crate::json;
use crate::world::World;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image: the manifest's own bytes, since its digest is their hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) manifest: String,
    pub(super) media_type: String,
    /// Empty for an index, which has none.
    artifact_type: String,
    pushed_at: f64,
    size: u64,
    /// `linux/amd64`, for an index those of its images; empty where nobody knows.
    #[serde(default)]
    pub(super) platforms: Vec<String>,
    /// The digest and the text of the config, when it is JSON of a reasonable size.
    #[serde(default)]
    pub(super) config: Option<(String, String)>,
}

/// Configs up to this size are kept with their image. Docker's are a few thousand bytes.
const CONFIG_LIMIT: u64 = 1024 * 1024;

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
    let repository = find(world, body)?;
    check_parts(world, repository, &manifest)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
        match repository.labels.get(tag) {
            Some(known) if *known == found => {
                return Err(exists(repository, &account, &found, tag));
            }
            Some(_) if repository.is_immutable(tag) => {
                return Err(JsonError::new(
                    "ImageTagAlreadyExistsException",
                    immutable(repository, tag),
                ));
            }
            _ => {}
        }
    } else if repository.images.contains_key(&found) {
        return Err(exists(repository, &account, &found, "null"));
    }
    let config = config(world, repository, &manifest);
    let image = Image {
        manifest: text.to_owned(),
        media_type,
        artifact_type: artifact_type(&manifest),
        pushed_at: now,
        size: size(repository, &manifest),
        platforms: platforms(repository, &manifest, config.as_ref()),
        config,
    };
    let repository = find_mut(world, body)?;
    if let Some(tag) = tag {
        repository.labels.insert(tag.to_owned(), found.clone());
    }
    repository.images.entry(found.clone()).or_insert(image);
    let id = image_id(&found, tag);
    Ok(json!({ "image": view(repository, &account, &found, &id) }))
}

/// What ECR says when a tag has to stay where it is.
pub(super) fn immutable(repository: &Repository, tag: &str) -> String {
    format!(
        "The image tag '{tag}' already exists in the '{}' repository and cannot be overwritten \
         because the tag is immutable.",
        repository.name
    )
}

pub(super) fn batch_get(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "imageIds", 100)?;
    let repository = find(world, body)?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    let accepted = json::strings(body, "acceptedMediaTypes");
    for asked in json::array(body, "imageIds") {
        let found = resolve(repository, asked).filter(|found| {
            accepted.is_empty() || accepted.contains(&repository.images[found].media_type.as_str())
        });
        match found {
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
        let tag = json::text(asked, "imageTag");
        let all: Vec<_> = labels(repository, &found).into_iter().map(str::to_owned).collect();
        if tag.is_none() || all.len() == 1 {
            let indexes = indexes_of(repository, &found);
            if !indexes.is_empty() {
                failures.push(json!({
                    "imageId": asked,
                    "failureCode": "ImageReferencedByManifestList",
                    "failureReason": format!(
                        "Requested image referenced by manifest list: [{}]",
                        indexes.join(", ")
                    ),
                }));
                continue;
            }
            repository.images.remove(&found);
        }
        let gone: Vec<_> = match tag {
            Some(tag) => vec![tag.to_owned()],
            None => all,
        };
        if gone.is_empty() {
            deleted.push(image_id(&found, None));
        }
        for tag in gone {
            repository.labels.remove(&tag);
            deleted.push(image_id(&found, Some(&tag)));
        }
    }
    Ok(json!({ "imageIds": deleted, "failures": failures }))
}

/// The indexes that list an image.
fn indexes_of(repository: &Repository, found: &str) -> Vec<String> {
    let indexes = repository.images.iter().filter(|(_, image)| {
        let manifest: Value = serde_json::from_str(&image.manifest).unwrap_or_default();
        json::array(&manifest, "manifests").iter().any(|part| part["digest"] == found)
    });
    indexes.map(|(digest, _)| digest.clone()).collect()
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
    let size = config.len() as u64;
    find_mut(world, &named)?.layers.insert(config_digest.clone(), size);
    if world.blobs.size(&config_digest).is_none() {
        let config = [Content::Memory(config.into())];
        world.blobs.keep(&config_digest, &config).map_err(|error| {
            JsonError::new("ServerException", format!("the sandbox's blobs: {error}"))
        })?;
    }
    let found = digest(manifest.as_bytes());
    let body = json!({
        "repositoryName": repository, "imageTag": tag, "imageManifest": manifest,
    });
    match put(world, now, &body) {
        Err(error) if error.code != "ImageAlreadyExistsException" => return Err(error),
        _ => {}
    }
    // It stands for any image that a test wants: it runs on whatever is asked for.
    if let Some(image) = find_mut(world, &named)?.images.get_mut(&found) {
        image.platforms.clear();
    }
    Ok(found)
}

/// Refuses a manifest whose blobs, or whose images, are not there yet.
fn check_parts(world: &World, repository: &Repository, manifest: &Value) -> Result<(), JsonError> {
    let account = &world.account;
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
    let is_layer = |digest: &str| repository.blob_size(&world.blobs, digest).is_some();
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

pub(super) fn check_tag(tag: &str) -> Result<(), JsonError> {
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
    });
    if !image.artifact_type.is_empty() {
        detail["artifactMediaType"] = json!(image.artifact_type);
    }
    let labels = labels(repository, found);
    if !labels.is_empty() {
        detail["imageTags"] = json!(labels);
    }
    detail
}

/// What is stored for an image; for an index, what is stored for its images.
fn size(repository: &Repository, manifest: &Value) -> u64 {
    let images = json::array(manifest, "manifests").iter();
    let images = images.filter_map(|part| repository.images.get(part["digest"].as_str()?));
    let layers = json::array(manifest, "layers").iter();
    let layers = layers.chain([&manifest["config"]]).filter_map(|part| part["size"].as_u64());
    images.map(|image| image.size).chain(layers).sum()
}

fn artifact_type(manifest: &Value) -> String {
    if manifest["manifests"].is_array() {
        return String::new();
    }
    json::text(&manifest["config"], "mediaType").unwrap_or(CONFIG).to_owned()
}

fn config(world: &World, repository: &Repository, manifest: &Value) -> Option<(String, String)> {
    let digest = json::text(&manifest["config"], "digest")?;
    let size = world.blobs.size(digest).filter(|size| *size <= CONFIG_LIMIT);
    let text = match size.map(|size| world.blobs.read(digest, 0, size)) {
        Some(Ok(bytes)) => String::from_utf8(bytes.to_vec()).ok()?,
        _ => repository.config(digest)?.to_owned(),
    };
    let is_object = serde_json::from_str::<Value>(&text).is_ok_and(|config| config.is_object());
    is_object.then(|| (digest.to_owned(), text))
}

fn platforms(
    repository: &Repository,
    manifest: &Value,
    config: Option<&(String, String)>,
) -> Vec<String> {
    let name = |platform: &Value| {
        let (os, architecture) =
            (json::text(platform, "os")?, json::text(platform, "architecture")?);
        // What is attached to an image, such as its provenance, says so of itself.
        (os != "unknown").then(|| format!("{os}/{architecture}"))
    };
    let mut found = BTreeSet::new();
    for part in json::array(manifest, "manifests") {
        if part["platform"].is_object() {
            found.extend(name(&part["platform"]));
        } else if let Some(image) = part["digest"].as_str().and_then(|it| repository.images.get(it))
        {
            found.extend(image.platforms.iter().cloned());
        }
    }
    if let Some((_, text)) = config {
        found.extend(name(&serde_json::from_str(text).unwrap_or_default()));
    }
    found.into_iter().collect()
}
