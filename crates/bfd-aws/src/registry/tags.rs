//! Tags removed and brought back, for those who undo.

use super::{
    Registry,
    auth::Access,
    blob::Target,
    host::{Ecr, Host},
    manifest::{ACCEPT, checked},
    reference::{At, Reference},
    wire::refused,
};
use crate::error;
use aws_sdk_ecr::{
    config::{Builder, Region},
    types::{Image, ImageIdentifier},
};
use bfd_image::Digest;
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::BTreeSet;

const GET: &str = "registry:GetManifest";
const PUT: &str = "registry:PutManifest";
const DELETE: &str = "registry:DeleteManifest";

impl Registry<'_> {
    /// Removes a tag. In ECR an image whose last tag goes is deleted with it.
    ///
    /// Without an error it is not there afterwards, whoever removed it.
    pub async fn delete_tag(&self, repository: &Reference, tag: &str) -> Result<(), ProviderError> {
        let at = repository.with(At::Tag(checked(DELETE, tag)?));
        let host = Host::new(self.aws, &at.registry);
        if let Some(ecr) = &host.ecr {
            return self.delete_tag_of_ecr(ecr, &at.repository, tag).await;
        }
        let access = Access::delete(host, &at.repository);
        let url = access.url(&at.repository, &format!("manifests/{tag}"));
        let delete = || async {
            let answer = self.ask(DELETE, &access, "DELETE", &url, &[], b"").await?;
            match answer.status {
                200..=299 | 404 => Ok(()),
                400 | 405 => {
                    let error = refused(DELETE, &access.host.name, &answer);
                    Err(error.hint(format!("{} does not let tags be removed", access.host.name)))
                }
                _ => Err(refused(DELETE, &access.host.name, &answer)),
            }
        };
        self.repeated(delete).await
    }

    async fn delete_tag_of_ecr(
        &self,
        ecr: &Ecr,
        repository: &str,
        tag: &str,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "ecr:BatchDeleteImage";
        let request = self
            .aws
            .ecr
            .batch_delete_image()
            .registry_id(&ecr.account)
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag).build());
        let request = request.customize().config_override(in_region(ecr));
        let answer = self.aws.call(OPERATION, request.send()).await;
        let answer = match answer {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            answer => answer?,
        };
        let refusals = answer.failures.unwrap_or_default();
        let refusal = refusals.into_iter().find(|it| {
            it.failure_code.as_ref().is_none_or(|code| code.as_str() != "ImageNotFound")
        });
        match refusal {
            None => Ok(()),
            Some(refusal) => {
                let code = refusal.failure_code.map(|code| code.as_str().to_owned());
                let refusal = error::Refusal {
                    code: code.unwrap_or_default(),
                    message: refusal.failure_reason.unwrap_or_default(),
                };
                Err(ProviderError::new(OPERATION, ErrorClass::ResourceConflict, refusal)
                    .detail(format!("`{repository}:{tag}` was not removed")))
            }
        }
    }

    /// Puts a tag back to an image that is still there.
    pub async fn restore_tag(
        &self,
        repository: &Reference,
        tag: &str,
        digest: &Digest,
    ) -> Result<(), ProviderError> {
        let tagged = repository.with(At::Tag(checked(PUT, tag)?));
        let image = repository.with(At::Digest(digest.clone()));
        let host = Host::new(self.aws, &tagged.registry);
        if let Some(ecr) = &host.ecr {
            return self.restore_tag_of_ecr(ecr, &image, tag, digest).await;
        }
        let repository = tagged.repository.clone();
        let access = Access::push(host, &repository, &[]);
        let target = Target { access, repository, readable: BTreeSet::new() };
        let found = self.get_manifest(&target.access, &image).await?;
        let (descriptor, bytes) = found.ok_or_else(|| gone(&image))?;
        self.put_manifest(&target, &tagged, &descriptor, &bytes).await?;
        self.verify(&target.access, &tagged, digest).await
    }

    async fn restore_tag_of_ecr(
        &self,
        ecr: &Ecr,
        image: &Reference,
        tag: &str,
        digest: &Digest,
    ) -> Result<(), ProviderError> {
        let repository = &image.repository;
        let mut request = self.aws.ecr.batch_get_image().registry_id(&ecr.account);
        request = request.repository_name(repository);
        request =
            request.image_ids(ImageIdentifier::builder().image_digest(digest.as_str()).build());
        for media_type in ACCEPT {
            request = request.accepted_media_types(media_type);
        }
        let request = request.customize().config_override(in_region(ecr));
        let answer = self.aws.call("ecr:BatchGetImage", request.send()).await?;
        let found = answer.images.unwrap_or_default().into_iter().next();
        let Some(Image { image_manifest: Some(manifest), image_manifest_media_type, .. }) = found
        else {
            return Err(gone(image));
        };
        let request = self
            .aws
            .ecr
            .put_image()
            .registry_id(&ecr.account)
            .repository_name(repository)
            .image_manifest(manifest)
            .set_image_manifest_media_type(image_manifest_media_type)
            .image_digest(digest.as_str())
            .image_tag(tag);
        let request = request.customize().config_override(in_region(ecr));
        match self.aws.call("ecr:PutImage", request.send()).await {
            Ok(_) => Ok(()),
            // Under that very tag: nothing had to be moved.
            Err(error) if error::code(&error) == Some("ImageAlreadyExistsException") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn in_region(ecr: &Ecr) -> Builder {
    Builder::new().region(Region::new(ecr.region.clone()))
}

fn gone(image: &Reference) -> ProviderError {
    ProviderError::new(GET, ErrorClass::NotFound, format!("{image} is no longer there"))
        .hint("push it again")
}
