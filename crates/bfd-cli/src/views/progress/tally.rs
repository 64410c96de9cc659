//! Counts what a run has done, from its entries alone.

use crate::views::{failure::turned_back, time::seconds_between};
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
    /// Deploy steps known to have something to undo.
    effective: BTreeSet<StepId>,
    /// Deploy steps that may have something to undo: those, and what is under way. Nothing is
    /// added once the run has turned back, so that what a rollback counts to stays the same.
    touched: BTreeSet<StepId>,
    /// How many of `touched` a rollback has seen to.
    settled: usize,
    /// Deploy steps that have yet to succeed; with none the run has pivoted.
    deploys_left: usize,
    unwinding: bool,
    canceled: bool,
    taken_back: bool,
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
            touched: BTreeSet::new(),
            settled: 0,
            deploys_left: plan.steps.iter().filter(|step| step.phase == Phase::Deploy).count(),
            unwinding: false,
            canceled: false,
            taken_back: false,
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
                if deploy {
                    self.touched.insert(step.id);
                }
                self.began.insert(step.id, entry.at.clone());
                None
            }
            Event::Succeeded { .. } => {
                self.done += 1;
                if deploy {
                    self.effective.insert(step.id);
                    self.deploys_left -= 1;
                }
                self.took(step.id, &entry.at)
            }
            Event::Failed { left, failure } => {
                if deploy && left.is_some() {
                    self.effective.insert(step.id);
                } else if deploy && self.unwinding {
                    self.settled += 1;
                } else if deploy {
                    self.touched.remove(&step.id);
                }
                if !turned_back(failure) {
                    self.failed.get_or_insert_with(|| step.address.clone());
                }
                self.took(step.id, &entry.at)
            }
            Event::UndoSucceeded { .. } => {
                self.settled += 1;
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

    /// `[12/34]`: steps done, or while rolling back, steps that need no undo any more.
    pub(crate) fn number(&self) -> String {
        let (done, of) = self.position();
        let width = of.to_string().len();
        format!("[{done:width$}/{of}]")
    }

    pub(crate) fn position(&self) -> (usize, usize) {
        if self.unwinding { (self.settled, self.touched.len()) } else { (self.done, self.steps) }
    }

    pub(crate) fn unwinding(&self) -> bool {
        self.unwinding
    }

    /// What a rollback begins with: steps to undo, and steps under way that may need it.
    pub(crate) fn to_undo(&self) -> (usize, usize) {
        (self.effective.len(), self.touched.len() - self.effective.len())
    }

    /// Whether there is no way back any more.
    pub(crate) fn pivoted(&self) -> bool {
        self.deploys_left == 0
    }

    /// A later process rolls the run back; that is why, unless there was a reason before.
    pub(crate) fn take_back(&mut self) {
        self.taken_back = self.failed.is_none() && !self.canceled;
    }

    /// Why the run turned back.
    pub(crate) fn why(&self) -> String {
        match &self.failed {
            _ if self.taken_back => "interrupted".to_owned(),
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
