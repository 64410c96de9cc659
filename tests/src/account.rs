//! An account of ministack, and everything that exists in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::emulators::{Ministack, new_account};
use crate::http;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";
/// The version of CloudFormation's API, which its protocol asks for.
const STACKS: &str = "2010-05-15";

/// An account that no other test uses.
#[derive(Debug)]
pub struct Account {
    port: u16,
    number: String,
}

/// A service as ECS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub task_definition: String,
    pub desired: u64,
    pub running: u64,
    /// The revisions of its tasks that have not stopped, one for each task.
    pub tasks: Vec<String>,
}

/// An ACTIVE revision of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub arn: String,
    pub content_hash: String,
}

impl Account {
    /// A new account on the ministack that the tests of this binary share.
    #[track_caller]
    pub fn new() -> Self {
        Self { port: Ministack::shared().port(), number: new_account() }
    }

    /// Its twelve digits.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// Everything that exists, as `KIND NAME`: a stopped task, an INACTIVE service, cluster or
    /// revision, and a deleted stack are gone.
    #[track_caller]
    pub fn objects(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut add = |kind: &str, name: &str| found.insert(format!("{kind} {name}"));
        for it in items(&self.registry("DescribeRepositories", &json!({})), "repositories") {
            add("repository", text(&it["repositoryName"]));
        }
        for it in items(&self.ssm("DescribeParameters", &json!({})), "Parameters") {
            add("parameter", text(&it["Name"]));
        }
        for queue in items(&self.call("AmazonSQS.ListQueues", &json!({})), "QueueUrls") {
            add("queue", last_segment(text(&queue)));
        }
        for stack in self.stacks() {
            add("stack", &stack);
        }
        for cluster in self.clusters() {
            add("cluster", &cluster);
            for service in self.services(&cluster) {
                add("service", &format!("{cluster}/{}", service.name));
            }
        }
        for revision in self.revisions() {
            add("revision", last_segment(&revision.arn));
        }
        found
    }

