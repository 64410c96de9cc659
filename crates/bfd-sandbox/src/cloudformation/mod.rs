//! CloudFormation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::QueryError;
use crate::world::World;

/// Every stack of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stacks {}

/// Answers one action: the inner XML of its `<ActionResult>`.
pub(crate) fn handle(
    _world: &mut World,
    _now: f64,
    action: &str,
    _params: &BTreeMap<String, String>,
) -> Result<String, QueryError> {
    Err(QueryError::unknown_action(action))
}

/// Replays what fell due up to `now`.
pub(crate) fn advance(_world: &mut World, _now: f64) {}
