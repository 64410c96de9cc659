//! What changes between two templates.

use std::collections::BTreeMap;

use bfd_template::{Context, Difference, Effect, TemplateDiff, Weight};

use crate::{CDK, WEB_JSON, WEB_YAML, given, parse};

fn between(old: &str, new: &str) -> TemplateDiff {
    Difference::between(&parse(old), &parse(new), &given(&[]), &given(&[]))
}

fn lines(old: &str, new: &str) -> Vec<String> {
    between(old, new).lines()
}

/// The fixture with a text replaced, which must be there.
#[track_caller]
fn web(from: &str, to: &str) -> String {
    assert!(WEB_YAML.contains(from), "{from}");
    WEB_YAML.replace(from, to)
}

#[test]
fn another_way_to_write_it_is_no_change() {
    assert_eq!(between(WEB_YAML, WEB_JSON), TemplateDiff::default());
    assert!(between(WEB_YAML, WEB_JSON).is_empty());
    let turned = web("DependsOn: LogGroup", "DependsOn: [LogGroup]").replace(
        "        - { Key: Name, Value: web }\n        - { Key: Stage, Value: !Ref Environment }\n",
        "        - { Key: Stage, Value: !Ref Environment } # turned\n        - { Key: Name, Value: web }\n",
    );
    assert_ne!(parse(WEB_YAML), parse(&turned));
    assert_eq!(lines(WEB_YAML, &turned), Vec::<String>::new());
}

#[test]
fn one_property_is_one_line() {
    assert_eq!(
        lines(WEB_YAML, &web("DesiredCount: !Ref DesiredCount", "DesiredCount: 3")),
        ["~ Service (AWS::ECS::Service) Properties.DesiredCount: !Ref DesiredCount → 3"]
    );
    assert_eq!(
        lines(&web("!Ref DesiredCount\n", "2\n"), &web("!Ref DesiredCount\n", "3\n")),
        ["~ Service (AWS::ECS::Service) Properties.DesiredCount: 2 → 3"]
    );
    assert_eq!(
        lines(WEB_YAML, &web("Key: Name, Value: web", "Key: Name, Value: shop")),
        ["~ Service (AWS::ECS::Service) Properties.Tags[Key=Name].Value: \"web\" → \"shop\""]
    );
    assert_eq!(
        lines(WEB_YAML, &web("      AllocatedStorage: \"20\"\n", "")),
        ["~ Database (AWS::RDS::DBInstance) Properties.AllocatedStorage: \"20\" → (none)"]
    );
}

#[test]
fn resources_come_and_go() {
    let more = web("  Nested:", "  Queue:\n    Type: AWS::SQS::Queue\n  Nested:");

    assert_eq!(lines(WEB_YAML, &more), ["+ Queue (AWS::SQS::Queue)"]);
    let diff = between(&more, WEB_YAML);
    assert_eq!(diff.lines(), ["- Queue (AWS::SQS::Queue)"]);
    assert_eq!(diff.resources[0].weight, Weight::StatefulDeleted);
    // Whoever keeps it deletes no data.
    let kept = more.replace("AWS::SQS::Queue\n", "AWS::SQS::Queue\n    DeletionPolicy: Retain\n");
    let diff = between(&kept, WEB_YAML);
    assert_eq!(diff.lines(), ["- Queue (AWS::SQS::Queue) leaves the stack and is kept"]);
    assert_eq!(
        (diff.resources[0].effect, diff.resources[0].weight),
        (Effect::Delete, Weight::Other)
    );
}

#[test]
fn what_cannot_change_in_place_is_replaced() {
    let diff = between(
        &web("ClusterName: !Sub \"web-${Environment}\"", "ClusterName: one"),
        &web("ClusterName: !Sub \"web-${Environment}\"", "ClusterName: two"),
    );

    assert_eq!(
        diff.lines(),
        [
            "-/+ Cluster (AWS::ECS::Cluster) replaced: Properties.ClusterName: \"one\" → \"two\"",
            "~ Service (AWS::ECS::Service) may be replaced: Properties.Cluster: !Ref Cluster \
             through replacement of Cluster",
        ]
    );
    let diff = between(WEB_YAML, &web("Type: AWS::ECS::Cluster", "Type: AWS::S3::Bucket"));
    assert_eq!(diff.resources[0].effect, Effect::Replacement);
    assert_eq!(diff.resources[0].weight, Weight::StatefulReplaced);
    // An engine is sometimes changed in place.
    let diff = between(WEB_YAML, &web("Engine: postgres", "Engine: mysql"));
    assert_eq!(diff.resources[0].logical, "Database");
    assert_eq!(
        (diff.resources[0].effect, diff.resources[0].weight),
        (Effect::MayReplace, Weight::StatefulReplaced)
    );
}

