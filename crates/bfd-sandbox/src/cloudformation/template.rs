//! A template, read and checked as far as that needs no parameter values.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::errors::{bracketed, template_error, template_format, validation};
use super::parameters::{Declaration, scalar};
use super::rules::Rule;
use super::{dangling, references, registry, yaml};
use crate::error::QueryError;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

const RESOURCE_MEMBERS: [&str; 10] = [
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Description",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const MOST_RESOURCES: usize = 500;
const MOST_PARAMETERS: usize = 200;
const MOST_OUTPUTS: usize = 200;

/// A template.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub(super) description: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) parameters: BTreeMap<String, Declaration>,
    pub(super) mappings: Map<String, Value>,
    pub(super) conditions: BTreeMap<String, Value>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) outputs: BTreeMap<String, Output>,
}

/// One declared resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) properties: Value,
    pub(super) depends_on: Vec<String>,
    pub(super) condition: Option<String>,
    pub(super) deletion_policy: Policy,
    pub(super) replace_policy: Policy,
    pub(super) metadata: Option<Value>,
}

/// What becomes of an object when its resource goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Policy {
    #[default]
    Delete,
    Retain,
    RetainExceptOnCreate,
    Snapshot,
}

/// One declared output.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) value: Value,
    pub(super) description: Option<String>,
    pub(super) export: Option<Value>,
    pub(super) condition: Option<String>,
}

/// Reads and checks a template.
pub(super) fn parse(body: &str) -> Result<Template, QueryError> {
    let document = read(body)?;
    let Value::Object(sections) = &document else {
        return Err(template_format("unsupported structure."));
    };
    let unknown: Vec<&str> =
        sections.keys().map(String::as_str).filter(|section| !SECTIONS.contains(section)).collect();
    if !unknown.is_empty() {
        return Err(validation(format!(
            "Invalid template property or properties {}",
            bracketed(unknown)
        )));
    }
    no_nulls(&document, &mut String::new())?;
    if let Some(version) = sections.get("AWSTemplateFormatVersion")
        && version.as_str() != Some("2010-09-09")
    {
        return Err(template_format("unsupported value for AWSTemplateFormatVersion."));
    }
    if let Some(transform) = sections.get("Transform") {
        let first = transform.as_array().and_then(|list| list.first()).unwrap_or(transform);
        return Err(references::transform(first));
    }
    let template = Template {
        description: description(sections)?,
        metadata: sections.get("Metadata").cloned(),
        parameters: parameters(sections)?,
        mappings: section(sections, "Mappings")?,
        conditions: section(sections, "Conditions")?.into_iter().collect(),
        rules: section(sections, "Rules")?
            .iter()
            .map(|(name, rule)| Rule::read(name, rule).map(|rule| (name.clone(), rule)))
            .collect::<Result<_, _>>()?,
        resources: resources(sections)?,
        outputs: outputs(sections)?,
    };
    dangling::check(&template)?;
    Ok(template)
}

fn read(body: &str) -> Result<Value, QueryError> {
    if body.trim_start().starts_with('{') {
        return serde_json::from_str(body).map_err(|error| {
            template_format(format!(
                "JSON not well-formed. (line {}, column {})",
                error.line(),
                error.column()
            ))
        });
    }
    yaml::parse(body)
}

fn section(sections: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, QueryError> {
    match sections.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => {
            for (member, _) in members {
                if !member.chars().all(|each| each.is_ascii_alphanumeric())
                    && matches!(
                        name,
                        "Resources" | "Parameters" | "Outputs" | "Mappings" | "Conditions"
                    )
                {
                    let what = match name {
                        "Resources" => "Resource",
                        "Parameters" => "Parameter",
                        "Outputs" => "Output",
                        "Mappings" => "Mappings",
                        _ => "Conditions",
                    };
                    return Err(template_format(format!(
                        "{what} name {member} is non alphanumeric."
                    )));
                }
            }
            Ok(members.clone())
        }
        Some(_) => Err(template_format(format!("{name} must be an object."))),
    }
}

fn description(sections: &Map<String, Value>) -> Result<Option<String>, QueryError> {
    match sections.get("Description") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text.clone())),
        Some(Value::String(_)) => {
            Err(template_format("'Description' length is greater than 1024."))
        }
        Some(_) => Err(template_format("Description must be a string.")),
    }
}

fn too_many(what: &str, count: usize, most: usize) -> QueryError {
    template_format(format!("Number of {what}, {count}, is greater than maximum allowed, {most}"))
}

fn parameters(sections: &Map<String, Value>) -> Result<BTreeMap<String, Declaration>, QueryError> {
    let members = section(sections, "Parameters")?;
    if members.len() > MOST_PARAMETERS {
        return Err(too_many("parameters", members.len(), MOST_PARAMETERS));
    }
    members
        .into_iter()
        .map(|(name, value)| Declaration::read(&name, &value).map(|read| (name, read)))
        .collect()
}

