//! Listing objects and their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use aws_smithy_types::base64;

use super::object::checksum_name;
use super::put::modified;
use super::reply::{Refusal, Reply};
use super::{Bucket, Version};
use crate::router::escape;

type Query = BTreeMap<String, String>;

/// The most that one page holds.
const PAGE: usize = 1000;

/// What is asked for.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: &'a str,
    most: usize,
    encoded: bool,
}

impl<'a> Asked<'a> {
    fn read(query: &'a Query) -> Result<Self, Refusal> {
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        let most = match text("max-keys") {
            "" => PAGE,
            text => text.parse::<u32>().map_err(|_| {
                Refusal::new(
                    400,
                    "InvalidArgument",
                    "Provided max-keys not an integer or within integer range",
                )
                .with("ArgumentName", "max-keys")
            })? as usize,
        };
        let encoded = match text("encoding-type") {
            "" => false,
            "url" => true,
            _ => {
                let text = "Invalid Encoding Method specified in Request";
                return Err(Refusal::new(400, "InvalidArgument", text));
            }
        };
        Ok(Self {
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            most: most.min(PAGE),
            encoded,
        })
    }

    fn spell(&self, text: &str) -> String {
        if self.encoded { encode(text) } else { escape(text) }
    }

    /// The prefix that a key goes into, up to the first delimiter after what was asked for.
    fn common<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let at = key[self.prefix.len()..].find(self.delimiter)?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// What all listings say.
    fn head(&self, name: &str, is_truncated: bool) -> String {
        let mut inner = format!(
            "<Name>{}</Name><Prefix>{}</Prefix><MaxKeys>{}</MaxKeys><IsTruncated>{is_truncated}\
             </IsTruncated>",
            escape(name),
            self.spell(self.prefix),
            self.most
        );
        if !self.delimiter.is_empty() {
            let _ = write!(inner, "<Delimiter>{}</Delimiter>", self.spell(self.delimiter));
        }
        if self.encoded {
            inner.push_str("<EncodingType>url</EncodingType>");
        }
        inner
    }

    fn prefixes(&self, prefixes: &BTreeSet<String>) -> String {
        prefixes.iter().fold(String::new(), |mut inner, prefix| {
            let prefix = self.spell(prefix);
            let _ = write!(inner, "<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>");
            inner
        })
    }
}

/// One page of keys.
struct Page<'a> {
    items: Vec<(&'a str, &'a Version)>,
    prefixes: BTreeSet<String>,
    /// The last key or prefix of the page, if more follow.
    next: Option<String>,
}

fn page<'a>(bucket: &'a Bucket, asked: &Asked<'_>, after: &str) -> Page<'a> {
    let mut page = Page { items: Vec::new(), prefixes: BTreeSet::new(), next: None };
    let mut last = String::new();
    for (key, version) in current(bucket) {
        if !key.starts_with(asked.prefix) || (!after.is_empty() && key <= after) {
            continue;
        }
        let common = asked.common(key);
        if common.is_some_and(|common| common == after || page.prefixes.contains(common)) {
            continue;
        }
        if page.items.len() + page.prefixes.len() == asked.most {
            page.next = Some(last).filter(|last| !last.is_empty());
            return page;
        }
        common.unwrap_or(key).clone_into(&mut last);
        match common {
            Some(common) => {
                page.prefixes.insert(common.to_owned());
            }
            None => page.items.push((key, version)),
        }
    }
    page
}

/// The objects that are there now, delete markers left out.
fn current(bucket: &Bucket) -> impl Iterator<Item = (&str, &Version)> {
    bucket.objects.iter().filter_map(|(key, versions)| {
        let latest = versions.last().filter(|version| version.content.is_some())?;
        Some((key.as_str(), latest))
    })
}

fn contents(asked: &Asked<'_>, page: &Page<'_>) -> String {
    let mut inner = String::new();
    for (key, version) in &page.items {
        let Some(content) = &version.content else { continue };
        let _ = write!(
            inner,
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;{}&quot;</ETag>",
            asked.spell(key),
            modified(version),
            content.etag
        );
        if let Some(name) = checksum_name(content) {
            let _ = write!(
                inner,
                "<ChecksumAlgorithm>{name}</ChecksumAlgorithm><ChecksumType>{}</ChecksumType>",
                content.checksum_type()
            );
        }
        let _ = write!(
            inner,
            "<Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            content.size
        );
    }
    inner
}

