//! Builds that would be in each other's way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// Builds of one content go one after the other: they make the same image, and Buildah takes
/// away what one of them has made while another looks for it. The later ones find every layer
/// in the builder's cache.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until nobody builds this content. The next one does when the guard is dropped.
    pub(super) async fn take(&self, content: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(content.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn one_content_is_built_once_at_a_time() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        assert!(turns.take("a").now_or_never().is_none(), "it is being built");
        assert!(turns.take("b").now_or_never().is_some(), "another is not");
        drop(first);
        assert!(turns.take("a").now_or_never().is_some());
    }
}
