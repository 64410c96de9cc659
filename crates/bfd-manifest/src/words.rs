//! How types, limits and examples are said, in messages and in the reference.

use crate::duration;
use bfd_core::plan::Effect;
use bfd_kinds::{Field, Type};
use std::io;

/// What belongs in a field, for "expected …".
pub(crate) fn expected(ty: &Type) -> String {
    match ty {
        Type::Text | Type::Name { .. } | Type::OneOf(_) => "text".to_owned(),
        Type::Integer { .. } => "an integer".to_owned(),
        Type::Bool => "`true` or `false`".to_owned(),
        Type::Duration { .. } => "a duration such as `\"30s\"`".to_owned(),
        Type::Link(kind) => format!("the name of a `{kind}`"),
        Type::File => "the path of a file".to_owned(),
        Type::Path => "a path".to_owned(),
        Type::Scalar => "text, a number or a boolean".to_owned(),
        Type::SecretSource => {
            "`{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"program\", \"…\"] }`"
                .to_owned()
        }
        Type::List(_) => "a list".to_owned(),
        Type::Map(_) | Type::Table(_) | Type::Tables(_) => "a table".to_owned(),
        Type::Either(one, other) => format!("{} or {}", expected(one), expected(other)),
        Type::Any => "a value".to_owned(),
    }
}

/// A type with its limits, for the reference.
pub(crate) fn described(ty: &Type) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Name { min, max, pattern } if pattern.regex.is_empty() => {
            format!("text, {min} to {max} characters")
        }
        Type::Name { min, max, pattern } if min == max => pattern.says.to_owned(),
        Type::Name { min, max, pattern } => {
            format!("{}; {min} to {max} characters", pattern.says)
        }
        Type::OneOf(allowed) => {
            let all: Vec<String> = allowed.iter().map(|one| format!("`\"{one}\"`")).collect();
            all.join(", ")
        }
        Type::Integer { min, max } => format!("integer, {}", within(*min, *max)),
        Type::Bool => "boolean".to_owned(),
        Type::Duration { min, max } => {
            format!("duration, `\"{}\"` to `\"{}\"`", duration::show(*min), duration::show(*max))
        }
        Type::Link(kind) => format!("name of a [`{kind}`](#{kind})"),
        Type::File => "path of a file".to_owned(),
        Type::Path => "path".to_owned(),
        Type::Scalar => "text, number or boolean".to_owned(),
        Type::SecretSource => {
            "`{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"program\", \"…\"] }`"
                .to_owned()
        }
        Type::List(item) => format!("list of: {}", described(item)),
        Type::Map(value) => format!("table of any names: {}", described(value)),
        Type::Table(_) => "table, see below".to_owned(),
        Type::Tables(_) => "tables by name, see below".to_owned(),
        Type::Either(one, other) => format!("{}; or {}", described(one), described(other)),
        Type::Any => "any value, in AWS's spelling".to_owned(),
    }
}

/// A range of integers, as far as it is limited.
pub(crate) fn within(min: i64, max: i64) -> String {
    if max == i64::MAX { format!("at least {min}") } else { format!("{min} to {max}") }
}

/// A line that a person may write for a field.
pub(crate) fn example(field: &Field) -> String {
    let value = field.default.map_or_else(|| example_value(&field.ty), str::to_owned);
    format!("{} = {value}", field.name)
}

fn example_value(ty: &Type) -> String {
    match ty {
        Type::Text | Type::Name { .. } | Type::Scalar | Type::Any => "\"…\"".to_owned(),
        Type::OneOf(allowed) => format!("\"{}\"", allowed.first().unwrap_or(&"…")),
        Type::Integer { min, .. } => min.to_string(),
        Type::Bool => "true".to_owned(),
        Type::Duration { min, max } => {
            format!("\"{}\"", duration::show(30.clamp(*min, (*max).max(*min))))
        }
        Type::Link(_) => "\"main\"".to_owned(),
        Type::File | Type::Path => "\"path/to/file\"".to_owned(),
        Type::SecretSource => "{ env = \"NAME\" }".to_owned(),
        Type::List(item) => format!("[{}]", example_value(item)),
        Type::Map(value) => format!("{{ NAME = {} }}", example_value(value)),
        Type::Table(fields) => table(fields),
        Type::Tables(fields) => format!("{{ NAME = {} }}", table(fields)),
        Type::Either(one, _) => example_value(one),
    }
}

fn table(fields: &[Field]) -> String {
    let needed: Vec<String> = fields.iter().filter(|f| f.required).map(example).collect();
    if needed.is_empty() { "{ … }".to_owned() } else { format!("{{ {} }}", needed.join(", ")) }
}

/// Why a file could not be read, without the numbers of the operating system.
pub(crate) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// What a change of a field does beside changing it.
pub(crate) fn effect(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::None => None,
        Effect::RestartsTasks => Some("restarts tasks"),
        Effect::Replaces => Some("replaces the object"),
    }
}
