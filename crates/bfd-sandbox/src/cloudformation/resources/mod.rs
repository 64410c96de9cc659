//! Making, changing and deleting what a resource stands for.
//!
//! The types that the sandbox has a model of are made in the world, by the same requests that
//! a user would send; everything else is opaque: an id in the right shape and the attributes
//! that the registry lists.

mod ecr;
mod ecs;
mod iam;
mod lambda;
mod logs;
pub(super) mod observe;
mod opaque;
mod s3;
mod secretsmanager;
mod ssm;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ids, nested, registry};
use crate::error::JsonError;
use crate::tags::Tags;
use crate::world::World;

/// The resource that a service is called for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) stack_name: String,
    pub(super) stack_id: String,
    pub(super) logical_id: String,
    pub(super) kind: String,
    /// The stack's tags.
    pub(super) tags: Tags,
    /// What a nested stack takes over from its parent.
    pub(super) root_id: String,
    pub(super) capabilities: Vec<String>,
    pub(super) role_arn: Option<String>,
}

impl Subject {
    /// A generated name: `Stack-LogicalId-SUFFIX`, cut to what the type allows.
    pub(super) fn generated_name(&self, world: &mut World, longest: usize) -> String {
        let suffix = ids::suffix(world);
        let room = longest.saturating_sub(suffix.len() + 1);
        let mut stem = format!("{}-{}", self.stack_name, self.logical_id);
        stem.truncate(room);
        format!("{}-{suffix}", stem.trim_end_matches('-'))
    }

    /// The tags that `CloudFormation` itself puts on everything it makes.
    ///
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-resource-tags.html>
    fn system_tags(&self) -> Tags {
        Tags::from([
            ("aws:cloudformation:logical-id".to_owned(), self.logical_id.clone()),
            ("aws:cloudformation:stack-id".to_owned(), self.stack_id.clone()),
            ("aws:cloudformation:stack-name".to_owned(), self.stack_name.clone()),
        ])
    }

    /// The resource's own tags over the stack's.
    pub(super) fn tags(&self, properties: &Value) -> Tags {
        let mut tags = self.tags.clone();
        match &properties["Tags"] {
            Value::Object(own) => {
                for (key, value) in own {
                    tags.insert(key.clone(), text(value));
                }
            }
            Value::Array(own) => {
                for tag in own {
                    tags.insert(text(&tag["Key"]), text(&tag["Value"]));
                }
            }
            _ => {}
        }
        tags
    }
}

/// A new object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Made {
    pub(super) physical_id: String,
    pub(super) attributes: BTreeMap<String, Value>,
}

/// Whether an object that was made is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    Waiting,
    Failed(String),
}

/// Makes an object; the error is the event's reason.
pub(super) fn create(
    world: &mut World,
    now: f64,
    subject: &Subject,
    properties: &Value,
) -> Result<Made, String> {
    check(subject, properties)?;
    match subject.kind.as_str() {
        "AWS::SSM::Parameter" => ssm::create(world, now, subject, properties),
        "AWS::ECR::Repository" => ecr::create(world, now, subject, properties),
        "AWS::ECS::Cluster" => ecs::create_cluster(world, now, subject, properties),
        "AWS::ECS::TaskDefinition" => ecs::register(world, now, subject, properties),
        "AWS::ECS::Service" => ecs::create_service(world, now, subject, properties),
        "AWS::IAM::Role" => iam::create(world, subject, properties),
        "AWS::Logs::LogGroup" => logs::create(world, now, subject, properties),
        "AWS::S3::Bucket" => s3::create(world, now, subject, properties),
        "AWS::S3::BucketPolicy" => s3::create_policy(world, subject, properties),
        "AWS::SecretsManager::Secret" => secretsmanager::create(world, now, subject, properties),
        nested::KIND => nested::create(world, now, subject, properties),
        "AWS::Lambda::Function" => {
            lambda::check_code(world, properties)?;
            Ok(opaque::create(world, subject, properties))
        }
        _ => Ok(opaque::create(world, subject, properties)),
    }
}

