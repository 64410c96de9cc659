use crate::world::{World, address, context, expressions, properties, state};
use bfd_core::{Address, Inputs, Observation, ResourceState};
use bfd_provider::{Provider as _, Wanted};
use serde_json::{Value, json};

/// Bellyfed's size and more: 300 parameters, 20 repositories with an image each.
fn resources() -> Vec<(Address, Value)> {
    let parameters = (0..300).map(|n| {
        let name = format!("/bellyfed/dev/p{n:03}");
        (format!("parameter.p{n}"), json!({ "name": name, "type": "String", "value": "x" }))
    });
    let repositories = (0..20).map(|n| {
        let name = format!("web-{n:02}");
        (format!("repository.r{n}"), json!({ "name": name, "keep_images": 100 }))
    });
    let images = (0..20).map(|n| {
        let name = format!("web-{n:02}");
        let uri = format!("registry/{name}:v1");
        let image = json!({
            "source": uri, "repository": name, "reference": "v1", "uri": uri,
            "fallback_active": false,
        });
        (format!("image.i{n}"), image)
    });
    let others = [
        ("cluster.main".to_owned(), json!({ "name": "main" })),
        (
            "coordinator.main".to_owned(),
            json!({ "parameter_prefix": "/d", "config": { "a": "1" } }),
        ),
    ];
    let all = parameters.chain(repositories).chain(images).chain(others);
    all.map(|(at, inputs)| (address(&at), inputs)).collect()
}

async fn observe(
    world: &World,
    all: &[(Address, Inputs, Option<ResourceState>)],
) -> (Observation, Vec<String>) {
    let wanted: Vec<Wanted<'_>> = all
        .iter()
        .map(|(address, inputs, prior)| Wanted {
            address,
            inputs: Some(inputs),
            prior: prior.as_ref(),
        })
        .collect();
    let before = world.aws.request_count();
    let (seen, operations) = world.counting(world.aws.observe(&wanted)).await;
    assert_eq!(world.aws.request_count() - before, operations.len() as u64);
    (seen.unwrap(), operations)
}

fn reads(operation: &str) -> bool {
    let call = operation.split(':').nth(1).unwrap();
    ["Describe", "Get", "List", "BatchGet"].iter().any(|verb| call.starts_with(verb))
}

#[tokio::test(start_paused = true)]
async fn a_large_environment_is_read_in_few_requests() {
    let world = World::new().await;
    let resources = resources();
    let empty: Vec<_> = resources
        .iter()
        .map(|(at, inputs)| (at.clone(), expressions(&properties(inputs)), None))
        .collect();
    let (seen, operations) = observe(&world, &empty).await;
    assert_eq!(seen.len(), resources.len());
    assert!(seen.values().all(Option::is_none));
    assert!(operations.len() <= 12, "{}: {operations:?}", operations.len());

    let mut recorded = Vec::new();
    for (at, inputs) in &resources {
        let made = world.aws.create(at, &properties(inputs), &context()).await.unwrap();
        let made = state(&at.to_string(), made);
        recorded.push((at.clone(), expressions(&made.inputs), Some(made)));
    }
    for n in 0..20 {
        world.sandbox.push_image(&format!("web-{n:02}"), "v1");
    }
    let (seen, operations) = observe(&world, &recorded).await;
    assert!(seen.values().all(Option::is_some));
    assert!(operations.iter().all(|operation| reads(operation)), "{operations:?}");
    // 6 for parameters, 1 for the coordinator, 1 for the cluster, 1 for all repositories, and
    // one each for the lifecycle policies and the images. Services have room in the 60.
    assert_eq!(operations.len(), 49, "{operations:?}");

    // The order of asking changes neither the requests nor the answer.
    let mut reversed = recorded.clone();
    reversed.reverse();
    let (again, mut others) = observe(&world, &reversed).await;
    let mut operations = operations;
    operations.sort();
    others.sort();
    assert_eq!((seen, operations), (again, others));
}

#[tokio::test(start_paused = true)]
async fn names_beyond_one_request_are_found() {
    let world = World::new().await;
    // Fifty names fit one request.
    let all = resources().into_iter().filter(|(at, _)| at.kind().as_str() == "parameter");
    let mut recorded = Vec::new();
    for (at, inputs) in all.take(60) {
        let made = world.aws.create(&at, &properties(&inputs), &context()).await.unwrap();
        recorded.push((at, expressions(&made.inputs.clone()), None));
    }
    let (seen, _) = observe(&world, &recorded).await;
    assert!(seen.values().all(|seen| seen.as_ref().unwrap().object.inputs["value"] == "x"));
}

#[tokio::test(start_paused = true)]
async fn one_missing_repository_hides_no_other() {
    let world = World::new().await;
    world.create("repository.a", &json!({ "name": "aa" })).await.unwrap();
    world.create("repository.c", &json!({ "name": "cc" })).await.unwrap();
    let names = [("repository.a", "aa"), ("repository.b", "bb")];
    let all: Vec<_> = names
        .iter()
        .map(|(at, name)| (address(at), expressions(&properties(&json!({ "name": name }))), None))
        .collect();
    let (seen, operations) = observe(&world, &all).await;
    let there: Vec<bool> = seen.values().map(Option::is_some).collect();
    assert_eq!(there, [true, false]);
    assert_eq!(operations.iter().filter(|o| *o == "ecr:DescribeRepositories").count(), 2);
}