#[test]
fn an_expression_that_comes_to_the_same_replaces_nothing() {
    let old = "\
Parameters: {Name: {Type: String, Default: data}}
Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: data}}}
";
    let new = old.replace("BucketName: data", "BucketName: !Ref Name");
    let other = old.replace("BucketName: data", "BucketName: !Sub \"${Name}-x\"");
    let region = old.replace("BucketName: data", "BucketName: !Sub \"x-${AWS::Region}\"");

    assert_eq!(
        lines(old, &new),
        [
            "= B (AWS::S3::Bucket) not touched: Properties.BucketName: \"data\" → !Ref Name (the same value)"
        ]
    );
    assert_eq!(between(old, &other).resources[0].effect, Effect::Replacement);
    assert_eq!(between(old, &region).resources[0].effect, Effect::MayReplace);
}

#[test]
fn what_aws_looks_up_may_be_the_same() {
    let text = |name: &str| {
        format!(
            "Resources: {{B: {{Type: AWS::S3::Bucket, Properties: {{BucketName: \"{name}\"}}}}}}"
        )
    };

    let diff = between(&text("{{resolve:ssm:/a}}"), &text("{{resolve:ssm:/b}}"));
    assert_eq!(diff.resources[0].effect, Effect::MayReplace);
    let diff = between(&text("{{resolve:ssm:/a}}"), &text("b"));
    assert_eq!(diff.resources[0].effect, Effect::MayReplace);
    assert_eq!(between(&text("a"), &text("b")).resources[0].effect, Effect::Replacement);
}

#[test]
fn what_a_hidden_parameter_may_be_is_not_shown() {
    let text = |value: &str| {
        format!(
            "Parameters: {{P: {{Type: String, NoEcho: true, AllowedValues: [{value}]}}}}\nResources: {{}}"
        )
    };

    assert_eq!(
        lines(&text("hunter2"), &text("hunter3")),
        ["~ Parameters.P.AllowedValues[0]: \"****\" → \"****\""]
    );
    assert!(!lines("Resources: {}", &text("hunter2"))[0].contains("hunter2"));
    assert_eq!(
        lines(WEB_YAML, &web("MinLength: 8", "MinLength: 9")),
        ["~ Parameters.DatabasePassword.MinLength: 8 → 9"]
    );
    let item = |value: u8| {
        format!(
            "Parameters: {{P: {{Type: String, NoEcho: true, Default: hunter2}}}}\nResources: {{A: {{Type: X, Properties: {{L: [{{Name: hunter2, V: {value}}}]}}}}}}"
        )
    };
    assert_eq!(lines(&item(1), &item(2)), ["~ A (X) Properties.L[Name=****].V: 1 → 2"]);
    let import = |name: &str| {
        format!(
            "Parameters: {{P: {{Type: String, NoEcho: true, Default: hunter2}}}}\nResources: {{A: {{Type: X, Properties: {{P: !ImportValue {{\"Fn::Sub\": \"{name}\"}}}}}}}}"
        )
    };
    assert_eq!(
        lines(&import("hunter2-x"), &import("y")),
        ["~ A (X) Properties.P: !ImportValue !Sub \"****\" → !ImportValue !Sub \"y\""]
    );
}

fn with_parameters(old: &[(&str, &str)], new: &[(&str, &str)]) -> TemplateDiff {
    Difference::between(&parse(WEB_YAML), &parse(WEB_YAML), &given(old), &given(new))
}

