//! The calls of `image`.

use super::{KindCalls, Reading};
use crate::Aws;
use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Properties, ResourceState};
use bfd_provider::{Context, ErrorClass, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Image;

fn unsupported(operation: &str) -> ProviderError {
    ProviderError::new(operation, ErrorClass::InvalidRequest, "not written yet")
}

#[async_trait]
impl KindCalls for Image {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        let _ = reading;
        Ok(wanted.iter().map(|wanted| (wanted.address.clone(), None)).collect())
    }

    async fn create(
        &self,
        _aws: &Aws,
        _address: &Address,
        _inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        Err(unsupported("image:create"))
    }

    async fn update(
        &self,
        _aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        _inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        Err(unsupported("image:update"))
    }

    async fn restore(
        &self,
        _aws: &Aws,
        _address: &Address,
        _current: &ResourceState,
        _prior: &ResourceState,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        Err(unsupported("image:restore"))
    }

    async fn delete(
        &self,
        _aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        _context: &Context,
    ) -> Result<(), ProviderError> {
        Err(unsupported("image:delete"))
    }
}
