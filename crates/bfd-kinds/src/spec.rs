//! The vocabulary in which kinds are described.

use crate::{
    clock::{Clock, Work},
    exchange::Exchange,
};
use bfd_core::{
    Address, Environment, Expr, Inputs, Problem, Properties, Reference, Span, Value,
    plan::{Action, Effect, FieldChange, Undo},
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything there is to know about a kind without a network.
///
/// Manifest checks, the JSON Schema, the reference documentation, the
/// comparison and the plan are all derived from this one description.
#[derive(Debug)]
pub struct KindSpec {
    /// As in the manifest and in addresses.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// There is at most one, written without a name (`[coordinator]`); its
    /// address is `coordinator.main`.
    pub singleton: bool,
    /// What a person writes.
    pub fields: &'static [Field],
    pub outputs: &'static [Output],
    /// What `${kind.name}` stands for.
    pub default_output: Option<&'static str>,
    /// Canonical inputs that name the object. Where one changes, the new object
    /// can exist beside the old one, so a replacement creates first.
    pub key: &'static [&'static str],
    /// Canonical maps whose undeclared entries count as a difference, such as
    /// `task_definition.containers.*.environment`. `*` stands for one name.
    pub exact: &'static [&'static str],
    /// Canonical lists whose order means nothing. They are sorted where their values
    /// are known; what was a reference is in the place of its name until it is
    /// resolved, so a comparison must not rely on the order.
    pub sets: &'static [&'static str],
    /// Canonical maps and lists that name what is read when tasks start, and not when it changes.
    pub read_at_start: &'static [&'static str],
    /// Turns what was written into the canonical form. Fields were checked
    /// against [`Type`] before; what needs more than one field is checked here.
    pub lower: fn(&mut Lower<'_>) -> Inputs,
    /// Completes desired inputs with what only an observation can tell.
    pub settle: Option<fn(&mut Settle<'_>)>,
    /// What it knows of an input in a language of its own.
    pub content: Option<Content>,
    /// What it gives to others and takes from them by name, with its inputs as far as known.
    pub exchange: Option<fn(inputs: &Inputs, environment: &Environment) -> Exchange>,
    /// What a change at a canonical path does.
    pub effect: fn(path: &[&str]) -> Effect,
    /// How well a rollback restores the object, and why it is not exact.
    pub undo: fn(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>),
    /// Estimated seconds for an action, for ordering and for the user's patience.
    pub seconds: fn(action: Action, inputs: &Inputs) -> u64,
    /// The worst case of a step: until it is known to have failed, and until it is undone.
    pub clock: fn(work: &Work<'_>) -> Clock,
    /// The IAM actions it needs.
    pub actions: &'static [&'static str],
}

/// What a kind knows of an input that is written in a language of its own, as the template of
/// a stack is.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Puts what is there in place of desired inputs that are written otherwise and would change
    /// nothing. What was recorded and is no longer desired counts as desired to go.
    pub keep: fn(desired: &mut Inputs, present: &Properties, recorded: Option<&Properties>),
    /// The paths of inputs whose values are shown to nobody.
    pub hidden: fn(desired: &Inputs, present: &Properties) -> BTreeSet<String>,
    /// The names below its [`OutputSource::Open`] output, where the inputs tell them.
    pub open_outputs: fn(inputs: &Inputs) -> Option<BTreeSet<String>>,
    /// The names below its [`OutputSource::Open`] output that an update leaves as they are.
    pub steady_outputs: fn(prior: &Properties, inputs: &Inputs) -> BTreeSet<String>,
    /// In place of [`KindSpec::undo`] for an update, of which both sides are known.
    pub undo: fn(&Update<'_>) -> (Undo, Option<String>),
    /// What stays when an object with these inputs is deleted, in sentences for a plan.
    pub kept: fn(inputs: &Properties) -> Vec<String>,
    /// What is lost for good when an object with these inputs is deleted, and what to do about it.
    pub lost_with: fn(inputs: &Properties) -> Option<(String, String)>,
    /// Why AWS would refuse to delete an object with these inputs: what it is, and what to do.
    pub undeletable: fn(inputs: &Properties) -> Option<(&'static str, &'static str)>,
    /// What an update takes away for good, each as a message and what to do about it.
    pub losses: fn(&Update<'_>) -> Vec<Loss>,
    /// The field by which an update takes over what others of the run change, where the
    /// object took it over before as well; its references name them. An undo takes over what
    /// they held before, once they hold it again.
    pub takes_over: Option<&'static str>,
}

/// What an update takes out of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub message: String,
    /// How to keep it.
    pub help: String,
    /// It leaves the object and is not deleted.
    pub kept: bool,
}

/// Both sides of an update.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    pub prior: &'a Properties,
    pub inputs: &'a Inputs,
    /// What differs between them.
    pub fields: &'a [FieldChange],
}

/// A field of the manifest.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub ty: Type,
    pub required: bool,
    /// In TOML, for the documentation: `"immutable"`, `100`.
    pub default: Option<&'static str>,
    /// One or two sentences: what it does, units, where the limit comes from.
    pub doc: &'static str,
    pub effect: Effect,
}

