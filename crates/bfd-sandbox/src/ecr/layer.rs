use aws_smithy_types::base64;
use serde_json::{Value, json};

use super::repository::{find, find_mut};
use super::{INVALID, at_most, invalid};
use crate::error::JsonError;
use crate::image::digest;
use crate::json;
use crate::world::World;

/// The part size that ECR proposes, and the least it takes for all parts but the last.
const PART: usize = 10 * 1024 * 1024;
const SMALLEST_PART: usize = 5 * 1024 * 1024;

const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A layer on its way in.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// The size of the latest part, which only the last may have small.
    latest: usize,
}

pub(super) fn initiate(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let repository = find(world, body)?.name.clone();
    let id = world.next_uuid();
    let upload = Upload { repository, bytes: Vec::new(), latest: PART };
    world.ecr.uploads.insert(id.clone(), upload);
    Ok(json!({ "uploadId": id, "partSize": PART }))
}

pub(super) fn upload_part(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let (id, upload) = find_upload(world, body)?;
    let part = body["layerPartBlob"].as_str().and_then(|text| base64::decode(text).ok());
    let part = part.ok_or_else(|| invalid("Invalid parameter at 'layerPartBlob'"))?;
    let number = |member: &str| body[member].as_u64().and_then(|n| usize::try_from(n).ok());
    let begin = upload.bytes.len();
    if number("partFirstByte") != Some(begin)
        || number("partLastByte").map(|last| last + 1) != Some(begin + part.len())
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
    upload.latest = part.len();
    upload.bytes.extend(part);
    Ok(json!({
        "registryId": account,
        "repositoryName": upload.repository,
        "uploadId": id,
        "lastByteReceived": upload.bytes.len().saturating_sub(1),
    }))
}

pub(super) fn complete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let account = world.account.clone();
    let (id, upload) = find_upload(world, body)?;
    if upload.bytes.is_empty() {
        return Err(JsonError::new("EmptyUploadException", "The upload contains no layer parts"));
    }
    let (size, found) = (upload.bytes.len(), digest(&upload.bytes));
    let asked = json::strings(body, "layerDigests");
    if asked.len() != 1 || asked[0] != found {
        return Err(JsonError::new(
            "InvalidLayerException",
            format!("Digest mismatch: expected {}, computed {found}", asked.join(", ")),
        ));
    }
    let repository = find_mut(world, body)?;
    if repository.layers.contains_key(&found) {
        return Err(JsonError::new(
            "LayerAlreadyExistsException",
            format!(
                "The layer with digest '{found}' already exists in the repository with name '{}' \
                 in registry with id '{account}'",
                repository.name
            ),
        ));
    }
    repository.layers.insert(found.clone(), size);
    let name = repository.name.clone();
    world.ecr.uploads.remove(&id);
    Ok(json!({
        "registryId": account,
        "repositoryName": name,
        "uploadId": id,
        "layerDigest": found,
    }))
}

pub(super) fn check_availability(world: &World, body: &Value) -> Result<Value, JsonError> {
    at_most(body, "layerDigests", 100)?;
    let repository = find(world, body)?;
    let layers = json::strings(body, "layerDigests").into_iter().map(|asked| {
        match repository.layers.get(asked) {
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
