//! Everything that an image consists of.

use super::source::Source;
use bfd_image::{
    Descriptor, Digest,
    oci::{Index, Manifest},
};
use bfd_provider::{ErrorClass, ProviderError};
use std::collections::{BTreeSet, VecDeque};

/// The most manifests behind one digest: more is not an image, but a way to keep us busy.
const MANIFESTS: usize = 1000;

/// An image's parts, each once.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// An index after everything that it names, the root last.
    pub(super) manifests: Vec<(Descriptor, Vec<u8>)>,
    /// Layers first, because they are the large ones, and configurations.
    pub(super) blobs: Vec<Descriptor>,
    pub(super) layers: BTreeSet<Digest>,
}

/// Reads what an image consists of.
pub(super) async fn of(source: &dyn Source) -> Result<Contents, ProviderError> {
    let mut found = Vec::new();
    let mut configs = Vec::new();
    let mut layers = Vec::new();
    let mut next = VecDeque::from([source.root().clone()]);
    while let Some(descriptor) = next.pop_front() {
        if found.len() + next.len() >= MANIFESTS {
            return Err(odd(&descriptor, "names too many images"));
        }
        let bytes = source.manifest(&descriptor).await?;
        if descriptor.is_index() {
            let index: Index = parse(&descriptor, &bytes)?;
            for child in index.manifests {
                if !child.is_manifest() {
                    let what = format!("has a `{}` in it, which is no image", child.media_type);
                    return Err(odd(&descriptor, &what));
                }
                next.push_back(child);
            }
        } else {
            let manifest: Manifest = parse(&descriptor, &bytes)?;
            configs.push(manifest.config);
            // What can be had elsewhere may not be handed on: base layers of Windows.
            layers.extend(manifest.layers.into_iter().filter(|layer| layer.urls.is_empty()));
        }
        found.push((descriptor, bytes));
    }
    let mut contents = Contents::default();
    // From the last that was found to the root: who is named comes before who names it, however
    // often it was named.
    let mut seen = BTreeSet::new();
    for (descriptor, bytes) in found.into_iter().rev() {
        if seen.insert(descriptor.digest.clone()) {
            contents.manifests.push((descriptor, bytes));
        }
    }
    contents.layers = layers.iter().map(|layer| layer.digest.clone()).collect();
    let mut seen = BTreeSet::new();
    let blobs = layers.into_iter().chain(configs);
    contents.blobs = blobs.filter(|blob| seen.insert(blob.digest.clone())).collect();
    Ok(contents)
}

fn parse<T: serde::de::DeserializeOwned>(
    descriptor: &Descriptor,
    bytes: &[u8],
) -> Result<T, ProviderError> {
    serde_json::from_slice(bytes)
        .map_err(|error| odd(descriptor, &format!("is not as OCI has it: {error}")))
}

fn odd(descriptor: &Descriptor, what: &str) -> ProviderError {
    let what = format!("{} {what}", descriptor.digest);
    ProviderError::new("registry:ReadImage", ErrorClass::InvalidRequest, what)
}
