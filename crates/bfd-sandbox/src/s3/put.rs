//! Putting objects, and taking them away.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::reply::{Refusal, Reply, timestamp};
use super::settings::Encryption;
use super::{Bucket, Stored, Version, Versioning, payload, xml};
use crate::blob::Content;
use crate::image;
use crate::router::{Head, escape};
use crate::world::World;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const LONGEST_KEY: usize = 1024;

/// The most that one request may put.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// The headers that are kept with an object and come back with it.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

pub(super) fn put(
    world: &mut World,
    now: f64,
    head: &Head,
    name: &str,
    key: &str,
    content: Option<&Content>,
) -> Result<Reply, Refusal> {
    if key.len() > LONGEST_KEY {
        return Err(Refusal::new(400, "KeyTooLongError", "Your key is too long")
            .with("MaxSizeAllowed", LONGEST_KEY.to_string()));
    }
    for unknown in ["x-amz-copy-source", "x-amz-write-offset-bytes"] {
        if !head.header(unknown).is_empty() {
            return Err(Refusal::not_implemented(unknown));
        }
    }
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    check_conditions(head, bucket, key)?;
    let encryption = Encryption::of_object(head, &bucket.encryption)?;
    let payload = payload::receive(head, content, &world.blobs)?;
    let size = payload.content.length();
    if size > LARGEST {
        return Err(Refusal::new(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
        ));
    }
    if world.blobs.size(&payload.digest).is_none() {
        world.blobs.keep(&payload.digest, &[payload.content])?;
    }
    // The tag of what is encrypted with a key of KMS is not the MD5 of the content.
    let etag = if encryption.is_kms() {
        image::digest(format!("kms/{}", payload.md5).as_bytes())["sha256:".len()..][..32].to_owned()
    } else {
        payload.md5
    };
    let mut reply = Reply::new(200)
        .header("etag", format!("\"{etag}\""))
        .header(payload.checksum.0.clone(), payload.checksum.1.clone())
        .header("x-amz-checksum-type", "FULL_OBJECT");
    for (header, value) in encryption.headers() {
        reply = reply.header(header, value);
    }
    let stored = Stored {
        digest: payload.digest,
        size,
        etag,
        headers: kept(head),
        checksum: payload.checksum,
        encryption,
    };
    let id = add(world, now, name, key, Some(stored));
    world.sweep_blobs();
    Ok(match id {
        Some(id) => reply.header("x-amz-version-id", id),
        None => reply,
    })
}

/// What a request puts under conditions is put only if they hold.
pub(super) fn check_conditions(head: &Head, bucket: &Bucket, key: &str) -> Result<(), Refusal> {
    let current = bucket.latest(key).and_then(|version| version.content.as_ref());
    match head.header("if-none-match") {
        "" => {}
        "*" => {
            if current.is_some() {
                return Err(Refusal::precondition("If-None-Match"));
            }
        }
        _ => {
            return Err(Refusal::new(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )
            .with("Header", "If-None-Match"));
        }
    }
    check_match(head, current, key)
}

fn check_match(head: &Head, current: Option<&Stored>, key: &str) -> Result<(), Refusal> {
    let wanted = head.header("if-match");
    if wanted.is_empty() {
        return Ok(());
    }
    let current = current.ok_or_else(|| Refusal::no_key(key))?;
    if wanted == "*" || wanted.trim_matches('"') == current.etag {
        return Ok(());
    }
    Err(Refusal::precondition("If-Match"))
}

pub(super) fn kept(head: &Head) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in &head.headers {
        if name == "content-encoding" {
            // The framing is not the content's.
            let codings: Vec<&str> =
                value.split(',').map(str::trim).filter(|one| *one != "aws-chunked").collect();
            if !codings.is_empty() && !codings.concat().is_empty() {
                headers.insert(name.clone(), codings.join(","));
            }
        } else if KEPT.contains(&name.as_str()) || name.starts_with("x-amz-meta-") {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers.entry("content-type".to_owned()).or_insert("binary/octet-stream".to_owned());
    headers
}

/// Adds a version, or a delete marker, and gives its id where the bucket has versions.
pub(super) fn add(
    world: &mut World,
    now: f64,
    name: &str,
    key: &str,
    content: Option<Stored>,
) -> Option<String> {
    let versioning = world.s3.get(name)?.versioning;
    let id = match versioning {
        Some(Versioning::Enabled) => world.next_hex(),
        _ => "null".to_owned(),
    };
    let versions = world.s3.get_mut(name)?.objects.entry(key.to_owned()).or_default();
    if id == "null" {
        versions.retain(|version| version.id != "null");
    }
    versions.push(Version { id: id.clone(), modified: now, content });
    versioning.map(|_| id)
}

pub(super) fn delete(
    world: &mut World,
    now: f64,
    head: &Head,
    name: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Reply, Refusal> {
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    let current = bucket.latest(key).and_then(|version| version.content.as_ref());
    check_match(head, current, key)?;
    let Deleted { version, is_marker } = remove(world, now, name, key, version);
    let mut reply = Reply::new(204);
    if let Some(id) = version {
        reply = reply.header("x-amz-version-id", id);
    }
    if is_marker {
        reply = reply.header("x-amz-delete-marker", "true");
    }
    world.sweep_blobs();
    Ok(reply)
}

/// What a deletion did.
struct Deleted {
    version: Option<String>,
    /// Whether a delete marker was made or removed.
    is_marker: bool,
}

fn remove(world: &mut World, now: f64, name: &str, key: &str, version: Option<&str>) -> Deleted {
    let nothing = Deleted { version: None, is_marker: false };
    let Some(bucket) = world.s3.get_mut(name) else { return nothing };
    if let Some(id) = version {
        let mut is_marker = false;
        if let Some(versions) = bucket.objects.get_mut(key) {
            versions.retain(|version| {
                let is_it = version.id == id;
                is_marker |= is_it && version.content.is_none();
                !is_it
            });
            if versions.is_empty() {
                bucket.objects.remove(key);
            }
        }
        return Deleted { version: Some(id.to_owned()), is_marker };
    }
    if bucket.versioning.is_none() {
        bucket.objects.remove(key);
        return nothing;
    }
    Deleted { version: add(world, now, name, key, None), is_marker: true }
}

/// Deletes what a document lists.
pub(super) fn delete_many(
    world: &mut World,
    now: f64,
    name: &str,
    document: &str,
) -> Result<Reply, Refusal> {
    world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    let objects = xml::elements(document, "Object");
    if objects.is_empty() || objects.len() > 1000 {
        return Err(Refusal::malformed());
    }
    let is_quiet = xml::text(document, "Quiet").as_deref() == Some("true");
    let mut inner = String::new();
    for object in objects {
        let key = xml::text(object, "Key").ok_or_else(Refusal::malformed)?;
        let version = xml::text(object, "VersionId");
        let deleted = remove(world, now, name, &key, version.as_deref());
        if is_quiet {
            continue;
        }
        let _ = write!(inner, "<Deleted><Key>{}</Key>", escape(&key));
        if let Some(version) = version {
            let _ = write!(inner, "<VersionId>{}</VersionId>", escape(&version));
        }
        if deleted.is_marker {
            let id = deleted.version.unwrap_or_default();
            let _ = write!(
                inner,
                "<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{id}\
                 </DeleteMarkerVersionId>"
            );
        }
        inner.push_str("</Deleted>");
    }
    world.sweep_blobs();
    Ok(Reply::xml("DeleteResult", &inner))
}

/// When a version was made, as documents spell it.
pub(super) fn modified(version: &Version) -> String {
    timestamp(version.modified)
}
