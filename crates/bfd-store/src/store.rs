use crate::{FinishedRun, StoreError, Tenure};
use async_trait::async_trait;
use bfd_core::{Environment, Snapshot, State, StateVersion, journal::Entry, plan::Plan};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};

/// One environment's state, wherever it is kept.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Reads the latest snapshot, for commands that only look.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// Takes the lock. All writing goes through the guard.
    async fn lock(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError>;

    /// Takes the lock from the one who was `seen` to have it, where that can be done without two
    /// owners: what the earlier one still writes is refused. From anybody who has taken it since
    /// it is not taken. Otherwise the same as [`StateStore::lock`].
    async fn take_over(
        &self,
        holder: LockHolder,
        _seen: &Lease,
    ) -> Result<Box<dyn StateGuard>, StoreError> {
        self.lock(holder).await
    }

    /// The same for somebody who brings another state: also where the one that is there cannot be
    /// read, or is gone. The guard's own snapshot is empty then.
    async fn lock_to_replace(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        self.lock(holder).await
    }

    /// Who holds the lock now, if anyone does.
    async fn holder(&self) -> Result<Option<LockHolder>, StoreError>;

    /// What holds the lock where it is no process of this machine, also when it has run out.
    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        Ok(None)
    }

    /// A run that was begun and never finished, for commands that only look.
    async fn unfinished(&self) -> Result<Option<Unfinished>, StoreError>;

    /// The ids of the runs that ended and are still kept, the latest first.
    async fn finished(&self) -> Result<Vec<String>, StoreError>;

    /// A run that ended; `None` when it is not kept.
    async fn finished_run(&self, run: &str) -> Result<Option<FinishedRun>, StoreError>;

    /// Where the state is, for people.
    fn place(&self) -> String;
}

/// The held lock; the only way to write state.
#[async_trait]
pub trait StateGuard: fmt::Debug + Send {
    fn snapshot(&self) -> &Snapshot;

    /// The run that is open, with everything appended to it so far.
    fn unfinished(&self) -> Option<&Unfinished>;

    /// Records the plan. No step may start before this returns.
    async fn begin(&mut self, header: &RunHeader, plan: &Plan) -> Result<(), StoreError>;

    /// Appends entries in order. Those that must be durable are when this returns.
    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError>;

    /// How long what has happened may wait for more to happen before it is written: some where
    /// a write is dear.
    fn linger(&self) -> Linger {
        Linger::default()
    }

    /// What may be lost while it is held, for whoever acts in its name. `None` where the lock
    /// goes with the process.
    fn tenure(&self) -> Option<Arc<dyn Tenure>> {
        None
    }

    /// Replaces the state, increments the serial, and closes the journal.
    async fn commit(&mut self, environment: &Environment, next: State) -> Result<(), StoreError>;

    /// Replaces the state with one that was made elsewhere, under its own version. No run may
    /// be open.
    async fn replace(
        &mut self,
        environment: &Environment,
        version: StateVersion,
        next: State,
    ) -> Result<(), StoreError>;

    /// Keeps a run that ended elsewhere among those that ended here. One that is here stays as it
    /// is.
    async fn keep(&mut self, run: FinishedRun) -> Result<(), StoreError>;
}

/// How long a write waits for more to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linger {
    /// For what happens at about the same time.
    pub usually: Duration,
    /// Where no step waits for one that has ended, and fewer than `enough` have.
    pub at_most: Duration,
    pub enough: usize,
}

/// A lock that ends by itself.
#[derive(Clone, Debug)]
pub struct Lease {
    pub holder: LockHolder,
    /// Another one each time that the lock is taken.
    pub nonce: String,
    /// How long it lasts after it was last renewed.
    pub length: Duration,
    /// How long ago it was renewed.
    pub age: Duration,
    /// The run that is open.
    pub run: Option<String>,
}

/// A journal without an end.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    pub header: RunHeader,
    pub plan: Plan,
    pub entries: Vec<Entry>,
}

/// Which run a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Unique; a lower-case ULID.
    pub run: String,
    /// The lineage that a first run gives to its state.
    pub lineage: String,
    /// RFC 3339.
    pub started_at: String,
    pub who: String,
    /// Whose credentials it had, as AWS names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    pub command: String,
    /// The commit that its process was in, and whether anything there differed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The digest of the saved plan that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
}

/// Who holds a lock, for the message that refuses the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// User and host.
    pub who: String,
    pub command: String,
    /// The process on that host.
    pub process: u32,
    /// RFC 3339.
    pub since: String,
}

impl LockHolder {
    /// Somebody holds the lock who has not written its name, or not where we see it.
    pub(crate) fn unknown() -> Self {
        let unknown = || "unknown".to_owned();
        Self { who: unknown(), command: unknown(), process: 0, since: unknown() }
    }
}
