//! What was changed within a stack, in the terms of a plan.

use bfd_core::{
    Value,
    plan::{Effect, FieldChange},
};
use bfd_template::{HIDDEN, Template, is_secret_name};

/// A property as CloudFormation tells it: `/Tags/0/Value`, and its values as text.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    pub path: &'a str,
    pub expected: Option<&'a str>,
    pub actual: Option<&'a str>,
}

/// One property that differs. Values that are secret, by the property's name or by what the
/// template makes it of, are left out.
pub fn drifted(template: Option<&str>, logical: &str, property: Property<'_>) -> FieldChange {
    let template = template.and_then(|text| Template::parse(text).ok());
    let parts: Vec<String> = property
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        // As JSON Pointers write them.
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let is_secret = parts.iter().any(|part| is_secret_name(part))
        || parts.first().is_some_and(|first| {
            template.as_ref().is_some_and(|it| it.is_secret_property(logical, first))
        });
    let side = |text: Option<&str>| {
        text.map(|text| if is_secret { Value::from(HIDDEN) } else { value(text) })
    };
    FieldChange {
        path: parts.join("."),
        before: side(property.expected),
        after: side(property.actual),
        sensitive: is_secret,
        known: true,
        effect: Effect::None,
    }
}

/// What has members is told as JSON; everything else is text, whatever it looks like.
fn value(text: &str) -> Value {
    let read = serde_json::from_str::<Value>(text).ok();
    read.filter(|value| value.is_object() || value.is_array()).unwrap_or_else(|| text.into())
}
