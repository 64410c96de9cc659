//! The fields that every kind has.

use crate::{
    declared::Index,
    fields::{Edge, Reader, Why},
};
use bfd_core::{Address, Expr, Inputs, Problem};
use bfd_kinds::{Field, Type, spec::Pattern};
use std::collections::BTreeSet;

pub(crate) const FIELDS: &[Field] = &[
    Field::new(
        "depends_on",
        Type::List(&Type::Name { min: 1, max: 512, pattern: ADDRESS }),
        "Addresses of resources to wait for, where no reference says so: `[\"stack.network\"]`.",
    ),
    Field::new("adopt", Type::Bool, "Take over an object that exists already instead of refusing.")
        .default("false"),
    Field::new(
        "protect",
        Type::Bool,
        "Refuse any plan that replaces the object or loses what is stored in it, and `destroy`, while it stands here. Removing the table does delete the object.",
    )
    .default("false"),
];

const ADDRESS: Pattern = Pattern {
    says: "an address, `kind.name`",
    regex: "^[a-zA-Z0-9_/-]+(\\.[a-zA-Z0-9_/-]+)?$",
    matches: |address| !address.is_empty() && !address.contains(char::is_whitespace),
};

/// What a resource says in these fields.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(crate) depends_on: BTreeSet<Address>,
    pub(crate) adopt: bool,
    pub(crate) protect: bool,
}

impl Common {
    /// Takes them out of what was read.
    pub(crate) fn take(fields: &mut Inputs, reader: &mut Reader<'_>, declared: &Index) -> Self {
        let mut depends_on = BTreeSet::new();
        let written = fields.remove("depends_on");
        let written = written.as_ref().and_then(Expr::as_list).unwrap_or_default();
        for (index, text) in written.iter().filter_map(Expr::as_str).enumerate() {
            let place = reader.place(&format!("depends_on.{index}"));
            if let Some(address) = declared.find(text) {
                depends_on.insert(address.clone());
                reader.edges.push(Edge {
                    to: address.clone(),
                    place,
                    why: Why::Written,
                    output: None,
                });
                continue;
            }
            let hint = match text.split_once('.') {
                Some((kind, name)) => declared.hint(kind, name),
                None => "write the address, such as `stack.network`".to_owned(),
            };
            let problem = Problem::error("manifest::unknown_dependency", "a dependency on nothing")
                .at(place, "nothing of this address is declared");
            reader.report(if hint.is_empty() { problem } else { problem.help(hint) });
        }
        let mut flag = |name| fields.remove(name).and_then(|e| e.as_bool()).unwrap_or(false);
        Self { adopt: flag("adopt"), protect: flag("protect"), depends_on }
    }
}
