use crate::{
    declared,
    nearest::{did_you_mean, list},
    node::{Entry, Node, Table, Value},
    scalars::OUT_OF_RANGE,
    scope::{Filled, Scope},
    template,
    types::{accepts, deeper, may_wait, number, type_hint},
    words,
};
use bfd_core::{Address, Expr, Inputs, Problem, Reference, Span};
use bfd_kinds::{Field, Type, exchange::Shared};
use serde_json::json;
use std::collections::BTreeMap;

/// Why one resource waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Reference,
    /// `depends_on`.
    Written,
    Link,
    /// Everything waits for it.
    Coordinator,
    /// The kind says so.
    Kind,
    /// It reads by name what the other one makes.
    Shared(Shared),
}

/// One resource waits for another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) to: Address,
    pub(crate) place: Span,
    pub(crate) why: Why,
    /// The output that is referred to.
    pub(crate) output: Option<String>,
}

/// Reads a table as its description says, and reports all that is otherwise.
pub(crate) struct Reader<'a> {
    pub(crate) scope: &'a Scope<'a>,
    /// What is read; absent in sections.
    pub(crate) address: Option<&'a Address>,
    /// For messages: the kind, then the tables on the way in.
    owner: Vec<&'static str>,
    path: String,
    pub(crate) problems: Vec<Problem>,
    /// Whether anything was wrong.
    pub(crate) failed: bool,
    pub(crate) spans: BTreeMap<String, Span>,
    pub(crate) edges: Vec<Edge>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        scope: &'a Scope<'a>,
        owner: &'static str,
        address: Option<&'a Address>,
    ) -> Self {
        Self {
            scope,
            address,
            owner: vec![owner],
            path: String::new(),
            problems: Vec::new(),
            failed: false,
            spans: BTreeMap::new(),
            edges: Vec::new(),
        }
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        self.failed = true;
        self.problems.push(problem);
    }

    /// Where a field was written.
    pub(crate) fn place(&self, path: &str) -> Span {
        self.spans.get(path).cloned().unwrap_or_default()
    }

    /// Reads the fields of one table, described in several lists.
    pub(crate) fn table(
        &mut self,
        table: &Table,
        place: &Span,
        described: &[&'static [Field]],
    ) -> Inputs {
        let mut inputs = Inputs::new();
        let all = || described.iter().flat_map(|fields| fields.iter());
        for (name, entry) in &table.entries {
            let Some(field) = all().find(|field| field.name == name) else {
                let label = format!("not a field of `{}`", self.owner.join("."));
                let problem = Problem::error("manifest::unknown_field", "unknown field");
                let problem = problem.at(entry.key.clone(), label);
                let hint = did_you_mean(name, all().map(|field| field.name))
                    .or_else(|| Some(format!("write it in `{}`", deeper(name, &all)?)));
                let hint = hint.unwrap_or_else(|| {
                    format!("the fields are {}", list(all().map(|field| field.name)))
                });
                self.report(problem.help(hint));
                continue;
            };
            let value = self.below(name, &entry.place(), |reader| reader.field(field, entry));
            if let Some(value) = value {
                inputs.insert(name.clone(), value);
            }
        }
        for field in all().filter(|field| field.required && table.get(field.name).is_none()) {
            let problem = Problem::error("manifest::missing_field", "missing field");
            let label = format!("needs `{}`", field.name);
            let help = format!("add `{}`", words::example(field));
            self.report(problem.at(place.clone(), label).help(help));
        }
        inputs
    }

    /// Goes one name deeper, and remembers its place.
    fn below<T>(&mut self, name: &str, place: &Span, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        self.spans.insert(self.path.clone(), place.clone());
        let result = read(self);
        self.path.truncate(length);
        result
    }

    fn field(&mut self, field: &'static Field, entry: &Entry) -> Option<Expr> {
        // Only what can be in the way: tables are named in messages.
        self.owner.push(field.name);
        let before = self.problems.len();
        let value = self.value(&entry.value, &declared::place(entry), &field.ty);
        self.owner.pop();
        if self.problems.len() == before + 1 {
            let problem = &mut self.problems[before];
            if problem.code == OUT_OF_RANGE && problem.help.is_none() {
                problem.help = Some(field.doc.to_owned());
            }
        }
        value
    }

    /// Reads one value. `place` is where it is named, for messages about what it lacks.
    fn value(&mut self, node: &Node, place: &Span, ty: &'static Type) -> Option<Expr> {
        match &node.value {
            Value::Text(text) if template::is_template(text) => {
                match self.scope.fill(text, &node.span, &mut self.problems) {
                    None => {
                        self.failed = true;
                        None
                    }
                    Some(Filled::Known(value)) => {
                        let node =
                            Node { value: moved(value, &node.span), span: node.span.clone() };
                        self.known(&node, place, ty, true)
                    }
                    Some(Filled::Later(expr, edges)) => self.later(node, expr, edges, ty),
                }
            }
            _ => self.known(node, place, ty, false),
        }
    }

    /// Takes a value that waits for other resources.
    fn later(
        &mut self,
        node: &Node,
        expr: Expr,
        edges: Vec<(Reference, Span)>,
        ty: &Type,
    ) -> Option<Expr> {
        let edge = |(reference, place)| {
            let Reference { of: to, output } = reference;
            Edge { to, place, why: Why::Reference, output: Some(output) }
        };
        self.edges.extend(edges.into_iter().map(edge));
        if may_wait(ty) {
            return Some(expr);
        }
        let problem = Problem::error("manifest::not_known", "must be known when planning");
        let help = match ty {
            Type::List(item) if may_wait(item) => {
                "a reference may stand for an item: `[\"${…}\"]`".to_owned()
            }
            Type::Link(kind) => format!("write the name of the `{kind}` alone"),
            _ => format!(
                "expected {}; `${{var.…}}` and `${{environment.…}}` are known",
                words::expected(ty)
            ),
        };
        self.report(problem.at(node.span.clone(), "waits for another resource").help(help));
        None
    }

    /// Reads a value without placeholders. `filled`: it stood for something in quotes,
    /// so that it may be taken as text or as what the text says.
    fn known(
        &mut self,
        node: &Node,
        place: &Span,
        ty: &'static Type,
        filled: bool,
    ) -> Option<Expr> {
        let lenient = filled || matches!(node.value, Value::Filled(_));
        let text = match &node.value {
            Value::Text(text) | Value::Filled(text) => Some(text.clone()),
            value if lenient => value.to_text(),
            _ => None,
        };
        match (ty, &node.value) {
            (Type::Text, _) if text.is_some() => text.map(Expr::from),
            (Type::Scalar, value) if value.to_text().is_some() => value.to_text().map(Expr::from),
            (Type::Name { min, max, pattern }, _) if text.is_some() => {
                self.name(text?, (*min, *max), pattern, &node.span)
            }
            (Type::OneOf(allowed), _) if text.is_some() => self.one_of(text?, allowed, &node.span),
            (Type::Integer { min, max }, Value::Integer(number)) => {
                self.integer(*number, (*min, *max), &node.span)
            }
            (Type::Integer { min, max }, _) if lenient && number(text.as_deref()).is_some() => {
                self.integer(number(text.as_deref())?, (*min, *max), &node.span)
            }
            (Type::Bool, Value::Bool(truth)) => Some(Expr::Literal(json!(truth))),
            (Type::Bool, _) if lenient && matches!(text.as_deref(), Some("true" | "false")) => {
                Some(Expr::Literal(json!(text.as_deref() == Some("true"))))
            }
            (Type::Duration { min, max }, _) if text.is_some() => {
                self.duration(&text?, (*min, *max), &node.span)
            }
            (Type::Link(kind), _) if text.is_some() => self.link(kind, &text?, &node.span),
            (Type::File, _) if text.is_some() => self.file(&text?, &node.span),
            (Type::Path, _) if text.is_some() => Some(self.path(&text?, &node.span)),
            (Type::SecretSource, Value::Table(table)) => self.secret(table, node, place),
            (Type::List(item), Value::List(all)) => {
                let mut read = Vec::with_capacity(all.len());
                for (index, node) in all.iter().enumerate() {
                    let value = self.below(&index.to_string(), &node.span, |reader| {
                        reader.value(node, &node.span, item)
                    });
                    read.extend(value);
                }
                Some(Expr::List(read))
            }
            (Type::Map(value), Value::Table(table)) => {
                let read = |reader: &mut Self, entry: &Entry| {
                    reader.value(&entry.value, &declared::place(entry), value)
                };
                Some(self.each(table, read))
            }
            (Type::Tables(fields), Value::Table(table)) => {
                Some(self.each(table, |reader, entry| reader.named(fields, entry)))
            }
            (Type::Table(fields), Value::Table(table)) => {
                Some(Expr::Map(self.table(table, place, &[fields])))
            }
            (Type::Either(one, other), _) => {
                if accepts(one, node, lenient) {
                    self.known(node, place, one, filled)
                } else if accepts(other, node, lenient) {
                    self.known(node, place, other, filled)
                } else {
                    self.wrong_type(node, &words::expected(ty), None);
                    None
                }
            }
            (Type::Any, _) => self.any(node),
            _ => {
                let help = type_hint(ty, &node.value);
                self.wrong_type(node, &words::expected(ty), help);
                None
            }
        }
    }

    fn each(
        &mut self,
        table: &Table,
        mut read: impl FnMut(&mut Self, &Entry) -> Option<Expr>,
    ) -> Expr {
        let mut map = BTreeMap::new();
        for (name, entry) in &table.entries {
            let value = self.below(name, &entry.place(), |reader| read(reader, entry));
            if let Some(value) = value {
                map.insert(name.clone(), value);
            }
        }
        Expr::Map(map)
    }

    /// Reads one of the tables that have names.
    fn named(&mut self, fields: &'static [Field], entry: &Entry) -> Option<Expr> {
        if let Value::Table(table) = &entry.value.value {
            return Some(Expr::Map(self.table(table, &declared::place(entry), &[fields])));
        }
        self.wrong_type(&entry.value, "a table", None);
        None
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str, help: Option<String>) {
        let label = format!("expected {expected}, found {}", node.value.type_name());
        let problem = Problem::error("manifest::wrong_type", "wrong type");
        let mut problem = problem.at(node.span.clone(), label);
        problem.help = help;
        self.report(problem);
    }

    fn link(&mut self, kind: &str, name: &str, span: &Span) -> Option<Expr> {
        if let Some(address) = self.scope.declared.get(kind, name) {
            let edge =
                Edge { to: address.clone(), place: span.clone(), why: Why::Link, output: None };
            self.edges.push(edge);
            return Some(name.into());
        }
        let bare = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
        let help = match bare.filter(|name| self.scope.declared.get(kind, name).is_some()) {
            Some(name) => format!("write `\"{name}\"`, without the kind"),
            None => self.scope.declared.hint(kind, name),
        };
        let problem = Problem::error("manifest::unknown_link", "a link to nothing");
        let label = format!("no `{kind}` of this name is declared");
        self.report(problem.at(span.clone(), label).help(help));
        None
    }

    /// Passes any value through; text in it may hold references.
    fn any(&mut self, node: &Node) -> Option<Expr> {
        Some(match &node.value {
            Value::Text(_) => return self.value(node, &node.span, &Type::Text),
            Value::Filled(text) | Value::DateTime(text) => text.clone().into(),
            Value::Integer(number) => Expr::Literal(json!(number)),
            Value::Bool(truth) => Expr::Literal(json!(truth)),
            Value::Float(text) => {
                let number = text.parse().ok().and_then(serde_json::Number::from_f64);
                let Some(number) = number else {
                    self.wrong_type(node, "a finite number", None);
                    return None;
                };
                Expr::Literal(number.into())
            }
            Value::List(all) => {
                let mut read = Vec::with_capacity(all.len());
                for (index, node) in all.iter().enumerate() {
                    let value = self.below(&index.to_string(), &node.span, |reader| {
                        reader.value(node, &node.span, &Type::Any)
                    });
                    read.extend(value);
                }
                Expr::List(read)
            }
            Value::Table(table) => {
                self.each(table, |reader, entry| reader.value(&entry.value, &entry.key, &Type::Any))
            }
        })
    }
}

/// A variable's value, at the place where it is used.
fn moved(value: Value, span: &Span) -> Value {
    match value {
        Value::Text(text) => Value::Filled(text),
        Value::List(all) => {
            let node = |node: Node| Node { value: moved(node.value, span), span: span.clone() };
            Value::List(all.into_iter().map(node).collect())
        }
        other => other,
    }
}
