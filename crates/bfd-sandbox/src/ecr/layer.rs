use std::io;

use aws_smithy_types::base64;
use serde_json::{Value, json};

use super::repository::find;
use super::{INVALID, at_most, distribution, invalid};
use crate::blob::{self, Content};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// The part size that ECR proposes, and the least it takes for all parts but the last.
const PART: u64 = 10 * 1024 * 1024;
const SMALLEST_PART: u64 = 5 * 1024 * 1024;

const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer on its way in, through the API or through the registry.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) repository: String,
    parts: Vec<Content>,
    /// The size of the latest part, which only the last may have small.
    latest: u64,
}

impl Upload {
    /// How many bytes have arrived.
    pub(super) fn length(&self) -> u64 {
        self.parts.iter().map(Content::length).sum()
    }

    pub(super) fn push(&mut self, content: Content) {
        self.latest = content.length();
        self.parts.push(content);
    }
}

pub(super) fn initiate(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?.name.clone();
    let id = begin(world, repository);
    Ok(json!({ "uploadId": id, "partSize": PART }))
}

/// Starts an upload and returns its id.
pub(super) fn begin(world: &mut World, repository: String) -> String {
    let id = world.next_uuid();
    let upload = Upload { repository, parts: Vec::new(), latest: PART };
    world.ecr.uploads.insert(id.clone(), upload);
    id
}

pub(super) fn upload_part(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let (id, upload) = find_upload(world, body)?;
    let part = body["layerPartBlob"].as_str().and_then(|text| base64::decode(text).ok());
    let part = part.ok_or_else(|| invalid("Invalid parameter at 'layerPartBlob'"))?;
    let begin = upload.length();
    if body["partFirstByte"].as_u64() != Some(begin)
        || body["partLastByte"].as_u64().map(|last| last + 1) != Some(begin + part.len() as u64)
    {
        return Err(JsonError::new(
            "InvalidLayerPartException",
            format!(
                "The layer part is invalid: the last valid byte received is {}",
                begin.saturating_sub(1)
            ),
        ));
    }
    if upload.latest < SMALLEST_PART {
        return Err(JsonError::new(
            "LayerPartTooSmallException",
            "Layer parts must be at least 5 MiB in size, except for the last one",
        ));
    }
    upload.push(Content::Memory(part.into()));
    Ok(json!({
        "registryId": account,
        "repositoryName": upload.repository,
        "uploadId": id,
        "lastByteReceived": upload.length().saturating_sub(1),
    }))
}

pub(super) fn complete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let (id, upload) = find_upload(world, body)?;
    if upload.length() == 0 {
        return Err(JsonError::new("EmptyUploadException", "The upload contains no layer parts"));
    }
    let (name, parts) = (upload.repository.clone(), upload.parts.clone());
    let found = blob::digest(&parts).map_err(|error| broken(&error))?;
    let asked = json::strings(body, "layerDigests");
    if asked.len() != 1 || asked[0] != found {
        return Err(JsonError::new(
            "InvalidLayerException",
            format!("Digest mismatch: expected {}, computed {found}", asked.join(", ")),
        ));
    }
    let repository = find(world, body)?;
    if repository.blob_size(&world.blobs, &found).is_some() {
        return Err(JsonError::new(
            "LayerAlreadyExistsException",
            format!(
                "The layer with digest '{found}' already exists in the repository with name '{}' \
                 in registry with id '{account}'",
                repository.name
            ),
        ));
    }
    keep(world, &name, &found, &parts).map_err(|error| broken(&error))?;
    world.ecr.uploads.remove(&id);
    Ok(json!({
        "registryId": account,
        "repositoryName": name,
        "uploadId": id,
        "layerDigest": found,
    }))
}

/// Ends an upload: what arrived becomes a blob of its repository if it is what was promised.
///
/// Gives back the digest that the bytes really have, when it is another one.
pub(super) fn finish(
    world: &mut World,
    id: &str,
    promised: &str,
) -> io::Result<Result<(), String>> {
    // Gone either way: an upload that went wrong cannot be mended.
    let Some(upload) = world.ecr.uploads.remove(id) else { return Ok(Err(String::new())) };
    let found = blob::digest(&upload.parts)?;
    if found != promised {
        return Ok(Err(found));
    }
    keep(world, &upload.repository, &found, &upload.parts)?;
    Ok(Ok(()))
}

fn keep(world: &mut World, repository: &str, digest: &str, parts: &[Content]) -> io::Result<()> {
    let size = parts.iter().map(Content::length).sum();
    if world.blobs.size(digest).is_none() {
        world.blobs.keep(digest, parts)?;
    }
    if let Some(repository) = world.ecr.repositories.get_mut(repository) {
        repository.layers.insert(digest.to_owned(), size);
    }
    Ok(())
}

/// Where the bytes of a layer can be had, for an hour.
pub(super) fn download_url(
    world: &World,
    now: f64,
    body: &Value,
    origin: Option<&str>,
) -> Result<Value, JsonError> {
    let repository = find(world, body)?;
    let asked = json::required(body, "layerDigest", INVALID)?;
    if repository.blob_size(&world.blobs, asked).is_none() {
        return Err(JsonError::new(
            "LayersNotFoundException",
            format!(
                "The layer with digest '{asked}' does not exist in the repository with name '{}' \
                 in the registry with id '{}'",
                repository.name, world.account
            ),
        ));
    }
    let url = distribution::download_url(world, now, &repository.name, asked, origin);
    Ok(json!({ "downloadUrl": url, "layerDigest": asked }))
}

fn broken(error: &io::Error) -> JsonError {
    JsonError {
        status: 500,
        code: "ServerException".into(),
        message: format!("the sandbox's blobs: {error}"),
    }
}

pub(super) fn check_availability(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "layerDigests", 100)?;
    let repository = find(world, body)?;
    let layers = json::strings(body, "layerDigests").into_iter().map(|asked| {
        match repository.blob_size(&world.blobs, asked) {
            Some(size) => json!({
                "layerDigest": asked,
                "layerAvailability": "AVAILABLE",
                "layerSize": size,
                "mediaType": LAYER,
            }),
            None => json!({ "layerDigest": asked, "layerAvailability": "UNAVAILABLE" }),
        }
    });
    Ok(json!({ "layers": layers.collect::<Vec<_>>(), "failures": [] }))
}

fn find_upload<'a>(
    world: &'a mut World,
    body: &Value,
) -> Result<(String, &'a mut Upload), JsonError> {
    let repository = find(world, body)?.name.clone();
    let id = json::required(body, "uploadId", INVALID)?.to_owned();
    let missing = JsonError::new(
        "UploadNotFoundException",
        format!(
            "The upload with id '{id}' does not exist in the repository with name '{repository}' \
             in registry with id '{}'",
            world.account
        ),
    );
    let upload = world.ecr.uploads.get_mut(&id).filter(|upload| upload.repository == repository);
    upload.map(|upload| (id, upload)).ok_or(missing)
}
