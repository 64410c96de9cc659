use crate::{
    FinishedRun, Linger, LockHolder, ObjectError, ObjectStore, RunHeader, StateDocument,
    StateGuard, StateStore, StoreError, Tenure, Unfinished,
    document::{self, FORMAT},
    live::{Live, LiveDocument, LiveRun},
    object_store::{StoredState, begun},
    objects::{Condition, ETag},
    runs::{self, RUNS_KEPT},
    tenure::{Certainty, LeaseTenure},
};
use async_trait::async_trait;
use bfd_core::{
    Environment, Snapshot, State, StateVersion,
    journal::{Entry, Event},
    plan::Plan,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a write of the state is tried whose fate is open.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);
/// A write is a request, and steps that began together end together: waiting for the others
/// makes one write of many. Limits of AWS spread what began together, parameters to three in a
/// second: then six make a write, which delays what waits for nothing but room.
const LINGER: Linger =
    Linger { usually: Duration::from_millis(250), at_most: Duration::from_secs(2), enough: 6 };
/// How many commits there are between two looks for runs that are too many.
const COMMITS_PER_CLEARANCE: u64 = 16;

/// What was found when the lock was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begins {
    /// An earlier owner may still be at work.
    pub(crate) fence_off: bool,
    /// There was no object for the lock.
    pub(crate) is_first: bool,
    /// Another state is brought.
    pub(crate) replaces: bool,
}

/// The lock on a state in a bucket, renewed in the background until this is dropped.
#[derive(Debug)]
pub(crate) struct ObjectGuard {
    store: ObjectStore,
    live: Arc<Mutex<Live>>,
    fence: u64,
    snapshot: Snapshot,
    /// Of the state object that `snapshot` was read from or written to.
    etag: Option<ETag>,
    unfinished: Option<Unfinished>,
    certainty: Certainty,
    /// Dropping it lets go of the lock.
    _held: DropGuard,
}

impl ObjectGuard {
    /// Goes on from a lock that was just taken.
    pub(crate) async fn begin(
        store: ObjectStore,
        live: Live,
        begins: Begins,
    ) -> Result<Self, StoreError> {
        let (fence, run) = (live.document.fence, live.document.run.clone());
        let certainty = live.certainty.clone();
        let live = Arc::new(Mutex::new(live));
        let held = CancellationToken::new();
        store.options.tasks.spawn(keep(live.clone(), store.options.length, held.clone()));
        let mut guard = Self {
            store,
            live,
            fence,
            snapshot: Snapshot::default(),
            etag: None,
            unfinished: None,
            certainty,
            _held: held.drop_guard(),
        };
        match guard.take_state(begins).await {
            Err(StoreError::Damaged { .. } | StoreError::Gone { .. }) if begins.replaces => {
                let serial = guard.live.lock().await.document.serial;
                let state = guard.store.unreadable(serial).await?;
                (guard.snapshot, guard.etag) = (state.snapshot, state.etag);
            }
            taken => taken?,
        }
        if let Some(run) = run {
            let is_over = guard.store.is_over(&run, &guard.snapshot.version)?;
            let run = guard.store.with_plan(run).await?;
            if is_over {
                guard.close(run).await?;
            } else {
                guard.unfinished = Some(run);
            }
        }
        Ok(guard)
    }

    async fn take_state(&mut self, begins: Begins) -> Result<(), StoreError> {
        let mut fence_off = begins.fence_off;
        if begins.is_first {
            // Without an object for the lock fences are counted from the beginning. Where there
            // is a state it was lost, and those that the state has seen are past.
            let state = self.store.read_state().await?;
            let Some(fence) = state.fence.filter(|fence| *fence >= self.fence) else {
                (self.snapshot, self.etag) = (state.snapshot, state.etag);
                return Ok(());
            };
            self.live.lock().await.write(|live| live.fence = fence + 1).await?;
            self.fence = fence + 1;
            fence_off = true;
        }
        if fence_off {
            return self.fence_off().await;
        }
        let state = self.read_state().await?;
        (self.snapshot, self.etag) = (state.snapshot, state.etag);
        Ok(())
    }

    /// Reads the state; refuses one that a later owner has fenced off from us already.
    async fn read_state(&self) -> Result<StoredState, StoreError> {
        let state = self.store.read_state().await?;
        let serial = self.live.lock().await.document.serial;
        let state = self.store.unless_gone(state, serial)?;
        if state.fence.is_some_and(|fence| fence > self.fence) {
            let holder = self.store.lease_holder().await;
            return Err(self.live.lock().await.lose(holder));
        }
        Ok(state)
    }