fn resources(sections: &Map<String, Value>) -> Result<BTreeMap<String, Resource>, QueryError> {
    let members = section(sections, "Resources")?;
    if members.is_empty() {
        return Err(template_format("At least one Resources member must be defined."));
    }
    if members.len() > MOST_RESOURCES {
        return Err(too_many("resources", members.len(), MOST_RESOURCES));
    }
    let mut unrecognized = BTreeSet::new();
    let mut resources = BTreeMap::new();
    for (name, value) in &members {
        let resource = resource(name, value)?;
        if registry::find(&resource.kind).is_none() {
            unrecognized.insert(resource.kind.clone());
        }
        resources.insert(name.clone(), resource);
    }
    if !unrecognized.is_empty() {
        return Err(template_format(format!(
            "Unrecognized resource types: {}",
            bracketed(unrecognized.iter().map(String::as_str))
        )));
    }
    Ok(resources)
}

fn resource(name: &str, value: &Value) -> Result<Resource, QueryError> {
    let members = value
        .as_object()
        .ok_or_else(|| template_format("Any Resources member must be an object."))?;
    if let Some(unknown) = members.keys().find(|key| !RESOURCE_MEMBERS.contains(&key.as_str())) {
        return Err(validation(format!("Invalid template resource property '{unknown}'")));
    }
    let kind = members.get("Type").and_then(Value::as_str).ok_or_else(|| {
        template_format(format!(
            "[/Resources/{name}] Every Resources object must contain a Type member."
        ))
    })?;
    let properties = match members.get("Properties") {
        None => Value::Object(Map::new()),
        Some(properties @ Value::Object(_)) => properties.clone(),
        Some(_) => {
            return Err(template_format(format!(
                "[/Resources/{name}/Properties] Every Properties member must be an object."
            )));
        }
    };
    Ok(Resource {
        kind: kind.to_owned(),
        properties,
        depends_on: depends_on(members)?,
        condition: members.get("Condition").and_then(scalar),
        deletion_policy: policy(name, kind, members, "DeletionPolicy")?,
        replace_policy: policy(name, kind, members, "UpdateReplacePolicy")?,
        metadata: members.get("Metadata").cloned(),
    })
}

fn depends_on(members: &Map<String, Value>) -> Result<Vec<String>, QueryError> {
    let refusal = || template_format("DependsOn must be a string or list of strings.");
    match members.get("DependsOn") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(many)) => {
            many.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refusal)).collect()
        }
        Some(_) => Err(refusal()),
    }
}

fn policy(
    name: &str,
    kind: &str,
    members: &Map<String, Value>,
    member: &str,
) -> Result<Policy, QueryError> {
    match members.get(member).map(|value| value.as_str().unwrap_or_default()) {
        None | Some("Delete") => Ok(Policy::Delete),
        Some("Retain") => Ok(Policy::Retain),
        Some("RetainExceptOnCreate") if member == "DeletionPolicy" => {
            Ok(Policy::RetainExceptOnCreate)
        }
        Some("Snapshot") if SNAPSHOTS.contains(&kind) => Ok(Policy::Snapshot),
        Some("Snapshot") => Err(template_error(format!(
            "resource type {kind} does not support deletion policy Snapshot"
        ))),
        Some(other) => {
            Err(template_format(format!("Unrecognized {member} {other} for resource {name}")))
        }
    }
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>
const SNAPSHOTS: [&str; 8] = [
    "AWS::DocDB::DBCluster",
    "AWS::EC2::Volume",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Neptune::DBCluster",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
];

fn outputs(sections: &Map<String, Value>) -> Result<BTreeMap<String, Output>, QueryError> {
    let members = section(sections, "Outputs")?;
    if members.len() > MOST_OUTPUTS {
        return Err(too_many("outputs", members.len(), MOST_OUTPUTS));
    }
    members
        .into_iter()
        .map(|(name, value)| {
            let members = value
                .as_object()
                .ok_or_else(|| template_format("Any Outputs member must be an object."))?;
            let text = |member: &str| members.get(member).and_then(Value::as_str).map(str::to_owned);
            let output = Output {
                value: members.get("Value").cloned().ok_or_else(|| {
                    template_format("Every Outputs member must contain a Value object")
                })?,
                description: text("Description"),
                export: members.get("Export").map(|export| export["Name"].clone()),
                condition: members.get("Condition").and_then(scalar),
            };
            if output.export.as_ref().is_some_and(Value::is_null) {
                return Err(template_format(format!(
                    "Output {name} is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens."
                )));
            }
            Ok((name, output))
        })
        .collect()
}

/// AWS names the place of the first null.
fn no_nulls(value: &Value, path: &mut String) -> Result<(), QueryError> {
    let mut within = |key: &str, member: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(key);
        let checked = no_nulls(member, path);
        path.truncate(length);
        checked
    };
    match value {
        Value::Object(members) => members.iter().try_for_each(|(key, member)| within(key, member)),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| within(&index.to_string(), item))
        }
        Value::Null => {
            Err(validation(format!("[{path}] 'null' values are not allowed in templates")))
        }
        _ => Ok(()),
    }
}
