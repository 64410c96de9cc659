use crate::{
    nearest::did_you_mean,
    node::{Entry, Node, Table, Value},
    options::Options,
    scope::{Filled, Scope},
    template,
};
use bfd_core::{Problem, Resource, SecretSource, Span};
use std::{cell::RefCell, collections::BTreeMap};

/// What `${var.…}` stands for.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    all: BTreeMap<String, Variable>,
    /// Those without a value that were asked for, and where first.
    missed: RefCell<BTreeMap<String, Span>>,
}

#[derive(Debug)]
struct Variable {
    place: Span,
    /// A plain value, or how to give it one.
    value: Result<Value, String>,
    /// The variable of the environment that it may come from.
    env: Option<String>,
}

impl Variables {
    /// Reads `[vars]`; the command line wins, then the environment, then the default.
    pub(crate) fn read(
        section: Option<&Entry>,
        options: &Options<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut all = BTreeMap::new();
        let empty = Table::default();
        let table = match section.map(|entry| (&entry.value.value, entry)) {
            None => &empty,
            Some((Value::Table(table), _)) => table,
            Some((other, entry)) => {
                let label = format!("expected a table, found {}", other.type_name());
                let problem = Problem::error("manifest::wrong_type", "wrong type");
                problems.push(problem.at(entry.place(), label));
                &empty
            }
        };
        for (name, entry) in &table.entries {
            let env = match &entry.value.value {
                Value::Table(table) => table.get("env").and_then(|it| it.value.value.as_text()),
                _ => None,
            };
            let env = env.map(str::to_owned);
            let declared = declared(name, &entry.value, options, problems);
            let value = match options.vars.get(name) {
                Some(text) => Ok(like(text, declared.as_ref().ok())),
                None => declared,
            };
            all.insert(name.clone(), Variable { place: entry.place(), value, env });
        }
        for given in options.vars.keys().filter(|given| !all.contains_key(*given)) {
            let problem = Problem::error("manifest::unknown_variable", "unknown variable");
            let hint = did_you_mean(given, all.keys().map(String::as_str));
            let hint = hint.unwrap_or_else(|| "declare it in `[vars]`".to_owned());
            problems.push(problem.help(format!("`--var {given}=…`: {hint}")));
        }
        Self { all, missed: RefCell::default() }
    }

