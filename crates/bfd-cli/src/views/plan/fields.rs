//! Field changes by the names people use, as a tree.

use crate::views::value::is_absent;
use bfd_core::{
    Secret, Value,
    plan::{Effect, FieldChange},
};

/// One side of a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Side {
    Absent,
    Value(Value),
    Secret,
    /// Known after apply.
    Unknown,
    /// Cannot be read back; this is how it is known to differ.
    ChangedOutside(String),
}

/// What kind of text a value is, where that changes how it is best shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Plain,
    Image,
    /// Where a container reads a secret.
    SecretSource,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) before: Side,
    pub(crate) after: Side,
    pub(crate) nature: Nature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Added,
    Removed,
    Changed,
}

impl Leaf {
    pub(crate) fn direction(&self) -> Direction {
        match (&self.before, &self.after) {
            (Side::Absent, _) => Direction::Added,
            (_, Side::Absent) => Direction::Removed,
            _ => Direction::Changed,
        }
    }
}

/// A field, or a group of fields: `container web`, `environment`.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) label: String,
    pub(crate) leaf: Option<Leaf>,
    pub(crate) effect: Effect,
    pub(crate) children: Vec<Node>,
}

impl Node {
    /// What everything below does, if it all does the same.
    pub(crate) fn uniform_effect(&self) -> Option<Effect> {
        let own = self.leaf.as_ref().map(|_| self.effect);
        uniform(own.into_iter().map(Some).chain(self.children.iter().map(Self::uniform_effect)))
    }

    /// The direction of everything below, if it is all the same.
    pub(crate) fn direction(&self) -> Option<Direction> {
        let own = self.leaf.as_ref().map(Leaf::direction);
        uniform(own.into_iter().map(Some).chain(self.children.iter().map(Self::direction)))
    }
}

/// The one value that all items have.
pub(crate) fn uniform<T: PartialEq>(items: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    let mut items = items.into_iter();
    let first = items.next()??;
    items.all(|item| item.as_ref() == Some(&first)).then_some(first)
}

/// Arranges changes as a tree: fields first, then groups, each in the order of their names.
pub(crate) fn tree(fields: &[FieldChange]) -> Vec<Node> {
    let mut roots = Vec::new();
    for (path, effect, leaf) in leaves(fields) {
        insert(&mut roots, &as_people_think(&path), effect, leaf);
    }
    sort(&mut roots);
    roots
}

/// Every changed value by its path, with objects taken apart.
pub(crate) fn leaves(fields: &[FieldChange]) -> Vec<(Vec<String>, Effect, Leaf)> {
    let mut all = Vec::new();
    for field in fields {
        let path: Vec<String> = field.path.split('.').map(str::to_owned).collect();
        let side = |value: Option<&Value>, sensitive| match value {
            Some(value) if sensitive && !is_absent(value) => Side::Secret,
            Some(value) => side_of(value),
            None => Side::Absent,
        };
        let before = side(field.before.as_ref(), field.sensitive);
        let after = if !field.known {
            Side::Unknown
        } else if field.sensitive && field.after.is_none() && field.before.is_none() {
            // Neither digest was kept, and still something changes.
            Side::Secret
        } else {
            side(field.after.as_ref(), field.sensitive)
        };
        take_apart(path, field.effect, before, after, &mut all);
    }
    all
}

fn side_of(value: &Value) -> Side {
    const CHANGED_OUTSIDE: &str = "$changed_outside";
    if is_absent(value) {
        Side::Absent
    } else if Secret::from_value(value).is_some() {
        Side::Secret
    } else if let Some(how) = value.get(CHANGED_OUTSIDE) {
        Side::ChangedOutside(how.as_str().unwrap_or_default().to_owned())
    } else {
        Side::Value(value.clone())
    }
}

fn take_apart(
    path: Vec<String>,
    effect: Effect,
    before: Side,
    after: Side,
    all: &mut Vec<(Vec<String>, Effect, Leaf)>,
) {
    let object = |side: &Side| match side {
        Side::Value(Value::Object(map)) => Some(map.clone()),
        Side::Absent => Some(serde_json::Map::new()),
        _ => None,
    };
    if let (Some(old), Some(new)) = (object(&before), object(&after)) {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let part =
                |map: &serde_json::Map<String, Value>| map.get(name).map_or(Side::Absent, side_of);
            let (before, after) = (part(&old), part(&new));
            if before != after {
                let mut path = path.clone();
                path.push(name.clone());
                take_apart(path, effect, before, after, all);
            }
        }
        return;
    }
    let nature = nature(&path);
    all.push((path, effect, Leaf { before, after, nature }));
}

