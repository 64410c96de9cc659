//! The entries of a run as what happened, in order.

use crate::views::marks::Mark;
use bfd_core::{
    journal::{Entry, Event},
    plan::StepId,
};
use std::collections::BTreeMap;

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item<'a> {
    Act(Act<'a>),
    /// The user asked the run to stop.
    Canceled {
        at: &'a str,
    },
    /// Another process went on from here; who, where the journal tells.
    Process {
        at: &'a str,
        by: Option<Mark>,
    },
    /// The process left the run open, and said why.
    Left {
        at: &'a str,
        why: Mark,
    },
}

/// One call: doing a step, or undoing it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Act<'a> {
    pub(crate) step: StepId,
    pub(crate) undo: bool,
    pub(crate) began: &'a str,
    /// How it ended; none while it is under way, and when its process died over it.
    pub(crate) end: Option<&'a Entry>,
    /// A later process made the same call again.
    pub(crate) repeated: bool,
    /// The last it said of itself.
    pub(crate) heard: Option<&'a str>,
}

/// Everything that happened, in the order in which it began.
pub(crate) fn timeline(entries: &[Entry]) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut open: BTreeMap<StepId, usize> = BTreeMap::new();
    let mut undo_failed: BTreeMap<StepId, usize> = BTreeMap::new();
    // Where the last process began: what is older and open belongs to a dead one.
    let mut process = 0;
    for entry in entries {
        let at = entry.at.as_str();
        match Mark::read(entry) {
            Some(mark @ Mark::PickedUp { .. }) => {
                process = items.len();
                items.push(Item::Process { at, by: Some(mark) });
                continue;
            }
            Some(why @ Mark::Left(_)) => {
                items.push(Item::Left { at, why });
                continue;
            }
            None => {}
        }
        let Some(step) = entry.step else {
            items.push(Item::Canceled { at });
            continue;
        };
        match &entry.event {
            Event::Started | Event::UndoStarted => {
                let undo = entry.event == Event::UndoStarted;
                let interrupted = open.remove(&step);
                let earlier = interrupted.or_else(|| undo_failed.remove(&step));
                if earlier.is_some_and(|earlier| earlier >= process) {
                    // Within one process, no call is made again: this is another one, unannounced.
                    process = items.len();
                    items.push(Item::Process { at, by: None });
                }
                if let Some(Item::Act(act)) = interrupted.map(|index| &mut items[index]) {
                    act.repeated = true;
                }
                open.insert(step, items.len());
                let (end, heard) = (None, None);
                items.push(Item::Act(Act { step, undo, began: at, end, repeated: false, heard }));
            }
            Event::Progress { message } => {
                if let Some(Item::Act(act)) = open.get(&step).map(|index| &mut items[*index]) {
                    act.heard = Some(message);
                }
            }
            event => {
                let Some(index) = open.remove(&step) else { continue };
                if matches!(event, Event::UndoFailed { .. }) {
                    undo_failed.insert(step, index);
                }
                if let Item::Act(act) = &mut items[index] {
                    act.end = Some(entry);
                }
            }
        }
    }
    items
}

/// How many processes a run took.
pub(crate) fn processes(items: &[Item<'_>]) -> usize {
    1 + items.iter().filter(|item| matches!(item, Item::Process { .. })).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::tests::{entries, picked_up};
    use bfd_core::journal::Failure;

    fn count(events: Vec<(u64, Option<u32>, Event)>) -> usize {
        processes(&timeline(&entries(events)))
    }

    #[test]
    fn a_call_made_again_is_the_work_of_another_process() {
        let started = |at| (at, Some(0), Event::Started);
        let done = |at| (at, Some(0), Event::Succeeded { result: None });
        assert_eq!(count(vec![started(0), done(3)]), 1);
        assert_eq!(count(vec![started(0), started(9), done(12)]), 2);
        assert_eq!(count(vec![started(0), started(9), started(12)]), 3);
    }

    #[test]
    fn an_undo_tried_again_is_the_work_of_another_process() {
        let undo = |at| (at, Some(0), Event::UndoStarted);
        let failed = |at| (at, Some(0), Event::UndoFailed { failure: Failure::default() });
        assert_eq!(count(vec![undo(0), failed(3)]), 1);
        assert_eq!(count(vec![undo(0), failed(3), undo(60)]), 2);
    }

    #[test]
    fn a_process_that_says_so_is_counted_once() {
        let started = |at, step| (at, Some(step), Event::Started);
        let all = vec![started(0, 0), started(0, 1), picked_up(60), started(60, 0), started(60, 1)];
        assert_eq!(count(all.clone()), 2);
        let entries = entries(all);
        let items = timeline(&entries);
        let again = |item: &&Item<'_>| matches!(item, Item::Act(act) if act.repeated);
        assert_eq!(items.iter().filter(again).count(), 2);
    }
}
