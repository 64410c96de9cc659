use crate::{
    nearest::{did_you_mean, list, nearest},
    node::{Entry, Table, Value},
    sections,
};
use bfd_core::{Address, Problem, Span};
use bfd_kinds::KindSpec;
use std::{cell::Cell, collections::BTreeMap};

/// The name of what is written without one.
const SINGLETON: &str = "main";

/// One declared resource, not yet read.
pub(crate) struct Declared<'t> {
    pub(crate) address: Address,
    pub(crate) spec: &'static KindSpec,
    pub(crate) table: &'t Table,
    /// The header of its table.
    pub(crate) place: Span,
}

/// Which addresses there are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    kinds: BTreeMap<&'static str, Names>,
    /// How many names were compared for hints.
    compared: Cell<usize>,
}

/// After so many comparisons there are no more hints: a manifest in which every
/// name is wrong is answered as fast as any other.
const COMPARISONS: usize = 200_000;

#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) spec: &'static KindSpec,
    pub(crate) names: BTreeMap<String, Address>,
}

impl Index {
    pub(crate) fn new(kinds: &[&'static KindSpec]) -> Self {
        let names = |spec| Names { spec, names: BTreeMap::new() };
        let kinds = kinds.iter().map(|spec| (spec.name, names(*spec))).collect();
        Self { kinds, compared: Cell::default() }
    }

    pub(crate) fn kind(&self, kind: &str) -> Option<&Names> {
        self.kinds.get(kind)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().copied()
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<&Address> {
        self.kinds.get(kind)?.names.get(name)
    }

    /// Looks up `kind.name`, or the name of a kind of which there is one.
    pub(crate) fn find(&self, address: &str) -> Option<&Address> {
        match address.split_once('.') {
            Some((kind, name)) => self.get(kind, name),
            None => {
                self.kinds.get(address).filter(|kind| kind.spec.singleton)?.names.get(SINGLETON)
            }
        }
    }

    /// What to offer for a name that is not declared.
    pub(crate) fn hint(&self, kind: &str, name: &str) -> String {
        let Some(Names { names, spec }) = self.kinds.get(kind) else {
            return did_you_mean(kind, self.kinds()).unwrap_or_default();
        };
        let compared = self.compared.get().saturating_add(names.len());
        self.compared.set(compared);
        let known = names.keys().map(String::as_str);
        let near = if compared > COMPARISONS { None } else { nearest(name, known) };
        if let Some(name) = near {
            return format!("did you mean `{kind}.{name}`?");
        }
        let header = header(spec, name);
        if (1..=5).contains(&names.len()) {
            let names = list(names.keys().map(String::as_str));
            return format!("declared are {names}; or declare it: `{header}`");
        }
        format!("declare it: `{header}`")
    }
}

/// The header under which a resource is declared.
pub(crate) fn header(spec: &KindSpec, name: &str) -> String {
    match name {
        _ if spec.singleton => format!("[{}]", spec.name),
        name if name.contains('/') => format!("[{}.\"{name}\"]", spec.name),
        name => format!("[{}.{name}]", spec.name),
    }
}

/// Finds every resource, and everything that is none.
pub(crate) fn collect<'t>(
    tree: &'t Table,
    kinds: &[&'static KindSpec],
    problems: &mut Vec<Problem>,
) -> (Vec<Declared<'t>>, Index) {
    let mut index = Index::new(kinds);
    let mut all = Vec::new();
    for (key, entry) in &tree.entries {
        if sections::NAMES.contains(&key.as_str()) {
            continue;
        }
        let Some(names) = index.kinds.get_mut(key.as_str()) else {
            problems.push(unknown(key, entry, kinds));
            continue;
        };
        let spec = names.spec;
        let Value::Table(table) = &entry.value.value else {
            problems.push(not_a_table(spec, entry));
            continue;
        };
        if spec.singleton {
            let address = Address::new(spec.name, SINGLETON).expect("kinds have plain names");
            names.names.insert(SINGLETON.to_owned(), address.clone());
            all.push(Declared { address, spec, table, place: place(entry) });
            continue;
        }
        for (name, entry) in &table.entries {
            let Value::Table(table) = &entry.value.value else {
                problems.push(nameless(spec, name, entry));
                continue;
            };
            match Address::new(spec.name, name) {
                Ok(address) => {
                    names.names.insert(name.clone(), address.clone());
                    all.push(Declared { address, spec, table, place: place(entry) });
                }
                Err(_) => problems.push(
                    Problem::error("manifest::invalid_name", "malformed name")
                        .at(entry.key.clone(), "not a name for a resource")
                        .help("use letters, digits, `-`, `_` and `/`"),
                ),
            }
        }
    }
    (all, index)
}

/// The header of a table, or its key where it has none.
pub(crate) fn place(entry: &Entry) -> Span {
    let (span, key) = (&entry.value.span, &entry.key);
    let around = span.source == key.source && span.start <= key.start && key.end <= span.end;
    if around { span.clone() } else { key.clone() }
}

fn unknown(key: &str, entry: &Entry, kinds: &[&'static KindSpec]) -> Problem {
    let names = || kinds.iter().map(|spec| spec.name);
    let problem = Problem::error("manifest::unknown_section", "unknown section or kind")
        .at(entry.key.clone(), "neither a section of a manifest nor a kind of resource");
    match did_you_mean(key, names().chain(sections::NAMES)) {
        Some(hint) => problem.help(hint),
        None => problem.help(format!(
            "sections are {}; kinds are {}",
            list(sections::NAMES),
            list(names())
        )),
    }
}

fn not_a_table(spec: &KindSpec, entry: &Entry) -> Problem {
    let label = format!("expected a table, found {}", entry.value.value.type_name());
    Problem::error("manifest::wrong_type", "wrong type")
        .at(entry.place(), label)
        .help(format!("write `{}`", header(spec, "NAME")))
}

fn nameless(spec: &KindSpec, name: &str, entry: &Entry) -> Problem {
    let problem = Problem::error("manifest::wrong_type", "wrong type");
    if spec.field(name).is_some() {
        let label = format!("a field of a `{}` that has no name", spec.name);
        return problem
            .at(entry.key.clone(), label)
            .help(format!("give it a name: `{}`", header(spec, "main")));
    }
    let label = format!("expected a table, found {}", entry.value.value.type_name());
    problem.at(entry.place(), label).help(format!("write `{}`", header(spec, name)))
}
