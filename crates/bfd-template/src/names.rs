//! The physical names that a template chooses itself.
//!
//! Such a name exists once in an account and region (some once in the world), so that two
//! stacks, or a stack and a manifest, can want the same object.

use serde::Serialize;
use serde_json::Value;

use crate::resolve::{Context, Resolver, Secrets};
use crate::template::Template;

/// The property that names an object, by type: the primary identifiers of the
/// [resource reference](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html)
/// that users may choose.
const NAMES: &[(&str, &str)] = &[
    ("AWS::AutoScaling::AutoScalingGroup", "AutoScalingGroupName"),
    ("AWS::CloudWatch::Alarm", "AlarmName"),
    ("AWS::CodeBuild::Project", "Name"),
    ("AWS::DynamoDB::GlobalTable", "TableName"),
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::EC2::LaunchTemplate", "LaunchTemplateName"),
    ("AWS::ECR::Repository", "RepositoryName"),
    ("AWS::ECS::CapacityProvider", "Name"),
    ("AWS::ECS::Cluster", "ClusterName"),
    ("AWS::ECS::Service", "ServiceName"),
    ("AWS::ECS::TaskDefinition", "Family"),
    ("AWS::EKS::Cluster", "Name"),
    ("AWS::ElastiCache::CacheCluster", "ClusterName"),
    ("AWS::ElastiCache::ReplicationGroup", "ReplicationGroupId"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Name"),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "Name"),
    ("AWS::Events::EventBus", "Name"),
    ("AWS::Events::Rule", "Name"),
    ("AWS::IAM::Group", "GroupName"),
    ("AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::IAM::User", "UserName"),
    ("AWS::KMS::Alias", "AliasName"),
    ("AWS::Kinesis::Stream", "Name"),
    ("AWS::Lambda::Function", "FunctionName"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::OpenSearchService::Domain", "DomainName"),
    ("AWS::RDS::DBCluster", "DBClusterIdentifier"),
    ("AWS::RDS::DBInstance", "DBInstanceIdentifier"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SNS::Topic", "TopicName"),
    ("AWS::SQS::Queue", "QueueName"),
    ("AWS::SSM::Parameter", "Name"),
    ("AWS::Scheduler::Schedule", "Name"),
    ("AWS::SecretsManager::Secret", "Name"),
    ("AWS::ServiceDiscovery::HttpNamespace", "Name"),
    ("AWS::StepFunctions::StateMachine", "StateMachineName"),
];

/// A resource whose physical name is known before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedResource {
    /// Its logical id.
    pub logical: String,
    /// Its type.
    pub type_name: String,
    /// The property that names it.
    pub property: &'static str,
    /// The name.
    pub name: String,
    /// The cluster of an ECS service, as written, when it is known: names of services are
    /// unique in it alone. Without one it is `default`.
    pub cluster: Option<String>,
}

impl Template {
    /// The resources whose names are known, by logical id.
    ///
    /// One with a condition that is known not to hold is left out.
    pub fn named_resources(&self, context: &Context) -> Vec<NamedResource> {
        let resolver = Resolver::new(self, context, Secrets::Unknown);
        let name = |(logical, resource): (&str, &Value)| {
            let type_name = resource.get("Type")?.as_str()?;
            let (_, property) = NAMES.iter().find(|(name, _)| *name == type_name)?;
            let condition = resource.get("Condition").and_then(Value::as_str);
            if condition.and_then(|name| resolver.condition(name)) == Some(false) {
                return None;
            }
            let properties = resource.get("Properties")?;
            let is_service = type_name == "AWS::ECS::Service";
            let cluster = match properties.get("Cluster").filter(|_| is_service) {
                Some(cluster) => self.cluster(cluster, &resolver),
                None => is_service.then(|| "default".to_owned()),
            };
            Some(NamedResource {
                logical: logical.to_owned(),
                type_name: type_name.to_owned(),
                property,
                name: resolver.text(properties.get(*property)?)?,
                cluster,
            })
        };
        self.resources().filter_map(name).collect()
    }

    /// The name of a cluster: a text, or a reference to a cluster of the template with a name.
    fn cluster(&self, cluster: &Value, resolver: &Resolver<'_>) -> Option<String> {
        if let Some(name) = resolver.text(cluster) {
            return Some(name);
        }
        let reference = match cluster.get("Ref") {
            Some(name) => name.as_str(),
            None => cluster.get("Fn::GetAtt")?.get(0)?.as_str(),
        };
        let properties = self.resource(reference?)?.get("Properties")?;
        resolver.text(properties.get("ClusterName")?)
    }
}
