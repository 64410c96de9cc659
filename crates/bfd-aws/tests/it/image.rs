use crate::world::World;
use bfd_provider::ErrorClass;
use serde_json::{Value, json};

const AT: &str = "image.web";

fn wanted(reference: &str) -> Value {
    json!({ "source": "x", "repository": "web", "reference": reference })
}

async fn with_repository() -> World {
    let world = World::new().await;
    world.create("repository.web", &json!({ "name": "web" })).await.unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_resolved_to_its_digest() {
    let world = with_repository().await;
    let digest = world.sandbox.push_image("web", "v1");
    let (found, operations) = world.counting(world.find(AT, &wanted("v1"))).await;
    assert_eq!(operations, ["ecr:DescribeRepositories", "ecr:DescribeImages"]);
    let outputs = found.unwrap().object.outputs;
    assert_eq!(outputs["digest"], digest.as_str());
    let uri = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/web";
    assert_eq!(outputs["repository_uri"], uri);
    let by_digest = world.find(AT, &wanted(&digest)).await.unwrap();
    assert_eq!(by_digest.object.outputs["digest"], digest.as_str());
}

#[tokio::test(start_paused = true)]
async fn missing_empty_and_unknown_are_told_apart() {
    let world = World::new().await;
    assert_eq!(world.find(AT, &wanted("v1")).await, None, "no repository");

    world.create("repository.web", &json!({ "name": "web" })).await.unwrap();
    let outputs = world.find(AT, &wanted("v1")).await.unwrap().object.outputs;
    assert_eq!((outputs.get("digest"), &outputs["empty"]), (None, &json!(true)));

    for tag in ["v1", "v2", "v3", "v4", "v5", "v6"] {
        world.sandbox.push_image("web", tag);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let outputs = world.find(AT, &wanted("nope")).await.unwrap().object.outputs;
    assert_eq!((outputs.get("digest"), &outputs["empty"]), (None, &json!(false)));
    assert_eq!(outputs["newest_tags"], json!(["v6", "v5", "v4", "v3", "v2"]));
}

#[tokio::test(start_paused = true)]
async fn the_planned_digest_must_still_be_there() {
    let world = with_repository().await;
    let digest = world.sandbox.push_image("web", "v1");
    let settled = |digest: &str| {
        json!({
            "source": "x", "repository": "web", "reference": "v1", "digest": digest,
            "uri": format!("registry/web@{digest}"), "fallback_active": false,
        })
    };
    let made = world.create(AT, &settled(&digest)).await.unwrap();
    assert_eq!(made.id, format!("registry/web@{digest}"));
    assert_eq!(made.outputs["digest"], digest.as_str());
    let gone = format!("sha256:{}", "0".repeat(64));
    let refused = world.update(AT, &made, &settled(&gone)).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    assert_eq!(refused.operation, "ecr:DescribeImages");
    assert!(refused.details[0].contains(&gone));
    world.delete(AT, &made).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fallback_and_a_foreign_image_are_taken_as_they_are() {
    let world = with_repository().await;
    for inputs in [
        json!({
            "source": "x", "repository": "web", "reference": "v1", "uri": "nginx:alpine",
            "fallback_active": true,
        }),
        json!({ "source": "nginx:alpine", "uri": "nginx:alpine", "fallback_active": false }),
    ] {
        let (made, operations) = world.counting(world.create(AT, &inputs)).await;
        assert_eq!(operations, Vec::<String>::new());
        let made = made.unwrap();
        assert_eq!(made.outputs["uri"], "nginx:alpine");
        assert_eq!(made.outputs["fallback_active"], inputs["fallback_active"]);
    }
}
