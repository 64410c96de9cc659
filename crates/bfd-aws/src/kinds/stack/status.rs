//! How stacks are doing now, for `bfd status`.

use super::{
    follow::{failure, is_of_stack},
    phase::Phase,
    read::{self, last_updated, phase, status},
};
use crate::{Aws, AwsProvider, acting::Role};
use aws_sdk_cloudformation::types::{Stack, StackEvent};
use bfd_core::{Address, ResourceState};
use bfd_provider::ProviderError;
use futures_util::future::{join_all, try_join_all};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// How a stack is doing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackStatus {
    pub address: Address,
    pub name: String,
    /// In the words of CloudFormation. Empty where there is no such stack.
    pub status: String,
    pub condition: StackCondition,
    /// Seconds since it was last changed, by whoever asked for that.
    pub since: Option<u64>,
    /// Why it came to no good end, the first cause first.
    pub reasons: Vec<String>,
}

/// What the status of a stack comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackCondition {
    /// As its template says.
    Good,
    /// An operation is under way.
    UnderWay,
    /// The last operation came to no good end.
    Bad,
    /// There is no such stack.
    Missing,
}

impl StackCondition {
    fn of(phase: Phase) -> Self {
        match phase {
            Phase::Ready => Self::Good,
            Phase::Busy | Phase::CleaningUp | Phase::RolledBackCleaningUp => Self::UnderWay,
            Phase::RolledBack
            | Phase::Shell
            | Phase::Husk
            | Phase::Broken
            | Phase::RollbackFailed
            | Phase::HalfUpdated
            | Phase::HalfDeleted => Self::Bad,
            Phase::Deleted => Self::Missing,
        }
    }
}

impl AwsProvider {
    /// Reads how recorded stacks are doing, in the order of their addresses. One request for each,
    /// or the listing where there are more than a few; and one for each that came to no good end.
    pub async fn stack_status(
        &self,
        stacks: &[(&Address, &ResourceState)],
    ) -> Result<Vec<StackStatus>, ProviderError> {
        let mut by_role: BTreeMap<Option<Role>, Vec<(&Address, &str)>> = BTreeMap::new();
        for (address, state) in stacks {
            by_role.entry(Role::of(&state.inputs)).or_default().push((*address, state.id.as_str()));
        }
        let reads = by_role.iter().map(|(role, stacks)| async move {
            let acting = self.aws().acting(role.as_ref()).await?;
            let aws = acting.as_deref().unwrap_or(self.aws());
            let names: Vec<&str> = stacks.iter().map(|(_, name)| *name).collect();
            let found = read::named(aws, &names).await?;
            let told = stacks.iter().map(|(at, name)| one(aws, at, name, found.get(*name)));
            Ok::<_, ProviderError>(join_all(told).await)
        });
        let mut all: Vec<StackStatus> = try_join_all(reads).await?.into_iter().flatten().collect();
        all.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(all)
    }
}

async fn one(aws: &Aws, address: &Address, name: &str, stack: Option<&Stack>) -> StackStatus {
    let found = stack.filter(|stack| phase(stack) != Phase::Deleted);
    StackStatus {
        address: address.clone(),
        name: name.to_owned(),
        status: found.map(status).unwrap_or_default().to_owned(),
        condition: found.map_or(StackCondition::Missing, |stack| StackCondition::of(phase(stack))),
        since: found.map(|stack| age(aws, last_updated(stack))),
        reasons: match found {
            Some(stack) if is_troubled(stack) => reasons(aws, name, stack).await,
            _ => Vec::new(),
        },
    }
}

/// Whether something went wrong with it: one that is being rolled back has its reason already.
fn is_troubled(stack: &Stack) -> bool {
    StackCondition::of(phase(stack)) == StackCondition::Bad || status(stack).contains("ROLLBACK")
}

/// What its resources say, and what the stack says itself where they say nothing: of an update
/// that was rolled back CloudFormation keeps no reason.
async fn reasons(aws: &Aws, name: &str, stack: &Stack) -> Vec<String> {
    let id = stack.stack_id.as_deref().unwrap_or(name);
    // Without the right to read events the table is worth something all the same.
    let events = read::latest_events(aws, id).await.unwrap_or_default();
    let mut reasons = causes(&events);
    if reasons.is_empty() {
        reasons.extend(stack.stack_status_reason.clone().filter(|reason| !reason.is_empty()));
    }
    reasons.iter().map(|reason| aws.secrets.redact(reason)).collect()
}

/// What failed in the latest operation, the first first. The events come with the latest first.
fn causes(events: &[StackEvent]) -> Vec<String> {
    let latest = events.iter().take_while(|event| !is_beginning(event));
    let mut causes: Vec<String> = latest.filter_map(failure).collect();
    causes.reverse();
    causes
}

/// Whether somebody's request begins with it. A rollback belongs to what it rolls back.
fn is_beginning(event: &StackEvent) -> bool {
    let status = event.resource_status.as_ref().map_or("", |status| status.as_str());
    is_of_stack(event)
        && status.ends_with("_IN_PROGRESS")
        && !status.contains("ROLLBACK")
        && !status.contains("CLEANUP")
}

fn age(aws: &Aws, at: i64) -> u64 {
    let now = aws.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(u64::try_from(at).unwrap_or_default())).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudformation::types::ResourceStatus;

    #[test]
    fn the_causes_are_those_of_the_latest_operation() {
        let event = |id: &str, status: &str, reason: &str| {
            StackEvent::builder()
                .logical_resource_id(id)
                .physical_resource_id(if id == "web" { "arn" } else { "other" })
                .stack_id("arn")
                .resource_type("AWS::X::Y")
                .resource_status(ResourceStatus::from(status))
                .resource_status_reason(reason)
                .build()
        };
        let told = [
            event("web", "UPDATE_ROLLBACK_COMPLETE", ""),
            event("web", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""),
            event("web", "UPDATE_ROLLBACK_IN_PROGRESS", "failed to update: [Topic]"),
            event("Queue", "UPDATE_FAILED", "Resource update cancelled"),
            event("Role", "UPDATE_FAILED", "second"),
            event("Topic", "UPDATE_FAILED", "first"),
            event("web", "UPDATE_IN_PROGRESS", "User Initiated"),
            event("Topic", "UPDATE_FAILED", "of another time"),
            event("web", "UPDATE_IN_PROGRESS", "User Initiated"),
        ];
        let causes = causes(&told);
        assert_eq!(
            causes,
            ["Topic (AWS::X::Y) UPDATE_FAILED: first", "Role (AWS::X::Y) UPDATE_FAILED: second"]
        );
    }
}
