//! Secrets Manager: the sandbox beside other emulators, and a user who puts a secret there.

use bfd_tests::emulators::new_account;
use bfd_tests::{AwsCli, Ministack, Moto, Project, exit};

use crate::world::existing;

const FIRST: &str = "11111111111111111111111111111111";
const SECOND: &str = "22222222222222222222222222222222";

/// What the AWS CLI is answered, one line for each call: what it read, or the refusal.
///
/// `start` begins the secret's name: moto has one account for all.
fn story(aws: &AwsCli, start: &str) -> Vec<String> {
    let name = format!("{start}/app");
    let mut told = Vec::new();
    let mut call = |operation: &str, query: &str, arguments: &[&str]| {
        let all = [&["secretsmanager", operation, "--query", query][..], arguments].concat();
        let output = aws.try_call(all);
        let answer = if output.stderr.contains("An error occurred") {
            output.stderr.trim().trim_start_matches("aws: [ERROR]: ").to_owned()
        } else {
            output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        told.push(format!("{operation}: {}", answer.replace(start, "START")));
        answer
    };
    let id = ["--secret-id", &name];
    let create = |text: &'static str, token: &'static str| {
        ["--name", name.as_str(), "--secret-string", text, "--client-request-token", token]
            .map(str::to_owned)
    };
    call("describe-secret", "Name", &id);
    let first = create("one", FIRST);
    let made = call("create-secret", "[Name, VersionId]", &first.each_ref().map(String::as_str));
    call(
        "create-secret",
        "[Name, VersionId]",
        &create("two", SECOND).each_ref().map(String::as_str),
    );
    call("get-secret-value", "[SecretString, VersionStages]", &id);
    let put = ["--secret-string", "two", "--client-request-token", SECOND];
    call("put-secret-value", "[VersionId, VersionStages]", &[&id[..], &put].concat());
    let previous = ["--version-stage", "AWSPREVIOUS"];
    call("get-secret-value", "[SecretString, VersionId]", &[&id[..], &previous].concat());
    call("describe-secret", "VersionIdsToStages", &id);
    call("update-secret", "Name", &[&id[..], &["--description", "what for"]].concat());
    call("describe-secret", "[Description, DeletedDate]", &id);
    call("list-secrets", "SecretList[].Name", &["--filters", &format!("Key=name,Values={start}")]);
    call("delete-secret", "Name", &[&id[..], &["--recovery-window-in-days", "7"]].concat());
    call("describe-secret", "DeletedDate != null", &id);
    call("list-secrets", "SecretList[].Name", &["--filters", &format!("Key=name,Values={start}")]);
    call("restore-secret", "Name", &id);
    call("get-secret-value", "SecretString", &id);
    call("delete-secret", "Name", &[&id[..], &["--force-delete-without-recovery"]].concat());
    call("get-secret-value", "SecretString", &id);
    // ministack makes up the first version's id, whatever it is told.
    let id = made.split('"').nth(3).expect("a version's id");
    told.iter().map(|line| line.replace(id, FIRST)).collect()
}

const EMPTY: &str = r#"[environment]
name = "vault"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"
"#;

#[test]
fn the_aws_cli_is_told_what_other_emulators_tell_it() {
    let project = Project::new("vault", EMPTY);
    let server = project.serve();
    let start = "compared";
    let told = story(&AwsCli::new(server.url()), start);
    insta::assert_snapshot!("secretsmanager_as_the_aws_cli_sees_it", told.join("\n"));

    let ministack = AwsCli::new(Ministack::shared().url()).in_account(new_account());
    assert_eq!(story(&ministack, start), told);
    assert_eq!(story(&AwsCli::new(Moto::shared().url()), start), told);
}

const READER: &str = r#"
[cluster.main]
name = "vault"

[service.web]
name = "vault-web"
cluster = "main"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/vault"
network = { subnets = ["subnet-0a1b2c3d"] }

[service.web.container.web]
image = "public.ecr.aws/nginx/nginx:alpine"
port = 80
secrets = { KEY = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app:KEY::" }
"#;

/// Text without its line breaks.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_user_puts_in_the_secret_that_a_service_misses() {
    let project = Project::new("vault", &format!("{EMPTY}{READER}"));
    let put = |arguments: [&str; 5]| {
        let server = project.serve();
        AwsCli::new(server.url()).call([&["secretsmanager"][..], &arguments].concat());
    };

    let failed = project.apply().run().exits(exit::ROLLED_BACK);
    let why = "Secrets Manager can't find the specified secret.";
    assert!(unwrapped(&failed.stderr).contains(why), "{failed}");

    put(["create-secret", "--name", "app", "--secret-string", r#"{"OTHER": "planted-secret"}"#]);
    let failed = project.apply().run().exits(exit::ROLLED_BACK);
    let why = "retrieved secret from Secrets Manager did not contain json key KEY";
    assert!(unwrapped(&failed.stderr).contains(why), "{failed}");
    assert!(!format!("{failed}").contains("planted-secret"));

    put([
        "put-secret-value",
        "--secret-id",
        "app",
        "--secret-string",
        r#"{"KEY": "planted-secret"}"#,
    ]);
    project.apply().run().succeeds();
    project.has_no_changes();
    assert!(!project.workspace().read(project.world_file()).contains("planted-secret"));

    // It is the user's own: it stays.
    project.destroy().run().succeeds();
    assert!(existing(&project).contains(&"secret app".to_owned()));
}
