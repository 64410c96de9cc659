use crate::world::{World, address, properties, repeated, secret};
use bfd_core::Owner;
use bfd_provider::{ErrorClass, Provider as _};
use bfd_sandbox::Fault;
use serde_json::json;

const AT: &str = "parameter.api-url";
const NAME: &str = "/bellyfed/dev/api/url";

#[tokio::test(start_paused = true)]
async fn a_parameter_lives() {
    let world = World::new().await;
    let first = json!({
        "name": NAME, "type": "String", "value": "https://one", "description": "where it is",
        "tier": "Standard", "tags": { "Application": "Bellyfed" },
    });
    let made = world.create(AT, &first).await.unwrap();
    assert_eq!(made.id, NAME);
    assert_eq!(
        made.outputs["arn"],
        "arn:aws:ssm:ap-southeast-1:123456789012:parameter/bellyfed/dev/api/url"
    );
    world.assert_quiet(AT, &made).await;

    let second = json!({
        "name": NAME, "type": "String", "value": "https://two", "allowed_pattern": "https://.*",
        "tags": { "Application": "Bellyfed", "Team": "web" },
    });
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(operations, ["ssm:PutParameter", "ssm:AddTagsToResource"]);
    assert_eq!(changed.outputs["version"], 2);
    world.assert_quiet(AT, &changed).await;

    let (back, operations) = world.counting(world.restore(AT, &changed, &made)).await;
    assert_eq!(operations, ["ssm:PutParameter", "ssm:RemoveTagsFromResource"]);
    let back = back.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("https://one"));

    world.delete(AT, &back).await.unwrap();
    assert_eq!(world.observe(AT, &back).await, None);
    world.delete(AT, &back).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn values_are_read_only_when_someone_wrote() {
    let world = World::new().await;
    let inputs = json!({ "name": NAME, "type": "String", "value": "one" });
    let made = world.create(AT, &inputs).await.unwrap();
    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ssm:DescribeParameters"]);

    world.ssm().put_parameter().name(NAME).value("other").overwrite(true).send().await.unwrap();
    let (seen, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ssm:DescribeParameters", "ssm:GetParameters"]);
    assert_eq!(seen.unwrap().object.inputs["value"], "other");

    // Deleted and created again, the version is the recorded one.
    world.ssm().delete_parameter().name(NAME).send().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    let again = world.ssm().put_parameter().name(NAME).value("again");
    again.r#type(aws_sdk_ssm::types::ParameterType::String).send().await.unwrap();
    let seen = world.observe(AT, &made).await.unwrap();
    assert_eq!(seen.object.outputs["version"], made.outputs["version"]);
    assert_eq!(seen.object.inputs["value"], "again");
}

#[tokio::test(start_paused = true)]
async fn a_difference_in_tags_writes_no_version() {
    let world = World::new().await;
    let inputs = |tags| json!({ "name": NAME, "type": "String", "value": "one", "tags": tags });
    let made = world.create(AT, &inputs(json!({ "A": "1", "B": "1" }))).await.unwrap();
    let fewer = inputs(json!({ "A": "2" }));
    let update = world.update(AT, &made, &fewer);
    let (changed, operations) = world.counting(update).await;
    assert_eq!(operations, ["ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"]);
    let changed = changed.unwrap();
    let (_, operations) = world.counting(world.update(AT, &changed, &fewer)).await;
    assert_eq!(operations, Vec::<String>::new(), "where nothing differs, nothing is called");
    let tags = world.find(AT, &inputs(json!({}))).await.unwrap().object.inputs["tags"].clone();
    assert_eq!(tags, json!({ "A": "2" }));
}

#[tokio::test(start_paused = true)]
async fn a_secret_goes_to_ssm_and_nowhere_else() {
    let world = World::with_secrets(&[("ONE", "plain-one"), ("TWO", "plain-two")]).await;
    let inputs = |variable: &str, digest: &str| json!({ "name": NAME, "type": "SecureString", "value": secret(variable, digest) });
    let made = world.create(AT, &inputs("ONE", "d1")).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("plain-one"));
    let (seen, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ssm:DescribeParameters"], "nothing is decrypted to compare");
    world.assert_quiet(AT, &made).await;

    let changed = world.update(AT, &made, &inputs("TWO", "d2")).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("plain-two"));
    let written = format!("{made:?} {changed:?} {seen:?} {:?}", world.aws);
    assert!(!written.contains("plain-"), "{written}");

    // SSM itself keeps the earlier value: a rollback needs no plaintext of ours.
    let nobody = world.someone_else(&[]).await;
    let at = address(AT);
    let back = nobody.restore(&at, &changed, &made, &crate::world::context()).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("plain-one"));
    assert_eq!(back.inputs, made.inputs);
}

