use crate::{
    Address, State,
    journal::{Entry, Event, IllegalTransition, Status, fold_step},
    plan::{Phase, Plan, Step, StepId},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// One execution of a plan, as a state machine: events in, tasks out.
///
/// Every event costs time in proportion to the edges of its own step, so a run
/// costs time in proportion to its plan.
#[derive(Clone, Debug)]
pub struct Run {
    plan: Plan,
    statuses: Vec<Status>,
    dependents: Vec<Vec<StepId>>,
    /// Per step: how many of the steps before it have not succeeded.
    waiting: Vec<u32>,
    /// Per step: how many of the steps whose undos go before its own would still have to be undone.
    blockers: Vec<u32>,
    /// Per step: those whose undo waits for its own, though they come after it.
    undone_next: Vec<Vec<StepId>>,
    /// Steps that may start, the longest path first.
    ready: BTreeSet<(Reverse<u64>, StepId)>,
    /// Cleanup steps that wait for nothing but the pivot.
    held: BTreeSet<(Reverse<u64>, StepId)>,
    /// Steps whose undo may start; the last started is undone first.
    undo_ready: BTreeSet<Reverse<StepId>>,
    deploys_left: usize,
    /// What the run has made of the plan's refreshed state so far.
    state: State,
    steps_of: BTreeMap<Address, Vec<StepId>>,
    failed: bool,
    canceled: bool,
    unwinding: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Do(StepId),
    Undo(StepId),
}

impl Task {
    pub fn step(self) -> StepId {
        match self {
            Self::Do(step) | Self::Undo(step) => step,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step took effect.
    Applied,
    /// The new resources are live, but something old could not be deleted.
    CleanupPending,
    /// A step failed and everything before it was undone.
    RolledBack,
    /// A step failed, and rolling back was switched off.
    Stopped,
    /// A step failed and so did an undo. A person must look.
    Stuck,
}

impl Run {
    pub fn new(plan: Plan) -> Self {
        let count = plan.steps.len();
        let mut run = Self {
            statuses: vec![Status::Pending; count],
            dependents: vec![Vec::new(); count],
            waiting: vec![0; count],
            blockers: vec![0; count],
            undone_next: vec![Vec::new(); count],
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
            undo_ready: BTreeSet::new(),
            deploys_left: plan.steps.iter().filter(|s| s.phase == Phase::Deploy).count(),
            state: plan.refreshed.clone(),
            steps_of: BTreeMap::new(),
            failed: false,
            canceled: false,
            unwinding: false,
            plan,
        };
        for step in &run.plan.steps {
            run.waiting[step.id.index()] =
                u32::try_from(step.after.len()).expect("fewer than 2^32 edges");
            run.steps_of.entry(step.address.clone()).or_default().push(step.id);
            for before in &step.after {
                run.dependents[before.index()].push(step.id);
            }
            for before in &step.undone_after {
                run.undone_next[before.index()].push(step.id);
            }
        }
        for index in 0..count {
            if run.waiting[index] == 0 {
                run.release(index);
            }
        }
        run
    }

    /// Continues a run from its journal. Undos that failed are tried again.
    pub fn resume(plan: Plan, entries: &[Entry]) -> Result<Self, IllegalTransition> {
        let mut run = Self::new(plan);
        for entry in entries {
            run.record(entry.step, &entry.event)?;
        }
        for index in 0..run.statuses.len() {
            if matches!(run.statuses[index], Status::UndoFailed { .. }) && run.blockers[index] == 0
            {
                run.undo_ready.insert(Reverse(run.plan.steps[index].id));
            }
        }
        Ok(run)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn status(&self, step: StepId) -> &Status {
        &self.statuses[step.index()]
    }

    /// Whether every deploy step has taken effect. From here the run only goes forward; one
    /// that was on its way back when the last of them succeeded still is.
    pub fn pivoted(&self) -> bool {
        self.is_deployed() && !self.unwinding
    }

    /// Whether every deploy step has taken effect, whatever came then.
    fn is_deployed(&self) -> bool {
        self.deploys_left == 0
    }

    /// Whether the run is on its way back.
    pub fn unwinding(&self) -> bool {
        self.unwinding
    }

    pub fn record(&mut self, step: Option<StepId>, event: &Event) -> Result<(), IllegalTransition> {
        let Some(step) = step else {
            if *event != Event::Canceled {
                return Err(IllegalTransition {
                    step: None,
                    from: "run",
                    event: Box::new(event.clone()),
                });
            }
            self.canceled = true;
            self.turn_back();
            return Ok(());
        };
        let Some(before) = self.statuses.get(step.index()) else {
            return Err(IllegalTransition {
                step: Some(step),
                from: "nowhere",
                event: Box::new(event.clone()),
            });
        };
        let after = before.next(step, event)?;
        let was = before.clone();
        self.statuses[step.index()] = after;
        if !matches!(event, Event::Progress { .. }) {
            self.refold(step);
            self.count_blockers(step, &was);
            self.react(step);
        }
        Ok(())
    }

    /// Brings the state up to date at one address. A replacement has two steps
    /// there, so all of them are folded again, from what there was before.
    fn refold(&mut self, step: StepId) {
        let at = &self.plan.step(step).address;
        match self.plan.refreshed.resources.get(at) {
            Some(before) => self.state.resources.insert(at.clone(), before.clone()),
            None => self.state.resources.remove(at),
        };
        match self.plan.refreshed.deposed.get(at) {
            Some(before) => self.state.deposed.insert(at.clone(), before.clone()),
            None => self.state.deposed.remove(at),
        };
        for id in &self.steps_of[at] {
            let step = &self.plan.steps[id.index()];
            fold_step(&mut self.state, at, &step.op, &self.statuses[id.index()]);
        }
    }

    fn react(&mut self, step: StepId) {
        let phase = self.plan.step(step).phase;
        match &self.statuses[step.index()] {
            Status::Started => {
                let key = (Reverse(self.plan.step(step).path_seconds), step);
                self.ready.remove(&key);
                self.held.remove(&key);
            }
            Status::Succeeded { .. } => {
                if phase == Phase::Deploy {
                    self.deploys_left -= 1;
                    if self.is_deployed() {
                        self.ready.append(&mut self.held);
                    }
                }
                for index in 0..self.dependents[step.index()].len() {
                    let next = self.dependents[step.index()][index].index();
                    self.waiting[next] -= 1;
                    if self.waiting[next] == 0 && self.statuses[next] == Status::Pending {
                        self.release(next);
                    }
                }
                self.offer_undo(step);
            }
            Status::Failed { .. } => {
                if phase == Phase::Deploy {
                    self.failed = true;
                    self.turn_back();
                }
                self.offer_undo(step);
            }
            Status::Undoing { .. } => {
                self.undo_ready.remove(&Reverse(step));
                self.unwinding = true;
            }
            Status::Pending | Status::Undone { .. } | Status::UndoFailed { .. } => {}
        }
    }

    fn release(&mut self, index: usize) {
        let step = &self.plan.steps[index];
        let key = (Reverse(step.path_seconds), step.id);
        if step.phase == Phase::Deploy || self.is_deployed() {
            self.ready.insert(key);
        } else {
            self.held.insert(key);
        }
    }

    /// An undo waits for every step whose undo goes before it. Of those that are undone after it
    /// though they come later it waits only while they are under way: nothing changes below a call.
    fn count_blockers(&mut self, step: StepId, was: &Status) {
        let is = &self.statuses[step.index()];
        let unsettled = (was.unsettled(), is.unsettled());
        let under_way = (*was == Status::Started, *is == Status::Started);
        let one = self.plan.step(step);
        let before = one.after.difference(&one.undone_after).map(|id| (*id, unsettled));
        let below = one.undone_after.iter().map(|id| (*id, under_way));
        let next = self.undone_next[step.index()].iter().map(|id| (*id, unsettled));
        let blocked: Vec<(StepId, (bool, bool))> = before.chain(below).chain(next).collect();
        for (other, change) in blocked {
            match change {
                (false, true) => self.blockers[other.index()] += 1,
                (true, false) => {
                    self.blockers[other.index()] -= 1;
                    self.offer_undo(other);
                }
                (false, false) | (true, true) => {}
            }
        }
    }

    /// Starts to unwind, once, unless there is nothing that may be undone any more.
    fn turn_back(&mut self) {
        if self.unwinding
            || self.is_deployed()
            || (self.failed && !self.canceled && !self.plan.rollback.on_failure)
        {
            return;
        }
        self.unwinding = true;
        for index in 0..self.plan.steps.len() {
            self.offer_undo(self.plan.steps[index].id);
        }
    }

    fn offer_undo(&mut self, step: StepId) {
        let deploy = self.plan.step(step).phase == Phase::Deploy;
        if self.unwinding
            && deploy
            && self.blockers[step.index()] == 0
            && self.statuses[step.index()].undoable()
        {
            self.undo_ready.insert(Reverse(step));
        }
    }

    /// The state that this run has made so far: what references see.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is to be recorded of this run if it ends here.
    pub fn record_of_state(&self) -> State {
        self.plan.recording_the_missing(self.state.clone())
    }

    /// The tasks that may start now, most urgent first; none when all must wait.
    ///
    /// They are offered again until their start is recorded.
    pub fn next_tasks(&self, limit: usize) -> Vec<Task> {
        if self.unwinding {
            self.undo_ready.iter().take(limit).map(|step| Task::Undo(step.0)).collect()
        } else if self.canceled || (self.failed && !self.is_deployed()) {
            // After the pivot there is no way back, but nothing new has to start.
            Vec::new()
        } else {
            self.ready.iter().take(limit).map(|(_, step)| Task::Do(*step)).collect()
        }
    }

    /// Steps that an earlier process started and never finished.
    pub fn interrupted(&self) -> Vec<Task> {
        let task = |step: &Step| match self.status(step.id) {
            Status::Started => Some(Task::Do(step.id)),
            Status::Undoing { .. } => Some(Task::Undo(step.id)),
            _ => None,
        };
        self.plan.steps.iter().filter_map(task).collect()
    }

    /// How the run ended. Meaningful once nothing is running and nothing may start.
    pub fn outcome(&self) -> Outcome {
        let any = |test: fn(&Status) -> bool| self.statuses.iter().any(test);
        if any(|status| matches!(status, Status::UndoFailed { .. })) {
            Outcome::Stuck
        } else if self.unwinding {
            Outcome::RolledBack
        } else if self.failed || !self.is_deployed() {
            Outcome::Stopped
        } else if any(|status| !matches!(status, Status::Succeeded { .. })) {
            Outcome::CleanupPending
        } else {
            Outcome::Applied
        }
    }
}
