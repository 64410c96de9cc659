//! Objects that are put in parts.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_smithy_types::base64;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::checksum::Algorithm;
use super::put::{add, check_conditions, kept};
use super::reply::{Refusal, Reply};
use super::settings::Encryption;
use super::{Stored, payload, xml};
use crate::blob::{self, Content};
use crate::image::hexadecimal;
use crate::router::{Head, escape};
use crate::world::World;

/// The least that every part but the last has.
const SMALLEST: u64 = 5 * 1024 * 1024;

/// An object under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Upload {
    key: String,
    headers: BTreeMap<String, String>,
    encryption: Encryption,
    /// The header of the checksum that every part has, where one was asked for.
    checksum: Option<String>,
    /// Whether that is of the whole, and not of the parts' checksums.
    is_full: bool,
    parts: BTreeMap<u32, Part>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    digest: String,
    size: u64,
    md5: String,
    checksum: (String, String),
}

impl Upload {
    pub(super) fn uses(&self, digest: &str) -> bool {
        self.parts.values().any(|part| part.digest == digest)
    }
}

pub(super) fn begin(
    world: &mut World,
    head: &Head,
    name: &str,
    key: &str,
) -> Result<Reply, Refusal> {
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    let encryption = Encryption::of_object(head, &bucket.encryption)?;
    let asked = head.header("x-amz-checksum-algorithm");
    let algorithm = Algorithm::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(asked));
    if algorithm.is_none() && !asked.is_empty() {
        let text = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
        return Err(Refusal::new(400, "InvalidRequest", text));
    }
    let is_full = match head.header("x-amz-checksum-type") {
        "" => matches!(algorithm, None | Some(Algorithm::Crc64Nvme)),
        kind => kind.eq_ignore_ascii_case("FULL_OBJECT"),
    };
    let mut reply_headers = encryption.headers();
    if let Some(algorithm) = algorithm {
        let kind = if is_full { "FULL_OBJECT" } else { "COMPOSITE" };
        reply_headers.push(("x-amz-checksum-algorithm", algorithm.name().to_owned()));
        reply_headers.push(("x-amz-checksum-type", kind.to_owned()));
    }
    let upload = Upload {
        key: key.to_owned(),
        headers: kept(head),
        encryption,
        checksum: algorithm.map(|algorithm| algorithm.header().to_owned()),
        is_full,
        parts: BTreeMap::new(),
    };
    let id = world.next_hex();
    let bucket = world.s3.get_mut(name).ok_or_else(|| Refusal::no_bucket(name))?;
    bucket.uploads.insert(id.clone(), upload);
    let inner = format!(
        "<Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId>",
        escape(name),
        escape(key)
    );
    let reply = Reply::xml("InitiateMultipartUploadResult", &inner);
    Ok(reply_headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value)))
}

fn find<'a>(world: &'a World, name: &str, key: &str, id: &str) -> Result<&'a Upload, Refusal> {
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    bucket.uploads.get(id).filter(|upload| upload.key == key).ok_or_else(|| {
        Refusal::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        )
        .with("UploadId", id)
    })
}

/// Which part of which upload a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) id: &'a str,
}

pub(super) fn put(
    world: &mut World,
    head: &Head,
    place: Place<'_>,
    number: &str,
    content: Option<&Content>,
) -> Result<Reply, Refusal> {
    let number =
        number.parse().ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
            let text = "Part number must be an integer between 1 and 10000, inclusive";
            Refusal::new(400, "InvalidArgument", text)
        })?;
    if !head.header("x-amz-copy-source").is_empty() {
        return Err(Refusal::not_implemented("x-amz-copy-source"));
    }
    let upload = find(world, place.bucket, place.key, place.id)?;
    let encryption = upload.encryption.headers();
    let payload = payload::receive(head, content, &world.blobs)?;
    let part = Part {
        size: payload.content.length(),
        digest: payload.digest,
        md5: payload.md5,
        checksum: payload.checksum,
    };
    if world.blobs.size(&part.digest).is_none() {
        world.blobs.keep(&part.digest, &[payload.content])?;
    }
    let mut reply = Reply::new(200)
        .header("etag", format!("\"{}\"", part.md5))
        .header(part.checksum.0.clone(), part.checksum.1.clone());
    for (header, value) in encryption {
        reply = reply.header(header, value);
    }
    let bucket = world.s3.get_mut(place.bucket);
    if let Some(upload) = bucket.and_then(|bucket| bucket.uploads.get_mut(place.id)) {
        upload.parts.insert(number, part);
    }
    world.sweep_blobs();
    Ok(reply)
}

