//! Reads stacks, their events and their templates.

use crate::Aws;
use aws_sdk_cloudformation::types::{Stack, StackEvent, TemplateStage};
use bfd_provider::{ErrorClass, ProviderError};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;

use super::phase::Phase;

pub(super) fn phase(stack: &Stack) -> Phase {
    Phase::of(status(stack))
}

pub(super) fn status(stack: &Stack) -> &str {
    stack.stack_status.as_ref().map_or("", |status| status.as_str())
}

/// When it last changed, in seconds since 1970.
pub(super) fn last_updated(stack: &Stack) -> i64 {
    let changed = stack.last_updated_time.as_ref().or(stack.creation_time.as_ref());
    changed.map_or(0, aws_smithy_types::DateTime::secs)
}

/// Reads one stack by name or ARN. By ARN, one that was deleted is found, too.
pub(super) async fn find(aws: &Aws, name: &str) -> Result<Option<Stack>, ProviderError> {
    let request = aws.cloudformation.describe_stacks().stack_name(name);
    match aws.call("cloudformation:DescribeStacks", request.send()).await {
        Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
        Err(missing) if missing.class == ErrorClass::NotFound => Ok(None),
        Err(refused) => Err(refused),
    }
}

/// Up to this many stacks are read by name; for more, the listing takes fewer requests.
const BY_NAME: usize = 3;

/// Reads stacks by their names; those that are not there are left out. There may be others.
pub(super) async fn named<N: AsRef<str>>(
    aws: &Aws,
    names: &[N],
) -> Result<BTreeMap<String, Stack>, ProviderError> {
    let all = if names.len() <= BY_NAME {
        let reads = names.iter().map(|name| find(aws, name.as_ref()));
        try_join_all(reads).await?.into_iter().flatten().collect()
    } else {
        list(aws).await?
    };
    let by_name = all.into_iter().filter_map(|stack| Some((stack.stack_name.clone()?, stack)));
    Ok(by_name.collect())
}

/// Reads one stack that exists; a shell does not.
pub(crate) async fn find_live(aws: &Aws, name: &str) -> Result<Option<Stack>, ProviderError> {
    let found = find(aws, name).await?;
    Ok(found.filter(|stack| !matches!(phase(stack), Phase::Deleted | Phase::Shell)))
}

/// Reads all stacks, page by page.
pub(super) async fn list(aws: &Aws) -> Result<Vec<Stack>, ProviderError> {
    let mut stacks = Vec::new();
    let mut token = None;
    loop {
        let request = aws.cloudformation.describe_stacks().set_next_token(token);
        let page = aws.call("cloudformation:DescribeStacks", request.send()).await?;
        stacks.extend(page.stacks.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(stacks);
        }
    }
}

/// The template as it was sent.
pub(crate) async fn template(aws: &Aws, name: &str) -> Result<Option<String>, ProviderError> {
    let request =
        aws.cloudformation.get_template().stack_name(name).template_stage(TemplateStage::Original);
    let answer = aws.call("cloudformation:GetTemplate", request.send()).await?;
    Ok(answer.template_body)
}

pub(super) async fn policy(aws: &Aws, name: &str) -> Result<Option<String>, ProviderError> {
    let request = aws.cloudformation.get_stack_policy().stack_name(name);
    let answer = aws.call("cloudformation:GetStackPolicy", request.send()).await?;
    Ok(answer.stack_policy_body)
}

/// The events after the one of this id, oldest first; all of them where it is `None`.
pub(super) async fn events_after(
    aws: &Aws,
    name: &str,
    last: Option<&str>,
) -> Result<Vec<StackEvent>, ProviderError> {
    let mut events = Vec::new();
    let mut token = None;
    loop {
        let request =
            aws.cloudformation.describe_stack_events().stack_name(name).set_next_token(token);
        let page = match aws.call("cloudformation:DescribeStackEvents", request.send()).await {
            Ok(page) => page,
            Err(missing) if missing.class == ErrorClass::NotFound => break,
            Err(refused) => return Err(refused),
        };
        let mut reached = false;
        for event in page.stack_events.unwrap_or_default() {
            if last.is_some() && event.event_id.as_deref() == last {
                reached = true;
                break;
            }
            events.push(event);
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if reached || token.is_none() {
            break;
        }
    }
    events.reverse();
    Ok(events)
}

/// The client tokens of the operations on a stack, the latest last, each once in a row.
pub(super) async fn tokens(aws: &Aws, name: &str) -> Result<Vec<String>, ProviderError> {
    let events = events_after(aws, name, None).await?;
    let mut tokens: Vec<String> =
        events.into_iter().filter_map(|event| event.client_request_token).collect();
    tokens.dedup();
    Ok(tokens)
}

/// The id of the latest event, as the mark from which an operation's own events are told.
pub(super) async fn latest_event(aws: &Aws, name: &str) -> Result<Option<String>, ProviderError> {
    Ok(latest_events(aws, name).await?.into_iter().next().and_then(|event| event.event_id))
}

/// The latest events, a hundred of them at most, the latest first.
pub(super) async fn latest_events(aws: &Aws, name: &str) -> Result<Vec<StackEvent>, ProviderError> {
    let request = aws.cloudformation.describe_stack_events().stack_name(name);
    match aws.call("cloudformation:DescribeStackEvents", request.send()).await {
        Ok(page) => Ok(page.stack_events.unwrap_or_default()),
        Err(missing) if missing.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(refused) => Err(refused),
    }
}
