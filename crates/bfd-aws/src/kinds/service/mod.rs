//! The calls of `service`.

use super::{KindCalls, Reading};
use crate::Aws;
use async_trait::async_trait;
use bfd_core::{Address, Object, Observation, Properties, ResourceState};
use bfd_provider::{Context, ErrorClass, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Service;

/// How a service is doing now, for `bfd status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStatus {}

/// Reads how a recorded service is doing now.
pub async fn service_status(
    provider: &crate::AwsProvider,
    service: &ResourceState,
) -> Result<ServiceStatus, ProviderError> {
    let _ = (provider, service);
    Err(unsupported("ecs:DescribeServices"))
}

fn unsupported(operation: &str) -> ProviderError {
    ProviderError::new(operation, ErrorClass::InvalidRequest, "not written yet")
}

#[async_trait]
impl KindCalls for Service {
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
        Err(unsupported("service:create"))
    }

    async fn update(
        &self,
        _aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        _inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        Err(unsupported("service:update"))
    }

    async fn restore(
        &self,
        _aws: &Aws,
        _address: &Address,
        _current: &ResourceState,
        _prior: &ResourceState,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        Err(unsupported("service:restore"))
    }

    async fn delete(
        &self,
        _aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        _context: &Context,
    ) -> Result<(), ProviderError> {
        Err(unsupported("service:delete"))
    }
}
