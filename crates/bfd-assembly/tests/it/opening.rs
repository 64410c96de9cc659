//! What cannot be opened, and what people are told.

use crate::support::{Memory, ROOT, assets, nested, stack, with};
use bfd_assembly::{Assembly, Environment, ImageSource, Problems, Warning};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

#[test]
fn a_directory_without_a_manifest() {
    assert_snapshot!(Memory::default().problems());
    let nowhere = Assembly::read(Path::new("/nowhere/cdk.out")).unwrap_err();
    assert!(nowhere.to_string().starts_with("not a cloud assembly: manifest.json"));
}

#[test]
fn files_that_are_no_json() {
    let files = Memory::default()
        .artifacts(json!({
            "A": stack("A", &["A.assets"]),
            "A.assets": assets("A.assets.json"),
            "Stage": nested("assembly-Stage", &[]),
        }))
        .with("A.assets.json", "{\"version\": ")
        .with("assembly-Stage/manifest.json", "nothing");

    assert_snapshot!(files.problems());
    assert_snapshot!(Memory::default().with("manifest.json", "").problems());
}

#[test]
fn files_that_are_not_there() {
    let files = Memory::default().artifacts(json!({
        "A.assets": assets("A.assets.json"),
        "Stage": nested("assembly-Stage", &[]),
    }));

    assert_snapshot!(files.problems());
}

/// What constructs report as errors is there and nowhere else.
#[test]
fn metadata_that_cannot_be_read_hides_errors() {
    let artifact = with(stack("A", &[]), "/additionalMetadataFile", json!("A.metadata.json"));
    let files = Memory::default().artifacts(json!({ "A": artifact })).templates(&["A"]);

    let said = files.problems();
    assert!(said.contains("cannot read the metadata `A.metadata.json`"), "{said}");
    let garbled = files.with("A.metadata.json", "{");
    assert!(garbled.problems().contains("cannot read the metadata"), "{}", garbled.problems());
}

#[test]
fn every_value_of_another_shape() {
    let file = json!({ "source": { "path": "a", "packaging": "tar" }, "destinations": {} });
    let files = Memory::default()
        .artifacts(json!({
            "A": {
                "type": "aws:cloudformation:stack",
                "environment": "eu-west-1",
                "displayName": 1,
                "dependencies": ["B", 2],
                "properties": {
                    "templateFile": "",
                    "parameters": { "One/Two": 3 },
                    "tags": [],
                    "terminationProtection": "yes",
                    "requiresBootstrapStackVersion": -1,
                    "lookupRole": "role",
                },
            },
            "B": { "type": "aws:cloudformation:stack", "environment": "aws://1/r" },
            "C": 7,
            "D": { "properties": {} },
            "E": { "type": "cdk:asset-manifest", "properties": {} },
            "F": { "type": "cdk:cloud-assembly", "properties": { "directoryName": null } },
            "G": assets("G.assets.json"),
        }))
        .with(
            "G.assets.json",
            json!({
                "version": "new",
                "files": {
                    "a": file,
                    "b": { "source": {}, "destinations": { "d": { "bucketName": "x" } } },
                    "c": [],
                },
                "dockerImages": {
                    "e": { "source": { "cacheTo": {} }, "destinations": { "d": {} } },
                    "f": {},
                },
            }),
        );

    assert_snapshot!(files.problems());
}

#[test]
fn a_manifest_of_another_shape() {
    let opened = |value: Value| Memory::default().with("manifest.json", value).problems();

    assert_snapshot!(opened(json!([])));
    assert_snapshot!(opened(json!({ "artifacts": [] })));
}

#[test]
fn context_that_is_missing() {
    let missing = json!([{
        "key": "availability-zones:account=123456789012:region=eu-west-1",
        "provider": "availability-zones",
        "props": {},
    }, { "provider": "ami" }, {}]);
    let manifest = json!({ "version": "54.0.0", "artifacts": {}, "missing": missing });

    let files = Memory::default().with("manifest.json", manifest);

    assert_snapshot!(files.problems());
    let none = json!({ "version": "54.0.0", "missing": [] });
    let none = Memory::default().with("manifest.json", none).open().unwrap();
    assert!(none.stacks().is_empty());
}

#[test]
fn a_newer_schema_is_read_with_a_warning() {
    let manifest = json!({ "version": "56.0.0", "artifacts": { "A": stack("A", &[]) } });
    let files = Memory::default().with("manifest.json", manifest);

    let assembly = files.open().unwrap();

    assert_eq!(assembly.stacks().len(), 1);
    let warnings: Vec<_> = assembly.warnings().iter().map(ToString::to_string).collect();
    let expected =
        "manifest.json: the schema has version 56; this version of bfd knows those up to 55";
    assert_eq!(warnings, [expected]);
    assert!(matches!(assembly.warnings().first(), Some(Warning::NewerSchema { .. })));
}

