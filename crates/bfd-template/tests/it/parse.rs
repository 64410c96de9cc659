//! Text to tree.

use std::fmt::Write as _;

use serde_json::{Value, json};

use bfd_template::Template;

use crate::{CDK, WEB_JSON, WEB_YAML, parse, refusals};

/// What a YAML value is below a property.
#[track_caller]
fn value(yaml: &str) -> Value {
    parse(&format!("P: {yaml}\n")).tree()["P"].clone()
}

#[test]
fn yaml_and_json_are_one_template() {
    assert_eq!(parse(WEB_YAML).tree(), parse(WEB_JSON).tree());
    assert_eq!(parse(WEB_YAML), parse(WEB_JSON));
}

#[test]
fn fixtures_have_no_problems() {
    for text in [WEB_YAML, WEB_JSON, CDK] {
        assert_eq!(parse(text).check(), []);
    }
}

#[test]
fn every_short_function_has_its_long_form() {
    for (short, long) in [
        ("!Ref A", json!({ "Ref": "A" })),
        ("!Ref 1", json!({ "Ref": "1" })),
        ("!Condition A", json!({ "Condition": "A" })),
        ("!Sub a-${B}", json!({ "Fn::Sub": "a-${B}" })),
        ("!Sub [\"${X}\", {X: 1}]", json!({ "Fn::Sub": ["${X}", { "X": 1 }] })),
        ("!GetAtt A.B", json!({ "Fn::GetAtt": ["A", "B"] })),
        ("!GetAtt A.Outputs.B", json!({ "Fn::GetAtt": ["A", "Outputs.B"] })),
        ("!GetAtt [A, B]", json!({ "Fn::GetAtt": ["A", "B"] })),
        ("{\"Fn::GetAtt\": A.B}", json!({ "Fn::GetAtt": ["A", "B"] })),
        ("!If [C, 1, 2]", json!({ "Fn::If": ["C", 1, 2] })),
        ("!Join [\"\", [a, b]]", json!({ "Fn::Join": ["", ["a", "b"]] })),
        ("!Select [0, [a]]", json!({ "Fn::Select": [0, ["a"]] })),
        ("!Split [\",\", \"a,b\"]", json!({ "Fn::Split": [",", "a,b"] })),
        ("!FindInMap [M, a, b]", json!({ "Fn::FindInMap": ["M", "a", "b"] })),
        ("!Base64 text", json!({ "Fn::Base64": "text" })),
        ("!Cidr [a, 2, 8]", json!({ "Fn::Cidr": ["a", 2, 8] })),
        ("!GetAZs ''", json!({ "Fn::GetAZs": "" })),
        ("!GetAZs", json!({ "Fn::GetAZs": "" })),
        ("!ImportValue x", json!({ "Fn::ImportValue": "x" })),
        (
            "!And [!Condition A, !Condition B]",
            json!({ "Fn::And": [{ "Condition": "A" }, { "Condition": "B" }] }),
        ),
        ("!Or [a, b]", json!({ "Fn::Or": ["a", "b"] })),
        ("!Not [a]", json!({ "Fn::Not": ["a"] })),
        ("!Equals [a, yes]", json!({ "Fn::Equals": ["a", true] })),
        ("!Transform {Name: AWS::Include}", json!({ "Fn::Transform": { "Name": "AWS::Include" } })),
        ("!Length [a]", json!({ "Fn::Length": ["a"] })),
        ("!ToJsonString {a: 1}", json!({ "Fn::ToJsonString": { "a": 1 } })),
        ("!ForEach [x]", json!({ "Fn::ForEach": ["x"] })),
    ] {
        assert_eq!(value(short), long, "{short}");
    }
}

#[test]
fn scalars_are_what_cloudformation_takes_them_for() {
    for (yaml, expected) in [
        ("2012-10-17", json!("2012-10-17")),
        ("012345678901", json!("012345678901")),
        ("123456789012", json!(123_456_789_012_u64)),
        ("yes", json!(true)),
        ("off", json!(false)),
        ("'yes'", json!("yes")),
        ("!!str 5", json!("5")),
        ("! 5", json!("5")),
        ("!!int 5", json!(5)),
        ("1.10", json!("1.10")),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        (">-\n  a\n  b\n", json!("a b")),
        ("~", Value::Null),
        ("", Value::Null),
    ] {
        assert_eq!(value(yaml), expected, "{yaml}");
    }
    assert_eq!(parse("{\"P\": 1.10}").tree(), parse("P: 1.10").tree());
    assert_eq!(parse("{\"P\": 1e3}").tree(), parse("P: 1e3").tree());
}

#[test]
fn layouts_that_people_write() {
    let text = "\
%YAML 1.1
---
# Grüße
Resources:
    A:
        Type: 'AWS::Lambda::Function'
        Properties:
            Code:
                ZipFile: !Sub |
                    print('${AWS::Region}')

                    print(1)
            Role:
                Fn::GetAtt:
                - Role
                - Arn
            Name: !Join
            - '-'
            - - !Ref 'AWS::StackName'
              - !If [IsProd, prod, !Ref \"AWS::NoValue\"]
            Description: one
              and two   # three
            Import: {'Fn::ImportValue': !Sub '${Stack}-Id'}
            Nested: !Base64
              'Fn::Sub': x${Y}
            Select: !Select
              - 0
              - !GetAZs
                Ref: AWS::Region
            '80': {a: [1, 2,], ? b : c}
            Empty: {}
...
";
    let expected = json!({ "Resources": { "A": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": { "ZipFile": { "Fn::Sub": "print('${AWS::Region}')\n\nprint(1)\n" } },
            "Role": { "Fn::GetAtt": ["Role", "Arn"] },
            "Name": { "Fn::Join": ["-", [
                { "Ref": "AWS::StackName" },
                { "Fn::If": ["IsProd", "prod", { "Ref": "AWS::NoValue" }] },
            ]] },
            "Description": "one and two",
            "Import": { "Fn::ImportValue": { "Fn::Sub": "${Stack}-Id" } },
            "Nested": { "Fn::Base64": { "Fn::Sub": "x${Y}" } },
            "Select": { "Fn::Select": [0, { "Fn::GetAZs": { "Ref": "AWS::Region" } }] },
            "80": { "a": [1, 2], "b": "c" },
            "Empty": {},
        },
    } } });

    assert_eq!(parse(text).tree(), &expected);
    assert_eq!(parse(&text.replace('\n', "\r\n")).tree(), &expected);
}

