//! How much a change deserves to be looked at.

use serde::Serialize;
use serde_json::Value;

use crate::effects::Effect;
use crate::path::Path;

/// What a change is about; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// What holds data is deleted.
    StatefulDeleted,
    /// What holds data is or may be replaced by an empty one.
    StatefulReplaced,
    /// Who may do what.
    Iam,
    /// Who may reach what.
    Network,
    /// Anything else.
    Other,
}

/// The types that hold data which is gone with them.
const STATEFUL: &[&str] = &[
    "AWS::AmazonMQ::Broker",
    "AWS::Backup::BackupVault",
    "AWS::CodeCommit::Repository",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::UserPool",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Volume",
    "AWS::ECR::Repository",
    "AWS::EFS::FileSystem",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::FSx::FileSystem",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Logs::LogGroup",
    "AWS::MSK::Cluster",
    "AWS::Neptune::DBCluster",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::GlobalCluster",
    "AWS::Redshift::Cluster",
    "AWS::Route53::HostedZone",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::Timestream::Database",
    "AWS::Timestream::Table",
];

/// The types beside those of IAM that say who may do what.
const POLICIES: &[&str] = &[
    "AWS::ECR::RegistryPolicy",
    "AWS::Events::EventBusPolicy",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::Logs::ResourcePolicy",
    "AWS::Organizations::Policy",
    "AWS::RAM::ResourceShare",
    "AWS::S3::AccessPoint",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SSO::Assignment",
    "AWS::SSO::PermissionSet",
    "AWS::SecretsManager::ResourcePolicy",
];

/// The properties that say who may do what, of any type.
const POLICY_PROPERTIES: &[&str] = &[
    "AccessPolicies",
    "AssumeRolePolicyDocument",
    "FileSystemPolicy",
    "KeyPolicy",
    "ManagedPolicyArns",
    "PermissionsBoundary",
    "Policies",
    "PolicyDocument",
    "PolicyText",
    "PublicAccessBlockConfiguration",
    "RepositoryPolicyText",
    "ResourcePolicy",
];

/// The types that say who may reach what.
const NETWORK: &[&str] = &[
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SecurityGroupVpcAssociation",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
];

/// The properties that say who may reach what, of any type.
const NETWORK_PROPERTIES: &[&str] = &[
    "AssignPublicIp",
    "PubliclyAccessible",
    "SecurityGroupEgress",
    "SecurityGroupIds",
    "SecurityGroupIngress",
    "SecurityGroups",
    "VPCSecurityGroups",
    "VpcSecurityGroupIds",
];

/// Whether objects of the type hold data which is gone with them.
pub(crate) fn is_stateful(type_name: &str) -> bool {
    STATEFUL.contains(&type_name)
}

/// Whether CloudFormation keeps the object of a resource that leaves the stack.
///
/// A `DeletionPolicy` of `Snapshot` keeps a copy and deletes the object.
pub(crate) fn is_kept(resource: &Value) -> bool {
    let policy = resource.get("DeletionPolicy").and_then(Value::as_str);
    matches!(policy, Some("Retain" | "RetainExceptOnCreate"))
}

/// How much a change deserves to be looked at.
pub(crate) fn weigh(
    type_names: &[&str],
    effect: Effect,
    is_kept: bool,
    changed: &[&Path],
) -> Weight {
    let any = |list: &[&str]| type_names.iter().any(|name| list.contains(name));
    let touches = |list: &[&str]| {
        changed.iter().any(|path| {
            path.keys().next() == Some("Properties") && path.keys().any(|key| list.contains(&key))
        })
    };
    let is_iam = any(POLICIES) || type_names.iter().any(|name| name.starts_with("AWS::IAM::"));
    match effect {
        Effect::None => Weight::Other,
        Effect::Delete if !is_kept && any(STATEFUL) => Weight::StatefulDeleted,
        Effect::Replacement | Effect::MayReplace if any(STATEFUL) => Weight::StatefulReplaced,
        _ if is_iam || touches(POLICY_PROPERTIES) => Weight::Iam,
        _ if any(NETWORK) || touches(NETWORK_PROPERTIES) => Weight::Network,
        _ => Weight::Other,
    }
}