/// What may be written in a field.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Text that may hold references.
    Text,
    /// Text that must be known when planning: names, keys.
    Name {
        min: usize,
        max: usize,
        pattern: Pattern,
    },
    OneOf(&'static [&'static str]),
    Integer {
        min: i64,
        max: i64,
    },
    Bool,
    /// `"30s"`, `"5m"`, `"1h"`; whole seconds within the bounds.
    Duration {
        min: u64,
        max: u64,
    },
    /// The name of a declared resource of a kind, written without the kind: `cluster = "main"`.
    /// Implies a dependency.
    Link(&'static str),
    /// A path relative to the file it is written in. The loader replaces it with
    /// `{"path": …, "text": …}`.
    File,
    /// A path relative to the file it is written in, of a file or directory that is read later.
    /// The loader makes it relative to the manifest's directory.
    Path,
    /// A scalar of any type, turned into text.
    Scalar,
    /// A secret's source: `{ env = "NAME" }` or `{ file = "path" }`. Becomes [`Expr::Secret`].
    SecretSource,
    List(&'static Type),
    /// Any names, one type of value.
    Map(&'static Type),
    /// These fields and no others.
    Table(&'static [Field]),
    /// Any names, each a table of these fields: `[service.web.container.NAME]`.
    Tables(&'static [Field]),
    /// One of several spellings, tried by TOML type: a bare value or a table.
    Either(&'static Type, &'static Type),
    /// Any TOML value, passed through in AWS's own spelling.
    Any,
}

/// Which characters a name may have.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// For messages and documentation: ``lower case letters, digits and `-_./` ``.
    pub says: &'static str,
    /// A regular expression for the JSON Schema.
    pub regex: &'static str,
    pub matches: fn(&str) -> bool,
}

/// An output that other resources may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub name: &'static str,
    pub doc: &'static str,
    pub source: OutputSource,
}

/// When an output is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSource {
    /// It repeats a canonical input, so it is known when that is.
    Input(&'static str),
    /// The cloud makes it once; an update does not change it.
    Stable,
    /// An update may change it.
    Volatile,
    /// As volatile, and a table of names that are not known in advance: `outputs.VpcId`.
    Open,
}

/// What a kind's [`KindSpec::lower`] works on.
#[expect(missing_debug_implementations, reason = "holds a function")]
pub struct Lower<'a> {
    pub address: &'a Address,
    pub environment: &'a Environment,
    /// As written, checked, variables substituted, defaults not filled in.
    pub fields: Inputs,
    /// The environment's tags, to be merged under the resource's own.
    pub tags: &'a BTreeMap<String, String>,
    /// Fields of other resources, as written: `(address, field)`.
    pub others: &'a dyn Fn(&Address, &str) -> Option<Expr>,
    pub depends_on: &'a mut BTreeSet<Address>,
    pub spans: &'a BTreeMap<String, Span>,
    /// The place of the resource's header.
    pub span: &'a Span,
    pub problems: &'a mut Vec<Problem>,
}

impl Lower<'_> {
    /// The place of a field, of the nearest field around it, or of the whole resource.
    pub fn place(&self, field: &str) -> Span {
        let mut path = field;
        loop {
            if let Some(span) = self.spans.get(path) {
                return span.clone();
            }
            match path.rsplit_once('.') {
                Some((around, _)) => path = around,
                None => return self.span.clone(),
            }
        }
    }
}

/// What a kind's [`KindSpec::settle`] works on.
#[derive(Debug)]
pub struct Settle<'a> {
    pub address: &'a Address,
    pub inputs: &'a mut Inputs,
    /// What was observed of it, if anything is there.
    pub observed: Option<&'a Properties>,
    /// Outputs of the resource as observed.
    pub outputs: Option<&'a Properties>,
    pub recorded: Option<&'a bfd_core::ResourceState>,
    /// Nothing was looked at: what is recorded is all there is to go by.
    pub offline: bool,
    pub fallback_images: bool,
    /// Set when what is recorded is no longer there and has to be made again.
    pub gone: &'a mut bool,
    pub span: &'a Span,
    pub spans: &'a BTreeMap<String, Span>,
    pub problems: &'a mut Vec<Problem>,
}

impl Field {
    /// An optional field without a default, whose change restarts nothing.
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { name, ty, required: false, default: None, doc, effect: Effect::None }
    }

    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// As it is written in TOML.
    #[must_use]
    pub const fn default(mut self, toml: &'static str) -> Self {
        self.default = Some(toml);
        self
    }

    #[must_use]
    pub const fn restarts(mut self) -> Self {
        self.effect = Effect::RestartsTasks;
        self
    }

    #[must_use]
    pub const fn replaces(mut self) -> Self {
        self.effect = Effect::Replaces;
        self
    }
}

impl Output {
    pub const fn new(name: &'static str, source: OutputSource, doc: &'static str) -> Self {
        Self { name, doc, source }
    }
}

impl KindSpec {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn output(&self, name: &str) -> Option<&'static Output> {
        self.outputs.iter().find(|output| output.name == name)
    }

    /// Whether it stands for an object of its own. A kind that is settled by what
    /// was observed (an image) only reads what others made.
    pub fn owns_object(&self) -> bool {
        self.settle.is_none()
    }

    /// Whether undeclared entries of the map at `path` count as a difference.
    pub fn is_exact(&self, path: &[&str]) -> bool {
        self.exact.iter().any(|pattern| covers(pattern, path))
    }

    /// Whether the order of the list at `path` means nothing.
    pub fn is_set(&self, path: &[&str]) -> bool {
        self.sets.iter().any(|pattern| covers(pattern, path))
    }

    /// The outputs that are already known from settled inputs.
    pub fn predict(&self, inputs: &Inputs) -> Properties {
        let known = |output: &Output| match output.source {
            OutputSource::Input(name) => {
                let value = inputs.get(name)?.resolve(&|_: &Reference| None::<Value>).ok()?;
                Some((output.name.to_owned(), value))
            }
            _ => None,
        };
        self.outputs.iter().filter_map(known).collect()
    }
}

/// Whether a path is one that a pattern stands for; `*` is any one part.
fn covers(pattern: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    pattern.split('.').all(|part| path.next().is_some_and(|name| part == "*" || part == *name))
        && path.next().is_none()
}
