//! Whether an assembly is still the one that was planned with.

use crate::{
    assembly::Assembly,
    asset::{FileSource, Packaging},
    files::{Files, shown},
    problem::{Problem, ProblemKind},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, fmt, io, path::PathBuf};

/// Names what the hash is made of. Another version is another hash for everything.
const VERSION: &[u8] = b"bfd assembly 1";

pub(crate) type Digest = [u8; 32];

/// Stands for all that a plan of an assembly rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(String);

impl ContentHash {
    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Assembly {
    /// The files that a plan rests on, relative to the directory of the assembly: manifests, asset
    /// manifests, templates, those of nested stacks included.
    ///
    /// The content of other assets is not among them: the CDK puts a hash of it into the ids, and
    /// so into the asset manifests and templates.
    pub fn plan_files(&self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = self.digests.keys().cloned().collect();
        for stack in self.stacks() {
            files.insert(stack.template.path.clone());
            let assets = stack.asset_manifests.iter().flat_map(|it| it.files.values());
            files.extend(assets.filter_map(|asset| match &asset.source {
                FileSource::Path { path, packaging: Packaging::File }
                    if path.to_string_lossy().ends_with(".template.json") =>
                {
                    Some(path.clone())
                }
                _ => None,
            }));
        }
        files
    }

    /// The hash of those files.
    ///
    /// Of manifests what matters counts, in a canonical form: not the order or the layout, no
    /// metadata, no versions of the CDK. Of templates every byte counts, because they are sent as
    /// they are. A missing template is a content too.
    ///
    /// # Errors
    ///
    /// When a template is there and cannot be read.
    pub fn content_hash(&self, files: &dyn Files) -> Result<ContentHash, Problem> {
        let mut hash = Sha256::new();
        hash.update(VERSION);
        for path in self.plan_files() {
            let digest = match self.digests.get(&path) {
                Some(digest) => Some(*digest),
                None => match files.read(&self.directory().join(&path)) {
                    Ok(bytes) => Some(digest_of(&bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => {
                        let detail = error.to_string();
                        return Err(Problem::new(ProblemKind::Unreadable, &path, "", detail));
                    }
                },
            };
            let name = shown(&path);
            hash.update((name.len() as u64).to_be_bytes());
            hash.update(name.as_bytes());
            hash.update([u8::from(digest.is_some())]);
            hash.update(digest.unwrap_or_default());
        }
        Ok(ContentHash(hexadecimal(&hash.finalize())))
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// JSON without spaces, objects sorted by key, whatever `serde_json` was told about order.
pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    write(value, &mut text);
    text.into_bytes()
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in fields {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, text);
                text.push(',');
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_layout_do_not_count() {
        let canonical = |text: &str| canonical(&serde_json::from_str(text).unwrap());

        assert_eq!(
            canonical(r#"{"b": [1, "\u0041"], "a": {}}"#),
            canonical(r#"{"a":{},"b":[1,"A"]}"#)
        );
        assert_ne!(canonical("[1, 2]"), canonical("[2, 1]"));
        assert_ne!(canonical(r#"["1"]"#), canonical("[1]"));
    }
}
