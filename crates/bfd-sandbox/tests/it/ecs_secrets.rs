//! What tasks take from Secrets Manager, and why they do not start without it.

use aws_sdk_ecs::types::{LogConfiguration, LogDriver, Secret};

use crate::support::{Lab, REGISTRY, container, status};

const START: &str = "ResourceInitializationError: unable to pull secrets or registry auth: \
                     execution resource retrieval failed: unable to retrieve secret from asm: ";

fn secret(from: &str) -> Secret {
    Secret::builder().name("KEY").value_from(from).build().expect("a secret")
}

/// A revision of `web` that reads a secret.
async fn reading(lab: &Lab, from: &str) -> String {
    let container = container(&format!("{REGISTRY}/app:v1")).secrets(secret(from)).build();
    let answer = lab.definition().container_definitions(container).send().await;
    let definition = answer.expect("registers").task_definition.expect("a definition");
    definition.task_definition_arn.expect("an ARN")
}

/// The reason of the newest task that could not start.
async fn failure(lab: &Lab) -> String {
    let tasks = lab.tasks().await;
    let stopped: Vec<_> = tasks
        .iter()
        .filter(|task| task.stop_code().is_some_and(|code| code.as_str() == "TaskFailedToStart"))
        .collect();
    let task = stopped.last().expect("a task that could not start");
    assert!(task.pull_started_at().is_none(), "before the pull");
    task.stopped_reason().unwrap_or_default().to_owned()
}

/// Why a deployment of a revision with this source fails; it is rolled back.
async fn rolled_back(lab: &Lab, from: &str) -> String {
    let next = reading(lab, from).await;
    lab.update(&next).await;
    assert_eq!(status(&lab.ended(1200).await), "ROLLBACK_SUCCESSFUL", "{from}");
    let reason = failure(lab).await;
    let rest = reason.strip_prefix(START).unwrap_or_else(|| panic!("{from}: {reason}"));
    rest.to_owned()
}

async fn put(lab: &Lab, name: &str, text: &str) -> String {
    let create = lab.secrets.create_secret().name(name).secret_string(text);
    create.send().await.expect("creates").arn.expect("an ARN")
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_fails_the_task_until_it_is_there() {
    let lab = Lab::with_app().await;
    let partial = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app";
    let next = reading(&lab, partial).await;
    lab.creation(&next, 1).send().await.expect("creates");
    lab.wait(20).await;
    let reason = failure(&lab).await;
    let start = format!(
        "{START}service call has been retried 1 time(s): failed to fetch secret {partial} from \
         secrets manager: operation error Secrets Manager: GetSecretValue, https response error \
         StatusCode: 400, RequestID: "
    );
    assert!(reason.starts_with(&start), "{reason}");
    let end = ", ResourceNotFoundException: Secrets Manager can't find the specified secret.";
    assert!(reason.ends_with(end), "{reason}");

    put(&lab, "app", "planted-secret").await;
    assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn every_part_of_the_source_has_to_be_there() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let arn = put(&lab, "app", "{\"KEY\":\"planted-secret\",\"NUMBER\":1}").await;
    let id = "v".repeat(32);
    let change = lab.secrets.put_secret_value().secret_id("app");
    let change = change.secret_string("{\"KEY\":\"planted-secret\",\"NEW\":1}");
    change.client_request_token(&id).send().await.expect("puts");

    for from in [
        arn.clone(),
        format!("{arn}:KEY::"),
        format!("{arn}:NUMBER:AWSPREVIOUS:"),
        format!("{arn}:NEW::{id}"),
        format!("{arn}::AWSCURRENT:{id}"),
    ] {
        lab.update(&reading(&lab, &from).await).await;
        assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL", "{from}");
    }

    let retried = "service call has been retried 1 time(s): ";
    let key =
        format!("{retried}retrieved secret from Secrets Manager did not contain json key NUMBER");
    assert_eq!(rolled_back(&lab, &format!("{arn}:NUMBER::")).await, key);
    let stage = rolled_back(&lab, &format!("{arn}:KEY:AWSPENDING:")).await;
    assert!(stage.ends_with("specified secret value for staging label: AWSPENDING"), "{stage}");
    let version = rolled_back(&lab, &format!("{arn}:::{}", "w".repeat(32))).await;
    assert!(version.contains("specified secret value for VersionId: www"), "{version}");
    let parts = rolled_back(&lab, &format!("{arn}:KEY")).await;
    assert!(parts.starts_with("unexpected ARN format with parameters"), "{parts}");
    let other = rolled_back(&lab, &format!("{}xxxxxx", &arn[..arn.len() - 6])).await;
    assert!(other.ends_with("can't find the specified secret."), "{other}");

    let plain = put(&lab, "plain", "planted-secret").await;
    let text = rolled_back(&lab, &format!("{plain}:KEY::")).await;
    assert!(text.contains("looking for beginning of value") && !text.contains('\''), "{text}");
    assert!(!format!("{:?}", lab.tasks().await).contains("planted"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_marked_for_deletion_cannot_be_read() {
    let lab = Lab::with_app().await;
    let arn = put(&lab, "app", "planted-secret").await;
    let reading = reading(&lab, &arn).await;
    lab.deployed(&reading, 1).await;
    lab.secrets.delete_secret().secret_id("app").send().await.expect("deletes");
    // What runs has read it; what starts anew cannot.
    lab.update("web:1").await;
    assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL");
    let reason = rolled_back(&lab, &arn).await;
    let end = "InvalidRequestException: You can't perform this operation on the secret because it \
               was marked for deletion.";
    assert!(reason.ends_with(end), "{reason}");
    lab.secrets.restore_secret().secret_id("app").send().await.expect("restores");
    lab.update(&reading).await;
    assert_eq!(status(&lab.ended(120).await), "SUCCESSFUL");
}

#[tokio::test(start_paused = true)]
async fn the_log_drivers_secrets_count_as_well() {
    let lab = Lab::with_app().await;
    lab.deployed("web", 1).await;
    let log = LogConfiguration::builder()
        .log_driver(LogDriver::Splunk)
        .secret_options(secret("arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:none"))
        .build()
        .expect("a log");
    let container = container(&format!("{REGISTRY}/app:v1")).log_configuration(log).build();
    let answer = lab.definition().container_definitions(container).send().await;
    let arn = answer.expect("registers").task_definition.and_then(|it| it.task_definition_arn);
    lab.update(&arn.expect("an ARN")).await;
    assert_eq!(status(&lab.ended(1200).await), "ROLLBACK_SUCCESSFUL");
    assert!(failure(&lab).await.ends_with("can't find the specified secret."));
}
