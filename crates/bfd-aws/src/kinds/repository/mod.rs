//! The calls of `repository`: image repositories in ECR.

mod change;
mod listing;
mod observe;

pub(crate) use change::lifecycle;
pub(crate) use listing::Listing;

use super::{KindCalls, Reading};
use crate::{
    Aws,
    client::Made,
    error,
    inputs::{self, Collect},
    tags,
};
use async_trait::async_trait;
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability, Tag,
};
use bfd_core::{Address, Object, Observation, Properties, ResourceState};
use bfd_provider::{Context, ErrorClass, ProviderError, Wanted};

#[derive(Debug)]
pub(crate) struct Repository;

#[async_trait]
impl KindCalls for Repository {
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
        const OPERATION: &str = "ecr:CreateRepository";
        let name = inputs::required(inputs, "name", OPERATION)?;
        let request = aws
            .ecr
            .create_repository()
            .repository_name(name)
            .image_tag_mutability(mutability(inputs))
            .image_scanning_configuration(scanning(inputs))
            .set_encryption_configuration(encryption(inputs, OPERATION)?)
            .set_tags(sdk_tags(&tags::declared(inputs), OPERATION)?);
        let repository = match aws.make(OPERATION, context, request.send()).await {
            Ok(Made::Surely(answer)) => answer.repository,
            Ok(Made::Perhaps(exists)) => Some(change::recognize(aws, name, inputs, exists).await?),
            Err(refused) if refused.class == ErrorClass::AlreadyExists => {
                return Err(change::explain(aws, name, refused).await);
            }
            Err(refused) => return Err(refused),
        };
        let repository = repository.ok_or_else(|| {
            ProviderError::new(OPERATION, ErrorClass::ServiceInternalError, "an empty answer")
        })?;
        if let Some(uri) = &repository.repository_uri {
            aws.registries.known.add_uri(name, uri);
        }
        let made = Object {
            id: name.to_owned(),
            inputs: observe::inputs_of(&repository),
            outputs: observe::outputs_of(&repository),
        };
        // What cannot be part of the creation. Until it is done, it is left out of `left`.
        let bare = Properties::new();
        match change::policies(aws, name, &bare, inputs).await {
            Ok(()) => Ok(Object { inputs: inputs.clone(), ..made }),
            Err(refused) => Err(refused.leaving(made)),
        }
    }

    async fn update(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        inputs: &Properties,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        change::converge(aws, prior, inputs).await
    }

    async fn restore(
        &self,
        aws: &Aws,
        _address: &Address,
        current: &ResourceState,
        prior: &ResourceState,
        _context: &Context,
    ) -> Result<Object, ProviderError> {
        change::converge(aws, current, &prior.inputs).await
    }

    async fn delete(
        &self,
        aws: &Aws,
        _address: &Address,
        prior: &ResourceState,
        context: &Context,
    ) -> Result<(), ProviderError> {
        // A run that goes back takes away what it made, and not what others pushed meanwhile.
        let force = prior.inputs.get("force_delete").and_then(bfd_core::Value::as_bool);
        let force = force.map(|force| force && !context.undo);
        let request = aws.ecr.delete_repository().repository_name(&prior.id).set_force(force);
        match aws.call("ecr:DeleteRepository", request.send()).await {
            Ok(_) => Ok(()),
            Err(gone) if gone.class == ErrorClass::NotFound => Ok(()),
            Err(refused) if error::code(&refused) == Some("RepositoryNotEmptyException") => {
                let hint = if context.undo {
                    "somebody pushed to it meanwhile: delete those images, then `bfd recover`"
                } else {
                    "delete the images first; or set `force_delete = true` in its table, and apply that alone with `--target`, before it is deleted"
                };
                Err(refused.hint(hint))
            }
            Err(refused) => Err(refused),
        }
    }
}

/// ECR's own default is mutable; so is that of a manifest without the field.
fn mutability(inputs: &Properties) -> ImageTagMutability {
    let text = inputs::text(inputs, "tag_mutability").unwrap_or("mutable");
    ImageTagMutability::from(text.to_ascii_uppercase().as_str())
}

fn scanning(inputs: &Properties) -> ImageScanningConfiguration {
    let scan = inputs.get("scan_on_push").and_then(bfd_core::Value::as_bool).unwrap_or_default();
    ImageScanningConfiguration::builder().scan_on_push(scan).build()
}

fn encryption(
    inputs: &Properties,
    operation: &'static str,
) -> Result<Option<EncryptionConfiguration>, ProviderError> {
    let Some(key) = inputs::text(inputs, "kms_key") else { return Ok(None) };
    let built = EncryptionConfiguration::builder()
        .encryption_type(EncryptionType::Kms)
        .kms_key(key)
        .build();
    built.map(Some).map_err(|wrong| ProviderError::new(operation, ErrorClass::Local, wrong))
}

/// `None` rather than an empty list: AWS refuses those.
fn sdk_tags(tags: &tags::Tags, operation: &'static str) -> Result<Option<Vec<Tag>>, ProviderError> {
    let built = tags.iter().map(|(key, value)| {
        Tag::builder()
            .key(key)
            .value(value)
            .build()
            .map_err(|wrong| ProviderError::new(operation, ErrorClass::Local, wrong))
    });
    let built: Vec<Tag> = built.collect::<Result<_, _>>()?;
    Ok((!built.is_empty()).then_some(built))
}

/// Outputs, for an object whose remote side was not read again.
fn kept_outputs(prior: &ResourceState) -> Properties {
    let mut outputs = Collect::default().with("name", prior.id.as_str()).done();
    outputs.extend(prior.outputs.clone());
    outputs
}