fn nature(path: &[String]) -> Nature {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["task_definition", "containers", _, "image"] | ["uri"] => Nature::Image,
        ["task_definition", "containers", _, "secrets", ..] => Nature::SecretSource,
        _ => Nature::Plain,
    }
}

/// The canonical path as nested labels: `container web` › `environment` › `API_URL`.
///
/// Names below a map (variables, tags, parameters) may hold dots and stay whole.
pub(crate) fn as_people_think(path: &[String]) -> Vec<String> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let labels = match parts.as_slice() {
        ["task_definition", "containers", name, rest @ ..] => {
            let container = format!("container {name}");
            match rest {
                [] => vec![container],
                [map @ ("environment" | "secrets" | "dockerLabels"), key @ ..]
                    if !key.is_empty() =>
                {
                    vec![container, (*map).to_owned(), key.join(".")]
                }
                rest => vec![container, rest.join(".")],
            }
        }
        ["task_definition", rest @ ..] if !rest.is_empty() => {
            vec![format!("task {}", rest.join("."))]
        }
        ["service", "networkConfiguration", "awsvpcConfiguration", rest @ ..]
            if !rest.is_empty() =>
        {
            vec!["network".to_owned(), rest.join(".")]
        }
        ["service", first, rest @ ..] if !rest.is_empty() => {
            vec![(*first).to_owned(), rest.join(".")]
        }
        ["service", only] => vec![(*only).to_owned()],
        [map @ ("tags" | "parameters" | "config" | "autoscaling"), key @ ..] if !key.is_empty() => {
            vec![(*map).to_owned(), key.join(".")]
        }
        parts => vec![parts.join(".")],
    };
    labels.iter().map(|label| crate::views::value::visible(label).into_owned()).collect()
}

fn insert(nodes: &mut Vec<Node>, labels: &[String], effect: Effect, leaf: Leaf) {
    let Some((label, rest)) = labels.split_first() else {
        return;
    };
    if rest.is_empty() {
        nodes.push(Node { label: label.clone(), leaf: Some(leaf), effect, children: Vec::new() });
        return;
    }
    let known = nodes.iter().position(|node| node.leaf.is_none() && node.label == *label);
    let index = known.unwrap_or_else(|| {
        nodes.push(Node { label: label.clone(), leaf: None, effect, children: Vec::new() });
        nodes.len() - 1
    });
    insert(&mut nodes[index].children, rest, effect, leaf);
}

fn sort(nodes: &mut [Node]) {
    // What names the thing comes first: an image is what a reviewer looks for.
    nodes.sort_by(|a, b| {
        let key = |node: &Node| {
            (
                node.leaf.is_none(),
                !matches!(node.label.as_str(), "image" | "name"),
                node.label.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    for node in nodes {
        sort(&mut node.children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(path: &str, before: Value, after: Value) -> FieldChange {
        FieldChange {
            path: path.into(),
            before: Some(before),
            after: Some(after),
            sensitive: false,
            known: true,
            effect: Effect::None,
        }
    }

    fn labels(path: &str) -> String {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        as_people_think(&path).join(" > ")
    }

    #[test]
    fn paths_nest_as_people_think() {
        assert_eq!(
            labels("task_definition.containers.web.environment.API_URL"),
            "container web > environment > API_URL"
        );
        assert_eq!(
            labels("task_definition.containers.web.healthCheck.interval"),
            "container web > healthCheck.interval"
        );
        assert_eq!(
            labels("service.networkConfiguration.awsvpcConfiguration.subnets"),
            "network > subnets"
        );
        assert_eq!(labels("task_definition.cpu"), "task cpu");
        assert_eq!(labels("tags.team.owner"), "tags > team.owner");
    }

    #[test]
    fn an_object_that_appears_is_shown_field_by_field() {
        let fields = [change(
            "task_definition.containers.log",
            json!(null),
            json!({"image": "fluent:1", "environment": {"A": "1"}}),
        )];
        let nodes = tree(&fields);
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].label, "container log");
        assert_eq!(nodes[0].direction(), Some(Direction::Added));
        let names: Vec<&str> = nodes[0].children.iter().map(|n| n.label.as_str()).collect();
        assert_eq!(names, ["image", "environment"]);
    }

    #[test]
    fn empty_and_absent_are_the_same_and_not_a_change() {
        assert!(tree(&[change("tags", json!({}), json!(null))]).is_empty());
    }
}
