//! An operation under way: its phases and the tasks of the current one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::stack::{Resource, Settings};
use crate::tags::Tags;

/// Create, update or delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Making and changing what the template says.
    Deploy,
    /// Putting back what an update changed, or deleting what a create made.
    Rollback,
    /// Deleting what an update no longer needs.
    Cleanup,
    /// Deleting what a failed update made.
    RollbackCleanup,
    /// Deleting the stack.
    Delete,
    /// Failed and waiting for the user: `UPDATE_FAILED`, `UPDATE_ROLLBACK_FAILED`.
    Paused,
}

/// One operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) phase: Phase,
    pub(super) token: Option<String>,
    /// What to go back to.
    pub(super) previous: Option<Settings>,
    /// The stack's status before the operation.
    pub(super) previous_status: String,
    /// When the phase makes its tasks; `None` once it has.
    pub(super) begin_at: Option<f64>,
    /// When the phase ends; `None` while tasks run.
    pub(super) settle_at: Option<f64>,
    /// When a create has taken too long.
    pub(super) deadline: Option<f64>,
    pub(super) tasks: BTreeMap<String, Task>,
    /// The first failure's reason where it is the stack's and not a resource's.
    pub(super) failure: Option<String>,
    /// Set as soon as a task fails: nothing new starts.
    pub(super) failing: bool,
    /// What each touched resource was before; `None` where it was not.
    pub(super) before: BTreeMap<String, Option<Resource>>,
    /// What each resource that the operation left alone depended on, and how it was tagged.
    #[serde(default)]
    pub(super) left_alone: BTreeMap<String, (BTreeSet<String>, Tags)>,
    /// Objects to delete when the operation cleans up.
    pub(super) doomed: Vec<Doomed>,
    /// Resources that a delete leaves alone, or that a rollback skips.
    pub(super) skip: BTreeSet<String>,
    /// Properties as events show them.
    pub(super) shown: BTreeMap<String, String>,
    pub(super) change_set: Option<String>,
    /// Whether a delete leaves behind what cannot be deleted.
    #[serde(default)]
    pub(super) force: bool,
}

/// An object that has outlived its resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Doomed {
    pub(super) logical_id: String,
    pub(super) resource: Resource,
    /// Whether a replacement has taken its place, so that the resource's own status stays.
    pub(super) replaced: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) job: Job,
    pub(super) logical_id: String,
    /// The tasks that have to be done first.
    pub(super) after: BTreeSet<String>,
    pub(super) state: State,
    /// The resource as the task is to leave it.
    pub(super) target: Option<Box<Resource>>,
    /// When the service was called.
    pub(super) since: f64,
}

impl Task {
    pub(super) fn new(job: Job, logical_id: &str, after: BTreeSet<String>) -> Self {
        Self {
            job,
            logical_id: logical_id.to_owned(),
            after,
            state: State::Waiting,
            target: None,
            since: 0.0,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// Makes or changes a resource as the template says.
    Apply,
    /// Puts a resource back as it was.
    Restore,
    /// Deletes a resource.
    Delete,
    /// Deletes an object of `doomed`.
    Remove(Box<Doomed>),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum State {
    Waiting,
    /// The service is called at this time.
    Starting(f64),
    /// The object is ready at this time.
    Settling(f64),
    Done,
    Failed,
}

impl Operation {
    pub(super) fn new(kind: Kind, phase: Phase, begin_at: f64, token: Option<&str>) -> Self {
        Self {
            kind,
            phase,
            token: token.map(str::to_owned),
            previous: None,
            previous_status: String::new(),
            begin_at: Some(begin_at),
            settle_at: None,
            deadline: None,
            tasks: BTreeMap::new(),
            failure: None,
            failing: false,
            before: BTreeMap::new(),
            left_alone: BTreeMap::new(),
            doomed: Vec::new(),
            skip: BTreeSet::new(),
            shown: BTreeMap::new(),
            change_set: None,
            force: false,
        }
    }

    pub(super) fn next_due(&self) -> Option<f64> {
        let tasks = self.tasks.values().filter_map(|task| match task.state {
            State::Starting(at) | State::Settling(at) => Some(at),
            _ => None,
        });
        let deadline = self.deadline.filter(|_| self.phase == Phase::Deploy && !self.failing);
        tasks.chain(self.begin_at).chain(self.settle_at).chain(deadline).min_by(f64::total_cmp)
    }

    /// Goes over to another phase, whose tasks are made at `at`.
    pub(super) fn enter(&mut self, phase: Phase, at: f64) {
        self.phase = phase;
        self.begin_at = Some(at);
        self.settle_at = None;
        self.tasks.clear();
        self.failing = false;
        self.failure = None;
    }

    pub(super) fn running(&self) -> bool {
        self.tasks
            .values()
            .any(|task| matches!(task.state, State::Starting(_) | State::Settling(_)))
    }

    /// The logical ids of the failed tasks.
    pub(super) fn failed(&self) -> BTreeSet<String> {
        self.tasks
            .values()
            .filter(|task| task.state == State::Failed)
            .map(|task| task.logical_id.clone())
            .collect()
    }

    /// The tasks that may start: waiting, with everything before them done.
    pub(super) fn ready(&self) -> Vec<String> {
        if self.failing {
            return Vec::new();
        }
        self.tasks
            .iter()
            .filter(|(_, task)| {
                task.state == State::Waiting
                    && task.after.iter().all(|before| {
                        self.tasks.get(before).is_none_or(|task| task.state == State::Done)
                    })
            })
            .map(|(key, _)| key.clone())
            .collect()
    }
}