#[test]
fn types_that_nobody_knows() {
    let unknown = json!({ "type": "cdk:hologram" });
    let ignored = json!({ "A": stack("A", &[]), "Hologram": unknown, "Tree": { "type": "none" } });
    let ignored = Memory::default().artifacts(ignored);
    assert_eq!(ignored.open().unwrap().stacks().len(), 1);

    let needed = json!({ "A": stack("A", &["Hologram", "Tree"]), "Hologram": unknown,
        "Tree": { "type": "cdk:tree", "properties": { "file": "tree.json" } } });

    assert_snapshot!(Memory::default().artifacts(needed).problems());
}

#[test]
fn dependencies_on_nothing() {
    let files = Memory::default()
        .artifacts(json!({ "Network": stack("Network", &[]), "App": stack("App", &["Netwrok"]) }));

    assert_snapshot!(files.problems());
}

#[test]
fn dependencies_in_a_circle() {
    let circle = |artifacts| Memory::default().artifacts(artifacts).problems();

    assert_snapshot!(circle(json!({
        "A": stack("A", &["B"]), "B": stack("B", &["C"]), "C": stack("C", &["A"]),
        "D": stack("D", &["A"]),
    })));
    let assets = with(assets("A.assets.json"), "/dependencies", json!(["A"]));
    let files = Memory::default()
        .artifacts(json!({ "A": stack("A", &["A.assets"]), "A.assets": assets }))
        .with("A.assets.json", json!({ "version": "54.0.0" }));
    assert_snapshot!(files.problems());
}

#[test]
fn assemblies_that_hold_themselves() {
    let inner = json!({ "version": "54.0.0", "artifacts": { "Up": nested("..", &[]) } });
    let files = Memory::default()
        .artifacts(json!({ "Self": nested(".", &[]), "Stage": nested("stage", &[]) }))
        .with("stage/manifest.json", inner);

    assert_snapshot!(files.problems());
}

#[test]
fn links_in_a_circle_come_to_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = json!({ "version": "54.0.0",
        "artifacts": { "a": nested("a", &[]), "b": nested("b", &[]) } });
    std::fs::write(directory.path().join("manifest.json"), manifest.to_string()).unwrap();
    std::os::unix::fs::symlink(".", directory.path().join("a")).unwrap();
    std::os::unix::fs::symlink(".", directory.path().join("b")).unwrap();

    let problems = Assembly::read(directory.path()).unwrap_err().to_string();

    assert!(problems.contains("there are more than 1000 assemblies in each other"), "{problems}");
}

#[test]
fn stages_and_stacks_wait_for_each_other() {
    let manifest = |artifacts| json!({ "version": "54.0.0", "artifacts": artifacts });
    let files = Memory::default()
        .artifacts(json!({
            "Network": stack("Network", &[]),
            "Common": with(assets("Common.assets.json"), "/dependencies", json!(["Network"])),
            "Stage": nested("stage", &["Common"]),
            "After": stack("After", &["Stage"]),
        }))
        .with("Common.assets.json", json!({ "version": "54.0.0" }))
        .with(
            "stage/manifest.json",
            manifest(json!({ "Inner": nested("inner", &[]), "One": stack("One", &["After2"]),
                "After2": stack("After2", &[]) })),
        )
        .with("stage/inner/manifest.json", manifest(json!({ "Two": stack("Two", &["Network"]) })));

    let assembly = files.open().unwrap();

    let stacks = assembly.stacks().iter().map(|stack| {
        let on: Vec<_> = stack.dependencies.iter().map(ToString::to_string).collect();
        let assets = stack.asset_manifests.iter().map(|it| it.path.display().to_string());
        format!("{} after {on:?}, publishing {:?}", stack.id, assets.collect::<Vec<_>>())
    });
    assert_snapshot!(stacks.collect::<Vec<_>>().join("\n"));
}

