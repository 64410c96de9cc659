//! What a template needs, makes, names and takes.

use bfd_template::{Context, Needs, Shared};
use serde_json::json;
use std::collections::BTreeSet;

use crate::{CDK, WEB_YAML, given, parse};

fn context() -> Context {
    Context {
        account: Some("123456789012".to_owned()),
        region: Some("eu-central-1".to_owned()),
        stack_name: Some("shop".to_owned()),
        parameters: given(&[("Environment", "dev"), ("DatabasePassword", "hunter22")]),
        ..Context::default()
    }
}

#[test]
fn capabilities() {
    assert_eq!(parse(WEB_YAML).needs(), Needs { iam: true, named_iam: false, auto_expand: false });
    assert_eq!(parse(CDK).needs().capabilities(), ["CAPABILITY_IAM"]);
    let role = |properties: &str| {
        let text = format!("Resources: {{R: {{Type: AWS::IAM::Role, Properties: {properties}}}}}");
        parse(&text).needs().capabilities()
    };
    assert_eq!(role("{RoleName: !Sub \"${AWS::Region}-x\"}"), ["CAPABILITY_NAMED_IAM"]);
    assert_eq!(role("{RoleName: !Ref AWS::NoValue}"), ["CAPABILITY_IAM"]);
    assert_eq!(
        parse("Transform: AWS::LanguageExtensions\nResources: {}").needs().capabilities(),
        ["CAPABILITY_AUTO_EXPAND"]
    );
    assert_eq!(
        parse("Resources: {\"Fn::ForEach::L\": [a, [b], {}]}").needs().capabilities(),
        ["CAPABILITY_AUTO_EXPAND"]
    );
}

#[test]
fn parameters() {
    let parameters = parse(WEB_YAML).parameters();

    assert_eq!(parameters["DesiredCount"].default.as_deref(), Some("2"));
    assert!(parameters["DatabasePassword"].no_echo);
    assert!(parameters["Subnets"].is_list());
    let image = &parameters["ImageId"];
    assert_eq!(image.ssm_name(&given(&[])), Some("/web/image"));
    assert_eq!(image.ssm_name(&given(&[("ImageId", "/other")])), Some("/other"));
    assert_eq!(parameters["Version"].ssm_name(&given(&[])), None);
}

#[test]
fn names_that_are_known() {
    let named = parse(WEB_YAML).named_resources(&context());
    let named: Vec<_> = named
        .iter()
        .map(|each| (each.logical.as_str(), each.name.as_str(), each.cluster.as_deref()))
        .collect();

    assert_eq!(
        named,
        [
            ("Cluster", "web-dev", None),
            ("Database", "web-dev", None),
            ("LogGroup", "/web/dev", None),
            ("Service", "web", Some("web-dev")),
            ("Task", "web", None),
        ]
    );
    // Without the parameter only what depends on nothing.
    let named = parse(WEB_YAML).named_resources(&Context::default());
    assert_eq!(
        named.iter().map(|each| each.logical.as_str()).collect::<Vec<_>>(),
        ["Service", "Task"]
    );
}

#[test]
fn a_hidden_parameter_names_nothing() {
    let text = "\
Parameters: {Secret: {Type: String, NoEcho: true}}
Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub \"x-${Secret}\"}}}
";
    let context = Context::of_parameters(&given(&[("Secret", "hunter22")]));

    assert_eq!(parse(text).named_resources(&context), []);
}

