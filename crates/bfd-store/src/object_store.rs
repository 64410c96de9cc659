use crate::{
    FinishedRun, Lease, LockHolder, ObjectError, Objects, RunHeader, StateDocument, StateGuard,
    StateStore, StoreError, Unfinished,
    document::parse_journal,
    error::unreachable,
    live::{LeaseDocument, Live, LiveDocument, LiveRun, Written},
    object_guard::Begins,
    object_guard::ObjectGuard,
    objects::{Condition, ETag, Found},
    runs,
    tenure::Certainty,
};
use async_trait::async_trait;
use bfd_core::{Snapshot, StateVersion, plan::Plan};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

/// How often a lock is tried for that others take and let go of at the same time.
const ATTEMPTS: u32 = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
/// How exactly a store tells the age of an object: S3 tells whole seconds.
const GRAIN: Duration = Duration::from_secs(2);

/// State in a bucket: `state.json`, `live.json`, `plans/`, `runs/`.
///
/// | object | written |
/// |---|---|
/// | `state.json` | when it is still the version that was read |
/// | `live.json` | the same: lock and journal of the run under way |
/// | `plans/RUN.json` | once |
/// | `runs/RUN.jsonl` | once, when the run has ended |
#[derive(Clone, Debug)]
pub struct ObjectStore {
    pub(crate) objects: Arc<dyn Objects>,
    /// What the keys begin with; empty, or with a slash at its end.
    pub(crate) prefix: String,
    pub(crate) options: LeaseOptions,
}

/// How a lock is held.
#[derive(Clone)]
pub struct LeaseOptions {
    /// How long a lock outlives its last renewal, whole seconds. Renewed after a third of it at
    /// the latest. A dead process holds up others as long.
    pub length: Duration,
    /// Makes texts that nobody has made before.
    pub nonce: Arc<dyn Fn() -> String + Send + Sync>,
    /// Tells how long the machine is on, the time that it sleeps included.
    pub machine: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Where locks are renewed and let go of. A process waits for it before it ends.
    pub tasks: TaskTracker,
}

impl fmt::Debug for LeaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseOptions").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The state object as it was read.
#[derive(Debug)]
pub(crate) struct StoredState {
    pub(crate) snapshot: Snapshot,
    /// `None`: there is no object.
    pub(crate) etag: Option<ETag>,
    pub(crate) fence: Option<u64>,
}

