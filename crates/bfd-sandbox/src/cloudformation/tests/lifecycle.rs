use std::fmt::Write as _;

use super::{Lab, all, parameters, text};
use crate::cloudformation::script_failure;

const TWO: &str = r#"
Description: two parameters
Parameters:
  Value: { Type: String, Default: one }
Resources:
  First:
    Type: AWS::SSM::Parameter
    Properties: { Name: /app/first, Type: String, Value: !Ref Value }
  Second:
    Type: AWS::SSM::Parameter
    Properties:
      Name: /app/second
      Type: String
      Value: !Sub "${First}=${First.Value}"
Outputs:
  Name: { Value: !Ref Second, Export: { Name: !Sub "${AWS::StackName}-name" } }
"#;

#[test]
fn a_stack_is_created_over_time_and_in_order() {
    let mut lab = Lab::new();
    lab.create("app", TWO);
    assert_eq!(lab.status("app"), "CREATE_IN_PROGRESS");
    assert_eq!(lab.parameter("/app/first"), None, "nothing happens at once");
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    assert_eq!(lab.parameter("/app/second").unwrap(), "/app/first=one");
    assert_eq!(lab.output("app", "Name").unwrap(), "/app/second");
    assert_eq!(
        lab.events("app"),
        [
            "app CREATE_IN_PROGRESS User Initiated",
            "First CREATE_IN_PROGRESS",
            "First CREATE_IN_PROGRESS Resource creation Initiated",
            "First CREATE_COMPLETE",
            "Second CREATE_IN_PROGRESS",
            "Second CREATE_IN_PROGRESS Resource creation Initiated",
            "Second CREATE_COMPLETE",
            "app CREATE_COMPLETE",
        ]
    );
    let exports = lab.ok("ListExports", &[]);
    assert_eq!(text(&exports, "Name").unwrap(), "app-name");
    assert_eq!(text(&exports, "Value").unwrap(), "/app/second");
}

#[test]
fn create_update_delete() {
    let mut lab = Lab::new();
    lab.create("app", TWO);
    lab.settled("app");
    let change = [
        ("StackName", "app"),
        ("UsePreviousTemplate", "true"),
        ("Parameters.member.1.ParameterKey", "Value"),
        ("Parameters.member.1.ParameterValue", "two"),
    ];
    lab.ok("UpdateStack", &change);
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/app/first").unwrap(), "two");
    assert_eq!(lab.parameter("/app/second").unwrap(), "/app/first=two", "what depends follows");
    let seen = lab.events("app");
    assert!(seen.contains(&"app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS".to_owned()), "{seen:?}");
    assert_eq!(lab.refused("UpdateStack", &change).1, "No updates are to be performed.");
    let id = text(&lab.ok("DescribeStacks", &[("StackName", "app")]), "StackId").unwrap();
    lab.ok("DeleteStack", &[("StackName", "app")]);
    assert_eq!(lab.settled(&id), "DELETE_COMPLETE");
    assert_eq!(lab.parameter("/app/first"), None);
    assert_eq!(
        lab.refused("DescribeStacks", &[("StackName", "app")]).1,
        "Stack with id app does not exist"
    );
    // The dependent goes first.
    let seen = lab.events(&id);
    let gone = |name: &str| seen.iter().position(|line| line == &format!("{name} DELETE_COMPLETE"));
    assert!(gone("Second") < gone("First"), "{seen:?}");
    lab.create("app", TWO);
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE", "the name is free again");
}

