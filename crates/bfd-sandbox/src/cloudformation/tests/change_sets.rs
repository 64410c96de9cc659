use super::{Lab, all, parameters, text};

fn prepare(lab: &mut Lab, kind: &str, template: &str) -> String {
    let answer = lab.ok(
        "CreateChangeSet",
        &[
            ("StackName", "app"),
            ("ChangeSetName", "set"),
            ("ChangeSetType", kind),
            ("TemplateBody", template),
        ],
    );
    text(&answer, "Id").unwrap()
}

#[test]
fn a_new_stack_is_reviewed_first() {
    let mut lab = Lab::new();
    let id = prepare(&mut lab, "CREATE", &parameters(&[("A", "/a", "1")]));
    assert_eq!(lab.status("app"), "REVIEW_IN_PROGRESS");
    let (code, message) = lab.refused("ExecuteChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(code, "InvalidChangeSetStatus");
    assert_eq!(
        message,
        format!(
            "ChangeSet [{id}] cannot be executed in its current status of [CREATE_IN_PROGRESS]"
        )
    );
    lab.wait(5.0);
    let answer = lab.ok("DescribeChangeSet", &[("StackName", "app"), ("ChangeSetName", "set")]);
    assert_eq!(text(&answer, "Status").unwrap(), "CREATE_COMPLETE");
    assert_eq!(text(&answer, "ExecutionStatus").unwrap(), "AVAILABLE");
    assert_eq!(text(&answer, "Action").unwrap(), "Add");
    assert_eq!(text(&answer, "Replacement"), None);
    let listed = lab.ok("ListChangeSets", &[("StackName", "app")]);
    assert_eq!(text(&listed, "ChangeSetName").unwrap(), "set");
    lab.ok("ExecuteChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "1");
    let answer = lab.ok("DescribeChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(text(&answer, "ExecutionStatus").unwrap(), "EXECUTE_COMPLETE");
    assert_eq!(text(&answer, "Status").unwrap(), "CREATE_COMPLETE");
    assert_eq!(
        lab.refused(
            "CreateChangeSet",
            &[
                ("StackName", "app"),
                ("ChangeSetName", "again"),
                ("ChangeSetType", "CREATE"),
                ("TemplateBody", &parameters(&[("A", "/a", "1")]))
            ]
        )
        .1,
        "Stack [app] already exists and cannot be created again with the changeSet [again]."
    );
}

#[test]
fn the_shell_can_be_deleted_and_created_over() {
    let mut lab = Lab::new();
    let id = prepare(&mut lab, "CREATE", &parameters(&[("A", "/a", "1")]));
    lab.wait(5.0);
    let shell = text(&lab.ok("DescribeStacks", &[("StackName", "app")]), "StackId").unwrap();
    lab.create("app", &parameters(&[("B", "/b", "1")]));
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    assert_eq!(text(&lab.ok("DescribeStacks", &[("StackName", "app")]), "StackId").unwrap(), shell);
    let answer = lab.ok("DescribeChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(text(&answer, "ExecutionStatus").unwrap(), "OBSOLETE");
    let mut lab = Lab::new();
    prepare(&mut lab, "CREATE", &parameters(&[("A", "/a", "1")]));
    lab.wait(5.0);
    lab.ok("DeleteChangeSet", &[("StackName", "app"), ("ChangeSetName", "set")]);
    assert_eq!(lab.status("app"), "REVIEW_IN_PROGRESS", "the shell stays");
    lab.ok("DeleteStack", &[("StackName", "app")]);
    lab.wait(10.0);
    assert!(lab.call("DescribeStacks", &[("StackName", "app")]).is_err());
}

#[test]
fn no_changes_fail_the_change_set() {
    let mut lab = Lab::new();
    let template = parameters(&[("A", "/a", "1")]);
    lab.create("app", &template);
    lab.settled("app");
    // The same in YAML is no change either.
    let same = "Resources:\n  A:\n    Type: AWS::SSM::Parameter\n    Properties: { Name: /a, Type: String, Value: 1 }\n";
    for body in [template.as_str(), same] {
        let id = prepare(&mut lab, "UPDATE", body);
        lab.wait(5.0);
        let answer = lab.ok("DescribeChangeSet", &[("ChangeSetName", &id)]);
        assert_eq!(text(&answer, "Status").unwrap(), "FAILED");
        assert_eq!(text(&answer, "ExecutionStatus").unwrap(), "UNAVAILABLE");
        assert_eq!(
            text(&answer, "StatusReason").unwrap(),
            "The submitted information didn't contain changes. Submit different information to create a change set."
        );
        assert_eq!(
            lab.refused("ExecuteChangeSet", &[("ChangeSetName", &id)]).1,
            format!("ChangeSet [{id}] cannot be executed in its current status of [FAILED]")
        );
        lab.ok("DeleteChangeSet", &[("ChangeSetName", &id)]);
        assert_eq!(
            lab.refused("DescribeChangeSet", &[("ChangeSetName", &id)]),
            ("ChangeSetNotFound".to_owned(), format!("ChangeSet [{id}] does not exist"))
        );
    }
    assert_eq!(lab.status("app"), "CREATE_COMPLETE");
}

#[test]
fn changes_say_what_is_replaced_and_why() {
    let mut lab = Lab::new();
    let template = |cidr: &str, value: &str, extra: &str| {
        format!(
            "Parameters:\n  Value: {{ Type: String, Default: {value} }}\nResources:\n  Net: {{ Type: AWS::EC2::VPC, Properties: {{ CidrBlock: {cidr} }} }}\n  Sub: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Net, CidrBlock: 10.0.0.0/24 }} }}\n  P: {{ Type: AWS::SSM::Parameter, Properties: {{ Name: /p, Type: String, Value: !Ref Value }} }}\n{extra}"
        )
    };
    let before = template("10.0.0.0/16", "a", "  Old: { Type: AWS::EC2::InternetGateway }\n");
    lab.create("app", &before);
    lab.settled("app");
    let network = lab.physical_id("app", "Net");
    assert!(network.starts_with("vpc-0") && network.len() == 21, "{network}");
    let id = prepare(&mut lab, "UPDATE", &template("10.1.0.0/16", "b", ""));
    lab.wait(5.0);
    let answer = lab.ok("DescribeChangeSet", &[("ChangeSetName", &id)]);
    let change = |logical_id: &str| {
        all(&answer, "ResourceChange")
            .into_iter()
            .find(|change| text(change, "LogicalResourceId").as_deref() == Some(logical_id))
            .unwrap()
    };
    let net = change("Net");
    assert_eq!(text(&net, "Replacement").unwrap(), "True");
    assert_eq!(text(&net, "PolicyAction").unwrap(), "ReplaceAndDelete");
    assert_eq!(text(&net, "RequiresRecreation").unwrap(), "Always");
    assert_eq!(text(&net, "PhysicalResourceId").unwrap(), network);
    let sub = change("Sub");
    assert_eq!(text(&sub, "Replacement").unwrap(), "Conditional");
    assert_eq!(text(&sub, "CausingEntity").unwrap(), "Net");
    assert_eq!(text(&sub, "Evaluation").unwrap(), "Dynamic");
    let parameter = change("P");
    assert_eq!(text(&parameter, "Replacement").unwrap(), "False");
    assert_eq!(text(&parameter, "CausingEntity").unwrap(), "Value");
    assert!(parameter.contains("<ChangeSource>ParameterReference</ChangeSource>"));
    assert_eq!(text(&change("Old"), "Action").unwrap(), "Remove");
    lab.ok("ExecuteChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_ne!(lab.physical_id("app", "Net"), network);
    assert_eq!(lab.parameter("/p").unwrap(), "b");
}

#[test]
fn outputs_alone_are_a_change_without_changes() {
    let mut lab = Lab::new();
    let template = parameters(&[("A", "/a", "1")]);
    lab.create("app", &template);
    lab.settled("app");
    let with = template.replacen(
        "{\"Resources\"",
        "{\"Outputs\": {\"O\": {\"Value\": {\"Ref\": \"A\"}}}, \"Resources\"",
        1,
    );
    let id = prepare(&mut lab, "UPDATE", &with);
    lab.wait(5.0);
    let answer = lab.ok("DescribeChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(text(&answer, "Status").unwrap(), "CREATE_COMPLETE");
    assert!(all(&answer, "ResourceChange").is_empty());
    lab.ok("ExecuteChangeSet", &[("ChangeSetName", &id)]);
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.output("app", "O").unwrap(), "/a");
}

#[test]
fn a_change_set_is_identified_by_its_content() {
    let mut lab = Lab::new();
    let template = parameters(&[("A", "/a", "1")]);
    let first = prepare(&mut lab, "CREATE", &template);
    assert_eq!(prepare(&mut lab, "CREATE", &template), first, "a repeated request");
    let (code, message) = lab.refused(
        "CreateChangeSet",
        &[
            ("StackName", "app"),
            ("ChangeSetName", "set"),
            ("ChangeSetType", "CREATE"),
            ("TemplateBody", &parameters(&[("A", "/a", "2")])),
        ],
    );
    assert_eq!(code, "AlreadyExistsException");
    assert_eq!(
        message,
        "ChangeSet set cannot be created due to a mismatch with existing attribute Template"
    );
    assert_eq!(
        lab.refused("DescribeChangeSet", &[("StackName", "nowhere"), ("ChangeSetName", "set")]).1,
        "Stack [nowhere] does not exist"
    );
    assert_eq!(
        lab.refused("DeleteChangeSet", &[("ChangeSetName", "set")]).1,
        "StackName must be specified if ChangeSetName is not specified as an ARN."
    );
}

#[test]
fn a_failed_execution_can_delete_the_stack() {
    let mut lab = Lab::new();
    lab.put_parameter("/taken", "mine");
    let template = parameters(&[("A", "/taken", "1")]);
    let answer = lab.ok(
        "CreateChangeSet",
        &[
            ("StackName", "app"),
            ("ChangeSetName", "set"),
            ("ChangeSetType", "CREATE"),
            ("OnStackFailure", "DELETE"),
            ("TemplateBody", &template),
        ],
    );
    let (set, stack) = (text(&answer, "Id").unwrap(), text(&answer, "StackId").unwrap());
    lab.wait(5.0);
    lab.ok("ExecuteChangeSet", &[("ChangeSetName", &set)]);
    assert_eq!(lab.settled(&stack), "DELETE_COMPLETE");
    assert_eq!(lab.parameter("/taken").unwrap(), "mine");
}