/// `ListObjectsV2`
pub(super) fn second(bucket: &Bucket, name: &str, query: &Query) -> Result<Reply, Refusal> {
    let asked = Asked::read(query)?;
    let token = query.get("continuation-token").filter(|token| !token.is_empty());
    let after = match token {
        Some(token) => base64::decode(token)
            .ok()
            .and_then(|key| String::from_utf8(key).ok())
            .ok_or_else(|| {
                let text = "The continuation token provided is incorrect";
                Refusal::new(400, "InvalidArgument", text)
                    .with("ArgumentName", "continuation-token")
            })?,
        None => query.get("start-after").cloned().unwrap_or_default(),
    };
    let page = page(bucket, &asked, &after);
    let mut inner = asked.head(name, page.next.is_some());
    let _ = write!(inner, "<KeyCount>{}</KeyCount>", page.items.len() + page.prefixes.len());
    if let Some(token) = token {
        let _ = write!(inner, "<ContinuationToken>{}</ContinuationToken>", escape(token));
    }
    if let Some(start) = query.get("start-after") {
        let _ = write!(inner, "<StartAfter>{}</StartAfter>", asked.spell(start));
    }
    if let Some(next) = &page.next {
        let next = base64::encode(next);
        let _ = write!(inner, "<NextContinuationToken>{next}</NextContinuationToken>");
    }
    inner.push_str(&contents(&asked, &page));
    inner.push_str(&asked.prefixes(&page.prefixes));
    Ok(Reply::xml("ListBucketResult", &inner))
}

/// `ListObjects`
pub(super) fn first(bucket: &Bucket, name: &str, query: &Query) -> Result<Reply, Refusal> {
    let asked = Asked::read(query)?;
    let marker = query.get("marker").map_or("", String::as_str);
    let page = page(bucket, &asked, marker);
    let mut inner = asked.head(name, page.next.is_some());
    let _ = write!(inner, "<Marker>{}</Marker>", asked.spell(marker));
    if let Some(next) = page.next.as_ref().filter(|_| !asked.delimiter.is_empty()) {
        let _ = write!(inner, "<NextMarker>{}</NextMarker>", asked.spell(next));
    }
    inner.push_str(&contents(&asked, &page));
    inner.push_str(&asked.prefixes(&page.prefixes));
    Ok(Reply::xml("ListBucketResult", &inner))
}

/// `ListObjectVersions`
pub(super) fn versions(bucket: &Bucket, name: &str, query: &Query) -> Result<Reply, Refusal> {
    let asked = Asked::read(query)?;
    let key_marker = query.get("key-marker").map_or("", String::as_str);
    let version_marker = query.get("version-id-marker").map_or("", String::as_str);
    let mut items = Vec::new();
    let mut prefixes = BTreeSet::new();
    let mut next = None;
    let mut last = (String::new(), String::new());
    'keys: for (key, versions) in &bucket.objects {
        if !key.starts_with(asked.prefix)
            || key.as_str() < key_marker
            || (key == key_marker && version_marker.is_empty())
        {
            continue;
        }
        let common = asked.common(key);
        if common.is_some_and(|common| common == key_marker || prefixes.contains(common)) {
            continue;
        }
        let mut passed = key != key_marker;
        for (index, version) in versions.iter().rev().enumerate() {
            if !passed {
                passed = version.id == version_marker;
                continue;
            }
            if items.len() + prefixes.len() == asked.most {
                next = Some(last).filter(|last| !last.0.is_empty());
                break 'keys;
            }
            if let Some(common) = common {
                prefixes.insert(common.to_owned());
                last = (common.to_owned(), String::new());
                continue 'keys;
            }
            last = (key.clone(), version.id.clone());
            items.push((key, version, index == 0));
        }
    }
    let mut inner = asked.head(name, next.is_some());
    let _ = write!(
        inner,
        "<KeyMarker>{}</KeyMarker><VersionIdMarker>{}</VersionIdMarker>",
        asked.spell(key_marker),
        escape(version_marker)
    );
    if let Some((key, version)) = next {
        let _ = write!(inner, "<NextKeyMarker>{}</NextKeyMarker>", asked.spell(&key));
        if !version.is_empty() {
            let _ = write!(inner, "<NextVersionIdMarker>{version}</NextVersionIdMarker>");
        }
    }
    for (key, version, is_latest) in items {
        let what = if version.content.is_some() { "Version" } else { "DeleteMarker" };
        let _ = write!(
            inner,
            "<{what}><Key>{}</Key><VersionId>{}</VersionId><IsLatest>{is_latest}</IsLatest>\
             <LastModified>{}</LastModified>",
            asked.spell(key),
            version.id,
            modified(version)
        );
        if let Some(content) = &version.content {
            let _ = write!(
                inner,
                "<ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass>",
                content.etag, content.size
            );
        }
        let _ = write!(inner, "</{what}>");
    }
    inner.push_str(&asked.prefixes(&prefixes));
    Ok(Reply::xml("ListVersionsResult", &inner))
}

/// Percent encoding of everything but unreserved letters and slashes.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
