//! Template parameters: declarations, the values given, and the checks between them.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors::{bracketed, template_format, validation};
use crate::error::QueryError;

const MEMBERS: [&str; 11] = [
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

/// What AWS shows in place of a `NoEcho` value.
pub(super) const MASK: &str = "****";

/// One declared parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Declaration {
    pub(super) kind: String,
    pub(super) default: Option<String>,
    pub(super) description: Option<String>,
    pub(super) no_echo: bool,
    pub(super) allowed_values: Option<Vec<String>>,
    pub(super) allowed_pattern: Option<String>,
    pub(super) constraint: Option<String>,
    lengths: (Option<usize>, Option<usize>),
    range: (Option<f64>, Option<f64>),
}

/// A value as the request gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Given {
    Value(String),
    /// `UsePreviousValue`
    Previous,
}

/// A value as a stack has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parameter {
    /// What was given, or the default.
    pub(super) value: String,
    /// What the SSM parameter of that name held when the operation began.
    pub(super) resolved: Option<String>,
    pub(super) no_echo: bool,
    list: bool,
}

impl Parameter {
    /// The value of a `Ref`.
    pub(super) fn reference(&self) -> Value {
        let text = self.resolved.as_ref().unwrap_or(&self.value);
        if self.list {
            text.split(',').map(|item| Value::String(item.trim().to_owned())).collect()
        } else {
            Value::String(text.clone())
        }
    }

    /// What a read shows.
    pub(super) fn shown(&self) -> &str {
        if self.no_echo { MASK } else { &self.value }
    }
}

