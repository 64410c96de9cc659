//! What exists, told so that two clouds can be compared.

use bfd_sandbox::Sandbox;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Every object by its kind and name, without times, ids and history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cloud {
    pub objects: BTreeMap<String, Value>,
    /// Objects that stacks made, and that therefore nobody else records.
    pub owned: BTreeSet<String>,
    /// The images that an index lists: whoever records it means them as well.
    pub parts: BTreeMap<String, Vec<String>>,
}

impl Cloud {
    /// Everything that the sandbox has now. Reading it is no request.
    pub fn of(sandbox: &Sandbox) -> Self {
        let world = sandbox.snapshot();
        let mut cloud = Self::default();
        cloud.repositories(&world["ecr"]["repositories"]);
        cloud.parameters(&world["ssm"], sandbox);
        cloud.secrets(&world["secrets"], sandbox);
        cloud.clusters(&world["ecs"]["clusters"]);
        cloud.revisions(&world["ecs"]["families"]);
        cloud.services(&world["ecs"]);
        cloud.scaling(&world["scaling"]);
        cloud.stacks(&world["stacks"]["all"]);
        cloud
    }

    fn insert(&mut self, kind: &str, name: &str, value: Value) {
        self.objects.insert(format!("{kind} {name}"), value);
    }

    fn repositories(&mut self, all: &Value) {
        for (name, it) in entries(all) {
            let value = json!({
                "settings": it["settings"],
                "tags": it["tags"],
                "access": it["access"],
                "lifecycle": it["lifecycle"][0],
            });
            self.insert("repository", name, value);
            // Blobs of no image are no objects: ECR forgets them.
            for (digest, image) in entries(&it["images"]) {
                self.insert("image", &format!("{name}@{digest}"), Value::Null);
                self.list(name, digest, text(&image["manifest"]));
            }
            // A tag that moves is another object.
            for (tag, digest) in entries(&it["labels"]) {
                self.insert("tag", &format!("{name}:{tag}@{}", text(digest)), Value::Null);
            }
        }
    }

    /// Notes which images an index lists.
    fn list(&mut self, repository: &str, index: &str, manifest: &str) {
        let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
        let parts = manifest["manifests"].as_array().into_iter().flatten();
        let parts = parts.map(|part| format!("image {repository}@{}", text(&part["digest"])));
        let parts: Vec<String> = parts.collect();
        if !parts.is_empty() {
            self.parts.insert(format!("image {repository}@{index}"), parts);
        }
    }

    /// The repositories that there are beside the environment's, and every image and tag.
    pub fn pushed(&self) -> BTreeSet<String> {
        let upstream = format!("repository {}", crate::images::UPSTREAM);
        let is_pushed = |name: &&String| {
            name.starts_with("image ") || name.starts_with("tag ") || **name == upstream
        };
        self.objects.keys().filter(is_pushed).cloned().collect()
    }

    fn parameters(&mut self, all: &Value, sandbox: &Sandbox) {
        for (name, it) in entries(all) {
            let Some(latest) = it["versions"].as_array().and_then(|all| all.last()) else {
                continue;
            };
            if it["tags"]["aws:cloudformation:stack-id"].is_string() {
                // The stack tells of it, and deletes what it replaced when it finds the time.
                continue;
            }
            let mut value = latest.clone();
            strip(&mut value, &["number", "modified_at"]);
            value["value"] = sandbox.parameter(name).into();
            value["tags"] = it["tags"].clone();
            self.insert("parameter", name, value);
        }
    }

    /// Secrets with what they hold now. Those of stacks are told of by name and tags alone: a
    /// stack that generates one anew on its way back cannot give the same.
    fn secrets(&mut self, all: &Value, sandbox: &Sandbox) {
        for (name, it) in entries(all) {
            let mut value = it.clone();
            strip(&mut value, &["end", "versions", "created_at", "changed_at", "gone_at"]);
            value["is_marked"] = (!it["gone_at"].is_null()).into();
            if !it["tags"]["aws:cloudformation:stack-id"].is_string() {
                value["value"] = sandbox.secret(name).into();
            }
            self.insert("secret", name, value);
        }
    }

    fn clusters(&mut self, all: &Value) {
        for (name, it) in entries(all).filter(|(_, it)| it["status"] == "ACTIVE") {
            self.insert("cluster", name, json!({ "settings": it["settings"], "tags": it["tags"] }));
        }
    }

    /// The revisions that can be deployed; the others are only history.
    fn revisions(&mut self, families: &Value) {
        let all = entries(families).flat_map(|(_, family)| entries(&family["revisions"]));
        for (_, it) in all.filter(|(_, it)| it["body"]["status"] == "ACTIVE") {
            let mut body = it["body"].clone();
            strip(&mut body, &["registeredAt"]);
            let arn = body["taskDefinitionArn"].as_str().unwrap_or_default().to_owned();
            self.insert("revision", &arn, json!({ "body": body, "tags": it["tags"] }));
        }
    }

