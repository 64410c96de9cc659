//! What the constructs of a stack say of themselves, where it matters for deploying.

use serde_json::Value;
use std::collections::BTreeMap;

/// An entry of the metadata: the construct's path, the type and the data.
pub(crate) struct MetadataEntry<'v> {
    pub(crate) construct: &'v str,
    pub(crate) kind: &'v str,
    pub(crate) data: &'v Value,
}

/// All entries of an object of lists, as `metadata` of an artifact is and as files of metadata
/// are. What is of another shape is passed over: nothing is deployed from it.
pub(crate) fn entries(metadata: &Value) -> Vec<MetadataEntry<'_>> {
    let constructs = metadata.as_object().into_iter().flatten();
    let mut entries: Vec<MetadataEntry<'_>> = constructs
        .flat_map(|(construct, entries)| {
            let entries = entries.as_array().into_iter().flatten();
            entries.filter_map(move |entry| {
                let kind = entry.get("type")?.as_str()?;
                let data = entry.get("data").unwrap_or(&Value::Null);
                Some(MetadataEntry { construct, kind, data })
            })
        })
        .collect();
    entries.sort_by_key(|entry| entry.construct);
    entries
}

/// The tags of a stack whose properties have none: old versions of the CDK put them here alone.
///
/// From the CLI, which reads `key` and `Key`.
pub(crate) fn stack_tags(artifact: &Value) -> BTreeMap<String, String> {
    let Some(metadata) = artifact.get("metadata") else { return BTreeMap::new() };
    let entries = entries(metadata).into_iter().filter(|it| it.kind == "aws:cdk:stack-tags");
    let tags = entries.flat_map(|it| it.data.as_array().into_iter().flatten());
    let text = |tag: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| tag.get(name)?.as_str().map(str::to_owned))
    };
    tags.filter_map(|tag| Some((text(tag, ["key", "Key"])?, text(tag, ["value", "Value"])?)))
        .collect()
}
