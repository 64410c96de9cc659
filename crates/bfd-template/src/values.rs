//! Given values against the parameters that a template declares.
//!
//! The rules are those of [parameters](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html),
//! as far as they can be told without AWS: what an id of a VPC may be, or what SSM holds, is
//! for AWS to say. Patterns are Java's; those whose meaning here might differ are not judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::parameters::Parameter;
use crate::path::Path;
use crate::problem::{Problem, did_you_mean, sort};
use crate::resolve::Context;
use crate::template::Template;

impl Template {
    /// What AWS would refuse about these values.
    ///
    /// Values of `NoEcho` parameters are in no message.
    pub fn check_parameters(&self, values: &BTreeMap<String, String>) -> Vec<Problem> {
        self.check_given(&Context::of_parameters(values))
    }

    /// As [`Template::check_parameters`]; of what is not known yet or hidden, the name alone.
    pub fn check_given(&self, context: &Context) -> Vec<Problem> {
        let values = &context.parameters;
        let names: BTreeSet<&String> =
            values.keys().chain(&context.unknown).chain(&context.hidden).collect();
        let is_secret =
            |name: &String| context.unknown.contains(name) || context.hidden.contains(name);
        let declared = self.parameters();
        let mut problems = Vec::new();
        // A macro may declare more than the text does.
        let undeclared = names.iter().filter(|name| !declared.contains_key(**name));
        for name in undeclared.filter(|_| !self.is_open()) {
            let problem = Problem::new(
                "template::unknown_parameter",
                "unknown parameter",
                format!("the template declares no parameter `{name}`"),
            )
            .maybe_help(did_you_mean(name, declared.keys().map(String::as_str)));
            problems.push(self.locate(problem, &Path::of(&["Parameters", name])));
        }
        for parameter in declared.values().filter(|parameter| !is_secret(&parameter.name)) {
            let path = Path::of(&["Parameters", &parameter.name]);
            let problem = match parameter.value(values) {
                None => Some(
                    Problem::new(
                        "template::missing_parameter",
                        "a parameter has no value",
                        format!("`{}` has no default", parameter.name),
                    )
                    .help("give it a value"),
                ),
                Some(value) => refusal(parameter, value),
            };
            problems.extend(problem.map(|problem| self.locate(problem, &path)));
        }
        sort(&mut problems);
        problems
    }
}

fn refusal(parameter: &Parameter, value: &str) -> Option<Problem> {
    // SSM's value is not known, and a dynamic reference is replaced by AWS.
    if parameter.reads_ssm() || value.contains("{{resolve:") {
        return None;
    }
    if parameter.is_list() {
        // How AWS counts the elements of an empty text is not documented.
        if value.is_empty() {
            return None;
        }
        return value.split(',').find_map(|element| one_refusal(parameter, element.trim()));
    }
    one_refusal(parameter, value)
}

