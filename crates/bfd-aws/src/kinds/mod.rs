//! One module per kind, each with its calls.

pub(crate) mod cluster;
pub(crate) mod coordinator;
pub(crate) mod image;
pub(crate) mod parameter;
pub(crate) mod repository;
pub(crate) mod service;
pub(crate) mod stack;

use crate::Aws;
use async_trait::async_trait;
use bfd_core::{
    Address, Object, Observation, Properties, ResourceState,
    plan::{Plan, UndoProblem},
};
use bfd_provider::{Context, Earlier, ProviderError, Wanted};
use std::fmt::Debug;

/// The calls of one kind. The contract is [`bfd_provider::Provider`]'s.
#[async_trait]
pub(crate) trait KindCalls: Debug + Send + Sync {
    /// Reads all objects of the kind that are wanted, in as few requests as AWS allows.
    ///
    /// The answer has an entry for each of them.
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError>;

    /// Looks whether what updates would be undone to is still there; by default that cannot go.
    async fn check_undo(
        &self,
        _aws: &Aws,
        _plan: &Plan,
        _targets: &[(&Address, &ResourceState)],
        _earlier: &[Earlier<'_>],
    ) -> Vec<UndoProblem> {
        Vec::new()
    }

    /// The object that inputs name, when nothing more is known of it; `None` for a kind that
    /// makes none. Enough for a delete, which finds the rest.
    fn by_name(&self, inputs: &Properties) -> Option<Object> {
        let name = inputs.get("name")?.as_str()?.to_owned();
        Some(Object { id: name, inputs: inputs.clone(), outputs: Properties::new() })
    }

    async fn create(
        &self,
        aws: &Aws,
        address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    async fn update(
        &self,
        aws: &Aws,
        address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    async fn restore(
        &self,
        aws: &Aws,
        address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    async fn delete(
        &self,
        aws: &Aws,
        address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError>;
}

/// One observation under way: what all kinds share of it.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) aws: &'a Aws,
    /// With the credentials of whoever runs bfd, whatever role the objects are read with.
    pub(crate) own: &'a Aws,
    /// The repositories that any kind asks for, read once.
    pub(crate) repositories: repository::Listing,
}

/// The kinds, by their names in the manifest.
pub(crate) const KINDS: &[(&str, &dyn KindCalls)] = &[
    ("cluster", &cluster::Cluster),
    ("coordinator", &coordinator::Coordinator),
    ("image", &image::Image),
    ("parameter", &parameter::Parameter),
    ("repository", &repository::Repository),
    ("service", &service::Service),
    ("stack", &stack::Stack),
];

pub(crate) fn find(kind: &str) -> Option<&'static dyn KindCalls> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, calls)| *calls)
}
