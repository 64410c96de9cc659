use crate::world::World;
use bfd_provider::{ErrorClass, Provider as _};
use bfd_sandbox::Fault;
use serde_json::json;
use std::time::Duration;

const AT: &str = "coordinator.main";
const PREFIX: &str = "/bellyfed/dev/deployment";

#[tokio::test(start_paused = true)]
async fn a_coordinator_lives() {
    let world = World::new().await;
    let first = json!({
        "parameter_prefix": PREFIX, "tags": { "Application": "Bellyfed" },
        "config": { "deploy-infra-stack": "true", "old": "1", "kept": "k" },
    });
    let made = world.create(AT, &first).await.unwrap();
    assert_eq!(made.id, PREFIX);
    world.assert_quiet(AT, &made).await;
    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ssm:DescribeParameters"]);

    let second = json!({
        "parameter_prefix": PREFIX, "tags": { "Application": "Bellyfed" },
        "config": { "deploy-infra-stack": "false", "new": "2", "kept": "k" },
    });
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(operations, ["ssm:PutParameter", "ssm:PutParameter", "ssm:DeleteParameters"]);
    world.assert_quiet(AT, &changed).await;
    assert_eq!(world.value_of(&format!("{PREFIX}/old")).await, None);

    let back = world.restore(AT, &changed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(world.value_of(&format!("{PREFIX}/old")).await.as_deref(), Some("1"));
    assert_eq!(world.value_of(&format!("{PREFIX}/new")).await, None);

    let record = json!({ "run": "r1", "outcome": "applied" });
    world.aws.record_deployment(&back, &record).await.unwrap();
    world.aws.record_deployment(&back, &record).await.expect("there already");
    let recorded = world.value_of(&format!("{PREFIX}/last-deployment")).await;
    assert_eq!(recorded.as_deref(), Some(r#"{"outcome":"applied","run":"r1"}"#));
    world.assert_quiet(AT, &back).await;

    world.delete(AT, &back).await.unwrap();
    for key in ["deploy-infra-stack", "old", "kept", "last-deployment"] {
        assert_eq!(world.value_of(&format!("{PREFIX}/{key}")).await, None, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_gone_is_missing_and_comes_back() {
    let world = World::new().await;
    let inputs = json!({ "parameter_prefix": PREFIX, "config": { "a": "1", "b": "2" } });
    let made = world.create(AT, &inputs).await.unwrap();
    world.ssm().delete_parameter().name(format!("{PREFIX}/a")).send().await.unwrap();
    let seen = world.observe(AT, &made).await.unwrap().object;
    assert_eq!(seen.inputs["config"], json!({ "b": "2" }));
    let seen = crate::world::state(AT, seen);
    let (mended, operations) = world.counting(world.update(AT, &seen, &inputs)).await;
    assert_eq!(operations, ["ssm:PutParameter"]);
    world.assert_quiet(AT, &mended.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_exactly_what_was_made() {
    let world = World::new().await;
    let theirs = json!({ "name": format!("{PREFIX}/b"), "type": "String", "value": "theirs" });
    world.create("parameter.b", &theirs).await.unwrap();
    let config = json!({ "a": "1", "b": "2", "c": "3" });
    let inputs = json!({ "parameter_prefix": PREFIX, "config": config });
    let mut refused = world.create(AT, &inputs).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    let left = crate::world::state(AT, *refused.left.take().expect("two were made"));
    assert_eq!(left.inputs["config"], json!({ "a": "1", "c": "3" }));
    world.delete(AT, &left).await.unwrap();
    let value = world.value_of(&format!("{PREFIX}/b")).await;
    assert_eq!(value.as_deref(), Some("theirs"), "an undo deletes nothing of others");
    assert_eq!(world.value_of(&format!("{PREFIX}/a")).await, None);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_found_again() {
    let world = World::new().await;
    world.sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
    world.sandbox.inject("ssm:PutParameter", Fault::Delay(Duration::from_secs(1)));
    world.sandbox.inject("ssm:PutParameter", Fault::LostAnswer);
    let inputs = json!({ "parameter_prefix": PREFIX, "config": { "a": "1", "b": "2", "c": "3" } });
    let made = world.create(AT, &inputs).await.unwrap();
    world.assert_quiet(AT, &made).await;
}

#[tokio::test(start_paused = true)]
async fn one_without_configuration_calls_nothing() {
    let world = World::new().await;
    let inputs = json!({ "parameter_prefix": PREFIX });
    let (made, operations) = world.counting(world.create(AT, &inputs)).await;
    assert_eq!(operations, Vec::<String>::new());
    world.assert_quiet(AT, &made.unwrap()).await;
    assert_eq!(world.find(AT, &inputs).await, None);
}
