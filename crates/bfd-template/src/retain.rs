//! A template in which resources outlive their stack.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::template::Template;

/// What says that an object stays when its resource goes.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>
const POLICY: &str = "DeletionPolicy";
const RETAIN: &str = "Retain";

impl Template {
    /// Whether the object of a resource stays when the stack is deleted.
    pub fn is_retained(&self, logical: &str) -> bool {
        self.resource(logical).and_then(|it| it.get(POLICY)?.as_str()) == Some(RETAIN)
    }

    /// The resources whose objects, or copies of them, outlive the stack.
    pub fn outliving(&self) -> BTreeSet<String> {
        let outlives = |resource: &Value| {
            let policy = resource.get(POLICY).and_then(Value::as_str);
            matches!(policy, Some(RETAIN | "RetainExceptOnCreate" | "Snapshot"))
        };
        let all = self.resources().filter(|(_, resource)| outlives(resource));
        all.map(|(logical, _)| logical.to_owned()).collect()
    }

    /// The same as JSON, with `DeletionPolicy: Delete` on the given resources.
    pub fn releasing(&self, resources: &BTreeSet<String>) -> String {
        self.with_policy(resources, "Delete", "taken back with the run that made it")
    }

    /// The same as JSON, with `DeletionPolicy: Retain` on the given resources. Those that have
    /// it stay as they are, and those that are not there are left out.
    ///
    /// A note in their metadata comes along: an update of nothing but a policy is one that
    /// CloudFormation may call no update at all, and metadata it always takes.
    pub fn retaining(&self, resources: &BTreeSet<String>) -> String {
        let others: BTreeSet<String> =
            resources.iter().filter(|logical| !self.is_retained(logical)).cloned().collect();
        self.with_policy(&others, RETAIN, "kept when the stack was deleted")
    }

    fn with_policy(&self, resources: &BTreeSet<String>, policy: &str, note: &str) -> String {
        let mut tree = self.tree().clone();
        for logical in resources {
            let resource = tree.get_mut("Resources").and_then(|all| all.get_mut(logical));
            if let Some(Value::Object(resource)) = resource {
                resource.insert(POLICY.to_owned(), json!(policy));
                let metadata = resource.entry("Metadata").or_insert_with(|| json!({}));
                if let Value::Object(metadata) = metadata {
                    metadata.insert("bfd".to_owned(), json!(note));
                }
            }
        }
        tree.to_string()
    }
}
