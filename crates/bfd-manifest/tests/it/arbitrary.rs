//! Whatever is in a manifest, it is answered.

use crate::{render, world::World};
use proptest::prelude::*;

const VALID: &str = r#"extends = "base.toml"
[environment]
name = "dev"
account = "123456789012"
region = "ap-southeast-1"
tags = { Application = "Bellyfed" }
[provider]
kind = "sandbox"
[rollback]
deadline = "5m"
[vars]
sha = { env = "GIT_SHA", default = "dev" }
list = ["a", 'b${environment.name}']
[coordinator]
parameter_prefix = "/bellyfed/${environment.name}/deployment"
config = { ready = true }
[repository.web]
name = "bellyfed-${environment.name}"
[image.web]
source = "${repository.web.uri}:${var.sha}"
fallback = { image = "nginx", port = 80 }
[parameter.api-url]
name  = "/bellyfed/api/url"
value = """
https://api-${environment.name}\u00e9.bellyfed.com ${cluster.main.arn} $${x}"""
[cluster.main]
name = "main"
[service.web]
name = "bellyfed"
cluster = "main"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/execution"
network = { subnets = "${var.list}", security_groups = [] }
[service.web.container.web]
image = "${image.web}"
port = 3000
environment = { ENVIRONMENT = "${environment.name}" }
health_check = { command = "true", interval = "30s", retries = 3 }
[[service.web.load_balancer]]
target_group = "arn"
"#;

/// Loads it and shows what is said, which checks that every span is in its file.
fn answer(text: &str) {
    let world = World::bare(text).file("environments/base.toml", "[guard]\ndeletes = \"allow\"\n");
    match world.load() {
        Ok(manifest) => {
            render::problems(&manifest.warnings, &manifest.sources);
            for span in manifest.resources.iter().flat_map(|r| r.spans.values()) {
                let source = manifest.sources.get(span.source).expect("spans have sources");
                assert!(source.text.get(span.start..span.end).is_some());
            }
        }
        Err(failed) => {
            assert!(!failed.problems.is_empty());
            render::failed(&failed);
        }
    }
}

#[test]
fn the_manifest_that_is_mutated_is_valid() {
    World::bare(VALID).file("environments/base.toml", "").good();
}

/// Pieces that mean something somewhere in a manifest.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\\[\\]{}=\"'.,#$\n]",
        "\\PC",
        Just("${".to_owned()),
        Just("}".to_owned()),
        Just("${var.list}".to_owned()),
        Just("${service.web.arn}".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("\\".to_owned()),
        Just("\r\n".to_owned()),
        Just(" = 5\n".to_owned()),
        Just("[service.web.container]\n".to_owned()),
        Just("depends_on = [\"service.web\"]\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        answer(&text);
    }

    #[test]
    fn any_change_of_a_manifest_is_answered(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..30usize, piece()), 1..4)
    ) {
        let mut text: Vec<char> = VALID.chars().collect();
        for (at, removed, piece) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars());
        }
        answer(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_lines_of_a_manifest_are_answered(
        keep in proptest::collection::vec(any::<bool>(), VALID.lines().count())
    ) {
        let lines = VALID.lines().zip(keep).filter(|(_, keep)| *keep).map(|(line, _)| line);
        answer(&lines.collect::<Vec<_>>().join("\n"));
    }
}
