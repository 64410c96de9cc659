//! The calls of `image`: which digest a tag stands for; what is made, pushed and taken away.
//!
//! | module | what it does |
//! |---|---|
//! | `observe` | looks images up that others push |
//! | `look` | looks whether what bfd pushed is there |
//! | `recipe` | what an image is made of on this machine, and its hash |
//! | `made` | makes it and pushes it |
//! | `turns` | builds that would be in each other's way |
//! | `platforms` | what copies run on |
//! | `undo` | takes it away again |
//! | `tags` | tags and digests by ECR's own API |
//! | `lifecycle` | what a policy would expire |
//! | `pushes` | what a plan pushes, and the policies it sets |

mod lifecycle;
mod look;
mod made;
mod observe;
mod platforms;
mod pushes;
mod recipe;
mod tags;
mod turns;
mod undo;

pub(crate) use observe::{expiring, look_up, repository_of};
pub(crate) use pushes::Pushes;
pub use recipe::{Content, ContentError, builder, content};
pub(crate) use turns::Turns;

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

    /// `None` for what is only read.
    fn by_name(&self, inputs: &Properties) -> Option<Object> {
        made::by_name(inputs)
    }

    async fn create(
        &self,
        aws: &Aws,
        _address: &Address,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        Box::pin(ready(aws, inputs, context)).await
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        _prior: &ResourceState,
        inputs: &Properties,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        Box::pin(ready(aws, inputs, context)).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<Object, ProviderError> {
        undo::undo(aws, current, Some(prior), context).await?;
        // A rollback must not fail on an image that has gone: what runs may still run.
        let (id, inputs, outputs) = (prior.id.clone(), prior.inputs.clone(), prior.outputs.clone());
        Ok(Object { id, inputs, outputs })
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        // What an earlier run pushed is the repository's, and may be what others run.
        if context.undo { undo::undo(aws, prior, None, context).await } else { Ok(()) }
    }
}

/// Makes the image, or makes sure that it is there.
async fn ready(aws: &Aws, inputs: &Properties, context: &Context) -> Result<Object, ProviderError> {
    let fallback = inputs.get("fallback_active").and_then(Value::as_bool).unwrap_or_default();
    if inputs.contains_key("origin") && !fallback {
        Box::pin(made::make(aws, inputs, context)).await
    } else {
        verified(aws, inputs).await
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
