//! Drift: what somebody changed behind a stack's back.
//!
//! Only what the template says is compared: what it leaves to the service may be anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evaluation::open_properties;
use super::parameters::{MASK, scalar};
use super::resources::observe::{Observed, observe};
use super::stack::{Resource, Stack};
use crate::world::World;

/// How long AWS takes to look.
const LOOKING: f64 = 4.0;

/// One look at a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Detection {
    pub(super) id: String,
    pub(super) started: f64,
    pub(super) ready_at: f64,
    /// By logical id, only what could be compared.
    pub(super) resources: BTreeMap<String, Drift>,
}

/// What was found of one resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Drift {
    pub(super) status: Status,
    pub(super) at: f64,
    pub(super) kind: String,
    pub(super) physical_id: String,
    /// As JSON, where no secret may be in it.
    pub(super) expected: Option<String>,
    pub(super) actual: Option<String>,
    pub(super) differences: Vec<Difference>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    InSync,
    Modified,
    Deleted,
}

/// One property that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) expected: String,
    pub(super) actual: String,
    /// `NOT_EQUAL`, `ADD` or `REMOVE`.
    pub(super) kind: String,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InSync => "IN_SYNC",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

impl Detection {
    pub(super) fn drifted(&self) -> usize {
        self.resources.values().filter(|drift| drift.status != Status::InSync).count()
    }

    /// The status of the whole stack.
    pub(super) fn status(&self) -> &'static str {
        match (self.resources.is_empty(), self.drifted()) {
            (true, _) => "NOT_CHECKED",
            (_, 0) => "IN_SYNC",
            _ => "DRIFTED",
        }
    }
}

impl Stack {
    /// The latest look that has ended, unless the stack has been changed since.
    pub(super) fn detection(&self, now: f64) -> Option<&Detection> {
        let changed = self.updated.unwrap_or(self.created);
        let ended = |one: &&Detection| one.ready_at <= now && one.started >= changed;
        self.detections.iter().rev().find(ended)
    }
}

/// Looks at a stack's resources, or at some of them.
pub(super) fn detect(
    world: &mut World,
    now: f64,
    stack: &Stack,
    only: Option<&[String]>,
) -> Detection {
    let mut resources = BTreeMap::new();
    for (logical_id, resource) in &stack.resources {
        let is_asked = only.is_none_or(|only| only.contains(logical_id));
        if !is_asked || !resource.exists() {
            continue;
        }
        if let Some(drift) = look(world, now, resource) {
            resources.insert(logical_id.clone(), drift);
        }
    }
    let id = world.next_uuid();
    Detection { id, started: now, ready_at: now + LOOKING, resources }
}

/// Whether a list or a map of tags has one of this key.
fn declares_tag(tags: &Value, key: &str) -> bool {
    let is_listed = |tag: &Value| tag["Key"].as_str() == Some(key);
    tags.get(key).is_some() || tags.as_array().is_some_and(|all| all.iter().any(is_listed))
}

fn look(world: &mut World, now: f64, resource: &Resource) -> Option<Drift> {
    let is_secret = resource.properties.is_string();
    let expected = open_properties(world, &resource.properties);
    // What the template says as well is the resource's own.
    let mut stack_tags = resource.tags.clone();
    stack_tags.retain(|key, _| !declares_tag(&expected["Tags"], key));
    let observed = observe(world, now, &resource.kind, &resource.physical_id, &stack_tags);
    let mut drift = Drift {
        status: Status::Deleted,
        at: now,
        kind: resource.kind.clone(),
        physical_id: resource.physical_id.clone(),
        expected: (!is_secret).then(|| expected.to_string()),
        actual: None,
        differences: Vec::new(),
    };
    let actual = match observed {
        Observed::Unknown => return None,
        Observed::Gone => return Some(drift),
        Observed::Properties(actual) => actual,
    };
    let mut shown = serde_json::Map::new();
    for (name, wanted) in expected.as_object().into_iter().flatten() {
        // What the sandbox does not know of an object cannot differ.
        if is_unseen(&resource.kind, name) {
            shown.insert(name.clone(), wanted.clone());
            continue;
        }
        if let Some(found) = actual.get(name) {
            shown.insert(name.clone(), found.clone());
        }
        let found = actual.get(name).unwrap_or(&Value::Null);
        compare(&format!("/{name}"), wanted, found, &mut drift.differences);
    }
    if is_secret {
        for difference in &mut drift.differences {
            MASK.clone_into(&mut difference.expected);
            MASK.clone_into(&mut difference.actual);
        }
    } else {
        drift.actual = Some(Value::Object(shown).to_string());
    }
    drift.status = if drift.differences.is_empty() { Status::InSync } else { Status::Modified };
    Some(drift)
}

