//! What a process writes into a journal about itself, beside what the run does.
//!
//! A mark is progress: it changes nothing about the run, and a bfd that does not know
//! it shows it as it stands.

use bfd_apply::Unended;
use bfd_core::journal::{Entry, Event};

/// Something a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A process goes on with what another one left.
    PickedUp { who: String, command: String },
    /// A process leaves the run open, on purpose.
    Left(Unended),
}

const DEADLINE: &str = "left: the rollback passed its deadline";
const ABORTED: &str = "left: asked twice to stop";
const FAILED: &str = "left: an undo failed";
const PICKED_UP: &str = "picked up by ";

impl Mark {
    /// The event that stands for it.
    pub fn event(&self) -> Event {
        let message = match self {
            Self::Left(Unended::Deadline) => DEADLINE.to_owned(),
            Self::Left(Unended::Aborted) => ABORTED.to_owned(),
            Self::Left(Unended::UndoFailed) => FAILED.to_owned(),
            Self::PickedUp { who, command } => format!("{PICKED_UP}{who} (`{command}`)"),
        };
        Event::Progress { message }
    }

    /// Recognizes what [`Mark::event`] made.
    pub fn read(entry: &Entry) -> Option<Self> {
        let Event::Progress { message } = &entry.event else { return None };
        match message.as_str() {
            DEADLINE => Some(Self::Left(Unended::Deadline)),
            ABORTED => Some(Self::Left(Unended::Aborted)),
            FAILED => Some(Self::Left(Unended::UndoFailed)),
            other => {
                let (who, command) = other.strip_prefix(PICKED_UP)?.split_once(" (`")?;
                let command = command.strip_suffix("`)")?;
                Some(Self::PickedUp { who: who.to_owned(), command: command.to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_recognized_and_other_progress_is_not() {
        let entry = |event| Entry { seq: 0, at: String::new(), step: None, event };
        let picked = Mark::PickedUp { who: "ann@desk".into(), command: "bfd recover".into() };
        let left = [Unended::UndoFailed, Unended::Deadline, Unended::Aborted].map(Mark::Left);
        for mark in left.into_iter().chain([picked]) {
            assert_eq!(Mark::read(&entry(mark.event())), Some(mark));
        }
        let other = Event::Progress { message: "1 of 2 tasks running".into() };
        assert_eq!(Mark::read(&entry(other)), None);
    }
}