#[test]
fn json_escapes() {
    assert_eq!(parse(r#"{"P": "\u00e4\ud83d\ude00\/"}"#).tree()["P"], "ä😀/");
    assert_eq!(parse("\u{feff} {\"P\": \"ä\"}").tree()["P"], "ä");
}

#[test]
fn aliases_stand_for_what_they_name() {
    let template = parse("A: &a {X: [1, &b text]}\nB: *a\nC: *b\n");

    assert_eq!(template.tree()["B"], template.tree()["A"]);
    assert_eq!(template.tree()["C"], "text");
}

#[test]
fn aliases_are_limited() {
    let mut text = String::from("A0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let one = format!("*a{}", level - 1);
        let _ = writeln!(text, "A{level}: &a{level} [{}]", vec![one; 10].join(", "));
    }

    assert!(refusals(&text)[0].contains("aliases stand for too much"), "{:?}", refusals(&text));
}

#[test]
fn depth_is_limited() {
    for text in [
        format!("{{\"A\": {}1{}}}", "[".repeat(5000), "]".repeat(5000)),
        format!("A: {}1{}", "[".repeat(200), "]".repeat(200)),
    ] {
        let refusals = refusals(&text);
        assert!(refusals[0].contains("nests too deep"), "{refusals:?}");
    }
    // Far deeper, the scanner itself gives up.
    let deeper = format!("A: {}1", "[".repeat(100_000));
    assert!(refusals(&deeper)[0].contains("recursion limit exceeded"));
    // Nor do aliases lead around it.
    let mut text = String::from("A0: &a0 [x]\n");
    for level in 1..120 {
        let _ = writeln!(text, "A{level}: &a{level} [*a{}]", level - 1);
    }
    assert!(refusals(&text)[0].contains("nests too deep"));
}

#[test]
fn shapes_without_end_are_refused() {
    for piece in [
        "- ",
        "? ",
        "[",
        "{",
        "{\"a\":",
        "- - ? ",
        "!Ref ",
        "&a ",
        "a: &a [*a, ",
        "\"",
        "| \n",
        "!<",
        "%T\n",
    ] {
        assert!(Template::parse(&piece.repeat(20_000)).is_err(), "{piece:?}");
    }
}

#[test]
fn all_that_is_wrong_in_one_pass() {
    let text = "\
Resources:
  A:
    Type: AWS::S3::Bucket
    Properties:
      <<: {X: 1}
      Name: !Reff B
      Name: !!set {a, b}
  A:
    Type: AWS::S3::Bucket
";

    assert_eq!(
        refusals(text),
        [
            "5:7: merge keys are not supported: CloudFormation takes `<<` for a key like any other \
             (help: write the members out)",
            "6:13: unknown function: `!Reff` is not one of CloudFormation's (help: did you mean \
             `Ref`?)",
            "7:7: a key appears twice: `Name` is already on line 6 (help: remove one of them: \
             CloudFormation leaves open which one counts)",
            "7:13: unsupported tag: CloudFormation does not know `!!set`",
            "8:3: a key appears twice: `A` is already on line 2 (help: remove one of them: \
             CloudFormation leaves open which one counts)",
        ]
    );
}

#[test]
fn errors_of_syntax_have_a_place() {
    for (text, expected) in [
        ("{\n  \"A\": 1,\n  \"A\": 2\n}", "3:3: a key appears twice"),
        ("{\n  \"ä\": [1,\n  }", "3:3: the template is not JSON: expected a value"),
        ("{\"A\": 1,}", "1:9: the template is not JSON: expected a key"),
        ("{A: 1}", "1:2: the template is not JSON: expected a key"),
        ("{\"A\": 01}", "1:7: the template is not JSON: not a number"),
        ("{\"A\": \"\\x\"}", "1:7: the template is not JSON: holds an escape"),
        ("{\"A\": tru}", "1:7: the template is not JSON: expected a value"),
        ("{\"A\": \"x", "1:7: the template is not JSON: no closing quote"),
        ("A: [1\nB: 2\n", "2:"),
        ("A: 1\n---\nB: 2\n", "2:1: the template is not YAML: a second document"),
        ("A: *nowhere\n", "1:4: the template is not YAML"),
        ("A: &a [*a]\n", "1:8: the template is not YAML: an alias inside"),
        ("? [a]\n: b\n", "1:3: the template is not YAML: a key must be text"),
        ("- a\n", "1:1: the template has no sections"),
        ("", "1:1: the template has no sections"),
    ] {
        let refusals = refusals(text);
        assert!(refusals[0].starts_with(expected), "{text}: {refusals:?}");
    }
}