fn one_refusal(parameter: &Parameter, value: &str) -> Option<Problem> {
    let name = &parameter.name;
    let shown = if parameter.no_echo { "its value".to_owned() } else { format!("`{value}`") };
    let wrong =
        |label: String| Problem::new("template::parameter_value", "a value is not allowed", label);
    let is_number = matches!(parameter.type_name.as_str(), "Number" | "List<Number>");
    if is_number && value.trim().parse::<f64>().is_err() {
        return Some(wrong(format!("{shown} of `{name}` is not a number")));
    }
    if let Some(allowed) = &parameter.allowed_values {
        let same = |other: &String| {
            other == value
                || is_number
                    && other.parse::<f64>().is_ok_and(|other| value.trim().parse() == Ok(other))
        };
        if !allowed.iter().any(same) {
            let help = format!("it may be {}", allowed.join(", "));
            let problem = wrong(format!("{shown} of `{name}` is not among its `AllowedValues`"));
            return Some(if parameter.no_echo { problem } else { problem.help(help) });
        }
    }
    if is_number {
        let value: f64 = value.trim().parse().ok()?;
        let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
        let (least, most) = (bound(&parameter.range.0), bound(&parameter.range.1));
        if let Some(least) = least.filter(|least| value < *least) {
            return Some(wrong(format!("{shown} of `{name}` is less than {least}")));
        }
        if let Some(most) = most.filter(|most| value > *most) {
            return Some(wrong(format!("{shown} of `{name}` is more than {most}")));
        }
    }
    if parameter.type_name == "String" {
        // Java counts some characters twice; whichever way AWS counts, these are wrong.
        let (length, longest) = (value.chars().count(), value.encode_utf16().count());
        let (least, most) = parameter.length;
        if let Some(least) = least.filter(|least| (longest as u64) < *least) {
            return Some(wrong(format!("{shown} of `{name}` is shorter than {least}")));
        }
        if let Some(most) = most.filter(|most| length as u64 > *most) {
            return Some(wrong(format!("{shown} of `{name}` is longer than {most}")));
        }
    }
    if matches!(parameter.type_name.as_str(), "String" | "CommaDelimitedList")
        && let Some(pattern) = &parameter.allowed_pattern
        && matches(pattern, value) == Some(false)
    {
        return Some(wrong(format!("{shown} of `{name}` does not match `{pattern}`")));
    }
    None
}

/// Whether a value matches a Java pattern, where both are such that there is no doubt.
fn matches(pattern: &str, value: &str) -> Option<bool> {
    let is_printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !is_printable(value) || !is_printable(pattern) || !is_plain(pattern) {
        return None;
    }
    let expression = regex_lite::Regex::new(&format!("^(?:{pattern})$")).ok()?;
    Some(expression.is_match(value))
}

/// Whether a pattern has only what means the same in Java and here.
///
/// Left out are possessive quantifiers, look-around and other groups with flags, references to
/// groups, classes within classes, and escapes of letters other than the six common classes.
fn is_plain(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let (mut position, mut in_class) = (0, false);
    while let Some(&byte) = bytes.get(position) {
        let next = bytes.get(position + 1).copied();
        match byte {
            b'\\' => {
                let is_known = next.is_some_and(|next| {
                    next.is_ascii_punctuation() && next != b'<' && next != b'>'
                        || matches!(next, b'd' | b'D' | b'w' | b'W' | b's' | b'S')
                });
                if !is_known {
                    return false;
                }
                position += 1;
            }
            b'[' if in_class => return false,
            b'[' => {
                in_class = true;
                // A bracket that closes nothing yet, which the two read differently.
                let first = if next == Some(b'^') { position + 2 } else { position + 1 };
                if bytes.get(first) == Some(&b']') {
                    return false;
                }
            }
            b']' => in_class = false,
            b'&' | b'-' | b'~' if in_class && next == Some(byte) => return false,
            b'(' if !in_class && next == Some(b'?') && bytes.get(position + 2) != Some(&b':') => {
                return false;
            }
            b'*' | b'+' | b'?' | b'}' if !in_class && next == Some(b'+') => return false,
            _ => {}
        }
        position += 1;
    }
    !in_class
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_value() {
        assert_eq!(matches("[a-z]+", "abc"), Some(true));
        assert_eq!(matches("[a-z]+", "abc1"), Some(false));
        assert_eq!(matches("a|bc", "bc"), Some(true));
        assert_eq!(matches(r"^\d{1,3}\.\d+$", "12.5"), Some(true));
        assert_eq!(matches(r"(?:x|y)?[\w-]*", "x-1"), Some(true));
    }

    #[test]
    fn patterns_in_doubt_are_not_judged() {
        for pattern in
            ["(?!x)a", "a++", r"(a)\1", "[a-z&&[^b]]", r"\p{Alpha}", "[]a]", "(?i)a", "[a"]
        {
            assert_eq!(matches(pattern, "b"), None, "{pattern}");
        }
        assert_eq!(matches("a", "ä"), None);
    }
}
