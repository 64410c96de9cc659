//! Whether another synthesis is noticed.

use crate::{
    fixture::directory,
    support::{Memory, ROOT, assets, nested, stack, with},
};
use bfd_assembly::{Assembly, Disk, Files};
use serde_json::{Value, json};
use std::path::Path;

fn hash(files: &Memory) -> String {
    files.open().unwrap().content_hash(files).unwrap().to_string()
}

fn application(artifact: Value) -> Memory {
    let template = json!({ "source": { "path": "In.nested.template.json" }, "destinations": {} });
    let inner = json!({ "version": "54.0.0", "artifacts": { "B": stack("B", &[]) } });
    Memory::default()
        .artifacts(json!({
            "A": artifact,
            "A.assets": assets("A.assets.json"),
            "Stage": nested("stage", &[]),
            "Tree": { "type": "cdk:tree", "properties": { "file": "tree.json" } },
        }))
        .with("A.assets.json", json!({ "version": "54.0.0", "files": { "1": template } }))
        .templates(&["A", "In.nested", "stage/B"])
        .with("stage/manifest.json", inner)
}

fn artifact() -> Value {
    stack("A", &["A.assets"])
}

#[test]
fn what_a_plan_rests_on_changes_it() {
    let before = application(artifact());
    let tagged = with(
        artifact(),
        "/metadata",
        json!({ "/A": [{ "type": "aws:cdk:stack-tags",
        "data": [{ "key": "a", "value": "b" }] }] }),
    );
    let gone = {
        let mut files = before.clone();
        files.0.remove(&Path::new(ROOT).join("A.template.json"));
        files
    };
    let stage = json!({ "version": "54.0.0", "artifacts": { "C": stack("B", &[]) } });
    let file = json!({ "source": { "path": "b" }, "destinations": {} });
    let changed = [
        ("property", application(with(artifact(), "/properties/parameters", json!({ "a": "b" })))),
        ("environment", application(with(artifact(), "/environment", json!("aws://1/r")))),
        ("tags", application(tagged)),
        ("template", before.clone().with("A.template.json", "{ }")),
        ("no template", gone),
        ("nested template", before.clone().with("In.nested.template.json", "[]")),
        ("template of a stage", before.clone().with("stage/B.template.json", "[]")),
        ("stage", before.clone().with("stage/manifest.json", stage)),
        (
            "assets",
            before
                .clone()
                .with("A.assets.json", json!({ "version": "54.0.0", "files": { "2": file } })),
        ),
    ];

    for (what, after) in changed {
        assert_ne!(hash(&before), hash(&after), "{what}");
    }
}

#[test]
fn nothing_else_does() {
    let before = application(artifact());
    let manifest: Value =
        serde_json::from_slice(&before.read(&Path::new(ROOT).join("manifest.json")).unwrap())
            .unwrap();
    let noted = with(
        artifact(),
        "/metadata",
        json!({ "/A": [{ "type": "aws:cdk:logicalId",
        "data": "A", "trace": ["at /home/somebody/app.ts"] }] }),
    );
    let other_tree = with(manifest.clone(), "/artifacts/Tree", json!({ "type": "none" }));
    let other_version = with(manifest.clone(), "/minimumCliVersion", json!("2.0.0"));
    let unchanged = [
        ("metadata", application(noted)),
        ("layout", before.clone().with("manifest.json", format!("{manifest:#}\n"))),
        ("tree", before.clone().with("manifest.json", other_tree)),
        ("version of the CLI", before.clone().with("manifest.json", other_version)),
        ("other files", before.clone().with("tree.json", "{}").with(".cache/1.zip", "")),
    ];

    for (what, after) in unchanged {
        assert_eq!(hash(&before), hash(&after), "{what}");
    }
}

#[test]
fn it_is_the_same_wherever_the_assembly_is() {
    let files = application(artifact());
    let elsewhere = Memory(
        files
            .0
            .iter()
            .map(|(path, bytes)| {
                (Path::new("other").join(path.strip_prefix(ROOT).unwrap()), bytes.clone())
            })
            .collect(),
    );

    let moved = Assembly::open(Path::new("other"), &elsewhere).unwrap();

    assert_eq!(moved.content_hash(&elsewhere).unwrap().as_str(), hash(&files));
}

#[test]
fn the_files_are_named() {
    let files = application(artifact()).open().unwrap().plan_files().into_iter();

    let files: Vec<_> = files.map(|path| path.display().to_string()).collect();

    assert_eq!(
        files,
        [
            "A.assets.json",
            "A.template.json",
            "In.nested.template.json",
            "manifest.json",
            "stage/B.template.json",
            "stage/manifest.json",
        ]
    );
}

#[test]
fn releases_of_the_fixture_differ() {
    let hash = |name: &str| {
        Assembly::read(&directory(name)).unwrap().content_hash(&Disk).unwrap().to_string()
    };

    let first = hash("cdk.out");

    assert_eq!(first.len(), 64);
    assert_eq!(first, hash("cdk.out"));
    assert_ne!(first, hash("cdk.out.changed"));
}
