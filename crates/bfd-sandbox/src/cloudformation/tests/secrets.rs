use serde_json::{Value, json};

use super::Lab;
use crate::secretsmanager;

/// A stack of one secret with these properties.
fn template(properties: &str) -> String {
    format!(
        "Parameters:\n  Value: {{ Type: String, NoEcho: true, Default: planted-default }}\n\
         Resources:\n  S: {{ Type: AWS::SecretsManager::Secret, Properties: {{ {properties} }} }}\n\
         Outputs:\n  Arn: {{ Value: !Ref S }}\n  Id: {{ Value: !GetAtt S.Id }}\n"
    )
}

const GENERATED: &str = r#"GenerateSecretString: { SecretStringTemplate: '{"USER": "me"}', GenerateStringKey: KEY, PasswordLength: 48 }"#;

fn create(lab: &mut Lab, properties: &str) {
    let members =
        [("StackName", "app"), ("TemplateBody", &template(properties)), TAG_KEY, TAG_VALUE];
    lab.ok("CreateStack", &members);
}

const TAG_KEY: (&str, &str) = ("Tags.member.1.Key", "team");
const TAG_VALUE: (&str, &str) = ("Tags.member.1.Value", "web");

fn update(lab: &mut Lab, properties: &str) -> String {
    lab.ok("UpdateStack", &[("StackName", "app"), ("TemplateBody", &template(properties))]);
    lab.settled("app")
}

fn call(lab: &mut Lab, operation: &str, request: &Value) -> Result<Value, String> {
    secretsmanager::handle(&mut lab.world, lab.now, operation, request)
        .map_err(|error| error.message)
}

fn described(lab: &mut Lab, id: &str) -> Value {
    call(lab, "DescribeSecret", &json!({ "SecretId": id })).expect("it is there")
}

fn text(lab: &Lab, id: &str) -> String {
    secretsmanager::text(&lab.world, id, None, None).expect("it is there").expect("a text")
}

