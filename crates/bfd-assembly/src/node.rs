//! Reading JSON that somebody else wrote: every problem is noted, in its place.

use crate::problem::{Problem, ProblemKind};
use serde_json::{Map, Value};
use std::{cell::RefCell, collections::BTreeMap, path::Path};

/// The file that is being read, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Source<'f> {
    pub(crate) file: &'f Path,
    pub(crate) problems: &'f RefCell<Vec<Problem>>,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'v> {
    source: &'v Source<'v>,
    value: &'v Value,
    pointer: String,
}

impl<'v> Node<'v> {
    pub(crate) fn root(source: &'v Source<'v>, value: &'v Value) -> Self {
        Self { source, value, pointer: String::new() }
    }

    pub(crate) fn value(&self) -> &'v Value {
        self.value
    }

    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Notes a problem here.
    pub(crate) fn problem(&self, kind: ProblemKind, detail: impl Into<String>) {
        self.note(Problem::new(kind, self.source.file, self.pointer.clone(), detail));
    }

    /// Notes a problem here, and what to do.
    pub(crate) fn problem_with_help(
        &self,
        kind: ProblemKind,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.note(Problem::new(kind, self.source.file, self.pointer.clone(), detail).help(help));
    }

    fn note(&self, problem: Problem) {
        self.source.problems.borrow_mut().push(problem);
    }

    fn child(&self, key: &str, value: &'v Value) -> Self {
        let pointer = format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"));
        Self { source: self.source, value, pointer }
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(number) => &number.to_string(),
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(ProblemKind::Shape, format!("expected {what}, found {found}"));
        None
    }

    fn map(&self) -> Option<&'v Map<String, Value>> {
        self.value.as_object().or_else(|| self.expected("an object"))
    }

    /// A field of an object; `null` counts as absent. The caller knows that this is an object, or
    /// has asked [`Node::is_object`].
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        (!value.is_null()).then(|| self.child(name, value))
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &str) -> Option<Self> {
        let found = self.field(name);
        if found.is_none() && self.value.is_object() {
            self.problem(ProblemKind::MissingField, format!("there is no `{name}`"));
        }
        found
    }

    /// Whether this is an object; if not, that is noted.
    pub(crate) fn is_object(&self) -> bool {
        self.map().is_some()
    }

    /// The fields of an object, sorted by name.
    pub(crate) fn fields(&self) -> BTreeMap<&'v str, Self> {
        let fields = self.map().into_iter().flatten();
        fields.map(|(key, value)| (key.as_str(), self.child(key, value))).collect()
    }

    pub(crate) fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().or_else(|| self.expected("a list"));
        let items = items.into_iter().flatten().enumerate();
        items.map(|(index, value)| self.child(&index.to_string(), value)).collect()
    }

    pub(crate) fn text(&self) -> Option<String> {
        let text = self.value.as_str().map(str::to_owned);
        text.or_else(|| self.expected("a string"))
    }

    pub(crate) fn number(&self) -> Option<u64> {
        self.value.as_u64().or_else(|| self.expected("a whole number"))
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.expected("`true` or `false`"))
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).collect()
    }

    pub(crate) fn text_map(&self) -> BTreeMap<String, String> {
        let fields = self.fields().into_iter();
        fields.filter_map(|(key, node)| Some((key.to_owned(), node.text()?))).collect()
    }

    /// The text of a field that may be absent.
    pub(crate) fn text_of(&self, name: &str) -> Option<String> {
        self.field(name)?.text()
    }

    /// The text of a field that must be there, and must not be empty.
    pub(crate) fn required_text(&self, name: &str) -> Option<String> {
        let node = self.required(name)?;
        let text = node.text()?;
        if text.is_empty() {
            node.problem(ProblemKind::Shape, "the text is empty");
            return None;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_is_noted_in_its_place() {
        let problems = RefCell::default();
        let source = Source { file: Path::new("a.json"), problems: &problems };
        let value = json!({ "a/b": { "~": 1 }, "list": ["x", 2, null], "none": null, "size": -1 });
        let root = Node::root(&source, &value);

        assert_eq!(root.fields()["a/b"].text_of("~"), None);
        assert_eq!(root.required("list").unwrap().texts(), ["x"]);
        assert!(root.required("none").is_none());
        assert_eq!(root.field("size").unwrap().number(), None);

        let shown: Vec<String> = problems.borrow().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "unexpected value: a.json#/a~1b/~0: expected a string, found 1",
                "unexpected value: a.json#/list/1: expected a string, found 2",
                "unexpected value: a.json#/list/2: expected a string, found null",
                "missing field: a.json: there is no `none`",
                "unexpected value: a.json#/size: expected a whole number, found -1",
            ]
        );
    }
}
