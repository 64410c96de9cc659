use bfd_core::{
    Outcome, StateVersion,
    journal::{Entry, IllegalTransition},
    plan::Step,
};
use bfd_provider::Provider;
use bfd_store::{StateGuard, StoreError};
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

/// What a run needs beside its plan.
#[derive(Debug)]
pub struct Session<'a> {
    pub provider: Arc<dyn Provider>,
    pub guard: &'a mut dyn StateGuard,
    pub reporter: &'a mut dyn Reporter,
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    /// Asks the run to stop and roll back.
    pub cancel: CancellationToken,
    /// Asks to leave at once; the journal stays for [`crate::recover`].
    pub abort: CancellationToken,
}

/// Learns of everything that happens, in journal order.
pub trait Reporter: fmt::Debug + Send {
    fn on_entry(&mut self, step: Option<&Step>, entry: &Entry);
}

/// Tells and waits for time. Time decides nothing but the deadline of a rollback.
pub trait Clock: fmt::Debug + Send + Sync {
    /// RFC 3339.
    fn now(&self) -> String;
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many steps may be under way at once; at least one.
    pub parallelism: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome picks the exit code"]
pub struct Ended {
    pub outcome: Outcome,
    /// Set when the journal was left open.
    pub left_open: Option<Unended>,
}

/// Why a run was left open, for `bfd recover`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unended {
    /// An undo failed.
    UndoFailed,
    /// The rollback took longer than its deadline.
    Deadline,
    /// The user asked twice.
    Aborted,
}

#[derive(Debug, Error)]
pub enum ApplyError {
    #[error(
        "the plan is stale: it was made from serial {}, the state is at {}",
        plan.serial,
        state.serial
    )]
    StalePlan { plan: StateVersion, state: StateVersion },
    #[error("an earlier run did not finish")]
    UnfinishedRun,
    #[error("the run could not be announced; nothing was called")]
    NotBegun(#[source] StoreError),
    #[error("failed to record progress")]
    Store(#[from] StoreError),
    #[error("the journal does not fit its plan")]
    Journal(#[from] IllegalTransition),
}
