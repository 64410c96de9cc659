//! Resources that the sandbox has no model of: an id and attributes in the right shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Made, Subject, text};
use crate::cloudformation::{ids, registry};
use crate::world::World;

/// The prefixes of EC2's ids.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>
const PREFIXES: [(&str, &str); 24] = [
    ("AWS::EC2::CustomerGateway", "cgw"),
    ("AWS::EC2::DHCPOptions", "dopt"),
    ("AWS::EC2::EgressOnlyInternetGateway", "eigw"),
    ("AWS::EC2::FlowLog", "fl"),
    ("AWS::EC2::Instance", "i"),
    ("AWS::EC2::InternetGateway", "igw"),
    ("AWS::EC2::LaunchTemplate", "lt"),
    ("AWS::EC2::NatGateway", "nat"),
    ("AWS::EC2::NetworkAcl", "acl"),
    ("AWS::EC2::NetworkInterface", "eni"),
    ("AWS::EC2::PrefixList", "pl"),
    ("AWS::EC2::RouteTable", "rtb"),
    ("AWS::EC2::SecurityGroup", "sg"),
    ("AWS::EC2::SecurityGroupEgress", "sgr"),
    ("AWS::EC2::SecurityGroupIngress", "sgr"),
    ("AWS::EC2::Subnet", "subnet"),
    ("AWS::EC2::SubnetNetworkAclAssociation", "aclassoc"),
    ("AWS::EC2::SubnetRouteTableAssociation", "rtbassoc"),
    ("AWS::EC2::TransitGateway", "tgw"),
    ("AWS::EC2::VPC", "vpc"),
    ("AWS::EC2::VPCEndpoint", "vpce"),
    ("AWS::EC2::VPCPeeringConnection", "pcx"),
    ("AWS::EC2::Volume", "vol"),
    ("AWS::EFS::FileSystem", "fs"),
];

pub(super) fn create(world: &mut World, subject: &Subject, properties: &Value) -> Made {
    let made =
        Made { physical_id: physical_id(world, subject, properties), attributes: BTreeMap::new() };
    let attributes = attributes(world, subject, &made.physical_id, properties);
    Made { attributes, ..made }
}

/// What follows from properties changes; what was generated stays.
pub(super) fn update(subject: &Subject, made: &Made, new: &Value) -> BTreeMap<String, Value> {
    let mut attributes = made.attributes.clone();
    if let Some(kind) = registry::find(&subject.kind) {
        for name in kind.attributes {
            if let Some(value) = new.get(name) {
                attributes.insert(name.to_owned(), value.clone());
            }
        }
    }
    attributes
}

fn physical_id(world: &mut World, subject: &Subject, properties: &Value) -> String {
    let kind = subject.kind.as_str();
    if let Some((_, prefix)) = PREFIXES.iter().find(|(name, _)| *name == kind) {
        return format!("{prefix}-0{}", ids::hex(world, 16));
    }
    match kind {
        "AWS::EC2::EIP" => return address(world),
        "AWS::EC2::Route" => {
            let target =
                ["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"]
                    .iter()
                    .map(|member| text(&properties[*member]))
                    .find(|text| !text.is_empty())
                    .unwrap_or_default();
            return format!("{}|{target}", text(&properties["RouteTableId"]));
        }
        "AWS::CloudFormation::WaitConditionHandle" => {
            return format!(
                "https://cloudformation-waitcondition-{0}.s3.{0}.amazonaws.com/{1}/{2}",
                world.region, subject.stack_id, subject.logical_id
            );
        }
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => {
            let network = match text(&properties["Type"]).as_str() {
                "network" => "net",
                "gateway" => "gwy",
                _ => "app",
            };
            let name = short_name(world, subject, properties, "Name");
            return balancing(world, &format!("loadbalancer/{network}/{name}"));
        }
        "AWS::ElasticLoadBalancingV2::TargetGroup" => {
            let name = short_name(world, subject, properties, "Name");
            return balancing(world, &format!("targetgroup/{name}"));
        }
        "AWS::ElasticLoadBalancingV2::Listener" => {
            let parent =
                text(&properties["LoadBalancerArn"]).replace(":loadbalancer/", ":listener/");
            return format!("{parent}/{}", ids::hex(world, 16));
        }
        "AWS::ElasticLoadBalancingV2::ListenerRule" => {
            let parent = text(&properties["ListenerArn"]).replace(":listener/", ":listener-rule/");
            return format!("{parent}/{}", ids::hex(world, 16));
        }
        "AWS::IAM::ManagedPolicy" => {
            let name = named(world, subject, properties, "ManagedPolicyName", 128);
            let path = match text(&properties["Path"]) {
                path if path.is_empty() => "/".to_owned(),
                path => path,
            };
            return format!("arn:aws:iam::{}:policy{path}{name}", world.account);
        }
        "AWS::SNS::Topic" => {
            let name = named(world, subject, properties, "TopicName", 256);
            return world.arn("sns", &name);
        }
        "AWS::SQS::Queue" => {
            let name = named(world, subject, properties, "QueueName", 80);
            return format!("https://sqs.{}.amazonaws.com/{}/{name}", world.region, world.account);
        }
        "AWS::S3::Bucket" => {
            return named(world, subject, properties, "BucketName", 63).to_lowercase();
        }
        "AWS::ServiceDiscovery::PrivateDnsNamespace"
        | "AWS::ServiceDiscovery::HttpNamespace"
        | "AWS::ServiceDiscovery::PublicDnsNamespace" => {
            return format!("ns-{}", ids::hex(world, 16));
        }
        "AWS::ServiceDiscovery::Service" => return format!("srv-{}", ids::hex(world, 16)),
        "AWS::Logs::LogGroup" => return named(world, subject, properties, "LogGroupName", 512),
        "AWS::KMS::Key" => return world.next_uuid(),
        _ => {}
    }
    generic(world, subject, properties)
}

