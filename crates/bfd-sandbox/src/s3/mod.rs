//! S3: buckets and objects, as far as deployments need them.
//!
//! | module | what is in it |
//! |---|---|
//! | `address` | which bucket and key a host and a path name, and a URL in a template |
//! | `ask`, `operation` | one request: its operation, its answer |
//! | `bucket`, `settings` | making and deleting buckets, and what is set on them |
//! | `put`, `parts`, `object`, `listing` | objects in, in parts, out, and listed |
//! | `payload`, `chunked`, `checksum` | a body as the SDK sends it, and whether it arrived whole |
//! | `reply`, `xml` | answers, refusals, and reading the few documents that are sent |
//!
//! Requests, answers and refusals follow the API's reference, version 2006-03-01.

mod address;
mod ask;
mod bucket;
mod checksum;
mod chunked;
mod listing;
mod object;
mod operation;
mod parts;
mod payload;
mod put;
mod reply;
mod settings;
mod xml;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::address::Location;
pub(crate) use self::ask::Ask;
pub(crate) use self::bucket::{empty as is_empty, make as make_bucket, remove as remove_bucket};
use self::parts::Upload;
pub(crate) use self::settings::{Encryption, PublicAccess, Versioning};
use crate::tags::Tags;
use crate::world::World;

/// Every bucket of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Buckets {
    all: BTreeMap<String, Bucket>,
}

/// One bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    region: String,
    created: f64,
    /// `None` until it is set for the first time.
    pub(crate) versioning: Option<Versioning>,
    pub(crate) encryption: Encryption,
    pub(crate) public_access: Option<PublicAccess>,
    pub(crate) policy: Option<String>,
    pub(crate) tags: Tags,
    /// By key the versions, oldest first; never an empty list.
    objects: BTreeMap<String, Vec<Version>>,
    /// Objects that are being put in parts, by the id of their upload.
    #[serde(default)]
    uploads: BTreeMap<String, Upload>,
}

/// One version of an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Version {
    /// `null` for what was put while versioning was not enabled.
    id: String,
    modified: f64,
    /// `None` for a delete marker.
    content: Option<Stored>,
}

/// What a version holds; its bytes are a blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    digest: String,
    size: u64,
    /// Without its quotes.
    etag: String,
    /// The headers that come back with it, in lower case.
    headers: BTreeMap<String, String>,
    /// The header and the value of its checksum.
    checksum: (String, String),
    encryption: Encryption,
}

impl Stored {
    /// Whether the checksum is of the whole, or of its parts' checksums.
    fn checksum_type(&self) -> &'static str {
        // No letter of base64, but before the number of parts.
        if self.checksum.1.contains('-') { "COMPOSITE" } else { "FULL_OBJECT" }
    }
}

impl Bucket {
    fn latest(&self, key: &str) -> Option<&Version> {
        self.objects.get(key).and_then(|versions| versions.last())
    }
}

impl Buckets {
    /// Whether a blob is the content of any version, or a part of one to be.
    pub(crate) fn uses(&self, digest: &str) -> bool {
        let mut uploads = self.all.values().flat_map(|bucket| bucket.uploads.values());
        if uploads.any(|upload| upload.uses(digest)) {
            return true;
        }
        self.all
            .values()
            .flat_map(|bucket| bucket.objects.values().flatten())
            .filter_map(|version| version.content.as_ref())
            .any(|content| content.digest == digest)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Bucket> {
        self.all.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Bucket> {
        self.all.get_mut(name)
    }
}

fn find<'a>(world: &'a World, location: &Location) -> Option<&'a Stored> {
    let versions = world.s3.get(&location.bucket)?.objects.get(&location.key)?;
    let version = match &location.version {
        Some(id) => versions.iter().find(|version| version.id == *id)?,
        None => versions.last()?,
    };
    version.content.as_ref()
}

/// Whether there is an object, for who reads it from within.
pub(crate) fn exists(world: &World, location: &Location) -> bool {
    find(world, location).is_some()
}

/// The text of an object, for who reads it from within; `None` when it is not there.
pub(crate) fn text(world: &World, location: &Location) -> Option<String> {
    let content = find(world, location)?;
    let bytes = world.blobs.read(&content.digest, 0, content.size).ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}
