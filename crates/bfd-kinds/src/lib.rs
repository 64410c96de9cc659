//! What each kind of resource is, as data and pure functions.
//!
//! A kind is one module here (what there is to know without a network) and one
//! of the same name in `bfd-aws` (the calls). [`all`] lists them; [`spec`] holds
//! the vocabulary they are described in; [`canonical`] states the form in which
//! desired and observed are compared.
pub mod canonical;
pub mod spec;

pub use spec::{Field, KindSpec, Output, OutputSource, Type};
