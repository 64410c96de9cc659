//! What images run on that are copied, read where they are.

use crate::{
    AwsProvider,
    inputs::text,
    registry::{At, Reference},
};
use bfd_core::{Address, Properties};
use futures_util::future::join_all;
use std::collections::BTreeMap;

impl AwsProvider {
    /// The platforms of images that are to be copied, by what is planned of each; `registry` is
    /// that of the environment. One or two requests an image. What cannot be read is left out:
    /// the copy itself tells why.
    pub async fn platforms_of_copies(
        &self,
        registry: &str,
        planned: &BTreeMap<Address, Properties>,
    ) -> BTreeMap<Address, Vec<String>> {
        let client = self.aws().registry();
        let reads = planned.iter().filter_map(|(address, inputs)| {
            let reference = source(registry, inputs)?;
            let client = &client;
            Some(async move {
                let resolved = client.resolve(&reference).await.ok()??;
                let platforms = resolved.platforms.iter().map(ToString::to_string).collect();
                Some((address.clone(), platforms))
            })
        });
        join_all(reads).await.into_iter().flatten().collect()
    }
}

/// The image by its digest, where it is copied from.
fn source(registry: &str, inputs: &Properties) -> Option<Reference> {
    if text(inputs, "origin") != Some("copy") {
        return None;
    }
    let digest = text(inputs, "content")?.parse().ok()?;
    // Another repository of this registry, else an image as Docker names it.
    let from = text(inputs, "from").and_then(|from| from.split([':', '@']).next());
    let name = match from {
        Some(repository) => format!("{registry}/{repository}"),
        None => text(inputs, "source")?.to_owned(),
    };
    Some(name.parse::<Reference>().ok()?.with(At::Digest(digest)))
}
