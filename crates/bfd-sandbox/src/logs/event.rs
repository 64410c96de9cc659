//! Log events: written, and read page by page.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{INVALID, find, group_name, invalid_token, no_group, no_stream, stream_name};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// Events per page, by default and at most.
const PAGE: usize = 10_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    /// Milliseconds since 1970, as the writer says.
    pub(super) timestamp: i64,
    pub(super) message: String,
    pub(super) ingested: i64,
}

pub(super) fn put(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let (group, stream) = (group_name(body)?, stream_name(body)?);
    let stream = find(world, group)?.streams.get_mut(stream).ok_or_else(no_stream)?;
    let events = json::array(body, "logEvents");
    if events.is_empty() {
        return Err(JsonError::new(
            INVALID,
            "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy \
             constraint: Member must have length greater than or equal to 1",
        ));
    }
    let mut read = Vec::new();
    for event in events {
        let Some(timestamp) = event["timestamp"].as_i64().filter(|at| *at >= 0) else {
            return Err(JsonError::new(INVALID, "Log events need a timestamp."));
        };
        read.push((timestamp, json::required(event, "message", INVALID)?));
    }
    if !read.is_sorted_by_key(|(timestamp, _)| *timestamp) {
        return Err(JsonError::new(
            INVALID,
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    for (timestamp, message) in read {
        stream.write(message, timestamp, now);
    }
    Ok(json!({ "nextSequenceToken": world.next_hex() }))
}

/// Tokens are `f/` or `b/` and the place from which a page goes on, forward or backward; as
/// on AWS the token of an end comes back as itself.
pub(super) fn get(world: &World, body: &Value) -> Result<Value, JsonError> {
    let (group, stream) = (group_name(body)?, stream_name(body)?);
    let group = world.logs.groups.get(group).ok_or_else(no_group)?;
    let stream = group.streams.get(stream).ok_or_else(no_stream)?;
    let limit = json::page_size(body, "limit", PAGE, PAGE, INVALID)?;
    let from = body["startTime"].as_i64().unwrap_or(i64::MIN);
    let until = body["endTime"].as_i64().unwrap_or(i64::MAX);
    let events: Vec<&Event> =
        stream.events.iter().filter(|it| (from..until).contains(&it.timestamp)).collect();
    let (start, end) = match json::text(body, "nextToken") {
        None if json::boolean(body, "startFromHead") => (0, limit.min(events.len())),
        None => (events.len().saturating_sub(limit), events.len()),
        Some(token) => {
            let (way, place) = token.split_once('/').ok_or_else(invalid_token)?;
            let place: usize = place.parse().map_err(|_| invalid_token())?;
            let place = place.min(events.len());
            match way {
                "f" => (place, place.saturating_add(limit).min(events.len())),
                "b" => (place.saturating_sub(limit), place),
                _ => return Err(invalid_token()),
            }
        }
    };
    let page = events[start..end].iter().map(|event| {
        json!({
            "timestamp": event.timestamp,
            "message": event.message,
            "ingestionTime": event.ingested,
        })
    });
    Ok(json!({
        "events": page.collect::<Vec<_>>(),
        "nextForwardToken": format!("f/{end}"),
        "nextBackwardToken": format!("b/{start}"),
    }))
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of this century fit")]
pub(super) fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