/// Properties that a stack may set and that are not read back here.
fn is_unseen(kind: &str, property: &str) -> bool {
    let seen: &[&str] = match kind {
        "AWS::SSM::Parameter" => {
            &["AllowedPattern", "DataType", "Description", "Name", "Tags", "Tier", "Type", "Value"]
        }
        "AWS::ECR::Repository" => &[
            "EncryptionConfiguration",
            "ImageScanningConfiguration",
            "ImageTagMutability",
            "LifecyclePolicy",
            "RepositoryName",
            "RepositoryPolicyText",
            "Tags",
        ],
        "AWS::Logs::LogGroup" => &["LogGroupName", "RetentionInDays"],
        "AWS::S3::Bucket" => &[
            "BucketEncryption",
            "BucketName",
            "PublicAccessBlockConfiguration",
            "Tags",
            "VersioningConfiguration",
        ],
        _ => &["Bucket", "PolicyDocument"],
    };
    !seen.contains(&property)
}

/// Compares what the template says with what there is, member by member.
fn compare(path: &str, expected: &Value, actual: &Value, found: &mut Vec<Difference>) {
    if is_same(expected, actual) {
        return;
    }
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (name, value) in wanted {
                let path = format!("{path}/{name}");
                compare(&path, value, there.get(name).unwrap_or(&Value::Null), found);
            }
            // Tags are the one map whose every entry is the template's.
            if path.ends_with("/Tags") {
                for (name, value) in there.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                    found.push(difference(&format!("{path}/{name}"), None, Some(value)));
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) if path.ends_with("/Tags") => {
            for (index, value) in wanted.iter().enumerate() {
                if !there.iter().any(|one| is_same(value, one)) {
                    found.push(difference(&format!("{path}/{index}"), Some(value), None));
                }
            }
            for (index, value) in there.iter().enumerate() {
                if !wanted.iter().any(|one| is_same(one, value)) {
                    found.push(difference(&format!("{path}/{index}"), None, Some(value)));
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            for (index, (wanted, there)) in wanted.iter().zip(there).enumerate() {
                compare(&format!("{path}/{index}"), wanted, there, found);
            }
        }
        (wanted, Value::Null) => found.push(difference(path, Some(wanted), None)),
        (wanted, there) => found.push(difference(path, Some(wanted), Some(there))),
    }
}

fn difference(path: &str, expected: Option<&Value>, actual: Option<&Value>) -> Difference {
    let kind = match (expected, actual) {
        (None, _) => "ADD",
        (_, None) => "REMOVE",
        _ => "NOT_EQUAL",
    };
    let shown = |value: Option<&Value>| match value {
        None => "null".to_owned(),
        Some(value) => scalar(value).unwrap_or_else(|| value.to_string()),
    };
    Difference {
        path: path.to_owned(),
        expected: shown(expected),
        actual: shown(actual),
        kind: kind.to_owned(),
    }
}

/// Whether two values say the same: `1` and `"1"`, and a document and its text.
fn is_same(left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    if let (Some(left), Some(right)) = (scalar(left), scalar(right))
        && left == right
    {
        return true;
    }
    match (document(left), document(right)) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// A JSON document, which may be written as text.
fn document(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).ok()
        }
        Value::Object(_) => Some(value.clone()),
        _ => None,
    }
}
