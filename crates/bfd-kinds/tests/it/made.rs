//! Images that bfd makes and pushes: what is written, and what is decided once the registry
//! was looked at.

use crate::harness::{Lowered, Made, World, settle_made as settle};
use bfd_core::{Expr, Inputs, Value};
use serde_json::{Value as Json, json};

const URI: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/bellyfed-dev";

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

fn lower(fields: &Json) -> Lowered {
    World::default()
        .with("repository.web", json!({ "name": "bellyfed-dev" }))
        .lower("image.web", fields)
}

fn value(inputs: &Inputs) -> Value {
    Expr::Map(inputs.clone()).resolve(&|_| None).unwrap()
}

/// What was lowered, with what the loader found out of its content.
fn with_content(fields: &Json, content: &str) -> Lowered {
    let mut lowered = lower(fields);
    assert_eq!(lowered.problems, []);
    lowered.inputs.insert("content".to_owned(), content.into());
    lowered
}

fn context() -> Json {
    json!({ "repository": "web", "context": "../web", "tag": "v1" })
}

/// A recorded image of this content and digest.
fn recorded(fields: &Json, content: &str, digest: &str) -> Made {
    let mut inputs = value(&with_content(fields, content).inputs);
    inputs["tag"] = json!("v1");
    let outputs = json!({
        "uri": format!("{URI}@{digest}"), "digest": digest, "tag": "v1", "fallback_active": false,
    });
    Made { recorded: Some((inputs, outputs)), ..Made::default() }
}

