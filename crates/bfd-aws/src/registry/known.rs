//! What one process learns of registries while it works, and need not ask again.

use bfd_image::Digest;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Repositories and blobs that were seen or made. What has gone since costs a request that is
/// refused, and no more.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The URIs of ECR repositories, by their names.
    uris: BTreeMap<String, String>,
    /// Repositories by registry and blob.
    blobs: BTreeMap<(String, Digest), BTreeSet<String>>,
}

impl Known {
    pub(crate) fn add_uri(&self, name: &str, uri: &str) {
        self.inner().uris.insert(name.to_owned(), uri.to_owned());
    }

    pub(crate) fn uri(&self, name: &str) -> Option<String> {
        self.inner().uris.get(name).cloned()
    }

    pub(super) fn add_blob(&self, registry: &str, repository: &str, digest: &Digest) {
        let key = (registry.to_owned(), digest.clone());
        self.inner().blobs.entry(key).or_default().insert(repository.to_owned());
    }

    /// The repositories of a registry that hold any blob, or the one that is asked for.
    pub(super) fn holders(&self, registry: &str, blob: Option<&Digest>) -> BTreeSet<String> {
        let inner = self.inner();
        let of = inner.blobs.iter().filter(|((of, digest), _)| {
            of == registry && blob.is_none_or(|wanted| wanted == digest)
        });
        of.flat_map(|(_, repositories)| repositories.iter().cloned()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
