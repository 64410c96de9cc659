//! Follows an operation on a stack to its end, with its events as progress.

use super::{
    phase::Phase,
    read::{events_after, find, phase, status},
};
use crate::Aws;
use aws_sdk_cloudformation::types::{Stack, StackEvent};
use bfd_provider::{Context, ErrorClass, ProviderError};
use std::time::Duration;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// The same while new events come: most stacks are done soon after.
const BRISK: Duration = Duration::from_secs(2);
/// Looks in a row that may fail for reasons that pass.
const FAILED_LOOKS: u32 = 6;
/// Looks without a new event after which the state is believed all the same. Right after a
/// request, a stale read still shows the state before it.
const QUIET_LOOKS: u32 = 6;
/// Looks that have to miss the stack before it counts as gone. By its ARN a deleted stack is
/// found for months, so that only an old read misses it; other servers forget it at once.
const MISSING_LOOKS: u32 = 2;
/// How long an operation may take: databases and distributions take most of an hour.
const LIMIT: Duration = Duration::from_hours(2);
/// How long an operation that somebody else started is waited for.
pub(super) const OTHERS: Duration = Duration::from_mins(15);

/// How an operation ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Absent when the stack is gone.
    pub(super) stack: Option<Stack>,
    /// What failed in it, the first first.
    pub(super) failures: Vec<String>,
    /// Whether it was canceled because the run turned back.
    pub(super) canceled: bool,
}

/// What to do when the run turns back during an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Ask CloudFormation to undo the update, and wait for that.
    Update,
    /// Leave it: a delete can follow at once.
    Leave,
    /// It has to come to its end.
    Never,
}

/// An operation under way.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    pub(super) aws: &'a Aws,
    pub(super) context: &'a Context,
    pub(super) operation: &'static str,
    /// By ARN where it is known: only so a deleted stack is found.
    pub(super) stack: &'a str,
    /// The last event before the operation.
    pub(super) mark: Option<String>,
    pub(super) cancel: Cancel,
}

