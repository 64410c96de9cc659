//! A loader in miniature: fields as JSON, `${kind.name.output}` in them as references.

use bfd_core::{
    Address, Environment, Expr, Inputs, Problem, Properties, Reference, ResourceState, Secret,
    SecretSource, Severity, SourceId, Span, Value,
};
use bfd_kinds::spec::{Lower, Settle};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a resource.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) inputs: Inputs,
    pub(crate) depends_on: Vec<String>,
    pub(crate) problems: Vec<Found>,
}

/// A problem with the place it points to, as a path of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    pub(crate) place: String,
    pub(crate) label: String,
    pub(crate) help: String,
}

/// The manifest around a resource.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) others: BTreeMap<String, Value>,
}

impl World {
    pub(crate) fn with(mut self, address: &str, fields: Value) -> Self {
        self.others.insert(address.to_owned(), fields);
        self
    }

    pub(crate) fn lower(&self, address: &str, fields: &Value) -> Lowered {
        let address: Address = address.parse().unwrap();
        let spec = bfd_kinds::get(address.kind().as_str()).expect("a kind");
        let Expr::Map(written) = expr(fields) else { panic!("fields are a table") };
        let mut paths = vec![String::new()];
        places(fields, "", &mut paths);
        let span = |index: usize| Span::new(SourceId(0), index..index);
        let spans = paths.iter().enumerate().map(|(i, path)| (path.clone(), span(i))).collect();
        let others = |address: &Address, field: &str| {
            self.others.get(&address.to_string())?.get(field).map(expr)
        };
        let (mut depends_on, mut problems) = (BTreeSet::new(), Vec::new());
        let mut lower = Lower {
            address: &address,
            environment: &environment(),
            fields: written,
            tags: &self.tags,
            others: &others,
            depends_on: &mut depends_on,
            spans: &spans,
            span: &span(0),
            problems: &mut problems,
        };
        let inputs = (spec.lower)(&mut lower);
        let depends_on = depends_on.iter().map(ToString::to_string).collect();
        Lowered { inputs, depends_on, problems: found(&problems, &paths) }
    }
}

impl Lowered {
    /// The inputs, where nothing in them waits for anything.
    pub(crate) fn value(&self) -> Value {
        assert_eq!(self.problems, [], "{:#?}", self.inputs);
        self.resolve(&BTreeMap::new())
    }

    /// The inputs, once references are looked up by their text.
    pub(crate) fn resolve(&self, known: &BTreeMap<&str, Value>) -> Value {
        let lookup = |reference: &Reference| known.get(reference.to_string().as_str()).cloned();
        Expr::Map(self.inputs.clone()).resolve(&lookup).unwrap()
    }

    /// Codes and places of the problems.
    pub(crate) fn codes(&self) -> Vec<(&str, &str)> {
        self.problems.iter().map(|found| (found.code, found.place.as_str())).collect()
    }
}

pub(crate) fn environment() -> Environment {
    Environment {
        name: "dev".to_owned(),
        account: "123456789012".to_owned(),
        region: "ap-southeast-1".to_owned(),
    }
}

pub(crate) fn lower(address: &str, fields: &Value) -> Lowered {
    World::default().lower(address, fields)
}

fn places(value: &Value, path: &str, paths: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        paths.push(path.clone());
        places(value, &path, paths);
    };
    match value {
        Value::Object(all) => all.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(i, value)| below(&i.to_string(), value));
        }
        _ => {}
    }
}

/// JSON with references, and `{"$secret_env": "NAME"}`, as an expression.
pub(crate) fn expr(value: &Value) -> Expr {
    match value {
        Value::String(text) => template(text),
        Value::Array(all) => Expr::List(all.iter().map(expr).collect()),
        Value::Object(all) => match all.get("$secret_env").and_then(Value::as_str) {
            Some(name) => Expr::Secret(Secret {
                source: SecretSource::Env(name.to_owned()),
                digest: "digest".to_owned(),
            }),
            None => Expr::Map(all.iter().map(|(k, v)| (k.clone(), expr(v))).collect()),
        },
        scalar => Expr::Literal(scalar.clone()),
    }
}