#[test]
fn what_is_made_says_from_what_and_where_to() {
    let lowered = lower(&json!({
        "repository": "web", "context": "../web", "dockerfile": "docker/Dockerfile",
        "args": { "VERSION": "1" }, "secrets": { "npm": { "$secret_env": "NPM" } },
        "platform": ["linux/amd64", "linux/arm64"], "tag": "v1",
    }));
    let value = lowered.value();
    assert_eq!(value["origin"], "context");
    assert_eq!((&value["repository"], &value["tag"]), (&json!("bellyfed-dev"), &json!("v1")));
    assert_eq!(value["platforms"], json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(value["make"]["context"], "../web");
    assert_eq!(value["make"]["args"], json!({ "VERSION": "1" }));
    assert_eq!(value["fallback_active"], false);
    assert_eq!(value.get("uri"), None, "known once it is made");

    let elsewhere = lower(&json!({ "repository_uri": "ghcr.io/b/web", "archive": "web.tar" }));
    assert_eq!(elsewhere.value()["repository_uri"], "ghcr.io/b/web");
    assert_eq!(elsewhere.value().get("platforms"), None, "an archive is what it is");
}

#[test]
fn a_copy_keeps_the_digest_that_is_written() {
    let of_registry = lower(&json!({ "repository": "web", "source": "ghcr.io/b/web:v1" })).value();
    assert_eq!((&of_registry["origin"], of_registry.get("content")), (&json!("copy"), None));
    let pinned = format!("ghcr.io/b/web@{}", digest('a'));
    let pinned = lower(&json!({ "repository": "web", "source": pinned })).value();
    assert_eq!(pinned["content"], digest('a'));
    let own = format!("{}/other:v1", URI.rsplit_once('/').unwrap().0);
    let own = lower(&json!({ "repository": "web", "source": own })).value();
    assert_eq!(own["from"], "other:v1");
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let both = json!({ "repository": "web", "context": "a", "archive": "b" });
    assert_eq!(lower(&both).codes(), [("image::two_origins", "archive")]);
    assert_eq!(lower(&json!({ "repository": "web" })).codes(), [("image::no_origin", "")]);
    assert_eq!(lower(&json!({ "context": "a" })).codes(), [("image::no_repository", "context")]);
    let fields =
        json!({ "repository": "web", "archive": "a", "target": "x", "platform": "linux/amd64" });
    let pointless = "image::pointless_field";
    assert_eq!(lower(&fields).codes(), [(pointless, "target"), (pointless, "platform")]);
    let fields = json!({ "repository": "web", "repository_uri": "ghcr.io/a/b", "archive": "a" });
    assert_eq!(lower(&fields).codes(), [("image::two_repositories", "repository_uri")]);
    let fields = json!({
        "repository": "web", "files": { "app": "x", "/a/../b": "y" }, "base": "alpine:3",
    });
    let path = "image::invalid_path";
    let expected = [("image::unpinned_base", "base"), (path, "files./a/../b"), (path, "files.app")];
    assert_eq!(lower(&fields).codes(), expected);
    let fields = json!({
        "repository": "web", "context": "a", "first_deploy": "scale_to_zero",
        "fallback": { "image": "nginx" },
    });
    assert_eq!(lower(&fields).codes(), [("image::two_first_deployments", "first_deploy")]);
}

#[test]
fn the_same_content_is_not_made_again() {
    let before = recorded(&context(), &digest('c'), &digest('d'));
    let mut fields = context();
    fields["tag"] = json!("v2");
    let there = Made { outputs: Some(json!({ "present": digest('d') })), ..before.clone() };
    let settled = settle(&with_content(&fields, &digest('c')), &there);
    assert_eq!((settled.problems, settled.gone), (vec![], false));
    assert_eq!(value(&settled.inputs), there.recorded.as_ref().unwrap().0, "nothing differs");
    // Offline there is nobody to say otherwise.
    let offline = Made { outputs: None, offline: true, ..before };
    let settled = settle(&with_content(&fields, &digest('c')), &offline);
    assert_eq!(value(&settled.inputs), offline.recorded.as_ref().unwrap().0);
}

#[test]
fn other_content_is_made_and_its_digest_known_only_then() {
    let before = recorded(&context(), &digest('c'), &digest('d'));
    let mut fields = context();
    fields["tag"] = json!("v2");
    let there = Made { outputs: Some(json!({ "present": digest('d') })), ..before };
    let settled = settle(&with_content(&fields, &digest('e')), &there);
    assert_eq!((settled.problems, settled.gone), (vec![], false));
    let value = value(&settled.inputs);
    assert_eq!((&value["content"], &value["tag"]), (&json!(digest('e')), &json!("v2")));
    assert_eq!((value.get("uri"), value.get("digest")), (None, None));
}

#[test]
fn the_digest_of_an_archive_is_known_before_it_is_pushed() {
    let fields = json!({ "repository": "web", "archive": "web.tar" });
    let empty = Made { outputs: Some(json!({ "repository_uri": URI })), ..Made::default() };
    let settled = settle(&with_content(&fields, &digest('e')), &empty);
    let value = value(&settled.inputs);
    assert_eq!(value["uri"], format!("{URI}@{}", digest('e')));
    assert_eq!(value["tag"], "bfd-eeeeeeeeeeee", "named after its content");
}

#[test]
fn an_image_that_is_gone_is_made_again() {
    let before = recorded(&context(), &digest('c'), &digest('d'));
    let there = Made { outputs: Some(json!({})), ..before };
    let settled = settle(&with_content(&context(), &digest('c')), &there);
    assert_eq!((settled.problems, settled.gone), (vec![], true));
}

#[test]
fn a_tag_that_cannot_be_moved_is_refused_before_anything_is_built() {
    let taken = json!({ "present": digest('d'), "tag_digest": digest('d'), "immutable": true });
    let before = recorded(&context(), &digest('c'), &digest('d'));
    let there = Made { outputs: Some(taken.clone()), ..before };
    let refused = settle(&with_content(&context(), &digest('e')), &there);
    assert_eq!(refused.problems[0].code, "image::tag_taken");
    // An archive's digest says for certain.
    let fields = json!({ "repository": "web", "archive": "web.tar", "tag": "v1" });
    let new = Made { outputs: Some(taken), ..Made::default() };
    assert_eq!(settle(&with_content(&fields, &digest('d')), &new).problems, []);
    let refused = settle(&with_content(&fields, &digest('e')), &new);
    assert_eq!(refused.problems[0].code, "image::tag_taken");
}

#[test]
fn without_a_builder_only_a_first_deployment_may_fall_back() {
    let fields = json!({
        "repository": "web", "context": "../web", "fallback": { "image": "nginx", "port": 80 },
    });
    let unbuildable = |content: &str| {
        let mut lowered = with_content(&fields, content);
        lowered.inputs.insert("unbuildable".to_owned(), "there is none".into());
        lowered
    };
    let first = settle(&unbuildable(&digest('e')), &Made::default());
    assert_eq!(first.problems, []);
    let value = value(&first.inputs);
    assert_eq!((&value["uri"], &value["fallback_active"]), (&json!("nginx"), &json!(true)));
    assert_eq!(value.get("content"), None, "what comes later is another");

    let forbidden = Made { fallbacks_forbidden: true, ..Made::default() };
    let refused = settle(&unbuildable(&digest('e')), &forbidden);
    assert_eq!(refused.problems[0].code, "image::fallback_forbidden");

    let before = recorded(&fields, &digest('c'), &digest('d'));
    let there = Made { outputs: Some(json!({ "present": digest('d') })), ..before };
    let refused = settle(&unbuildable(&digest('e')), &there);
    assert!(refused.problems[0].label.contains("never replaces"), "{:?}", refused.problems);
    let same = settle(&unbuildable(&digest('c')), &there);
    assert_eq!(same.problems, [], "nothing needs to be built");
}

#[test]
fn services_can_wait_for_the_image_without_tasks() {
    let fields = json!({
        "source": format!("{URI}:v1"), "first_deploy": "scale_to_zero",
    });
    let lowered = lower(&fields);
    let missing = settle(&lowered, &Made { fallbacks_forbidden: true, ..Made::default() });
    assert_eq!(missing.problems, [], "no other image runs, so the guard has nothing to forbid");
    let value = value(&missing.inputs);
    assert_eq!(value["uri"], format!("{URI}:v1"));
    assert_eq!((&value["fallback_active"], value.get("awaited")), (&json!(true), None));
}

#[test]
fn a_copy_takes_the_digest_that_its_source_has_now() {
    let fields = json!({ "repository": "web", "source": "ghcr.io/b/web:v1" });
    let outputs = json!({ "repository_uri": URI, "source_digest": digest('b') });
    let there = Made { outputs: Some(outputs), ..Made::default() };
    let settled = settle(&lower(&fields), &there);
    assert_eq!(value(&settled.inputs)["uri"], format!("{URI}@{}", digest('b')));
    let missing = Made { outputs: Some(json!({ "repository_uri": URI })), ..Made::default() };
    let refused = settle(&lower(&fields), &missing);
    assert_eq!(refused.problems[0].code, "image::not_found");
    assert!(refused.problems[0].label.contains("ghcr.io/b/web:v1"));
}