pub(super) fn complete(
    world: &mut World,
    now: f64,
    head: &Head,
    place: Place<'_>,
    document: &str,
) -> Result<Reply, Refusal> {
    let Place { bucket: name, key, id } = place;
    let upload = find(world, name, key, id)?.clone();
    let parts = listed(&upload, document)?;
    let bucket = world.s3.get(name).ok_or_else(|| Refusal::no_bucket(name))?;
    check_conditions(head, bucket, key)?;
    let region = bucket.region.clone();
    let mut contents = Vec::new();
    for part in &parts {
        contents.push(Content::Memory(world.blobs.read(&part.digest, 0, part.size)?));
    }
    let digest = blob::digest(&contents)?;
    let checksum = checksum(&upload, &parts, &contents)?;
    if world.blobs.size(&digest).is_none() {
        world.blobs.keep(&digest, &contents)?;
    }
    let mut md5 = Md5::new();
    for part in &parts {
        md5.update(bytes(&part.md5));
    }
    let etag = format!("{}-{}", hexadecimal(&md5.finalize()), parts.len());
    let mut inner = format!(
        "<Location>https://{name}.s3.{region}.amazonaws.com/{0}</Location><Bucket>{name}</Bucket>\
         <Key>{0}</Key><ETag>&quot;{etag}&quot;</ETag>",
        escape(key)
    );
    if let Some(algorithm) = Algorithm::from_header(&checksum.0) {
        let element = format!("Checksum{}", algorithm.name());
        let kind = if checksum.1.contains('-') { "COMPOSITE" } else { "FULL_OBJECT" };
        let _ = write!(
            inner,
            "<{element}>{}</{element}><ChecksumType>{kind}</ChecksumType>",
            checksum.1
        );
    }
    let mut reply = Reply::xml("CompleteMultipartUploadResult", &inner);
    for (header, value) in upload.encryption.headers() {
        reply = reply.header(header, value);
    }
    let stored = Stored {
        digest,
        size: contents.iter().map(Content::length).sum(),
        etag,
        headers: upload.headers,
        checksum,
        encryption: upload.encryption,
    };
    let version = add(world, now, name, key, Some(stored));
    abort(world, place)?;
    Ok(match version {
        Some(version) => reply.header("x-amz-version-id", version),
        None => reply,
    })
}

/// The parts that a document lists, in its order.
fn listed(upload: &Upload, document: &str) -> Result<Vec<Part>, Refusal> {
    let mut parts = Vec::new();
    let mut last = 0;
    for part in xml::elements(document, "Part") {
        let number = xml::text(part, "PartNumber").and_then(|text| text.parse::<u32>().ok());
        let number = number.ok_or_else(Refusal::malformed)?;
        if number <= last {
            return Err(Refusal::new(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
            ));
        }
        last = number;
        let etag = xml::text(part, "ETag").unwrap_or_default();
        let found = upload.parts.get(&number).filter(|part| part.md5 == etag.trim_matches('"'));
        parts.push(found.cloned().ok_or_else(|| {
            Refusal::new(
                400,
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
            )
            .with("PartNumber", number.to_string())
        })?);
    }
    let Some((_, all_but_last)) = parts.split_last() else { return Err(Refusal::malformed()) };
    if let Some(small) = all_but_last.iter().find(|part| part.size < SMALLEST) {
        return Err(Refusal::new(
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .with("ProposedSize", small.size.to_string())
        .with("MinSizeAllowed", SMALLEST.to_string()));
    }
    Ok(parts)
}

/// The checksum of the whole, or that of the parts' checksums with their number.
fn checksum(
    upload: &Upload,
    parts: &[Part],
    contents: &[Content],
) -> Result<(String, String), Refusal> {
    let algorithm = upload.checksum.as_deref().and_then(Algorithm::from_header);
    let algorithm = algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let mut running = algorithm.start();
    if upload.is_full {
        for content in contents {
            content.each(|piece| {
                running.update(piece);
                Ok(())
            })?;
        }
        return Ok((algorithm.header().to_owned(), running.finish()));
    }
    for part in parts {
        if part.checksum.0 != algorithm.header() {
            let text = format!(
                "The upload was created using a {0} checksum. The complete request must include the checksum for each part.",
                algorithm.name().to_lowercase()
            );
            return Err(Refusal::new(400, "InvalidRequest", text));
        }
        running.update(&base64::decode(&part.checksum.1).unwrap_or_default());
    }
    Ok((algorithm.header().to_owned(), format!("{}-{}", running.finish(), parts.len())))
}

/// The bytes of hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .filter_map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok())
        .collect()
}

pub(super) fn abort(world: &mut World, place: Place<'_>) -> Result<Reply, Refusal> {
    find(world, place.bucket, place.key, place.id)?;
    if let Some(bucket) = world.s3.get_mut(place.bucket) {
        bucket.uploads.remove(place.id);
    }
    world.sweep_blobs();
    Ok(Reply::new(204))
}