#[tokio::test(start_paused = true)]
async fn a_secret_changed_outside_equals_nothing() {
    let world = World::with_secrets(&[("ONE", "plain-one")]).await;
    let inputs = json!({ "name": NAME, "type": "SecureString", "value": secret("ONE", "d1") });
    let made = world.create(AT, &inputs).await.unwrap();
    world.ssm().put_parameter().name(NAME).value("theirs").overwrite(true).send().await.unwrap();
    let seen = world.observe(AT, &made).await.unwrap().object;
    assert_eq!(seen.inputs["value"], json!({ "$changed_outside": "version 2" }));

    // Brought to the declared value, and back to what was observed: theirs.
    let observed = crate::world::state(AT, seen);
    let changed = world.update(AT, &observed, &inputs).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("plain-one"));
    world.restore(AT, &changed, &observed).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_stops_before_the_call() {
    let world = World::new().await;
    let inputs = json!({ "name": NAME, "type": "SecureString", "value": secret("ONE", "d1") });
    let (refused, operations) = world.counting(world.create(AT, &inputs)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Local);
    assert_eq!(refused.to_failure().message, "the environment variable `ONE` is not set");
    assert_eq!(operations, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_quote_the_secret() {
    let world = World::with_secrets(&[("ONE", "plain{{one}}")]).await;
    let inputs = json!({
        "name": NAME, "type": "SecureString", "value": secret("ONE", "d1"),
        "allowed_pattern": "[0-9]+",
    });
    let refused = world.create(AT, &inputs).await.unwrap_err();
    assert!(!format!("{refused:?} {:?}", refused.to_failure()).contains("plain{{one}}"));
}

#[tokio::test(start_paused = true)]
async fn what_someone_else_made_is_not_taken() {
    let world = World::new().await;
    let theirs = json!({ "name": NAME, "type": "String", "value": "x", "tags": { "Team": "api" } });
    world.create(AT, &theirs).await.unwrap();
    let found = world.find(AT, &theirs).await.unwrap();
    assert_eq!(found.owner, Some(Owner::Tags(vec!["Team=api".to_owned()])));

    let refused = world.create(AT, &theirs).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    assert!(refused.details[0].contains("Team=api"), "{refused:?}");
    // Nor after a crash, when it differs from what the dead process would have made.
    let ours = json!({ "name": NAME, "type": "String", "value": "y", "tags": { "Team": "api" } });
    let refused = world.aws.create(&address(AT), &properties(&ours), &repeated()).await;
    assert_eq!(refused.unwrap_err().class, ErrorClass::AlreadyExists);
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_again() {
    let world = World::with_secrets(&[("ONE", "plain-one")]).await;
    for inputs in [
        json!({ "name": "/a/plain", "type": "String", "value": "x", "tags": { "Team": "api" } }),
        json!({ "name": "/a/secret", "type": "SecureString", "value": secret("ONE", "d") }),
    ] {
        world.sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
        let made = world.create(AT, &inputs).await.unwrap();
        assert_eq!(made.outputs["version"], 1);
        world.assert_quiet(AT, &made).await;
        // The same after a crash: the call had been announced, and had taken effect.
        let again = world.aws.create(&address(AT), &properties(&inputs), &repeated()).await;
        assert_eq!(again.unwrap().outputs["version"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_at_all_is_taken_for_a_write() {
    let world = World::new().await;
    let inputs = |value: &str| json!({ "name": NAME, "type": "String", "value": value });
    // Applied by the first attempt; refused, unheard, by the others.
    for _ in 0..5 {
        world.sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
    }
    let made = world.create(AT, &inputs("one")).await.unwrap();
    world.assert_quiet(AT, &made).await;

    for _ in 0..5 {
        world.sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
    }
    let mut silent = world.update(AT, &made, &inputs("two")).await.unwrap_err();
    let left = crate::world::state(AT, *silent.left.take().expect("it was written"));
    let back = world.restore(AT, &left, &made).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("one"));

    for _ in 0..5 {
        world.sandbox.inject("ssm:PutParameter", Fault::ResetBefore);
    }
    // Nobody knows that it was not written, so the undo sees to it.
    let mut untouched = world.update(AT, &back, &inputs("two")).await.unwrap_err();
    assert_eq!(untouched.class, ErrorClass::NetworkFailure);
    let left = crate::world::state(AT, *untouched.left.take().expect("it may be written"));
    world.restore(AT, &left, &back).await.unwrap();
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("one"));
}

/// What a request leaves out may stay as it was.
#[tokio::test(start_paused = true)]
async fn what_is_removed_is_gone_and_comes_back() {
    let world = World::with_secrets(&[("ONE", "plain-one"), ("TWO", "other")]).await;
    let full = json!({
        "name": NAME, "type": "SecureString", "value": secret("ONE", "d1"),
        "description": "what for", "key_id": "alias/mine", "allowed_pattern": "plain-.*",
    });
    let bare = |variable: &str, digest: &str| json!({ "name": NAME, "type": "SecureString", "value": secret(variable, digest) });
    let made = world.create(AT, &full).await.unwrap();
    // The value that the pattern forbade is what it was removed for.
    let removed = world.update(AT, &made, &bare("TWO", "d2")).await.unwrap();
    let seen = world.observe(AT, &removed).await.unwrap().object.inputs;
    assert_eq!((seen.get("description"), seen.get("allowed_pattern")), (None, None));
    assert_eq!(seen["key_id"], "alias/aws/ssm", "the account's own");

    let back = world.restore(AT, &removed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(world.value_of(NAME).await.as_deref(), Some("plain-one"));
}
