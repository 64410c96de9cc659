use crate::redact;
use bfd_core::{Secret, SecretSource};
use std::{fmt, sync::Arc};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// What a provider call gets beside its arguments.
#[derive(Clone, Debug)]
pub struct Context {
    pub token: Token,
    /// The call was announced before, by a process that died: it may have taken effect.
    pub repeated: bool,
    /// When the run began, in RFC 3339, by the clock of the machine that began it: what is older
    /// was there before.
    pub run_began: String,
    /// The call undoes one that this run made.
    pub undo: bool,
    pub progress: Progress,
    /// Triggered when the run turns back. A call that waits for a long operation
    /// (a rollout, a stack) should end the wait soon and report what it left.
    pub turn_back: CancellationToken,
}

/// Identifies one call independently of its attempts, so that a repeat is recognized.
///
/// At most 32 characters of `[0-9a-z-]`, so that it fits every AWS client token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub String);

/// Where a call tells what it is doing.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(String) + Send + Sync>>);

impl Progress {
    pub fn new(tell: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Tells one line. Never fails: nobody may be listening.
    pub fn tell(&self, message: impl Into<String>) {
        if let Some(tell) = &self.0 {
            tell(message.into());
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// Reads the plaintext of secrets when it is sent, and only then.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// Returns the plaintext; refuses when it is not the one that was planned.
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable>;

    /// Takes secrets out of what a cloud told, before it is shown or written down: those that
    /// are known to be ones, and what looks like one.
    fn redact(&self, text: &str) -> String {
        redact::redact(text)
    }
}

#[derive(Clone, Debug, Error)]
pub enum SecretUnavailable {
    #[error("the {0} is not set")]
    Missing(SecretSource),
    #[error("the {0} is not the one that was planned")]
    Changed(SecretSource),
    /// It is there and cannot be read, or its program failed.
    #[error("{why}")]
    Unreadable { why: String, help: Option<String> },
}

/// No secrets at all, for commands that only read.
impl Secrets for () {
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable> {
        Err(SecretUnavailable::Missing(secret.source.clone()))
    }
}

impl<T: Secrets + ?Sized> Secrets for Arc<T> {
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable> {
        (**self).reveal(secret)
    }

    fn redact(&self, text: &str) -> String {
        (**self).redact(text)
    }
}
