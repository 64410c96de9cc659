//! Small operations on trees of expressions.

use crate::lowering::is_absent;
use bfd_core::{Expr, Reference, Value, to_text};
use std::collections::BTreeMap;

pub(super) type Map = BTreeMap<String, Expr>;

pub(super) fn number(value: i64) -> Expr {
    Expr::Literal(value.into())
}

pub(super) fn boolean(value: bool) -> Expr {
    Expr::Literal(value.into())
}

pub(super) fn null() -> Expr {
    Expr::Literal(Value::Null)
}

/// The value of a tree without references.
pub(super) fn value_of(map: Map) -> Value {
    Expr::Map(map).resolve(&|_: &Reference| None::<Value>).unwrap_or_default()
}

/// The entries of an object; nothing for any other value.
pub(super) fn map_of(value: &Value) -> Map {
    if let Expr::Map(map) = Expr::from(value.clone()) { map } else { Map::new() }
}

/// Lays `over` on `base`: maps are merged, everything else is replaced.
pub(super) fn merge(base: &mut Map, over: Map) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Expr::Map(below)), Expr::Map(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Removes `null`, `[]` and `{}` at every depth, the innermost first.
pub(super) fn prune(map: &mut Map) {
    for value in map.values_mut() {
        prune_expr(value);
    }
    map.retain(|_, value| !is_absent(value));
}

fn prune_expr(expr: &mut Expr) {
    match expr {
        Expr::Map(map) => prune(map),
        Expr::List(all) => all.iter_mut().for_each(prune_expr),
        _ => {}
    }
}

/// Inserts what AWS fills in where nothing is written.
pub(super) fn default(map: &mut Map, key: &str, value: Expr) {
    map.entry(key.to_owned()).or_insert(value);
}

/// Runs `change` on the map at `key`, if there is one.
pub(super) fn in_map(map: &mut Map, key: &str, change: impl FnOnce(&mut Map)) {
    if let Some(Expr::Map(inner)) = map.get_mut(key) {
        change(inner);
    }
}

/// Runs `change` on each map of the list at `key`.
pub(super) fn in_list(map: &mut Map, key: &str, change: impl Fn(&mut Map)) {
    if let Some(Expr::List(all)) = map.get_mut(key) {
        for item in all {
            if let Expr::Map(fields) = item {
                change(fields);
            }
        }
    }
}

/// Sorts the list at `key` by these fields of its maps, then by everything in them.
pub(super) fn sort(map: &mut Map, key: &str, fields: &[&str]) {
    if let Some(Expr::List(all)) = map.get_mut(key) {
        all.sort_by_cached_key(|item| {
            let by: Vec<(i64, String)> = fields
                .iter()
                .map(|field| match item.as_map().and_then(|map| map.get(*field)) {
                    Some(value) => (value.as_i64().unwrap_or_default(), text_key(value)),
                    None => (i64::MIN, String::new()),
                })
                .collect();
            (by, text_key(item))
        });
    }
}

/// Sorts a list of texts that is a set.
pub(super) fn sort_set(map: &mut Map, key: &str) {
    if let Some(Expr::List(all)) = map.get_mut(key) {
        all.sort_by_cached_key(text_key);
        all.dedup();
    }
}

fn text_key(expr: &Expr) -> String {
    crate::cluster::sort_key(expr)
}

/// Turns scalars into text, where AWS wants text.
pub(super) fn texts(map: &mut Map) {
    for value in map.values_mut() {
        if let Expr::Literal(scalar @ (Value::Number(_) | Value::Bool(_))) = value {
            *value = to_text(scalar).into();
        }
    }
}

/// Turns the list of named things at `key` into a map by name: `[{name, …}]` to `{name: …}`.
///
/// With `value`, that one field is what stays of each.
pub(super) fn by_name(map: &mut Map, key: &str, name: &str, value: Option<&str>) {
    let Some(Expr::List(all)) = map.get(key) else { return };
    let mut named = Map::new();
    for item in all {
        // What has no literal name cannot be keyed: the list stays as it is.
        let Some(fields) = item.as_map() else { return };
        let Some(found) = fields.get(name).and_then(Expr::as_str) else { return };
        let kept = if let Some(value) = value {
            fields.get(value).cloned().unwrap_or_else(|| "".into())
        } else {
            let mut rest = fields.clone();
            rest.remove(name);
            Expr::Map(rest)
        };
        named.insert(found.to_owned(), kept);
    }
    map.insert(key.to_owned(), Expr::Map(named));
}

/// The reverse of [`by_name`].
pub(super) fn to_list(map: &mut Map, key: &str, name: &str, value: Option<&str>) {
    let Some(Expr::Map(all)) = map.get(key) else { return };
    let items = all.iter().map(|(key, kept)| {
        let mut item = match (value, kept) {
            (Some(value), kept) => Map::from([(value.to_owned(), kept.clone())]),
            (None, Expr::Map(fields)) => fields.clone(),
            (None, _) => Map::new(),
        };
        item.insert(name.to_owned(), key.as_str().into());
        Expr::Map(item)
    });
    let items = items.collect();
    map.insert(key.to_owned(), Expr::List(items));
}

pub(super) fn int(map: &Map, key: &str) -> Option<i64> {
    map.get(key).and_then(Expr::as_i64)
}

pub(super) fn text<'a>(map: &'a Map, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Expr::as_str)
}

/// The maps in the list at `key`.
pub(super) fn list<'a>(map: &'a Map, key: &str) -> impl Iterator<Item = &'a Map> {
    map.get(key).and_then(Expr::as_list).unwrap_or_default().iter().filter_map(Expr::as_map)
}
