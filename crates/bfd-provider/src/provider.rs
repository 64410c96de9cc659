use crate::{Context, ProviderError};
use async_trait::async_trait;
use bfd_core::{
    Address, Inputs, Object, Observation, Properties, ResourceState, Value,
    plan::{Plan, UndoProblem},
};
use std::fmt;

/// An object as a run left it that somebody may want to go back to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier<'a> {
    pub run: &'a str,
    pub address: &'a Address,
    pub state: &'a ResourceState,
}

/// Talks to one cloud, in the canonical forms of `bfd-kinds`.
///
/// Every call must be safe to repeat with the same token: after a crash the
/// engine cannot know whether the previous one arrived. A call that fails says
/// what it left behind ([`ProviderError::left`]).
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// Asks who is calling. One request.
    async fn identity(&self) -> Result<Identity, ProviderError>;

    /// Reads objects as they are now, in as few requests as the cloud allows. Writes nothing.
    ///
    /// The answer has an entry for every address asked for.
    async fn observe(&self, wanted: &[Wanted<'_>]) -> Result<Observation, ProviderError>;

    /// Looks whether updates of the `targets` could be undone: whether what they would be put
    /// back to is still there, and whether anything that is in use, or that an `earlier`
    /// deployment ran, goes because of the `plan`.
    /// Writes nothing, in as few requests as the cloud allows.
    ///
    /// What cannot be looked at is a problem of its own, and no failure.
    async fn check_undo(
        &self,
        _plan: &Plan,
        _targets: &[(&Address, &ResourceState)],
        _earlier: &[Earlier<'_>],
    ) -> Vec<UndoProblem> {
        Vec::new()
    }

    /// Creates the object and waits until it is proven ready.
    async fn create(
        &self,
        address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    /// Makes an object like `inputs`, in the fewest calls, and waits until it is proven ready.
    ///
    /// `prior` is the object as it was observed; where nothing differs, nothing is called.
    async fn update(
        &self,
        address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    /// Puts an object back as it was recorded in `prior`: the undo of an update.
    ///
    /// `current` is what the update made of it, or left of it. Old versions are
    /// reused where the cloud kept them (task definition revisions, earlier
    /// values of parameters).
    async fn restore(
        &self,
        address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError>;

    /// Deletes the object. Succeeds if it is already gone.
    async fn delete(
        &self,
        address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError>;

    /// Keeps a record of a finished run beside the coordinator's parameters.
    async fn record_deployment(
        &self,
        coordinator: &ResourceState,
        record: &Value,
    ) -> Result<(), ProviderError>;
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    pub arn: String,
    pub region: String,
}

/// What to look for: a resource of the manifest, one of the state, or both.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub address: &'a Address,
    /// Desired; references to what does not exist yet are unresolved.
    pub inputs: Option<&'a Inputs>,
    pub prior: Option<&'a ResourceState>,
}
