use regex_lite::Regex;
use serde_json::{Value, json};

use super::{INVALID, Parameter, Version};
use crate::error::JsonError;
use crate::json;
use crate::tags;
use crate::world::World;

/// The most bytes of a value, by tier.
const STANDARD: usize = 4096;
const ADVANCED: usize = 8192;
/// How many versions are kept; the oldest gives way.
const VERSIONS: usize = 100;
/// How many levels a name may have.
const LEVELS: usize = 15;

pub(super) fn put(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = json::required(body, "Name", INVALID)?;
    check_name(name)?;
    let value = json::required(body, "Value", INVALID)?;
    if value.is_empty() {
        return Err(invalid(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: \
             Member must have length greater than or equal to 1.",
        ));
    }
    if value.contains("{{") && value.contains("}}") {
        return Err(invalid(
            "Parameter value can't nest another parameter. Do not use {{}} in the value.",
        ));
    }
    let overwrite = json::boolean(body, "Overwrite");
    if overwrite && !json::array(body, "Tags").is_empty() {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter \
             with tags, please remove overwrite flag. To update tags for an existing parameter, \
             please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let known = world.ssm.0.get(name).map(Parameter::latest);
    if known.is_some() && !overwrite {
        return Err(JsonError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in \
             the request to true.",
        ));
    }
    let r#type = check_type(json::text(body, "Type"), known)?;
    let tier = check_tier(json::text(body, "Tier"), known, value)?;
    // What an update leaves out stays as it was, and what is empty is removed. Of an allowed
    // pattern AWS does not say so: to keep it is what is harder on a client.
    let kept = |member: &str, earlier: Option<&String>| {
        let given = body[member].as_str().map(str::to_owned);
        given.or_else(|| earlier.cloned()).filter(|text| !text.is_empty())
    };
    let allowed_pattern =
        kept("AllowedPattern", known.and_then(|known| known.allowed_pattern.as_ref()));
    check_pattern(allowed_pattern.as_deref(), value)?;
    let data_type = json::text(body, "DataType").unwrap_or("text");
    if !["text", "aws:ec2:image", "aws:ssm:integration"].contains(&data_type) {
        return Err(invalid(format!("The following data type is not supported: {data_type}")));
    }
    let is_secret = r#type == "SecureString";
    let version = Version {
        number: known.map_or(0, |known| known.number) + 1,
        key: is_secret.then(|| {
            kept("KeyId", known.and_then(|known| known.key.as_ref()))
                .unwrap_or_else(|| "alias/aws/ssm".to_owned())
        }),
        description: kept("Description", known.and_then(|known| known.description.as_ref())),
        policies: kept("Policies", known.and_then(|known| known.policies.as_ref())),
        allowed_pattern,
        value: String::new(),
        r#type,
        tier: tier.to_owned(),
        data_type: data_type.to_owned(),
        modified_at: now,
    };
    let tags = tags::read(&body["Tags"], tags::UPPER)?;
    let value = if is_secret { world.seal(value) } else { value.to_owned() };
    let answer = json!({ "Version": version.number, "Tier": version.tier });
    let parameter = world.ssm.0.entry(name.to_owned());
    let parameter = parameter.or_insert_with(|| Parameter { versions: Vec::new(), tags });
    parameter.versions.push(Version { value, ..version });
    if parameter.versions.len() > VERSIONS {
        parameter.versions.remove(0);
    }
    Ok(answer)
}

fn check_name(name: &str) -> Result<(), JsonError> {
    let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    if name.is_empty() || name.len() > 1011 || !name.chars().all(is_valid) {
        return Err(invalid(
            "Parameter name must not be empty, must have up to 1011 characters, and only a mix of \
             letters, numbers and the symbols . - _ /",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if name.ends_with('/') || name.contains("//") {
        return Err(invalid("Parameter name must not end with or repeat a forward slash (/)."));
    }
    let bare = name.trim_start_matches('/').to_ascii_lowercase();
    if bare.starts_with("aws") {
        return Err(JsonError::new(
            "AccessDeniedException",
            format!("No access to reserved parameter name: {name}."),
        ));
    }
    if bare.starts_with("ssm") {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a \
             path, it can consist of sub-paths divided by slash symbol; each sub-path can be \
             formed as a mix of letters, numbers and the following 3 symbols .-_",
        ));
    }
    if name.matches('/').count() > LEVELS {
        return Err(JsonError::new(
            "HierarchyLevelLimitExceededException",
            format!("A hierarchy can have a maximum of {LEVELS} levels."),
        ));
    }
    Ok(())
}

fn check_type(asked: Option<&str>, known: Option<&Version>) -> Result<String, JsonError> {
    match (asked, known) {
        (Some(asked), _) if !["String", "StringList", "SecureString"].contains(&asked) => {
            Err(JsonError::new(
                "UnsupportedParameterType",
                format!("The parameter type {asked} is not supported."),
            ))
        }
        (Some(asked), Some(known)) if asked != known.r#type => Err(JsonError::new(
            "HierarchyTypeMismatchException",
            format!("You can't change a parameter's type: it is {}, not {asked}.", known.r#type),
        )),
        (Some(r#type), _) => Ok(r#type.to_owned()),
        (None, Some(known)) => Ok(known.r#type.clone()),
        (None, None) => Err(invalid("A parameter type is required when you create a parameter.")),
    }
}

fn check_tier(
    asked: Option<&str>,
    known: Option<&Version>,
    value: &str,
) -> Result<&'static str, JsonError> {
    let was_advanced = known.is_some_and(|known| known.tier == "Advanced");
    let is_large = value.len() > STANDARD;
    let tier = match asked {
        Some("Standard") if was_advanced => {
            return Err(invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter \
                 from the advanced-parameter tier to the standard-parameter tier. If necessary, \
                 you can delete the advanced parameter and recreate it as a standard parameter.",
            ));
        }
        Some("Advanced") => "Advanced",
        Some("Intelligent-Tiering") if is_large => "Advanced",
        None | Some("Standard" | "Intelligent-Tiering") if was_advanced => "Advanced",
        None | Some("Standard" | "Intelligent-Tiering") => "Standard",
        Some(other) => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{other}' at 'tier' failed to satisfy \
                 constraint: Member must satisfy enum value set: [Standard, Advanced, \
                 Intelligent-Tiering]"
            )));
        }
    };
    if tier == "Standard" && is_large {
        return Err(invalid(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD} characters. \
             To create a larger parameter value, upgrade the parameter to use the \
             advanced-parameter tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
        )));
    }
    if value.len() > ADVANCED {
        return Err(invalid(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED} characters."
        )));
    }
    Ok(tier)
}

fn check_pattern(pattern: Option<&str>, value: &str) -> Result<(), JsonError> {
    let Some(pattern) = pattern else { return Ok(()) };
    // The whole value must match, anchored or not.
    let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
        JsonError::new(
            "InvalidAllowedPatternException",
            format!("The request does not meet the regular expression requirement: {pattern}"),
        )
    })?;
    if whole.is_match(value) {
        return Ok(());
    }
    Err(JsonError::new(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    ))
}

fn invalid(message: impl Into<String>) -> JsonError {
    JsonError::new(INVALID, message)
}