#[test]
fn a_parameter_reaches_resources() {
    assert_eq!(
        with_parameters(&[], &[("DesiredCount", "3")]).lines(),
        [
            // The condition `IsLarge` is not known without `Environment`.
            "~ Database (AWS::RDS::DBInstance) Properties.DBInstanceClass: !If [\"IsLarge\", \
             \"db.m7g.large\", \"db.t4g.micro\"] through condition IsLarge",
            "~ Service (AWS::ECS::Service) Properties.DesiredCount: !Ref DesiredCount through \
             parameter DesiredCount (\"2\" → \"3\")",
            "~ parameter DesiredCount: \"2\" → \"3\"",
        ]
    );
    // It is with it, and does not hold before or after.
    assert_eq!(
        with_parameters(
            &[("Environment", "dev")],
            &[("Environment", "dev"), ("DesiredCount", "3")]
        )
        .lines(),
        [
            "~ Service (AWS::ECS::Service) Properties.DesiredCount: !Ref DesiredCount through \
             parameter DesiredCount (\"2\" → \"3\")",
            "~ parameter DesiredCount: \"2\" → \"3\"",
        ]
    );
    assert_eq!(with_parameters(&[("DesiredCount", "2")], &[]), TemplateDiff::default());
}

#[test]
fn a_parameter_in_a_name_replaces() {
    let diff = with_parameters(&[("Environment", "dev")], &[("Environment", "prod")]);
    let effect = |logical: &str| {
        diff.resources.iter().find(|each| each.logical == logical).map(|each| each.effect)
    };

    assert_eq!(effect("Cluster"), Some(Effect::Replacement));
    assert_eq!(effect("Database"), Some(Effect::Replacement));
    assert_eq!(effect("LogGroup"), Some(Effect::Replacement));
    assert_eq!(effect("Task"), Some(Effect::Replacement));
    assert_eq!(effect("Service"), Some(Effect::MayReplace));
    assert_eq!(effect("TaskRole"), None);
    // The one that keeps its data comes first.
    assert_eq!(diff.resources[0].logical, "Database");
    assert_eq!(diff.resources[0].weight, Weight::StatefulReplaced);
}

#[test]
fn a_name_in_ssm_may_hold_what_it_held() {
    let diff = with_parameters(&[], &[("ImageId", "/other")]);

    assert_eq!(diff.resources.iter().map(|each| each.effect).max(), Some(Effect::MayReplace));
    assert!(diff.lines().iter().any(|line| line
        == "~ Task (AWS::ECS::TaskDefinition) may be replaced: \
            Properties.ContainerDefinitions[Name=web].Image: !Ref ImageId through parameter \
            ImageId (\"/web/image\" → \"/other\")"));
}

#[test]
fn a_mapping_reaches_whom_it_changes() {
    let new = web("prod: { Cpu: \"1024\"", "prod: { Cpu: \"512\"");
    let for_stage = |stage: &str| {
        let values = given(&[("Environment", stage)]);
        Difference::between(&parse(WEB_YAML), &parse(&new), &values, &values)
    };

    assert!(for_stage("dev").resources.is_empty());
    assert_eq!(for_stage("dev").lines(), ["~ Mappings.Sizes.prod.Cpu: \"1024\" → \"512\""]);
    assert_eq!(
        for_stage("prod").lines()[1],
        "-/+ Task (AWS::ECS::TaskDefinition) replaced: Properties.Cpu: !FindInMap [\"Sizes\", \
         !Ref Environment, \"Cpu\"] through mapping Sizes"
    );
}

#[test]
fn a_condition_makes_and_takes() {
    let text = "\
Parameters: {Stage: {Type: String, Default: dev}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsHere: !Equals [!Ref AWS::Region, !Ref Stage]
Resources:
  A: {Type: AWS::S3::Bucket, Condition: IsProd}
  B: {Type: AWS::S3::Bucket, Condition: IsHere}
  C: {Type: AWS::S3::Bucket}
";
    let diff = |old: &str, new: &str| {
        Difference::between(
            &parse(text),
            &parse(text),
            &given(&[("Stage", old)]),
            &given(&[("Stage", new)]),
        )
    };

    let effects = |diff: &TemplateDiff| {
        diff.resources.iter().map(|each| (each.logical.clone(), each.effect)).collect::<Vec<_>>()
    };
    assert_eq!(
        effects(&diff("dev", "prod")),
        [("B".to_owned(), Effect::MayReplace), ("A".to_owned(), Effect::Create)]
    );
    assert_eq!(
        effects(&diff("prod", "dev")),
        [("A".to_owned(), Effect::Delete), ("B".to_owned(), Effect::MayReplace)]
    );
    assert_eq!(
        diff("prod", "dev").lines()[1],
        "~ B (AWS::S3::Bucket) may be made or leave: Condition: \"IsHere\" through condition IsHere"
    );
}

