use serde_json::{Value, json};

use super::{Refusal, Reply, check_digest, repository, translate};
use crate::blob::Content;
use crate::ecr::image::{self, MANIFEST};
use crate::image::digest;
use crate::json;
use crate::router::{Head, parse_form};
use crate::world::World;

/// What may be pushed.
const MEDIA_TYPES: [&str; 4] = [
    MANIFEST,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The most tags that one answer lists.
const PAGE: usize = 1000;

/// `GET` and `HEAD`; a type that the client does not accept is as good as missing.
pub(super) fn get(
    world: &World,
    head: &Head,
    name: &str,
    reference: &str,
) -> Result<Reply, Refusal> {
    let repository = repository(world, name)?;
    check_reference(reference)?;
    let found = match repository.labels.get(reference) {
        Some(found) => found.as_str(),
        None => reference,
    };
    let image = repository.images.get(found).filter(|image| accepts(head, &image.media_type));
    let image =
        image.ok_or_else(|| Refusal::new(404, "MANIFEST_UNKNOWN", "Requested image not found"))?;
    Ok(Reply::new(200)
        .header("docker-content-digest", found)
        .body(&image.media_type, image.manifest.clone()))
}

/// `PUT`, by tag or by digest.
///
/// The same manifest under the same tag is no news, except where tags are immutable: there ECR
/// refuses it as it refuses another one (containers-roadmap 2179, 2380).
pub(super) fn put(
    world: &mut World,
    now: f64,
    head: &Head,
    name: &str,
    reference: &str,
    content: Option<&Content>,
) -> Result<Reply, Refusal> {
    let known = repository(world, name)?;
    check_reference(reference)?;
    let is_digest = reference.contains(':');
    if !is_digest && known.labels.contains_key(reference) && known.is_immutable(reference) {
        return Err(Refusal::new(400, "TAG_INVALID", image::immutable(known, reference)));
    }
    let bytes = content.map(Content::to_vec).transpose()?.unwrap_or_default();
    let invalid = |message: String| Refusal::new(400, "MANIFEST_INVALID", message);
    let text = String::from_utf8(bytes).map_err(|_| invalid("Invalid JSON syntax".to_owned()))?;
    let manifest: Value =
        serde_json::from_str(&text).map_err(|_| invalid("Invalid JSON syntax".to_owned()))?;
    let told = head.header("content-type").split(';').next().unwrap_or_default().trim();
    let media_type = json::text(&manifest, "mediaType").unwrap_or(told);
    if !MEDIA_TYPES.contains(&told) || media_type != told {
        return Err(invalid(format!(
            "The manifest's media type '{media_type}' is not supported, or is not the request's \
             content type '{told}'"
        )));
    }
    let found = digest(text.as_bytes());
    let mut body = json!({
        "repositoryName": name,
        "imageManifest": text,
        "imageManifestMediaType": media_type,
    });
    body[if is_digest { "imageDigest" } else { "imageTag" }] = json!(reference);
    match image::put(world, now, &body) {
        Err(error) if error.code != "ImageAlreadyExistsException" => Err(translate(error)),
        // No `Location`: ECR sends none.
        _ => Ok(Reply::new(201).header("docker-content-digest", found)),
    }
}

/// `GET …/tags/list`, in pages.
pub(super) fn tags(world: &World, head: &Head, name: &str) -> Result<Reply, Refusal> {
    let repository = repository(world, name)?;
    let query = parse_form(&head.query);
    let size = match query.get("n").map(|number| number.parse::<usize>()) {
        None => PAGE,
        Some(Ok(number)) if (1..=PAGE).contains(&number) => number,
        Some(_) => {
            return Err(Refusal::new(
                400,
                "PAGINATION_NUMBER_INVALID",
                format!("The parameter 'n' must be between 1 and {PAGE}"),
            ));
        }
    };
    let last = query.get("last").map_or("", String::as_str);
    let mut tags: Vec<_> =
        repository.labels.keys().filter(|tag| tag.as_str() > last).take(size + 1).collect();
    let has_more = tags.len() > size;
    tags.truncate(size);
    let mut reply = Reply::new(200);
    if let Some(last) = tags.last().filter(|_| has_more) {
        let next = format!("</v2/{name}/tags/list?n={size}&last={last}>; rel=\"next\"");
        reply = reply.header("link", next);
    }
    let body = json!({ "name": name, "tags": tags });
    Ok(reply.body("application/json; charset=utf-8", body.to_string()))
}

fn check_reference(reference: &str) -> Result<(), Refusal> {
    if reference.contains(':') {
        return check_digest(reference);
    }
    image::check_tag(reference).map_err(|error| Refusal::new(400, "TAG_INVALID", error.message))
}

fn accepts(head: &Head, media_type: &str) -> bool {
    let accept = head.header("accept");
    accept.is_empty()
        || accept.split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range == "*/*" || range == "application/*" || range == media_type
        })
}