    /// What a parameter holds; nothing where there is none.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let answer = self.ssm("GetParameters", &json!({ "Names": [name], "WithDecryption": true }));
        let found = items(&answer, "Parameters");
        found.first().map(|parameter| text(&parameter["Value"]).to_owned())
    }

    /// The names of the queues that stacks are made of.
    #[track_caller]
    pub fn queues_of_stacks(&self) -> BTreeSet<String> {
        let of_stack = |stack: String| {
            let answer = self.stacks_query("ListStackResources", &[("StackName", &stack)]);
            let ids = elements(&answer, "PhysicalResourceId");
            ids.into_iter().map(|id| last_segment(&id).to_owned()).collect::<Vec<_>>()
        };
        self.stacks().into_iter().flat_map(of_stack).collect()
    }

    /// The services of a cluster that are not INACTIVE.
    #[track_caller]
    pub fn services(&self, cluster: &str) -> Vec<Service> {
        let listed = self.ecs("ListServices", &json!({ "cluster": cluster, "maxResults": 100 }));
        let arns = items(&listed, "serviceArns");
        if arns.is_empty() {
            return Vec::new();
        }
        let described =
            self.ecs("DescribeServices", &json!({ "cluster": cluster, "services": arns }));
        let services = items(&described, "services");
        let exists = services.iter().filter(|service| service["status"] != "INACTIVE");
        exists.map(|service| self.service(cluster, service)).collect()
    }

    #[track_caller]
    fn service(&self, cluster: &str, service: &Value) -> Service {
        let name = text(&service["serviceName"]).to_owned();
        let listed = self.ecs("ListTasks", &json!({ "cluster": cluster, "serviceName": name }));
        let arns = items(&listed, "taskArns");
        let described = if arns.is_empty() {
            Value::Null
        } else {
            self.ecs("DescribeTasks", &json!({ "cluster": cluster, "tasks": arns }))
        };
        let tasks = items(&described, "tasks");
        let lives = tasks.iter().filter(|task| task["lastStatus"] != "STOPPED");
        Service {
            name,
            task_definition: text(&service["taskDefinition"]).to_owned(),
            desired: service["desiredCount"].as_u64().expect("a count"),
            running: service["runningCount"].as_u64().expect("a count"),
            tasks: lives.map(|task| text(&task["taskDefinitionArn"]).to_owned()).collect(),
        }
    }

    /// The ACTIVE revisions of all task definitions.
    #[track_caller]
    pub fn revisions(&self) -> Vec<Revision> {
        let listed = self.ecs("ListTaskDefinitions", &json!({ "status": "ACTIVE" }));
        let revision = |arn: &Value| {
            let request = json!({ "taskDefinition": arn, "include": ["TAGS"] });
            let answer = self.ecs("DescribeTaskDefinition", &request);
            let tags = items(&answer, "tags");
            let hash = tags.iter().find(|tag| tag["key"] == "bfd:content-hash");
            let content_hash = hash.map_or("", |tag| text(&tag["value"])).to_owned();
            Revision { arn: text(arn).to_owned(), content_hash }
        };
        items(&listed, "taskDefinitionArns").iter().map(revision).collect()
    }

    /// Takes a revision out of use: it is INACTIVE then.
    #[track_caller]
    pub fn deregister(&self, revision: &str) {
        self.ecs("DeregisterTaskDefinition", &json!({ "taskDefinition": revision }));
    }

    #[track_caller]
    fn clusters(&self) -> Vec<String> {
        let listed = self.ecs("ListClusters", &json!({}));
        let described =
            self.ecs("DescribeClusters", &json!({ "clusters": items(&listed, "clusterArns") }));
        let clusters = items(&described, "clusters");
        let exists = clusters.iter().filter(|cluster| cluster["status"] != "INACTIVE");
        exists.map(|cluster| text(&cluster["clusterName"]).to_owned()).collect()
    }

    #[track_caller]
    fn stacks(&self) -> Vec<String> {
        let answer = self.stacks_query("DescribeStacks", &[]);
        elements(&answer, "StackName")
    }

    #[track_caller]
    fn ecs(&self, operation: &str, body: &Value) -> Value {
        self.call(&format!("{ECS}.{operation}"), body)
    }

    #[track_caller]
    fn ssm(&self, operation: &str, body: &Value) -> Value {
        self.call(&format!("AmazonSSM.{operation}"), body)
    }

    #[track_caller]
    fn registry(&self, operation: &str, body: &Value) -> Value {
        self.call(&format!("AmazonEC2ContainerRegistry_V20150921.{operation}"), body)
    }

    /// Lists are read whole: the pages that the requests ask for hold more than any test makes.
    #[track_caller]
    fn call(&self, target: &str, body: &Value) -> Value {
        let answer = http::call_in_account(self.port, &self.number, target, body);
        for token in ["nextToken", "NextToken"] {
            assert!(answer[token].as_str().unwrap_or_default().is_empty(), "{target} has more");
        }
        answer
    }

    #[track_caller]
    fn stacks_query(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let call = format!("Action={action}&Version={STACKS}");
        let form =
            parameters.iter().fold(call, |form, (name, value)| format!("{form}&{name}={value}"));
        http::query_in_account(self.port, &self.number, "cloudformation", &form)
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::new()
    }
}

/// A list of an answer; one that is absent is empty.
#[track_caller]
fn items(answer: &Value, member: &str) -> Vec<Value> {
    match &answer[member] {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        other => panic!("{member} is not a list: {other}"),
    }
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// What follows the last slash of an ARN or URL.
fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The texts of all XML elements of one name, which hold nothing but text.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let contents = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    contents.map(|(text, _)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_their_whole_name() {
        let xml = "<A><Name>one</Name><NameOf>no</NameOf></A><Name>two</Name>";

        assert_eq!(elements(xml, "Name"), ["one", "two"]);
        assert!(elements("", "Name").is_empty());
    }

    #[test]
    fn the_last_segment_is_the_name() {
        assert_eq!(last_segment("arn:aws:ecs:x:1:task-definition/web:3"), "web:3");
        assert_eq!(last_segment("web"), "web");
    }
}