#[test]
fn metadata_touches_nothing() {
    let moved = CDK.replace("Site/Handler/Resource", "Site/Function/Resource");
    let analytics = CDK.replace("v2:deflate64", "v3:deflate64");

    for other in [&moved, &analytics] {
        let diff = between(CDK, other);
        assert_eq!(diff.resources.len(), 1);
        assert_eq!(diff.resources[0].effect, Effect::None);
        assert!(diff.resources[0].metadata_only && !diff.touches() && !diff.is_empty());
    }
    assert_eq!(
        lines(CDK, &moved),
        ["= Handler886CB40B (AWS::Lambda::Function) metadata only: Metadata.aws:cdk:path: \
          \"Site/Handler/Resource\" → \"Site/Function/Resource\""]
    );
    let code = CDK.replace("\"S3Key\": \"2f6fd1a0c4a1.zip\"", "\"S3Key\": \"new.zip\"");
    assert!(between(CDK, &code).touches());
}

#[test]
fn how_a_resource_is_handled_does_not_touch_it() {
    let new = web("DeletionPolicy: Retain", "DeletionPolicy: Delete");

    assert_eq!(
        lines(WEB_YAML, &new),
        ["= LogGroup (AWS::Logs::LogGroup) not touched: DeletionPolicy: \"Retain\" → \"Delete\""]
    );
}

#[test]
fn weights_and_their_order() {
    let new = web("sts:AssumeRole\n", "sts:*\n")
        .replace("CidrIp: 10.0.0.0/8", "CidrIp: 0.0.0.0/0")
        .replace("Engine: postgres", "Engine: mysql")
        .replace("RetentionInDays: !If [IsProd, 90, 7]", "RetentionInDays: 1");
    let old = WEB_YAML.replace("  Nested:", "  Table:\n    Type: AWS::DynamoDB::Table\n  Nested:");

    let diff = between(&old, &new);

    let order: Vec<_> =
        diff.resources.iter().map(|each| (each.logical.as_str(), each.weight)).collect();
    assert_eq!(
        order[..5],
        [
            ("Table", Weight::StatefulDeleted),
            ("Database", Weight::StatefulReplaced),
            ("TaskRole", Weight::Iam),
            ("SecurityGroup", Weight::Network),
            ("LogGroup", Weight::Other),
        ]
    );
}

#[test]
fn sections() {
    let new = web("Export:\n      Name: !Sub \"${AWS::StackName}-service\"", "Description: x");

    assert_eq!(
        lines(WEB_YAML, &new),
        [
            "+ Outputs.ServiceName.Description: (none) → \"x\"",
            "- Outputs.ServiceName.Export: {\"Name\": !Sub \"${AWS::StackName}-service\"} → (none)",
        ]
    );
    assert_eq!(
        lines(WEB_YAML, &web("MaxValue: 10", "MaxValue: 20")),
        ["~ Parameters.DesiredCount.MaxValue: 10 → 20"]
    );
}

#[test]
fn secrets_are_not_shown() {
    let text = |password: &str, default: &str| {
        format!(
            "\
Parameters: {{Password: {{Type: String, NoEcho: true, Default: {default}}}}}
Resources:
  A:
    Type: AWS::RDS::DBInstance
    Properties:
      MasterUserPassword: {password}
      Url: postgres://web:{password}@host
      Other: !Ref Password
  B:
    Type: AWS::Lambda::Function
    Properties:
      Environment: {{Variables: {{API_KEY: {password}, PLAIN: x{default}x}}}}
      Pairs: [{{Name: DB_PASSWORD, Value: {password}}}]
"
        )
    };
    let (old, new) = (text("hunter2-old", "default-old"), text("hunter2-new", "default-new"));
    let values = |value: &str| given(&[("Password", value)]);

    let diff = Difference::between(
        &parse(&old),
        &parse(&new),
        &values("hunter2-old"),
        &values("hunter2-new"),
    );

    let shown =
        format!("{}{diff:?}{}", diff.lines().join("\n"), serde_json::to_string(&diff).unwrap());
    for secret in ["hunter2", "default-"] {
        assert!(!shown.contains(secret), "{}", diff.lines().join("\n"));
    }
    assert!(diff.lines().contains(
        &"~ A (AWS::RDS::DBInstance) Properties.Other: !Ref Password through parameter Password \
          (\"****\" → \"****\")"
            .to_owned()
    ));
    // A literal is told by the name of its property alone.
    let literal = |password: &str| {
        format!(
            "Resources: {{A: {{Type: X, Properties: {{MasterUserPassword: {password}, \
             Env: [{{Name: API_KEY, Value: {password}}}], Variables: {{AUTH_TOKEN: {password}}}, \
             PasswordPolicy: {{MinimumLength: {}}}, SecretArn: arn-of-it}}}}}}",
            password.len()
        )
    };
    assert_eq!(
        lines(&literal("hunter2"), &literal("hunter22")),
        [
            "~ A (X) Properties.Env[Name=API_KEY].Value: \"****\" → \"****\"",
            "~ A (X) Properties.MasterUserPassword: \"****\" → \"****\"",
            "~ A (X) Properties.PasswordPolicy.MinimumLength: 7 → 8",
            "~ A (X) Properties.Variables.AUTH_TOKEN: \"****\" → \"****\"",
        ]
    );
    // What comes and goes as a whole shows no more.
    for (one, other) in [("Resources: {}", new.as_str()), (old.as_str(), "Resources: {}")] {
        let diff = Difference::between(&parse(one), &parse(other), &given(&[]), &given(&[]));
        let shown = format!("{diff:?}");
        assert!(!shown.contains("default-"), "{shown}");
    }
}

