use super::{Lab, text};

/// What `ValidateTemplate` says of a template that cannot be.
fn refusal(template: &str) -> String {
    Lab::new().refused("CreateStack", &[("StackName", "app"), ("TemplateBody", template)]).1
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn templates_that_cannot_be() {
    let ok = "Resources:\n  A: { Type: AWS::EC2::VPC }\n";
    let cases: &[(&str, &str)] = &[
        ("{\"Resources\": ", "Template format error: JSON not well-formed. (line 1, column 14)"),
        ("Resources:\n  A: [\n", "Template format error: YAML not well-formed. (line 3, column 1)"),
        ("just text", "Template format error: unsupported structure."),
        (
            "A: &x 1\nB: *x\n",
            "Template error: YAML aliases are not allowed in CloudFormation templates",
        ),
        (
            "Resources: {}\n",
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            "Parameters: {}\n",
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            "Resources:\n  A: text\n",
            "Template format error: Any Resources member must be an object.",
        ),
        (
            "Resources:\n  A: {}\n",
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Invalid: 1 }\n",
            "Invalid template resource property 'Invalid'",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: } }\n",
            "[/Resources/A/Properties/CidrBlock] 'null' values are not allowed in templates",
        ),
        (
            "Resources:\n  A-B: { Type: AWS::EC2::VPC }\n",
            "Template format error: Resource name A-B is non alphanumeric.",
        ),
        (
            "Resources:\n  A: { Type: AWS::No::Such }\n  B: { Type: AWS::Nor::This }\n",
            "Template format error: Unrecognized resource types: [AWS::No::Such, AWS::Nor::This]",
        ),
        (
            "Foo: 1\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Invalid template property or properties [Foo]",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, DependsOn: B }\n",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !Ref C, InstanceTenancy: !Sub '${D}' } }\n",
            "Template format error: Unresolved resource dependencies [C, D] in the Resources block of the template",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC }\nOutputs:\n  O: { Value: !Ref B }\n",
            "Template format error: Unresolved resource dependencies [B] in the Outputs block of the template",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC }\nOutputs:\n  O: {}\n",
            "Template format error: Every Outputs member must contain a Value object",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !GetAtt B.C } }\n",
            "Template error: instance of Fn::GetAtt references undefined resource B",
        ),
        (
            "Resources:\n  A: { Type: AWS::ECS::Cluster }\nOutputs:\n  O: { Value: !GetAtt A.Nope }\n",
            "Template error: resource A does not support attribute type Nope in Fn::GetAtt",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !Sub '${B.C}' } }\n",
            "Template error: instance of Fn::Sub references invalid resource attribute B.C",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Condition: Nope }\n",
            "Template format error: Unresolved condition dependency Nope in the Resources block of the template",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !If [Nope, a, b] } }\n",
            "Template error: unresolved condition dependency Nope in Fn::If",
        ),
        (
            "Conditions:\n  C: !Equals [!Ref A, b]\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of the template",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref B } }\n  B: { Type: AWS::EC2::VPC, DependsOn: A }\n",
            "Circular dependency between resources: [A, B]",
        ),
        (
            "Resources:\n  A: { Type: AWS::EC2::VPC, DeletionPolicy: Snapshot }\n",
            "Template error: resource type AWS::EC2::VPC does not support deletion policy Snapshot",
        ),
        (
            "Parameters:\n  P: { Default: a }\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Template format error: Every Parameters object must contain a Type member.",
        ),
        (
            "Parameters:\n  P: { Type: Text }\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Template format error: Unrecognized parameter type: Text",
        ),
        (
            "Parameters:\n  P: { Type: String, Default: [] }\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Template format error: Every Default member must be a string.",
        ),
        (
            "Parameters:\n  P: { Type: String }\n  Q: { Type: String }\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "Parameters: [P, Q] must have values",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  A: { Type: AWS::EC2::VPC }\n",
            "No transform named AWS::Serverless-2016-10-31 found.",
        ),
        (
            "Conditions:\n  Never: !Equals [a, b]\nResources:\n  A: { Type: AWS::EC2::VPC, Condition: Never }\n  B: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref A } }\n",
            "Template format error: Unresolved resource dependencies [A] in the Resources block of the template",
        ),
    ];
    for (template, message) in cases {
        assert_eq!(refusal(template), *message, "{template}");
    }
    Lab::new().create("app", ok);
}

