//! Tests of the service as a whole.

mod change_sets;
mod drift;
mod intrinsics;
mod lifecycle;
mod order;
mod secrets;
mod services;
mod updates;
mod wording;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::QueryError;
use crate::options::Options;
use crate::world::World;

/// A world and its time.
pub(super) struct Lab {
    pub(super) world: World,
    pub(super) now: f64,
}

impl Lab {
    pub(super) fn new() -> Self {
        let options = Options::default();
        Self { now: options.epoch, world: World::new(&options) }
    }

    /// Sends a request.
    pub(super) fn call(
        &mut self,
        action: &str,
        members: &[(&str, &str)],
    ) -> Result<String, QueryError> {
        self.world.advance(self.now);
        let params: BTreeMap<String, String> =
            members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        super::handle(&mut self.world, self.now, action, &params)
    }

    /// Sends a request that has to succeed.
    pub(super) fn ok(&mut self, action: &str, members: &[(&str, &str)]) -> String {
        self.call(action, members)
            .unwrap_or_else(|error| panic!("{action}: {}: {}", error.code, error.message))
    }

    /// Sends a request that has to be refused, and gives the code and the message.
    pub(super) fn refused(&mut self, action: &str, members: &[(&str, &str)]) -> (String, String) {
        match self.call(action, members) {
            Ok(answer) => panic!("{action} was accepted: {answer}"),
            Err(error) => (error.code.into_owned(), error.message),
        }
    }

    pub(super) fn wait(&mut self, seconds: f64) {
        self.now += seconds;
        self.world.advance(self.now);
    }

    pub(super) fn create(&mut self, name: &str, template: &str) {
        self.ok("CreateStack", &[("StackName", name), ("TemplateBody", template)]);
    }

    pub(super) fn status(&mut self, name: &str) -> String {
        let answer = self.ok("DescribeStacks", &[("StackName", name)]);
        text(&answer, "StackStatus").unwrap_or_default()
    }

    /// Waits until nothing is in progress and gives the status.
    pub(super) fn settled(&mut self, name: &str) -> String {
        for _ in 0..10_000 {
            let status = self.status(name);
            if !status.ends_with("_IN_PROGRESS") {
                return status;
            }
            self.wait(1.0);
        }
        panic!("{name} never settles");
    }

    pub(super) fn output(&mut self, name: &str, key: &str) -> Option<String> {
        let answer = self.ok("DescribeStacks", &[("StackName", name)]);
        all(&answer, "member")
            .into_iter()
            .find(|member| text(member, "OutputKey").as_deref() == Some(key))
            .and_then(|member| text(&member, "OutputValue"))
    }

    /// `LogicalId STATUS reason`, oldest first.
    pub(super) fn events(&mut self, name: &str) -> Vec<String> {
        let mut events = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut members = vec![("StackName", name)];
            members.extend(token.as_deref().map(|token| ("NextToken", token)));
            let answer = self.ok("DescribeStackEvents", &members);
            events.extend(all(&answer, "member").into_iter().map(|event| {
                let part = |tag: &str| text(&event, tag).unwrap_or_default();
                let line = format!(
                    "{} {} {}",
                    part("LogicalResourceId"),
                    part("ResourceStatus"),
                    part("ResourceStatusReason")
                );
                line.trim_end().to_owned()
            }));
            token = text(&answer, "NextToken");
            if token.is_none() {
                events.reverse();
                return events;
            }
        }
    }

    pub(super) fn physical_id(&mut self, stack: &str, logical_id: &str) -> String {
        let answer = self.ok(
            "DescribeStackResource",
            &[("StackName", stack), ("LogicalResourceId", logical_id)],
        );
        text(&answer, "PhysicalResourceId").unwrap_or_default()
    }

    pub(super) fn parameter(&mut self, name: &str) -> Option<String> {
        let body = serde_json::json!({ "Name": name });
        let answer = crate::ssm::handle(&mut self.world, self.now, "GetParameter", &body).ok()?;
        answer["Parameter"]["Value"].as_str().map(str::to_owned)
    }

    pub(super) fn put_parameter(&mut self, name: &str, value: &str) {
        let body = serde_json::json!({ "Name": name, "Value": value, "Type": "String" });
        crate::ssm::handle(&mut self.world, self.now, "PutParameter", &body).unwrap();
    }
}

/// The content of the first element of a name.
pub(super) fn text(xml: &str, tag: &str) -> Option<String> {
    let start = xml.find(&format!("<{tag}>"))? + tag.len() + 2;
    let length = xml[start..].find(&format!("</{tag}>"))?;
    let raw = &xml[start..start + length];
    Some(
        raw.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"),
    )
}

/// The contents of every outermost element of a name.
pub(super) fn all(xml: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find(&open) {
        let inside = &rest[start + open.len()..];
        let (mut depth, mut at) = (1, 0);
        while depth > 0 {
            let next_open = inside[at..].find(&open).map(|index| at + index);
            let next_close = inside[at..].find(&close).map(|index| at + index).unwrap();
            match next_open {
                Some(index) if index < next_close => {
                    depth += 1;
                    at = index + open.len();
                }
                _ => {
                    depth -= 1;
                    at = next_close + close.len();
                }
            }
        }
        let content = &inside[..at - close.len()];
        found.push(content.to_owned());
        // Lists within lists: what tests look for is always a flat member.
        found.extend(all(content, tag));
        rest = &inside[at..];
    }
    found
}

/// A template of SSM parameters: logical id, name and value.
pub(super) fn parameters(items: &[(&str, &str, &str)]) -> String {
    let resources: serde_json::Map<String, Value> = items
        .iter()
        .map(|(logical_id, name, value)| {
            let properties = serde_json::json!({ "Name": name, "Type": "String", "Value": value });
            let resource =
                serde_json::json!({ "Type": "AWS::SSM::Parameter", "Properties": properties });
            ((*logical_id).to_owned(), resource)
        })
        .collect();
    serde_json::json!({ "Resources": resources }).to_string()
}
