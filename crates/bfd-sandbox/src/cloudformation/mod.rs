//! `CloudFormation`: templates, stacks and change sets.
//!
//! | module | what is in it |
//! |---|---|
//! | `yaml`, `template`, `dangling` | reading a template and refusing what refers to nothing |
//! | `parameters`, `rules`, `conditions`, `intrinsics`, `substitution`, `cidr` | values |
//! | `references`, `graph` | who refers to whom, and the order that follows |
//! | `evaluation` | a stack's settings, ready to evaluate |
//! | `registry`, `resources` | what the resource types are, and making their objects |
//! | `stack`, `operation`, `events`, `change_set` | what is remembered |
//! | `engine`, `tasks`, `apply`, `settle` | an operation's progress over virtual time |
//! | `drift` | what was changed behind a stack's back |
//! | `nested` | stacks within stacks |
//! | `difference`, `preview` | what an update would change |
//! | `request`, `handlers`, `xml`, `errors`, `ids` | the API |
//!
//! Nothing happens between requests: every request first replays, in time order, what fell
//! due since the last one.

mod apply;
mod change_set;
mod cidr;
mod conditions;
mod dangling;
mod difference;
mod drift;
mod engine;
mod errors;
mod evaluation;
mod events;
mod graph;
mod handlers;
mod ids;
mod intrinsics;
mod nested;
mod operation;
mod parameters;
mod preview;
mod references;
mod registry;
mod request;
mod resources;
mod rules;
mod settle;
mod stack;
mod substitution;
mod tasks;
mod template;
#[cfg(test)]
mod tests;
mod xml;
mod yaml;

use std::collections::BTreeMap;

pub(crate) use self::stack::Stacks;
use crate::error::QueryError;
use crate::world::World;

/// Answers one action: the inner XML of its `<ActionResult>`.
pub(crate) fn handle(
    world: &mut World,
    now: f64,
    action: &str,
    params: &BTreeMap<String, String>,
) -> Result<String, QueryError> {
    handlers::handle(world, now, action, request::Request::new(params))
}

/// Replays what fell due up to `now`.
pub(crate) fn advance(world: &mut World, now: f64) {
    engine::advance(world, now);
}

/// Makes a resource of a stack fail with this reason whenever it is made or changed.
///
/// `Id:delete` makes its deletion fail, `Id:rollback` its way back after a failed update; an
/// empty reason takes the failure away.
pub(crate) fn script_failure(world: &mut World, stack: &str, logical_id: &str, reason: &str) {
    let key = format!("{stack}/{logical_id}");
    if reason.is_empty() {
        world.stacks.fail_resources.remove(&key);
    } else {
        world.stacks.fail_resources.insert(key, reason.to_owned());
    }
}
