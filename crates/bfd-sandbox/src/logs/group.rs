//! Log groups and log streams.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{Event, millis};
use super::{INVALID, find, group_name, invalid_token, no_group, stream_name};
use crate::error::JsonError;
use crate::json;
use crate::world::World;

/// The days for which CloudWatch Logs can keep events.
const RETENTIONS: [u64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    created_at: f64,
    retention: Option<u64>,
    pub(super) streams: BTreeMap<String, Stream>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    created_at: f64,
    ingested_at: Option<f64>,
    /// By time, and in order of arrival within a millisecond.
    pub(super) events: Vec<Event>,
}

impl Group {
    /// The stream of that name, made where there is none.
    pub(super) fn stream(&mut self, name: &str, now: f64) -> &mut Stream {
        self.streams.entry(name.to_owned()).or_insert_with(|| Stream::new(now))
    }
}

impl Stream {
    fn new(now: f64) -> Self {
        Self { created_at: now, ingested_at: None, events: Vec::new() }
    }

    pub(super) fn write(&mut self, message: &str, timestamp: i64, now: f64) {
        let event = Event { timestamp, message: message.to_owned(), ingested: millis(now) };
        let at = self.events.partition_point(|it| it.timestamp <= timestamp);
        self.events.insert(at, event);
        self.ingested_at = Some(now);
    }
}

pub(super) fn create(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let name = group_name(body)?;
    if world.logs.has_group(name) {
        return Err(JsonError::new(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    }
    let group = Group { created_at: now, retention: None, streams: BTreeMap::new() };
    world.logs.groups.insert(name.to_owned(), group);
    Ok(json!({}))
}

pub(super) fn delete(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    world.logs.groups.remove(group_name(body)?).ok_or_else(no_group)?;
    Ok(json!({}))
}

pub(super) fn put_retention(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    let group = find(world, group_name(body)?)?;
    let days = body["retentionInDays"].as_u64().filter(|days| *days > 0);
    let Some(days) = days.filter(|days| RETENTIONS.contains(days)) else {
        return Err(JsonError::new(INVALID, "The specified retentionInDays is invalid."));
    };
    group.retention = Some(days);
    Ok(json!({}))
}

pub(super) fn delete_retention(world: &mut World, body: &Value) -> Result<Value, JsonError> {
    find(world, group_name(body)?)?.retention = None;
    Ok(json!({}))
}

pub(super) fn describe(world: &World, body: &Value) -> Result<Value, JsonError> {
    let prefix = json::text(body, "logGroupNamePrefix").unwrap_or_default();
    let groups = world.logs.groups.iter().filter(|(name, _)| name.starts_with(prefix));
    let groups = groups.map(|(name, group)| {
        let arn = world.arn("logs", &format!("log-group:{name}"));
        let mut view = json!({
            "logGroupName": name,
            "creationTime": millis(group.created_at),
            "arn": format!("{arn}:*"),
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "metricFilterCount": 0,
            "storedBytes": 0,
        });
        if let Some(days) = group.retention {
            view["retentionInDays"] = days.into();
        }
        view
    });
    listing(groups.collect(), body, "logGroups")
}

pub(super) fn create_stream(world: &mut World, now: f64, body: &Value) -> Result<Value, JsonError> {
    let (group, stream) = (group_name(body)?, stream_name(body)?);
    let group = find(world, group)?;
    if group.streams.contains_key(stream) {
        return Err(JsonError::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    group.streams.insert(stream.to_owned(), Stream::new(now));
    Ok(json!({}))
}

pub(super) fn describe_streams(world: &World, body: &Value) -> Result<Value, JsonError> {
    let name = group_name(body)?;
    let group = world.logs.groups.get(name).ok_or_else(no_group)?;
    let prefix = json::text(body, "logStreamNamePrefix").unwrap_or_default();
    let by_time = json::text(body, "orderBy") == Some("LastEventTime");
    if by_time && !prefix.is_empty() {
        return Err(JsonError::new(
            INVALID,
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let mut streams: Vec<(&String, &Stream)> =
        group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if by_time {
        streams.sort_by_key(|(_, stream)| stream.events.last().map(|event| event.timestamp));
    }
    if json::boolean(body, "descending") {
        streams.reverse();
    }
    let streams = streams.into_iter().map(|(stream, it)| {
        let mut view = json!({
            "logStreamName": stream,
            "creationTime": millis(it.created_at),
            "arn": world.arn("logs", &format!("log-group:{name}:log-stream:{stream}")),
            "storedBytes": 0,
        });
        if let (Some(first), Some(last)) = (it.events.first(), it.events.last()) {
            view["firstEventTimestamp"] = first.timestamp.into();
            view["lastEventTimestamp"] = last.timestamp.into();
        }
        if let Some(at) = it.ingested_at {
            view["lastIngestionTime"] = millis(at).into();
        }
        view
    });
    listing(streams.collect(), body, "logStreams")
}

fn listing(found: Vec<Value>, body: &Value, member: &str) -> Result<Value, JsonError> {
    let size = json::page_size(body, "limit", 50, 50, INVALID)?;
    let (page, next) = json::page(found, json::text(body, "nextToken"), size, invalid_token)?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}