    /// Fills in what variables say about the environment, once that is known.
    pub(crate) fn expand(&mut self, scope: &Scope<'_>, problems: &mut Vec<Problem>) {
        for variable in self.all.values_mut() {
            if let Ok(value) = &mut variable.value {
                expand(value, &variable.place, scope, problems);
            }
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// The value; `Err` without one, `None` where nothing of that name is declared.
    pub(crate) fn get(&self, name: &str, used: &Span) -> Option<Result<&Value, ()>> {
        let variable = self.all.get(name)?;
        Some(variable.value.as_ref().map_err(|_| {
            let mut missed = self.missed.borrow_mut();
            let first = missed.entry(name.to_owned()).or_insert_with(|| used.clone());
            if used < first {
                *first = used.clone();
            }
        }))
    }

    /// Reports every variable whose value is a secret of a resource: it would be written into
    /// the state in plain text.
    pub(crate) fn secrets(&self, resources: &[Resource], problems: &mut Vec<Problem>) {
        let mut secrets = BTreeMap::new();
        for resource in resources {
            for input in resource.inputs.values() {
                input.secrets(&mut |secret| {
                    if let SecretSource::Env(name) = &secret.source {
                        secrets.entry(name.as_str()).or_insert(&resource.address);
                    }
                });
            }
        }
        for variable in self.all.values() {
            let secret = variable.env.as_deref().and_then(|env| Some((env, secrets.get(env)?)));
            if let Some((env, address)) = secret {
                let problem = Problem::error("manifest::secret_variable", "a secret in a variable");
                problems.push(
                    problem
                        .at(
                            variable.place.clone(),
                            format!("`{env}` is a secret of `{address}`, and what variables hold is written into the state"),
                        )
                        .help("name it only where a secret is expected, such as `value_from`"),
                );
            }
        }
    }

    /// Reports every variable that has no value and is used.
    pub(crate) fn missed(&self, problems: &mut Vec<Problem>) {
        for (name, used) in self.missed.borrow().iter() {
            let variable = &self.all[name];
            let Err(help) = &variable.value else { continue };
            let problem = Problem::error("manifest::no_value", "a variable without a value");
            problems.push(
                problem
                    .at(variable.place.clone(), "has no value")
                    .at(used.clone(), "needed here")
                    .help(help.clone()),
            );
        }
    }
}

fn declared(
    name: &str,
    node: &Node,
    options: &Options<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Value, String> {
    let Value::Table(table) = &node.value else {
        check_plain(node, problems);
        return Ok(node.value.clone());
    };
    for (key, entry) in &table.entries {
        if !["env", "default"].contains(&key.as_str()) {
            let problem = Problem::error("manifest::unknown_field", "unknown field");
            let hint = did_you_mean(key, ["env", "default"]);
            let hint =
                hint.unwrap_or_else(|| "write `{ env = \"NAME\", default = \"…\" }`".to_owned());
            problems.push(problem.at(entry.key.clone(), "not a field of a variable").help(hint));
        }
    }
    let variable = table.get("env").and_then(|entry| {
        let name = entry.value.value.as_text();
        if name.is_none() {
            let label = format!(
                "expected the name of an environment variable, found {}",
                entry.value.value.type_name()
            );
            let problem = Problem::error("manifest::wrong_type", "wrong type");
            problems.push(problem.at(entry.place(), label));
        }
        name
    });
    if let Some(text) = variable.and_then(options.env) {
        let default = table.get("default").map(|entry| &entry.value.value);
        return Ok(like(&text, default));
    }
    if let Some(default) = table.get("default") {
        check_plain(&default.value, problems);
        return Ok(default.value.value.clone());
    }
    Err(match variable {
        Some(variable) => format!("set `{variable}`, pass `--var {name}=…`, or add a `default`"),
        None => format!("pass `--var {name}=…`, or add a `default`"),
    })
}

fn check_plain(node: &Node, problems: &mut Vec<Problem>) {
    let plain = |value: &Value| !matches!(value, Value::Table(_) | Value::List(_));
    let wrong = match &node.value {
        Value::List(all) => all.iter().find(|item| !plain(&item.value)),
        value => (!plain(value)).then_some(node),
    };
    if let Some(wrong) = wrong {
        let label = format!("expected a plain value, found {}", wrong.value.type_name());
        let problem = Problem::error("manifest::wrong_type", "wrong type");
        problems.push(
            problem
                .at(wrong.span.clone(), label)
                .help("a variable is text, a number, a boolean, or a list of these"),
        );
    }
}

/// Reads text from outside the manifest as the type that the declared value has.
///
/// What cannot be read so stays text; the field it is used in says what is wrong.
fn like(text: &str, declared: Option<&Value>) -> Value {
    let text_value = || Value::Filled(text.to_owned());
    match declared {
        Some(Value::Integer(_)) => text.parse().map_or_else(|_| text_value(), Value::Integer),
        Some(Value::Bool(_)) => text.parse().map_or_else(|_| text_value(), Value::Bool),
        Some(Value::Float(_)) if text.parse::<f64>().is_ok() => Value::Float(text.to_owned()),
        Some(Value::List(items)) => {
            let item = items.first().map(|item| &item.value);
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let node = |part| Node { value: like(part, item), span: Span::default() };
            Value::List(parts.map(node).collect())
        }
        _ => text_value(),
    }
}

fn expand(value: &mut Value, place: &Span, scope: &Scope<'_>, problems: &mut Vec<Problem>) {
    match value {
        Value::Text(text) if template::is_template(text) => {
            // The place of a variable is its key; that of an item of a list, the item.
            let filled = scope.fill(text, place, problems);
            *value = match filled {
                Some(Filled::Known(value)) => value,
                _ => Value::Filled(String::new()),
            };
        }
        Value::List(all) => {
            for item in all {
                let place = item.span.clone();
                expand(&mut item.value, &place, scope, problems);
            }
        }
        _ => {}
    }
}