impl Declaration {
    pub(super) fn read(name: &str, value: &Value) -> Result<Self, QueryError> {
        let members = value
            .as_object()
            .ok_or_else(|| template_format("Any Parameters member must be an object."))?;
        if let Some(unknown) = members.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(validation(format!("Invalid template parameter property '{unknown}'")));
        }
        let kind = members.get("Type").and_then(Value::as_str).ok_or_else(|| {
            template_format("Every Parameters object must contain a Type member.")
        })?;
        if !is_type(kind) {
            return Err(template_format(format!("Unrecognized parameter type: {kind}")));
        }
        let default = match members.get("Default") {
            None => None,
            Some(default) => Some(
                scalar(default)
                    .ok_or_else(|| template_format("Every Default member must be a string."))?,
            ),
        };
        let allowed_values = match members.get("AllowedValues") {
            None => None,
            Some(Value::Array(items)) => Some(items.iter().filter_map(scalar).collect()),
            Some(_) => {
                return Err(template_format(format!(
                    "Every AllowedValues member must be a list; parameter {name}"
                )));
            }
        };
        let text = |member: &str| members.get(member).and_then(scalar);
        let number = |member: &str| text(member).and_then(|text| text.parse::<f64>().ok());
        let length = |member: &str| text(member).and_then(|text| text.parse::<usize>().ok());
        Ok(Self {
            kind: kind.to_owned(),
            default,
            description: text("Description"),
            no_echo: text("NoEcho").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            allowed_values,
            allowed_pattern: text("AllowedPattern"),
            constraint: text("ConstraintDescription"),
            lengths: (length("MinLength"), length("MaxLength")),
            range: (number("MinValue"), number("MaxValue")),
        })
    }

    /// The type of the value itself, where an SSM parameter holds it.
    fn of_ssm(&self) -> Option<&str> {
        self.kind.strip_prefix("AWS::SSM::Parameter::Value<")?.strip_suffix('>')
    }

    fn is_list(&self) -> bool {
        let kind = self.of_ssm().unwrap_or(&self.kind);
        kind == "CommaDelimitedList" || kind.starts_with("List<")
    }

    /// Checks a value against the constraints, in AWS's order and words.
    fn check(&self, name: &str, value: &str) -> Result<(), QueryError> {
        let items: Vec<&str> =
            if self.is_list() { value.split(',').map(str::trim).collect() } else { vec![value] };
        if let Some(allowed) = &self.allowed_values
            && items.iter().any(|item| !allowed.iter().any(|each| each == item))
        {
            let rule = "must be one of AllowedValues".to_string();
            return Err(self.refuse(name, &rule));
        }
        if matches!(self.kind.as_str(), "Number" | "List<Number>") {
            for item in &items {
                self.check_number(name, item)?;
            }
        }
        if let Some(pattern) = &self.allowed_pattern {
            // A pattern that only Java's engine can read cannot be checked here.
            if let Ok(regex) = Regex::new(&format!("^(?:{pattern})$"))
                && items.iter().any(|item| !regex.is_match(item))
            {
                return Err(self.constraint.as_ref().map_or_else(
                        || validation(format!(
                            "Parameter {name} failed to satisfy constraint: must match pattern {pattern}"
                        )),
                        |text| described(name, text),
                    ));
            }
        }
        let length = value.chars().count();
        if let (Some(least), _) = self.lengths
            && length < least
        {
            return Err(self.refuse(name, &format!("must contain at least {least} characters")));
        }
        if let (_, Some(most)) = self.lengths
            && length > most
        {
            return Err(self.refuse(name, &format!("must contain at most {most} characters")));
        }
        Ok(())
    }

    fn check_number(&self, name: &str, item: &str) -> Result<(), QueryError> {
        let Ok(number) = item.parse::<f64>() else {
            return Err(validation(format!("Parameter '{name}' must be a number.")));
        };
        match self.range {
            (Some(least), _) if number < least => {
                Err(self.refuse(name, &format!("must be a number not less than {least}")))
            }
            (_, Some(most)) if number > most => {
                Err(self.refuse(name, &format!("must be a number not greater than {most}")))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, name: &str, rule: &str) -> QueryError {
        self.constraint.as_ref().map_or_else(
            || validation(format!("Parameter '{name}' {rule}")),
            |text| described(name, text),
        )
    }
}

fn described(name: &str, text: &str) -> QueryError {
    validation(format!("Parameter {name} failed to satisfy constraint: {text}"))
}

/// What an SSM parameter holds.
pub(super) enum Stored {
    Value(String),
    /// A `SecureString`, which a template parameter cannot take.
    Secure,
    Missing,
}

/// Settles every declared parameter's value.
///
/// `previous` is what the stack has now; `stored` reads the SSM parameter of a name.
pub(super) fn resolve(
    declared: &BTreeMap<String, Declaration>,
    given: &BTreeMap<String, Given>,
    previous: &BTreeMap<String, Parameter>,
    stored: &mut dyn FnMut(&str) -> Stored,
) -> Result<BTreeMap<String, Parameter>, QueryError> {
    let unknown: Vec<&str> =
        given.keys().filter(|name| !declared.contains_key(*name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(validation(format!(
            "Parameters: {} do not exist in the template",
            bracketed(unknown)
        )));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, declaration) in declared {
        let value = match given.get(name) {
            Some(Given::Value(value)) => Some(value.clone()),
            Some(Given::Previous) => match previous.get(name) {
                Some(previous) => Some(previous.value.clone()),
                None => {
                    return Err(validation(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key not in the previous template"
                    )));
                }
            },
            None => declaration.default.clone(),
        };
        match value {
            Some(value) => {
                values.insert(name.clone(), value);
            }
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(validation(format!("Parameters: {} must have values", bracketed(missing))));
    }
    for (name, value) in &values {
        declared[name].check(name, value)?;
    }
    let fetched = fetch(declared, &values, stored)?;
    Ok(values
        .into_iter()
        .map(|(name, value)| {
            let declaration = &declared[&name];
            let parameter = Parameter {
                resolved: fetched.get(&name).cloned(),
                no_echo: declaration.no_echo,
                list: declaration.is_list(),
                value,
            };
            (name, parameter)
        })
        .collect())
}

fn fetch(
    declared: &BTreeMap<String, Declaration>,
    values: &BTreeMap<String, String>,
    stored: &mut dyn FnMut(&str) -> Stored,
) -> Result<BTreeMap<String, String>, QueryError> {
    let mut fetched = BTreeMap::new();
    let (mut missing, mut secure) = (Vec::new(), Vec::new());
    for (name, value) in values {
        if declared[name].of_ssm().is_none() {
            continue;
        }
        match stored(value) {
            Stored::Value(text) => {
                fetched.insert(name.clone(), text);
            }
            Stored::Secure => secure.push(value.as_str()),
            Stored::Missing => missing.push(value.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(validation(format!(
            "Unable to fetch parameters {} from parameter store for this account.",
            bracketed(missing).replace(", ", ",")
        )));
    }
    if !secure.is_empty() {
        return Err(validation(format!(
            "Parameters {} referenced by template have types not supported by CloudFormation.",
            bracketed(secure)
        )));
    }
    Ok(fetched)
}

/// A scalar as the text that AWS makes of it.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn is_type(kind: &str) -> bool {
    let ssm =
        kind.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = ssm {
        return matches!(inner, "String" | "List<String>" | "CommaDelimitedList") || is_aws(inner);
    }
    matches!(
        kind,
        "String"
            | "Number"
            | "List<Number>"
            | "List<String>"
            | "CommaDelimitedList"
            | "AWS::SSM::Parameter::Name"
    ) || is_aws(kind)
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html>
fn is_aws(kind: &str) -> bool {
    const SINGLE: [&str; 10] = [
        "AWS::EC2::AvailabilityZone::Name",
        "AWS::EC2::Image::Id",
        "AWS::EC2::Instance::Id",
        "AWS::EC2::KeyPair::KeyName",
        "AWS::EC2::SecurityGroup::GroupName",
        "AWS::EC2::SecurityGroup::Id",
        "AWS::EC2::Subnet::Id",
        "AWS::EC2::VPC::Id",
        "AWS::EC2::Volume::Id",
        "AWS::Route53::HostedZone::Id",
    ];
    let inner = kind.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(kind);
    SINGLE.contains(&inner)
}
