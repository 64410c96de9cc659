//! The calls of `cluster`: clusters in ECS.

mod change;
mod observe;

use super::{KindCalls, Reading};
use crate::Aws;
use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Properties, ResourceState};
use bfd_provider::{Context, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Cluster;

#[async_trait]
impl KindCalls for Cluster {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        observe::observe(reading, wanted).await
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        change::create(aws, inputs, context).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        change::converge(aws, prior, inputs, context).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        change::converge(aws, current, &prior.inputs, context).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        change::delete(aws, &prior.id, context).await
    }
}
