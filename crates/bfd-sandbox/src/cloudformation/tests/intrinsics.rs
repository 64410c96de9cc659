use serde_json::{Value, json};

use super::Lab;
use crate::cloudformation::{template, yaml};

const HEAD: &str = r#"
Parameters:
  Env: { Type: String, Default: dev }
  Zones: { Type: CommaDelimitedList, Default: "a, b,c" }
Mappings:
  Sizes: { dev: { Cpu: 256 }, prod: { Cpu: 1024 } }
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Condition IsDev]
  Both: !And [!Condition IsProd, !Condition IsDev]
Resources:
  Net: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  P:
    Type: AWS::SSM::Parameter
    Properties: { Name: /p, Type: String, Value: stored }
"#;

/// Evaluates one expression as an output.
fn evaluate(expression: &str) -> Result<String, String> {
    let mut lab = Lab::new();
    let template = format!("{HEAD}Outputs:\n  O:\n    Value: {expression}\n");
    lab.call("CreateStack", &[("StackName", "app"), ("TemplateBody", &template)])
        .map_err(|error| error.message)?;
    let status = lab.settled("app");
    if status != "CREATE_COMPLETE" {
        return Err(lab
            .events("app")
            .into_iter()
            .find(|line| line.contains("ROLLBACK_IN_PROGRESS"))
            .unwrap());
    }
    Ok(lab.output("app", "O").unwrap())
}

