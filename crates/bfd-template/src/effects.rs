//! What a changed property does to the object.

use serde::Serialize;

use crate::create_only;
use crate::path::{Path, Step};

/// What happens to the object of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: only metadata changes, or how CloudFormation handles it.
    None,
    /// It is changed in place, as far as is known.
    Update,
    /// Another may take its place.
    MayReplace,
    /// Another takes its place.
    Replacement,
    /// It is made.
    Create,
    /// It leaves the stack.
    Delete,
}

/// Whether a changed property replaces the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replaces {
    /// Not that it is known.
    No,
    /// At times, or if its value really changes.
    Maybe,
    /// Always.
    Always,
}

/// Whether a change at a path, from the top of the resource, replaces an object of the type.
pub(crate) fn replaces(type_name: &str, path: &Path) -> Replaces {
    let mut steps = path.steps().iter();
    match steps.next() {
        // CloudFormation refuses most changes of a type; none of them keeps the object.
        Some(Step::Key(key)) if key == "Type" => return Replaces::Always,
        Some(Step::Key(key)) if key == "Properties" => {}
        _ => return Replaces::No,
    }
    let is_custom = type_name.starts_with("Custom::");
    let type_name = if is_custom { "AWS::CloudFormation::CustomResource" } else { type_name };
    let Some(row) = create_only::of(type_name) else { return Replaces::No };
    let keys: Vec<&str> = path.keys().skip(1).collect();
    let hit = |names: &[&str]| names.iter().map(|name| overlap(&keys, name)).max();
    let (always, at_times) = (hit(row.always), hit(row.at_times));
    match (always, at_times) {
        (Some(Overlap::Within), _) => Replaces::Always,
        (Some(Overlap::Around), _) | (_, Some(Overlap::Within | Overlap::Around)) => {
            Replaces::Maybe
        }
        _ => Replaces::No,
    }
}

/// What AWS changes in place and in one direction only: versions go up, storage grows. From the
/// pages of the types in its [resource reference](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html)
/// and the guides on upgrading behind them.
const ONE_WAY: &[(&str, &[&str])] = &[
    ("AWS::AmazonMQ::Broker", &["EngineVersion"]),
    ("AWS::DocDB::DBCluster", &["EngineVersion"]),
    ("AWS::EC2::Volume", &["Size"]),
    ("AWS::EKS::Addon", &["AddonVersion"]),
    ("AWS::EKS::Cluster", &["Version"]),
    ("AWS::EKS::Nodegroup", &["ReleaseVersion", "Version"]),
    ("AWS::ElastiCache::CacheCluster", &["EngineVersion"]),
    ("AWS::ElastiCache::ReplicationGroup", &["EngineVersion"]),
    ("AWS::Elasticsearch::Domain", &["ElasticsearchVersion"]),
    ("AWS::FSx::FileSystem", &["StorageCapacity"]),
    ("AWS::MSK::Cluster", &["BrokerNodeGroupInfo", "KafkaVersion"]),
    ("AWS::MemoryDB::Cluster", &["EngineVersion"]),
    ("AWS::Neptune::DBCluster", &["EngineVersion"]),
    ("AWS::OpenSearchService::Domain", &["EngineVersion"]),
    ("AWS::RDS::DBCluster", &["AllocatedStorage", "EngineVersion"]),
    ("AWS::RDS::DBInstance", &["AllocatedStorage", "EngineVersion"]),
    ("AWS::RDS::GlobalCluster", &["EngineVersion"]),
];

/// Whether a change of this can be taken back: custom resources do what they like, and some
/// properties go one way.
pub(crate) fn is_taken_back(type_name: &str, path: &Path) -> bool {
    if type_name == "AWS::CloudFormation::CustomResource" {
        return false;
    }
    let one_way = ONE_WAY.iter().find(|(name, _)| *name == type_name);
    let property = path.keys().nth(1).unwrap_or_default();
    !one_way.is_some_and(|(_, properties)| properties.contains(&property))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Overlap {
    Apart,
    /// The change holds the property, beside others.
    Around,
    /// The change is the property, or within it.
    Within,
}

fn overlap(keys: &[&str], name: &str) -> Overlap {
    let name: Vec<&str> = name.split('.').collect();
    if keys.starts_with(&name) {
        Overlap::Within
    } else if name.starts_with(keys) {
        Overlap::Around
    } else {
        Overlap::Apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_the_table() {
        let check = |type_name, keys: &[&str]| replaces(type_name, &Path::of(keys));

        assert_eq!(check("AWS::S3::Bucket", &["Properties", "BucketName"]), Replaces::Always);
        assert_eq!(check("AWS::S3::Bucket", &["Properties", "Tags"]), Replaces::No);
        assert_eq!(check("AWS::S3::Bucket", &["Metadata", "BucketName"]), Replaces::No);
        assert_eq!(check("AWS::S3::Bucket", &["Type"]), Replaces::Always);
        assert_eq!(check("AWS::RDS::DBInstance", &["Properties", "Engine"]), Replaces::Maybe);
        assert_eq!(
            check("AWS::EKS::Cluster", &["Properties", "KubernetesNetworkConfig"]),
            Replaces::Maybe
        );
        assert_eq!(
            check("AWS::DynamoDB::Table", &["Properties", "KeySchema", "AttributeName"]),
            Replaces::Always
        );
        assert_eq!(check("AWS::Nobody::Knows", &["Properties", "Name"]), Replaces::No);
        assert_eq!(check("Custom::Thing", &["Properties", "ServiceToken"]), Replaces::Always);
    }
}
