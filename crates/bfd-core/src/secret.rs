use crate::Value;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// A value that is never written anywhere: where to read it, and a salted digest of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub source: SecretSource,
    /// Tells that the secret changed, and nothing else about it.
    pub digest: String,
}

/// Where apply reads the plaintext, at the moment it is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file, relative to the manifest.
    File(String),
    /// A program and its arguments, run in the manifest's directory; the secret is what it
    /// prints.
    Command(Vec<String>),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{path}`"),
            Self::Command(words) => {
                write!(f, "output of `{}`", words.first().map_or("", String::as_str))
            }
        }
    }
}

const MARK: &str = "$secret";

impl Secret {
    /// What stands for this secret in state, plan and journal.
    pub fn to_value(&self) -> Value {
        json!({ MARK: { "digest": self.digest, "source": self.source } })
    }

    /// Recognizes what [`Secret::to_value`] made.
    pub fn from_value(value: &Value) -> Option<Self> {
        serde_json::from_value(value.as_object()?.get(MARK)?.clone()).ok()
    }
}