    /// Puts our fence into the state as it is: a write of an earlier owner that is still
    /// under way was made for another version, and comes to nothing from here on.
    async fn fence_off(&mut self) -> Result<(), StoreError> {
        let key = self.store.key("state.json");
        let mut attempt = 1;
        loop {
            let StoredState { snapshot, etag, fence } = self.read_state().await?;
            if fence == Some(self.fence) && etag.is_some() {
                (self.snapshot, self.etag) = (snapshot, etag);
                return Ok(());
            }
            let text = match &snapshot.environment {
                Some(environment) => self.text(&snapshot.version, environment, &snapshot.state),
                // Nothing was recorded yet, and nothing is now.
                None => format!("{:#}\n", json!({ "format": FORMAT, "fence": self.fence })),
            };
            match self.store.objects.put(&key, text.into_bytes(), condition(etag)).await {
                Ok(etag) => {
                    (self.snapshot, self.etag) = (snapshot, Some(etag));
                    return Ok(());
                }
                Err(refused @ ObjectError::Refused(_)) => {
                    return Err(self.store.unreachable(&key, refused));
                }
                Err(refused) if attempt == ATTEMPTS => {
                    return Err(self.store.unreachable(&key, refused));
                }
                Err(_) => sleep(BETWEEN_ATTEMPTS * attempt).await,
            }
            attempt += 1;
        }
    }

    fn text(&self, version: &StateVersion, environment: &Environment, state: &State) -> String {
        let fence = Some(self.fence);
        StateDocument { fence, ..StateDocument::new(version, environment, state) }.to_text()
    }

    /// Replaces the state, unless somebody else has fenced it off.
    async fn put_state(&mut self, version: &StateVersion, text: &str) -> Result<(), StoreError> {
        let key = self.store.key("state.json");
        let mut attempt = 1;
        loop {
            let when = condition(self.etag.clone());
            let refused = match self.store.objects.put(&key, text.into(), when).await {
                Ok(etag) => {
                    self.etag = Some(etag);
                    return Ok(());
                }
                Err(refused @ ObjectError::Refused(_)) => {
                    return Err(self.store.unreachable(&key, refused));
                }
                Err(refused) => refused,
            };
            let there = match self.store.read_state().await {
                Ok(there) => there,
                Err(err) => {
                    self.live.lock().await.doubtful = true;
                    return Err(err);
                }
            };
            // Our own write, whose answer was lost: nobody else writes with our fence.
            if there.fence == Some(self.fence) && there.snapshot.version == *version {
                self.etag = there.etag;
                return Ok(());
            }
            if there.etag != self.etag {
                let holder = self.store.lease_holder().await;
                return Err(self.live.lock().await.lose(holder));
            }
            if attempt == ATTEMPTS {
                self.live.lock().await.doubtful = true;
                return Err(self.store.unreachable(&key, refused));
            }
            sleep(BETWEEN_ATTEMPTS * attempt).await;
            attempt += 1;
        }
    }

    /// Keeps the journal of a run that is over among the others, and closes it.
    async fn close(&mut self, run: Unfinished) -> Result<(), StoreError> {
        let id = run.header.run.clone();
        let key = self.store.run_key(&id);
        self.put_once(&key, document::journal_text(&run)).await?;
        let serial = self.snapshot.version.serial;
        let close = |live: &mut LiveDocument| (live.run, live.serial) = (None, serial);
        self.live.lock().await.write(close).await?;
        if self.snapshot.version.serial.is_multiple_of(COMMITS_PER_CLEARANCE) {
            self.clear().await;
        }
        Ok(())
    }

    /// Writes what is never written twice: what is there already is ours.
    async fn put_once(&self, key: &str, text: String) -> Result<(), StoreError> {
        let mut attempt = 1;
        loop {
            match self.store.objects.put(key, text.clone().into(), Condition::Absent).await {
                Ok(_) | Err(ObjectError::Changed) => return Ok(()),
                Err(ObjectError::Conflict | ObjectError::Unanswered(_)) if attempt < ATTEMPTS => {
                    sleep(BETWEEN_ATTEMPTS * attempt).await;
                    attempt += 1;
                }
                Err(refused) => return Err(self.store.unreachable(key, refused)),
            }
        }
    }

