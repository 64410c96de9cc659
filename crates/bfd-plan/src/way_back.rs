//! In which order the steps of a plan are undone.

use bfd_core::plan::{Phase, Step, StepId};

/// The undos of a plan: dependents first, but for what takes over from others.
#[derive(Clone, Debug)]
pub(crate) struct WayBack {
    /// By step: those whose undos wait for its own.
    next: Vec<Vec<usize>>,
    /// One after the other, each behind what it waits for. Shorter than the plan when some wait
    /// in a circle.
    order: Vec<usize>,
}

impl WayBack {
    pub(crate) fn of<'a>(steps: impl ExactSizeIterator<Item = &'a Step> + Clone) -> Self {
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
        let mut waiting = vec![0_usize; steps.len()];
        let is_deploy: Vec<bool> = steps.clone().map(|step| step.phase == Phase::Deploy).collect();
        let mut wait = |first: usize, later: usize| {
            // What is cleaned up is not undone.
            if is_deploy[first] && is_deploy[later] {
                next[first].push(later);
                waiting[later] += 1;
            }
        };
        for (at, step) in steps.enumerate() {
            step.after.difference(&step.undone_after).for_each(|id| wait(at, id.index()));
            step.undone_after.iter().for_each(|id| wait(id.index(), at));
        }
        let mut free: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at] == 0).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(at) = free.pop() {
            order.push(at);
            for later in &next[at] {
                waiting[*later] -= 1;
                if waiting[*later] == 0 {
                    free.push(*later);
                }
            }
        }
        Self { next, order }
    }

    /// Whether no undo waits for itself.
    pub(crate) fn has_end(&self) -> bool {
        self.order.len() == self.next.len()
    }

    pub(crate) fn order(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.order.iter().copied()
    }

    /// The steps whose undos wait for that of a step.
    pub(crate) fn next(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.next[at].iter().copied()
    }

    /// Whether the undo of one waits for that of the other.
    pub(crate) fn waits(&self, later: usize, first: usize) -> bool {
        self.next[first].contains(&later)
    }
}

/// Every step that has to succeed before one of these.
pub(crate) fn ancestors(steps: &[(Step, u64)], of: impl Iterator<Item = StepId>) -> Vec<bool> {
    let mut behind = vec![false; steps.len()];
    let mut waiting: Vec<StepId> = of.flat_map(|id| steps[id.index()].0.after.clone()).collect();
    while let Some(id) = waiting.pop() {
        if !std::mem::replace(&mut behind[id.index()], true) {
            waiting.extend(steps[id.index()].0.after.iter().copied());
        }
    }
    behind
}
