//! YAML templates to the same value that the JSON form of the template has.
//!
//! `CloudFormation` reads YAML 1.1 without aliases, merges and the binary, set and timestamp
//! tags, and with its short intrinsic functions as tags:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html>

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use serde_json::{Map, Number, Value, json};

use super::errors::{template_error, template_format};
use crate::error::QueryError;

/// Deeper nesting than any template needs, and shallow enough for the stack.
const DEEPEST: usize = 100;

/// The functions that have a short form, except those with a form of their own.
const SHORT: [&str; 17] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "Transform",
    "Length",
    "ToJsonString",
];

/// Reads one YAML document.
pub(super) fn parse(text: &str) -> Result<Value, QueryError> {
    let mut loader = Loader { parser: Parser::new_from_str(text), position: (1, 1) };
    let mut document = None;
    loop {
        match loader.next()? {
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                if document.is_some() {
                    return Err(loader.not_well_formed());
                }
                let event = loader.next()?;
                document = Some(loader.node(event, 0)?);
            }
            _ => {}
        }
    }
    Ok(document.unwrap_or(Value::Null))
}

struct Loader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    position: (usize, usize),
}

impl<'text> Loader<'text> {
    fn next(&mut self) -> Result<Event<'text>, QueryError> {
        match self.parser.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.position = (span.start.line(), span.start.col() + 1);
                Ok(event)
            }
            Some(Err(error)) => Err(self.scan_error(&error)),
        }
    }

    fn scan_error(&mut self, error: &ScanError) -> QueryError {
        self.position = (error.marker().line(), error.marker().col() + 1);
        self.not_well_formed()
    }

    fn not_well_formed(&self) -> QueryError {
        let (line, column) = self.position;
        template_format(format!("YAML not well-formed. (line {line}, column {column})"))
    }

    fn node(&mut self, event: Event<'text>, depth: usize) -> Result<Value, QueryError> {
        if depth > DEEPEST {
            return Err(self.not_well_formed());
        }
        match event {
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref()),
            Event::SequenceStart(_, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
                self.tagged(Value::Array(items), tag.as_deref())
            }
            Event::MappingStart(_, tag) => {
                let mut members = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break,
                        Event::Scalar(text, ..) => text.into_owned(),
                        Event::Alias(_) => return Err(aliases()),
                        _ => return Err(self.not_well_formed()),
                    };
                    let event = self.next()?;
                    let value = self.node(event, depth + 1)?;
                    members.insert(key, value);
                }
                // The long form takes the dotted text of the short one in YAML.
                if let Some(Value::String(text)) = members.get("Fn::GetAtt") {
                    let parts: Vec<&str> = text.splitn(2, '.').collect();
                    let parts = json!(parts);
                    members.insert("Fn::GetAtt".to_owned(), parts);
                }
                self.tagged(Value::Object(members), tag.as_deref())
            }
            Event::Alias(_) => Err(aliases()),
            _ => Err(self.not_well_formed()),
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Result<Value, QueryError> {
        match tag {
            None if style == ScalarStyle::Plain => Ok(plain(text)),
            None => Ok(Value::String(text.to_owned())),
            Some(tag) if core(tag, "str") => Ok(Value::String(text.to_owned())),
            Some(tag) if tag.is_yaml_core_schema() => Ok(plain(text)),
            // The argument of a function is text: `!Ref 1` names the resource "1".
            Some(_) => self.tagged(Value::String(text.to_owned()), tag),
        }
    }

    /// A short function as its long form.
    fn tagged(&self, value: Value, tag: Option<&Tag>) -> Result<Value, QueryError> {
        let Some(tag) = tag else { return Ok(value) };
        if tag.is_yaml_core_schema() {
            return Ok(value);
        }
        match (tag.suffix.as_str(), value) {
            ("Ref", value) => Ok(json!({ "Ref": value })),
            ("Condition", value) => Ok(json!({ "Condition": value })),
            ("GetAtt", Value::String(text)) => {
                let parts: Vec<&str> = text.splitn(2, '.').collect();
                Ok(json!({ "Fn::GetAtt": parts }))
            }
            ("GetAtt", value) => Ok(json!({ "Fn::GetAtt": value })),
            (name, value) if SHORT.contains(&name) => {
                let mut members = Map::new();
                members.insert(format!("Fn::{name}"), value);
                Ok(Value::Object(members))
            }
            _ => Err(self.not_well_formed()),
        }
    }
}

fn core(tag: &Tag, name: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == name
}

fn aliases() -> QueryError {
    template_error("YAML aliases are not allowed in CloudFormation templates")
}

/// A plain scalar by the rules of YAML 1.1, dates left as text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    integer(text).or_else(|| decimal(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let plain = digits.replace('_', "");
    let number = if let Some(hexadecimal) = plain.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16).ok()?
    } else if plain.len() > 1 && plain.starts_with('0') {
        // An account id with a leading zero becomes another number on AWS too.
        i64::from_str_radix(&plain, 8).ok()?
    } else {
        plain.parse().ok()?
    };
    Some(Value::Number(Number::from(if negative { -number } else { number })))
}

fn decimal(text: &str) -> Option<Value> {
    let digits = text.trim_start_matches(['-', '+']);
    let numeric = digits.contains('.')
        && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.chars().any(|each| each.is_ascii_digit())
        && digits.chars().all(|each| matches!(each, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    if !numeric {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)
}
