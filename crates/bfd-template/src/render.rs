//! A difference as lines for people.

use std::fmt;

use serde_json::Value;

use crate::diff::{PropertyDiff, ResourceDiff, TemplateDiff};
use crate::effects::{Effect, Replaces};
use crate::intrinsics::call;
use crate::template::sorted;
use crate::through::Through;

/// How many characters of a value are shown.
pub const VALUE_WIDTH: usize = 60;

impl TemplateDiff {
    /// One line per changed part, without colour, values cut to [`VALUE_WIDTH`].
    pub fn lines(&self) -> Vec<String> {
        self.lines_within(VALUE_WIDTH)
    }

    /// The same with another width of values, in characters.
    pub fn lines_within(&self, width: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for resource in &self.resources {
            resource_lines(resource, width, &mut lines);
        }
        for parameter in &self.parameters {
            let value = |text: &Option<String>| text.clone().map(Value::String);
            let (before, after) = (value(&parameter.before), value(&parameter.after));
            let values = arrow(before.as_ref(), after.as_ref(), width);
            lines.push(format!("~ parameter {}: {values}", parameter.name));
        }
        for section in &self.sections {
            let mark = mark_of(section.before.as_ref(), section.after.as_ref());
            let values = arrow(section.before.as_ref(), section.after.as_ref(), width);
            if section.through.is_empty() {
                lines.push(format!("{mark} {}: {values}", section.path));
                continue;
            }
            let through: Vec<String> =
                section.through.iter().map(|through| through_text(through, width)).collect();
            let value =
                section.after.as_ref().map_or_else(String::new, |value| short(value, width));
            lines.push(format!("{mark} {}: {value} through {}", section.path, through.join(", ")));
        }
        lines.into_iter().map(|line| printable(&line)).collect()
    }
}

fn mark_of(before: Option<&Value>, after: Option<&Value>) -> &'static str {
    match (before, after) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    }
}

fn resource_lines(resource: &ResourceDiff, width: usize, lines: &mut Vec<String>) {
    let mark = match resource.effect {
        Effect::Create => "+",
        Effect::Delete => "-",
        Effect::Replacement => "-/+",
        Effect::MayReplace | Effect::Update => "~",
        Effect::None => "=",
    };
    let head = format!("{mark} {} ({})", resource.logical, resource.type_name);
    if resource.properties.is_empty() {
        let note = match resource.effect {
            Effect::Delete if resource.kept => " leaves the stack and is kept",
            Effect::None if resource.metadata_only => " metadata only",
            Effect::None => " not there by its condition",
            _ => "",
        };
        lines.push(format!("{head}{note}"));
        return;
    }
    for property in &resource.properties {
        lines.push(format!("{head}{}", property_text(property, resource, width)));
    }
}

fn property_text(property: &PropertyDiff, resource: &ResourceDiff, width: usize) -> String {
    let note = match (resource.effect, property.replaces) {
        (Effect::None, _) if resource.metadata_only => " metadata only:",
        (Effect::None, _) => " not touched:",
        (_, Replaces::Maybe) if property.path.keys().next() == Some("Condition") => {
            " may be made or leave:"
        }
        (Effect::Delete, _) if resource.kept => " leaves the stack and is kept:",
        (Effect::Create | Effect::Delete, _) | (_, Replaces::No) => "",
        (_, Replaces::Always) => " replaced:",
        (_, Replaces::Maybe) => " may be replaced:",
    };
    let path = &property.path;
    if property.through.is_empty() {
        let values = arrow(property.before.as_ref(), property.after.as_ref(), width);
        let same = if property.same_value { " (the same value)" } else { "" };
        return format!("{note} {path}: {values}{same}");
    }
    let value = property.after.as_ref().map_or_else(String::new, |value| short(value, width));
    let through: Vec<String> =
        property.through.iter().map(|through| through_text(through, width)).collect();
    format!("{note} {path}: {value} through {}", through.join(", "))
}

fn through_text(through: &Through, width: usize) -> String {
    match through {
        Through::Parameter { name, before, after } => {
            let value = |text: &Option<String>| text.clone().map(Value::String);
            let (before, after) = (value(before), value(after));
            let text = |value: &Option<Value>| value.as_ref().map_or_else(|| LATER.into(), full);
            let (before, after) = (text(&before), text(&after));
            format!("parameter {name} ({})", arrow_of(&before, &after, width))
        }
        Through::Mapping { name } => format!("mapping {name}"),
        Through::Condition { name } => format!("condition {name}"),
        Through::Resource { name } => format!("replacement of {name}"),
        Through::Output { name } => format!("output {name}"),
    }
}

fn arrow(before: Option<&Value>, after: Option<&Value>, width: usize) -> String {
    let text = |value: Option<&Value>| value.map_or_else(|| "(none)".to_owned(), full);
    arrow_of(&text(before), &text(after), width)
}

fn arrow_of(before: &str, after: &str, width: usize) -> String {
    // Of two long texts that begin alike, what is shown begins shortly before they part.
    let alike = before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count();
    let is_long = before.chars().count().max(after.chars().count()) > width;
    let start = if is_long && alike >= width / 2 { alike - width / 4 } else { 0 };
    format!("{} → {}", cut(before, start, width), cut(after, start, width))
}

/// A value, cut to a width.
fn short(value: &Value, width: usize) -> String {
    cut(&full(value), 0, width)
}

/// What of a text is shown, from the given character on.
fn cut(text: &str, start: usize, width: usize) -> String {
    let lead = if start > 0 { "…" } else { "" };
    let rest: Vec<char> = text.chars().skip(start).collect();
    let room = width.saturating_sub(lead.len().min(1));
    if rest.len() <= room {
        return format!("{lead}{}", rest.iter().collect::<String>());
    }
    let kept: String = rest[..room.saturating_sub(1)].iter().collect();
    format!("{lead}{kept}…")
}

/// In place of the value of a parameter that waits for something else.
const LATER: &str = "(known later)";

/// A value on one line with its functions in their short form, such as `!Ref Name`.
pub fn text(value: &Value) -> String {
    full(value)
}

impl fmt::Display for Through {
    /// Such as `parameter Size ("1" → "2")`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&printable(&through_text(self, VALUE_WIDTH)))
    }
}

/// The most bytes of a value that are looked at.
const MOST_SHOWN: usize = 1 << 16;

/// A value as text.
fn full(value: &Value) -> String {
    let mut text = String::new();
    write(value, MOST_SHOWN, &mut text);
    text
}

/// Writes a value with its functions in their short form.
fn write(value: &Value, most: usize, text: &mut String) {
    if text.len() > most {
        return;
    }
    if let Some((function, argument)) = call(value) {
        text.push('!');
        text.push_str(function.strip_prefix("Fn::").unwrap_or(function));
        text.push(' ');
        match (function, argument) {
            ("Ref" | "Condition", Value::String(name)) => text.push_str(name),
            ("Fn::GetAtt", Value::Array(parts)) if parts.iter().all(Value::is_string) => {
                let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
                text.push_str(&parts.join("."));
            }
            _ => write(argument, most, text),
        }
        return;
    }
    match value {
        Value::Object(map) => {
            text.push('{');
            for (position, (key, value)) in sorted(map).into_iter().enumerate() {
                text.push_str(if position > 0 { ", " } else { "" });
                text.push_str(&Value::from(key).to_string());
                text.push_str(": ");
                write(value, most, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position > 0 { ", " } else { "" });
                write(item, most, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// A line in which nothing steers a terminal: names in templates are anybody's text.
fn printable(line: &str) -> String {
    let is_steering = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(line.len());
    for character in line.chars() {
        if is_steering(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}
