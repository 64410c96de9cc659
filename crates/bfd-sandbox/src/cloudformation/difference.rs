//! What a change of a resource's declaration amounts to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::parameters::scalar;
use super::registry::{Type, replaces};

/// The parts of a resource that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) properties: BTreeSet<String>,
    /// The rest, as change sets name it: `Metadata`, `Tags` and the policies.
    pub(super) others: BTreeSet<&'static str>,
    /// The properties whose change makes a new object.
    pub(super) replacing: BTreeSet<String>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the object itself has to change.
    pub(super) fn touches_object(&self) -> bool {
        !self.properties.is_empty() || self.others.contains("Tags")
    }

    pub(super) fn replaces(&self) -> bool {
        !self.replacing.is_empty()
    }

    /// Adds a part other than the properties if it differs.
    pub(super) fn note(&mut self, part: &'static str, differs: bool) {
        if differs {
            self.others.insert(part);
        }
    }

    /// The parts as change sets name them.
    pub(super) fn scope(&self) -> Vec<&'static str> {
        let properties = (!self.properties.is_empty()).then_some("Properties");
        properties.into_iter().chain(self.others.iter().copied()).collect()
    }
}

/// Compares properties by name.
pub(super) fn properties(kind: &Type, old: &Value, new: &Value) -> Difference {
    let names: BTreeSet<&String> =
        [old, new].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys()).collect();
    let mut difference = Difference::default();
    for name in names {
        if same(&old[name], &new[name]) {
            continue;
        }
        difference.properties.insert(name.clone());
        let nested = kind.create_only.iter().any(|path| {
            path.strip_prefix(name.as_str())
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|rest| !same(at(&old[name], rest), at(&new[name], rest)))
        });
        if replaces(kind, name) || nested {
            difference.replacing.insert(name.clone());
        }
    }
    difference
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, part| &value[part])
}

/// Equal as far as AWS can tell: `80` and `"80"` are the same to it.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right || scalar(left).is_some_and(|text| Some(text) == scalar(right)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::registry;
    use super::*;

    #[test]
    fn replacement_follows_the_registry() {
        let cases = [
            ("AWS::SSM::Parameter", json!({"Name": "/a"}), json!({"Name": "/b"}), true),
            ("AWS::SSM::Parameter", json!({"Value": "a"}), json!({"Value": "b"}), false),
            (
                "AWS::EC2::VPC",
                json!({"CidrBlock": "10.0.0.0/16"}),
                json!({"CidrBlock": "10.1.0.0/16"}),
                true,
            ),
            (
                "AWS::EC2::VPC",
                json!({"EnableDnsSupport": true}),
                json!({"EnableDnsSupport": "true"}),
                false,
            ),
            (
                "AWS::ECR::Repository",
                json!({"RepositoryName": "a"}),
                json!({"RepositoryName": "b"}),
                true,
            ),
            ("AWS::ECS::Cluster", json!({"ClusterName": "a"}), json!({"ClusterName": "b"}), true),
            ("AWS::ECS::TaskDefinition", json!({"Cpu": "256"}), json!({"Cpu": "512"}), true),
        ];
        for (kind, old, new, replaced) in cases {
            let difference = properties(&registry::find(kind).unwrap(), &old, &new);
            assert_eq!(difference.replaces(), replaced, "{kind} {old} {new}");
        }
        let network = registry::find("AWS::EC2::VPC").unwrap();
        assert!(properties(&network, &json!({"X": 80}), &json!({"X": "80"})).is_empty());
    }
}
