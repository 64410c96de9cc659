//! STS: who is asking.

use crate::error::QueryError;
use crate::world::World;

/// The one caller there is.
const USER: &str = "user/sandbox";

pub(crate) fn handle(world: &World, action: &str) -> Result<String, QueryError> {
    match action {
        "GetCallerIdentity" => Ok(format!(
            "<Arn>{}</Arn><UserId>AIDASANDBOXSANDBOXSA</UserId><Account>{}</Account>",
            caller(world),
            world.account
        )),
        _ => Err(QueryError::unknown_action(action)),
    }
}

/// The caller's ARN; IAM is global and has no region.
pub(crate) fn caller(world: &World) -> String {
    format!("arn:aws:iam::{}:{USER}", world.account)
}