impl Follow<'_> {
    /// Waits until the stack is gone or `is_end` says that it has come to its end.
    pub(super) async fn until(&self, is_end: fn(Phase) -> bool) -> Result<Ended, ProviderError> {
        let mut mark = self.mark.clone();
        let mut failures = Vec::new();
        let mut canceled = false;
        let mut failed_looks = 0;
        let mut quiet_looks = 0;
        let mut missing_looks = 0;
        let mut disagreeing_looks = 0;
        // What the events say of the stack itself.
        let mut told = None;
        let mut goes_on = false;
        let mut last = None;
        let begun = self.aws.now();
        loop {
            let (looked, events) = match self.look(mark.as_deref(), goes_on, is_end).await {
                Ok(seen) => seen,
                Err(error) if is_passing(error.class) && failed_looks < FAILED_LOOKS => {
                    failed_looks += 1;
                    self.aws.sleep(INTERVAL).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            failed_looks = 0;
            quiet_looks += 1;
            if !events.is_empty() {
                quiet_looks = QUIET_LOOKS;
            }
            told = said(&events).or(told);
            goes_on = !events.is_empty() && !told.is_none_or(is_end);
            for event in events.iter().filter(|event| is_news(event)) {
                self.context.progress.tell(line(event));
                failures.extend(failure(event));
                mark.clone_from(&event.event_id);
            }
            if let Some(stack) = looked {
                missing_looks += u32::from(stack.is_none());
                let is_gone = missing_looks >= MISSING_LOOKS;
                let is_over = stack.as_ref().map_or(is_gone, |stack| is_end(phase(stack)));
                // One of the two reads may be old. Servers that tell no end are believed in the end.
                let agree = stack.is_none() || told.is_none_or(is_end);
                disagreeing_looks = if agree { 0 } else { disagreeing_looks + 1 };
                let is_over = is_over && (agree || disagreeing_looks >= QUIET_LOOKS);
                if is_over && quiet_looks >= QUIET_LOOKS {
                    return Ok(Ended { stack, failures, canceled });
                }
                last = stack;
            }
            let waited = self.aws.now().duration_since(begun).unwrap_or_default();
            if waited >= LIMIT {
                return Err(self.too_long(waited, last.as_ref()));
            }
            let interval = if events.is_empty() { INTERVAL } else { BRISK };
            if canceled {
                self.aws.sleep(interval).await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.context.turn_back.cancelled(), if self.cancel != Cancel::Never => {
                    canceled = true;
                    if self.cancel == Cancel::Leave {
                        return Ok(Ended { stack: last, failures, canceled });
                    }
                    self.cancel_update().await;
                }
                () = self.aws.sleep(interval) => {}
            }
        }
    }

    /// Reads what is new. While news come and none of them is the end, the state is not asked for:
    /// it would say no more.
    async fn look(
        &self,
        mark: Option<&str>,
        goes_on: bool,
        is_end: fn(Phase) -> bool,
    ) -> Result<(Option<Option<Stack>>, Vec<StackEvent>), ProviderError> {
        let state = async { find(self.aws, self.stack).await.map(Some) };
        if goes_on {
            let events = events_after(self.aws, self.stack, mark).await?;
            let is_over = events.is_empty() || said(&events).is_some_and(is_end);
            // After the end of the stack itself there is no other event.
            return Ok((if is_over { state.await? } else { None }, events));
        }
        // First the state, then the events: at the end none of them is missed.
        let state = state.await?;
        Ok((state, events_after(self.aws, self.stack, mark).await?))
    }

    /// Refused when the update has come to its end meanwhile; then that end is what counts.
    async fn cancel_update(&self) {
        self.context.progress.tell("canceling the update");
        let request = self.aws.cloudformation.cancel_update_stack().stack_name(self.stack);
        let request = request.client_request_token(format!("{}-cancel", self.context.token.0));
        let _ = self.aws.call("cloudformation:CancelUpdateStack", request.send()).await;
    }

    fn too_long(&self, waited: Duration, stack: Option<&Stack>) -> ProviderError {
        let status = stack.map_or("gone", status);
        let minutes = waited.as_secs() / 60;
        let why = format!("the stack is still {status} after {minutes} minutes");
        ProviderError::new(self.operation, ErrorClass::NotStabilized, why)
            .hint("CloudFormation goes on by itself: look at the stack's events in its console")
    }
}

/// Waits until no operation runs on the stack. `None` when it is gone.
pub(super) async fn settled(
    aws: &Aws,
    context: &Context,
    operation: &'static str,
    name: &str,
    limit: Duration,
) -> Result<Option<Stack>, ProviderError> {
    let begun = aws.now();
    let mut told = false;
    loop {
        let stack = find(aws, name).await?;
        let Some(stack) = stack else { return Ok(None) };
        if phase(&stack).is_settled() {
            return Ok(Some(stack).filter(|stack| phase(stack) != Phase::Deleted));
        }
        let why = format!("another operation runs on the stack: it is {}", status(&stack));
        if aws.now().duration_since(begun).unwrap_or_default() >= limit {
            return Err(ProviderError::new(operation, ErrorClass::ResourceConflict, why)
                .hint("wait for its end in the CloudFormation console, and repeat"));
        }
        if !told {
            context.progress.tell(format!("waiting: {why}"));
            told = true;
        }
        tokio::select! {
            biased;
            () = context.turn_back.cancelled() => {
                let why = "the run turned back while another operation was waited for";
                return Err(ProviderError::new(operation, ErrorClass::Canceled, why));
            }
            () = aws.sleep(INTERVAL) => {}
        }
    }
}

/// Every creation is announced twice; the second time says nothing new.
fn is_news(event: &StackEvent) -> bool {
    event.resource_status_reason() != Some("Resource creation Initiated")
}

fn line(event: &StackEvent) -> String {
    let id = event.logical_resource_id.as_deref().unwrap_or("?");
    let status = event.resource_status.as_ref().map_or("?", |status| status.as_str());
    match event.resource_status_reason.as_deref().filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{id} {status} {reason}"),
        None => format!("{id} {status}"),
    }
}

