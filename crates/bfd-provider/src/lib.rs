//! The boundary between bfd and a cloud.
//!
//! [`Provider`] is what the engine asks of a cloud, [`ProviderError`] how a cloud
//! refuses, [`Context`] what a call may tell and ask while it is under way. [`redact`] is for
//! what a cloud tells.
mod context;
mod error;
mod provider;
pub mod redact;

pub use bfd_core::{Object, Observation, Observed, Owner};
pub use context::{Context, Progress, SecretUnavailable, Secrets, Token};
pub use error::{ErrorClass, ProviderError};
pub use provider::{Earlier, Identity, Provider, Wanted};