#[test]
fn values_are_cut_and_steer_no_terminal() {
    let text = |value: &str| {
        format!(
            "{{\"Resources\": {{\"A\": {{\"Type\": \"X\", \"Properties\": {{\"P\": {value}}}}}}}}}"
        )
    };
    let long = text(&format!("\"{}\"", "ä".repeat(100)));
    let nasty = text("\"\\u001b[31m\\u009b\\u202e\"");

    assert_eq!(
        lines(&text("1"), &long),
        [format!("~ A (X) Properties.P: 1 → \"{}…", "ä".repeat(58))]
    );
    assert_eq!(
        lines(&text("1"), &nasty),
        ["~ A (X) Properties.P: 1 → \"\\u001b[31m\\u{9b}\\u{202e}\""]
    );
}

#[test]
fn long_values_are_shown_where_they_part() {
    let text = |image: &str| {
        format!(
            "Resources: {{A: {{Type: X, Properties: {{P: !If [IsLarge, {{Command: [one, two, three, four], Image: {image}, Name: web}}, !Ref AWS::NoValue]}}}}}}"
        )
    };

    assert_eq!(
        lines(&text("web:1"), &text("web:2")),
        ["~ A (X) Properties.P: … \"Image\": \"web:1\", \"Name\": \"web\"}, !Ref AWS::NoValue] → \
             … \"Image\": \"web:2\", \"Name\": \"web\"}, !Ref AWS::NoValue]"]
    );
}

#[test]
fn a_difference_is_told_as_json() {
    let diff = between(WEB_YAML, &web("EnableECSManagedTags: yes", "EnableECSManagedTags: no"));

    assert_eq!(
        serde_json::to_value(&diff).unwrap(),
        serde_json::json!({
            "resources": [{
                "logical": "Service",
                "type_name": "AWS::ECS::Service",
                "effect": "update",
                "weight": "other",
                "metadata_only": false,
                "kept": false,
                "properties": [{
                    "path": "Properties.EnableECSManagedTags",
                    "before": true,
                    "after": false,
                    "same_value": false,
                    "through": [],
                    "replaces": "no",
                }],
            }],
            "sections": [],
            "parameters": [],
        })
    );
}

#[test]
fn what_a_new_permission_says_is_told() {
    let more = web(
        "  Nested:",
        "  Reader:\n    Type: AWS::IAM::ManagedPolicy\n    Properties: {PolicyDocument: {Statement: []}}\n  Nested:",
    );
    assert_eq!(
        lines(WEB_YAML, &more),
        [
            "+ Reader (AWS::IAM::ManagedPolicy) Properties.PolicyDocument: (none) → {\"Statement\": []}"
        ]
    );
}

#[test]
fn a_first_property_is_told_by_its_name() {
    let with =
        |properties: &str| format!("Resources: {{A: {{Type: AWS::SQS::Queue{properties}}}}}");
    assert_eq!(
        lines(&with(""), &with(", Properties: {DelaySeconds: 1}")),
        ["~ A (AWS::SQS::Queue) Properties.DelaySeconds: (none) → 1"]
    );
}

