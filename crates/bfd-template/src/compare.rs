//! Two values, and each place in which they differ.
//!
//! An expression is compared as a whole. Elements of a list that all have a `Key`, `Name` or
//! `Id` of their own are compared by it; those of other lists one by one when there are as many,
//! and otherwise the list as a whole. Tags and `DependsOn` have no order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::intrinsics::call;
use crate::path::{Path, Step};

/// The members that name an element of a list.
const NATURAL_KEYS: &[&str] = &["Key", "Name", "Id"];

/// The lists whose order means nothing.
const SETS: &[&str] = &["DependsOn", "Tags"];

/// One place in which two values differ; nothing where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) path: Path,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// Adds each place in which two values differ.
pub(crate) fn compare(
    path: &mut Path,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    match (before, after) {
        _ if before == after => {}
        (Some(Value::Object(one)), Some(Value::Object(other)))
            if before.and_then(call).is_none() && after.and_then(call).is_none() =>
        {
            maps(path, one, other, changes);
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => lists(path, one, other, changes),
        _ => changes.push(Change {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn maps(
    path: &mut Path,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        path.push_key(key);
        compare(path, before.get(key), after.get(key), changes);
        path.pop();
    }
}

fn lists(path: &mut Path, before: &[Value], after: &[Value], changes: &mut Vec<Change>) {
    let is_set = path
        .steps()
        .last()
        .is_some_and(|step| matches!(step, Step::Key(key) if SETS.contains(&key.as_str())));
    let key = natural_key(&before.iter().chain(after))
        .filter(|key| are_unique(before, key) && are_unique(after, key));
    match key {
        Some(key) => by_key(path, key, (before, after), is_set, changes),
        None if is_set && sorted_texts(before) == sorted_texts(after) => {}
        None if before.len() == after.len() && !is_set => {
            for (index, (one, other)) in before.iter().zip(after).enumerate() {
                path.push(Step::Index(index));
                compare(path, Some(one), Some(other), changes);
                path.pop();
            }
        }
        None => changes.push(Change {
            path: path.clone(),
            before: Some(Value::Array(before.to_vec())),
            after: Some(Value::Array(after.to_vec())),
        }),
    }
}

fn by_key(
    path: &mut Path,
    key: &'static str,
    (before, after): (&[Value], &[Value]),
    is_set: bool,
    changes: &mut Vec<Change>,
) {
    let name = |item: &Value| item[key].as_str().unwrap_or_default().to_owned();
    let by_name = |items: &[Value]| -> BTreeMap<String, Value> {
        items.iter().map(|item| (name(item), item.clone())).collect()
    };
    let (ones, others) = (by_name(before), by_name(after));
    let names: BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
    for value in names {
        path.push(Step::Named { key, value: value.clone() });
        compare(path, ones.get(value), others.get(value), changes);
        path.pop();
    }
    let order = |items: &[Value], in_both: &BTreeMap<String, Value>| -> Vec<Value> {
        let stay = items.iter().map(name).filter(|name| in_both.contains_key(name));
        stay.map(Value::String).collect()
    };
    let (one, other) = (order(before, &others), order(after, &ones));
    if !is_set && one != other {
        path.push(Step::Order);
        changes.push(Change {
            path: path.clone(),
            before: Some(Value::Array(one)),
            after: Some(Value::Array(other)),
        });
        path.pop();
    }
}

/// The member that all items have as a text.
fn natural_key<'value>(
    items: &(impl Iterator<Item = &'value Value> + Clone),
) -> Option<&'static str> {
    let has = |key: &&str| {
        items
            .clone()
            .all(|item| call(item).is_none() && item.get(*key).is_some_and(Value::is_string))
    };
    NATURAL_KEYS.iter().copied().find(has)
}

fn are_unique(items: &[Value], key: &str) -> bool {
    let mut names: Vec<_> = items.iter().map(|item| item[key].as_str()).collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1])
}

/// How the elements of a list are named, alone in their list.
pub(crate) fn steps(items: &[Value]) -> Vec<Step> {
    let key = natural_key(&items.iter()).filter(|key| are_unique(items, key));
    let step = |(index, item): (usize, &Value)| match key {
        Some(key) => Step::Named { key, value: item[key].as_str().unwrap_or_default().to_owned() },
        None => Step::Index(index),
    };
    items.iter().enumerate().map(step).collect()
}

fn sorted_texts(items: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = items.iter().map(canonical_text).collect();
    texts.sort_unstable();
    texts
}

/// One text for one value, whatever order its maps are kept in.
pub(crate) fn canonical_text(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let member = |(key, value): (&str, &Value)| {
                format!("{}:{}", Value::from(key), canonical_text(value))
            };
            let members: Vec<_> = crate::template::sorted(map).into_iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical_text).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(name: &str, before: &Value, after: &Value) -> Vec<String> {
        let mut changes = Vec::new();
        compare(&mut Path::of(&[name]), Some(before), Some(after), &mut changes);
        changes.iter().map(|change| change.path.to_string()).collect()
    }

    #[test]
    fn lists_with_names() {
        let one = json!([{ "Name": "web", "Image": "a" }, { "Name": "log", "Image": "b" }]);
        let other = json!([{ "Name": "web", "Image": "c" }, { "Name": "log", "Image": "b" }]);
        let turned = json!([{ "Name": "log", "Image": "b" }, { "Name": "web", "Image": "a" }]);

        assert_eq!(paths("Containers", &one, &other), ["Containers[Name=web].Image"]);
        assert_eq!(paths("Containers", &one, &turned), ["Containers[order]"]);
        assert_eq!(paths("Tags", &one, &turned), Vec::<String>::new());
    }

    #[test]
    fn lists_without_names() {
        assert_eq!(paths("L", &json!([1, 2]), &json!([1, 3])), ["L[1]"]);
        assert_eq!(paths("L", &json!([1, 2]), &json!([1, 2, 3])), ["L"]);
        assert_eq!(
            paths("DependsOn", &json!(["A", "B"]), &json!(["B", "A"])),
            Vec::<String>::new()
        );
        assert_eq!(paths("DependsOn", &json!(["A", "B"]), &json!(["A", "C"])), ["DependsOn"]);
    }

    #[test]
    fn expressions_are_one_value() {
        let one = json!({ "Ref": "A" });

        assert_eq!(paths("P", &one, &json!({ "Ref": "B" })), ["P"]);
        assert_eq!(paths("P", &json!({ "X": one }), &json!({ "X": 1 })), ["P.X"]);
    }
}