#[test]
fn a_conflict_rolls_the_create_back() {
    let mut lab = Lab::new();
    lab.put_parameter("/app/b", "mine");
    lab.create("app", &parameters(&[("A", "/app/a", "1"), ("B", "/app/b", "2")]));
    assert_eq!(lab.settled("app"), "ROLLBACK_COMPLETE");
    assert_eq!(lab.parameter("/app/a"), None);
    assert_eq!(lab.parameter("/app/b").unwrap(), "mine", "what was there is not touched");
    let seen = lab.events("app");
    let failed = seen.iter().find(|line| line.starts_with("B CREATE_FAILED")).unwrap();
    assert!(
        failed.contains(
            "Resource of type 'AWS::SSM::Parameter' with identifier '/app/b' already exists."
        ) && failed.contains("HandlerErrorCode: AlreadyExists"),
        "{failed}"
    );
    assert!(seen.contains(&"A CREATE_FAILED Resource creation cancelled".to_owned()), "{seen:?}");
    assert!(
        seen.contains(&"app ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [A, B]. Rollback requested by user.".to_owned()),
        "{seen:?}"
    );
    let template = parameters(&[("A", "/app/a", "1")]);
    let (code, message) =
        lab.refused("UpdateStack", &[("StackName", "app"), ("TemplateBody", &template)]);
    assert_eq!(code, "ValidationError");
    assert!(
        message.starts_with("Stack:arn:aws:cloudformation:ap-southeast-1:123456789012:stack/app/")
    );
    assert!(
        message.ends_with(" is in ROLLBACK_COMPLETE state and can not be updated."),
        "{message}"
    );
    assert_eq!(
        lab.refused("CreateStack", &[("StackName", "app"), ("TemplateBody", &template)]),
        ("AlreadyExistsException".to_owned(), "Stack [app] already exists".to_owned())
    );
    lab.ok("DeleteStack", &[("StackName", "app")]);
    lab.wait(60.0);
    assert!(lab.call("DescribeStacks", &[("StackName", "app")]).is_err());
}

#[test]
fn a_name_that_another_stack_owns_is_refused() {
    let mut lab = Lab::new();
    lab.create("one", &parameters(&[("A", "/shared", "1")]));
    lab.settled("one");
    lab.create("two", &parameters(&[("B", "/shared", "2")]));
    assert_eq!(lab.settled("two"), "ROLLBACK_COMPLETE");
    let seen = lab.events("two");
    assert!(
        seen.iter().any(|line| {
            line.starts_with(
                "B CREATE_FAILED /shared already exists in stack arn:aws:cloudformation:",
            )
        }),
        "{seen:?}"
    );
    assert_eq!(lab.parameter("/shared").unwrap(), "1");
}

#[test]
fn what_a_failed_create_leads_to() {
    for (member, value, status) in [
        ("OnFailure", "DELETE", "DELETE_COMPLETE"),
        ("OnFailure", "DO_NOTHING", "CREATE_FAILED"),
        ("OnFailure", "ROLLBACK", "ROLLBACK_COMPLETE"),
        ("DisableRollback", "true", "CREATE_FAILED"),
    ] {
        let mut lab = Lab::new();
        script_failure(&mut lab.world, "app", "A", "no capacity");
        let template = parameters(&[("A", "/a", "1")]);
        let answer = lab.ok(
            "CreateStack",
            &[("StackName", "app"), ("TemplateBody", &template), (member, value)],
        );
        let id = text(&answer, "StackId").unwrap();
        assert_eq!(lab.settled(&id), status, "{member}={value}");
        assert!(lab.events(&id).contains(&"A CREATE_FAILED no capacity".to_owned()));
    }
}

#[test]
fn independent_resources_are_made_side_by_side() {
    let mut lab = Lab::new();
    let mut template = String::from("Resources:\n");
    for index in 0..20 {
        let _ = writeln!(template, "  R{index}: {{ Type: AWS::EC2::InternetGateway }}");
    }
    lab.create("wide", &template);
    let start = lab.now;
    assert_eq!(lab.settled("wide"), "CREATE_COMPLETE");
    assert!(lab.now - start < 30.0, "took {}", lab.now - start);
    // 20 resources with three events each, and two of the stack: more than nothing to page.
    assert_eq!(lab.events("wide").len(), 62);
}

