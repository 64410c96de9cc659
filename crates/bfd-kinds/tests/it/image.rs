//! Which image it is, and what stands in for it.

use crate::harness::{Lowered, Sight, World, settle};
use bfd_core::{Expr, Value};
use serde_json::json;

const REGISTRY: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

fn lower(fields: &Value) -> Lowered {
    World::default()
        .with("repository.web", json!({ "name": "bellyfed-dev" }))
        .lower("image.web", fields)
}

fn value(inputs: bfd_core::Inputs) -> Value {
    Expr::Map(inputs).resolve(&|_| None).unwrap()
}

fn with_fallback() -> Lowered {
    lower(&json!({
        "source": "${repository.web}:v1",
        "fallback": { "image": "public.ecr.aws/nginx/nginx:alpine", "port": 80 },
    }))
}

#[test]
fn an_image_of_a_declared_repository_is_looked_up_and_waits_for_nothing_else() {
    for (source, reference) in [
        ("${repository.web.uri}:v1".to_owned(), "v1".to_owned()),
        (format!("${{repository.web}}@{}", digest('a')), digest('a')),
    ] {
        let lowered = lower(&json!({ "source": source }));
        assert_eq!(lowered.depends_on, ["repository.web"]);
        let value = lowered.value();
        assert_eq!(value["repository"], "bellyfed-dev");
        assert_eq!(value["reference"], reference);
        assert!(value["source"].as_str().unwrap().starts_with("${repository.web.uri}"), "{value}");
    }
}

#[test]
fn an_image_of_the_environments_registry_is_looked_up() {
    let lowered = lower(&json!({ "source": format!("{REGISTRY}/team/web:v1") }));
    let value = lowered.value();
    assert_eq!((&value["repository"], &value["reference"]), (&json!("team/web"), &json!("v1")));
    assert_eq!(lowered.depends_on, [""; 0]);
}

#[test]
fn any_other_image_is_used_where_it_is() {
    let foreign = "999999999999.dkr.ecr.ap-southeast-1.amazonaws.com/web:v1";
    for source in [foreign, "typesense/typesense:27.1", "nginx"] {
        let lowered = lower(&json!({ "source": source }));
        let wanted = json!({ "source": source, "uri": source, "fallback_active": false });
        assert_eq!(lowered.value(), wanted);
        let (settled, problems) = settle(&lowered, &Sight::default());
        assert_eq!((value(settled), problems), (wanted, vec![]));
    }
    let pinned = format!("nginx@{}", digest('b'));
    assert_eq!(lower(&json!({ "source": pinned })).value()["digest"], digest('b'));
    let later = lower(&json!({ "source": "${stack.ecr.outputs.Uri}:v1" }));
    assert!(!later.inputs["uri"].is_known());
}

#[test]
fn what_is_no_reference_to_an_image_is_refused() {
    let bad = [
        "${repository.web}".to_owned(),
        "${repository.web}:".to_owned(),
        "${repository.web}:-x".to_owned(),
        "${repository.web}@sha256:12".to_owned(),
        "${repository.web}:${stack.a.outputs.Tag}".to_owned(),
        format!("{REGISTRY}/web"),
        "nginx@sha256:12".to_owned(),
        "two words".to_owned(),
    ];
    for source in bad {
        let lowered = lower(&json!({ "source": source }));
        assert_eq!(lowered.codes(), [("image::invalid_reference", "source")], "{source}");
    }
    let fields = json!({ "source": "nginx", "fallback": { "image": "httpd" } });
    assert_eq!(lower(&fields).codes(), [("image::fallback_of_foreign", "fallback")]);
}

#[test]
fn an_image_that_is_there_is_pinned_by_its_digest() {
    let outputs =
        json!({ "repository_uri": format!("{REGISTRY}/bellyfed-dev"), "digest": digest('c') });
    let sight = Sight { outputs: Some(outputs), ..Sight::default() };
    let (settled, problems) = settle(&with_fallback(), &sight);
    assert_eq!(problems, []);
    let value = value(settled);
    assert_eq!(value["uri"], format!("{REGISTRY}/bellyfed-dev@{}", digest('c')));
    assert_eq!((&value["digest"], &value["fallback_active"]), (&json!(digest('c')), &json!(false)));
}

fn absences() -> [Sight; 2] {
    let empty = json!({ "repository_uri": format!("{REGISTRY}/bellyfed-dev"), "empty": true });
    [Sight::default(), Sight { outputs: Some(empty), ..Sight::default() }]
}

#[test]
fn a_fallback_stands_in_for_an_image_that_was_never_pushed() {
    for sight in absences() {
        let (settled, problems) = settle(&with_fallback(), &sight);
        assert_eq!(problems, []);
        let value = value(settled);
        assert_eq!(value["uri"], "public.ecr.aws/nginx/nginx:alpine");
        assert_eq!((&value["digest"], &value["fallback_active"]), (&Value::Null, &json!(true)));
        // It goes on standing in until there is something else.
        let recorded = Some(json!({ "uri": "x", "fallback_active": true }));
        assert_eq!(settle(&with_fallback(), &Sight { recorded, ..sight }).1, []);
    }
}

#[test]
fn a_fallback_never_replaces_an_image_that_was_deployed() {
    for sight in absences() {
        let recorded = Some(json!({ "uri": "x", "digest": digest('a'), "fallback_active": false }));
        let (settled, problems) = settle(&with_fallback(), &Sight { recorded, ..sight });
        assert_eq!(problems[0].code, "image::not_found");
        assert!(problems[0].label.contains("never replaces"), "{problems:?}");
        assert!(!settled.contains_key("uri"));
    }
}

#[test]
fn the_guard_forbids_fallbacks() {
    for sight in absences() {
        let (settled, problems) =
            settle(&with_fallback(), &Sight { fallbacks_forbidden: true, ..sight });
        assert_eq!(problems[0].code, "image::fallback_forbidden");
        assert!(!settled.contains_key("uri"));
    }
}

#[test]
fn a_missing_tag_is_an_error_even_with_a_fallback() {
    let outputs = json!({
        "repository_uri": format!("{REGISTRY}/bellyfed-dev"), "empty": false, "newest_tags": ["v2", "v0"],
    });
    let sight = Sight { outputs: Some(outputs), ..Sight::default() };
    let (_, problems) = settle(&with_fallback(), &sight);
    assert_eq!(problems[0].code, "image::not_found");
    assert!(problems[0].help.contains("`v2`, `v0`"), "{problems:?}");
}

#[test]
fn a_missing_image_without_a_fallback_says_what_to_do_first() {
    for sight in absences() {
        let (_, problems) = settle(&lower(&json!({ "source": "${repository.web}:v1" })), &sight);
        assert_eq!(problems[0].code, "image::not_found");
        assert!(
            problems[0].help.contains("apply with `--target` and its address, push `v1`"),
            "{problems:?}"
        );
    }
}
