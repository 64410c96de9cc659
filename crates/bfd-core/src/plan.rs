//! A plan is the exact list of steps that apply will take.

use crate::{Address, Environment, Inputs, Kind, ResourceState, State, StateVersion, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the plan's own format, saved and shown.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub format_version: u32,
    pub environment: Environment,
    /// Set when the calls do not go to AWS's own endpoints.
    pub endpoint: Option<String>,
    /// The state this plan was computed from; apply refuses any other.
    pub base: StateVersion,
    /// The recorded state, brought up to date with what was observed.
    /// A run starts from it, so that references see what is really there.
    pub refreshed: State,
    /// What is recorded and was not found. It stays recorded until a step at its
    /// address has taken effect: the read may have been older than the object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Address, ResourceState>,
    /// What happens to each resource that changes.
    pub changes: Vec<Change>,
    /// How many resources stay as they are.
    pub unchanged: usize,
    /// In topological order, indexed by [`StepId`].
    pub steps: Vec<Step>,
    pub drift: Vec<Drift>,
    /// What was changed within stacks, where the cloud was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack_drift: Vec<StackDrift>,
    /// What the cloud itself says that changes of stacks would do, where it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<Preview>,
    /// The run whose environment it goes back to, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<String>,
    pub warnings: Vec<Warning>,
    /// When not empty: only these were looked at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub targets: BTreeSet<Address>,
    pub rollback: RollbackPlan,
}

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub on_failure: bool,
    /// Seconds from the moment of failure until a rollback is given up.
    pub deadline: u64,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { on_failure: true, deadline: 300 }
    }
}

/// What a plan does when a step fails, and how long that takes at worst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackPlan {
    pub on_failure: bool,
    /// Seconds from the moment of failure until a rollback is given up.
    pub deadline: u64,
    /// Absent when there is nothing to undo, and in plans that were saved without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
}

impl From<Rollback> for RollbackPlan {
    fn from(rollback: Rollback) -> Self {
        Self { on_failure: rollback.on_failure, deadline: rollback.deadline, estimate: None }
    }
}

/// The worst case of a run that fails: until the failure is known, and until all is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The longest any one change takes to be known as bad.
    pub detection: Share,
    /// The longest chain of undos, dependents before what they depend on.
    pub undo: Share,
}

impl Estimate {
    pub fn seconds(&self) -> u64 {
        self.detection.seconds.saturating_add(self.undo.seconds)
    }
}

/// Part of an [`Estimate`], and what has the most of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub seconds: u64,
    /// The resource that takes the longest.
    pub address: Address,
    /// What its fields account for, the longest first.
    pub fields: Vec<FieldSeconds>,
}

/// What one field of the manifest accounts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSeconds {
    /// From the top of the manifest: `service.web.container.web.health_check.interval`.
    pub field: String,
    pub seconds: u64,
}

/// A duration in words: `45 s`, `2 min 40 s`, `1 h 5 min`.
pub fn in_words(seconds: u64) -> String {
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let said: Vec<String> = parts
        .iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount} {unit}"))
        .collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl StepId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub address: Address,
    pub kind: Kind,
    pub action: Action,
    pub fields: Vec<FieldChange>,
    pub undo: Undo,
    /// Whether what is stored within the object is lost, or may be, though the object stays: the
    /// table of a stack, deleted or replaced by an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loses_data: bool,
    /// Why an undo is not exact, or why a replacement is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Change {
    /// Whether an object goes, or what is stored in one: what guards are asked about.
    pub fn removes(&self) -> bool {
        self.goes() || self.loses_data
    }

    /// Whether the object itself goes.
    pub fn goes(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Replace)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    Replace,
    Delete,
    Adopt,
}

/// One field that changes, by its path in the canonical form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Dotted; a list is one field.
    pub path: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// The values are digests of secrets.
    pub sensitive: bool,
    /// `false`: known after apply.
    pub known: bool,
    pub effect: Effect,
}

/// What a change of a field does to the running object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    None,
    RestartsTasks,
    Replaces,
}

/// How well a rollback restores the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    Exact,
    Approximate,
    None,
}