#[test]
fn events_and_stacks_page() {
    let mut lab = Lab::new();
    let items: Vec<(String, String)> =
        (0..60).map(|index| (format!("P{index}"), format!("/p/{index}"))).collect();
    let items: Vec<(&str, &str, &str)> =
        items.iter().map(|(id, name)| (id.as_str(), name.as_str(), "v")).collect();
    lab.create("many", &parameters(&items));
    lab.settled("many");
    let page = lab.ok("DescribeStackEvents", &[("StackName", "many")]);
    assert_eq!(all(&page, "EventId").len(), 100);
    assert_eq!(text(&page, "ResourceStatus").unwrap(), "CREATE_COMPLETE", "the newest comes first");
    assert_eq!(text(&page, "LogicalResourceId").unwrap(), "many");
    assert_eq!(lab.events("many").len(), 182);
    for index in 0..101 {
        lab.create(&format!("s{index}"), &parameters(&[("A", &format!("/s/{index}"), "v")]));
    }
    let page = lab.ok("DescribeStacks", &[]);
    assert_eq!(all(&page, "StackName").len(), 100);
    let token = text(&page, "NextToken").unwrap();
    let rest = lab.ok("DescribeStacks", &[("NextToken", &token)]);
    assert_eq!(all(&rest, "StackName").len(), 2);
}

#[test]
fn exports_tie_stacks_together() {
    let mut lab = Lab::new();
    let user = "Resources:\n  P:\n    Type: AWS::SSM::Parameter\n    Properties: { Type: String, Value: !ImportValue app-name }\n";
    lab.create("early", user);
    assert_eq!(lab.settled("early"), "ROLLBACK_COMPLETE");
    assert!(lab.events("early").contains(
        &"early ROLLBACK_IN_PROGRESS No export named app-name found. Rollback requested by user.".to_owned()
    ));
    lab.create("app", TWO);
    lab.settled("app");
    lab.create("user", user);
    assert_eq!(lab.settled("user"), "CREATE_COMPLETE");
    assert_eq!(
        text(&lab.ok("ListImports", &[("ExportName", "app-name")]), "member").unwrap(),
        "user"
    );
    // The delete is accepted, and the stack goes back to what it was.
    lab.ok("DeleteStack", &[("StackName", "app")]);
    assert_eq!(lab.status("app"), "DELETE_IN_PROGRESS");
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
    assert_eq!(
        text(&answer, "StackStatusReason").unwrap(),
        "Delete canceled. Cannot delete export app-name as it is in use by user."
    );
    // Taking the export away is refused as well.
    let without = TWO.split("Outputs:").next().unwrap();
    lab.ok("UpdateStack", &[("StackName", "app"), ("TemplateBody", without)]);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert!(lab.events("app").iter().any(|line| {
        line.starts_with(
            "app UPDATE_ROLLBACK_IN_PROGRESS Delete canceled. Cannot delete export app-name",
        )
    }));
    assert_eq!(lab.output("app", "Name").unwrap(), "/app/second", "the outputs are back");
    // A second export of the same name is refused when it would appear.
    let twin = "Resources:\n  W: { Type: AWS::CloudFormation::WaitConditionHandle }\nOutputs:\n  N: { Value: x, Export: { Name: app-name } }\n";
    lab.create("twin", twin);
    assert_eq!(lab.settled("twin"), "ROLLBACK_COMPLETE");
    assert!(lab.events("twin").iter().any(|line| {
        line.contains("Export with name app-name is already exported by stack app")
    }));
    lab.ok("DeleteStack", &[("StackName", "user")]);
    lab.wait(60.0);
    lab.ok("DeleteStack", &[("StackName", "app")]);
    lab.wait(60.0);
    assert!(lab.call("DescribeStacks", &[("StackName", "app")]).is_err());
}

