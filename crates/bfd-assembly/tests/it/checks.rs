//! What is found before AWS is asked.

use crate::support::{Memory, assets, stack, with};
use bfd_assembly::{BuildOption, Environment, Problems, Reach};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn deployer() -> Environment {
    Environment::new("123456789012", "eu-west-1")
}

fn check(files: &Memory) -> Result<(), Problems> {
    let assembly = files.open().unwrap();
    let stacks = assembly.select(&["**"], Reach::Alone).unwrap();
    assembly.check(&stacks, &deployer(), &BTreeSet::new(), files)
}

fn problems(files: &Memory) -> String {
    check(files).unwrap_err().to_string()
}

fn with_assets(manifest: Value) -> Memory {
    let manifest = with(manifest, "/version", json!("54.0.0"));
    Memory::default()
        .artifacts(json!({ "A": stack("A", &["A.assets"]), "A.assets": assets("A.assets.json") }))
        .templates(&["A"])
        .with("A.assets.json", manifest)
}

#[test]
fn templates_that_are_not_there() {
    let files = Memory::default()
        .artifacts(json!({ "A": stack("A", &[]), "B": stack("B", &[]), "C": stack("C", &[]) }))
        .templates(&["A"])
        .with("C.template.json/x", "");

    assert_snapshot!(problems(&files));
    let assembly = files.open().unwrap();
    let error = assembly.stacks()[1].template.text(&files).unwrap_err();
    assert_snapshot!(error.to_string());
    let fine = assembly.select(&["A"], Reach::Alone).unwrap();
    assert_eq!(assembly.check(&fine, &deployer(), &BTreeSet::new(), &files), Ok(()));
}

#[test]
fn assets_that_are_not_there() {
    let file = |path: &str, packaging: &str| json!({ "source": { "path": path, "packaging": packaging }, "destinations": {} });
    let image =
        |source: Value| json!({ "displayName": "App/Image", "source": source, "destinations": {} });
    let files = with_assets(json!({
        "files": {
            "1": file("here.bin", "file"), "2": file("here", "zip"),
            "3": file("gone.bin", "file"), "4": file("gone", "zip"),
            "5": file("here", "file"), "6/7": file("here.bin", "zip"),
        },
        "dockerImages": {
            "a": image(json!({ "directory": "here" })),
            "b": image(json!({ "directory": "gone" })),
            "c": image(json!({ "directory": "here.bin" })),
            "d": image(json!({ "directory": "here", "dockerFile": "Dockerfile.arm" })),
        },
    }))
    .with("here.bin", "")
    .with("here/Dockerfile", "FROM scratch");

    assert_snapshot!(problems(&files));
}

#[test]
fn assets_made_by_commands() {
    let executable = json!({ "source": { "executable": ["make", "it"] }, "destinations": {} });
    let files = with_assets(json!({
        "files": { "1": executable }, "dockerImages": { "2": executable },
    }));

    assert_snapshot!(problems(&files));
}

#[test]
fn secrets_from_somewhere() {
    let secrets = json!({ "good": "src=here/key", "bad": "type=vault,id=hunter2" });
    let source = json!({ "directory": "here", "dockerBuildSecrets": secrets });
    let files = with_assets(json!({
        "dockerImages": { "1": { "source": source, "destinations": {} } },
    }))
    .with("here/Dockerfile", "FROM scratch");

    let problems = problems(&files);

    assert_snapshot!(problems);
    assert!(!problems.contains("hunter2"));
}

#[test]
fn stacks_of_one_name() {
    let renamed = |id: &str, environment: &str| {
        let renamed = with(stack(id, &[]), "/properties/stackName", json!("same"));
        with(renamed, "/environment", json!(environment))
    };
    let files = Memory::default().templates(&["A", "B", "C"]);
    let same = files.clone().artifacts(json!({
        "A": renamed("A", "aws://123456789012/eu-west-1"),
        "B": renamed("B", "aws://unknown-account/unknown-region"),
    }));
    assert_snapshot!(problems(&same));

    // In another region it is another stack.
    let other = files.artifacts(json!({
        "A": renamed("A", "aws://123456789012/eu-west-1"),
        "C": renamed("C", "aws://123456789012/eu-west-2"),
    }));
    let problems = problems(&other);
    assert!(!problems.contains("two stacks"), "{problems}");
}

