use super::{Lab, parameters};
use crate::cloudformation::script_failure;

fn update(lab: &mut Lab, template: &str) {
    lab.ok("UpdateStack", &[("StackName", "app"), ("TemplateBody", template)]);
}

#[test]
fn resources_come_change_and_go() {
    let mut lab = Lab::new();
    lab.create("app", &parameters(&[("A", "/a", "1"), ("B", "/b", "1")]));
    lab.settled("app");
    update(&mut lab, &parameters(&[("A", "/a", "2"), ("C", "/c", "1")]));
    assert_eq!(lab.status("app"), "UPDATE_IN_PROGRESS");
    let template = parameters(&[("A", "/a", "3")]);
    let (_, message) =
        lab.refused("UpdateStack", &[("StackName", "app"), ("TemplateBody", &template)]);
    assert!(
        message.ends_with("is in UPDATE_IN_PROGRESS state and can not be updated."),
        "{message}"
    );
    assert_eq!(
        lab.refused("DeleteStack", &[("StackName", "app")]).1,
        "Stack [app] cannot be deleted while in status UPDATE_IN_PROGRESS"
    );
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "2");
    assert_eq!(lab.parameter("/b"), None);
    assert_eq!(lab.parameter("/c").unwrap(), "1");
}

#[test]
fn a_new_name_replaces_and_cleans_up_last() {
    let mut lab = Lab::new();
    lab.create("app", &parameters(&[("A", "/old", "1")]));
    lab.settled("app");
    update(&mut lab, &parameters(&[("A", "/new", "1")]));
    while lab.parameter("/new").is_none() {
        assert_eq!(
            lab.parameter("/old").unwrap(),
            "1",
            "the old one stays until the new one is there"
        );
        lab.wait(0.5);
    }
    assert_eq!(lab.parameter("/old").unwrap(), "1");
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/old"), None);
    assert_eq!(lab.physical_id("app", "A"), "/new");
    let seen = lab.events("app");
    assert!(seen.contains(&"A UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource; hence creating one.".to_owned()));
    let at = |line: &str| seen.iter().position(|one| one == line).unwrap();
    assert!(at("app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") < at("A DELETE_IN_PROGRESS"), "{seen:?}");
}

#[test]
fn a_failed_update_goes_back() {
    let mut lab = Lab::new();
    lab.put_parameter("/taken", "mine");
    lab.create("app", &parameters(&[("A", "/a", "1"), ("R", "/r1", "1")]));
    lab.settled("app");
    let broken = r#"{"Resources": {
        "A": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/a", "Type": "String", "Value": "2"}},
        "N": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/n", "Type": "String", "Value": "2"}},
        "R": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/r2", "Type": "String", "Value": "1"}},
        "T": {"Type": "AWS::SSM::Parameter", "DependsOn": ["A", "N", "R"],
              "Properties": {"Name": "/taken", "Type": "String", "Value": "2"}}}}"#;
    update(&mut lab, broken);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "1");
    assert_eq!(lab.parameter("/n"), None, "what the update made is gone");
    assert_eq!(lab.parameter("/r1").unwrap(), "1");
    assert_eq!(lab.parameter("/r2"), None);
    assert_eq!(lab.parameter("/taken").unwrap(), "mine");
    assert_eq!(lab.physical_id("app", "R"), "/r1");
    let kept = lab.ok("GetTemplate", &[("StackName", "app")]);
    assert!(!kept.contains("/taken"), "the old template is back: {kept}");
    let seen = lab.events("app");
    assert!(
        seen.contains(
            &"app UPDATE_ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [T]."
                .to_owned()
        ),
        "{seen:?}"
    );
    assert!(seen.contains(&"app UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS".to_owned()));
    // The stack can be updated again, from where it was.
    update(&mut lab, &parameters(&[("A", "/a", "3"), ("R", "/r1", "1")]));
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "3");
}

#[test]
fn a_failed_rollback_waits_for_the_user() {
    let mut lab = Lab::new();
    lab.create("app", &parameters(&[("A", "/a", "1"), ("B", "/b", "1")]));
    lab.settled("app");
    script_failure(&mut lab.world, "app", "B", "no");
    script_failure(&mut lab.world, "app", "A:rollback", "stuck");
    let template = r#"{"Resources": {
        "A": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/a", "Type": "String", "Value": "2"}},
        "B": {"Type": "AWS::SSM::Parameter", "DependsOn": "A", "Properties": {"Name": "/b", "Type": "String", "Value": "2"}}}}"#;
    update(&mut lab, template);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_FAILED");
    let (_, message) =
        lab.refused("UpdateStack", &[("StackName", "app"), ("TemplateBody", template)]);
    assert!(message.ends_with("is in UPDATE_ROLLBACK_FAILED state and can not be updated."));
    lab.ok("ContinueUpdateRollback", &[("StackName", "app")]);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_FAILED", "still stuck");
    lab.ok("ContinueUpdateRollback", &[("StackName", "app"), ("ResourcesToSkip.member.1", "A")]);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "2", "skipped: it stays as the update left it");
    assert_eq!(lab.parameter("/b").unwrap(), "1");
    assert!(lab.call("ContinueUpdateRollback", &[("StackName", "app")]).is_err());
}

