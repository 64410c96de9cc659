use serde_json::{Value, json};

use super::filter::{self, Filter};
use super::{INVALID, Parameter, Version, arn, names, not_found, select};
use crate::error::JsonError;
use crate::json;
use crate::sts;
use crate::world::World;

pub(super) fn get(world: &World, body: &Value) -> Result<Value, JsonError> {
    let selector = json::required(body, "Name", INVALID)?;
    let (name, number, _) = select(selector);
    let parameter = world.ssm.0.get(name).ok_or_else(|| not_found(selector))?;
    if let Some(number) = number
        && parameter.version(number).is_none()
    {
        return Err(JsonError::new(
            "ParameterVersionNotFound",
            format!(
                "Systems Manager could not find version {number} of {name}. Verify the version \
                 and try again."
            ),
        ));
    }
    let found = view(world, selector, json::boolean(body, "WithDecryption"));
    found.map(|found| json!({ "Parameter": found })).ok_or_else(|| not_found(selector))
}

/// A name that is not there is no error here: it is listed apart.
pub(super) fn get_several(world: &World, body: &Value) -> Result<Value, JsonError> {
    let decrypt = json::boolean(body, "WithDecryption");
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for selector in names(body)? {
        match view(world, selector, decrypt) {
            Some(view) => found.push(view),
            None => missing.push(selector),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": missing }))
}

pub(super) fn get_by_path(world: &World, body: &Value) -> Result<Value, JsonError> {
    let path = json::required(body, "Path", INVALID)?;
    if !path.starts_with('/') {
        return Err(JsonError::new(
            INVALID,
            "The parameter doesn't meet the parameter name requirements. The parameter name must \
             begin with a forward slash \"/\".",
        ));
    }
    let recursive = json::boolean(body, "Recursive");
    let filters = filter::read(&body["ParameterFilters"])?;
    let decrypt = json::boolean(body, "WithDecryption");
    let found = world
        .ssm
        .0
        .iter()
        .filter(|(name, _)| filter::is_under(name, path, recursive))
        .filter(|(name, parameter)| all(&filters, name, parameter))
        .filter_map(|(name, _)| view(world, name, decrypt))
        .collect();
    paged(found, body, "Parameters", 10, 10)
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let mut filters = filter::read(&body["ParameterFilters"])?;
    filters.extend(filter::read_old(&body["Filters"])?);
    let found = world
        .ssm
        .0
        .iter()
        .filter(|(name, parameter)| all(&filters, name, parameter))
        .map(|(name, parameter)| metadata(world, name, parameter.latest()))
        .collect();
    // AWS may return fewer than the maximum: who does not page, finds out here.
    paged(found, body, "Parameters", 10, 50)
}

pub(super) fn history(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = select(json::required(body, "Name", INVALID)?).0;
    let parameter = world.ssm.0.get(name).ok_or_else(|| not_found(name))?;
    let decrypt = json::boolean(body, "WithDecryption");
    let versions = parameter.versions.iter().map(|version| {
        let mut view = metadata(world, name, version);
        json::object(&mut view).remove("ARN");
        view["Value"] = json!(value(world, version, decrypt));
        view["Labels"] = json!([]);
        view
    });
    paged(versions.collect(), body, "Parameters", 50, 50)
}

fn all(filters: &[Filter], name: &str, parameter: &Parameter) -> bool {
    filters.iter().all(|filter| filter.fits(name, parameter))
}

fn paged(
    found: Vec<Value>,
    body: &Value,
    member: &str,
    default: usize,
    most: usize,
) -> Result<Value, JsonError> {
    let size = json::page_size(body, "MaxResults", default, most, INVALID)?;
    let (page, next) = json::page(found, json::text(body, "NextToken"), size, || {
        JsonError::new("InvalidNextToken", "The specified token is not valid.")
    })?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn view(world: &World, selector: &str, decrypt: bool) -> Option<Value> {
    let (name, number, suffix) = select(selector);
    let parameter = world.ssm.0.get(name)?;
    let version = match number {
        Some(number) => parameter.version(number)?,
        // A suffix that is no number is a label, and there are none.
        None if suffix.is_empty() => parameter.latest(),
        None => return None,
    };
    let mut view = json!({
        "Name": name,
        "ARN": arn(world, name),
        "Type": version.r#type,
        "Value": value(world, version, decrypt),
        "Version": version.number,
        "DataType": version.data_type,
        "LastModifiedDate": json::time(version.modified_at),
    });
    if !suffix.is_empty() {
        view["Selector"] = json!(suffix);
    }
    Some(view)
}

fn value(world: &World, version: &Version, decrypt: bool) -> String {
    if version.is_secret() && decrypt {
        world.unseal(&version.value)
    } else {
        version.value.clone()
    }
}

fn metadata(world: &World, name: &str, version: &Version) -> Value {
    let mut view = json!({
        "Name": name,
        "ARN": arn(world, name),
        "Type": version.r#type,
        "Version": version.number,
        "Tier": version.tier,
        "DataType": version.data_type,
        "LastModifiedDate": json::time(version.modified_at),
        "LastModifiedUser": sts::caller(world),
        "Policies": [],
    });
    let optional = [
        ("KeyId", &version.key),
        ("Description", &version.description),
        ("AllowedPattern", &version.allowed_pattern),
    ];
    for (member, text) in optional {
        if let Some(text) = text {
            view[member] = json!(text);
        }
    }
    if let Some(policies) = &version.policies {
        view["Policies"] = json!([{ "PolicyText": policies, "PolicyStatus": "Pending" }]);
    }
    view
}