/// What events say of the stack itself, the last of them.
fn said(events: &[StackEvent]) -> Option<Phase> {
    let own = events.iter().filter(|event| is_of_stack(event));
    own.filter_map(|event| event.resource_status.as_ref())
        .next_back()
        .map(|it| Phase::of(it.as_str()))
}

/// Whether it is about the stack itself, and not about something in it.
pub(super) fn is_of_stack(event: &StackEvent) -> bool {
    event.physical_resource_id.is_some() && event.physical_resource_id == event.stack_id
}

/// The event as a failure, if it is one of its own: what was merely stopped along with another
/// one is not, and the stack only repeats what its resources said.
pub(super) fn failure(event: &StackEvent) -> Option<String> {
    let status = event.resource_status.as_ref()?.as_str();
    let reason = event.resource_status_reason.as_deref().unwrap_or("no reason given");
    let followed = reason.to_ascii_lowercase();
    let is_own = !followed.contains("cancelled") && !followed.contains("canceled");
    if !status.ends_with("_FAILED") || !is_own || is_of_stack(event) {
        return None;
    }
    let id = event.logical_resource_id.as_deref().unwrap_or("?");
    let kind = event.resource_type.as_deref().unwrap_or("?");
    Some(format!("{id} ({kind}) {status}: {reason}"))
}

/// Whether the same request may succeed a moment later.
pub(super) fn is_passing(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Throttling | ErrorClass::NetworkFailure | ErrorClass::ServiceInternalError
    )
}

/// An operation that ended badly: the first cause is the error, the others are details.
pub(super) fn failed(operation: &'static str, ended: &Ended) -> ProviderError {
    let status = ended.stack.as_ref().map_or("DELETE_COMPLETE", status);
    let reason = ended.stack.as_ref().and_then(|stack| stack.stack_status_reason.clone());
    let mut failures = ended.failures.iter();
    let message = match (failures.next(), reason) {
        (Some(first), _) => first.clone(),
        (None, Some(reason)) => format!("the stack is {status}: {reason}"),
        (None, None) => format!("the stack is {status}"),
    };
    let class = if ended.canceled { ErrorClass::Canceled } else { ErrorClass::NotStabilized };
    let mut error = ProviderError::new(operation, class, message);
    for failure in failures {
        error = error.detail(failure.clone());
    }
    error.detail(format!("the stack is {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudformation::types::ResourceStatus;

    fn event(id: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent::builder()
            .logical_resource_id(id)
            .physical_resource_id(if id == "Web" { "arn" } else { "other" })
            .stack_id("arn")
            .resource_type("AWS::X::Y")
            .resource_status(ResourceStatus::from(status))
            .resource_status_reason(reason)
            .build()
    }

    #[test]
    fn the_cause_is_what_failed_by_itself() {
        let events = [
            event("Topic", "CREATE_IN_PROGRESS", ""),
            event("Other", "CREATE_FAILED", "Resource creation cancelled"),
            event("Topic", "CREATE_FAILED", "Invalid name"),
            event("Web", "UPDATE_FAILED", "The following resource(s) failed: [Topic]"),
        ];
        let failures: Vec<String> = events.iter().filter_map(failure).collect();
        assert_eq!(failures, ["Topic (AWS::X::Y) CREATE_FAILED: Invalid name"]);
        assert_eq!(line(&events[0]), "Topic CREATE_IN_PROGRESS");
        assert_eq!(line(&events[2]), "Topic CREATE_FAILED Invalid name");
    }
}