#[test]
fn parameters_that_cannot_be() {
    let value = |declaration: &str, value: &str| {
        let template = format!(
            "Parameters:\n  P: {declaration}\nResources:\n  A: {{ Type: AWS::EC2::VPC }}\n"
        );
        Lab::new()
            .refused(
                "CreateStack",
                &[
                    ("StackName", "app"),
                    ("TemplateBody", &template),
                    ("Parameters.member.1.ParameterKey", "P"),
                    ("Parameters.member.1.ParameterValue", value),
                ],
            )
            .1
    };
    let cases = [
        (
            "{ Type: String, AllowedValues: [a, b] }",
            "c",
            "Parameter 'P' must be one of AllowedValues",
        ),
        (
            "{ Type: String, AllowedPattern: '[a-z]+' }",
            "ab1",
            "Parameter P failed to satisfy constraint: must match pattern [a-z]+",
        ),
        (
            "{ Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: letters only }",
            "1",
            "Parameter P failed to satisfy constraint: letters only",
        ),
        (
            "{ Type: String, MinLength: 3 }",
            "ab",
            "Parameter 'P' must contain at least 3 characters",
        ),
        (
            "{ Type: String, MaxLength: 3 }",
            "abcd",
            "Parameter 'P' must contain at most 3 characters",
        ),
        ("{ Type: Number }", "x", "Parameter 'P' must be a number."),
        ("{ Type: Number, MinValue: 1 }", "0", "Parameter 'P' must be a number not less than 1"),
        (
            "{ Type: Number, MaxValue: 9 }",
            "10",
            "Parameter 'P' must be a number not greater than 9",
        ),
        (
            "{ Type: 'AWS::SSM::Parameter::Value<String>' }",
            "/none",
            "Unable to fetch parameters [/none] from parameter store for this account.",
        ),
    ];
    for (declaration, given, message) in cases {
        assert_eq!(value(declaration, given), message, "{declaration}");
    }
    let mut lab = Lab::new();
    let template = "Resources:\n  A: { Type: AWS::EC2::VPC }\n";
    assert_eq!(
        lab.refused(
            "CreateStack",
            &[
                ("StackName", "app"),
                ("TemplateBody", template),
                ("Parameters.member.1.ParameterKey", "X"),
                ("Parameters.member.1.ParameterValue", "1"),
            ],
        )
        .1,
        "Parameters: [X] do not exist in the template"
    );
}

