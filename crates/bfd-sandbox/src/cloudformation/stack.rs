//! What is remembered of a stack.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change_set::ChangeSet;
use super::drift::Detection;
use super::operation::Operation;
use super::parameters::Parameter;
use super::template::Policy;
use crate::tags::Tags;

/// Every stack of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stacks {
    /// By id, the deleted ones included: AWS shows those for 90 days.
    pub(super) all: BTreeMap<String, Stack>,
    /// Scripted failures by `Stack/LogicalId`.
    pub(super) fail_resources: BTreeMap<String, String>,
    /// What a `ClientRequestToken` was answered with.
    pub(super) tokens: BTreeMap<String, Remembered>,
}

/// A request that a token stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) fingerprint: String,
    pub(super) answer: String,
}

/// One stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stack {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) created: f64,
    pub(super) updated: Option<f64>,
    pub(super) deleted: Option<f64>,
    pub(super) settings: Settings,
    pub(super) disable_rollback: bool,
    /// Whether a rollback deletes what the operation made, whatever its policy.
    #[serde(default)]
    pub(super) retain_except_on_create: bool,
    pub(super) on_failure: OnFailure,
    pub(super) timeout_minutes: Option<u32>,
    pub(super) termination_protection: bool,
    pub(super) policy: Option<String>,
    pub(super) change_set_id: Option<String>,
    pub(super) outputs: BTreeMap<String, Output>,
    /// The exports of other stacks that this one reads.
    pub(super) imports: BTreeSet<String>,
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) events: Vec<Event>,
    pub(super) change_sets: Vec<ChangeSet>,
    pub(super) operation: Option<Operation>,
    /// The stack that this one is nested in, and the outermost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root_id: Option<String>,
    /// What a nested stack was before its parent last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) restorable: Option<Settings>,
    /// Looks for drift, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) detections: Vec<Detection>,
    /// How it was last asked to be deleted, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_mode: Option<String>,
}

/// What an operation sets out to make of a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) template: String,
    pub(super) description: Option<String>,
    /// Values of `NoEcho` parameters are sealed.
    pub(super) parameters: BTreeMap<String, Parameter>,
    pub(super) tags: Tags,
    pub(super) notification_arns: Vec<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) role_arn: Option<String>,
}

/// What a failed create leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum OnFailure {
    #[default]
    Rollback,
    Delete,
    DoNothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    pub(super) value: String,
    pub(super) description: Option<String>,
    pub(super) export: Option<String>,
}

/// One resource of a stack, as it is or was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resource {
    pub(super) kind: String,
    /// Empty until the object exists.
    pub(super) physical_id: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) at: f64,
    /// As evaluated when it was last made or changed; sealed text where a `NoEcho` value may
    /// be in it.
    pub(super) properties: Value,
    pub(super) attributes: BTreeMap<String, Value>,
    pub(super) metadata: Option<Value>,
    pub(super) deletion_policy: Policy,
    pub(super) replace_policy: Policy,
    pub(super) depends_on: BTreeSet<String>,
    /// The stack's tags that it carries.
    pub(super) tags: Tags,
}

impl Resource {
    /// Whether there is an object behind it.
    pub(super) fn exists(&self) -> bool {
        !self.physical_id.is_empty() && self.status != "DELETE_COMPLETE"
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) at: f64,
    pub(super) logical_id: String,
    pub(super) physical_id: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) properties: Option<String>,
    pub(super) token: Option<String>,
}

impl Stack {
    pub(super) fn new(id: String, name: String, now: f64) -> Self {
        Self {
            id,
            name,
            status: String::new(),
            reason: None,
            created: now,
            updated: None,
            deleted: None,
            settings: Settings::default(),
            disable_rollback: false,
            retain_except_on_create: false,
            on_failure: OnFailure::default(),
            timeout_minutes: None,
            termination_protection: false,
            policy: None,
            change_set_id: None,
            outputs: BTreeMap::new(),
            imports: BTreeSet::new(),
            resources: BTreeMap::new(),
            events: Vec::new(),
            change_sets: Vec::new(),
            operation: None,
            parent_id: None,
            root_id: None,
            restorable: None,
            detections: Vec::new(),
            deletion_mode: None,
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.status == "DELETE_COMPLETE"
    }

    /// When something next happens to the stack by itself.
    pub(super) fn next_due(&self) -> Option<f64> {
        let pending = self.change_sets.iter().filter_map(|set| set.ready_at);
        let operation = self.operation.as_ref().and_then(Operation::next_due);
        pending.chain(operation).min_by(f64::total_cmp)
    }
}

impl Stacks {
    /// The stack of a name, or of an id even when it is deleted.
    pub(super) fn find(&self, name_or_id: &str) -> Option<&Stack> {
        if name_or_id.starts_with("arn:") {
            return self.all.get(name_or_id);
        }
        self.all.values().find(|stack| stack.name == name_or_id && !stack.is_deleted())
    }

    pub(super) fn find_mut(&mut self, name_or_id: &str) -> Option<&mut Stack> {
        let id = self.find(name_or_id)?.id.clone();
        self.all.get_mut(&id)
    }

    /// Every export with its value and the id of its stack.
    pub(super) fn exports(&self) -> BTreeMap<String, (String, String)> {
        let mut exports = BTreeMap::new();
        for stack in self.all.values().filter(|stack| !stack.is_deleted()) {
            for output in stack.outputs.values() {
                if let Some(name) = &output.export {
                    exports.insert(name.clone(), (output.value.clone(), stack.id.clone()));
                }
            }
        }
        exports
    }

    /// The names of the stacks that import an export.
    pub(super) fn importers(&self, export: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .all
            .values()
            .filter(|stack| !stack.is_deleted() && stack.imports.contains(export))
            .map(|stack| stack.name.clone())
            .collect();
        names.sort();
        names
    }
}

/// `A, B and C`, as AWS lists the users of an export.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
