use serde_json::{Value, json};

use super::Lab;
use crate::{ecr, ecs, ssm};

const PLATFORM: &str = r"
Resources:
  Net: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Subnet: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Net, CidrBlock: 10.0.0.0/24 } }
  Guard: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: web, VpcId: !Ref Net } }
  Logs: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: /aws/ecs/app } }
  Role: { Type: AWS::IAM::Role, Properties: { AssumeRolePolicyDocument: {} } }
  Balancer: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Subnets: [!Ref Subnet] } }
  Group: { Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: { VpcId: !Ref Net, Port: 80, Protocol: HTTP } }
  Listener: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { LoadBalancerArn: !Ref Balancer, DefaultActions: [] } }
  Handle: { Type: AWS::CloudFormation::WaitConditionHandle }
  Hook: { Type: Custom::Anything, Properties: { ServiceToken: arn, Any: thing } }
  Repository: { Type: AWS::ECR::Repository, Properties: { RepositoryName: app, ImageTagMutability: IMMUTABLE, ImageScanningConfiguration: { ScanOnPush: true } } }
  Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterName: main, Tags: [{ Key: own, Value: mine }] } }
Outputs:
  Net: { Value: !Ref Net }
  Subnet: { Value: !Ref Subnet }
  Guard: { Value: !GetAtt Guard.GroupId }
  Logs: { Value: !GetAtt Logs.Arn }
  Role: { Value: !GetAtt Role.Arn }
  RoleName: { Value: !Ref Role }
  Dns: { Value: !GetAtt Balancer.DNSName }
  Balancer: { Value: !Ref Balancer }
  Group: { Value: !Ref Group }
  Listener: { Value: !Ref Listener }
  Hook: { Value: !GetAtt Hook.Whatever }
  Uri: { Value: !GetAtt Repository.RepositoryUri }
  Cluster: { Value: !GetAtt Cluster.Arn }
";

fn create(lab: &mut Lab, template: &str) {
    lab.ok(
        "CreateStack",
        &[
            ("StackName", "platform"),
            ("TemplateBody", template),
            ("Capabilities.member.1", "CAPABILITY_IAM"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "web"),
        ],
    );
}

#[test]
fn ids_and_attributes_have_the_right_shape() {
    let mut lab = Lab::new();
    create(&mut lab, PLATFORM);
    let status = lab.settled("platform");
    assert_eq!(status, "CREATE_COMPLETE", "{:?}", lab.events("platform"));
    for (output, pattern) in [
        ("Net", "^vpc-0[0-9a-f]{16}$"),
        ("Subnet", "^subnet-0[0-9a-f]{16}$"),
        ("Guard", "^sg-0[0-9a-f]{16}$"),
        ("Logs", "^arn:aws:logs:ap-southeast-1:123456789012:log-group:/aws/ecs/app:\\*$"),
        ("RoleName", "^platform-Role-[A-Z0-9]{12}$"),
        ("Role", "^arn:aws:iam::123456789012:role/platform-Role-[A-Z0-9]{12}$"),
        ("Dns", "^platfo-Balan-[A-Z0-9]{12}-[0-9]+\\.ap-southeast-1\\.elb\\.amazonaws\\.com$"),
        (
            "Balancer",
            "^arn:aws:elasticloadbalancing:ap-southeast-1:123456789012:loadbalancer/app/platfo-Balan-[A-Z0-9]{12}/[0-9a-f]{16}$",
        ),
        (
            "Group",
            "^arn:aws:elasticloadbalancing:ap-southeast-1:123456789012:targetgroup/platfo-Group-[A-Z0-9]{12}/[0-9a-f]{16}$",
        ),
        (
            "Listener",
            "^arn:aws:elasticloadbalancing:ap-southeast-1:123456789012:listener/app/platfo-Balan-[A-Z0-9]{12}/[0-9a-f]{16}/[0-9a-f]{16}$",
        ),
        ("Uri", "^123456789012\\.dkr\\.ecr\\.ap-southeast-1\\.amazonaws\\.com/app$"),
        ("Cluster", "^arn:aws:ecs:ap-southeast-1:123456789012:cluster/main$"),
        ("Hook", "."),
    ] {
        let value = lab.output("platform", output).unwrap();
        assert!(regex_lite::Regex::new(pattern).unwrap().is_match(&value), "{output}: {value}");
    }
}