#[test]
fn stacks_of_another_environment() {
    let at = |id: &str, environment: &str| with(stack(id, &[]), "/environment", json!(environment));
    let files = Memory::default()
        .artifacts(json!({
            "Account": at("Account", "aws://210987654321/eu-west-1"),
            "Both": at("Both", "aws://210987654321/us-east-1"),
            "Neither": at("Neither", "aws://unknown-account/eu-west-1"),
            "Region": at("Region", "aws://unknown-account/us-east-1"),
        }))
        .templates(&["Account", "Both", "Neither", "Region"]);

    assert_snapshot!(problems(&files));
}

#[test]
fn versions_of_the_bootstrap_stack() {
    let requiring = |id: &str, version: u64, parameter: Value| {
        let artifact = stack(id, &["Assets"]);
        let artifact = with(artifact, "/properties/requiresBootstrapStackVersion", json!(version));
        with(artifact, "/properties/bootstrapStackVersionSsmParameter", parameter)
    };
    let of_assets = with(assets("a.json"), "/properties/requiresBootstrapStackVersion", json!(9));
    let parameter = "/properties/bootstrapStackVersionSsmParameter";
    let of_assets = with(of_assets, parameter, json!("/${AWS::Region}/version"));
    let files = Memory::default()
        .artifacts(json!({
            "A": requiring("A", 6, json!("/eu-west-1/version")),
            "B": requiring("B", 8, json!("/other/version")),
            "C": requiring("C", 5, Value::Null),
            "D": with(requiring("D", 4, json!("/eu-west-1/version")), "/dependencies", json!([])),
            "Assets": of_assets,
        }))
        .with("a.json", json!({ "version": "54.0.0" }))
        .templates(&["A", "B", "C", "D"]);

    assert_snapshot!(problems(&files));
    let assembly = files.open().unwrap();
    let stacks: Vec<_> = assembly.stacks().iter().collect();
    let required = assembly.bootstrap_requirements(&stacks, &deployer()).into_iter();
    let required = required.map(|((environment, parameter), it)| {
        format!("{environment} {parameter} {} {:?}", it.version, it.stacks)
    });
    assert_eq!(
        required.collect::<Vec<_>>(),
        [
            r#"aws://123456789012/eu-west-1 /eu-west-1/version 9 {"A", "B", "C", "D"}"#,
            r#"aws://123456789012/eu-west-1 /other/version 8 {"B"}"#,
        ]
    );
}

#[test]
fn what_the_application_says_itself() {
    let entry = |kind: &str, data: &str| json!({ "type": kind, "data": data });
    let inline = json!({ "/A/Vpc": [entry("aws:cdk:error", "no subnets"), 7, {}] });
    let outside = json!({ "/A/Bucket": [
        entry("aws:cdk:error", "must be encrypted"),
        entry("aws:cdk:warning", "is not versioned"),
        entry("aws:cdk:asset", ""),
        entry("aws:cdk:logicalId", "Bucket"),
    ] });
    let artifact = with(stack("A", &[]), "/metadata", inline);
    let artifact = with(artifact, "/additionalMetadataFile", json!("A.metadata.json"));
    let files = Memory::default()
        .artifacts(json!({ "A": artifact }))
        .templates(&["A"])
        .with("A.metadata.json", outside);

    assert_snapshot!(problems(&files));
    let assembly = files.open().unwrap();
    let warnings: Vec<_> = assembly.stacks()[0].warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["/A/Bucket: is not versioned"]);
}

#[test]
fn builds_that_need_more_than_the_builder_has() {
    let source = json!({
        "directory": "here", "dockerBuildArgs": { "A": "1" }, "dockerBuildTarget": "last",
        "dockerBuildContexts": { "c": "../c" }, "dockerBuildSsh": "default",
        "networkMode": "host", "dockerOutputs": ["type=docker"], "cacheDisabled": true,
    });
    let files = with_assets(json!({
        "dockerImages": { "1": { "source": source, "destinations": {} } },
    }))
    .with("here/Dockerfile", "FROM scratch");

    assert_snapshot!(problems(&files));
    let assembly = files.open().unwrap();
    let stacks: Vec<_> = assembly.stacks().iter().collect();
    let all = [
        BuildOption::Contexts,
        BuildOption::Ssh,
        BuildOption::NetworkMode,
        BuildOption::Outputs,
        BuildOption::NoCache,
    ];
    assert_eq!(assembly.check(&stacks, &deployer(), &all.into(), &files), Ok(()));
}