/// Changes an object in place and gives its attributes.
pub(super) fn update(
    world: &mut World,
    now: f64,
    subject: &Subject,
    made: &Made,
    old: &Value,
    new: &Value,
) -> Result<BTreeMap<String, Value>, String> {
    check(subject, new)?;
    match subject.kind.as_str() {
        "AWS::SSM::Parameter" => ssm::update(world, now, subject, made, new),
        "AWS::ECR::Repository" => ecr::update(world, now, subject, made, old, new),
        "AWS::ECS::Cluster" => ecs::update_cluster(world, now, subject, made, new),
        "AWS::ECS::Service" => ecs::update_service(world, now, subject, made, new),
        "AWS::IAM::Role" => Ok(iam::update(world, made, new)),
        "AWS::Lambda::Function" => {
            lambda::check_code(world, new)?;
            Ok(opaque::update(subject, made, new))
        }
        "AWS::Logs::LogGroup" => logs::update(world, now, subject, made, new),
        "AWS::S3::Bucket" => s3::update(world, subject, made, new),
        "AWS::S3::BucketPolicy" => s3::update_policy(world, made, new),
        "AWS::SecretsManager::Secret" => {
            secretsmanager::update(world, now, subject, made, old, new)
        }
        nested::KIND => {
            nested::update(world, now, subject, &made.physical_id, new)?;
            Ok(made.attributes.clone())
        }
        _ => Ok(opaque::update(subject, made, new)),
    }
}

