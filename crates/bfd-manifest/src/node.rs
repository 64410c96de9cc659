use bfd_core::Span;
use std::collections::BTreeMap;

/// A value of the manifest and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// May hold `${…}`.
    Text(String),
    /// Text in which everything was replaced already.
    Filled(String),
    Integer(i64),
    /// As written, without underscores.
    Float(String),
    Bool(bool),
    DateTime(String),
    List(Vec<Node>),
    Table(Table),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The place of the key.
    pub(crate) key: Span,
    pub(crate) value: Node,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }
}

impl Value {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Filled(text) => Some(text),
            _ => None,
        }
    }

    /// For messages: what was found where something else was expected.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Filled(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "a boolean",
            Self::DateTime(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// A scalar as text.
    pub(crate) fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) | Self::Filled(text) | Self::Float(text) | Self::DateTime(text) => {
                text.clone()
            }
            Self::Integer(number) => number.to_string(),
            Self::Bool(truth) => truth.to_string(),
            Self::List(_) | Self::Table(_) => return None,
        })
    }
}

impl Entry {
    /// Where to point at this value: at itself, or at its key when it is long.
    pub(crate) fn place(&self) -> Span {
        match self.value.value {
            Value::List(_) | Value::Table(_) => self.key.clone(),
            _ => self.value.span.clone(),
        }
    }
}

/// Lays `near` over `far`: tables merge, of anything else the nearer wins.
///
/// Associative as long as a key is a table in all files or in none.
pub(crate) fn merge(near: &mut Table, far: Table) {
    for (key, far) in far.entries {
        match near.entries.get_mut(&key) {
            None => {
                near.entries.insert(key, far);
            }
            Some(near) => {
                if let (Value::Table(near), Value::Table(far)) =
                    (&mut near.value.value, far.value.value)
                {
                    merge(near, far);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Trees in which a key says whether it is a table, as in manifests of one kind.
    fn tables() -> impl Strategy<Value = Table> {
        let leaf = any::<i64>().prop_map(Value::Integer);
        let empty = Just(Table::default());
        empty.prop_recursive(3, 24, 4, move |inner| {
            let leaves = proptest::collection::btree_map("[a-c]", leaf.clone(), 0..3);
            let tables = proptest::collection::btree_map("[A-C]", inner, 0..3);
            (leaves, tables).prop_map(|(leaves, tables)| {
                let tables = tables.into_iter().map(|(k, t)| (k, Value::Table(t)));
                let entry = |value| Entry {
                    key: Span::default(),
                    value: Node { value, span: Span::default() },
                };
                let entries = leaves.into_iter().chain(tables);
                Table { entries: entries.map(|(k, v)| (k, entry(v))).collect() }
            })
        })
    }

    fn merged(near: &Table, far: &Table) -> Table {
        let mut table = near.clone();
        merge(&mut table, far.clone());
        table
    }

    fn leaves(table: &Table, path: &str, found: &mut BTreeMap<String, Value>) {
        for (key, entry) in &table.entries {
            let path = format!("{path}.{key}");
            match &entry.value.value {
                Value::Table(inner) => leaves(inner, &path, found),
                leaf => {
                    found.insert(path, leaf.clone());
                }
            }
        }
    }

    fn all_leaves(table: &Table) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        leaves(table, "", &mut found);
        found
    }

    proptest! {
        #[test]
        fn the_nearer_wins_and_nothing_else_is_lost(near in tables(), far in tables()) {
            let mut expected = all_leaves(&far);
            expected.extend(all_leaves(&near));
            prop_assert_eq!(all_leaves(&merged(&near, &far)), expected);
        }

        #[test]
        fn a_chain_merges_the_same_from_either_end(
            a in tables(), b in tables(), c in tables()
        ) {
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        }
    }
}
