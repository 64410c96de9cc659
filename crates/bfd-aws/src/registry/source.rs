//! Where an image comes from: the disk, or another registry.

use super::{
    Registry,
    auth::Access,
    body::Input,
    manifest::ACCEPT,
    reference::{At, Reference},
    url,
    wire::{self, PATIENCE, refused, request},
};
use crate::error::chain;
use async_trait::async_trait;
use aws_smithy_types::body::SdkBody;
use bfd_image::{Descriptor, Digest, ImageError, Layout};
use bfd_provider::{ErrorClass, ProviderError};

/// What an image is read from.
#[async_trait]
pub(super) trait Source: Send + Sync {
    fn root(&self) -> &Descriptor;

    /// A manifest or an index. Its digest has been checked.
    async fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ProviderError>;

    /// The bytes of a blob, from its first on.
    async fn open(&self, blob: &Descriptor) -> Result<Input, ProviderError>;
}

/// An image on disk.
pub(super) struct Disk<'a>(pub(super) &'a Layout);

/// An image in a registry.
pub(super) struct Remote<'a> {
    pub(super) registry: Registry<'a>,
    pub(super) access: Access,
    pub(super) reference: Reference,
    pub(super) root: Descriptor,
    /// The root's own bytes, read when its tag was resolved.
    pub(super) bytes: Vec<u8>,
}

pub(super) fn unreadable(error: &ImageError) -> ProviderError {
    ProviderError::new("registry:ReadImage", ErrorClass::Local, chain(error))
        .hint("build the image again")
}

#[async_trait]
impl Source for Disk<'_> {
    fn root(&self) -> &Descriptor {
        self.0.root()
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ProviderError> {
        self.0.read(descriptor).map_err(|error| unreadable(&error))
    }

    async fn open(&self, blob: &Descriptor) -> Result<Input, ProviderError> {
        let place = self.0.place(&blob.digest).map_err(|error| unreadable(&error))?;
        if place.size != blob.size {
            let what = format!("{} has {} bytes, not {}", blob.digest, place.size, blob.size);
            return Err(unreadable(&ImageError::Broken { path: place.file.clone(), what }));
        }
        let file = place
            .open()
            .map_err(|source| unreadable(&ImageError::Read { path: place.file.clone(), source }))?;
        Ok(Input::File(file))
    }
}

#[async_trait]
impl Source for Remote<'_> {
    fn root(&self) -> &Descriptor {
        &self.root
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ProviderError> {
        if descriptor.digest == self.root.digest {
            return Ok(self.bytes.clone());
        }
        let at = At::Digest(descriptor.digest.clone());
        let found = self.registry.get_manifest(&self.access, &self.reference.with(at)).await?;
        let (_, bytes) = found.ok_or_else(|| {
            let what = format!("{} has no {}", self.reference.name(), descriptor.digest);
            ProviderError::new("registry:GetManifest", ErrorClass::NotFound, what)
        })?;
        Ok(bytes)
    }

    async fn open(&self, blob: &Descriptor) -> Result<Input, ProviderError> {
        const OPERATION: &str = "registry:ReadLayer";
        let Descriptor { digest, size, .. } = blob;
        let url = self.access.url(&self.reference.repository, &format!("blobs/{digest}"));
        let origin = url::origin(&url).unwrap_or_default();
        let name = &self.access.host.name;
        let asked = async {
            let make = |url: &str| request(OPERATION, "GET", url, &[], SdkBody::empty());
            let asked = self.registry.told_who(OPERATION, &self.access, "GET", &url, make).await;
            let (answer, url) = asked?;
            if answer.status().as_u16() == 200 {
                let said = answer.headers().get("content-length").and_then(|it| it.parse().ok());
                if said.is_some_and(|said: u64| said != *size) {
                    let what = format!("{name} has other bytes under {digest}");
                    return Err(wire::odd(OPERATION, what));
                }
                return Ok(Input::Remote(answer.into_body()));
            }
            let origin = url::origin(&url).unwrap_or_default();
            let answer = wire::read(OPERATION, &origin, answer).await?;
            Err(refused(OPERATION, name, &answer))
        };
        self.registry.in_time(OPERATION, &origin, PATIENCE, asked).await
    }
}

/// What a manifest is by its bytes: its digest, its size, and what it says of itself.
pub(super) fn described(bytes: &[u8], media_type: &str) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations: std::collections::BTreeMap::new(),
        urls: Vec::new(),
    }
}

/// The media types of manifests, for those who ask for one.
pub(super) fn accept() -> String {
    ACCEPT.join(", ")
}
