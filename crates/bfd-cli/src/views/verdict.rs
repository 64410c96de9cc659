//! How a run stands, in one word, for every view.

use super::marks::Mark;
use bfd_apply::{Ended, Unended};
use bfd_core::{Outcome, Run, journal::Entry};

/// How a run ended, or why it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ended(Outcome),
    /// It was closed by hand, with something unsettled.
    Abandoned,
    Open(Open),
}

/// Why the journal of a run is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    UndoFailed,
    Deadline,
    /// The user asked twice to stop.
    Aborted,
    /// Its process is gone and left no word.
    Died,
    /// A living process is at it.
    UnderWay,
}

impl From<Unended> for Open {
    fn from(why: Unended) -> Self {
        match why {
            Unended::UndoFailed => Self::UndoFailed,
            Unended::Deadline => Self::Deadline,
            Unended::Aborted => Self::Aborted,
        }
    }
}

impl From<&Ended> for Verdict {
    fn from(ended: &Ended) -> Self {
        ended.left_open.map_or(Self::Ended(ended.outcome), |why| Self::Open(why.into()))
    }
}

impl Verdict {
    /// Of a run whose journal is closed. A run that ended has nothing left to do; one
    /// that has was closed by hand.
    pub fn of_closed(run: &Run) -> Self {
        let outcome = run.outcome();
        let unsettled = !run.interrupted().is_empty()
            || !run.next_tasks(1).is_empty()
            || outcome == Outcome::Stuck;
        if unsettled { Self::Abandoned } else { Self::Ended(outcome) }
    }

    /// Of a run whose journal is open; `held` when a living process is at it.
    pub fn of_open(run: &Run, entries: &[Entry], held: bool) -> Self {
        if held {
            return Self::Open(Open::UnderWay);
        }
        if let Some(Mark::Left(why)) = entries.last().and_then(Mark::read) {
            return Self::Open(why.into());
        }
        // Without a word, a failed undo speaks for itself when nothing else was under way.
        let failed = run.outcome() == Outcome::Stuck && run.interrupted().is_empty();
        let why = if failed { Open::UndoFailed } else { Open::Died };
        Self::Open(why)
    }

    /// One word for programs: documented in `docs/commands.md`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended(Outcome::Applied) => "applied",
            Self::Ended(Outcome::CleanupPending) => "cleanup_pending",
            Self::Ended(Outcome::RolledBack) => "rolled_back",
            Self::Ended(Outcome::Stopped) => "stopped",
            Self::Abandoned => "abandoned",
            Self::Ended(Outcome::Stuck)
            | Self::Open(Open::UndoFailed | Open::Deadline | Open::Aborted) => "stuck",
            Self::Open(Open::Died) => "died",
            Self::Open(Open::UnderWay) => "under_way",
        }
    }

    /// The same in words.
    pub fn says(self) -> &'static str {
        match self {
            Self::Ended(Outcome::Applied) => "applied",
            Self::Ended(Outcome::CleanupPending) => "cleanup pending",
            Self::Ended(Outcome::RolledBack) => "rolled back",
            Self::Ended(Outcome::Stopped) => "stopped, not rolled back",
            Self::Abandoned => "closed by hand",
            Self::Ended(Outcome::Stuck) | Self::Open(Open::UndoFailed) => "stuck: an undo failed",
            Self::Open(Open::Deadline) => "stuck: past its deadline",
            Self::Open(Open::Aborted) => "stuck: aborted",
            Self::Open(Open::Died) => "open: its process died",
            Self::Open(Open::UnderWay) => "under way",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The exit code of the process that saw it; none when no process told it.
    pub fn exit(self) -> Option<u8> {
        match self {
            Self::Ended(Outcome::Applied) => Some(0),
            Self::Ended(Outcome::CleanupPending) => Some(10),
            Self::Ended(Outcome::RolledBack) => Some(11),
            Self::Ended(Outcome::Stopped | Outcome::Stuck)
            | Self::Open(Open::UndoFailed | Open::Deadline | Open::Aborted) => Some(12),
            Self::Abandoned | Self::Open(Open::Died | Open::UnderWay) => None,
        }
    }
}