#[test]
fn deletion_policies_failures_and_protection() {
    let mut lab = Lab::new();
    let template = "Resources:\n  Kept: { Type: AWS::SSM::Parameter, DeletionPolicy: Retain, Properties: { Name: /kept, Type: String, Value: v } }\n  Gone: { Type: AWS::SSM::Parameter, Properties: { Name: /gone, Type: String, Value: v } }\n";
    lab.ok(
        "CreateStack",
        &[
            ("StackName", "app"),
            ("TemplateBody", template),
            ("EnableTerminationProtection", "true"),
        ],
    );
    lab.settled("app");
    assert_eq!(
        lab.refused("DeleteStack", &[("StackName", "app")]).1,
        "Stack [app] cannot be deleted while TerminationProtection is enabled"
    );
    lab.ok(
        "UpdateTerminationProtection",
        &[("StackName", "app"), ("EnableTerminationProtection", "false")],
    );
    script_failure(&mut lab.world, "app", "Gone:delete", "still in use");
    lab.ok("DeleteStack", &[("StackName", "app")]);
    assert_eq!(lab.settled("app"), "DELETE_FAILED");
    let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
    assert_eq!(
        text(&answer, "StackStatusReason").unwrap().trim_end(),
        "The following resource(s) failed to delete: [Gone]."
    );
    assert!(lab.events("app").contains(&"Kept DELETE_SKIPPED".to_owned()));
    let id = text(&answer, "StackId").unwrap();
    lab.ok("DeleteStack", &[("StackName", "app"), ("RetainResources.member.1", "Gone")]);
    assert_eq!(lab.settled(&id), "DELETE_COMPLETE");
    assert_eq!(lab.parameter("/kept").unwrap(), "v");
    assert_eq!(lab.parameter("/gone").unwrap(), "v");
    lab.ok("DeleteStack", &[("StackName", "never-was")]);
}

#[test]
fn tokens_make_requests_safe_to_repeat() {
    let mut lab = Lab::new();
    let template = parameters(&[("A", "/a", "1")]);
    let request =
        [("StackName", "app"), ("TemplateBody", template.as_str()), ("ClientRequestToken", "t-1")];
    let first = lab.ok("CreateStack", &request);
    lab.wait(30.0);
    assert_eq!(lab.ok("CreateStack", &request), first);
    let other = parameters(&[("A", "/a", "2")]);
    assert_eq!(
        lab.refused(
            "CreateStack",
            &[("StackName", "app"), ("TemplateBody", &other), ("ClientRequestToken", "t-1")]
        )
        .0,
        "TokenAlreadyExistsException"
    );
    let events = lab.ok("DescribeStackEvents", &[("StackName", "app")]);
    assert!(all(&events, "ClientRequestToken").iter().all(|token| token == "t-1"));
    assert_eq!(all(&events, "EventId").len(), 5, "created once");
}

#[test]
fn the_same_requests_leave_the_same_bytes() {
    let run = || {
        let mut lab = Lab::new();
        lab.create("app", TWO);
        lab.settled("app");
        lab.ok("DeleteStack", &[("StackName", "app")]);
        lab.wait(100.0);
        serde_json::to_string(&lab.world).unwrap()
    };
    assert_eq!(run(), run());
    // Looking once at the end shows what looking all the time shows.
    let mut lab = Lab::new();
    lab.create("app", TWO);
    lab.wait(100.0);
    let rarely = lab.events("app");
    let mut lab = Lab::new();
    lab.create("app", TWO);
    lab.settled("app");
    assert_eq!(rarely, lab.events("app"));
}

#[test]
fn creating_can_take_too_long() {
    let mut lab = Lab::new();
    let template = "Resources:\n  Handle: { Type: AWS::CloudFormation::WaitConditionHandle }\n  Wait: { Type: AWS::CloudFormation::WaitCondition, Properties: { Handle: !Ref Handle, Timeout: '600' } }\n";
    lab.ok(
        "CreateStack",
        &[("StackName", "app"), ("TemplateBody", template), ("TimeoutInMinutes", "1")],
    );
    let start = lab.now;
    assert_eq!(lab.settled("app"), "ROLLBACK_COMPLETE");
    assert!(lab.now - start < 90.0);
    assert!(lab.events("app").contains(
        &"app ROLLBACK_IN_PROGRESS Stack creation time exceeded the specified timeout. Rollback requested by user."
            .to_owned()
    ));
    // Without a limit nobody signals, and the condition gives up by itself.
    lab.create("patient", template);
    assert_eq!(lab.settled("patient"), "ROLLBACK_COMPLETE");
    assert!(
        lab.events("patient").contains(
            &"Wait CREATE_FAILED WaitCondition timed out. Received 0 conditions when expecting 1"
                .to_owned()
        )
    );
}
