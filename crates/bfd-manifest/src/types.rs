//! What a type takes, apart from its limits.

use crate::{
    nearest::list,
    node::{Node, Value},
};
use bfd_kinds::{Field, Type};

/// Whether references may stand where this type is expected.
pub(crate) fn may_wait(ty: &Type) -> bool {
    match ty {
        Type::Text | Type::Scalar | Type::Any => true,
        Type::Either(one, other) => may_wait(one) || may_wait(other),
        _ => false,
    }
}

/// Whether a value is of the TOML type that `ty` is written in.
pub(crate) fn accepts(ty: &Type, node: &Node, lenient: bool) -> bool {
    let value = &node.value;
    let scalar = !matches!(value, Value::List(_) | Value::Table(_));
    let text = value.as_text().is_some() || (lenient && scalar);
    match ty {
        Type::Text
        | Type::Name { .. }
        | Type::OneOf(_)
        | Type::Duration { .. }
        | Type::Link(_)
        | Type::File
        | Type::Path => text,
        Type::Integer { .. } => {
            matches!(value, Value::Integer(_)) || (lenient && number(value.as_text()).is_some())
        }
        Type::Bool => {
            matches!(value, Value::Bool(_))
                || (lenient && matches!(value.as_text(), Some("true" | "false")))
        }
        Type::Scalar => scalar,
        Type::List(_) => matches!(value, Value::List(_)),
        Type::SecretSource | Type::Map(_) | Type::Table(_) | Type::Tables(_) => {
            matches!(value, Value::Table(_))
        }
        Type::Either(one, other) => accepts(one, node, lenient) || accepts(other, node, lenient),
        Type::Any => true,
    }
}

pub(crate) fn number(text: Option<&str>) -> Option<i64> {
    text?.parse().ok()
}

/// What to write instead of a value of the wrong type.
pub(crate) fn type_hint(ty: &Type, value: &Value) -> Option<String> {
    let text = value.as_text();
    match (ty, value) {
        (Type::Integer { .. }, _) if number(text).is_some() => {
            Some(format!("write `{}`, without quotes", text?))
        }
        (Type::Bool, _) if matches!(text, Some("true" | "false")) => {
            Some(format!("write `{}`, without quotes", text?))
        }
        (Type::Duration { .. }, Value::Integer(number)) => {
            Some(format!("write it with a unit: `\"{number}s\"`"))
        }
        (Type::OneOf(allowed), _) => Some(format!("allowed are {}", list(allowed.iter().copied()))),
        (Type::Text | Type::Name { .. }, Value::Integer(_) | Value::Bool(_)) => {
            Some(format!("write it in quotes: `\"{}\"`", value.to_text()?))
        }
        (Type::List(_), Value::Table(_)) => Some("write it in brackets: `[{ … }]`".to_owned()),
        (Type::List(_), _) => Some("write it in brackets: `[ … ]`".to_owned()),
        _ => None,
    }
}

/// The table below these fields that has a field of this name.
pub(crate) fn deeper<'f, I: Iterator<Item = &'f Field>>(
    name: &str,
    fields: &impl Fn() -> I,
) -> Option<String> {
    fn inside(ty: &Type) -> Option<(&'static [Field], &'static str)> {
        match ty {
            Type::Table(fields) => Some((fields, "")),
            Type::Tables(fields) => Some((fields, ".NAME")),
            Type::Either(one, other) => inside(one).or_else(|| inside(other)),
            _ => None,
        }
    }
    fields().find_map(|field| {
        let (below, suffix) = inside(&field.ty)?;
        let found = below.iter().any(|field| field.name == name);
        found.then(|| format!("{}{suffix}", field.name))
    })
}