#[test]
fn an_update_can_be_cancelled() {
    let mut lab = Lab::new();
    lab.create("app", &parameters(&[("A", "/a", "1")]));
    lab.settled("app");
    assert_eq!(
        lab.refused("CancelUpdateStack", &[("StackName", "app")]).1,
        "CancelUpdateStack cannot be called from current stack status"
    );
    let template = "Resources:\n  A: { Type: AWS::SSM::Parameter, Properties: { Name: /a, Type: String, Value: '2' } }\n  L: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer }\n";
    update(&mut lab, template);
    lab.wait(8.0);
    assert_eq!(lab.parameter("/a").unwrap(), "2");
    lab.ok("CancelUpdateStack", &[("StackName", "app")]);
    assert_eq!(lab.status("app"), "UPDATE_ROLLBACK_IN_PROGRESS");
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "1");
    assert!(lab.events("app").contains(&"L CREATE_FAILED Resource creation cancelled".to_owned()));
}

#[test]
fn without_rollback_a_failed_update_stays_and_can_be_repaired() {
    let mut lab = Lab::new();
    lab.create("app", &parameters(&[("A", "/a", "1"), ("B", "/b", "1")]));
    lab.settled("app");
    script_failure(&mut lab.world, "app", "B", "no");
    let template = parameters(&[("A", "/a", "2"), ("B", "/b", "2")]);
    let request =
        [("StackName", "app"), ("TemplateBody", template.as_str()), ("DisableRollback", "true")];
    lab.ok("UpdateStack", &request);
    assert_eq!(lab.settled("app"), "UPDATE_FAILED");
    script_failure(&mut lab.world, "app", "B", "");
    lab.ok("UpdateStack", &request);
    assert_eq!(lab.settled("app"), "UPDATE_COMPLETE");
    assert_eq!(lab.parameter("/b").unwrap(), "2");
    script_failure(&mut lab.world, "app", "B", "no");
    let template = parameters(&[("A", "/a", "3"), ("B", "/b", "3")]);
    let request =
        [("StackName", "app"), ("TemplateBody", template.as_str()), ("DisableRollback", "true")];
    lab.ok("UpdateStack", &request);
    assert_eq!(lab.settled("app"), "UPDATE_FAILED");
    lab.ok("RollbackStack", &[("StackName", "app")]);
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(lab.parameter("/a").unwrap(), "2");
}

#[test]
fn a_chosen_name_stands_in_the_way_of_a_replacement() {
    let mut lab = Lab::new();
    let template = |class: &str| {
        format!(
            "Resources:\n  B: {{ Type: AWS::ECR::Repository, Properties: {{ RepositoryName: app, EncryptionConfiguration: {{ EncryptionType: {class} }} }} }}\n"
        )
    };
    lab.create("app", &template("AES256"));
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    update(&mut lab, &template("KMS"));
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");
    assert!(lab.events("app").contains(&"B UPDATE_FAILED CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename app and update the stack again.".to_owned()));
}

#[test]
fn a_type_cannot_change() {
    let mut lab = Lab::new();
    lab.create(
        "app",
        "Resources:\n  A: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }\n",
    );
    lab.settled("app");
    assert_eq!(
        lab.refused(
            "UpdateStack",
            &[
                ("StackName", "app"),
                ("TemplateBody", "Resources:\n  A: { Type: AWS::ECS::Cluster }\n")
            ]
        )
        .1,
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [A]"
    );
}

#[test]
fn dependencies_that_a_failed_update_turned_round_are_back() {
    let mut lab = Lab::new();
    let template = |first: &str, second: &str, value: &str| {
        format!(
            "Resources:\n  A: {{ Type: AWS::SSM::Parameter, {first}Properties: {{ Name: /a, Type: String, Value: {value} }} }}\n  \
             B: {{ Type: AWS::SSM::Parameter, {second}Properties: {{ Name: /b, Type: String, Value: x }} }}\n  \
             C: {{ Type: AWS::SSM::Parameter, DependsOn: [A, B], Properties: {{ Name: /c, Type: String, AllowedPattern: '[0-9]+', Value: {value} }} }}\n"
        )
    };
    lab.create("app", &template("DependsOn: B, ", "", "'1'"));
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    update(&mut lab, &template("", "DependsOn: A, ", "broken"));
    assert_eq!(lab.settled("app"), "UPDATE_ROLLBACK_COMPLETE");

    let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
    let id = super::text(&answer, "StackId").unwrap();
    lab.ok("DeleteStack", &[("StackName", "app")]);
    lab.settled(&id);

    for name in ["/a", "/b", "/c"] {
        assert_eq!(lab.parameter(name), None);
    }
    let deleted: Vec<String> = lab.events(&id);
    let deleted = deleted.iter().filter(|it| it.contains("DELETE_COMPLETE")).count();
    assert_eq!(deleted, 4, "three resources and the stack");
}
