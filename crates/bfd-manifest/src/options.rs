use bfd_core::{Address, Environment, SecretSource};
use bfd_kinds::KindSpec;
use std::{collections::BTreeMap, io, path::Path};

/// Why a secret cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Nothing of the secret itself.
    pub why: String,
    /// What to do; without it, what helps with a secret that is not there.
    pub help: Option<String>,
}

impl From<String> for Unreadable {
    fn from(why: String) -> Self {
        Self { why, help: None }
    }
}

/// Digests the current plaintext of a secret, or says why it cannot be read.
pub type SecretDigest<'a> =
    &'a dyn Fn(&SecretSource, &Environment, &Address) -> Result<String, Unreadable>;

/// What reading a manifest needs from the world around it.
#[expect(missing_debug_implementations, reason = "holds functions")]
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Reads a file: the manifest, what it extends, templates.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Reads what CDK applications were synthesised to.
    pub files: &'a (dyn bfd_assembly::Files + 'a),
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Variables given on the command line; they win over `[vars]`.
    pub vars: &'a BTreeMap<String, String>,
    /// What `${git.NAME}` stands for, or why that is not known; only asked for names of
    /// [`GIT`](crate::GIT).
    pub git: &'a dyn Fn(&str) -> Result<String, String>,
    /// Digests the current plaintext of a secret, or says why it cannot be read.
    /// The path of a file is relative to the manifest's directory.
    pub secret_digest: SecretDigest<'a>,
    /// What may be declared.
    pub kinds: &'a [&'static KindSpec],
}