/// Deletes an object; one that is gone already is fine, as with AWS.
pub(super) fn delete(
    world: &mut World,
    now: f64,
    subject: &Subject,
    physical_id: &str,
    properties: &Value,
) -> Result<(), String> {
    match subject.kind.as_str() {
        "AWS::SSM::Parameter" => ssm::delete(world, now, physical_id),
        "AWS::ECR::Repository" => ecr::delete(world, now, physical_id, properties),
        "AWS::ECS::Cluster" => ecs::delete_cluster(world, now, physical_id),
        "AWS::ECS::TaskDefinition" => ecs::deregister(world, now, physical_id),
        "AWS::ECS::Service" => ecs::delete_service(world, now, physical_id),
        "AWS::IAM::Role" => {
            iam::delete(world, physical_id);
            Ok(())
        }
        "AWS::Logs::LogGroup" => logs::delete(world, now, physical_id),
        "AWS::S3::Bucket" => s3::delete(world, physical_id),
        "AWS::S3::BucketPolicy" => {
            s3::delete_policy(world, physical_id);
            Ok(())
        }
        "AWS::SecretsManager::Secret" => secretsmanager::delete(world, now, physical_id),
        nested::KIND => {
            nested::delete(world, now, physical_id);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Asks whether an object is ready, for the types whose creation waits for something.
pub(super) fn readiness(
    world: &mut World,
    now: f64,
    kind: &str,
    made: &Made,
    properties: &Value,
) -> Readiness {
    match kind {
        "AWS::ECS::Service" => {
            ecs::service_readiness(world, now, &made.physical_id, &made.attributes)
        }
        // Nobody can signal a handle of the sandbox.
        "AWS::CloudFormation::WaitCondition" if text(&properties["Count"]) != "0" => {
            Readiness::Failed(format!(
                "WaitCondition timed out. Received 0 conditions when expecting {}",
                properties["Count"].as_str().map_or_else(|| "1".to_owned(), str::to_owned)
            ))
        }
        _ => Readiness::Ready,
    }
}

/// Asks whether an object that is being deleted is gone.
pub(super) fn gone(world: &mut World, now: f64, kind: &str, physical_id: &str) -> Readiness {
    match kind {
        "AWS::ECS::Service" => ecs::service_gone(world, now, physical_id),
        nested::KIND => nested::gone(world, physical_id),
        _ => Readiness::Ready,
    }
}

/// How long an object takes to be made, in virtual seconds.
///
/// The order of magnitude is AWS's, shortened for the slow types.
pub(super) fn duration(kind: &str, properties: &Value) -> f64 {
    match kind {
        "AWS::CloudFormation::WaitCondition" if text(&properties["Count"]) != "0" => {
            text(&properties["Timeout"]).parse().unwrap_or(300.0)
        }
        "AWS::SSM::Parameter"
        | "AWS::CloudFormation::WaitConditionHandle"
        | "AWS::CDK::Metadata"
        | "AWS::ECS::TaskDefinition" => 2.0,
        nested::KIND
        | "AWS::ECR::Repository"
        | "AWS::Logs::LogGroup"
        | "AWS::EC2::VPC"
        | "AWS::EC2::Subnet"
        | "AWS::EC2::RouteTable"
        | "AWS::EC2::Route" => 4.0,
        "AWS::ECS::Cluster" | "AWS::EC2::SecurityGroup" | "AWS::Lambda::Function" => 6.0,
        "AWS::EC2::InternetGateway"
        | "AWS::IAM::Role"
        | "AWS::IAM::Policy"
        | "AWS::IAM::ManagedPolicy"
        | "AWS::IAM::InstanceProfile" => 15.0,
        "AWS::EC2::NatGateway"
        | "AWS::ElasticLoadBalancingV2::LoadBalancer"
        | "AWS::RDS::DBCluster"
        | "AWS::RDS::DBInstance"
        | "AWS::CloudFront::Distribution"
        | "AWS::S3::Bucket" => 20.0,
        _ => 8.0,
    }
}

/// The physical id that the properties ask for, if the type lets them.
pub(super) fn chosen_id(kind: &str, properties: &Value) -> Option<String> {
    let found = registry::find(kind)?;
    let [identifier] = found.identifier.as_slice() else { return None };
    properties.get(*identifier).map(text).filter(|id| !id.is_empty())
}

/// The message for an object that is there already but in no stack.
fn already_exists(world: &mut World, kind: &str, identifier: &str) -> String {
    handler_message(
        world,
        &format!("Resource of type '{kind}' with identifier '{identifier}' already exists."),
        "AlreadyExists",
    )
}

/// A refusal as the resource handlers of the registry pass it on.
fn handler_message(world: &mut World, message: &str, code: &str) -> String {
    let token = world.next_uuid();
    format!(
        "Resource handler returned message: \"{message}\" (RequestToken: {token}, HandlerErrorCode: {code})"
    )
}

/// The same for a refusal of a service.
fn service_message(world: &mut World, service: &str, error: &JsonError) -> String {
    let request = world.next_uuid();
    let code = match error.code.as_ref() {
        code if code.contains("AlreadyExists") || code == "ResourceExistsException" => {
            "AlreadyExists"
        }
        code if code.contains("NotFound") => "NotFound",
        code if code.contains("AccessDenied") => "AccessDenied",
        code if code.contains("LimitExceeded") => "ServiceLimitExceeded",
        code if code.contains("Validation") || code.contains("Invalid") => "InvalidRequest",
        _ => "GeneralServiceException",
    };
    let message = format!(
        "{} (Service: {service}, Status Code: {}, Request ID: {request})",
        error.message, error.status
    );
    handler_message(world, &message, code)
}

/// Refuses properties that the type's schema does not know or that it misses.
fn check(subject: &Subject, properties: &Value) -> Result<(), String> {
    let Some(kind) = registry::find(&subject.kind) else { return Ok(()) };
    let given = properties.as_object();
    let mut violations: Vec<String> = Vec::new();
    for required in &kind.required {
        if given.is_none_or(|given| !given.contains_key(*required)) {
            violations.push(format!("#: required key [{required}] not found"));
        }
    }
    if !kind.open {
        for name in given.into_iter().flat_map(|given| given.keys()) {
            if !kind.properties.contains(&name.as_str()) {
                violations.push(format!("#: extraneous key [{name}] is not permitted"));
            }
        }
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Properties validation failed for resource {} with message:\n[{}]",
        subject.logical_id,
        violations.join(", ")
    ))
}

fn text(value: &Value) -> String {
    super::parameters::scalar(value).unwrap_or_default()
}
