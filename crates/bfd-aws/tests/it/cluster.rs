use crate::world::World;
use bfd_core::Owner;
use bfd_provider::ErrorClass;
use bfd_sandbox::Fault;
use serde_json::json;

const AT: &str = "cluster.main";
const NAME: &str = "bellyfed-dev-cluster";

#[tokio::test(start_paused = true)]
async fn a_cluster_lives() {
    let world = World::new().await;
    let first = json!({
        "name": NAME, "container_insights": "enabled", "tags": { "Application": "Bellyfed" },
        "capacity_providers": ["FARGATE", "FARGATE_SPOT"],
        "default_capacity_provider_strategy": [
            { "capacityProvider": "FARGATE", "weight": 1, "base": 1 },
        ],
    });
    let (made, operations) = world.counting(world.create(AT, &first)).await;
    let made = made.unwrap();
    // CreateCluster would answer with a cluster that somebody else made.
    assert_eq!(operations, ["ecs:DescribeClusters", "ecs:CreateCluster"]);
    assert_eq!(made.id, NAME);
    let (_, operations) = world.counting(world.observe(AT, &made)).await;
    assert_eq!(operations, ["ecs:DescribeClusters"]);
    world.assert_quiet(AT, &made).await;

    let second = json!({
        "name": NAME, "container_insights": "disabled", "tags": { "Team": "web" },
        "capacity_providers": ["FARGATE"],
    });
    let (changed, operations) = world.counting(world.update(AT, &made, &second)).await;
    let changed = changed.unwrap();
    assert_eq!(
        operations,
        [
            "ecs:UpdateCluster",
            "ecs:PutClusterCapacityProviders",
            "ecs:TagResource",
            "ecs:UntagResource",
        ]
    );
    world.assert_quiet(AT, &changed).await;
    let seen = world.observe(AT, &changed).await.unwrap().object.inputs;
    assert_eq!(seen.get("default_capacity_provider_strategy"), None);
    assert_eq!(seen["tags"], json!({ "Team": "web" }));

    let back = world.restore(AT, &changed, &made).await.unwrap();
    world.assert_quiet(AT, &back).await;
    assert_eq!(back.outputs, made.outputs);
    let (_, operations) = world.counting(world.update(AT, &back, &first)).await;
    assert_eq!(operations, Vec::<String>::new());

    world.delete(AT, &back).await.unwrap();
    assert_eq!(world.observe(AT, &back).await, None, "INACTIVE is as good as gone");
    world.delete(AT, &back).await.expect("what is gone is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_somebody_else_is_not_taken_over() {
    let world = World::new().await;
    let inputs = json!({ "name": NAME });
    world.create(AT, &inputs).await.unwrap();

    let refused = world.create("cluster.other", &inputs).await.unwrap_err();

    assert_eq!(refused.class, ErrorClass::AlreadyExists);
    assert!(refused.left.is_none(), "what an undo would delete is not ours");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_again() {
    let world = World::new().await;
    let inputs = json!({ "name": NAME, "tags": { "Application": "Bellyfed" } });
    world.sandbox.inject("ecs:CreateCluster", Fault::LostAnswer);
    let made = world.create(AT, &inputs).await.unwrap();
    world.assert_quiet(AT, &made).await;
    let found = world.find(AT, &inputs).await.unwrap();
    assert_eq!(found.owner, Some(Owner::Tags(vec!["Application=Bellyfed".to_owned()])));
    world.sandbox.inject("ecs:DeleteCluster", Fault::LostAnswer);
    world.delete(AT, &made).await.unwrap();
}