fn template(text: &str) -> Expr {
    let mut parts: Vec<Expr> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}').expect("closed");
        let mut names = inside.splitn(3, '.');
        let mut next = || names.next();
        let (kind, name) = (next().unwrap(), next().unwrap());
        let spec = bfd_kinds::get(kind).unwrap();
        let output = next().or(spec.default_output).unwrap().to_owned();
        if !before.is_empty() {
            parts.push(before.into());
        }
        parts.push(Expr::Reference(Reference { of: Address::new(kind, name).unwrap(), output }));
        rest = after;
    }
    match (parts.len(), rest) {
        (0, text) => text.into(),
        (1, "") if matches!(parts[0], Expr::Reference(_)) => parts.remove(0),
        (_, rest) => {
            if !rest.is_empty() {
                parts.push(rest.into());
            }
            Expr::Template(parts)
        }
    }
}

fn found(problems: &[Problem], paths: &[String]) -> Vec<Found> {
    let one = |problem: &Problem| {
        let label = &problem.labels[0];
        Found {
            severity: problem.severity,
            code: problem.code,
            place: paths[label.span.start].clone(),
            label: label.text.clone(),
            help: problem.help.clone().unwrap_or_default(),
        }
    };
    problems.iter().map(one).collect()
}

/// How an image is found when it is planned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// `None`: the repository is missing.
    pub(crate) outputs: Option<Value>,
    pub(crate) recorded: Option<Value>,
    pub(crate) fallbacks_forbidden: bool,
}

/// Settles inputs and gives them back with the problems.
pub(crate) fn settle(lowered: &Lowered, sight: &Sight) -> (Inputs, Vec<Found>) {
    let nothing = Value::Object(serde_json::Map::new());
    let made = Made {
        outputs: sight.outputs.clone(),
        recorded: sight.recorded.clone().map(|outputs| (nothing, outputs)),
        fallbacks_forbidden: sight.fallbacks_forbidden,
        offline: false,
    };
    let settled = settle_made(lowered, &made);
    (settled.inputs, settled.problems)
}

/// How an image that bfd makes is found when it is planned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    /// `None`: the repository is missing.
    pub(crate) outputs: Option<Value>,
    /// Inputs and outputs of the last run.
    pub(crate) recorded: Option<(Value, Value)>,
    pub(crate) fallbacks_forbidden: bool,
    pub(crate) offline: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) inputs: Inputs,
    pub(crate) problems: Vec<Found>,
    pub(crate) gone: bool,
}

pub(crate) fn settle_made(lowered: &Lowered, made: &Made) -> Settled {
    let address: Address = "image.web".parse().unwrap();
    let properties = |value: &Value| -> Properties {
        value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let outputs = made.outputs.as_ref().map(properties);
    let observed = outputs.as_ref().map(|_| Properties::new());
    let recorded = made.recorded.as_ref().map(|(inputs, outputs)| ResourceState {
        kind: address.kind().clone(),
        id: "web".to_owned(),
        inputs: properties(inputs),
        outputs: properties(outputs),
        depends_on: BTreeSet::new(),
    });
    let (mut inputs, mut problems, mut gone) = (lowered.inputs.clone(), Vec::new(), false);
    let settle = bfd_kinds::image::SPEC.settle.expect("images are settled");
    settle(&mut Settle {
        address: &address,
        inputs: &mut inputs,
        observed: observed.as_ref(),
        outputs: outputs.as_ref(),
        recorded: recorded.as_ref(),
        offline: made.offline,
        gone: &mut gone,
        fallback_images: !made.fallbacks_forbidden,
        span: &Span::default(),
        spans: &BTreeMap::new(),
        problems: &mut problems,
    });
    Settled { inputs, problems: found(&problems, &[String::new()]), gone }
}
