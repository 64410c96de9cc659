//! Tags as every service keeps them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::JsonError;

pub(crate) type Tags = BTreeMap<String, String>;

/// The most tags on one object.
const MOST: usize = 50;

/// How a service spells a tag's two members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    /// The code of a refused tag.
    pub(crate) invalid: &'static str,
}

/// ECR, SSM and CloudFormation.
pub(crate) const UPPER: Spelling =
    Spelling { key: "Key", value: "Value", invalid: "InvalidTagParameterException" };
/// ECS.
pub(crate) const LOWER: Spelling =
    Spelling { key: "key", value: "value", invalid: "InvalidParameterException" };

/// Reads a list of tags and checks each as AWS does.
pub(crate) fn read(list: &Value, spelling: Spelling) -> Result<Tags, JsonError> {
    let mut tags = Tags::new();
    for tag in list.as_array().into_iter().flatten() {
        let key = tag[spelling.key].as_str().unwrap_or_default();
        let value = tag[spelling.value].as_str().unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(JsonError::new(
                spelling.invalid,
                "Invalid parameter at 'tags' failed to satisfy constraint: a key has 1 to 128 \
                 characters, a value up to 256",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(JsonError::new(
                spelling.invalid,
                "Tag keys that start with 'aws:' are reserved for system use",
            ));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    check_count(&tags, spelling)?;
    Ok(tags)
}

/// Adds tags to an object, which may then have up to fifty.
pub(crate) fn add(tags: &mut Tags, list: &Value, spelling: Spelling) -> Result<(), JsonError> {
    let mut all = tags.clone();
    all.extend(read(list, spelling)?);
    check_count(&all, spelling)?;
    *tags = all;
    Ok(())
}

pub(crate) fn remove(tags: &mut Tags, keys: &[&str]) {
    for key in keys {
        tags.remove(*key);
    }
}

pub(crate) fn write(tags: &Tags, spelling: Spelling) -> Value {
    tags.iter().map(|(key, value)| json!({ spelling.key: key, spelling.value: value })).collect()
}

fn check_count(tags: &Tags, spelling: Spelling) -> Result<(), JsonError> {
    if tags.len() > MOST {
        return Err(JsonError::new(
            if spelling.key == "Key" { "TooManyTagsException" } else { spelling.invalid },
            format!("Too many tags. An object can have up to {MOST} tags."),
        ));
    }
    Ok(())
}