#[test]
fn a_secret_lives_as_long_as_its_stack() {
    let mut lab = Lab::new();
    create(&mut lab, "Name: app/key, Description: what for, SecretString: !Ref Value");
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE", "{:?}", lab.events("app"));
    let arn = lab.output("app", "Arn").expect("an ARN");
    let pattern = "^arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app/key-[A-Za-z]{6}$";
    assert!(regex_lite::Regex::new(pattern).expect("a pattern").is_match(&arn), "{arn}");
    assert_eq!(lab.output("app", "Id").as_ref(), Some(&arn));
    assert_eq!(lab.physical_id("app", "S"), arn);

    let told = described(&mut lab, "app/key");
    assert_eq!((&told["ARN"], &told["Description"]), (&json!(arn), &json!("what for")));
    let tags: Vec<&str> = told["Tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| tag["Key"].as_str())
        .collect();
    let own = "aws:cloudformation:";
    let system = ["logical-id", "stack-id", "stack-name"].map(|name| format!("{own}{name}"));
    assert_eq!(tags, [&system[0], &system[1], &system[2], "team"]);
    assert_eq!(text(&lab, &arn), "planted-default");
    assert!(!lab.world.snapshot().to_string().contains("\"planted"), "sealed");

    // The name is free at once.
    lab.ok("DeleteStack", &[("StackName", "app")]);
    lab.wait(200.0);
    assert!(call(&mut lab, "DescribeSecret", &json!({ "SecretId": "app/key" })).is_err());
    create(&mut lab, "Name: app/key, SecretString: !Ref Value");
    assert_eq!(lab.settled("app"), "CREATE_COMPLETE");
    assert_ne!(lab.output("app", "Arn"), Some(arn));
}

#[test]
fn only_a_changed_value_is_put_in_and_what_a_person_put_in_stays() {
    let mut lab = Lab::new();
    create(&mut lab, GENERATED);
    lab.settled("app");
    let arn = lab.output("app", "Arn").expect("an ARN");
    assert!(arn.contains(":secret:S-"), "{arn}: without the stack's name");
    let object: Value = serde_json::from_str(&text(&lab, &arn)).expect("JSON");
    assert_eq!(object["USER"], "me");
    let first = object["KEY"].as_str().expect("a password").to_owned();
    assert_eq!(first.len(), 48);
    assert!(!lab.world.snapshot().to_string().contains(&first));

    let by_hand = json!({
        "SecretId": arn, "SecretString": "by hand", "ClientRequestToken": "t".repeat(32),
    });
    call(&mut lab, "PutSecretValue", &by_hand).expect("puts");
    assert_eq!(update(&mut lab, &format!("Description: new, {GENERATED}")), "UPDATE_COMPLETE");
    assert_eq!(described(&mut lab, &arn)["Description"], "new");
    assert_eq!(text(&lab, &arn), "by hand");

    let longer = GENERATED.replace("48", "50");
    assert_eq!(update(&mut lab, &longer), "UPDATE_COMPLETE");
    assert_eq!(described(&mut lab, &arn)["Description"], Value::Null);
    let object: Value = serde_json::from_str(&text(&lab, &arn)).expect("JSON");
    assert_eq!(object["KEY"].as_str().map(str::len), Some(50));
    let stages = described(&mut lab, &arn)["VersionIdsToStages"].to_string();
    assert!(stages.contains("AWSPREVIOUS") && stages.contains("AWSCURRENT"), "{stages}");
}

#[test]
fn a_rollback_brings_the_secret_back() {
    let mut lab = Lab::new();
    create(&mut lab, "Name: app, Description: old, SecretString: one");
    lab.settled("app");
    let arn = lab.output("app", "Arn").expect("an ARN");
    let failing = "Name: app, Description: new, SecretString: two } }\n  \
                   P: { Type: AWS::SSM::Parameter, DependsOn: S, Properties: { Name: /p, Type: String, Value: ''";
    assert_eq!(update(&mut lab, failing), "UPDATE_ROLLBACK_COMPLETE", "{:?}", lab.events("app"));
    assert_eq!(text(&lab, "app"), "one");
    assert_eq!(described(&mut lab, "app")["Description"], "old");
    assert_eq!(described(&mut lab, "app")["ARN"], json!(arn));

    // Another name is another secret, and the way back deletes it.
    let renamed = failing.replace("Name: app,", "Name: other,");
    assert_eq!(update(&mut lab, &renamed), "UPDATE_ROLLBACK_COMPLETE");
    lab.wait(100.0);
    assert!(call(&mut lab, "DescribeSecret", &json!({ "SecretId": "other" })).is_err());
    assert_eq!(described(&mut lab, "app")["ARN"], json!(arn));
    assert_eq!(update(&mut lab, "Name: other, SecretString: one"), "UPDATE_COMPLETE");
    lab.wait(100.0);
    assert!(call(&mut lab, "DescribeSecret", &json!({ "SecretId": "app" })).is_err());
}

#[test]
fn what_secrets_manager_refuses_fails_the_stack() {
    let mut lab = Lab::new();
    let other = json!({
        "Name": "taken", "SecretString": "x", "ClientRequestToken": "t".repeat(32),
    });
    call(&mut lab, "CreateSecret", &other).expect("creates");
    let refused = |lab: &mut Lab, properties: &str| {
        create(lab, properties);
        assert_eq!(lab.settled("app"), "ROLLBACK_COMPLETE", "{properties}");
        let events = lab.events("app").join("\n");
        lab.ok("DeleteStack", &[("StackName", "app")]);
        lab.wait(200.0);
        events
    };
    let events = refused(&mut lab, "Name: taken, SecretString: y");
    assert!(events.contains("The operation failed because the secret taken already exists. (Service: SecretsManager, Status Code: 400"), "{events}");
    assert!(events.contains("HandlerErrorCode: AlreadyExists)"), "{events}");
    call(&mut lab, "DeleteSecret", &json!({ "SecretId": "taken" })).expect("deletes");
    let events = refused(&mut lab, "Name: taken, SecretString: y");
    assert!(events.contains("already scheduled for deletion."), "{events}");
    let events = refused(&mut lab, "SecretString: y, GenerateSecretString: {}");
    assert!(events.contains("both GenerateSecretString and SecretString"), "{events}");
    let events = refused(&mut lab, "GenerateSecretString: { PasswordLength: 2 }");
    assert!(events.contains("too short"), "{events}");
    call(&mut lab, "RestoreSecret", &json!({ "SecretId": "taken" })).expect("restores");
    assert_eq!(text(&lab, "taken"), "x", "no stack touched it");
}
