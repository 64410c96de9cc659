//! What happened to each step, and what that makes of the state.

use crate::{
    Address, ResourceState, State,
    plan::{Op, StepId},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One line of the journal, and one progress event: there is no other record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Orders the journal. Wall time is for people and decides nothing.
    pub seq: u64,
    /// When it was recorded, in RFC 3339; for people.
    pub at: String,
    /// The step it is about; absent for what concerns the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    pub event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Started,
    /// Something worth telling while a step is under way. Changes nothing.
    Progress {
        message: String,
    },
    Succeeded {
        result: Option<ResourceState>,
    },
    /// `left` is what the failed call created or changed all the same.
    Failed {
        failure: Failure,
        left: Option<ResourceState>,
    },
    UndoStarted,
    UndoSucceeded {
        result: Option<ResourceState>,
    },
    UndoFailed {
        failure: Failure,
    },
    /// The user asked the run to stop and roll back.
    Canceled,
}

impl Event {
    /// Whether losing this entry would lose knowledge about the cloud.
    pub fn must_be_durable(&self) -> bool {
        !matches!(self, Self::Progress { .. })
    }
}

/// Why a step failed, flattened, because the journal outlives the error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    /// The call that failed, such as `ecs:CreateService`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What was seen around it: stop reasons, exit codes, last log lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    Pending,
    Started,
    Succeeded { result: Option<ResourceState> },
    Failed { left: Option<ResourceState> },
    Undoing { result: Option<ResourceState> },
    Undone { result: Option<ResourceState> },
    UndoFailed { result: Option<ResourceState> },
}

#[derive(Debug, Error, PartialEq)]
#[error("step {step:?} cannot go from {from} on {event:?}")]
pub struct IllegalTransition {
    pub step: Option<StepId>,
    pub from: &'static str,
    pub event: Box<Event>,
}

impl Status {
    pub(crate) fn next(&self, step: StepId, event: &Event) -> Result<Self, IllegalTransition> {
        Ok(match (self, event) {
            (status, Event::Progress { .. }) => status.clone(),
            // A crash can lose the end of a step, never its beginning, so recovery starts it again.
            (Self::Pending | Self::Started, Event::Started) => Self::Started,
            (Self::Started, Event::Succeeded { result }) => {
                Self::Succeeded { result: result.clone() }
            }
            (Self::Started, Event::Failed { left, .. }) => Self::Failed { left: left.clone() },
            (
                Self::Succeeded { result }
                | Self::Failed { left: result @ Some(_) }
                | Self::Undoing { result }
                | Self::UndoFailed { result },
                Event::UndoStarted,
            ) => Self::Undoing { result: result.clone() },
            (Self::Undoing { .. }, Event::UndoSucceeded { result }) => {
                Self::Undone { result: result.clone() }
            }
            (Self::Undoing { result }, Event::UndoFailed { .. }) => {
                Self::UndoFailed { result: result.clone() }
            }
            (from, event) => {
                let (step, event) = (Some(step), Box::new(event.clone()));
                return Err(IllegalTransition { step, from: from.name(), event });
            }
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Started => "started",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Undoing { .. } => "undoing",
            Self::Undone { .. } => "undone",
            Self::UndoFailed { .. } => "undo_failed",
        }
    }

    /// Whether the step may have something in the cloud that an undo must see to.
    pub(crate) fn unsettled(&self) -> bool {
        !matches!(self, Self::Pending | Self::Failed { left: None } | Self::Undone { .. })
    }

    pub(crate) fn undoable(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Failed { left: Some(_) })
    }
}

/// Brings `state` up to date with one step, whatever it was before.
pub(crate) fn fold_step(state: &mut State, at: &Address, op: &Op, status: &Status) {
    match status {
        Status::Succeeded { result }
        | Status::Failed { left: result @ Some(_) }
        | Status::Undoing { result }
        | Status::UndoFailed { result } => took_effect(state, at, op, result.as_ref()),
        // What was adopted and given back is not ours to record.
        Status::Undone { result: Some(restored) } if !matches!(op, Op::Adopt { .. }) => {
            state.resources.insert(at.clone(), restored.clone());
        }
        Status::Undone { .. }
        | Status::Pending
        | Status::Started
        | Status::Failed { left: None } => {}
    }
}

fn took_effect(state: &mut State, at: &Address, op: &Op, result: Option<&ResourceState>) {
    match (op, result) {
        (Op::Create { .. }, Some(new)) => {
            if let Some(old) = state.resources.insert(at.clone(), new.clone()) {
                state.deposed.entry(at.clone()).or_default().push(old);
            }
        }
        // A delete with a result is one that failed: the object is still there.
        (Op::Update { .. } | Op::Adopt { .. } | Op::Delete { .. }, Some(new)) => {
            state.resources.insert(at.clone(), new.clone());
        }
        (Op::Delete { prior }, None) => {
            if state.resources.get(at).is_some_and(|current| current.id == prior.id) {
                state.resources.remove(at);
            } else if let Some(old) = state.deposed.get_mut(at) {
                old.retain(|deposed| deposed.id != prior.id);
                if old.is_empty() {
                    state.deposed.remove(at);
                }
            }
        }
        (Op::Create { .. } | Op::Update { .. } | Op::Adopt { .. }, None) => {}
    }
}