/// From the identifier that the registry names: a name of the user's, an ARN, or an id.
fn generic(world: &mut World, subject: &Subject, properties: &Value) -> String {
    let kind = registry::find(&subject.kind);
    let identifier = kind.as_ref().map(|kind| kind.identifier.clone()).unwrap_or_default();
    if identifier.len() > 1 {
        let parts: Vec<String> = identifier
            .iter()
            .map(|part| match text(&properties[*part]) {
                part if part.is_empty() => ids::hex(world, 10),
                part => part,
            })
            .collect();
        return parts.join("|");
    }
    match identifier.first() {
        Some(name) if !text(&properties[*name]).is_empty() => text(&properties[*name]),
        Some(name) if name.ends_with("Arn") || name.ends_with("ARN") => {
            let generated = subject.generated_name(world, 64);
            arn_of(world, &subject.kind, &generated)
        }
        _ => subject.generated_name(world, 64),
    }
}

fn attributes(
    world: &mut World,
    subject: &Subject,
    id: &str,
    properties: &Value,
) -> BTreeMap<String, Value> {
    let Some(kind) = registry::find(&subject.kind) else { return BTreeMap::new() };
    let mut attributes = BTreeMap::new();
    for name in &kind.attributes {
        let value = match properties.get(*name) {
            Some(given) => given.clone(),
            None => attribute(world, subject, &kind, id, name),
        };
        attributes.insert((*name).to_owned(), value);
    }
    attributes
}

