//! Secrets Manager through the SDK.

use std::fs;

use aws_sdk_secretsmanager::operation::create_secret::builders::CreateSecretFluentBuilder;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SortOrderType, Tag};
use bfd_sandbox::Options;

use crate::support::{Lab, code, refusal};

const MISSING: &str = "Secrets Manager can't find the specified secret.";
const MARKED: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";
const DAY: u64 = 86_400;

fn token(number: u8) -> String {
    format!("{number:032}")
}

fn create(lab: &Lab, name: &str, text: &str) -> CreateSecretFluentBuilder {
    lab.secrets.create_secret().name(name).secret_string(text)
}

/// The ARN of a new secret.
async fn made(lab: &Lab, name: &str, text: &str) -> String {
    create(lab, name, text).send().await.expect("creates").arn.expect("an ARN")
}

async fn value(lab: &Lab, id: &str, stage: &str) -> Option<String> {
    let get = lab.secrets.get_secret_value().secret_id(id).version_stage(stage);
    get.send().await.expect("gets").secret_string
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_found_by_its_name_and_by_both_arns() {
    let lab = Lab::new();
    let arn = made(&lab, "app/key", "one").await;
    let start = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app/key";
    let end = arn.strip_prefix(start).and_then(|end| end.strip_prefix('-')).expect("an end");
    assert!(end.len() == 6 && end.chars().all(|it| it.is_ascii_alphanumeric()), "{arn}");

    for id in ["app/key", start, &arn] {
        assert_eq!(value(&lab, id, "AWSCURRENT").await.as_deref(), Some("one"), "{id}");
    }
    let other_account = arn.replace("123456789012", "999999999999");
    let other_region = arn.replace("ap-southeast-1", "eu-west-1");
    let other_end = format!("{start}-xxxxxx");
    for id in ["app", "key", &other_account, &other_region, &other_end] {
        let (code, message) = refusal(lab.secrets.describe_secret().secret_id(id).send().await);
        assert_eq!((code.as_str(), message.as_str()), ("ResourceNotFoundException", MISSING));
    }
    // What ends like an ARN counts as one: AWS's own trap.
    let trap = made(&lab, "app-abcdef", "two").await;
    let partial = trap.rsplit_once('-').expect("an end").0;
    let get = lab.secrets.get_secret_value().secret_id(partial);
    assert_eq!(code(get.send().await), "ResourceNotFoundException");
    assert_eq!(value(&lab, &trap, "AWSCURRENT").await.as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn what_a_description_tells() {
    let lab = Lab::new();
    let tag = Tag::builder().key("team").value("web").build();
    let create = create(&lab, "app", "one").description("what for").kms_key_id("alias/own");
    let made = create.tags(tag).client_request_token(token(1)).send().await.expect("creates");
    assert_eq!(made.version_id(), Some(token(1).as_str()));

    let read = async || lab.secrets.describe_secret().secret_id("app").send().await.expect("reads");
    let told = read().await;
    assert_eq!((told.name(), told.description()), (Some("app"), Some("what for")));
    assert_eq!(told.kms_key_id(), Some("alias/own"));
    assert_eq!(told.tags()[0].value(), Some("web"));
    let stages = told.version_ids_to_stages.expect("versions");
    assert_eq!(stages[&token(1)], ["AWSCURRENT"]);
    assert_eq!(told.deleted_date, None);

    let retag = lab.secrets.tag_resource().secret_id("app");
    retag.tags(Tag::builder().key("own").value("me").build()).send().await.expect("tags");
    let untag = lab.secrets.untag_resource().secret_id("app").tag_keys("team");
    untag.send().await.expect("untags");
    assert_eq!(read().await.tags()[0].key(), Some("own"));

    // A secret without a value has no versions, and nothing to read.
    lab.secrets.create_secret().name("empty").send().await.expect("creates");
    let empty = lab.secrets.describe_secret().secret_id("empty").send().await.expect("reads");
    assert_eq!(empty.version_ids_to_stages, None);
    let (code, message) = refusal(lab.secrets.get_secret_value().secret_id("empty").send().await);
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(
        message,
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_creation_is_the_same_one() {
    let lab = Lab::new();
    let send =
        |text: &str, number| create(&lab, "app", text).client_request_token(token(number)).send();
    let first = send("one", 1).await.expect("creates");
    let again = send("one", 1).await.expect("repeats");
    assert_eq!((first.arn, first.version_id), (again.arn, again.version_id));
    for (text, number) in [("two", 1), ("one", 2)] {
        let (code, message) = refusal(send(text, number).await);
        assert_eq!(code, "ResourceExistsException");
        assert_eq!(message, "The operation failed because the secret app already exists.");
    }
}

#[tokio::test(start_paused = true)]
async fn labels_move_with_new_values() {
    let lab = Lab::new();
    create(&lab, "app", "one").client_request_token(token(1)).send().await.expect("creates");
    let put = |text: &str, number| {
        let put = lab.secrets.put_secret_value().secret_id("app").secret_string(text);
        put.client_request_token(token(number))
    };
    let second = put("two", 2).send().await.expect("puts");
    assert_eq!(second.version_stages(), ["AWSCURRENT"]);
    assert_eq!(value(&lab, "app", "AWSCURRENT").await.as_deref(), Some("two"));
    assert_eq!(value(&lab, "app", "AWSPREVIOUS").await.as_deref(), Some("one"));
    put("two", 2).send().await.expect("repeats");
    assert_eq!(value(&lab, "app", "AWSPREVIOUS").await.as_deref(), Some("one"));
    let (code_, message) = refusal(put("three", 2).send().await);
    assert_eq!(code_, "ResourceExistsException");
    assert!(message.starts_with("You can't use ClientRequestToken 0000"), "{message}");

    let pending = put("three", 3).version_stages("AWSPENDING").send().await.expect("puts");
    assert_eq!(pending.version_stages(), ["AWSPENDING"]);
    assert_eq!(value(&lab, "app", "AWSCURRENT").await.as_deref(), Some("two"));
    assert_eq!(value(&lab, "app", "AWSPENDING").await.as_deref(), Some("three"));
    let update = lab.secrets.update_secret().secret_id("app").secret_string("four");
    update.client_request_token(token(4)).send().await.expect("updates");
    assert_eq!(value(&lab, "app", "AWSPREVIOUS").await.as_deref(), Some("two"));

    let get = |number| lab.secrets.get_secret_value().secret_id("app").version_id(token(number));
    let one = get(1).send().await.expect("gets what has no label");
    assert_eq!((one.secret_string(), one.version_stages().len()), (Some("one"), 0));
    let (code_, message) = refusal(get(9).send().await);
    assert_eq!(code_, "ResourceNotFoundException");
    assert!(message.ends_with(&format!("secret value for VersionId: {}", token(9))), "{message}");
    let (code_, message) = refusal(get(2).version_stage("AWSCURRENT").send().await);
    assert_eq!(code_, "InvalidRequestException");
    assert!(message.contains("not associated to the provided VersionId"), "{message}");
    let staged = lab.secrets.get_secret_value().secret_id("app").version_stage("none");
    assert_eq!(code(staged.send().await), "ResourceNotFoundException");

    let list = || lab.secrets.list_secret_version_ids().secret_id("app");
    assert_eq!(list().send().await.expect("lists").versions().len(), 3);
    let all = list().include_deprecated(true).send().await.expect("lists");
    assert_eq!(all.versions().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_update_without_a_value_makes_no_version() {
    let lab = Lab::new();
    create(&lab, "app", "one").description("old").send().await.expect("creates");
    let update = || lab.secrets.update_secret().secret_id("app");
    let answer = update().kms_key_id("alias/own").send().await.expect("updates");
    assert_eq!(answer.version_id(), None);
    let told = lab.secrets.describe_secret().secret_id("app").send().await.expect("reads");
    assert_eq!((told.description(), told.kms_key_id()), (Some("old"), Some("alias/own")));
    assert_eq!(told.version_ids_to_stages.expect("versions").len(), 1);
    update().description("").send().await.expect("updates");
    let told = lab.secrets.describe_secret().secret_id("app").send().await.expect("reads");
    assert_eq!(told.description(), None);
    assert_eq!(value(&lab, "app", "AWSCURRENT").await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_can_be_restored_until_its_window_ends() {
    let lab = Lab::new();
    made(&lab, "app", "one").await;
    let delete = || lab.secrets.delete_secret().secret_id("app");
    for days in [6, 31] {
        let (code, message) = refusal(delete().recovery_window_in_days(days).send().await);
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains("between 7 and 30 days"), "{message}");
    }
    let both = delete().recovery_window_in_days(7).force_delete_without_recovery(true);
    assert_eq!(code(both.send().await), "InvalidParameterException");

    let now = lab.sandbox.now();
    let answer = delete().recovery_window_in_days(7).send().await.expect("deletes");
    let date = answer.deletion_date.expect("a date").as_secs_f64();
    assert!((date - now - 7.0 * 86_400.0).abs() < 1.0, "{date}");
    let told = lab.secrets.describe_secret().secret_id("app").send().await.expect("still reads");
    assert_eq!(told.deleted_date.map(|at| at.as_secs_f64()), Some(date));

    let secrets = &lab.secrets;
    for (code, message) in [
        refusal(secrets.get_secret_value().secret_id("app").send().await),
        refusal(secrets.put_secret_value().secret_id("app").secret_string("x").send().await),
        refusal(secrets.update_secret().secret_id("app").description("x").send().await),
        refusal(secrets.tag_resource().secret_id("app").set_tags(Some(vec![])).send().await),
    ] {
        assert_eq!((code.as_str(), message.as_str()), ("InvalidRequestException", MARKED));
    }
    assert!(refusal(delete().send().await).1.contains("already scheduled for deletion"));
    let taken = refusal(create(&lab, "app", "two").send().await);
    assert_eq!(taken.0, "InvalidRequestException");
    assert!(taken.1.ends_with("a secret with this name is already scheduled for deletion."));

    secrets.restore_secret().secret_id("app").send().await.expect("restores");
    assert_eq!(value(&lab, "app", "AWSCURRENT").await.as_deref(), Some("one"));
    delete().send().await.expect("deletes");
    lab.wait(30 * DAY - 5).await;
    assert!(secrets.describe_secret().secret_id("app").send().await.is_ok());
    lab.wait(10).await;
    let gone = secrets.describe_secret().secret_id("app").send().await;
    assert_eq!(code(gone), "ResourceNotFoundException");
    made(&lab, "app", "two").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_by_force_is_gone_at_once() {
    let lab = Lab::new();
    let first = made(&lab, "app", "one").await;
    let force = || lab.secrets.delete_secret().secret_id("app").force_delete_without_recovery(true);
    force().send().await.expect("deletes");
    assert_eq!(
        code(lab.secrets.restore_secret().secret_id("app").send().await),
        "ResourceNotFoundException"
    );
    // A repeated request is no error; one without force is.
    force().send().await.expect("repeats");
    let other = lab.secrets.delete_secret().secret_id("app").send().await;
    assert_eq!(refusal(other), ("ResourceNotFoundException".to_owned(), MISSING.to_owned()));
    // The next one of the name has another ARN.
    assert_ne!(made(&lab, "app", "two").await, first);
}

#[tokio::test(start_paused = true)]
async fn limits() {
    let lab = Lab::new();
    for name in ["", "a b", "ü", "a:b", &"x".repeat(513)] {
        assert_eq!(code(create(&lab, name, "x").send().await), "ValidationException", "{name}");
    }
    let (code_, message) =
        refusal(create(&lab, "a", "planted").secret_binary(Blob::new("b")).send().await);
    assert_eq!(code_, "InvalidParameterException");
    assert!(!message.contains("planted"));
    for text in ["", &"planted".repeat(10_000)] {
        let (code, message) = refusal(create(&lab, "a", text).send().await);
        assert_eq!(code, "ValidationException");
        assert!(message.contains("'secretString'") && !message.contains("planted"), "{message}");
    }
    let short = create(&lab, "a", "x").client_request_token("short").send().await;
    assert_eq!(
        refusal(short),
        (
            "InvalidParameterException".to_owned(),
            "ClientRequestToken must be 32-64 characters long.".to_owned()
        )
    );
    assert_eq!(
        code(lab.secrets.describe_secret().secret_id("").send().await),
        "ValidationException"
    );
    made(&lab, "a", "x").await;
    let (code_, message) = refusal(lab.secrets.put_secret_value().secret_id("a").send().await);
    assert_eq!(code_, "InvalidRequestException");
    assert_eq!(message, "You must provide either SecretString or SecretBinary.");

    let binary = lab.secrets.create_secret().name("b").secret_binary(Blob::new([0, 159, 146]));
    binary.send().await.expect("creates");
    let read = lab.secrets.get_secret_value().secret_id("b").send().await.expect("gets");
    assert_eq!(read.secret_binary().map(|it| it.as_ref()), Some(&[0, 159, 146][..]));
    assert_eq!(read.secret_string(), None);
}

#[tokio::test(start_paused = true)]
async fn listing() {
    let lab = Lab::new();
    for n in 0..25_u64 {
        let tag = Tag::builder().key("half").value((n % 2).to_string()).build();
        let create = create(&lab, &format!("app/{}/s{n:02}", n % 2), "x").tags(tag);
        create.description(format!("Number {n} of them")).send().await.expect("creates");
        lab.wait(1).await;
    }
    lab.secrets.delete_secret().secret_id("app/0/s00").send().await.expect("deletes");
    let list = || lab.secrets.list_secrets();
    let names = async |list: aws_sdk_secretsmanager::operation::list_secrets::builders::ListSecretsFluentBuilder| {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = list.clone().set_next_token(token).max_results(10).send().await.expect("lists");
            assert!(page.secret_list().len() <= 10);
            found.extend(page.secret_list.unwrap_or_default().into_iter().filter_map(|it| it.name));
            token = page.next_token;
            if token.is_none() {
                return found;
            }
        }
    };
    let all = names(list()).await;
    assert_eq!((all.len(), all[0].as_str()), (24, "app/1/s01"));
    assert_eq!(names(list().include_planned_deletion(true)).await.len(), 25);
    assert_eq!(names(list().sort_order(SortOrderType::Desc)).await[0], "app/0/s24");

    let filter = |key: FilterNameStringType, value: &str| {
        list().filters(Filter::builder().key(key).values(value).build())
    };
    assert_eq!(names(filter(FilterNameStringType::Name, "app/1")).await.len(), 12);
    assert_eq!(names(filter(FilterNameStringType::Name, "!app/1")).await.len(), 12);
    assert_eq!(names(filter(FilterNameStringType::Name, "pp/1")).await.len(), 0);
    assert_eq!(names(filter(FilterNameStringType::TagValue, "1")).await.len(), 12);
    assert_eq!(names(filter(FilterNameStringType::TagKey, "other")).await.len(), 0);
    assert_eq!(names(filter(FilterNameStringType::Description, "number 24")).await.len(), 1);
    assert_eq!(names(filter(FilterNameStringType::All, "S07")).await, ["app/1/s07"]);
    assert_eq!(code(filter("color".into(), "x").send().await), "ValidationException");
    assert_eq!(code(list().max_results(101).send().await), "ValidationException");
    assert_eq!(code(list().next_token("x").send().await), "InvalidNextTokenException");
}

#[tokio::test(start_paused = true)]
async fn the_file_never_has_a_secret_in_plain_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let options = || Options { file: Some(file.clone()), ..Options::default() };
    let lab = Lab::open(options());
    made(&lab, "app", "planted-one").await;
    let put = lab.secrets.put_secret_value().secret_id("app").secret_string("planted-two");
    put.send().await.expect("puts");
    let binary = lab.secrets.create_secret().name("b").secret_binary(Blob::new("planted-three"));
    binary.send().await.expect("creates");
    let text = fs::read_to_string(&file).expect("reads") + &format!("{:?}", lab.sandbox);
    let encoded = "cGxhbnRlZC10aHJlZQ==";
    assert!(text.contains("AQICAHbfd") && !text.contains("planted") && !text.contains(encoded));
    // Another process reads what this one wrote.
    let other = Lab::open(options());
    assert_eq!(value(&other, "app", "AWSPREVIOUS").await.as_deref(), Some("planted-one"));
    assert_eq!(other.sandbox.secret("app").as_deref(), Some("planted-two"));
    assert_eq!(other.sandbox.secret("nothing"), None);
}
