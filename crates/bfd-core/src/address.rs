use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};
use thiserror::Error;

/// The type of a resource, such as `service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Kind(Arc<str>);

impl Kind {
    /// Names a kind; whether it exists is for the kinds' own table to say.
    pub fn new(kind: &str) -> Self {
        Self(kind.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Kind {
    fn from(kind: String) -> Self {
        Self(kind.into())
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.0.as_ref().to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a resource lives in an environment: `kind.name`, such as `service.web`.
///
/// Cheap to clone: both halves are shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    kind: Kind,
    name: Arc<str>,
}

impl Address {
    /// Builds an address from its halves.
    pub fn new(kind: &str, name: &str) -> Result<Self, AddressParseError> {
        if is_name(kind) && is_name(name) {
            Ok(Self { kind: Kind::new(kind), name: name.into() })
        } else {
            Err(AddressParseError(format!("{kind}.{name}")))
        }
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Whether `part` may stand in an address: letters, digits, `-`, `_` and `/`.
fn is_name(part: &str) -> bool {
    !part.is_empty()
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'))
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not an address; expected `kind.name`, such as `service.web`")]
pub struct AddressParseError(String);

impl FromStr for Address {
    type Err = AddressParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((kind, name)) = text.split_once('.') else {
            return Err(AddressParseError(text.to_owned()));
        };
        Self::new(kind, name)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_written() {
        let address: Address = "service.web-1".parse().unwrap();
        assert_eq!((address.kind().as_str(), address.name()), ("service", "web-1"));
        assert_eq!(address.to_string(), "service.web-1");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in ["", "service", "service.", ".web", "a.b.c", "service.we b"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
