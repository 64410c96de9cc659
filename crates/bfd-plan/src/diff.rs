//! Compares in the canonical form: declared fields only, three ways.

use bfd_core::{Expr, Properties, Secret, Value, plan::FieldChange};
use bfd_kinds::KindSpec;
use serde_json::Map;

/// What differs between desired and observed.
///
/// A field that is declared is compared. One that is no longer declared but was
/// recorded counts as removed. Anything else is none of our business, except in
/// the maps that a kind calls exact.
pub fn differences(
    spec: &KindSpec,
    desired: &bfd_core::Inputs,
    observed: &Properties,
    recorded: Option<&Properties>,
) -> Vec<FieldChange> {
    let mut differ = Differ { spec, path: Vec::new(), changes: Vec::new() };
    let names = desired.keys().map(String::as_str);
    let removed = recorded
        .into_iter()
        .flat_map(|recorded| recorded.keys().map(String::as_str))
        .filter(|name| !desired.contains_key(*name));
    for name in names.chain(removed) {
        let recorded = recorded.and_then(|recorded| recorded.get(name));
        differ.field(name, desired.get(name), observed.get(name), recorded);
    }
    if let Some(content) = &spec.content {
        let hidden = (content.hidden)(desired, observed);
        for change in differ.changes.iter_mut().filter(|change| hidden.contains(&change.path)) {
            change.sensitive = true;
        }
    }
    differ.changes
}

struct Differ<'a> {
    spec: &'a KindSpec,
    path: Vec<&'a str>,
    changes: Vec<FieldChange>,
}

impl<'a> Differ<'a> {
    fn field(
        &mut self,
        name: &'a str,
        desired: Option<&'a Expr>,
        observed: Option<&'a Value>,
        recorded: Option<&'a Value>,
    ) {
        self.path.push(name);
        match desired {
            Some(Expr::Map(map)) if observed.is_none_or(|o| o.is_object() || o.is_null()) => {
                self.map(map, observed.and_then(Value::as_object), recorded);
            }
            Some(desired) => self.leaf(desired, observed),
            None => self.removed(observed, recorded),
        }
        self.path.pop();
    }

    fn map(
        &mut self,
        desired: &'a std::collections::BTreeMap<String, Expr>,
        observed: Option<&'a Map<String, Value>>,
        recorded: Option<&'a Value>,
    ) {
        let recorded = recorded.and_then(Value::as_object);
        for (name, expr) in desired {
            let of = |map: Option<&'a Map<String, Value>>| map.and_then(|map| map.get(name));
            self.field(name, Some(expr), of(observed), of(recorded));
        }
        let exact = self.spec.is_exact(&self.path);
        for (name, value) in observed.into_iter().flatten() {
            let before = recorded.and_then(|recorded| recorded.get(name));
            if !desired.contains_key(name) && (exact || before.is_some()) {
                self.field(name, None, Some(value), before.or(Some(value)));
            }
        }
    }

    fn removed(&mut self, observed: Option<&'a Value>, recorded: Option<&'a Value>) {
        match observed {
            Some(value) if recorded.is_some() && !is_empty(value) => {
                let sensitive = is_secret(value);
                self.push(Some(value.clone()), None, sensitive, true);
            }
            _ => {}
        }
    }

    fn leaf(&mut self, desired: &Expr, observed: Option<&Value>) {
        let set = self.spec.is_set(&self.path);
        let found = observed.unwrap_or(&Value::Null);
        if matches(desired, found) || (set && matches_as_set(desired, found)) {
            return;
        }
        let known = desired.is_known();
        let mut after = known.then(|| desired.resolve(&|_| None).expect("it is known"));
        let sensitive = after.as_ref().is_some_and(is_secret) || observed.is_some_and(is_secret);
        let mut before = observed.filter(|value| !value.is_null()).cloned();
        if set {
            // What moved within a set is no part of the difference.
            before.iter_mut().chain(&mut after).for_each(sort);
        }
        self.push(before, after.filter(|value| !value.is_null()), sensitive, known);
    }

    fn push(&mut self, before: Option<Value>, after: Option<Value>, sensitive: bool, known: bool) {
        let effect = (self.spec.effect)(&self.path);
        let path = self.path.join(".");
        self.changes.push(FieldChange { path, before, after, sensitive, known, effect });
    }
}

/// Whether what is declared is so. Unknown values never match.
fn matches(desired: &Expr, observed: &Value) -> bool {
    match (desired, observed) {
        (Expr::Literal(value), observed) => {
            value == observed || (is_empty(value) && is_empty(observed))
        }
        (Expr::Secret(secret), observed) => {
            Secret::from_value(observed).is_some_and(|other| other.digest == secret.digest)
        }
        (Expr::List(all), observed) if all.is_empty() => is_empty(observed),
        (Expr::Map(all), observed) if all.is_empty() => is_empty(observed),
        (Expr::List(all), Value::Array(values)) => {
            all.len() == values.len() && all.iter().zip(values).all(|(d, o)| matches(d, o))
        }
        // Inside lists a table is compared by what it declares.
        (Expr::Map(all), Value::Object(values)) => {
            all.iter().all(|(name, d)| matches(d, values.get(name).unwrap_or(&Value::Null)))
        }
        _ => false,
    }
}

/// Whether both lists have the same items, in whatever order.
fn matches_as_set(desired: &Expr, observed: &Value) -> bool {
    let (Expr::List(desired), Value::Array(observed)) = (desired, observed) else { return false };
    let mut left: Vec<&Value> = observed.iter().collect();
    desired.len() == left.len()
        && desired.iter().all(|item| {
            let found = left.iter().position(|value| matches(item, value));
            found.map(|at| left.swap_remove(at)).is_some()
        })
}

fn sort(value: &mut Value) {
    if let Value::Array(all) = value {
        all.sort_by_cached_key(Value::to_string);
    }
}

/// Absent, `null`, `[]` and `{}` mean the same.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    }
}

fn is_secret(value: &Value) -> bool {
    Secret::from_value(value).is_some()
}

/// The part of `observed` that was declared, in the shape of what was recorded or is desired.
///
/// Exact maps are taken whole.
pub fn project(
    spec: &KindSpec,
    observed: &Properties,
    recorded: Option<&Properties>,
    desired: Option<&bfd_core::Inputs>,
) -> Properties {
    let mut path = Vec::new();
    let mut part = Properties::new();
    for (name, value) in observed {
        let recorded = recorded.and_then(|recorded| recorded.get(name));
        let desired = desired.and_then(|desired| desired.get(name));
        if recorded.is_some() || desired.is_some() {
            path.push(name.as_str());
            part.insert(name.clone(), projected(spec, &mut path, value, recorded, desired));
            path.pop();
        }
    }
    part
}

fn projected<'a>(
    spec: &KindSpec,
    path: &mut Vec<&'a str>,
    observed: &'a Value,
    recorded: Option<&Value>,
    desired: Option<&Expr>,
) -> Value {
    let Value::Object(values) = observed else { return observed.clone() };
    let recorded = recorded.and_then(Value::as_object);
    let desired = desired.and_then(Expr::as_map);
    if (recorded.is_none() && desired.is_none()) || spec.is_exact(path) || is_secret(observed) {
        return observed.clone();
    }
    let mut part = Map::new();
    for (name, value) in values {
        let recorded = recorded.and_then(|map| map.get(name));
        let desired = desired.and_then(|map| map.get(name));
        if recorded.is_some() || desired.is_some() {
            path.push(name);
            part.insert(name.clone(), projected(spec, path, value, recorded, desired));
            path.pop();
        }
    }
    Value::Object(part)
}