#[test]
fn requests_that_cannot_be() {
    let mut lab = Lab::new();
    let template = "Resources:\n  A: { Type: AWS::EC2::VPC }\n";
    assert_eq!(
        lab.refused("CreateStack", &[("StackName", "bad_name"), ("TemplateBody", template)]).1,
        "1 validation error detected: Value 'bad_name' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    );
    assert_eq!(
        lab.refused("CreateStack", &[("StackName", "app")]).1,
        "Either Template URL or Template Body must be specified."
    );
    let long = format!("{template}# {}", "x".repeat(51_200));
    let (code, message) =
        lab.refused("CreateStack", &[("StackName", "app"), ("TemplateBody", &long)]);
    assert_eq!(code, "ValidationError");
    assert!(message.ends_with("at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"));
    let exact = format!("{template}#{}", "x".repeat(51_200 - template.len() - 1));
    lab.create("exact", &exact);
    assert_eq!(
        lab.refused("UpdateStack", &[("StackName", "none"), ("TemplateBody", template)]).1,
        "Stack [none] does not exist"
    );
    assert_eq!(
        lab.refused("DescribeStackEvents", &[("StackName", "none")]).1,
        "Stack [none] does not exist"
    );
    assert_eq!(
        lab.refused("GetTemplate", &[("StackName", "none")]).1,
        "Stack with id none does not exist"
    );
    assert_eq!(lab.refused("Nonsense", &[]).0, "InvalidAction");
    assert_eq!(
        lab.refused("DescribeStackResource", &[("StackName", "exact"), ("LogicalResourceId", "Z")])
            .1,
        "Resource Z does not exist for stack exact"
    );
}

#[test]
fn iam_asks_for_capabilities() {
    let role = |name: &str| {
        format!(
            "Resources:\n  R: {{ Type: AWS::IAM::Role, Properties: {{ {name}AssumeRolePolicyDocument: {{}} }} }}\n"
        )
    };
    let mut lab = Lab::new();
    let (plain, named) = (role(""), role("RoleName: fixed, "));
    assert_eq!(
        lab.refused("CreateStack", &[("StackName", "app"), ("TemplateBody", &plain)]),
        (
            "InsufficientCapabilitiesException".to_owned(),
            "Requires capabilities : [CAPABILITY_IAM]".to_owned()
        )
    );
    assert_eq!(
        lab.refused(
            "CreateStack",
            &[
                ("StackName", "app"),
                ("TemplateBody", &named),
                ("Capabilities.member.1", "CAPABILITY_IAM")
            ]
        )
        .1,
        "Requires capabilities : [CAPABILITY_NAMED_IAM]"
    );
    lab.ok(
        "CreateStack",
        &[
            ("StackName", "app"),
            ("TemplateBody", &named),
            ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        ],
    );
    let answer = lab.ok("ValidateTemplate", &[("TemplateBody", &named)]);
    assert_eq!(text(&answer, "Capabilities").unwrap(), "<member>CAPABILITY_NAMED_IAM</member>");
    assert_eq!(
        text(&answer, "CapabilitiesReason").unwrap(),
        "The following resource(s) require capabilities: [AWS::IAM::Role]"
    );
}

#[test]
fn properties_are_checked_when_the_resource_is_made() {
    let mut lab = Lab::new();
    lab.create(
        "app",
        "Resources:\n  A: { Type: AWS::SSM::Parameter, Properties: { Value: v, Extra: 1 } }\n",
    );
    assert_eq!(lab.settled("app"), "ROLLBACK_COMPLETE");
    assert!(lab.events("app").contains(&"A CREATE_FAILED Properties validation failed for resource A with message:\n[#: required key [Type] not found, #: extraneous key [Extra] is not permitted]".to_owned()));
}

#[test]
fn secrets_are_not_shown() {
    let mut lab = Lab::new();
    let template = "Parameters:\n  Secret: { Type: String, NoEcho: true }\nResources:\n  A: { Type: AWS::SSM::Parameter, Properties: { Name: /a, Type: String, Value: !Ref Secret } }\n";
    let request = [
        ("StackName", "app"),
        ("TemplateBody", template),
        ("Parameters.member.1.ParameterKey", "Secret"),
        ("Parameters.member.1.ParameterValue", "hunter22"),
    ];
    lab.ok("CreateStack", &request);
    lab.settled("app");
    assert_eq!(lab.parameter("/a").unwrap(), "hunter22", "the resource gets the value");
    let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
    assert_eq!(text(&answer, "ParameterValue").unwrap(), "****");
    let events = lab.ok("DescribeStackEvents", &[("StackName", "app")]);
    assert!(events.contains("****") && !events.contains("hunter22"), "{events}");
    let kept = serde_json::to_string(&lab.world.stacks).unwrap();
    assert!(!kept.contains("hunter22"));
    assert_eq!(lab.refused("UpdateStack", &request).1, "No updates are to be performed.");
    lab.ok(
        "UpdateStack",
        &[
            ("StackName", "app"),
            ("TemplateBody", &template.replace("Name: /a", "Name: /a2")),
            ("Parameters.member.1.ParameterKey", "Secret"),
            ("Parameters.member.1.UsePreviousValue", "true"),
        ],
    );
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/a2").unwrap(), "hunter22");
}
