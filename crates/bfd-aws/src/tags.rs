//! Tags in the canonical form, and what it takes to get from one set to another.

use bfd_core::{Owner, Properties, Value, to_text};
use std::collections::BTreeMap;

pub(crate) type Tags = BTreeMap<String, String>;

/// The `tags` of canonical inputs.
pub(crate) fn declared(inputs: &Properties) -> Tags {
    text_map(inputs.get("tags"))
}

/// An object of texts, as a map.
pub(crate) fn text_map(value: Option<&Value>) -> Tags {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), to_text(value)))
        .collect()
}

/// What to set and what to remove on the way from `before` to `after`.
pub(crate) fn difference(before: &Tags, after: &Tags) -> (Tags, Vec<String>) {
    let set = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let removed = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    (set, removed)
}

/// Tags as an input, without those that belong to AWS: nobody can set or remove them.
pub(crate) fn to_value(tags: &Tags) -> Value {
    let own = tags.iter().filter(|(key, _)| !is_reserved(key));
    Value::Object(own.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect())
}

fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}

/// Who made an object, as its tags tell.
pub(crate) fn owner(tags: &Tags) -> Owner {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Owner::Stack(stack.clone());
    }
    let telling: Vec<String> = tags
        .iter()
        .filter(|(key, _)| !is_reserved(key))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if telling.is_empty() { Owner::Unknown } else { Owner::Tags(telling) }
}

/// The same, as part of a sentence.
pub(crate) fn says(owner: &Owner) -> String {
    match owner {
        Owner::Stack(stack) => format!("it belongs to the CloudFormation stack `{stack}`"),
        Owner::Tags(tags) => format!("its tags say `{}`", tags.join("`, `")),
        Owner::Unknown => "nothing tells who made it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[(&str, &str)]) -> Tags {
        all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_is_set_or_removed() {
        let before = tags(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = tags(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let (set, removed) = difference(&before, &after);
        assert_eq!(set, tags(&[("b", "2"), ("d", "1")]));
        assert_eq!(removed, ["c"]);
    }

    #[test]
    fn a_stack_owns_what_it_tagged() {
        let made = tags(&[("aws:cloudformation:stack-name", "Infra"), ("Team", "web")]);
        assert_eq!(owner(&made), Owner::Stack("Infra".to_owned()));
        assert_eq!(owner(&tags(&[("Team", "web")])), Owner::Tags(vec!["Team=web".to_owned()]));
        assert_eq!(owner(&Tags::new()), Owner::Unknown);
    }
}