    /// Services with what runs of them, by revision.
    fn services(&mut self, ecs: &Value) {
        for (name, it) in entries(&ecs["services"]).filter(|(_, it)| it["status"] == "ACTIVE") {
            let mut running: BTreeMap<String, u64> = BTreeMap::new();
            let tasks = entries(&ecs["tasks"]).map(|(_, task)| task);
            for task in
                tasks.filter(|task| task["service"] == **name && task["status"] == "RUNNING")
            {
                let mut containers = task["containers"].as_array().into_iter().flatten();
                if containers.all(|it| it["is_checked"] == false || it["health"] == "HEALTHY") {
                    let revision = task["task_definition"].as_str().unwrap_or_default();
                    *running.entry(revision.to_owned()).or_default() += 1;
                }
            }
            // What is one too many is about to stop.
            let desired = it["desired"].as_u64().unwrap_or_default();
            let meant = running.get_mut(text(&it["settings"]["taskDefinition"]));
            if let Some(count) = meant {
                *count = (*count).min(desired);
            }
            running.retain(|_, count| *count > 0);
            let mut settings = it["settings"].clone();
            if settings["healthCheckGracePeriodSeconds"] == 0 {
                // AWS's own word for none, where it was once set.
                strip(&mut settings, &["healthCheckGracePeriodSeconds"]);
            }
            let value = json!({
                "settings": settings,
                "desired": it["desired"],
                "tags": it["tags"],
                "running": running,
            });
            self.insert("service", name, value);
        }
    }

    fn scaling(&mut self, all: &Value) {
        for part in ["targets", "policies"] {
            for (name, it) in entries(&all[part]) {
                let mut value = it.clone();
                strip_everywhere(
                    &mut value,
                    &["created_at", "creation_time", "CreationTime", "arn", "PolicyARN", "alarms"],
                );
                self.insert(&format!("scaling {part}"), name, value);
            }
        }
    }

    fn stacks(&mut self, all: &Value) {
        for (_, it) in entries(all) {
            let (status, name) = (text(&it["status"]), text(&it["name"]));
            if status == "DELETE_COMPLETE" {
                continue;
            }
            let mut resources = Map::new();
            let doomed = doomed(&it["operation"]);
            for (id, resource) in entries(&it["resources"]) {
                // What an update replaced or no longer has goes when it is through.
                let is_going =
                    status.ends_with("_CLEANUP_IN_PROGRESS") && doomed.contains(id.as_str());
                if text(&resource["status"]) == "DELETE_COMPLETE" || is_going {
                    continue;
                }
                let physical = text(&resource["physical_id"]);
                if resource["kind"] == "AWS::SSM::Parameter" {
                    self.owned.insert(format!("parameter {physical}"));
                }
                if resource["kind"] == "AWS::SecretsManager::Secret" {
                    self.owned.insert(format!("secret {}", secret_name(physical)));
                }
                let told =
                    json!({ "kind": resource["kind"], "properties": resource["properties"] });
                resources.insert(id.clone(), told);
            }
            let is_well = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"];
            // What an update replaced may still be deleted; the stack is as it is meant to be.
            let plain = status.strip_suffix("_CLEANUP_IN_PROGRESS").unwrap_or(status);
            let status = if is_well.contains(&plain) { "well" } else { status };
            let value = json!({
                "status": status,
                "settings": it["settings"],
                "termination_protection": it["termination_protection"],
                "policy": it["policy"],
                "outputs": it["outputs"],
                "resources": resources,
            });
            self.insert("stack", name, value);
        }
    }

    /// What differs, one line each, without the objects that `but` names.
    pub fn differences(&self, other: &Self, but: &impl Fn(&str) -> bool) -> Vec<String> {
        let names: BTreeSet<&String> = self.objects.keys().chain(other.objects.keys()).collect();
        let mut found = Vec::new();
        for name in names.into_iter().filter(|name| !but(name)) {
            match (self.objects.get(name), other.objects.get(name)) {
                (Some(_), None) => found.push(format!("{name} is gone")),
                (None, Some(_)) => found.push(format!("{name} is new")),
                (Some(one), Some(two)) => differ(name, one, two, &mut found),
                (None, None) => {}
            }
        }
        found
    }
}

/// Adds a line for every place in which two values differ.
fn differ(at: &str, one: &Value, two: &Value, found: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(first), Value::Object(second)) => {
            let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
            for key in keys {
                differ(&format!("{at}: {key}"), &one[key], &two[key], found);
            }
        }
        _ if one != two => found.push(format!("{at} was {one}, is {two}")),
        _ => {}
    }
}

/// The resources that an operation deletes when it cleans up: those that it has yet to begin
/// with, and those that it is at.
fn doomed(operation: &Value) -> BTreeSet<&str> {
    let waiting = operation["doomed"].as_array().into_iter().flatten();
    let begun = entries(&operation["tasks"]).map(|(_, task)| &task["job"]["Remove"]);
    let gone = waiting.chain(begun).filter(|it| it["replaced"] == false);
    gone.map(|it| text(&it["logical_id"])).collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The name in a secret's ARN, which six random characters end.
fn secret_name(arn: &str) -> &str {
    let rest = arn.split_once(":secret:").map_or(arn, |(_, rest)| rest);
    rest.rsplit_once('-').map_or(rest, |(name, _)| name)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strip(value: &mut Value, names: &[&str]) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|name, _| !names.contains(&name.as_str()));
    }
}

fn strip_everywhere(value: &mut Value, names: &[&str]) {
    strip(value, names);
    match value {
        Value::Object(map) => map.values_mut().for_each(|it| strip_everywhere(it, names)),
        Value::Array(all) => all.iter_mut().for_each(|it| strip_everywhere(it, names)),
        _ => {}
    }
}
