//! Reading canonical properties.

use bfd_core::{Properties, Secret, Value, to_text};
use bfd_provider::{ErrorClass, ProviderError, Wanted};
use std::collections::BTreeMap;

/// A text among canonical properties; absent, `null` and `""` are the same.
pub(crate) fn text<'a>(properties: &'a Properties, field: &str) -> Option<&'a str> {
    properties.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text without which nothing can be called.
pub(crate) fn required<'a>(
    properties: &'a Properties,
    field: &str,
    operation: &'static str,
) -> Result<&'a str, ProviderError> {
    text(properties, field).ok_or_else(|| {
        let why = format!("the input `{field}` is missing or not a text");
        ProviderError::new(operation, ErrorClass::Local, why)
    })
}

/// The name of the object to look for: the recorded one, else the desired one if it is known.
///
/// Under a new name nothing is looked for while an object is recorded: the plan
/// compares with what is there now.
pub(crate) fn name(wanted: &Wanted<'_>, field: &str) -> Option<String> {
    let recorded = wanted.prior.and_then(|prior| text(&prior.inputs, field).map(str::to_owned));
    recorded.or_else(|| {
        let name = wanted.inputs?.get(field)?;
        let name = name.resolve(&|_| None).ok().map(|name| to_text(&name));
        name.filter(|name| !name.is_empty())
    })
}

/// Whether a field is declared or recorded, so that its value matters.
pub(crate) fn matters(wanted: &Wanted<'_>, field: &str) -> bool {
    wanted.inputs.is_some_and(|inputs| inputs.contains_key(field))
        || wanted.prior.is_some_and(|prior| prior.inputs.contains_key(field))
}

/// Whether a field was or shall be a secret.
pub(crate) fn is_secret(wanted: &Wanted<'_>, field: &str) -> bool {
    let desired = wanted.inputs.and_then(|inputs| inputs.get(field));
    let recorded = wanted.prior.and_then(|prior| prior.inputs.get(field));
    matches!(desired, Some(bfd_core::Expr::Secret(_)))
        || recorded.is_some_and(|value| Secret::from_value(value).is_some())
}

/// Whether a field differs; absent, `null`, `[]`, `{}` and `""` are the same.
pub(crate) fn differs(before: &Properties, after: &Properties, field: &str) -> bool {
    let (before, after) = (before.get(field), after.get(field));
    match (before.and_then(Secret::from_value), after.and_then(Secret::from_value)) {
        // Where a secret is read from may change without the secret doing so.
        (Some(before), Some(after)) => before.digest != after.digest,
        _ => before.filter(|v| !is_empty(v)) != after.filter(|v| !is_empty(v)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Collects properties, leaving out what is absent.
#[derive(Debug, Default)]
pub(crate) struct Collect(BTreeMap<String, Value>);

impl Collect {
    #[must_use]
    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    #[must_use]
    pub(crate) fn maybe(mut self, field: &str, value: Option<impl Into<Value>>) -> Self {
        let value = value.map(Into::into).filter(|value| !is_empty(value));
        self.0.extend(value.map(|value| (field.to_owned(), value)));
        self
    }

    pub(crate) fn done(self) -> Properties {
        self.0
    }
}
