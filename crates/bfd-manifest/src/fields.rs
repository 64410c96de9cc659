use crate::{
    declared, duration,
    nearest::{did_you_mean, list},
    node::{Entry, Node, Table, Value},
    scope::{Filled, Scope},
    template, words,
};
use bfd_core::{Address, Expr, Inputs, Problem, Secret, SecretSource, Span};
use bfd_kinds::{Field, Type};
use serde_json::json;
use std::collections::BTreeMap;

/// Why one resource waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Reference,
    /// `depends_on`.
    Written,
    Link,
    /// Everything waits for it.
    Coordinator,
    /// The kind says so.
    Kind,
}

/// One resource waits for another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) to: Address,
    pub(crate) place: Span,
    pub(crate) why: Why,
}

/// Reads a table as its description says, and reports all that is otherwise.
pub(crate) struct Reader<'a> {
    scope: &'a Scope<'a>,
    /// What is read; absent in sections.
    address: Option<&'a Address>,
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
        edges: Vec<(Address, Span)>,
        ty: &Type,
    ) -> Option<Expr> {
        let edge = |(to, place)| Edge { to, place, why: Why::Reference };
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
                let text = text?;
                let length = text.chars().count();
                let problem = Problem::error("manifest::invalid_name", "malformed name");
                if !(*min..=*max).contains(&length) {
                    let label = if min == max {
                        format!("has {length} characters, not {min}")
                    } else {
                        format!("has {length} characters; {min} to {max} are allowed")
                    };
                    let help = format!("it holds {}", pattern.says);
                    self.report(problem.at(node.span.clone(), label).help(help));
                    return None;
                }
                if !(pattern.matches)(&text) {
                    let label = "has other characters than allowed, or in another order";
                    let help = format!("it holds {}", pattern.says);
                    self.report(problem.at(node.span.clone(), label).help(help));
                    return None;
                }
                Some(text.into())
            }
            (Type::OneOf(allowed), _) if text.is_some() => {
                let text = text?;
                if allowed.contains(&text.as_str()) {
                    return Some(text.into());
                }
                let choices = list(allowed.iter().copied());
                let help = match did_you_mean(&text, allowed.iter().copied()) {
                    Some(hint) => format!("{hint} Allowed are {choices}"),
                    None => format!("allowed are {choices}"),
                };
                let problem = Problem::error("manifest::not_allowed", "not an allowed value");
                self.report(problem.at(node.span.clone(), "not one of these").help(help));
                None
            }
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
                let read = |reader: &mut Self, entry: &Entry| match &entry.value.value {
                    Value::Table(table) => {
                        let place = declared::place(entry);
                        Some(Expr::Map(reader.table(table, &place, &[fields])))
                    }
                    _ => {
                        reader.wrong_type(&entry.value, "a table", None);
                        None
                    }
                };
                Some(self.each(table, read))
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

    fn wrong_type(&mut self, node: &Node, expected: &str, help: Option<String>) {
        let label = format!("expected {expected}, found {}", node.value.type_name());
        let problem = Problem::error("manifest::wrong_type", "wrong type");
        let mut problem = problem.at(node.span.clone(), label);
        problem.help = help;
        self.report(problem);
    }

    fn integer(&mut self, number: i64, (min, max): (i64, i64), span: &Span) -> Option<Expr> {
        if (min..=max).contains(&number) {
            return Some(Expr::Literal(json!(number)));
        }
        let label = format!("{number} is not within {}", words::within(min, max));
        let problem = Problem::error(OUT_OF_RANGE, "value out of range");
        self.report(problem.at(span.clone(), label));
        None
    }

    fn duration(&mut self, text: &str, (min, max): (u64, u64), span: &Span) -> Option<Expr> {
        let Some(seconds) = duration::parse(text) else {
            let problem = Problem::error("manifest::invalid_duration", "not a duration");
            let problem = problem.at(span.clone(), "not a number with a unit");
            self.report(
                problem.help("write hours, minutes or seconds: `\"30s\"`, `\"5m\"`, `\"1h30m\"`"),
            );
            return None;
        };
        if (min..=max).contains(&seconds) {
            return Some(Expr::Literal(json!(seconds)));
        }
        let (min, max) = (duration::show(min), duration::show(max));
        let problem = Problem::error(OUT_OF_RANGE, "value out of range");
        self.report(problem.at(span.clone(), format!("not within {min} to {max}")));
        None
    }

    fn link(&mut self, kind: &str, name: &str, span: &Span) -> Option<Expr> {
        if let Some(address) = self.scope.declared.get(kind, name) {
            let edge = Edge { to: address.clone(), place: span.clone(), why: Why::Link };
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

    fn file(&mut self, path: &str, span: &Span) -> Option<Expr> {
        let path = self.scope.from_manifest(path, span);
        let read = self.scope.directory.join(&path);
        match (self.scope.options.read)(&read) {
            Ok(text) => Some(Expr::Map(BTreeMap::from([
                ("path".to_owned(), path.to_string_lossy().into_owned().into()),
                ("text".to_owned(), text.into()),
            ]))),
            Err(error) => {
                let problem = Problem::error("manifest::unreadable", "cannot read a file");
                let help = format!("it is looked for at `{}`", read.display());
                self.report(problem.at(span.clone(), words::unreadable(&error)).help(help));
                None
            }
        }
    }

    fn secret(&mut self, table: &Table, node: &Node, place: &Span) -> Option<Expr> {
        const FIELDS: &[Field] = &[
            Field::new("env", Type::Name { min: 1, max: 1024, pattern: ENV }, "The variable."),
            Field::new("file", Type::Name { min: 1, max: 4096, pattern: PATH }, "The file."),
        ];
        let before = self.problems.len();
        let fields = self.table(table, place, &[FIELDS]);
        if self.problems.len() > before {
            return None;
        }
        let field = |name: &str| fields.get(name).and_then(Expr::as_str);
        let source = match (field("env"), field("file")) {
            (Some(name), None) => SecretSource::Env(name.to_owned()),
            (None, Some(path)) => {
                let path = self.scope.from_manifest(path, &node.span);
                SecretSource::File(path.to_string_lossy().into_owned())
            }
            _ => {
                let problem =
                    Problem::error("manifest::secret_source", "not the source of a secret");
                let label = "needs either `env` or `file`";
                let help = format!("write {}", words::expected(&Type::SecretSource));
                self.report(problem.at(place.clone(), label).help(help));
                return None;
            }
        };
        let address = self.address?;
        match (self.scope.options.secret_digest)(&source, self.scope.environment, address) {
            Ok(digest) => Some(Expr::Secret(Secret { source, digest })),
            Err(why) => {
                let problem = Problem::error("manifest::secret_unreadable", "cannot read a secret");
                let at = table.entries.values().next().map_or(place.clone(), Entry::place);
                let help = match &source {
                    SecretSource::Env(name) => format!("set `{name}` before you run bfd"),
                    SecretSource::File(path) => format!("put the secret into `{path}`"),
                };
                self.report(problem.at(at, why).help(help));
                None
            }
        }
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

const OUT_OF_RANGE: &str = "manifest::out_of_range";

const ENV: bfd_kinds::spec::Pattern = bfd_kinds::spec::Pattern {
    says: "letters, digits and `_`",
    regex: "^[A-Za-z_][A-Za-z0-9_]*$",
    matches: |name| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    },
};

const PATH: bfd_kinds::spec::Pattern =
    bfd_kinds::spec::Pattern { says: "a path", regex: "", matches: |path| !path.contains('\0') };

/// Whether references may stand where this type is expected.
fn may_wait(ty: &Type) -> bool {
    match ty {
        Type::Text | Type::Scalar | Type::Any => true,
        Type::Either(one, other) => may_wait(one) || may_wait(other),
        _ => false,
    }
}

/// Whether a value is of the TOML type that `ty` is written in.
fn accepts(ty: &Type, node: &Node, lenient: bool) -> bool {
    let value = &node.value;
    let scalar = !matches!(value, Value::List(_) | Value::Table(_));
    let text = value.as_text().is_some() || (lenient && scalar);
    match ty {
        Type::Text
        | Type::Name { .. }
        | Type::OneOf(_)
        | Type::Duration { .. }
        | Type::Link(_)
        | Type::File => text,
        Type::Integer { .. } => {
            matches!(value, Value::Integer(_)) || (lenient && number(value.as_text()).is_some())
        }
        Type::Bool => {
            matches!(value, Value::Bool(_))
                || (lenient && matches!(value.as_text(), Some("true" | "false")))
        }
        Type::Scalar => scalar,
        Type::List(_) => matches!(value, Value::List(_)),
        Type::SecretSource | Type::Map(_) | Type::Table(_) | Type::Tables(_) => {
            matches!(value, Value::Table(_))
        }
        Type::Either(one, other) => accepts(one, node, lenient) || accepts(other, node, lenient),
        Type::Any => true,
    }
}

fn number(text: Option<&str>) -> Option<i64> {
    text?.parse().ok()
}

/// What to write instead of a value of the wrong type.
fn type_hint(ty: &Type, value: &Value) -> Option<String> {
    let text = value.as_text();
    match (ty, value) {
        (Type::Integer { .. }, _) if number(text).is_some() => {
            Some(format!("write `{}`, without quotes", text?))
        }
        (Type::Bool, _) if matches!(text, Some("true" | "false")) => {
            Some(format!("write `{}`, without quotes", text?))
        }
        (Type::Duration { .. }, Value::Integer(number)) => {
            Some(format!("write it with a unit: `\"{number}s\"`"))
        }
        (Type::Text | Type::Name { .. } | Type::OneOf(_), Value::Integer(_) | Value::Bool(_)) => {
            Some(format!("write it in quotes: `\"{}\"`", value.to_text()?))
        }
        (Type::List(_), Value::Table(_)) => Some("write it in brackets: `[{ … }]`".to_owned()),
        (Type::List(_), _) => Some("write it in brackets: `[ … ]`".to_owned()),
        _ => None,
    }
}

/// The table below these fields that has a field of this name.
fn deeper<'f, I: Iterator<Item = &'f Field>>(
    name: &str,
    fields: &impl Fn() -> I,
) -> Option<String> {
    fn inside(ty: &Type) -> Option<(&'static [Field], &'static str)> {
        match ty {
            Type::Table(fields) => Some((fields, "")),
            Type::Tables(fields) => Some((fields, ".NAME")),
            Type::Either(one, other) => inside(one).or_else(|| inside(other)),
            _ => None,
        }
    }
    fields().find_map(|field| {
        let (below, suffix) = inside(&field.ty)?;
        let found = below.iter().any(|field| field.name == name);
        found.then(|| format!("{}{suffix}", field.name))
    })
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