const USES: &str = "Description: a
Parameters: {Size: {Type: String, Default: s}, Unused: {Type: String, Default: u}}
Mappings: {M: {a: {b: c}}}
Conditions: {Never: !Equals [a, b]}
Resources: {Topic: {Type: AWS::SNS::Topic}}
Outputs: {Size: {Value: !Ref Size}}
";

fn is_update(old: (&str, Context), new: (&str, Context)) -> bool {
    let [old, new] = [old, new].map(|(text, context)| (parse(text), context));
    Difference::is_update((&old.0, &old.1), (&new.0, &new.1))
}

fn with(parameters: &[(&str, &str)]) -> Context {
    Context { parameters: given(parameters), ..Context::default() }
}

#[test]
fn what_aws_would_take_for_no_update() {
    let none = || with(&[]);
    for (from, to) in [
        ("Description: a\n", ""),
        ("Description: a", "Metadata: {By: me}"),
        (
            "Unused: {Type: String, Default: u}",
            "Unused: {Type: String, Default: v, Description: d}",
        ),
        ("Unused: {Type: String, Default: u}", "Another: {Type: String, Default: u}"),
        ("{a: {b: c}}", "{a: {b: d}}"),
        ("!Equals [a, b]", "!Equals [a, c]"),
    ] {
        assert!(USES.contains(from), "{from}");
        assert!(!is_update((USES, none()), (&USES.replace(from, to), none())), "{to}");
    }
    assert!(!is_update((USES, none()), (USES, with(&[("Unused", "other")]))));
    assert!(!is_update((USES, none()), (USES, with(&[("Size", "s")]))), "the default is given");
}

#[test]
fn what_is_an_update_or_may_be() {
    let none = || with(&[]);
    for (from, to) in [
        ("{Type: AWS::SNS::Topic}", "{Type: AWS::SNS::Topic, Metadata: {a: b}}"),
        ("Default: s", "Default: t"),
        ("Unused: {Type: String", "Unused: {NoEcho: true, Type: String"),
        ("Value: !Ref Size", "Value: other"),
        ("Outputs: {", "Outputs: {More: {Value: a}, "),
    ] {
        assert!(USES.contains(from), "{from}");
        assert!(is_update((USES, none()), (&USES.replace(from, to), none())), "{to}");
    }
    assert!(is_update((USES, none()), (USES, with(&[("Size", "t")]))), "an output tells it");
    let later = Context { unknown: ["Size".to_owned()].into(), ..none() };
    assert!(is_update((USES, none()), (USES, later)));
    // A macro may use anything.
    let open = format!("Transform: Mine\n{USES}");
    assert!(!is_update((&open, none()), (&open, with(&[("Unused", "u")]))));
    assert!(is_update((&open, none()), (&open, with(&[("Unused", "v")]))));
    assert!(is_update((&open, none()), (&open.replace("Description: a", ""), none())));
}

#[test]
fn what_is_not_known_yet_may_replace_and_hidden_values_stay_hidden() {
    const QUEUE: &str = "Parameters: {Name: {Type: String}}\nResources:\n  \
        Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}\n";
    let template = parse(QUEUE);
    let old = with(&[("Name", "a")]);
    let later = Context { unknown: ["Name".to_owned()].into(), ..Context::default() };
    let diff = Difference::of((&template, &old), (&template, &later));
    assert_eq!(diff.resources[0].effect, Effect::MayReplace);
    assert_eq!(diff.resources[0].weight, Weight::StatefulReplaced);
    assert!(diff.lines()[0].contains("(\"a\" → (known later))"), "{:?}", diff.lines());

    let hidden = |value: &str| Context {
        hidden: ["Name".to_owned()].into(),
        parameters: BTreeMap::from([("Name".to_owned(), value.to_owned())]),
        ..Context::default()
    };
    let diff = Difference::of((&template, &hidden("digest-1")), (&template, &hidden("digest-2")));
    assert_eq!(diff.resources[0].effect, Effect::Replacement);
    assert!(!format!("{diff:?}{:?}", diff.lines()).contains("digest"), "{diff:?}");
}