fn attribute(
    world: &mut World,
    subject: &Subject,
    kind: &registry::Type,
    id: &str,
    name: &str,
) -> Value {
    if kind.identifier == [name] {
        return json!(id);
    }
    let region = world.region.clone();
    let value = match (subject.kind.as_str(), name) {
        ("AWS::EC2::VPC", "DefaultSecurityGroup") => format!("sg-0{}", ids::hex(world, 16)),
        ("AWS::EC2::VPC", "DefaultNetworkAcl") => format!("acl-0{}", ids::hex(world, 16)),
        ("AWS::EC2::VPC", "CidrBlockAssociations") => {
            return json!([format!("vpc-cidr-assoc-0{}", ids::hex(world, 16))]);
        }
        ("AWS::EC2::VPC" | "AWS::EC2::Subnet", "Ipv6CidrBlocks")
        | ("AWS::ElasticLoadBalancingV2::TargetGroup", "LoadBalancerArns") => return json!([]),
        ("AWS::EC2::Subnet", "AvailabilityZone") => format!("{region}a"),
        ("AWS::EC2::EIP", "AllocationId") => format!("eipalloc-0{}", ids::hex(world, 16)),
        ("AWS::EC2::SecurityGroup", "GroupId") | ("AWS::EC2::EIP", "PublicIp") => id.to_owned(),
        ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{}:role/{id}", world.account),
        ("AWS::IAM::User", "Arn") => format!("arn:aws:iam::{}:user/{id}", world.account),
        ("AWS::IAM::InstanceProfile", "Arn") => {
            format!("arn:aws:iam::{}:instance-profile/{id}", world.account)
        }
        ("AWS::IAM::Role", "RoleId") => format!("AROA{}", ids::hex(world, 17).to_uppercase()),
        ("AWS::Logs::LogGroup", "Arn") => world.arn("logs", &format!("log-group:{id}:*")),
        ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{id}"),
        ("AWS::S3::Bucket", "DomainName") => format!("{id}.s3.amazonaws.com"),
        ("AWS::S3::Bucket", "RegionalDomainName") => format!("{id}.s3.{region}.amazonaws.com"),
        ("AWS::S3::Bucket", "DualStackDomainName") => {
            format!("{id}.s3.dualstack.{region}.amazonaws.com")
        }
        ("AWS::S3::Bucket", "WebsiteURL") => {
            format!("http://{id}.s3-website-{region}.amazonaws.com")
        }
        ("AWS::Lambda::Function", "Arn") => world.arn("lambda", &format!("function:{id}")),
        ("AWS::KMS::Key", "Arn") => world.arn("kms", &format!("key/{id}")),
        ("AWS::SQS::Queue", "Arn") => world.arn("sqs", last(id, '/')),
        ("AWS::SQS::Queue", "QueueName") => last(id, '/').to_owned(),
        ("AWS::SNS::Topic", "TopicName") => last(id, ':').to_owned(),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", "DNSName") => {
            format!(
                "{}-{}.{region}.elb.amazonaws.com",
                balancer(id),
                world.next_number() % 10_000_000_000
            )
        }
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerName") => {
            balancer(id).to_owned()
        }
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName") => {
            id.split_once(":loadbalancer/").map_or(id, |(_, name)| name).to_owned()
        }
        ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName") => {
            last(id, ':').to_owned()
        }
        ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupName") => {
            id.split('/').nth(1).unwrap_or(id).to_owned()
        }
        ("AWS::CloudFormation::WaitCondition", "Data") => "{}".to_owned(),
        (_, "Arn") => arn_of(world, &subject.kind, id),
        (_, name) if name.ends_with("Arn") || name.ends_with("ARN") => {
            if id.starts_with("arn:") {
                id.to_owned()
            } else {
                arn_of(world, &subject.kind, id)
            }
        }
        (_, name) if name.ends_with("Name") && !id.starts_with("arn:") => id.to_owned(),
        _ => format!("{id}-{name}"),
    };
    json!(value)
}

/// `arn:aws:SERVICE:REGION:ACCOUNT:TYPE/ID`
fn arn_of(world: &World, kind: &str, id: &str) -> String {
    let mut parts = kind.split("::").skip(1).map(str::to_lowercase);
    let service = match parts.next().unwrap_or_default().as_str() {
        "elasticloadbalancingv2" => "elasticloadbalancing".to_owned(),
        "certificatemanager" => "acm".to_owned(),
        "stepfunctions" => "states".to_owned(),
        service => service.to_owned(),
    };
    world.arn(&service, &format!("{}/{id}", parts.next().unwrap_or_default()))
}

fn balancing(world: &mut World, resource: &str) -> String {
    let end = ids::hex(world, 16);
    world.arn("elasticloadbalancing", &format!("{resource}/{end}"))
}

fn balancer(arn: &str) -> &str {
    arn.split('/').nth(2).unwrap_or(arn)
}

fn named(
    world: &mut World,
    subject: &Subject,
    properties: &Value,
    member: &str,
    longest: usize,
) -> String {
    match text(&properties[member]) {
        name if name.is_empty() => subject.generated_name(world, longest),
        name => name,
    }
}

/// Load balancers and target groups: at most 32 characters, the stack and the id cut short.
fn short_name(world: &mut World, subject: &Subject, properties: &Value, member: &str) -> String {
    match text(&properties[member]) {
        name if name.is_empty() => {
            let start: String = subject.stack_name.chars().take(6).collect();
            let middle: String = subject.logical_id.chars().take(5).collect();
            format!("{}-{middle}-{}", start.trim_end_matches('-'), ids::suffix(world))
        }
        name => name,
    }
}

fn address(world: &mut World) -> String {
    let number = world.next_number();
    // 203.0.113.0/24 is for documentation: nothing answers there.
    format!("203.0.113.{}", number % 254 + 1)
}

fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}
