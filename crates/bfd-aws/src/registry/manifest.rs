//! What is under a tag or a digest, and tags put, removed and brought back.

use super::{
    Registry,
    auth::Access,
    blob::Target,
    host::{Ecr, Host},
    reference::{At, Reference, check_tag},
    source::{accept, described},
    wire::{self, may_help, refused},
};
use crate::error;
use aws_sdk_ecr::{
    config::{Builder, Region},
    types::{Image, ImageIdentifier},
};
use bfd_image::{
    Descriptor, Digest, Platform,
    oci::{DOCKER_INDEX, DOCKER_MANIFEST, INDEX, Index, MANIFEST, Manifest},
};
use bfd_provider::{ErrorClass, ProviderError};
use std::{collections::BTreeSet, time::Duration};

const GET: &str = "registry:GetManifest";
const READ: &str = "registry:ReadLayer";
const PUT: &str = "registry:PutManifest";
const DELETE: &str = "registry:DeleteManifest";

pub(super) const ACCEPT: [&str; 4] = [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// How often a tag that was put is looked for, and how long between: reads may be old.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What a reference stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub descriptor: Descriptor,
    /// What it runs on; attestations, whose platform is `unknown/unknown`, are left out.
    pub platforms: BTreeSet<Platform>,
}

impl Registry<'_> {
    /// What a reference stands for now; `None` when there is nothing.
    pub async fn resolve(&self, reference: &Reference) -> Result<Option<Resolved>, ProviderError> {
        let access = self.reading(reference);
        let Some((descriptor, bytes)) = self.get_manifest(&access, reference).await? else {
            return Ok(None);
        };
        let platforms = self.platforms(&access, reference, &descriptor, &bytes).await?;
        Ok(Some(Resolved { descriptor, platforms }))
    }

    /// The digest that a reference stands for now, without reading what it is.
    pub async fn digest(&self, reference: &Reference) -> Result<Option<Digest>, ProviderError> {
        self.head_manifest(&self.reading(reference), reference).await
    }

    pub(super) fn reading(&self, reference: &Reference) -> Access {
        Access::pull(Host::new(self.aws, &reference.registry), &reference.repository)
    }

    async fn platforms(
        &self,
        access: &Access,
        reference: &Reference,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<BTreeSet<Platform>, ProviderError> {
        let mut platforms = BTreeSet::new();
        if descriptor.is_index() {
            let index: Index = parse(reference, bytes)?;
            platforms.extend(index.manifests.into_iter().filter_map(|it| it.platform));
        } else {
            let manifest: Manifest = parse(reference, bytes)?;
            let path = format!("blobs/{}", manifest.config.digest);
            let url = access.url(&reference.repository, &path);
            let read = || self.ask(READ, access, "GET", &url, &[], b"");
            let answer = self.repeated(read).await?;
            if !answer.is_success() {
                return Err(refused(READ, &access.host.name, &answer));
            }
            // An artifact's configuration says nothing of platforms: it runs nowhere.
            platforms.extend(serde_json::from_slice::<Platform>(&answer.body));
        }
        platforms.retain(|platform| platform.os != "unknown");
        Ok(platforms)
    }

    /// A manifest's bytes, whose digest is checked, and what they are.
    pub(super) async fn get_manifest(
        &self,
        access: &Access,
        reference: &Reference,
    ) -> Result<Option<(Descriptor, Vec<u8>)>, ProviderError> {
        let url = access.url(&reference.repository, &format!("manifests/{}", reference.at));
        let accept = accept();
        let headers = [("accept", accept.as_str())];
        let answer = self.repeated(|| async {
            let answer = self.ask(GET, access, "GET", &url, &headers, b"").await?;
            if answer.is_success() || answer.status == 404 {
                Ok(answer)
            } else {
                Err(refused(GET, &access.host.name, &answer))
            }
        });
        let answer = answer.await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let media_type = match answer.header("content-type") {
            Some(said) => said.split(';').next().unwrap_or_default().trim().to_owned(),
            None => String::new(),
        };
        let descriptor = described(&answer.body, &media_type);
        let said = answer.header("docker-content-digest");
        let is_other = match &reference.at {
            At::Digest(digest) => descriptor.digest != *digest,
            At::Tag(_) => said.is_some_and(|said| said != descriptor.digest.as_str()),
        };
        if is_other {
            let what = format!("{reference} has other bytes than its digest says");
            return Err(wire::odd(GET, what));
        }
        if !descriptor.is_manifest() {
            let what = format!("{reference} is a `{media_type}`, which bfd does not know");
            return Err(ProviderError::new(GET, ErrorClass::InvalidRequest, what));
        }
        Ok(Some((descriptor, answer.body)))
    }

    pub(super) async fn head_manifest(
        &self,
        access: &Access,
        reference: &Reference,
    ) -> Result<Option<Digest>, ProviderError> {
        let url = access.url(&reference.repository, &format!("manifests/{}", reference.at));
        let accept = accept();
        let headers = [("accept", accept.as_str())];
        let answer = self.repeated(|| async {
            let answer = self.ask(GET, access, "HEAD", &url, &headers, b"").await?;
            if answer.is_success() || answer.status == 404 {
                Ok(answer)
            } else {
                Err(refused(GET, &access.host.name, &answer))
            }
        });
        let answer = answer.await?;
        if answer.status == 404 {
            return Ok(None);
        }
        if let Some(Ok(digest)) = answer.header("docker-content-digest").map(str::parse) {
            return Ok(Some(digest));
        }
        // The specification lets a registry leave it out.
        Ok(self.get_manifest(access, reference).await?.map(|(descriptor, _)| descriptor.digest))
    }

    /// Puts a manifest under its digest or under a tag. What was lost of the answer is looked up.
    pub(super) async fn put_manifest(
        &self,
        target: &Target,
        at: &Reference,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), ProviderError> {
        let access = &target.access;
        let url = access.url(&target.repository, &format!("manifests/{}", at.at));
        let headers = [("content-type", descriptor.media_type.as_str())];
        let put = || async {
            let error = match self.ask(PUT, access, "PUT", &url, &headers, bytes).await {
                Ok(answer) if answer.is_success() => return Ok(()),
                Ok(answer) => {
                    let error = refused(PUT, &access.host.name, &answer);
                    let (code, _) = answer.refusal();
                    if matches!(&at.at, At::Tag(_)) && is_taken(answer.status, &code) {
                        return self.settle_taken(access, at, &descriptor.digest, error).await;
                    }
                    error
                }
                Err(error) => error,
            };
            // It may have arrived all the same.
            if may_help(&error)
                && self.head_manifest(access, at).await.ok().flatten().as_ref()
                    == Some(&descriptor.digest)
            {
                return Ok(());
            }
            Err(error)
        };
        self.repeated(put).await
    }

    /// A tag that cannot be moved is as good as moved when it is where it should be.
    async fn settle_taken(
        &self,
        access: &Access,
        at: &Reference,
        wanted: &Digest,
        refusal: ProviderError,
    ) -> Result<(), ProviderError> {
        let there = self.head_manifest(access, at).await?;
        match there {
            Some(there) if there == *wanted => Ok(()),
            Some(there) => Err(ProviderError { class: ErrorClass::AlreadyExists, ..refusal }
                .without_effect()
                .detail(format!("{at} is {there}, and its tags cannot be moved to {wanted}"))
                .hint(
                    "choose another tag, or set `tag_mutability = \"mutable\"` of the repository",
                )),
            None => Err(refusal),
        }
    }

    /// Makes sure that what was put is what is there.
    pub(super) async fn verify(
        &self,
        access: &Access,
        at: &Reference,
        wanted: &Digest,
    ) -> Result<(), ProviderError> {
        let mut there = None;
        for look in 0..LOOKS {
            if look > 0 {
                self.aws.sleep(BETWEEN_LOOKS).await;
            }
            there = self.head_manifest(access, at).await?;
            if there.as_ref() == Some(wanted) {
                return Ok(());
            }
        }
        let there = there.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        let what = format!("{at} was put as {wanted}, and is {there}");
        Err(ProviderError::new(GET, ErrorClass::ResourceConflict, what)
            .hint("somebody else may have moved the tag: push again"))
    }

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
        let target = Target { access: Access::push(host, &repository, &[]), repository };
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

/// Whether a registry refuses because the tag has an image already that it must keep.
///
/// ECR says 400 `TAG_INVALID` "… already exists in the repository and cannot be overwritten
/// because the repository is immutable", and by its own API `ImageTagAlreadyExistsException`.
fn is_taken(status: u16, code: &str) -> bool {
    status == 409
        || (400..500).contains(&status)
            && (matches!(code, "TAG_INVALID" | "DENIED" | "UNSUPPORTED" | "MANIFEST_INVALID")
                || code.contains("AlreadyExists"))
}

fn in_region(ecr: &Ecr) -> Builder {
    Builder::new().region(Region::new(ecr.region.clone()))
}

fn gone(image: &Reference) -> ProviderError {
    ProviderError::new(GET, ErrorClass::NotFound, format!("{image} is no longer there"))
        .hint("push it again")
}

pub(super) fn checked(operation: &'static str, tag: &str) -> Result<String, ProviderError> {
    check_tag(tag)
        .map(|()| tag.to_owned())
        .map_err(|why| ProviderError::new(operation, ErrorClass::InvalidRequest, why))
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    reference: &Reference,
    bytes: &[u8],
) -> Result<T, ProviderError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("{reference} is not as OCI has it: {error}");
        ProviderError::new(GET, ErrorClass::InvalidRequest, what)
    })
}