#[test]
fn assets_may_be_above_and_elsewhere() {
    let manifest = json!({ "version": "54.0.0", "artifacts": { "A": stack("A", &["a"]), "a": assets("a.json") } });
    let image =
        |directory: &str| json!({ "source": { "directory": directory }, "destinations": {} });
    let files = Memory::default()
        .artifacts(json!({ "Stage": nested("stage", &[]) }))
        .with("stage/manifest.json", manifest)
        .with(
            "stage/a.json",
            json!({ "version": "54.0.0",
                "dockerImages": { "1": image("../asset.1"), "2": image("/src/app") } }),
        );

    let assembly = files.open().unwrap();

    let images = assembly.stacks()[0].asset_manifests[0].images.values();
    let directories = images.map(|image| match &image.source {
        ImageSource::Build(build) => build.directory.clone(),
        ImageSource::Executable(_) => panic!("{image:?}"),
    });
    assert_eq!(
        directories.collect::<Vec<_>>(),
        [Path::new("asset.1").to_owned(), Path::new("/src/app").to_owned()]
    );
}

#[test]
fn old_manifests_have_tags_in_their_metadata() {
    let metadata = json!({ "/A": [{ "type": "aws:cdk:stack-tags",
        "data": [{ "Key": "a", "Value": "1" }, { "key": "b", "value": "2" }] }] });
    let artifact = with(stack("A", &[]), "/metadata", metadata);
    let opened = Memory::default().artifacts(json!({ "A": artifact.clone() })).open().unwrap();
    let tags: Vec<_> = opened.stacks()[0].tags.iter().collect();
    assert_eq!(format!("{tags:?}"), r#"[("a", "1"), ("b", "2")]"#);

    let newer = with(artifact, "/properties/tags", json!({}));
    let opened = Memory::default().artifacts(json!({ "A": newer })).open().unwrap();
    assert!(opened.stacks()[0].tags.is_empty());
}

#[test]
fn every_property_of_a_stack_is_read_and_resolved() {
    let all = "${AWS::Partition} ${AWS::AccountId} ${AWS::Region}";
    let artifact = json!({
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {
            "templateFile": "A.template.json",
            "stackName": format!("name {all}"),
            "parameters": { "P": all },
            "tags": { "T": all },
            "notificationArns": [all],
            "terminationProtection": true,
            "assumeRoleArn": all,
            "assumeRoleExternalId": format!("id {all}"),
            "assumeRoleAdditionalOptions": { "Tags": [{ "Key": "k", "Value": all }] },
            "cloudFormationExecutionRoleArn": all,
            "lookupRole": { "arn": all, "assumeRoleExternalId": "x" },
            "stackTemplateAssetObjectUrl": format!("s3://{all}"),
            "requiresBootstrapStackVersion": 6,
            "bootstrapStackVersionSsmParameter": format!("/{all}"),
            "fieldOfTheFuture": {},
        },
    });
    let assembly = Memory::default().artifacts(json!({ "A": artifact })).open().unwrap();

    let resolved = assembly.stacks()[0].resolved(&Environment::new("1", "us-gov-west-1"));

    insta::assert_debug_snapshot!(resolved);
}

#[test]
fn every_field_of_an_asset_is_read() {
    let destination = json!({ "repositoryName": "r${AWS::Region}",
        "imageTag": "t${AWS::AccountId}", "region": "${AWS::Region}",
        "assumeRoleArn": "arn:${AWS::Partition}", "assumeRoleExternalId": "id",
        "assumeRoleAdditionalOptions": { "TransitiveTagKeys": ["k"] } });
    let image = json!({
        "displayName": "Image",
        "source": {
            "directory": "context", "dockerFile": "a/Dockerfile.arm", "dockerBuildTarget": "last",
            "dockerBuildArgs": { "A": "1" }, "dockerBuildContexts": { "c": "../c" },
            "dockerBuildSecrets": { "token": "env=TOKEN", "key": "src=key.pem" },
            "dockerBuildSsh": "default", "platform": "linux/arm64", "networkMode": "host",
            "dockerOutputs": ["type=local,dest=out"],
            "cacheFrom": [{ "type": "registry", "params": { "ref": "x" } }],
            "cacheTo": { "type": "inline" }, "cacheDisabled": true,
        },
        "destinations": { "d": destination },
    });
    let manifest = json!({ "type": "cdk:asset-manifest", "properties": { "file": "a.json",
        "requiresBootstrapStackVersion": 6,
        "bootstrapStackVersionSsmParameter": "/${AWS::Region}/version" } });
    let file = json!({
        "displayName": "File",
        "source": { "path": "a.bin" },
        "destinations": { "d": { "bucketName": "b${AWS::Region}", "objectKey": "k${AWS::AccountId}",
            "assumeRoleArn": "arn:${AWS::Partition}" } },
    });
    let files =
        Memory::default().artifacts(json!({ "A": stack("A", &["a"]), "a": manifest })).with(
            "a.json",
            json!({ "version": "54.0.0", "files": { "f": file }, "dockerImages": { "i": image } }),
        );
    let assembly = files.open().unwrap();

    let stack = &assembly.stacks()[0];
    insta::assert_debug_snapshot!(stack.asset_manifests);
    let resolved = stack.resolved(&Environment::new("123456789012", "us-east-1"));
    let resolved = format!("{:?}", resolved.asset_manifests);
    assert!(!resolved.contains("${"), "{resolved}");
    // The region of the stack, for a destination that has none and for one that says so.
    assert_eq!(resolved.matches("region: Some(\"eu-west-1\")").count(), 2);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "version",
        "artifacts",
        "type",
        "properties",
        "dependencies",
        "environment",
        "missing",
        "aws:cloudformation:stack",
        "cdk:asset-manifest",
        "cdk:cloud-assembly",
        "none",
        "file",
        "directoryName",
        "templateFile",
        "a.json",
        "A",
        "B",
        ".",
        "..",
        "54.0.0",
        "files",
        "dockerImages",
        "source",
        "destinations",
        "path",
        "executable",
        "metadata",
        "lookupRole",
        "aws://1/r",
        "",
        "stackName",
        "directory",
        "cacheFrom",
        "dockerBuildSecrets",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.clone().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let fields = prop::collection::vec((words.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| {
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

/// An artifact of a known type, with anything in its properties.
fn any_artifact() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        "aws:cloudformation:stack",
        "cdk:asset-manifest",
        "cdk:cloud-assembly",
        "none",
        "new",
    ]);
    let property =
        prop_oneof![Just(json!("a.json")), Just(json!("a")), Just(json!("..")), any_json()];
    let names = prop::sample::select(vec!["A", "B", "C", "D"]);
    let dependencies = prop::collection::vec(names, 0..3);
    (kinds, property, dependencies, any_json()).prop_map(|(kind, property, dependencies, other)| {
        json!({ "type": kind, "environment": "aws://1/r", "dependencies": dependencies,
            "metadata": other,
            "properties": { "file": property, "templateFile": property,
                "directoryName": property, "tags": other } })
    })
}

/// Opens it and does everything with it that can be done.
fn use_it(files: &Memory) -> Result<(), Problems> {
    let assembly = Assembly::open(Path::new(ROOT), files)?;
    let deployer = Environment::new("1", "r");
    let stacks: Vec<_> = assembly.stacks().iter().collect();
    let ids: BTreeSet<_> = stacks.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), stacks.len());
    for (index, stack) in stacks.iter().enumerate() {
        let before: Vec<_> = stacks[..index].iter().map(|it| &it.id).collect();
        assert!(stack.dependencies.iter().all(|id| before.contains(&id)));
        let _ = stack.resolved(&deployer);
    }
    assembly.bootstrap_requirements(&stacks, &deployer);
    assembly.content_hash(files).unwrap();
    assembly.check(&stacks, &deployer, &BTreeSet::new(), files)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_is_too_much(manifest in any_json(), assets in any_json()) {
        let files = Memory::default().with("manifest.json", manifest).with("a.json", assets);
        if let Err(Problems(problems)) = use_it(&files) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn no_artifacts_are_too_much(
        artifacts in prop::collection::vec(any_artifact(), 4),
        inner in prop::collection::vec(any_artifact(), 4),
        assets in any_json(),
    ) {
        let manifest = |artifacts: Vec<Value>| {
            let named = ["A", "B", "C", "D"].into_iter().zip(artifacts);
            let named: Value = named.map(|(name, it)| (name.to_owned(), it)).collect();
            json!({ "version": "54.0.0", "artifacts": named })
        };
        let files = Memory::default()
            .with("manifest.json", manifest(artifacts))
            .with("a/manifest.json", manifest(inner))
            .with("a.json", &assets)
            .with("a/a.json", assets);
        if let Err(Problems(problems)) = use_it(&files) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut files = Memory::default();
        files.0.insert(Path::new(ROOT).join("manifest.json"), bytes);
        let _ = use_it(&files);
    }
}

#[test]
fn a_slash_in_an_id_is_no_directory() {
    let inner = json!({ "version": "54.0.0", "artifacts": { "B": stack("B", &[]) } });
    let files = Memory::default()
        .artifacts(
            json!({ "s": nested("s", &[]), "s/B": stack("s/B", &["B~"]), "B~": stack("B~", &[]) }),
        )
        .with("s/manifest.json", inner);

    let assembly = files.open().unwrap();

    let ids: Vec<_> = assembly.stacks().iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["s/B", "B~0", "s~1B"]);
}
