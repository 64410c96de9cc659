//! Reading objects.

use super::checksum::Algorithm;
use super::reply::{Refusal, Reply, http_date};
use super::{Bucket, Stored, Version};
use crate::ecr::distribution::Part;
use crate::router::Head;
use crate::world::World;

/// Answers GET and HEAD of an object.
pub(super) fn get(
    world: &World,
    head: &Head,
    name: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Reply, Refusal> {
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    let found = find(bucket, key, version)?;
    let Some(content) = &found.content else {
        return Err(match version {
            None => Refusal::no_key(key),
            Some(_) => Refusal::new(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            ),
        }
        .header("x-amz-delete-marker", "true")
        .header("x-amz-version-id", found.id.clone()));
    };
    let wanted = head.header("if-match");
    if !wanted.is_empty() && wanted != "*" && wanted.trim_matches('"') != content.etag {
        return Err(Refusal::precondition("If-Match"));
    }
    let known = head.header("if-none-match");
    if known == "*" || (!known.is_empty() && known.trim_matches('"') == content.etag) {
        return Ok(Reply::new(304).header("etag", format!("\"{}\"", content.etag)));
    }
    let (status, start, length) = match Part::parse(head.header("range"), content.size) {
        Part::All => (200, 0, content.size),
        Part::Some(start, length) => (206, start, length),
        Part::Outside => {
            return Err(Refusal::new(
                416,
                "InvalidRange",
                "The requested range is not satisfiable",
            ));
        }
    };
    let mut reply = describe(bucket, found, content, status, head);
    if status == 206 {
        let end = (start + length).saturating_sub(1);
        reply = reply.header("content-range", format!("bytes {start}-{end}/{}", content.size));
    }
    if head.method == "HEAD" {
        return Ok(reply.length(length));
    }
    Ok(reply.body(world.blobs.read(&content.digest, start, length)?))
}

fn find<'a>(bucket: &'a Bucket, key: &str, version: Option<&str>) -> Result<&'a Version, Refusal> {
    let Some(id) = version else {
        return bucket.latest(key).ok_or_else(|| Refusal::no_key(key));
    };
    let versions = bucket.objects.get(key).into_iter().flatten();
    versions.into_iter().find(|version| version.id == id).ok_or_else(|| {
        Refusal::new(404, "NoSuchVersion", "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", id)
    })
}

fn describe(
    bucket: &Bucket,
    version: &Version,
    content: &Stored,
    status: u16,
    head: &Head,
) -> Reply {
    let mut reply = Reply::new(status)
        .header("etag", format!("\"{}\"", content.etag))
        .header("last-modified", http_date(version.modified))
        .header("accept-ranges", "bytes");
    for (name, value) in &content.headers {
        reply = reply.header(name.clone(), value.clone());
    }
    for (name, value) in content.encryption.headers() {
        reply = reply.header(name, value);
    }
    if bucket.versioning.is_some() {
        reply = reply.header("x-amz-version-id", version.id.clone());
    }
    // Of the whole object only.
    if status == 200 && head.header("x-amz-checksum-mode").eq_ignore_ascii_case("enabled") {
        let (name, value) = content.checksum.clone();
        reply = reply.header(name, value).header("x-amz-checksum-type", content.checksum_type());
    }
    reply
}

/// The algorithm of an object's checksum, as listings name it.
pub(super) fn checksum_name(content: &Stored) -> Option<&'static str> {
    Algorithm::from_header(&content.checksum.0).map(Algorithm::name)
}
