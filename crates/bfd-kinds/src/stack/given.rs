//! Parameters that a stack has from others than this manifest.

use super::sides::MASK;
use bfd_core::{Properties, Value};
use bfd_template::Template;

/// The parameters that have a value which nobody here ever gave: neither those that are desired nor
/// those that were. What has the old template's default follows that of the new one; of a `NoEcho`
/// parameter nobody knows, so that it counts as given.
pub fn given_by_others<'a>(
    inputs: &Properties,
    present: &Properties,
    live: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<String> {
    let declared = |of: &Properties| {
        let template = of.get("template").and_then(Value::as_str)?;
        Some(Template::parse(template).ok()?.parameters())
    };
    let Some(wanted) = declared(inputs) else { return Vec::new() };
    let before = declared(present).unwrap_or_default();
    let is_said = |of: &Properties, key: &str| {
        of.get("parameters").and_then(|all| all.get(key)).is_some_and(|it| !it.is_null())
    };
    let is_default = |key: &str, value: &str| {
        let default = before.get(key).and_then(|before| before.default.as_deref());
        let is_hidden = value == MASK || wanted.get(key).is_some_and(|it| it.no_echo);
        !is_hidden && default == Some(value)
    };
    live.filter(|(key, value)| {
        wanted.contains_key(*key)
            && !is_said(inputs, key)
            && !is_said(present, key)
            && !is_default(key, value)
    })
    .map(|(key, _)| key.to_owned())
    .collect()
}
