//! Counts what a run has done, from its entries alone.

use crate::views::time::seconds_between;
use bfd_core::{
    Address,
    journal::{Entry, Event},
    plan::{Phase, Plan, Step, StepId},
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Tally {
    steps: usize,
    /// Per step: estimated seconds of the step itself.
    seconds: BTreeMap<StepId, u64>,
    /// When what is under way began.
    began: BTreeMap<StepId, String>,
    done: usize,
    /// Deploy steps that have something to undo.
    effective: BTreeSet<StepId>,
    undone: usize,
    unwinding: bool,
    canceled: bool,
    failed: Option<Address>,
    /// The last message of each step, so that a repeated one is not news.
    heard: BTreeMap<StepId, String>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Self {
        // A path includes the longest of those behind it: what remains is the step's own.
        let mut behind: BTreeMap<StepId, u64> = BTreeMap::new();
        for step in &plan.steps {
            for before in &step.after {
                let longest = behind.entry(*before).or_default();
                *longest = step.path_seconds.max(*longest);
            }
        }
        let own = |step: &Step| {
            let behind = behind.get(&step.id).copied().unwrap_or(0);
            (step.id, step.path_seconds.saturating_sub(behind))
        };
        Self {
            steps: plan.steps.len(),
            seconds: plan.steps.iter().map(own).collect(),
            began: BTreeMap::new(),
            done: 0,
            effective: BTreeSet::new(),
            undone: 0,
            unwinding: false,
            canceled: false,
            failed: None,
            heard: BTreeMap::new(),
        }
    }

    /// Counts an entry; gives the seconds that what it ends has taken.
    pub(crate) fn count(&mut self, step: Option<&Step>, entry: &Entry) -> Option<u64> {
        let Some(step) = step else {
            self.canceled |= entry.event == Event::Canceled;
            return None;
        };
        let deploy = step.phase == Phase::Deploy;
        match &entry.event {
            Event::Started | Event::UndoStarted => {
                self.unwinding |= entry.event == Event::UndoStarted;
                self.began.insert(step.id, entry.at.clone());
                None
            }
            Event::Succeeded { .. } => {
                self.done += 1;
                if deploy {
                    self.effective.insert(step.id);
                }
                self.took(step.id, &entry.at)
            }
            Event::Failed { left, .. } => {
                if deploy && left.is_some() {
                    self.effective.insert(step.id);
                }
                self.failed.get_or_insert_with(|| step.address.clone());
                self.took(step.id, &entry.at)
            }
            Event::UndoSucceeded { .. } => {
                self.undone += 1;
                self.took(step.id, &entry.at)
            }
            Event::UndoFailed { .. } => self.took(step.id, &entry.at),
            Event::Progress { .. } | Event::Canceled => None,
        }
    }

    fn took(&mut self, step: StepId, at: &str) -> Option<u64> {
        self.heard.remove(&step);
        seconds_between(&self.began.remove(&step)?, at)
    }

    /// `[12/34]`: steps done, or while rolling back, steps undone.
    pub(crate) fn number(&self) -> String {
        let (done, of) = self.position();
        let width = of.to_string().len();
        format!("[{done:width$}/{of}]")
    }

    pub(crate) fn position(&self) -> (usize, usize) {
        if self.unwinding { (self.undone, self.effective.len()) } else { (self.done, self.steps) }
    }

    pub(crate) fn unwinding(&self) -> bool {
        self.unwinding
    }

    pub(crate) fn to_undo(&self) -> usize {
        self.effective.len() - self.undone
    }

    pub(crate) fn under_way(&self) -> usize {
        self.began.len()
    }

    /// Why the run turned back.
    pub(crate) fn why(&self) -> String {
        match &self.failed {
            _ if self.canceled => "canceled".to_owned(),
            Some(address) => format!("{address} failed"),
            None => "an earlier run did not finish".to_owned(),
        }
    }

    pub(crate) fn seconds(&self, step: StepId) -> u64 {
        self.seconds.get(&step).copied().unwrap_or(0)
    }

    /// Whether the message says something the step has not just said.
    pub(crate) fn is_news(&mut self, step: StepId, message: &str) -> bool {
        self.heard.insert(step, message.to_owned()).as_deref() != Some(message)
    }
}
