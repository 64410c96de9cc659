use crate::{Address, Environment, Kind, Reference, Value, lookup_path};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Named values, in an order that never changes.
pub type Properties = BTreeMap<String, Value>;

/// A resource as the last run left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceState {
    pub kind: Kind,
    /// What the cloud calls the object, such as a name or an ARN.
    pub id: String,
    /// What was set, in the kind's canonical form. Secrets are marks.
    pub inputs: Properties,
    /// What the cloud told us.
    pub outputs: Properties,
    pub depends_on: BTreeSet<Address>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub resources: BTreeMap<Address, ResourceState>,
    /// Replaced objects that still exist and await deletion.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deposed: BTreeMap<Address, Vec<ResourceState>>,
}

impl State {
    /// Looks up an output, such as `outputs.VpcId` of `stack.network`.
    pub fn output(&self, reference: &Reference) -> Option<Value> {
        lookup_path(&self.resources.get(&reference.of)?.outputs, &reference.output).cloned()
    }
}

/// Names one version of one state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateVersion {
    /// Which state: set once, when the first run of an environment begins.
    pub lineage: String,
    /// Which version: one more for every run.
    pub serial: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub version: StateVersion,
    /// Absent until the first run.
    pub environment: Option<Environment>,
    pub state: State,
}
