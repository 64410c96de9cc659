use crate::world::{World, address, context, properties, repeated};
use bfd_core::Owner;
use bfd_provider::{Context, ErrorClass, Provider as _};
use bfd_sandbox::Fault;
use serde_json::{Value, json};

const AT: &str = "repository.web";
const NAME: &str = "bellyfed-dev";

fn inputs() -> Value {
    json!({
        "name": NAME, "tag_mutability": "immutable", "scan_on_push": true, "keep_images": 100,
        "force_delete": false, "tags": { "Application": "Bellyfed" },
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut inputs = inputs();
    inputs[field] = value;
    inputs
}

#[tokio::test(start_paused = true)]
async fn a_repository_lives() {
    let world = World::new().await;
    let (made, operations) = world.counting(world.create(AT, &inputs())).await;
    let made = made.unwrap();
    assert_eq!(operations, ["ecr:CreateRepository", "ecr:PutLifecyclePolicy"]);
    assert_eq!(made.id, NAME);
    assert_eq!(
        made.outputs["uri"],
        "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/bellyfed-dev"
    );
    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ecr:DescribeRepositories", "ecr:GetLifecyclePolicy"]);
    world.assert_quiet(AT, &made).await;

    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let second = json!({
        "name": NAME, "tag_mutability": "mutable", "scan_on_push": false, "policy": policy,
        "force_delete": true, "tags": { "Team": "web" },
    });
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(
        operations,
        [
            "ecr:PutImageTagMutability",
            "ecr:PutImageScanningConfiguration",
            "ecr:DeleteLifecyclePolicy",
            "ecr:SetRepositoryPolicy",
            "ecr:TagResource",
            "ecr:UntagResource",
        ]
    );
    let mut canonical = changed.clone();
    canonical
        .inputs
        .insert("policy".to_owned(), bfd_kinds::json::canonicalize(policy).unwrap().into());
    world.assert_quiet(AT, &canonical).await;

    let back = world.restore(AT, &changed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(back.outputs, made.outputs);
    let (_, operations) = world.counting(world.update(AT, &back, &inputs())).await;
    assert_eq!(operations, Vec::<String>::new());

    world.delete(AT, &back).await.unwrap();
    assert_eq!(world.observe(AT, &back).await, None);
    world.delete(AT, &back).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn only_what_differs_is_called() {
    let world = World::new().await;
    let made = world.create(AT, &inputs()).await.unwrap();
    for (changed, call) in [
        (with("keep_images", json!(5)), "ecr:PutLifecyclePolicy"),
        (with("tag_mutability", json!("mutable")), "ecr:PutImageTagMutability"),
        (with("scan_on_push", json!(false)), "ecr:PutImageScanningConfiguration"),
        (with("tags", json!({ "Application": "Other" })), "ecr:TagResource"),
    ] {
        let (changed, operations) = world.counting(world.update(AT, &made, &changed)).await;
        assert_eq!(operations, [call]);
        let changed = changed.unwrap();
        world.assert_quiet(AT, &changed).await;
        let (_, operations) = world.counting(world.restore(AT, &changed, &made)).await;
        assert_eq!(operations, [call]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifecycle_changed_outside_is_seen() {
    let world = World::new().await;
    let made = world.create(AT, &inputs()).await.unwrap();
    let other = world.update(AT, &made, &with("keep_images", json!(3))).await.unwrap();
    let seen = world.observe(AT, &made).await.unwrap();
    assert_eq!(seen.object.inputs["keep_images"], 3);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_repository_with_images_is_deleted_only_when_allowed() {
    let world = World::new().await;
    let made = world.create(AT, &inputs()).await.unwrap();
    world.sandbox.push_image(NAME, "v1");
    let refused = world.delete(AT, &made).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::ResourceConflict);
    assert!(refused.hint.unwrap().contains("force_delete"));
    let forced = world.update(AT, &made, &with("force_delete", json!(true))).await.unwrap();
    world.delete(AT, &forced).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_undo_never_takes_what_others_pushed_meanwhile() {
    let world = World::new().await;
    let made = world.create(AT, &with("force_delete", json!(true))).await.unwrap();
    world.sandbox.push_image(NAME, "theirs");
    let undo = Context { undo: true, ..context() };
    let refused = world.aws.delete(&address(AT), &made, &undo).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::ResourceConflict);
    assert!(refused.hint.unwrap().contains("somebody pushed to it meanwhile"));
    world.delete(AT, &made).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_creation_is_found_again() {
    let world = World::new().await;
    world.sandbox.inject("ecr:PutLifecyclePolicy", Fault::AccessDenied);
    let mut refused = world.create(AT, &inputs()).await.unwrap_err();
    assert_eq!(refused.operation, "ecr:PutLifecyclePolicy");
    let left = crate::world::state(AT, *refused.left.take().expect("the repository is there"));
    assert_eq!(left.inputs.get("keep_images"), None);
    // Either way goes on from what was left.
    let done = world.update(AT, &left, &inputs()).await.unwrap();
    world.assert_quiet(AT, &done).await;
    world.delete(AT, &left).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_found_again_and_strangers_are_not() {
    let world = World::new().await;
    world.sandbox.inject("ecr:CreateRepository", Fault::LostAnswer);
    let made = world.create(AT, &inputs()).await.unwrap();
    world.assert_quiet(AT, &made).await;
    let again = world.aws.create(&address(AT), &properties(&inputs()), &repeated()).await;
    assert_eq!(again.unwrap().outputs, made.outputs);

    let refused = world.create(AT, &inputs()).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    assert!(refused.details[0].contains("Application=Bellyfed"), "{refused:?}");
    let other = properties(&with("tags", json!({ "Application": "Mine" })));
    let refused = world.aws.create(&address(AT), &other, &repeated()).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    let found = world.find(AT, &inputs()).await.unwrap();
    assert_eq!(found.owner, Some(Owner::Tags(vec!["Application=Bellyfed".to_owned()])));
}

#[tokio::test(start_paused = true)]
async fn policies_that_are_removed_are_deleted() {
    let world = World::new().await;
    let lifecycle = bfd_kinds::repository::lifecycle_policy(7);
    let mut full = with("policy", json!(r#"{"Statement":[],"Version":"2012-10-17"}"#));
    full["lifecycle_policy"] = json!(lifecycle);
    full.as_object_mut().unwrap().remove("keep_images");
    let made = world.create(AT, &full).await.unwrap();
    world.assert_quiet(AT, &made).await;
    let mut bare = inputs();
    bare.as_object_mut().unwrap().remove("keep_images");
    let (removed, operations) = world.counting(world.update(AT, &made, &bare)).await;
    assert_eq!(operations, ["ecr:DeleteLifecyclePolicy", "ecr:DeleteRepositoryPolicy"]);
    removed.unwrap();
    // Looked for as if they were still declared: both are gone.
    let seen = world.observe(AT, &made).await.unwrap().object.inputs;
    let gone = ["policy", "lifecycle_policy", "keep_images"].map(|field| seen.get(field).cloned());
    assert_eq!(gone, [None, None, None]);
}
