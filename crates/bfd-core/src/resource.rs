use crate::{Address, Inputs, Reference, Span};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One deployment target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub name: String,
    /// Twelve digits.
    pub account: String,
    pub region: String,
}

/// A resource as the manifest asks for it, in its kind's canonical form.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub address: Address,
    pub inputs: Inputs,
    /// Edges without a value: written (`depends_on`) or implied by the kind.
    pub depends_on: BTreeSet<Address>,
    /// Take over an object that exists already instead of refusing.
    pub adopt: bool,
    /// Refuse any plan that replaces the object or loses what is stored in it, and `destroy`.
    pub protect: bool,
    /// The header of its table.
    pub span: Span,
    /// Where each field was written, by its dotted path in the manifest.
    pub spans: BTreeMap<String, Span>,
}

impl Resource {
    /// The place of a field, or of the whole resource where the field was not written.
    pub fn span_of(&self, field: &str) -> Span {
        self.spans.get(field).unwrap_or(&self.span).clone()
    }

    pub fn references(&self) -> BTreeSet<Reference> {
        let mut found = BTreeSet::new();
        self.inputs.values().for_each(|expr| expr.references(&mut found));
        found
    }

    /// Everything this resource waits for.
    pub fn dependencies(&self) -> BTreeSet<Address> {
        self.references().into_iter().map(|r| r.of).chain(self.depends_on.iter().cloned()).collect()
    }
}
