//! What each kind of resource is, as data and pure functions.
//!
//! A kind is one module here (what there is to know without a network) and one
//! of the same name in `bfd-aws` (the calls). [`all`] lists them; [`spec`] holds
//! the vocabulary they are described in; [`canonical`] states the form in which
//! desired and observed are compared.
//!
//! | module | what it adds to the description of its kind |
//! |---|---|
//! | [`coordinator`] | the names of its parameters |
//! | [`repository`] | `keep_images` as a lifecycle policy, and back |
//! | [`image`] | which reference it is, and what it settles on |
//! | [`parameter`] | – |
//! | [`stack`] | the capabilities that a template needs |
//! | [`cluster`] | – |
//! | [`service`] | conversions between the canonical form and the requests and answers of ECS |
//! | [`exchange`] | what resources give to each other by name |
//! | [`clock`] | how long a change may take to fail, and to be undone |
//! | [`json`] | one text for one JSON value |
pub mod canonical;
pub mod clock;
pub mod cluster;
pub mod coordinator;
pub mod exchange;
pub mod image;
pub mod json;
mod lowering;
pub mod parameter;
mod patterns;
mod registry;
pub mod repository;
pub mod service;
pub mod spec;
pub mod stack;

pub use lowering::tags;
pub use registry::{all, get};
pub use spec::{Field, KindSpec, Output, OutputSource, Type};
