//! CloudWatch Logs: groups, their streams, and what was written to them.
//!
//! Requests, answers and refusals follow the API reference, version 2014-03-28.

mod event;
mod group;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::group::Group;
use crate::error::JsonError;
use crate::json;
use crate::world::World;

const INVALID: &str = "InvalidParameterException";

/// Every log group, by name, and the lines that containers are told to write.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Logs {
    groups: BTreeMap<String, Group>,
    /// By a part of the image's name, in the order in which they were said.
    said: BTreeMap<String, Vec<String>>,
}

impl Logs {
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// Writes a line as a container does: the stream is made with the first one. A group that
    /// was deleted meanwhile takes nothing.
    pub(crate) fn write(&mut self, group: &str, stream: &str, line: &str, now: f64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.stream(stream, now).write(line, event::millis(now), now);
        }
    }

    /// Lets containers whose image's name contains `image` write a line once they have started.
    pub(crate) fn say(&mut self, image: &str, line: &str) {
        self.said.entry(image.to_owned()).or_default().push(line.to_owned());
    }

    /// What containers of the image were told to write, by any of its names.
    pub(crate) fn said(&self, names: &[String]) -> Vec<String> {
        let parts = self.said.iter();
        let parts = parts.filter(|(part, _)| names.iter().any(|name| name.contains(part.as_str())));
        parts.flat_map(|(_, lines)| lines.clone()).collect()
    }
}

pub(crate) fn handle(
    world: &mut World,
    now: f64,
    operation: &str,
    body: &Value,
) -> Result<Value, JsonError> {
    match operation {
        "CreateLogGroup" => group::create(world, now, body),
        "DeleteLogGroup" => group::delete(world, body),
        "DescribeLogGroups" => group::describe(world, body),
        "PutRetentionPolicy" => group::put_retention(world, body),
        "DeleteRetentionPolicy" => group::delete_retention(world, body),
        "CreateLogStream" => group::create_stream(world, now, body),
        "DescribeLogStreams" => group::describe_streams(world, body),
        "PutLogEvents" => event::put(world, now, body),
        "GetLogEvents" => event::get(world, body),
        _ => Err(JsonError::unknown_operation(operation)),
    }
}

fn find<'a>(world: &'a mut World, name: &str) -> Result<&'a mut Group, JsonError> {
    world.logs.groups.get_mut(name).ok_or_else(no_group)
}

/// A name in a request, checked as AWS checks it.
fn name<'a>(
    body: &'a Value,
    member: &str,
    pattern: &str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<&'a str, JsonError> {
    let name = json::required(body, member, INVALID)?;
    if !name.is_empty() && name.len() <= 512 && name.chars().all(is_allowed) {
        return Ok(name);
    }
    Err(JsonError::new(
        INVALID,
        format!(
            "1 validation error detected: Value '{name}' at '{member}' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: {pattern}"
        ),
    ))
}

fn group_name(body: &Value) -> Result<&str, JsonError> {
    name(body, "logGroupName", r"[\.\-_/#A-Za-z0-9]+", |letter| {
        letter.is_ascii_alphanumeric() || ".-_/#".contains(letter)
    })
}

fn stream_name(body: &Value) -> Result<&str, JsonError> {
    name(body, "logStreamName", "[^:*]*", |letter| !":*".contains(letter))
}

fn no_group() -> JsonError {
    JsonError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

fn no_stream() -> JsonError {
    JsonError::new("ResourceNotFoundException", "The specified log stream does not exist.")
}

fn invalid_token() -> JsonError {
    JsonError::new(INVALID, "The specified nextToken is invalid.")
}
