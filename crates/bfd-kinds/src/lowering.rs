//! What the `lower` functions of all kinds share.

use crate::{json, spec::Lower};
use bfd_core::{Expr, Inputs, Problem, Reference, Value};
use std::collections::BTreeMap;

/// The environment's tags with the resource's own over them.
///
/// Reports keys and values that AWS refuses.
pub fn tags(lower: &mut Lower<'_>) -> Expr {
    let mut all: BTreeMap<String, Expr> =
        lower.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    if let Some(Expr::Map(own)) = lower.fields.get("tags") {
        all.extend(own.clone());
    }
    for (key, value) in &all {
        let text = value.as_str().unwrap_or_default();
        let wrong = if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            "tags that begin with `aws:` belong to AWS"
        } else if key.is_empty() || key.chars().count() > 128 {
            "a tag's key has 1 to 128 characters"
        } else if text.chars().count() > 256 {
            "a tag's value has at most 256 characters"
        } else {
            continue;
        };
        let place = lower.place(&format!("tags.{key}"));
        lower
            .problems
            .push(Problem::error("tags::invalid", "AWS refuses this tag").at(place, wrong));
    }
    // ECS, SSM and ECR take 50 tags on an object; bfd keeps two for its own.
    if all.len() > 48 {
        let place = lower.place("tags");
        lower.problems.push(
            Problem::error("tags::too_many", "too many tags")
                .at(place, format!("{} with those of the environment", all.len()))
                .help("AWS takes 50 on an object, and bfd keeps two of them"),
        );
    }
    Expr::Map(all)
}

impl Lower<'_> {
    /// Takes a field out, as written.
    pub(crate) fn take(&mut self, field: &str) -> Option<Expr> {
        self.fields.remove(field)
    }

    /// Moves fields that are the same in the canonical form.
    pub(crate) fn keep(&mut self, inputs: &mut Inputs, fields: &[&str]) {
        for field in fields {
            if let Some(value) = self.take(field) {
                inputs.insert((*field).to_owned(), value);
            }
        }
    }

    /// Moves a field that has a default.
    pub(crate) fn keep_or(&mut self, inputs: &mut Inputs, field: &str, default: impl Into<Value>) {
        let value = self.take(field).unwrap_or_else(|| Expr::Literal(default.into()));
        inputs.insert(field.to_owned(), value);
    }

    /// Moves a field of JSON, written inline, as text or in a file, as canonical text.
    pub(crate) fn keep_json(&mut self, inputs: &mut Inputs, field: &str) {
        let Some(value) = self.take(field) else { return };
        if let Some(text) = self.json_text(field, value) {
            inputs.insert(field.to_owned(), text);
        }
    }

    /// Reports a mistake in a field.
    pub(crate) fn error(
        &mut self,
        field: &str,
        code: &'static str,
        headline: &str,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::error(code, headline).at(self.place(field), label).help(help);
        self.problems.push(problem);
    }

    /// Reports something that works and should not be done.
    pub(crate) fn warn(
        &mut self,
        field: &str,
        code: &'static str,
        headline: &str,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::warning(code, headline).at(self.place(field), label).help(help);
        self.problems.push(problem);
    }

    fn json_text(&mut self, field: &str, value: Expr) -> Option<Expr> {
        let value = file_text(value);
        if let Some(text) = value.as_str() {
            return match json::canonicalize(text) {
                Ok(text) => Some(text.into()),
                Err(error) => {
                    self.error(
                        field,
                        "manifest::invalid_json",
                        "not valid JSON",
                        error.to_string(),
                        "write a JSON document, or the same as a TOML table",
                    );
                    None
                }
            };
        }
        if matches!(value, Expr::Map(_) | Expr::List(_)) {
            let mut parts = vec![String::new().into()];
            json_parts(&value, &mut parts);
            let text = Expr::Template(parts);
            return Some(known(&text).map_or(text, Expr::from));
        }
        // Text with references: its spaces are settled when they are known.
        Some(value)
    }
}

/// Writes JSON with references in it as the parts of a template. What a reference
/// stands for is an ARN, a name or a number, and needs no escapes.
fn json_parts(value: &Expr, parts: &mut Vec<Expr>) {
    let list = |all: &[Expr], parts: &mut Vec<Expr>| {
        for (index, value) in all.iter().enumerate() {
            if index > 0 {
                push_text(",", parts);
            }
            json_parts(value, parts);
        }
    };
    match value {
        Expr::Map(all) => {
            push_text("{", parts);
            for (index, (key, value)) in all.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                push_text(&format!("{comma}{}:", Value::from(key.as_str())), parts);
                json_parts(value, parts);
            }
            push_text("}", parts);
        }
        Expr::List(all) => {
            push_text("[", parts);
            list(all, parts);
            push_text("]", parts);
        }
        Expr::Literal(value) => push_text(&json::canonical_text(value), parts),
        Expr::Template(all) => {
            push_text("\"", parts);
            for part in all {
                match part.as_str() {
                    Some(text) => {
                        let quoted = Value::from(text).to_string();
                        push_text(&quoted[1..quoted.len() - 1], parts);
                    }
                    None => parts.push(part.clone()),
                }
            }
            push_text("\"", parts);
        }
        reference => {
            push_text("\"", parts);
            parts.push(reference.clone());
            push_text("\"", parts);
        }
    }
}

fn push_text(text: &str, parts: &mut Vec<Expr>) {
    if let Some(Expr::Literal(Value::String(last))) = parts.last_mut() {
        last.push_str(text);
    } else {
        parts.push(text.into());
    }
}

/// The text of a file that the loader read; anything else as it is.
pub(crate) fn file_text(value: Expr) -> Expr {
    match value {
        Expr::Map(mut file) if file.len() == 2 && file.contains_key("path") => {
            file.remove("text").unwrap_or(Expr::Map(file))
        }
        other => other,
    }
}

/// The value, when nothing in it waits for another resource.
pub(crate) fn known(expr: &Expr) -> Option<Value> {
    expr.resolve(&|_: &Reference| None::<Value>).ok()
}

/// Removes `null`, `[]` and `{}`, which mean the same as absent.
pub(crate) fn prune(inputs: &mut Inputs) {
    inputs.retain(|_, value| !is_absent(value));
}

pub(crate) fn is_absent(value: &Expr) -> bool {
    match value {
        Expr::Literal(value) => value.is_null(),
        Expr::List(all) => all.is_empty(),
        Expr::Map(all) => all.is_empty(),
        _ => false,
    }
}
