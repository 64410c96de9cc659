//! Reading request bodies, which stay raw JSON so that nothing declared is dropped.

use serde_json::{Map, Value, json};

use crate::error::JsonError;

/// A member that is a string and not empty.
pub(crate) fn text<'a>(body: &'a Value, member: &str) -> Option<&'a str> {
    body[member].as_str().filter(|text| !text.is_empty())
}

/// A member that the operation requires.
pub(crate) fn required<'a>(
    body: &'a Value,
    member: &str,
    code: &'static str,
) -> Result<&'a str, JsonError> {
    body[member].as_str().ok_or_else(|| {
        JsonError::new(
            code,
            format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: \
                 Member must not be null",
                lower_first(member)
            ),
        )
    })
}

pub(crate) fn boolean(body: &Value, member: &str) -> bool {
    body[member].as_bool().unwrap_or_default()
}

/// The strings of an array member; anything else is an empty list.
pub(crate) fn strings<'a>(body: &'a Value, member: &str) -> Vec<&'a str> {
    body[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

pub(crate) fn array<'a>(body: &'a Value, member: &str) -> &'a [Value] {
    body[member].as_array().map_or(&[], Vec::as_slice)
}

/// The object's entry, created when it is missing.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// Fills in what a read gives back though nobody declared it.
pub(crate) fn default(value: &mut Value, member: &str, default: Value) {
    let map = object(value);
    if map.get(member).is_none_or(Value::is_null) {
        map.insert(member.to_owned(), default);
    }
}

/// A time as awsJson1.1 writes it: seconds since 1970, to the millisecond.
pub(crate) fn time(seconds: f64) -> Value {
    json!((seconds * 1000.0).round() / 1000.0)
}

/// One page of a listing, with the token of the next one.
///
/// Tokens are offsets into a sorted listing, which is enough for a client that pages at once.
pub(crate) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    size: usize,
    invalid: impl FnOnce() -> JsonError,
) -> Result<(Vec<T>, Option<String>), JsonError> {
    let start = match token {
        None => 0,
        Some(token) => match token.strip_prefix("page-").and_then(|n| n.parse::<usize>().ok()) {
            Some(start) => start,
            None => return Err(invalid()),
        },
    };
    let next = (items.len() > start.saturating_add(size)).then(|| format!("page-{}", start + size));
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}

/// The number of a member that limits a page, checked against AWS's range.
pub(crate) fn page_size(
    body: &Value,
    member: &str,
    default: usize,
    most: usize,
    code: &'static str,
) -> Result<usize, JsonError> {
    let Some(number) = body[member].as_i64() else { return Ok(default) };
    match usize::try_from(number) {
        Ok(size) if (1..=most).contains(&size) => Ok(size),
        _ => Err(JsonError::new(
            code,
            format!(
                "1 validation error detected: Value '{number}' at '{}' failed to satisfy \
                 constraint: Member must have value between 1 and {most}",
                lower_first(member)
            ),
        )),
    }
}

fn lower_first(member: &str) -> String {
    let mut letters = member.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
