use serde::{Deserialize, Serialize};
use serde_json::Value;
use crate::error::JsonError;
use crate::world::World;
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parameters {}
pub(crate) fn handle(_world: &mut World, _now: f64, operation: &str, _body: &Value) -> Result<Value, JsonError> {
    Err(JsonError::unknown_operation(operation))
}