#[test]
fn functions() {
    let cases = [
        ("!Ref Env", "dev"),
        ("!Ref AWS::Region", "ap-southeast-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "app"),
        (
            "!Sub '${AWS::Partition}.${AWS::URLSuffix}.${!Literal}.${Env}'",
            "aws.amazonaws.com.${Literal}.dev",
        ),
        ("!Sub ['${a}-${Env}', { a: !Ref P }]", "/p-dev"),
        ("!Sub '${P.Value}'", "stored"),
        ("!GetAtt P.Value", "stored"),
        ("{ 'Fn::GetAtt': P.Type }", "String"),
        ("!GetAtt [Net, CidrBlock]", "10.0.0.0/16"),
        ("!Join ['-', [a, !Ref Env, 3]]", "a-dev-3"),
        ("!Join [',', !Ref Zones]", "a,b,c"),
        ("!Join ['|', !Split [',', 'x,y,,z']]", "x|y||z"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['0', !GetAZs '']", "ap-southeast-1a"),
        ("!Select [2, !GetAZs us-east-1]", "us-east-1c"),
        ("!FindInMap [Sizes, !Ref Env, Cpu]", "256"),
        ("!If [IsProd, yes, 'no']", "no"),
        ("!If [IsDev, d, p]", "d"),
        ("!If [Either, e, n]", "e"),
        ("!If [Both, b, n]", "n"),
        ("{ 'Fn::Base64': !Sub 'hello ${Env}' }", "aGVsbG8gZGV2"),
        ("!Select [1, !Cidr [!GetAtt Net.CidrBlock, 4, 8]]", "10.0.1.0/24"),
        ("!Join ['', [!If [IsProd, a, !Ref AWS::NoValue], b]]", "b"),
        ("true", "true"),
        ("080", "080"),
    ];
    for (expression, value) in cases {
        assert_eq!(evaluate(expression).as_deref(), Ok(value), "{expression}");
    }
}

#[test]
fn functions_that_cannot_be() {
    let cases = [
        ("!FindInMap [Sizes, qa, Cpu]", "Template error: Unable to get mapping for Sizes::qa::Cpu"),
        (
            "!FindInMap [Nope, a, b]",
            "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template.",
        ),
        (
            "!Select [7, !Ref Zones]",
            "Template error: Fn::Select cannot select nonexistent value at index 7",
        ),
        (
            "!Join [a]",
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        ),
        ("!If [IsProd, a]", "Template error: Fn::If requires a list argument with three elements"),
        (
            "!Sub [a]",
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
        ),
        (
            "!Sub '${a-b}'",
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
        ),
        (
            "{ 'Fn::Transform': { Name: 'AWS::Include' } }",
            "Transform AWS::Include failed with: The specified S3 object's content cannot be read: the sandbox does not support AWS::Include",
        ),
        (
            "!Ref Zones",
            "Template format error: The Value field of every Outputs member must evaluate to a String.",
        ),
    ];
    for (expression, message) in cases {
        let error = evaluate(expression).unwrap_err();
        assert!(error.contains(message.trim_end_matches('.')), "{expression}: {error}");
    }
    assert!(
        evaluate("{ 'Fn::Nope': a }")
            .unwrap_err()
            .contains("Encountered unsupported function: Fn::Nope Supported functions are: [")
    );
}

#[test]
fn short_forms_are_the_long_ones() {
    let short = yaml::parse("A: !GetAtt B.C.D\nE: !Sub ['${x}', {x: !Ref y}]\nF: !Condition G\nH: !If [a, !Equals [b, c], !Not [!Condition d]]\n").unwrap();
    assert_eq!(
        short,
        json!({
            "A": {"Fn::GetAtt": ["B", "C.D"]},
            "E": {"Fn::Sub": ["${x}", {"x": {"Ref": "y"}}]},
            "F": {"Condition": "G"},
            "H": {"Fn::If": ["a", {"Fn::Equals": ["b", "c"]}, {"Fn::Not": [{"Condition": "d"}]}]},
        })
    );
}

#[test]
fn plain_scalars_follow_yaml_1_1() {
    let read = yaml::parse(
        "a: yes\nb: 'yes'\nc: 010\nd: 0x1f\ne: 1.5\nf: 2010-09-09\ng: 1_000\nh: '010'\ni: -3\nj: 1.0\nk: 10.0.0.0\nl: !!str 12\nm: false\nn: off\no: True\n",
    )
    .unwrap();
    let expected: Value = json!({
        "a": true, "b": "yes", "c": 8, "d": 31, "e": 1.5, "f": "2010-09-09", "g": 1000,
        "h": "010", "i": -3, "j": 1.0, "k": "10.0.0.0", "l": "12", "m": false, "n": false, "o": true,
    });
    assert_eq!(read, expected);
    assert!(yaml::parse("a: !Base64 !Sub x\n").is_err(), "short forms do not follow each other");
    assert!(yaml::parse("a: !Unknown x\n").is_err());
}

#[test]
fn json_and_yaml_are_the_same_template() {
    let from_yaml =
        template::parse(&format!("{HEAD}Outputs:\n  O: {{ Value: !Sub '${{P.Value}}' }}\n"))
            .unwrap();
    let json = serde_json::to_string(&yaml::parse(HEAD).unwrap()).unwrap();
    let from_json = template::parse(&json).unwrap();
    assert_eq!(from_yaml.resources, from_json.resources);
    assert_eq!(from_yaml.parameters, from_json.parameters);
    assert_eq!(from_yaml.conditions, from_json.conditions);
    assert_eq!(from_yaml.mappings, from_json.mappings);
}

#[test]
fn parameters_from_the_parameter_store() {
    let mut lab = Lab::new();
    lab.put_parameter("/image", "sha256:1");
    let template = "Parameters:\n  Image: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /image }\nResources:\n  P: { Type: AWS::SSM::Parameter, Properties: { Name: /copy, Type: String, Value: !Ref Image } }\n";
    lab.create("app", template);
    lab.settled("app");
    assert_eq!(lab.parameter("/copy").unwrap(), "sha256:1");
    let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
    assert_eq!(super::text(&answer, "ParameterValue").unwrap(), "/image");
    assert_eq!(super::text(&answer, "ResolvedValue").unwrap(), "sha256:1");
    // The same template is an update once the parameter holds something else.
    let request = [("StackName", "app"), ("TemplateBody", template)];
    assert_eq!(lab.refused("UpdateStack", &request).1, "No updates are to be performed.");
    let body =
        json!({ "Name": "/image", "Value": "sha256:2", "Type": "String", "Overwrite": true });
    crate::ssm::handle(&mut lab.world, lab.now, "PutParameter", &body).unwrap();
    lab.ok("UpdateStack", &request);
    lab.settled("app");
    assert_eq!(lab.parameter("/copy").unwrap(), "sha256:2");
}
