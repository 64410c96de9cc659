//! Taking on roles that a stack has made.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::types::Tag;
use serde_json::json;

use bfd_sandbox::Options;

use crate::support::{Lab, code, refusal};

const ROLE: &str = "arn:aws:iam::123456789012:role/cdk/publisher";

/// A role for people of the account, one for tasks only, and one that asks for an id.
async fn with_roles(options: Options) -> (Lab, aws_sdk_sts::Client) {
    let trust = |principal: serde_json::Value, condition: serde_json::Value| {
        let mut statement =
            json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    let account = json!({ "AWS": { "Ref": "AWS::AccountId" } });
    let role = |name: &str, trust: serde_json::Value| {
        json!({ "Type": "AWS::IAM::Role",
            "Properties": { "RoleName": name, "Path": "/cdk/", "AssumeRolePolicyDocument": trust } })
    };
    let external = json!({ "StringEquals": { "sts:ExternalId": "key" } });
    let template = json!({ "Resources": {
        "Publisher": role("publisher", trust(account.clone(), json!(null))),
        "Task": role("task", trust(json!({ "Service": "ecs-tasks.amazonaws.com" }), json!(null))),
        "Vendor": role("vendor", trust(account, external)),
    } });
    let lab = Lab::open(options);
    let stacks = aws_sdk_cloudformation::Client::new(&lab.config);
    let create = stacks.create_stack().stack_name("roles").template_body(template.to_string());
    let create = create.capabilities("CAPABILITY_NAMED_IAM".into());
    create.send().await.expect("creates");
    lab.wait(120).await;
    let sts = aws_sdk_sts::Client::new(&lab.config);
    (lab, sts)
}

#[tokio::test(start_paused = true)]
async fn a_role_of_a_stack_can_be_taken_on() {
    let (lab, sts) = with_roles(Options::default()).await;
    let assume = sts.assume_role().role_arn(ROLE).role_session_name("bfd-me");
    let answer = assume.send().await.expect("takes it on");
    let user = answer.assumed_role_user.expect("a user");
    assert_eq!(user.arn(), "arn:aws:sts::123456789012:assumed-role/publisher/bfd-me");
    let credentials = answer.credentials.expect("credentials");
    assert!(credentials.access_key_id().starts_with("ASIA"));
    let expiry = credentials.expiration().as_secs_f64() - lab.sandbox.now();
    assert!((3590.0..=3600.0).contains(&expiry), "{expiry}");

    let session = Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "session",
    );
    let config =
        lab.config.to_builder().credentials_provider(SharedCredentialsProvider::new(session));
    let config = config.build();
    let as_role = aws_sdk_sts::Client::new(&config);
    let who = as_role.get_caller_identity().send().await.expect("says who");
    assert_eq!(who.arn(), Some(user.arn()));
    assert_eq!(who.user_id(), Some(user.assumed_role_id()));
    let me = sts.get_caller_identity().send().await.expect("says who");
    assert_eq!(me.arn(), Some("arn:aws:iam::123456789012:user/sandbox"));

    let ssm = aws_sdk_ssm::Client::new(&config);
    let s3 = aws_sdk_s3::Client::new(&config);
    ssm.describe_parameters().send().await.expect("with the session");
    lab.wait(3601).await;
    assert_eq!(code(ssm.describe_parameters().send().await), "ExpiredTokenException");
    assert_eq!(code(as_role.get_caller_identity().send().await), "ExpiredToken");
    assert_eq!(code(s3.list_buckets().send().await), "ExpiredToken");
}

#[tokio::test(start_paused = true)]
async fn roles_that_are_not_for_the_caller_are_refused() {
    let (lab, sts) = with_roles(Options::default()).await;
    let assume = |name: &str| {
        let arn = format!("arn:aws:iam::123456789012:role/cdk/{name}");
        sts.assume_role().role_arn(arn).role_session_name("me")
    };
    for name in ["nobody", "task", "vendor"] {
        let (code, message) = refusal(assume(name).send().await);
        assert_eq!(code, "AccessDenied");
        assert_eq!(
            message,
            format!(
                "User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/cdk/{name}"
            )
        );
    }
    assert_eq!(code(assume("vendor").external_id("other").send().await), "AccessDenied");
    assume("vendor").external_id("key").send().await.expect("with the id");
    let tag = Tag::builder().key("a").value("b").build().expect("complete");
    let (denied, message) = refusal(assume("publisher").tags(tag).send().await);
    assert_eq!(denied, "AccessDenied");
    assert!(message.contains("sts:TagSession"), "{message}");
    assert_eq!(code(assume("publisher").duration_seconds(7200).send().await), "ValidationError");
    assert_eq!(code(assume("publisher").duration_seconds(60).send().await), "ValidationError");
    let spaces = sts.assume_role().role_arn(ROLE).role_session_name("a b").send().await;
    assert_eq!(code(spaces), "ValidationError");

    let stacks = aws_sdk_cloudformation::Client::new(&lab.config);
    stacks.delete_stack().stack_name("roles").send().await.expect("deletes");
    lab.wait(120).await;
    assert_eq!(code(assume("publisher").send().await), "AccessDenied", "gone with its stack");
}

#[tokio::test(start_paused = true)]
async fn sessions_outlive_a_process_and_their_secret_keys_are_not_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("world.json");
    let options = Options { file: Some(file.clone()), ..Options::default() };
    let (lab, sts) = with_roles(options.clone()).await;
    let before = lab.sandbox.snapshot();
    let assume = sts.assume_role().role_arn(ROLE).role_session_name("bfd-me");
    let credentials = assume.send().await.expect("takes it on").credentials.expect("some");
    assert_eq!(lab.sandbox.snapshot(), before, "a session is no object");
    let text = std::fs::read_to_string(file).expect("a file");
    assert!(text.contains(credentials.access_key_id()));
    assert!(!text.contains(credentials.secret_access_key()));
    assert!(!text.contains(credentials.session_token()));

    let again = Lab::open(options);
    let session = Credentials::new(credentials.access_key_id(), "any", None, None, "session");
    let provider = SharedCredentialsProvider::new(session);
    let config = again.config.to_builder().credentials_provider(provider).build();
    let who = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    let who = who.expect("says who");
    assert_eq!(who.arn(), Some("arn:aws:sts::123456789012:assumed-role/publisher/bfd-me"));
}