#[test]
fn a_resource_that_its_condition_keeps_out_names_nothing() {
    let text = "\
Parameters: {Stage: {Type: String}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsOther: !Or [!Condition IsProd, !Equals [!Ref Stage, test]]
Resources:
  A: {Type: AWS::S3::Bucket, Condition: IsOther, Properties: {BucketName: a}}
  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !If [IsProd, b-prod, !Sub \"b-${Stage}\"]}}
";
    let names = |stage| {
        let context = Context::of_parameters(&given(&[("Stage", stage)]));
        let named = parse(text).named_resources(&context);
        named.into_iter().map(|each| each.name).collect::<Vec<_>>()
    };

    assert_eq!(names("prod"), ["a", "b-prod"]);
    assert_eq!(names("dev"), ["b-dev"]);
}

#[test]
fn conditions_that_name_each_other_come_to_an_end() {
    use std::fmt::Write as _;

    // Each names the next twice, and the last the first: without memory that takes for ever.
    let mut text = String::from("Conditions:\n");
    for number in 0..500 {
        let next = (number + 1) % 500;
        let _ = writeln!(
            text,
            "  C{number}: !And [!Condition C{next}, !Equals [!If [C{next}, a, b], a]]"
        );
    }
    text.push_str(
        "Resources:\n  A: {Type: AWS::S3::Bucket, Condition: C0, Properties: {BucketName: a}}\n",
    );
    // So does one function within the other.
    let deep = format!("{}!Condition C0{}", "!Or [{\"Fn::Not\": [".repeat(30), "]}, x]".repeat(30));
    text = text.replace("Resources:", &format!("  D: {deep}\nResources:"));
    text.push_str("  B: {Type: AWS::S3::Bucket, Condition: D, Properties: {BucketName: b}}\n");

    // Unknown is not false.
    assert_eq!(parse(&text).named_resources(&Context::default()).len(), 2);
}

#[test]
fn imports_exports_and_nested_stacks() {
    let template = parse(WEB_YAML);

    let imports = template.imports(&context());
    let imports: Vec<_> =
        imports.iter().map(|each| (each.path.to_string(), each.name.as_deref())).collect();
    assert_eq!(
        imports,
        [
            ("Resources.Nested.Properties.Parameters.Peer".to_owned(), Some("shop-peer-eu-central-1")),
            (
                "Resources.Service.Properties.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups[1]"
                    .to_owned(),
                Some("shared-sg")
            ),
        ]
    );
    assert_eq!(template.imports(&Context::default())[0].name, None);
    assert_eq!(template.exports(&context()), ["shop-service"]);
    let output = &template.outputs()[0];
    assert_eq!(output.value, json!({ "Fn::GetAtt": ["Service", "Name"] }));
    assert_eq!(output.export, Some(json!({ "Fn::Sub": "${AWS::StackName}-service" })));
    let nested = template.nested_stacks();
    assert_eq!(
        (nested[0].logical.as_str(), &nested[0].parameters),
        ("Nested", &vec!["Peer".to_owned()])
    );
}

#[test]
fn what_stacks_share_by_name() {
    let template = parse(
        r"
Parameters:
  Stage: {Type: String}
  Image: {Type: 'AWS::SSM::Parameter::Value<String>', Default: '/images/web:3'}
Conditions:
  IsLive: !Equals [!Ref Stage, live]
Resources:
  Url: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub '/${Stage}/url', Value: x}}
  Gone: {Type: AWS::SSM::Parameter, Condition: IsLive, Properties: {Name: /gone, Value: x}}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      A: !ImportValue {'Fn::Join': ['-', [!Ref Stage, vpc]]}
      B: !If [IsLive, !ImportValue live, !ImportValue test]
      C: !ImportValue {'Fn::GetAtt': [Url, Value]}
      D: !GetStackOutput {StackName: near, OutputName: x, Region: !Ref 'AWS::Region'}
      E: !GetStackOutput {StackName: far, OutputName: x, Region: us-west-2}
      F: !GetStackOutput {StackName: other, OutputName: x, RoleArn: 'arn:aws:iam::999999999999:role/r'}
  Off: {Type: AWS::SNS::Topic, Condition: IsLive, Properties: {A: !ImportValue off}}
Outputs:
  A: {Value: x, Export: {Name: !Sub '${AWS::StackName}-a'}}
  B: {Value: x, Condition: IsLive, Export: {Name: b}}
  C: {Value: x}
",
    );
    let context = Context {
        account: Some("123456789012".into()),
        region: Some("eu-central-1".into()),
        stack_name: Some("web".into()),
        parameters: [("Stage".to_owned(), "test".to_owned())].into(),
        ..Context::default()
    };
    let said = |all: BTreeSet<Shared>| all.iter().map(ToString::to_string).collect::<Vec<_>>();

    assert_eq!(
        said(template.gives(&context)),
        ["the export `web-a`", "the outputs of `web`", "the parameter `/test/url`"]
    );
    assert_eq!(
        said(template.takes(&context)),
        [
            "the export `test`",
            "the export `test-vpc`",
            "the outputs of `near`",
            "the parameter `/images/web`"
        ]
    );
    assert!(!template.may_export_more(&context));
    assert!(template.may_export_more(&Context { stack_name: None, ..context }));
}

#[test]
fn partitions_follow_from_regions() {
    let text = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub \"${AWS::Partition}.${AWS::URLSuffix}\"}}}";
    let name = |region: &str| {
        let context = Context { region: Some(region.to_owned()), ..Context::default() };
        parse(text).named_resources(&context).into_iter().map(|each| each.name).next()
    };

    assert_eq!(name("us-east-1").as_deref(), Some("aws.amazonaws.com"));
    assert_eq!(name("cn-north-1").as_deref(), Some("aws-cn.amazonaws.com.cn"));
    assert_eq!(name("us-iso-east-1"), None);
}