    /// Deletes the oldest runs. Nothing depends on it, and the next one tries again.
    async fn clear(&self) {
        let objects = &self.store.objects;
        let Ok(keys) = objects.list(&self.store.key("runs/")).await else { return };
        let mut ids: Vec<String> = keys.iter().filter_map(|key| runs::id_of(key)).collect();
        // They sort by time.
        ids.sort_unstable();
        let surplus = ids.len().saturating_sub(RUNS_KEPT);
        for id in ids.iter().take(surplus) {
            let run = objects.delete(&self.store.run_key(id)).await;
            if run.is_err() || objects.delete(&self.store.plan_key(id)).await.is_err() {
                return;
            }
        }
    }
}

fn condition(etag: Option<ETag>) -> Condition {
    etag.map_or(Condition::Absent, Condition::Unchanged)
}

/// Renews the lock whenever a third of its lease passes without a write, and lets go of it
/// in the end.
async fn keep(live: Arc<Mutex<Live>>, length: Duration, held: CancellationToken) {
    let mut wait = length / 3;
    while held.run_until_cancelled(sleep(wait)).await.is_some() {
        let mut live = live.lock().await;
        if let Some(since) = live.certainty.age().filter(|since| *since < length / 3) {
            wait = (length / 3).saturating_sub(since);
            continue;
        }
        wait = match live.write(|_| {}).await {
            Ok(()) => length / 3,
            // The next write of the guard says so.
            Err(StoreError::TakenOver { .. }) => return,
            // There is some time left to try again in.
            Err(_) => length / 12,
        };
    }
    let mut live = live.lock().await;
    if live.lost.is_none() && !live.doubtful {
        // Should it fail, the lease runs out.
        let _ = live.write(|live| live.lease = None).await;
    }
}

#[async_trait]
impl StateGuard for ObjectGuard {
    fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    fn linger(&self) -> Linger {
        LINGER
    }

    fn tenure(&self) -> Option<Arc<dyn Tenure>> {
        let (live, certainty) = (self.live.clone(), self.certainty.clone());
        Some(Arc::new(LeaseTenure { live, certainty }))
    }

    async fn begin(&mut self, header: &RunHeader, plan: &Plan) -> Result<(), StoreError> {
        let key = self.store.plan_key(&header.run);
        let text = serde_json::to_string(plan).expect("a plan is plain data");
        self.put_once(&key, text).await?;
        self.live.lock().await.write(|live| live.run = Some(begun(header, plan))).await?;
        self.unfinished =
            Some(Unfinished { header: header.clone(), plan: plan.clone(), entries: Vec::new() });
        Ok(())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let durable = entries.iter().any(|entry| Event::must_be_durable(&entry.event));
        let mut live = self.live.lock().await;
        if durable {
            let add = |run: &mut LiveRun| run.entries.extend_from_slice(entries);
            live.write(|live| live.run.iter_mut().for_each(add)).await?;
        } else {
            live.check()?;
            // The next write takes it along.
            live.pending.extend_from_slice(entries);
        }
        if let Some(run) = &mut self.unfinished {
            run.entries.extend_from_slice(entries);
        }
        Ok(())
    }

    async fn commit(&mut self, environment: &Environment, next: State) -> Result<(), StoreError> {
        let lineage = match &self.unfinished {
            Some(run) if self.snapshot.version.lineage.is_empty() => run.header.lineage.clone(),
            _ => self.snapshot.version.lineage.clone(),
        };
        let version = StateVersion { lineage, serial: self.snapshot.version.serial + 1 };
        self.replace(environment, version, next).await?;
        if let Some(run) = self.unfinished.take() {
            self.close(run).await?;
        }
        Ok(())
    }

    async fn replace(
        &mut self,
        environment: &Environment,
        version: StateVersion,
        next: State,
    ) -> Result<(), StoreError> {
        self.live.lock().await.check()?;
        let text = self.text(&version, environment, &next);
        self.put_state(&version, &text).await?;
        // Goes along with whatever is written next.
        self.live.lock().await.document.serial = version.serial;
        self.snapshot = Snapshot { version, environment: Some(environment.clone()), state: next };
        Ok(())
    }

    async fn keep(&mut self, run: FinishedRun) -> Result<(), StoreError> {
        self.live.lock().await.check()?;
        let key = self.store.run_key(&run.header.run);
        self.put_once(&key, document::journal_text(&run.into())).await
    }
}

impl ObjectStore {
    /// Who has the lock now, for a message.
    async fn lease_holder(&self) -> Option<LockHolder> {
        self.lease().await.ok().flatten().map(|lease| lease.holder)
    }
}
