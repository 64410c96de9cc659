//! The one object that is lock and journal at once.

use crate::{
    LockHolder, RunHeader, StoreError,
    error::unreachable,
    objects::{Condition, ETag, Found, ObjectError, Objects},
    tenure::Certainty,
};
use bfd_core::{StateVersion, journal::Entry};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// The newest format of `live.json` that this version reads, and the one it writes.
const FORMAT: u64 = 1;
/// How often a write is tried whose fate is open. The client below has its own retries.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Who holds the lock, and the run that is open.
///
/// Both are in one object so that each write of the journal proves the lock, and renews it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LiveDocument {
    pub(crate) format: u64,
    /// One more whenever the lock changes hands.
    pub(crate) fence: u64,
    /// Which write this is, so that its writer knows it again.
    pub(crate) written: Written,
    pub(crate) lease: Option<LeaseDocument>,
    pub(crate) run: Option<LiveRun>,
    /// The last state that its writers know of: one that is gone was not always absent.
    #[serde(default)]
    pub(crate) serial: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// The nonce of the lease that it was written under.
    pub(crate) by: String,
    pub(crate) number: u64,
}

/// Counts from the moment the object was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LeaseDocument {
    pub(crate) holder: LockHolder,
    pub(crate) nonce: String,
    pub(crate) seconds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LiveRun {
    pub(crate) header: RunHeader,
    /// The state that its plan was made from.
    pub(crate) base: StateVersion,
    pub(crate) entries: Vec<Entry>,
}

impl LiveDocument {
    /// What there is before anybody has written anything.
    pub(crate) fn empty() -> Self {
        Self {
            format: FORMAT,
            fence: 0,
            written: Written::default(),
            lease: None,
            run: None,
            serial: 0,
        }
    }

    pub(crate) fn parse(place: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { place: place.to_owned(), reason };
        let raw: Value = serde_json::from_slice(bytes).map_err(|err| damaged(err.to_string()))?;
        let found = raw
            .get("format")
            .and_then(Value::as_u64)
            .ok_or_else(|| damaged("it has no `format`".into()))?;
        if found > FORMAT {
            return Err(StoreError::NewerFormat { place: place.to_owned(), found, known: FORMAT });
        }
        serde_json::from_value(raw).map_err(|err| damaged(err.to_string()))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("it is plain data");
        bytes.push(b'\n');
        bytes
    }
}

/// The object, as its owner writes it: one compare and swap after the other.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) key: String,
    /// As it was last written for certain.
    pub(crate) document: LiveDocument,
    pub(crate) etag: ETag,
    /// Since when the lease is certain: the last write that renewed it.
    pub(crate) certainty: Certainty,
    /// Progress that no write has taken along yet. Nothing depends on it.
    pub(crate) pending: Vec<Entry>,
    pub(crate) nonce: String,
    /// The last number that a write was given, whatever became of it.
    pub(crate) number: u64,
    /// Set when somebody else has the lock: nothing is written any more.
    pub(crate) lost: Option<Box<LockHolder>>,
    /// Set when nobody knows what became of a write. The lock is not let go of then: it runs
    /// out, and whoever takes it over makes sure that the write comes to nothing.
    pub(crate) doubtful: bool,
}

impl Live {
    /// Writes the document with a change, and everything that is pending.
    pub(crate) async fn write(
        &mut self,
        change: impl FnOnce(&mut LiveDocument) + Send,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.number += 1;
        let mut next = self.document.clone();
        next.written = Written { by: self.nonce.clone(), number: self.number };
        if let Some(run) = &mut next.run {
            run.entries.extend_from_slice(&self.pending);
        }
        change(&mut next);
        let began = self.certainty.now();
        let result = self.swap(&next).await;
        if let Err(StoreError::Unreachable { .. }) = &result {
            self.doubtful = true;
        }
        result?;
        self.doubtful = false;
        self.document = next;
        self.pending.clear();
        self.certainty.renewed(began);
        Ok(())
    }

    /// Refuses for good what comes after the lock was taken over.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match &self.lost {
            Some(by) => Err(StoreError::TakenOver { by: by.clone() }),
            None => Ok(()),
        }
    }

    async fn swap(&mut self, next: &LiveDocument) -> Result<(), StoreError> {
        let mut attempt = 1;
        loop {
            let unchanged = Condition::Unchanged(self.etag.clone());
            let refused = match self.objects.put(&self.key, next.to_bytes(), unchanged).await {
                Ok(etag) => {
                    self.etag = etag;
                    return Ok(());
                }
                Err(refused @ ObjectError::Refused(_)) => return Err(self.unreachable(refused)),
                Err(refused) => refused,
            };
            // It may be our own write whose answer was lost, or one of somebody else.
            let found = self.objects.get(&self.key).await.map_err(|err| self.unreachable(err))?;
            let Some(Found { bytes, etag, .. }) = found else { return Err(self.lose(None)) };
            let there = LiveDocument::parse(&self.objects.place(&self.key), &bytes)?;
            if there.written.by != self.nonce {
                return Err(self.lose(there.lease.map(|lease| lease.holder)));
            }
            // Ours, whichever of our writes it is.
            self.etag = etag;
            if there.written == next.written {
                return Ok(());
            }
            if attempt == ATTEMPTS {
                return Err(self.unreachable(refused));
            }
            sleep(BETWEEN_ATTEMPTS * attempt).await;
            attempt += 1;
        }
    }

    /// Remembers that the lock is gone, and says whose it is now.
    pub(crate) fn lose(&mut self, by: Option<LockHolder>) -> StoreError {
        let by = Box::new(by.unwrap_or_else(LockHolder::unknown));
        self.lost = Some(by.clone());
        self.certainty.lost();
        StoreError::TakenOver { by }
    }

    fn unreachable(&self, source: ObjectError) -> StoreError {
        unreachable(&*self.objects, &self.key, source)
    }
}
