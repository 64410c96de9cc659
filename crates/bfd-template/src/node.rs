//! The tree as it was read: values with their places in the text.

use serde_json::{Map, Value};

use crate::path::{Path, Step};
use crate::problem::{Place, Problem};

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A member of a map and where its key begins.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn scalar(place: Place, value: Value) -> Self {
        Self { place, content: Content::Scalar(value) }
    }

    pub(crate) fn text(place: Place, text: &str) -> Self {
        Self::scalar(place, Value::String(text.to_owned()))
    }

    pub(crate) fn list(place: Place, items: Vec<Self>) -> Self {
        Self { place, content: Content::List(items) }
    }

    /// A map of one member, both where the value is.
    pub(crate) fn single(key: String, node: Self) -> Self {
        let place = node.place;
        Self { place, content: Content::Map(vec![Member { key, place, node }]) }
    }

    /// The value without its places. Of members with one key the first counts.
    pub(crate) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Map(members) => {
                let mut map = Map::new();
                for member in members {
                    map.entry(member.key.clone()).or_insert_with(|| member.node.value());
                }
                Value::Object(map)
            }
        }
    }

    /// How many values it holds, itself included, and how deep they nest.
    pub(crate) fn size(&self) -> (usize, usize) {
        let sum = |(count, depth): (usize, usize), node: &Self| {
            let (more, deeper) = node.size();
            (count + more, depth.max(deeper + 1))
        };
        match &self.content {
            Content::Scalar(_) => (1, 0),
            Content::List(items) => items.iter().fold((1, 0), sum),
            Content::Map(members) => members.iter().map(|member| &member.node).fold((1, 0), sum),
        }
    }

    /// The place of what is at the path, or of the innermost that is there.
    ///
    /// A member is where its key is: that is what the reader looks for.
    pub(crate) fn place_at(&self, path: &Path) -> Place {
        let (mut node, mut place) = (self, self.place);
        for step in path.steps() {
            match (step, &node.content) {
                (Step::Key(key), Content::Map(members)) => {
                    let Some(member) = members.iter().find(|member| member.key == *key) else {
                        return place;
                    };
                    (node, place) = (&member.node, member.place);
                }
                (Step::Index(index), Content::List(items)) => {
                    let Some(item) = items.get(*index) else { return place };
                    (node, place) = (item, item.place);
                }
                _ => return place,
            }
        }
        place
    }

    /// Adds what is wrong with keys that appear twice in one map.
    pub(crate) fn duplicates(&self, problems: &mut Vec<Problem>) {
        match &self.content {
            Content::Scalar(_) => {}
            Content::List(items) => items.iter().for_each(|item| item.duplicates(problems)),
            Content::Map(members) => {
                let mut first = std::collections::BTreeMap::new();
                for member in members {
                    if let Some(place) = first.insert(member.key.as_str(), member.place) {
                        problems.push(
                            Problem::new(
                                "template::duplicate",
                                "a key appears twice",
                                format!("`{}` is already on line {}", member.key, place.line),
                            )
                            .at(member.place)
                            .help(
                                "remove one of them: CloudFormation leaves open which one counts",
                            ),
                        );
                    }
                    member.node.duplicates(problems);
                }
            }
        }
    }
}