#[test]
fn outputs_of_what_does_not_change_stay() {
    let template = |logs: &str, queue: &str| {
        format!(
            "Parameters:\n  Size: {{ Type: String }}\n  Image: {{ Type: 'AWS::SSM::Parameter::Value<String>' }}\n\
             Conditions:\n  Large: !Equals [!Ref Size, large]\n\
             Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n    Properties: {{ RetentionInDays: {logs} }}\n  \
             Queue:\n    Type: AWS::SQS::Queue\n    Properties: {{ QueueName: {queue} }}\n\
             Outputs:\n  Logs: {{ Value: !GetAtt Logs.Arn }}\n  Queue: {{ Value: !GetAtt Queue.Arn }}\n  \
             Both: {{ Value: !Sub '${{Queue}} ${{Logs}}' }}\n  Size: {{ Value: !Ref Size }}\n  \
             Image: {{ Value: !Ref Image }}\n  Region: {{ Value: !Ref AWS::Region }}\n  \
             Large: {{ Condition: Large, Value: !Ref Queue }}\n  \
             Taken: {{ Value: !ImportValue other }}\n"
        )
    };
    let steady = |new: &str, size: &str| -> Vec<String> {
        let old = parse(&template("7", "q"));
        let context = |size: &str| Context {
            parameters: given(&[("Size", size), ("Image", "/image")]),
            ..Context::default()
        };
        let (before, after) = (context("small"), context(size));
        let all = Difference::steady_outputs((&old, &before), (&parse(new), &after));
        all.into_iter().collect()
    };

    assert_eq!(steady(&template("30", "q"), "small"), ["Large", "Queue", "Region", "Size"]);
    assert_eq!(steady(&template("7", "r"), "small"), ["Logs", "Region", "Size"]);
    assert_eq!(steady(&template("7", "q"), "large"), ["Both", "Logs", "Queue", "Region"]);
    let other = template("30", "q").replace(
        "Queue: { Value: !GetAtt Queue.Arn }",
        "Queue: { Value: !GetAtt Queue.QueueName }",
    );
    assert_eq!(steady(&other, "small"), ["Large", "Region", "Size"]);
    let open = format!("Transform: AWS::Serverless-2016-10-31\n{}", template("30", "q"));
    assert_eq!(steady(&open, "small"), [""; 0]);
}

#[test]
fn outputs_of_what_is_made_of_what_changes_do_not_stay() {
    let steady = |resources: &str, change: (&str, &str), value: &str| {
        let text = |resources: &str| {
            format!(
                "Parameters:\n  Image: {{ Type: 'AWS::SSM::Parameter::Value<String>' }}\n\
                 Resources:\n{resources}Outputs:\n  It: {{ Value: {value} }}\n"
            )
        };
        let (old, new) = (text(resources), text(&resources.replace(change.0, change.1)));
        assert_ne!(old, new);
        let context = Context { parameters: given(&[("Image", "/image")]), ..Context::default() };
        let (old, new) = (parse(&old), parse(&new));
        !Difference::steady_outputs((&old, &context), (&new, &context)).is_empty()
    };
    let resource = |name: &str, value: &str| {
        format!(
            "  {name}: {{ Type: AWS::SSM::Parameter, Properties: {{ Type: String, Value: {value} }} }}\n"
        )
    };
    let changed = resource("A", "one");
    let change = ("Value: one", "Value: two");
    let with = |others: &[(&str, &str)]| {
        let others = others.iter().map(|(name, value)| resource(name, value));
        changed.clone() + &others.collect::<String>()
    };

    assert!(steady(&with(&[("B", "other")]), change, "!GetAtt B.Value"));
    assert!(!steady(&with(&[("B", "!GetAtt A.Value")]), change, "!GetAtt B.Value"));
    let chain = with(&[("B", "!GetAtt A.Value"), ("C", "!Sub 'is ${B.Value}'")]);
    assert!(!steady(&chain, change, "!GetAtt C.Value"));
    // What is looked up with every update.
    for value in ["!Ref Image", "'{{resolve:ssm:/x}}'"] {
        assert!(!steady(&with(&[("B", value)]), change, "!GetAtt B.Value"), "{value}");
    }
    let nested =
        "  N: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: https://a/b } }\n";
    assert!(!steady(&(changed.clone() + nested), change, "!GetAtt N.Outputs.X"));
    assert!(!steady(&changed, change, "!Join [',', !Ref AWS::NotificationARNs]"));
    let elsewhere = "!GetStackOutput { StackName: other, OutputName: It }";
    assert!(!steady(&changed, change, elsewhere));
}
