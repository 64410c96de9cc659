//! Values as people read them: quoted where it matters, short where nothing is lost.

use super::layout::GLUE;
use bfd_core::{Environment, Secret, Value};
use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

/// Hexadecimal digits of a digest that are shown; Docker shows as many.
const DIGEST_SHOWN: usize = 12;
const DIGEST_LENGTH: usize = 64;

/// Stands for a value that must not be shown.
pub(crate) const SECRET: &str = "(secret)";

/// Makes text harmless and unambiguous on one line: control characters and those
/// that reorder a line are written as escapes, so that a value cannot forge output.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_deceptive(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As [`visible`], for a line of a longer text, where tabs are layout.
pub(crate) fn visible_line(line: &str) -> String {
    visible(&line.replace('\t', "    ")).into_owned()
}

fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | GLUE)
}

pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", visible(&escaped))
}

/// On one line, as JSON with room to breathe. Secrets are never shown.
pub(crate) fn compact(value: &Value) -> String {
    if Secret::from_value(value).is_some() {
        return SECRET.to_owned();
    }
    match value {
        Value::String(text) => quoted(&short_digests(text)),
        Value::Array(all) => {
            let items: Vec<String> = all.iter().map(compact).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(all) => {
            let sorted: BTreeMap<_, _> = all.iter().collect();
            let items: Vec<String> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}: {}", visible(name), compact(value)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// As [`compact`], without quotes around a plain word.
pub(crate) fn bare(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => {
            visible(&short_digests(text)).into_owned()
        }
        other => compact(other),
    }
}

/// Takes every secret out, however deep it is; what remains may be shown to anybody.
pub(crate) fn redacted(value: &Value) -> Value {
    if Secret::from_value(value).is_some() {
        return Value::from(SECRET);
    }
    match value {
        Value::Array(all) => all.iter().map(redacted).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, value)| (name.clone(), redacted(value))).collect()
        }
        scalar => scalar.clone(),
    }
}

/// Over several lines, with sorted keys.
pub(crate) fn pretty(value: &Value) -> String {
    let lines = comparable(value);
    let mut out = String::new();
    for (line, next) in lines.lines().zip(lines.lines().skip(1).chain([""])) {
        let last = next.trim_start().starts_with([']', '}']);
        out.push_str(if last { line.strip_suffix(',').unwrap_or(line) } else { line });
        out.push('\n');
    }
    out
}

/// As [`pretty`], for a line-by-line comparison.
///
/// Every item ends with a comma, also the last, so that one that is added
/// changes no line but its own.
pub(crate) fn comparable(value: &Value) -> String {
    let mut out = String::new();
    write_pretty(&mut out, &redacted(value), 0);
    out.push('\n');
    out
}

fn write_pretty(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth + 1);
    let (open, close) = match value {
        Value::Array(all) if !all.is_empty() => ('[', ']'),
        Value::Object(all) if !all.is_empty() => ('{', '}'),
        scalar => return out.push_str(&scalar.to_string()),
    };
    out.push(open);
    out.push('\n');
    let mut item = |name: Option<&String>, value: &Value| {
        out.push_str(&indent);
        if let Some(name) = name {
            let _ = write!(out, "{}: ", Value::from(name.as_str()));
        }
        write_pretty(out, value, depth + 1);
        out.push_str(",\n");
    };
    match value {
        Value::Array(all) => all.iter().for_each(|value| item(None, value)),
        Value::Object(all) => {
            // Sorted here, because a dependency may switch serde_json to insertion order.
            let sorted: BTreeMap<_, _> = all.iter().collect();
            for (name, value) in sorted {
                item(Some(name), value);
            }
        }
        _ => {}
    }
    let _ = write!(out, "{}{close}", "  ".repeat(depth));
}

/// What text says that is a JSON document: an object or an array.
pub(crate) fn json_text(text: &str) -> Option<Value> {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) { serde_json::from_str(trimmed).ok() } else { None }
}

/// Whether canonical forms treat the value as not there.
pub(crate) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

/// Shortens each `sha256:…` to twelve digits.
pub(crate) fn short_digests(text: &str) -> Cow<'_, str> {
    const ALGORITHM: &str = "sha256:";
    let mut out = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices(ALGORITHM) {
        let digits = at + ALGORITHM.len();
        let length = text[digits..].bytes().take_while(u8::is_ascii_hexdigit).count();
        if length == DIGEST_LENGTH && digits >= copied {
            out.push_str(&text[copied..digits + DIGEST_SHOWN]);
            copied = digits + length;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// An image without the registry, where that is the environment's own.
pub(crate) fn image(text: &str, environment: &Environment) -> String {
    let own = format!("{}.dkr.ecr.{}.amazonaws.com/", environment.account, environment.region);
    visible(&short_digests(text.strip_prefix(&own).unwrap_or(text))).into_owned()
}

/// Where a container's secret comes from, without what is the same for all of the environment.
pub(crate) fn secret_source(text: &str, environment: &Environment) -> String {
    let here = |service: &str, rest: &str| {
        let prefix =
            format!("arn:aws:{service}:{}:{}:{rest}", environment.region, environment.account);
        text.strip_prefix(&prefix).map(|name| name.trim_end_matches(':').to_owned())
    };
    let source = here("secretsmanager", "secret:")
        .or_else(|| here("ssm", "parameter"))
        .unwrap_or_else(|| text.to_owned());
    visible(&source).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment() -> Environment {
        Environment {
            name: "dev".into(),
            account: "123456789012".into(),
            region: "ap-southeast-1".into(),
        }
    }

    #[test]
    fn a_value_cannot_forge_terminal_output() {
        let text = visible("a\u{1b}[2Jb\u{202e}c\nd");
        assert_eq!(text, "a\\u{1b}[2Jb\\u{202e}c\\nd");
    }

    #[test]
    fn digests_are_shortened_and_other_text_is_kept() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(short_digests(&format!("web@sha256:{digest} x")), "web@sha256:0123456789ab x");
        assert_eq!(short_digests("sha256:short"), "sha256:short");
    }

    #[test]
    fn secrets_are_taken_out_at_any_depth() {
        let mark =
            Secret { source: bfd_core::SecretSource::Env("JWT".into()), digest: "d1".into() }
                .to_value();
        let value = json!({"a": [{"b": mark}]});
        assert_eq!(redacted(&value), json!({"a": [{"b": "(secret)"}]}));
        assert_eq!(compact(&value), "{a: [{b: (secret)}]}");
    }

    #[test]
    fn names_of_this_environment_are_shortened_and_foreign_ones_are_not() {
        let own = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/web:1";
        assert_eq!(image(own, &environment()), "web:1");
        let other = "999999999999.dkr.ecr.ap-southeast-1.amazonaws.com/web:1";
        assert_eq!(image(other, &environment()), other);
        let secret = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app:JWT::";
        assert_eq!(secret_source(secret, &environment()), "app:JWT");
    }
}
