//! An image sent to a registry, from disk or from another one.

use super::{
    Registry,
    auth::Access,
    blob::{Found, Target},
    contents::{self, Contents},
    host::Host,
    manifest::checked,
    progress::{Meter, size},
    reference::{At, Reference},
    source::{Disk, Remote, Source},
};
use bfd_image::{Descriptor, Digest, Layout};
use bfd_provider::{Context, ErrorClass, ProviderError};
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use std::{future::Future, sync::Arc};

/// Blobs of an image that are looked for at once, and that are sent at once.
const LOOKS: usize = 8;
const UPLOADS: usize = 4;

/// What came of a push or a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Of the manifest or index: of all platforms together.
    pub digest: Digest,
    /// Bytes of blobs that were sent.
    pub sent: u64,
    /// Blobs that were sent, taken over from another repository, and there before.
    pub uploaded: usize,
    pub mounted: usize,
    pub skipped: usize,
}

impl Registry<'_> {
    /// Sends an image from disk to a repository, under its digest and, at last, under a tag.
    ///
    /// `repository` says where; what it is `at` does not matter. `from` are repositories of the
    /// same registry whose layers may be taken over, besides those that this process has sent
    /// layers to.
    ///
    /// Until everything is there, nothing is under the tag that was not there before. A turn
    /// back ends the push before the tag is put, never while it is.
    pub async fn push(
        &self,
        layout: &Layout,
        repository: &Reference,
        tag: Option<&str>,
        from: &[String],
        context: &Context,
    ) -> Result<Pushed, ProviderError> {
        Box::pin(self.transfer(&Disk(layout), repository, tag, from, context)).await
    }

    /// Takes an image from one repository to another, in the same registry or not, under the
    /// same digest. Of its layers only those are moved that are missing.
    pub async fn copy(
        &self,
        from: &Reference,
        repository: &Reference,
        tag: Option<&str>,
        context: &Context,
    ) -> Result<Pushed, ProviderError> {
        let access = self.reading(from);
        let found = self.get_manifest(&access, from).await?;
        let (root, bytes) = found.ok_or_else(|| {
            let what = format!("there is no {from}");
            ProviderError::new("registry:GetManifest", ErrorClass::NotFound, what)
        })?;
        let is_same = from.registry == repository.registry;
        let mounts = if is_same { vec![from.repository.clone()] } else { Vec::new() };
        let source =
            Remote { registry: self.clone(), access, reference: from.clone(), root, bytes };
        Box::pin(self.transfer(&source, repository, tag, &mounts, context)).await
    }

    pub(super) async fn transfer(
        &self,
        source: &dyn Source,
        repository: &Reference,
        tag: Option<&str>,
        from: &[String],
        context: &Context,
    ) -> Result<Pushed, ProviderError> {
        let tag = tag.map(|tag| checked("registry:PutManifest", tag)).transpose()?;
        let digest = source.root().digest.clone();
        let mut from = from.to_vec();
        from.retain(|from| *from != repository.repository);
        let host = Host::new(self.aws, &repository.registry);
        let mut readable = self.aws.registries.known.holders(&host.name, None);
        readable.remove(&repository.repository);
        readable.extend(from.iter().cloned());
        let read: Vec<String> = readable.iter().cloned().collect();
        let target = Target {
            access: Access::push(host, &repository.repository, &read),
            repository: repository.repository.clone(),
            readable,
        };
        let image = repository.with(At::Digest(digest.clone()));
        let sent = Box::pin(self.send_all(source, &target, &image, &from, tag.is_some(), context));
        let (pushed, root) = unless_turned_back(context, sent).await?;
        // From here on nothing is dropped half done: whoever asks finds the tag put, or not.
        let Some(tag) = tag else {
            self.verify(&target.access, &image, &digest).await?;
            return Ok(pushed);
        };
        let tagged = repository.with(At::Tag(tag));
        let (descriptor, bytes) = root;
        self.put_manifest(&target, &tagged, &descriptor, &bytes).await?;
        self.verify(&target.access, &tagged, &digest).await?;
        Ok(pushed)
    }

    /// Sends everything by its digest, but for the root of what gets a tag. Returns what came of it, and the root for its tag.
    async fn send_all(
        &self,
        source: &dyn Source,
        target: &Target,
        image: &Reference,
        from: &[String],
        is_tagged: bool,
        context: &Context,
    ) -> Result<(Pushed, (Descriptor, Vec<u8>)), ProviderError> {
        let root = source.root().clone();
        let mut pushed =
            Pushed { digest: root.digest.clone(), sent: 0, uploaded: 0, mounted: 0, skipped: 0 };
        if self.head_manifest(&target.access, image).await?.as_ref() == Some(&root.digest) {
            context.progress.tell("the image is there already");
            let bytes = source.manifest(&root).await?;
            return Ok((pushed, (root, bytes)));
        }
        let contents = contents::of(source).await?;
        self.send_blobs(source, target, &contents, from, context, &mut pushed).await?;
        let mut last = None;
        for (descriptor, bytes) in contents.manifests {
            if is_tagged && descriptor.digest == root.digest {
                // It goes under its tag at once: what dies in between leaves nothing untagged.
                last = Some((descriptor, bytes));
                continue;
            }
            let at = image.with(At::Digest(descriptor.digest.clone()));
            self.put_manifest(target, &at, &descriptor, &bytes).await?;
            last = Some((descriptor, bytes));
        }
        let root = last.expect("an image has at least the manifest that it is");
        Ok((pushed, root))
    }

    async fn send_blobs(
        &self,
        source: &dyn Source,
        target: &Target,
        contents: &Contents,
        from: &[String],
        context: &Context,
        pushed: &mut Pushed,
    ) -> Result<(), ProviderError> {
        // Futures made beforehand: what a stream's closure borrows, its caller could not send.
        let looks: Vec<_> = contents
            .blobs
            .iter()
            .map(|blob| async move { Ok((blob, self.find(target, blob, from).await?)) })
            .collect();
        let found: Vec<(&Descriptor, Found)> = iter(looks).buffered(LOOKS).try_collect().await?;
        let mut missing = Vec::new();
        for (blob, found) in found {
            match found {
                Found::There => pushed.skipped += 1,
                Found::Mounted => pushed.mounted += 1,
                Found::Missing(upload) => missing.push((blob, upload)),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        pushed.uploaded = missing.len();
        pushed.sent = missing.iter().map(|(blob, _)| blob.size).sum();
        let is_layer = |blob: &Descriptor| contents.layers.contains(&blob.digest);
        let layers = missing.iter().filter(|(blob, _)| is_layer(blob)).count();
        let time = self.aws.time_source();
        let meter = Arc::new(Meter::new(context.progress.clone(), time, pushed.sent, layers));
        let sends: Vec<_> = missing
            .into_iter()
            .map(|(blob, upload)| {
                let meter = &meter;
                async move {
                    let sending = &self.aws.registries.sending;
                    let _one_of_them = sending.acquire().await.expect("it is never closed");
                    self.send(target, blob, upload, source, meter).await.map_err(|error| {
                        let size = size(blob.size);
                        error.detail(format!("while {} ({size}) was sent", blob.digest))
                    })?;
                    if is_layer(blob) {
                        meter.layer_done();
                    }
                    Ok::<(), ProviderError>(())
                }
            })
            .collect();
        iter(sends).buffer_unordered(UPLOADS).try_collect::<()>().await?;
        meter.finish();
        Ok(())
    }
}

/// Ends what may be ended anywhere when the run turns back.
async fn unless_turned_back<T>(
    context: &Context,
    work: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    tokio::select! {
        biased;
        () = context.turn_back.cancelled() => {
            let what = "the run turned back while the image was sent";
            Err(ProviderError::new("registry:PutLayer", ErrorClass::Canceled, what)
                .without_effect()
                .detail("nothing was put under the tag"))
        }
        done = work => done,
    }
}
