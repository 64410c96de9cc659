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

    /// The same as JSON, with `DeletionPolicy: Retain` on the given resources. Those that have
    /// it stay as they are, and those that are not there are left out.
    ///
    /// A note in their metadata comes along: an update of nothing but a policy is one that
    /// CloudFormation may call no update at all, and metadata it always takes.
    pub fn retaining(&self, resources: &BTreeSet<String>) -> String {
        let mut tree = self.tree().clone();
        for logical in resources.iter().filter(|logical| !self.is_retained(logical)) {
            let resource = tree.get_mut("Resources").and_then(|all| all.get_mut(logical));
            if let Some(Value::Object(resource)) = resource {
                resource.insert(POLICY.to_owned(), json!(RETAIN));
                let metadata = resource.entry("Metadata").or_insert_with(|| json!({}));
                if let Value::Object(metadata) = metadata {
                    metadata.insert("bfd".to_owned(), json!("kept when the stack was deleted"));
                }
            }
        }
        tree.to_string()
    }
}
