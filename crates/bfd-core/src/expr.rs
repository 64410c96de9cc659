use crate::{Address, Secret};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use thiserror::Error;

/// What a cloud tells us and what state records: plain JSON.
pub type Value = serde_json::Value;

/// The inputs of one resource: known now, or known once another resource exists.
pub type Inputs = BTreeMap<String, Expr>;

/// An input as written.
///
/// Arrays and objects are always [`Expr::List`] and [`Expr::Map`], so that a
/// [`Expr::Literal`] is a scalar. Build one from JSON with `Expr::from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    Literal(Value),
    List(Vec<Expr>),
    Map(BTreeMap<String, Expr>),
    Reference(Reference),
    /// Text with references in it, joined in order.
    Template(Vec<Expr>),
    Secret(Secret),
    /// One of two, by a boolean output that may be known later.
    If {
        condition: Reference,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
}

/// Names an output of another resource: `${stack.network.outputs.VpcId}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    pub of: Address,
    /// The dotted path into the outputs, such as `outputs.VpcId`.
    pub output: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}.{}}}", self.of, self.output)
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{}` has no output `{}`", .0.of, .0.output)]
pub struct UnknownOutput(pub Reference);

impl From<Value> for Expr {
    fn from(value: Value) -> Self {
        if let Some(secret) = Secret::from_value(&value) {
            return Self::Secret(secret);
        }
        match value {
            Value::Array(all) => Self::List(all.into_iter().map(Self::from).collect()),
            Value::Object(all) => {
                Self::Map(all.into_iter().map(|(k, v)| (k, Self::from(v))).collect())
            }
            scalar => Self::Literal(scalar),
        }
    }
}

impl From<&str> for Expr {
    fn from(text: &str) -> Self {
        Self::Literal(text.into())
    }
}

impl From<String> for Expr {
    fn from(text: String) -> Self {
        Self::Literal(text.into())
    }
}

impl Expr {
    /// The text, when this is a literal string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Literal(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Literal(value) => value.as_i64(),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Literal(value) => value.as_bool(),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&BTreeMap<String, Expr>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Expr]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Whether nothing in it waits for another resource.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Secret(_) => true,
            Self::List(all) | Self::Template(all) => all.iter().all(Self::is_known),
            Self::Map(all) => all.values().all(Self::is_known),
            Self::Reference(_) | Self::If { .. } => false,
        }
    }

    /// Gives the value once every reference can be looked up.
    ///
    /// A secret resolves to the mark that stands for it, never to its plaintext.
    pub fn resolve(
        &self,
        lookup: &impl Fn(&Reference) -> Option<Value>,
    ) -> Result<Value, UnknownOutput> {
        let known = |of: &Reference| lookup(of).ok_or_else(|| UnknownOutput(of.clone()));
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::List(all) => {
                Value::Array(all.iter().map(|e| e.resolve(lookup)).collect::<Result<_, _>>()?)
            }
            Self::Map(all) => {
                let entries = all.iter().map(|(k, e)| Ok((k.clone(), e.resolve(lookup)?)));
                Value::Object(entries.collect::<Result<_, UnknownOutput>>()?)
            }
            Self::Reference(reference) => known(reference)?,
            Self::Template(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&to_text(&part.resolve(lookup)?));
                }
                Value::String(text)
            }
            Self::Secret(secret) => secret.to_value(),
            Self::If { condition, then, otherwise } => {
                let chosen = if known(condition)? == Value::Bool(true) { then } else { otherwise };
                chosen.resolve(lookup)?
            }
        })
    }

    /// Replaces every reference that can be looked up; the others stay.
    #[must_use]
    pub fn partially(&self, lookup: &impl Fn(&Reference) -> Option<Value>) -> Self {
        match self {
            Self::Literal(_) | Self::Secret(_) => self.clone(),
            Self::List(all) => Self::List(all.iter().map(|e| e.partially(lookup)).collect()),
            Self::Map(all) => {
                Self::Map(all.iter().map(|(k, e)| (k.clone(), e.partially(lookup))).collect())
            }
            Self::Reference(reference) => {
                lookup(reference).map_or_else(|| self.clone(), Self::from)
            }
            Self::Template(parts) => {
                let parts: Vec<Self> = parts.iter().map(|e| e.partially(lookup)).collect();
                let template = Self::Template(parts);
                if template.is_known() {
                    template.resolve(lookup).map_or_else(|_| self.clone(), Self::from)
                } else {
                    template
                }
            }
            Self::If { condition, then, otherwise } => match lookup(condition) {
                Some(Value::Bool(true)) => then.partially(lookup),
                Some(_) => otherwise.partially(lookup),
                None => Self::If {
                    condition: condition.clone(),
                    then: Box::new(then.partially(lookup)),
                    otherwise: Box::new(otherwise.partially(lookup)),
                },
            },
        }
    }

    /// Adds every reference in this expression to `found`.
    pub fn references(&self, found: &mut BTreeSet<Reference>) {
        match self {
            Self::Literal(_) | Self::Secret(_) => {}
            Self::List(all) | Self::Template(all) => all.iter().for_each(|e| e.references(found)),
            Self::Map(all) => all.values().for_each(|e| e.references(found)),
            Self::Reference(reference) => {
                found.insert(reference.clone());
            }
            Self::If { condition, then, otherwise } => {
                found.insert(condition.clone());
                then.references(found);
                otherwise.references(found);
            }
        }
    }

    /// Shows every secret in this expression.
    pub fn secrets<'a>(&'a self, found: &mut impl FnMut(&'a Secret)) {
        match self {
            Self::Literal(_) | Self::Reference(_) => {}
            Self::Secret(secret) => found(secret),
            Self::List(all) | Self::Template(all) => {
                for one in all {
                    one.secrets(found);
                }
            }
            Self::Map(all) => {
                for one in all.values() {
                    one.secrets(found);
                }
            }
            Self::If { then, otherwise, .. } => {
                then.secrets(found);
                otherwise.secrets(found);
            }
        }
    }
}

/// Writes a value where text is wanted: strings as they are, lists joined by commas.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(all) => all.iter().map(to_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Follows a dotted path such as `outputs.VpcId` into nested objects.
pub fn lookup_path<'a>(outputs: &'a BTreeMap<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = outputs.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}
