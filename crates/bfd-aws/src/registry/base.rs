//! Images as a base of others, and what is written on them.

use super::{
    Registry,
    auth::Access,
    body::Input,
    manifest::parse,
    push::Pushed,
    reference::{At, Reference},
    source::{Disk, Remote, Source},
    wire::refused,
};
use async_trait::async_trait;
use bfd_image::{
    Descriptor, Layout, Platform,
    files::BaseImage,
    oci::{Index, Manifest},
};
use bfd_provider::{Context, ErrorClass, ProviderError};
use serde_json::Value;

const GET: &str = "registry:GetManifest";
const READ: &str = "registry:ReadLayer";

/// An image on disk whose base is in a registry.
struct Over<'a> {
    layout: &'a Layout,
    disk: Disk<'a>,
    base: Remote<'a>,
}

#[async_trait]
impl Source for Over<'_> {
    fn root(&self) -> &Descriptor {
        self.disk.root()
    }

    async fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ProviderError> {
        self.disk.manifest(descriptor).await
    }

    async fn open(&self, blob: &Descriptor) -> Result<Input, ProviderError> {
        if self.layout.absent().contains_key(&blob.digest) {
            self.base.open(blob).await
        } else {
            self.disk.open(blob).await
        }
    }
}

impl Registry<'_> {
    /// A label of an image; of an image of several platforms, of its first.
    pub async fn label(
        &self,
        reference: &Reference,
        name: &str,
    ) -> Result<Option<String>, ProviderError> {
        let access = self.reading(reference);
        let Some((manifest, _)) = self.image(&access, reference, |_| true).await? else {
            return Ok(None);
        };
        let config = self.config(&access, reference, &manifest).await?;
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        Ok(config["config"]["Labels"][name].as_str().map(str::to_owned))
    }

    /// The bytes of the manifest or index under a reference.
    pub async fn manifest(&self, reference: &Reference) -> Result<Option<Vec<u8>>, ProviderError> {
        let found = self.get_manifest(&self.reading(reference), reference).await?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    /// What files are laid over: one platform's image.
    pub async fn base(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<BaseImage, ProviderError> {
        let access = self.reading(reference);
        let fits = |it: &Descriptor| {
            it.platform.as_ref().is_some_and(|it| {
                it.os == platform.os
                    && it.architecture == platform.architecture
                    && (platform.variant.is_none() || it.variant == platform.variant)
            })
        };
        let found = self.image(&access, reference, fits).await?;
        let (manifest, descriptor) = found.ok_or_else(|| {
            let what = format!("there is no {reference} for {platform}");
            ProviderError::new(GET, ErrorClass::NotFound, what)
        })?;
        let config = self.config(&access, reference, &manifest).await?;
        Ok(BaseImage { manifest, config, descriptor })
    }

    /// Sends an image whose base is in a registry: of the base's layers, those that are missing
    /// are taken over or copied.
    pub async fn push_over(
        &self,
        layout: &Layout,
        base: &Reference,
        repository: &Reference,
        tag: Option<&str>,
        context: &Context,
    ) -> Result<Pushed, ProviderError> {
        let access = self.reading(base);
        let found = self.get_manifest(&access, base).await?;
        let (root, bytes) = found.ok_or_else(|| {
            ProviderError::new(GET, ErrorClass::NotFound, format!("there is no {base}"))
        })?;
        let is_same = base.registry == repository.registry;
        let mounts = if is_same { vec![base.repository.clone()] } else { Vec::new() };
        let base = Remote { registry: self.clone(), access, reference: base.clone(), root, bytes };
        let source = Over { layout, disk: Disk(layout), base };
        self.transfer(&source, repository, tag, &mounts, context).await
    }

    /// The manifest under a reference; of several platforms, the first that fits.
    async fn image(
        &self,
        access: &Access,
        reference: &Reference,
        fits: impl Fn(&Descriptor) -> bool,
    ) -> Result<Option<(Manifest, Descriptor)>, ProviderError> {
        let Some((descriptor, bytes)) = self.get_manifest(access, reference).await? else {
            return Ok(None);
        };
        if !descriptor.is_index() {
            return Ok(Some((parse(reference, &bytes)?, descriptor)));
        }
        let index: Index = parse(reference, &bytes)?;
        let Some(found) = index.manifests.into_iter().find(fits) else { return Ok(None) };
        let at = reference.with(At::Digest(found.digest.clone()));
        let Some((descriptor, bytes)) = self.get_manifest(access, &at).await? else {
            return Ok(None);
        };
        Ok(Some((parse(&at, &bytes)?, descriptor)))
    }

    async fn config(
        &self,
        access: &Access,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Vec<u8>, ProviderError> {
        let path = format!("blobs/{}", manifest.config.digest);
        let url = access.url(&reference.repository, &path);
        let answer = self.repeated(|| self.ask(READ, access, "GET", &url, &[], b"")).await?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        Err(refused(READ, &access.host.name, &answer))
    }
}
