//! What AWS would refuse.

use bfd_template::Template;

use crate::{WEB_YAML, given, parse};

fn problems(template: &Template) -> Vec<String> {
    template.check().iter().map(ToString::to_string).collect()
}

/// The problems of a text, without their help.
fn labels(text: &str) -> Vec<String> {
    let all = parse(text).check();
    all.iter()
        .map(|problem| format!("{}: {}", problem.place.expect("a place"), problem.label))
        .collect()
}

#[test]
fn undeclared_names() {
    let text = "\
Parameters:
  Size: {Type: String}
Mappings:
  Sizes: {a: {b: c}}
Conditions:
  IsLarge: !Equals [!Ref Sise, large]
  IsBucket: !Equals [!Ref Bucket, x]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Condition: IsLage
    DependsOn: [Table, Buckets]
    Properties:
      BucketName: !Sub \"${AWS::Regio}-${Size}-${Table.Arn}-${!Text}\"
      Other: !FindInMap [Size, a, b]
      Tags:
        - {Key: a, Value: !If [IsSmall, !Ref Nothing, !GetAtt Nobody.Arn]}
        - {Key: b, Value: !Sub [\"${X}${Y}\", {X: 1}]}
Outputs:
  Name: {Value: !Ref Buckett, Condition: IsLarge}
";

    assert_eq!(
        labels(text),
        [
            "6:21: a reference names `Sise`, and there is no such parameter",
            "7:22: a reference names `Bucket`, and there is no such parameter",
            "11:5: a condition names `IsLage`, and there is no such condition",
            "12:17: DependsOn names `Table`, and there is no such resource",
            "12:24: DependsOn names `Buckets`, and there is no such resource",
            "14:19: a reference names `AWS::Regio`, and there is no such parameter or resource",
            "14:19: an attribute names `Table`, and there is no such resource",
            "15:14: Fn::FindInMap names `Size`, and there is no such mapping",
            "17:27: a condition names `IsSmall`, and there is no such condition",
            "17:41: a reference names `Nothing`, and there is no such parameter or resource",
            "17:55: an attribute names `Nobody`, and there is no such resource",
            "18:27: a reference names `Y`, and there is no such parameter or resource",
            "20:17: a reference names `Buckett`, and there is no such parameter or resource",
        ]
    );
    let template = parse(text);
    let help = template.check().into_iter().map(|problem| problem.help.unwrap_or_default());
    let help: Vec<String> = help.collect();
    assert_eq!(help[0], "did you mean `Size`?");
    assert_eq!(help[12], "did you mean `Bucket`?");
}

#[test]
fn what_a_transform_may_declare_is_let_through() {
    let body = "
Globals: {Function: {Timeout: 3}}
Resources:
  Function:
    Properties: {Role: !Ref Elsewhere, Empty: null}
";
    assert_eq!(problems(&parse(body)).len(), 4);
    for open in [
        "Transform: AWS::Serverless-2016-10-31",
        "Modules: {Web: {Source: web.yaml}}",
        "X: {\"Fn::ForEach::Loop\": [a, [b], {}]}",
        "X: {\"Fn::Transform\": {Name: AWS::Include}}",
    ] {
        assert_eq!(problems(&parse(&format!("{open}{body}"))), Vec::<String>::new(), "{open}");
    }
    let rules = format!("Rules: {{R: {{Assertions: [{{Assert: !Equals [!Ref No, a]}}]}}}}{body}");
    assert_eq!(problems(&parse(&rules)).len(), 4, "rules declare nothing");
    let module = body.replace("Properties", "Type: My::Own::Thing::MODULE\n    Properties");
    assert_eq!(problems(&parse(&module)), Vec::<String>::new());
}

#[test]
fn sections_and_resources() {
    assert_eq!(
        problems(&parse("AWSTemplateFormatVersion: 2010-09-10\nResource:\n  A: {Type: X}\n")),
        [
            "1:1: unknown version of the template format: `2010-09-10` is not a version of the \
             format (help: the only one is `2010-09-09`)",
            "1:1: the template declares no resources: CloudFormation takes no template without one",
            "2:1: unknown section: `Resource` is not a section of a template (help: did you mean \
             `Resources`?)",
        ]
    );
    assert_eq!(
        labels("Resources:\n  A: {}\n  B-C: {Type: X::Y::Z}\n  D: {Type: X::Y::Z, Properties: }\n"),
        [
            "2:3: `A` has no `Type`",
            "3:3: `B-C` has other characters than letters and digits",
            "4:22: no value",
        ]
    );
}

#[test]
fn aliases_are_refused_with_a_place() {
    let text = "Resources:\n  A: &a {Type: AWS::S3::Bucket}\n  B: *a\n";

    assert_eq!(
        problems(&parse(text)),
        ["3:6: YAML aliases are not allowed in templates: an alias (help: write the value out: \
          CloudFormation refuses templates with aliases)"]
    );
}

#[test]
fn circles() {
    let resource = |name: &str, to: &str| {
        format!("  {name}: {{Type: A::B::C, Properties: {{P: !Ref {to}}}}}\n")
    };
    let text = format!(
        "Resources:\n{}{}{}{}{}  Loose: {{Type: A::B::C, DependsOn: [A, Self]}}\n",
        resource("C", "A"),
        resource("A", "B"),
        resource("B", "C"),
        resource("Self", "Self"),
        resource("Leads", "A"),
    );

    assert_eq!(labels(&text), ["3:3: A → B → C → A", "5:3: Self → Self"]);
}

#[test]
fn a_circle_that_a_condition_may_open_is_none() {
    let text = "\
Parameters: {X: {Type: String}}
Conditions: {Is: !Equals [!Ref X, a]}
Resources:
  A: {Type: A::B::C, Properties: {P: !If [Is, !Ref B, x]}}
  B: {Type: A::B::C, Properties: {P: !Ref A}}
  C: {Type: A::B::C, Condition: Is, Properties: {P: !Ref D}}
  D: {Type: A::B::C, Properties: {P: !Sub \"${C}\"}}
";

    assert_eq!(labels(text), Vec::<String>::new());
}

#[test]
fn types_of_parameters() {
    let text = "Parameters:\n  A: {Type: Strin}\n  B: {}\n  C: {Type: AWS::EC2::New::Id}\nResources: {R: {Type: A::B::C}}\n";

    assert_eq!(
        labels(text),
        ["2:7: `Strin` is not a type of parameters", "3:3: `B` has no `Type`"]
    );
}

#[track_caller]
fn check(values: &[(&str, &str)], expected: &[&str]) {
    let template = parse(WEB_YAML);
    let mut all = given(&[
        ("Environment", "dev"),
        ("DatabasePassword", "correct horse"),
        ("Subnets", "subnet-1,subnet-2"),
    ]);
    for (name, value) in values {
        if value.is_empty() {
            all.remove(*name);
        } else {
            all.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    let labels: Vec<String> =
        template.check_parameters(&all).into_iter().map(|problem| problem.label).collect();
    assert_eq!(labels, expected);
}

#[test]
fn values_of_parameters() {
    check(&[], &[]);
    check(&[("Environment", "")], &["`Environment` has no default"]);
    check(&[("Enviroment", "x")], &["the template declares no parameter `Enviroment`"]);
    check(
        &[("Environment", "test")],
        &["`test` of `Environment` is not among its `AllowedValues`"],
    );
    check(&[("DesiredCount", "0")], &["`0` of `DesiredCount` is less than 1"]);
    check(&[("DesiredCount", "10.5")], &["`10.5` of `DesiredCount` is more than 10"]);
    check(&[("DesiredCount", "many")], &["`many` of `DesiredCount` is not a number"]);
    check(&[("Version", "v12")], &[]);
    check(&[("Version", "latest")], &["`latest` of `Version` does not match `v[0-9]+`"]);
    check(&[("Version", "{{resolve:ssm:/v}}")], &[]);
    check(&[("ImageId", "/another/name")], &[]);
}

#[test]
fn a_hidden_value_is_in_no_message() {
    check(
        &[("DatabasePassword", "hunter2")],
        &["its value of `DatabasePassword` is shorter than 8"],
    );
    let debug = format!("{:?} {:?}", parse(WEB_YAML), parse(WEB_YAML).parameters());
    assert!(!debug.contains("hunter2"));
}