impl ObjectStore {
    /// Nothing is created before something is written.
    pub fn new(objects: Arc<dyn Objects>, prefix: &str, options: LeaseOptions) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            some => format!("{some}/"),
        };
        Self { objects, prefix, options }
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn unreachable(&self, key: &str, source: ObjectError) -> StoreError {
        unreachable(&*self.objects, key, source)
    }

    async fn get(&self, key: &str) -> Result<Option<Found>, StoreError> {
        self.objects.get(key).await.map_err(|err| self.unreachable(key, err))
    }

    async fn get_text(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.get(key).await?.map(|found| self.to_text(key, found.bytes)).transpose()
    }

    fn to_text(&self, key: &str, bytes: Vec<u8>) -> Result<String, StoreError> {
        String::from_utf8(bytes).map_err(|err| StoreError::Damaged {
            place: self.objects.place(key),
            reason: err.to_string(),
        })
    }

    pub(crate) async fn read_state(&self) -> Result<StoredState, StoreError> {
        let key = self.key("state.json");
        let Some(Found { bytes, etag, .. }) = self.get(&key).await? else {
            return Ok(StoredState { snapshot: Snapshot::default(), etag: None, fence: None });
        };
        let text = self.to_text(&key, bytes)?;
        let raw: Value = serde_json::from_str(&text).unwrap_or_default();
        let fence = raw.get("fence").and_then(Value::as_u64);
        // A fence without a state: see `ObjectGuard::fence_off`.
        let snapshot = if fence.is_some() && raw.get("lineage").is_none() {
            Snapshot::default()
        } else {
            StateDocument::parse(&self.objects.place(&key), &text)?
        };
        Ok(StoredState { snapshot, etag: Some(etag), fence })
    }

    async fn read_live(&self) -> Result<Option<(LiveDocument, Found)>, StoreError> {
        let key = self.key("live.json");
        let Some(found) = self.get(&key).await? else { return Ok(None) };
        let document = LiveDocument::parse(&self.objects.place(&key), &found.bytes)?;
        Ok(Some((document, found)))
    }

    /// Whether a run was committed, and only its closing is missing.
    pub(crate) fn is_over(
        &self,
        run: &LiveRun,
        current: &StateVersion,
    ) -> Result<bool, StoreError> {
        let base = &run.base;
        let same = base.lineage == current.lineage || base.serial == 0;
        if same && base.serial < current.serial {
            return Ok(true);
        }
        if base == current {
            return Ok(false);
        }
        Err(StoreError::Damaged {
            place: self.objects.place(&self.key("live.json")),
            reason: format!(
                "its run began from serial {} of `{}`, the state is at serial {} of `{}`",
                base.serial, base.lineage, current.serial, current.lineage
            ),
        })
    }

    pub(crate) fn plan_key(&self, run: &str) -> String {
        self.key(&format!("plans/{run}.json"))
    }

    pub(crate) fn run_key(&self, run: &str) -> String {
        self.key(&format!("runs/{}", runs::file_name(run)))
    }

    pub(crate) async fn with_plan(&self, run: LiveRun) -> Result<Unfinished, StoreError> {
        let key = self.plan_key(&run.header.run);
        let damaged =
            |reason: String| StoreError::Damaged { place: self.objects.place(&key), reason };
        let text = self.get_text(&key).await?;
        let text = text.ok_or_else(|| damaged("the plan of the open run is missing".into()))?;
        let plan: Plan = serde_json::from_str(&text).map_err(|err| damaged(err.to_string()))?;
        Ok(Unfinished { header: run.header, plan, entries: run.entries })
    }

    /// A run that was committed and is not among the others yet.
    async fn unmoved(&self) -> Result<Option<LiveRun>, StoreError> {
        let Some((LiveDocument { run: Some(run), .. }, _)) = self.read_live().await? else {
            return Ok(None);
        };
        let state = self.read_state().await?;
        // What is wrong with an open journal is for `unfinished` to say.
        Ok(matches!(self.is_over(&run, &state.snapshot.version), Ok(true)).then_some(run))
    }

    fn lease_of(found: &Found, document: LiveDocument) -> Option<Lease> {
        let LeaseDocument { holder, seconds, nonce } = document.lease?;
        Some(Lease {
            holder,
            nonce,
            length: Duration::from_secs(seconds),
            age: found.age,
            run: document.run.map(|run| run.header.run),
        })
    }

    /// The state as `serial` says that it must be there, when there was one.
    pub(crate) fn unless_gone(
        &self,
        state: StoredState,
        serial: u64,
    ) -> Result<StoredState, StoreError> {
        if state.snapshot.environment.is_some() || serial == 0 {
            return Ok(state);
        }
        Err(StoreError::Gone { place: self.objects.place(&self.key("state.json")), serial })
    }

    /// What is under the key of the state that is no state, to be replaced by one.
    pub(crate) async fn unreadable(&self, serial: u64) -> Result<StoredState, StoreError> {
        let found = self.get(&self.key("state.json")).await?;
        let version = StateVersion { lineage: String::new(), serial };
        let snapshot = Snapshot { version, ..Snapshot::default() };
        Ok(StoredState { snapshot, etag: found.map(|found| found.etag), fence: None })
    }

    /// Takes the lock by compare and swap: a free one, one that has run out, or the one that is
    /// to be broken.
    async fn take(
        &self,
        holder: LockHolder,
        broken: Option<&str>,
        replaces: bool,
    ) -> Result<ObjectGuard, StoreError> {
        let key = self.key("live.json");
        let nonce = (self.options.nonce)();
        let lease = LeaseDocument {
            holder,
            nonce: nonce.clone(),
            seconds: self.options.length.as_secs().max(1),
        };
        let written = Written { by: nonce.clone(), number: 0 };
        let certainty = Certainty::new(self.options.length, self.options.machine.clone());
        let mut attempt = 1;
        loop {
            let (document, found) = match self.read_live().await? {
                Some((document, found)) => (document, Some(found)),
                None => (LiveDocument::empty(), None),
            };
            // Our own take, whose answer was lost; nobody has written since.
            let is_ours = document.written == written;
            if let (false, Some(found)) = (is_ours, &found)
                && let Some(there) = Self::lease_of(found, document.clone())
                && !there.has_run_out()
                && broken != Some(there.nonce.as_str())
            {
                return Err(StoreError::Locked { holder: Box::new(there.holder) });
            }
            let mut next = document.clone();
            if !is_ours {
                next.fence += 1;
                next.lease = Some(lease.clone());
                next.written = written.clone();
            }
            let began = certainty.now();
            let when = match &found {
                Some(found) => Condition::Unchanged(found.etag.clone()),
                None => Condition::Absent,
            };
            let was_absent = found.is_none();
            let etag = if let Some(found) = found.filter(|_| is_ours) {
                // It counts from then, however long its answer was waited for.
                certainty.renewed(began.before(found.age + GRAIN));
                Ok(found.etag)
            } else {
                certainty.renewed(began);
                self.objects.put(&key, next.to_bytes(), when).await
            };
            let refused = match etag {
                Ok(etag) => {
                    let begins = Begins {
                        // Whoever had the lock before may still have a write of the state under
                        // way.
                        fence_off: document.lease.is_some() || document.run.is_some(),
                        is_first: was_absent,
                        replaces,
                    };
                    let live = Live {
                        objects: self.objects.clone(),
                        key,
                        document: next,
                        etag,
                        certainty,
                        pending: Vec::new(),
                        nonce,
                        number: 0,
                        lost: None,
                        doubtful: false,
                    };
                    return ObjectGuard::begin(self.clone(), live, begins).await;
                }
                Err(refused @ ObjectError::Refused(_)) => {
                    return Err(self.unreachable(&key, refused));
                }
                Err(refused) => refused,
            };
            if attempt == ATTEMPTS {
                return Err(self.unreachable(&key, refused));
            }
            sleep(BETWEEN_ATTEMPTS * attempt).await;
            attempt += 1;
        }
    }
}

