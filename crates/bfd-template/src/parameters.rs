//! What a template may be given.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::path::Path;
use crate::problem::Problem;
use crate::template::Template;

/// The types that are not those of AWS resources.
const PLAIN_TYPES: &[&str] =
    &["CommaDelimitedList", "List<Number>", "List<String>", "Number", "String"];

const SSM_VALUE: &str = "AWS::SSM::Parameter::Value<";

/// A declared parameter.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type as declared, such as `String` or `AWS::SSM::Parameter::Value<String>`.
    pub type_name: String,
    /// What it is when nothing is given, as text.
    pub default: Option<String>,
    /// Whether its value must not be shown.
    pub no_echo: bool,
    /// The values that it may have, when they are listed.
    pub allowed_values: Option<Vec<String>>,
    /// The regular expression that the whole value must match.
    pub allowed_pattern: Option<String>,
    /// The least and the greatest length in characters.
    pub length: (Option<u64>, Option<u64>),
    /// The least and the greatest number, as written.
    pub range: (Option<String>, Option<String>),
}

impl fmt::Debug for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.no_echo { None } else { self.default.as_deref() };
        formatter
            .debug_struct("Parameter")
            .field("name", &self.name)
            .field("type_name", &self.type_name)
            .field("default", &default)
            .field("no_echo", &self.no_echo)
            .finish_non_exhaustive()
    }
}

impl Parameter {
    fn read(name: &str, declaration: &Value) -> Self {
        let text = |key: &str| declaration.get(key).and_then(scalar_text);
        let number = |key: &str| text(key).and_then(|text| text.parse().ok());
        let allowed = declaration.get("AllowedValues").and_then(Value::as_array);
        Self {
            name: name.to_owned(),
            type_name: text("Type").unwrap_or_default(),
            default: text("Default"),
            no_echo: text("NoEcho").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            allowed_values: allowed.map(|all| all.iter().filter_map(scalar_text).collect()),
            allowed_pattern: text("AllowedPattern"),
            length: (number("MinLength"), number("MaxLength")),
            range: (text("MinValue"), text("MaxValue")),
        }
    }

    /// Whether it stands for several values, separated by commas.
    pub fn is_list(&self) -> bool {
        self.type_name == "CommaDelimitedList" || self.type_name.starts_with("List<")
    }

    /// Whether its value is the name of a parameter in SSM, which AWS replaces by what that
    /// holds: such a template may change though nothing of it was changed.
    pub fn reads_ssm(&self) -> bool {
        self.type_name.starts_with(SSM_VALUE)
    }

    /// Its value: the given one, or the default.
    pub fn value<'value>(
        &'value self,
        given: &'value BTreeMap<String, String>,
    ) -> Option<&'value str> {
        given.get(&self.name).or(self.default.as_ref()).map(String::as_str)
    }

    /// The name of the parameter in SSM that it is read from.
    pub fn ssm_name<'value>(
        &'value self,
        given: &'value BTreeMap<String, String>,
    ) -> Option<&'value str> {
        self.reads_ssm().then(|| self.value(given)).flatten()
    }
}

impl Template {
    /// The declared parameters by name.
    pub fn parameters(&self) -> BTreeMap<String, Parameter> {
        let read = |(name, declaration)| (String::from(name), Parameter::read(name, declaration));
        self.section("Parameters").map(read).collect()
    }
}

/// A scalar as CloudFormation hands it on.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// "Every Parameters object must contain a Type member", "Unrecognized parameter type"
pub(crate) fn check_declarations(template: &Template) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, declaration) in template.section("Parameters") {
        let path = Path::of(&["Parameters", name]);
        match declaration.get("Type").and_then(Value::as_str) {
            None => {
                let problem = Problem::new(
                    "template::no_type",
                    "a parameter has no type",
                    format!("`{name}` has no `Type`"),
                )
                .help("such as `Type: String`");
                problems.push(template.locate(problem, &path));
            }
            Some(type_name) => {
                let is_known = PLAIN_TYPES.contains(&type_name)
                    || type_name.starts_with("AWS::")
                    || type_name.starts_with("List<AWS::");
                if !is_known {
                    let problem = Problem::new(
                        "template::parameter_type",
                        "unknown type of a parameter",
                        format!("`{type_name}` is not a type of parameters"),
                    )
                    .help(format!("the types are {} and those of AWS", PLAIN_TYPES.join(", ")))
                    .maybe_help(crate::problem::did_you_mean(
                        type_name,
                        PLAIN_TYPES.iter().copied(),
                    ));
                    problems.push(template.locate(problem, &path.join("Type")));
                }
            }
        }
    }
    problems
}
