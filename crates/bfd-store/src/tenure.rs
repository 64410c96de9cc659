//! Whether the lock is still ours, asked before anything is done that only its owner may do.

use crate::{StoreError, live::Live};
use async_trait::async_trait;
use std::{
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// A lock that may be lost without its owner noticing.
///
/// Whoever was frozen wakes up in the middle of what it did: asked before each request, this
/// is what keeps it from going on with what belongs to somebody else by now.
#[async_trait]
pub trait Tenure: fmt::Debug + Send + Sync {
    /// Returns when nobody else can have the lock; renews it where that is not certain.
    async fn confirm(&self) -> Result<(), StoreError>;
}

/// Tells a time that only matters by its differences.
pub(crate) type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Until when nobody else can take a lease. Read without waiting for a write under way.
#[derive(Clone)]
pub(crate) struct Certainty {
    length: Duration,
    machine: Elapsed,
    since: Arc<StdMutex<Option<Moment>>>,
}

/// A moment on both clocks: timers stand still while the machine sleeps, and its clock may be
/// set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    timer: Instant,
    machine: Duration,
}

impl fmt::Debug for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certainty").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Certainty {
    pub(crate) fn new(length: Duration, machine: Elapsed) -> Self {
        Self { length, machine, since: Arc::default() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { timer: Instant::now(), machine: (self.machine)() }
    }

    /// The lease was renewed, at this moment or later.
    pub(crate) fn renewed(&self, at: Moment) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    pub(crate) fn lost(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long ago the lease was renewed, at most. `None`: nobody can say.
    pub(crate) fn age(&self) -> Option<Duration> {
        let at = (*self.since.lock().unwrap_or_else(PoisonError::into_inner))?;
        // A machine's clock that goes back tells nothing.
        let machine = (self.machine)().checked_sub(at.machine)?;
        Some(at.timer.elapsed().max(machine))
    }

    pub(crate) fn holds(&self) -> bool {
        self.age().is_some_and(|age| age < self.length)
    }
}

impl Moment {
    /// The moment so long before.
    pub(crate) fn before(self, by: Duration) -> Self {
        Self {
            timer: self.timer.checked_sub(by).unwrap_or(self.timer),
            machine: self.machine.saturating_sub(by),
        }
    }
}

/// The tenure of a lease.
#[derive(Debug)]
pub(crate) struct LeaseTenure {
    pub(crate) live: Arc<Mutex<Live>>,
    pub(crate) certainty: Certainty,
}

#[async_trait]
impl Tenure for LeaseTenure {
    async fn confirm(&self) -> Result<(), StoreError> {
        if self.certainty.holds() {
            return Ok(());
        }
        let mut live = self.live.lock().await;
        // Somebody else was quicker to ask.
        if self.certainty.holds() {
            return Ok(());
        }
        live.write(|_| {}).await
    }
}