impl Lease {
    /// Whether somebody else may take the lock.
    pub fn has_run_out(&self) -> bool {
        self.age > self.length + GRAIN
    }

    /// How long until then.
    pub fn remaining(&self) -> Duration {
        (self.length + GRAIN).saturating_sub(self.age)
    }
}

#[async_trait]
impl StateStore for ObjectStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        let state = self.read_state().await?;
        if state.snapshot.environment.is_some() {
            return Ok(state.snapshot);
        }
        let serial = self.read_live().await?.map_or(0, |(live, _)| live.serial);
        Ok(self.unless_gone(state, serial)?.snapshot)
    }

    async fn lock(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        Ok(Box::new(self.take(holder, None, false).await?))
    }

    async fn lock_to_replace(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        Ok(Box::new(self.take(holder, None, true).await?))
    }

    async fn take_over(
        &self,
        holder: LockHolder,
        seen: &Lease,
    ) -> Result<Box<dyn StateGuard>, StoreError> {
        Ok(Box::new(self.take(holder, Some(&seen.nonce), false).await?))
    }

    async fn holder(&self) -> Result<Option<LockHolder>, StoreError> {
        let lease = self.lease().await?;
        Ok(lease.filter(|lease| !lease.has_run_out()).map(|lease| lease.holder))
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        let live = self.read_live().await?;
        Ok(live.and_then(|(document, found)| Self::lease_of(&found, document)))
    }

    async fn unfinished(&self) -> Result<Option<Unfinished>, StoreError> {
        let Some((LiveDocument { run: Some(run), .. }, _)) = self.read_live().await? else {
            return Ok(None);
        };
        // Read after the journal, so that it is at least as new.
        let state = self.read_state().await?;
        if self.is_over(&run, &state.snapshot.version)? {
            return Ok(None);
        }
        self.with_plan(run).await.map(Some)
    }

    async fn finished(&self) -> Result<Vec<String>, StoreError> {
        let prefix = self.key("runs/");
        let keys = self.objects.list(&prefix).await;
        let keys = keys.map_err(|err| self.unreachable(&prefix, err))?;
        let mut ids: Vec<String> = keys.iter().filter_map(|key| runs::id_of(key)).collect();
        ids.sort_unstable_by(|one, other| other.cmp(one));
        // One that is not there yet is the latest.
        if let Some(run) = self.unmoved().await?.filter(|run| !ids.contains(&run.header.run)) {
            ids.insert(0, run.header.run);
        }
        Ok(ids)
    }

    async fn finished_run(&self, run: &str) -> Result<Option<FinishedRun>, StoreError> {
        if run.contains(['/', '\\']) {
            return Ok(None);
        }
        let key = self.run_key(run);
        let Some(text) = self.get_text(&key).await? else {
            return match self.unmoved().await?.filter(|found| found.header.run == run) {
                Some(run) => self.with_plan(run).await.map(|run| Some(run.into())),
                None => Ok(None),
            };
        };
        Ok(parse_journal(&self.objects.place(&key), &text)?.map(FinishedRun::from))
    }

    fn place(&self) -> String {
        self.objects.place(&self.key("state.json"))
    }
}

/// What a run is called before it has entries.
pub(crate) fn begun(header: &RunHeader, plan: &Plan) -> LiveRun {
    LiveRun { header: header.clone(), base: plan.base.clone(), entries: Vec::new() }
}
