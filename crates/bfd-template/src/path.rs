//! Where in a template something is, by keys and indices.

use std::fmt;

use serde::{Serialize, Serializer};

/// One step down a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A member of a map.
    Key(String),
    /// An element of a list, by its place.
    Index(usize),
    /// An element of a list, by the member that names it: `[Name=web]`.
    Named {
        /// The member: `Key`, `Name` or `Id`.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The order of a list's elements, for a change of nothing else.
    Order,
}

/// A path from the top of a template, or from the top of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    /// The path of these keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
    }

    /// Its steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Its keys alone, without what happens inside of lists.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) | Step::Named { .. } | Step::Order => None,
        })
    }

    /// Whether it is the other path, or leads further down from there.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// This path and one key more.
    #[must_use = "the path itself stays as it is"]
    pub fn join(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.push(Step::Key(key.to_owned()));
        path
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.to_owned()));
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(formatter, "{key}")?,
                Step::Key(key) => write!(formatter, ".{key}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Named { key, value } => write!(formatter, "[{key}={value}]")?,
                Step::Order => write!(formatter, "[order]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
