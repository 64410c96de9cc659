use crate::{Address, Properties};
use std::collections::BTreeMap;

/// A remote object, in the canonical form of its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    pub id: String,
    /// As observed; after a create or an update, what was sent is enough.
    pub inputs: Properties,
    pub outputs: Properties,
}

/// What was read. `None` means that no such object exists.
pub type Observation = BTreeMap<Address, Option<Observed>>;

#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub object: Object,
    /// Who else claims it, as far as a cheap read tells.
    pub owner: Option<Owner>,
    /// What is wrong with it that the planner cannot see in its inputs,
    /// such as a service whose deployment has failed.
    pub notes: Vec<String>,
}

/// Who made an object that bfd did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A CloudFormation stack.
    Stack(String),
    /// Tags that name an owner, as `key=value`.
    Tags(Vec<String>),
    /// Nothing tells.
    Unknown,
}
