//! How long a change may take to fail, and to be undone: the worst case, from the
//! inputs alone.
//!
//! AWS promises no figures for most of what it does. What a field of the manifest
//! decides is exact; the rest is a constant with its reason beside it, chosen so that
//! the sum is an upper bound in the sandbox and in what is usual on AWS.

use bfd_core::{
    Expr, Inputs,
    plan::{FieldChange, Op},
};
use std::collections::BTreeMap;

/// A step, as far as time is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    pub op: &'a Op,
    /// What the change of its resource changes.
    pub fields: &'a [FieldChange],
}

/// The worst case of one step, in terms that add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// From the beginning of the step until it is known to have failed.
    pub detection: Vec<Term>,
    /// From the beginning of its undo until the object is back and proven.
    pub undo: Vec<Term>,
}

/// A part of a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// For people: `placing a task and pulling its image`.
    pub what: &'static str,
    /// The field that it comes from, as the manifest spells it below the resource:
    /// `container.web.health_check.interval`.
    pub field: Option<String>,
    pub seconds: u64,
    /// What in the manifest makes it shorter. Nothing does where it comes from what is
    /// recorded.
    pub levers: Vec<Lever>,
}

/// A field that can be set otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lever {
    /// As [`Term::field`].
    pub field: String,
    /// Where it is in the canonical inputs.
    pub path: Vec<String>,
    pub now: u64,
    /// As far as it goes before it does harm.
    pub best: u64,
    pub unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    /// A plain number.
    Number,
}

impl Term {
    pub(crate) fn of(what: &'static str, seconds: u64) -> Self {
        Self { what, field: None, seconds, levers: Vec::new() }
    }
}

impl Clock {
    /// A kind whose calls take this long, forward and back.
    pub(crate) fn calls(seconds: u64) -> Self {
        let term = || vec![Term::of("the calls", seconds)];
        Self { detection: term(), undo: term() }
    }
}

impl Lever {
    /// The operation with the field set to `value`.
    pub fn set(&self, op: &Op, value: u64) -> Op {
        let mut op = op.clone();
        if let Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } =
            &mut op
        {
            put(inputs, &self.path, Expr::Literal(value.into()));
        }
        op
    }

    /// As a value in the manifest: `"30s"`, `200`.
    pub fn written(&self, value: u64) -> String {
        match self.unit {
            Unit::Seconds => format!("\"{value}s\""),
            Unit::Number => value.to_string(),
        }
    }
}

fn put(map: &mut Inputs, path: &[String], value: Expr) {
    match path {
        [] => {}
        [last] => {
            map.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let below = map.entry(first.clone()).or_insert_with(|| Expr::Map(BTreeMap::new()));
            if let Expr::Map(below) = below {
                put(below, rest, value);
            }
        }
    }
}

/// How many seconds the terms take together.
pub fn total(terms: &[Term]) -> u64 {
    terms.iter().fold(0, |sum, term| sum.saturating_add(term.seconds))
}
