//! What was changed within stacks: `bfd plan --drift`.

use crate::connect::Connection;
use bfd_core::{
    Address, ResourceState,
    plan::{Plan, Warning},
};

/// Has CloudFormation look at the stacks that the plan is about, and adds what it finds. A stack
/// that cannot be looked at is a warning, and no failure.
pub(crate) async fn look(plan: &mut Plan, connection: &Connection) {
    let is_asked = |address: &Address| {
        address.kind().as_str() == "stack"
            && (plan.targets.is_empty() || plan.targets.contains(address))
    };
    let stacks: Vec<(&Address, &ResourceState)> =
        plan.refreshed.resources.iter().filter(|(address, _)| is_asked(address)).collect();
    let found = connection.provider.stack_drift(&stacks).await;
    for (address, found) in found {
        match found {
            Ok(found) => {
                plan.warnings.extend(found.incomplete.into_iter().map(|why| Warning {
                    address: Some(address.clone()),
                    message: format!("not all of it was looked at: {why}"),
                    help: Some(
                        "CloudFormation looks with your rights: it reads each resource".to_owned(),
                    ),
                }));
                plan.stack_drift.push(found.drift);
            }
            Err(refused) => {
                let failure = refused.to_failure();
                let message = format!(
                    "what was changed within it is not known: {}: {}",
                    refused.operation, failure.message
                );
                let help = failure.hint.clone();
                plan.warnings.push(Warning { address: Some(address), message, help });
            }
        }
    }
}