/// Less is left of what an undo goes back to than the plan promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoProblem {
    pub address: Address,
    /// The promise that can still be made; absent where nobody could find out.
    pub undo: Option<Undo>,
    /// What is missing, and what that means.
    pub message: String,
    pub help: Option<String>,
}

/// An object that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub address: Address,
    /// The object is no longer there.
    #[serde(default)]
    pub gone: bool,
    /// `before` is recorded, `after` is observed.
    pub fields: Vec<FieldChange>,
}

/// What was changed within a stack since its template was applied. A plan cannot repair it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackDrift {
    pub address: Address,
    /// How many resources are as the template says.
    pub in_sync: usize,
    /// How many are of types that the cloud does not look at.
    pub not_checked: usize,
    /// Those that are not, by logical id.
    pub resources: Vec<DriftedResource>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftedResource {
    /// Of a resource in a nested stack with the ids of the stacks around it: `Network/Vpc`.
    pub logical_id: String,
    #[serde(rename = "type")]
    pub type_name: String,
    /// The object is no longer there.
    pub deleted: bool,
    /// `before` is what the template says, `after` what is there.
    pub fields: Vec<FieldChange>,
}

/// What the cloud says that a change of a stack would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    pub address: Address,
    /// By logical id.
    pub resources: Vec<PreviewedResource>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewedResource {
    /// Of a resource in a nested stack with the ids of the stacks around it: `Network/Vpc`.
    pub logical_id: String,
    #[serde(rename = "type")]
    pub type_name: String,
    /// In the cloud's own words: `Add`, `Modify`, `Remove`, `Import`, `Dynamic`.
    pub action: String,
    pub replacement: Replacement,
    /// In the cloud's own words: `Properties`, `Tags`, `Metadata`.
    pub scope: Vec<String>,
    /// The properties that differ.
    pub properties: Vec<String>,
    /// What becomes of an object that goes, in the cloud's own words: `Retain`, `Snapshot`,
    /// `ReplaceAndRetain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Whether another object takes the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    No,
    Maybe,
    Always,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub address: Option<Address>,
    pub message: String,
    pub help: Option<String>,
}

/// One operation apply will perform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub address: Address,
    pub phase: Phase,
    pub op: Op,
    pub after: BTreeSet<StepId>,
    /// Which of those are undone before this one is, where an undo goes the other way round: this
    /// one takes over what they hold, and shall find what they held before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub undone_after: BTreeSet<StepId>,
    /// Estimated seconds of the longest path that starts here. When a limit
    /// holds steps back, the largest goes first.
    pub path_seconds: u64,
}

/// Deploy steps can be undone; cleanup steps cannot, so they run last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Deploy,
    Cleanup,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Create {
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    },
    /// `prior` is the object as observed, in the fields that were recorded.
    Update {
        prior: ResourceState,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    },
    /// Takes over an object that exists, changing what differs.
    Adopt {
        prior: ResourceState,
        inputs: Inputs,
        depends_on: BTreeSet<Address>,
    },
    Delete {
        prior: ResourceState,
    },
}

impl Op {
    /// A word for the operation, for people and for the plan's JSON.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Adopt { .. } => "adopt",
            Self::Delete { .. } => "delete",
        }
    }
}

/// How many resources each action touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub unchanged: usize,
}

impl Plan {
    /// Whether anything within stacks is not as their templates say.
    pub fn has_stack_drift(&self) -> bool {
        self.stack_drift.iter().any(|stack| !stack.resources.is_empty())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub fn summary(&self) -> Summary {
        let mut summary = Summary { unchanged: self.unchanged, ..Summary::default() };
        for change in &self.changes {
            *match change.action {
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Replace => &mut summary.replace,
                Action::Delete => &mut summary.delete,
                Action::Adopt => &mut summary.adopt,
            } += 1;
        }
        summary
    }

    /// `state` with what was not found, where nothing has taken its place.
    pub fn recording_the_missing(&self, mut state: State) -> State {
        for (address, missing) in &self.missing {
            state.resources.entry(address.clone()).or_insert_with(|| missing.clone());
        }
        state
    }

    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.index()]
    }
}