#[test]
fn objects_are_really_made_and_say_whose_they_are() {
    let mut lab = Lab::new();
    create(&mut lab, PLATFORM);
    lab.settled("platform");
    let (world, now) = (&mut lab.world, lab.now);
    let answer =
        ecr::handle(world, now, "DescribeRepositories", &json!({ "repositoryNames": ["app"] }))
            .unwrap();
    let repository = answer["repositories"][0].clone();
    assert_eq!(repository["imageTagMutability"], "IMMUTABLE");
    assert_eq!(repository["imageScanningConfiguration"]["scanOnPush"], true);
    let arn = json!({ "resourceArn": repository["repositoryArn"] });
    let tags = ecr::handle(world, now, "ListTagsForResource", &arn).unwrap();
    check_tags(&tags["tags"], "Key", "Value", "Repository");
    let answer =
        ecs::handle(world, now, "DescribeClusters", &json!({ "clusters": ["main"] })).unwrap();
    let arn = json!({ "resourceArn": answer["clusters"][0]["clusterArn"] });
    let tags = ecs::handle(world, now, "ListTagsForResource", &arn).unwrap();
    check_tags(&tags["tags"], "key", "value", "Cluster");
    assert!(tags["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "own"));
    lab.ok("DeleteStack", &[("StackName", "platform")]);
    lab.wait(200.0);
    let gone = json!({ "repositoryNames": ["app"] });
    assert!(ecr::handle(&mut lab.world, lab.now, "DescribeRepositories", &gone).is_err());
}

fn check_tags(tags: &Value, key: &str, value: &str, logical_id: &str) {
    let find = |name: &str| {
        let tag = tags.as_array().unwrap().iter().find(|tag| tag[key] == name);
        tag.unwrap_or_else(|| panic!("no {name} in {tags}"))[value].clone()
    };
    assert_eq!(find("aws:cloudformation:stack-name"), "platform");
    assert_eq!(find("aws:cloudformation:logical-id"), logical_id);
    assert!(find("aws:cloudformation:stack-id").as_str().unwrap().contains(":stack/platform/"));
    assert_eq!(find("team"), "web");
}

#[test]
fn parameters_carry_the_tags_too() {
    let mut lab = Lab::new();
    create(
        &mut lab,
        "Resources:\n  P: { Type: AWS::SSM::Parameter, Properties: { Name: /p, Type: String, Value: v, Tags: { own: mine } } }\n",
    );
    lab.settled("platform");
    let of = json!({ "ResourceType": "Parameter", "ResourceId": "/p" });
    let tags = ssm::handle(&mut lab.world, lab.now, "ListTagsForResource", &of).unwrap();
    check_tags(&tags["TagList"], "Key", "Value", "P");
    // They survive an update, and a tag that the stack drops is gone.
    lab.ok(
        "UpdateStack",
        &[
            ("StackName", "platform"),
            ("TemplateBody", "Resources:\n  P: { Type: AWS::SSM::Parameter, Properties: { Name: /p, Type: String, Value: w } }\n"),
        ],
    );
    assert_eq!(lab.settled("platform"), "UPDATE_COMPLETE");
    let tags = ssm::handle(&mut lab.world, lab.now, "ListTagsForResource", &of).unwrap();
    check_tags(&tags["TagList"], "Key", "Value", "P");
    assert!(!tags["TagList"].as_array().unwrap().iter().any(|tag| tag["Key"] == "own"));
}

#[test]
fn an_existing_cluster_or_repository_is_a_conflict() {
    let mut lab = Lab::new();
    ecs::handle(&mut lab.world, lab.now, "CreateCluster", &json!({ "clusterName": "main" }))
        .unwrap();
    create(&mut lab, PLATFORM);
    assert_eq!(lab.settled("platform"), "ROLLBACK_COMPLETE");
    assert!(lab.events("platform").iter().any(|line| {
        line.contains("Resource of type 'AWS::ECS::Cluster' with identifier 'main' already exists.")
    }));
}

#[test]
fn a_repository_with_images_does_not_go() {
    let mut lab = Lab::new();
    let template =
        "Resources:\n  R: { Type: AWS::ECR::Repository, Properties: { RepositoryName: app } }\n";
    create(&mut lab, template);
    lab.settled("platform");
    ecr::push_minimal_image(&mut lab.world, lab.now, "app", "v1").unwrap();
    lab.ok("DeleteStack", &[("StackName", "platform")]);
    assert_eq!(lab.settled("platform"), "DELETE_FAILED");
}
