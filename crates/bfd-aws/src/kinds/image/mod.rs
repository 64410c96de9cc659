//! The calls of `image`: which digest a tag stands for. Nothing is ever written.

mod observe;

pub(crate) use observe::{look_up, repository_of};

use super::{KindCalls, Reading};
use crate::{
    Aws,
    inputs::{self, Collect},
};
use async_trait::async_trait;
use aws_sdk_ecr::types::ImageIdentifier;
use bfd_core::{Address, Object, Observation, Properties, ResourceState, Value};
use bfd_provider::{Context, ErrorClass, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Image;

#[async_trait]
impl KindCalls for Image {
    async fn observe(
        &self,
        reading: &Reading<'_>,
        wanted: &[Wanted<'_>],
    ) -> Result<Observation, ProviderError> {
        observe::observe(reading, wanted).await
    }

    /// It is only read.
    fn by_name(&self, _inputs: &Properties) -> Option<Object> {
        None
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        verified(aws, inputs).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        verified(aws, inputs).await
    }

    async fn restore(
        &self,
        _aws: &Aws,
        _address: &Address,
        _current: &ResourceState,
        prior: &ResourceState,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        // A rollback must not fail on an image that has gone: what runs may still run.
        let (id, inputs, outputs) = (prior.id.clone(), prior.inputs.clone(), prior.outputs.clone());
        Ok(Object { id, inputs, outputs })
    }

    async fn delete(
        &self,
        _aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        _context: &Context,
    ) -> Result<(), ProviderError> {
        // Images are the repository's.
        Ok(())
    }
}

/// Makes sure that the planned digest is still there, before services are told to run it.
async fn verified(aws: &Aws, inputs: &Properties) -> Result<Object, ProviderError> {
    const OPERATION: &str = "ecr:DescribeImages";
    let uri = inputs::required(inputs, "uri", OPERATION)?;
    let fallback = inputs.get("fallback_active").and_then(Value::as_bool).unwrap_or_default();
    if let (Some(repository), Some(digest), false) =
        (inputs::text(inputs, "repository"), inputs::text(inputs, "digest"), fallback)
    {
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let request = aws.ecr.describe_images().repository_name(repository).image_ids(id);
        aws.call(OPERATION, request.send()).await.map_err(|refused| {
            if refused.class == ErrorClass::NotFound {
                refused
                    .detail(format!("`{repository}` no longer has the planned digest {digest}"))
                    .hint("push the image again, and plan again")
            } else {
                refused
            }
        })?;
    }
    let outputs = Collect::default()
        .with("uri", uri)
        .maybe("digest", inputs.get("digest").cloned())
        .with("fallback_active", fallback)
        .done();
    Ok(Object { id: uri.to_owned(), inputs: inputs.clone(), outputs })
}
