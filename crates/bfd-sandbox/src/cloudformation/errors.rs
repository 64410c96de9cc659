//! The refusals that several actions share, in `CloudFormation`'s own words.
//!
//! The wordings are those that users report in public issue trackers and that the recorded
//! answers of public emulator test suites hold; the API's documentation lists only the codes.

use crate::error::QueryError;

/// The code of nearly every refusal.
pub(super) fn validation(message: impl Into<String>) -> QueryError {
    QueryError::new("ValidationError", message)
}

pub(super) fn template_format(message: impl AsRef<str>) -> QueryError {
    validation(format!("Template format error: {}", message.as_ref()))
}

pub(super) fn template_error(message: impl AsRef<str>) -> QueryError {
    validation(format!("Template error: {}", message.as_ref()))
}

/// A request member outside its constraint, as AWS's request validation words it.
pub(super) fn constraint(value: &str, member: &str, rule: &str) -> QueryError {
    validation(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
    ))
}

pub(super) fn missing_member(member: &str) -> QueryError {
    validation(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

/// The list form of most messages: `[A, B]`.
pub(super) fn bracketed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    format!("[{}]", names.join(", "))
}
