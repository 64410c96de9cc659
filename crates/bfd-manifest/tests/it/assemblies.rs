//! CDK applications as parts of a manifest.

use crate::world::{World, input, resource};
use bfd_core::{Address, Expr, Reference};
use bfd_manifest::Manifest;
use serde_json::json;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/cdk/cdk.out");

fn application(more: &str) -> World {
    World::with(&format!("[assembly.app]\npath = \"{FIXTURE}\"\n{more}"))
}

fn addresses(manifest: &Manifest) -> Vec<String> {
    manifest.resources.iter().map(|resource| resource.address.to_string()).collect()
}

fn waits(manifest: &Manifest, address: &str) -> Vec<String> {
    let waits = &resource(manifest, address).depends_on;
    waits.iter().map(ToString::to_string).collect()
}

fn words(expr: &Expr) -> Vec<&str> {
    expr.as_list().into_iter().flatten().filter_map(Expr::as_str).collect()
}

#[test]
fn every_stack_and_image_of_an_application_is_a_resource() {
    let manifest = application("").good();
    let addresses = addresses(&manifest);
    assert_eq!(addresses.len(), 16, "{addresses:?}");
    assert!(addresses.contains(&"stack.app/Preview-Notes".to_owned()), "{addresses:?}");
    assert_eq!(
        waits(&manifest, "stack.app/bellyfed-cdk-worker"),
        [
            "image.app/771156780c3f",
            "stack.app/bellyfed-cdk-cluster",
            "stack.app/bellyfed-cdk-roles"
        ]
    );
    let network = |path: &str| input(&manifest, "stack.app/bellyfed-cdk-network", path).clone();
    assert_eq!(network("name"), "bellyfed-cdk-network".into());
    assert_eq!(
        words(&network("capabilities")),
        ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
    );
    assert!(network("template").as_str().unwrap().contains("AWS::EC2::VPC"));
    let role =
        "arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role-123456789012-ap-southeast-1";
    assert_eq!(network("deploy_role.arn"), role.into());
    let data = input(&manifest, "stack.app/bellyfed-cdk-data", "termination_protection");
    assert_eq!(data.as_bool(), Some(true));
}

#[test]
fn placeholders_are_those_of_the_environment() {
    let manifest = application("").good();
    let role = input(&manifest, "stack.app/bellyfed-cdk-portable", "role_arn").clone();
    let says = role.as_str().unwrap();
    assert!(says.ends_with("cfn-exec-role-123456789012-ap-southeast-1"), "{says}");
}

#[test]
fn what_is_published_is_what_the_template_refers_to() {
    let manifest = application("").good();
    let assets = |stack: &str| {
        let resource = resource(&manifest, stack);
        resource.inputs.get("assets").and_then(Expr::as_map).cloned().unwrap_or_default()
    };
    let functions = assets("stack.app/bellyfed-cdk-functions");
    let [code] = functions.values().collect::<Vec<_>>()[..] else { panic!("{functions:?}") };
    let code = code.as_map().unwrap();
    assert_eq!(code["packaging"], "zip".into());
    let key = code["key"].as_str().unwrap();
    assert_eq!(key.rsplit_once('.').unwrap().1, "zip");
    assert!(code["role"].as_map().unwrap()["arn"].as_str().unwrap().contains("file-publishing"));
    // The template itself is sent, and not published.
    assert!(assets("stack.app/bellyfed-cdk-network").is_empty());
    // That of a nested stack is, and is read with it.
    let kitchen = assets("stack.app/bellyfed-cdk-kitchen");
    let [stove] = kitchen.values().collect::<Vec<_>>()[..] else { panic!("{kitchen:?}") };
    let nested = input(&manifest, "stack.app/bellyfed-cdk-kitchen", "nested").as_map().unwrap();
    let [(key, text)] = nested.iter().collect::<Vec<_>>()[..] else { panic!("{nested:?}") };
    assert_eq!(Some(key.as_str()), stove.as_map().unwrap()["key"].as_str());
    assert!(text.as_str().unwrap().contains("AWS::SQS::Queue"));
}

#[test]
fn an_image_that_has_its_tag_is_not_built_again() {
    let manifest = application("").good();
    let image = |path: &str| input(&manifest, "image.app/771156780c3f", path).clone();
    assert_eq!(image("existing_tag"), "use".into());
    let repository = "cdk-hnb659fds-container-assets-123456789012-ap-southeast-1";
    assert_eq!(image("repository"), repository.into());
    assert!(image("tag").as_str().unwrap().starts_with("771156780c3f"));
    assert!(image("push_role.arn").as_str().unwrap().contains("image-publishing-role"));
}

#[test]
fn whoever_runs_bfd_deploys_where_that_is_wanted() {
    let manifest = application("roles = \"own\"\n").good();
    for resource in &manifest.resources {
        for field in ["deploy_role", "role_arn", "push_role"] {
            assert!(!resource.inputs.contains_key(field), "{} has {field}", resource.address);
        }
        let assets = resource.inputs.get("assets").and_then(Expr::as_map).into_iter().flatten();
        assert!(assets.into_iter().all(|(_, it)| !it.as_map().unwrap().contains_key("role")));
    }
    assert_eq!(manifest.assemblies[0].versions, []);
}

#[test]
fn patterns_select_stacks_with_what_they_depend_on() {
    let selected = |more: &str| addresses(&application(more).good());
    assert_eq!(
        selected("stacks = [\"Cluster\"]\n"),
        ["stack.app/bellyfed-cdk-cluster", "stack.app/bellyfed-cdk-network"]
    );
    let alone = "stacks = [\"Cluster\"]\nexclusively = true\n";
    let manifest = application(alone).good();
    assert_eq!(addresses(&manifest), ["stack.app/bellyfed-cdk-cluster"]);
    assert!(waits(&manifest, "stack.app/bellyfed-cdk-cluster").is_empty());
    assert!(!selected("stacks = [\"*\"]\n").iter().any(|it| it.contains("Preview")));
}

#[test]
fn an_application_is_taken_over_as_a_whole() {
    let over = "adopt = true\n[stack.\"app/bellyfed-cdk-data\"]\nadopt = false\n";
    let manifest = application(over).good();
    let adopted = |stack: &str| resource(&manifest, stack).adopt;
    assert!(adopted("stack.app/bellyfed-cdk-network"));
    assert!(!adopted("stack.app/bellyfed-cdk-data"), "what is written wins");
}

#[test]
fn what_is_written_lies_over_what_the_application_says() {
    let over = "[stack.\"app/bellyfed-cdk-data\"]\nprotect = true\ntermination_protection = false\n\
                tags = { owner = \"data\" }\ndepends_on = [\"parameter.first\"]\n\
                [parameter.first]\nname = \"/first\"\nvalue = \"1\"\n";
    let manifest = application(over).good();
    let data = resource(&manifest, "stack.app/bellyfed-cdk-data");
    assert!(data.protect);
    assert_eq!(data.inputs["termination_protection"].as_bool(), Some(false));
    let tags = data.inputs["tags"].as_map().unwrap();
    assert_eq!(tags["owner"], "data".into());
    assert!(tags.len() > 1, "those of the application stay: {tags:?}");
    assert_eq!(waits(&manifest, "stack.app/bellyfed-cdk-data"), ["parameter.first"]);
    assert!(data.inputs.contains_key("template"));
}

#[test]
fn outputs_of_its_stacks_can_be_referred_to() {
    let vpc = "[parameter.vpc]\nname = \"/vpc\"\n\
               value = \"${stack.app/bellyfed-cdk-network.outputs.VpcId}\"\n";
    let manifest = application(vpc).good();
    let address: Address = "stack.app/bellyfed-cdk-network".parse().unwrap();
    let reference = Reference { of: address, output: "outputs.VpcId".to_owned() };
    assert_eq!(*input(&manifest, "parameter.vpc", "value"), Expr::Reference(reference));
    let wrong = vpc.replace("VpcId", "VpcIdd");
    let said = application(&wrong).bad();
    assert!(said.contains("unknown output") && said.contains("VpcId"), "{said}");
}

#[test]
fn the_versions_of_the_bootstrap_stack_are_told() {
    let manifest = application("").good();
    let [assembly] = &manifest.assemblies[..] else { panic!("{:?}", manifest.assemblies) };
    let [version] = &assembly.versions[..] else { panic!("{:?}", assembly.versions) };
    assert_eq!(version.parameter, "/cdk-bootstrap/hnb659fds/version");
    assert_eq!((version.version, version.stacks.len()), (6, 15));
}

#[test]
fn text_of_an_application_refers_to_nothing() {
    let manifest = r#"{"version": "54.0.0", "artifacts": {"A": {"type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "t.json", "tags": {"says": "${var.none}"}}}}}"#;
    let world = World::with("[assembly.app]\npath = \"app.out\"\n")
        .file("environments/app.out/manifest.json", manifest)
        .file(
            "environments/app.out/t.json",
            r#"{"Resources": {"A": {"Type": "AWS::SNS::Topic"}}}"#,
        );
    assert_eq!(*input(&world.good(), "stack.app/A", "tags.says"), "${var.none}".into());
}

#[test]
fn a_path_is_relative_to_the_file_it_is_written_in() {
    let text = format!("extends = \"../shared/base.toml\"\n{}", crate::world::HEAD);
    let base = "[assembly.app]\npath = \"no/such.out\"\n";
    let said = World::bare(&text).file("shared/base.toml", base).bad();
    assert!(said.contains("no/such.out"), "{said}");
    // From `shared` up to this crate's directory, and on from there.
    let base = base.replace("no/such.out", "../../../tests/fixtures/cdk/cdk.out");
    let manifest = World::bare(&text).file("shared/base.toml", &base).good();
    assert_eq!(addresses(&manifest).len(), 16);
}

#[test]
fn mistakes_are_told_where_the_assembly_is_named() {
    let told = |world: World| world.bad().replace(env!("CARGO_MANIFEST_DIR"), "");
    let nothing = World::with("[assembly.app]\npath = \"no/such.out\"\n");
    insta::assert_snapshot!("no_assembly", told(nothing));
    insta::assert_snapshot!("no_path", told(World::with("[assembly.app]\nstacks = [\"**\"]\n")));
    let none = application("stacks = [\"Netwrk\", \"[\"]\n").bad();
    assert!(none.contains("no stack matches `Netwrk`"), "{none}");
    assert!(none.contains("did you mean `Network`?"), "{none}");
    assert!(none.contains("`[` is no pattern"), "all at once: {none}");
    let elsewhere = crate::world::HEAD.replace("123456789012", "210987654321");
    let text = format!("{elsewhere}[assembly.app]\npath = \"{FIXTURE}\"\nstacks = [\"Data\"]\n");
    let said = World::bare(&text).bad();
    assert!(said.contains("another environment"), "{said}");
    let over = "[stack.\"app/bellyfed-cdk-dta\"]\nprotect = true\n";
    let said = application(over).bad();
    assert!(said.contains("did you mean `[stack.\"app/bellyfed-cdk-data\"]`?"), "{said}");
    assert!(!said.contains("needs `name`"), "half a resource is nobody's mistake: {said}");
    let unread = World::with(&format!("[assembly.app]\npath = \"none\"\n{over}")).bad();
    assert!(
        !unread.contains("needs `name`") && !unread.contains("nothing to lie over"),
        "{unread}"
    );
    let unnamed = World::with("[assembly]\npath = \"cdk.out\"\n").bad();
    assert!(unnamed.contains("write `[assembly.path]`"), "{unnamed}");
}

/// An application of stacks by their ids: what each depends on, and what its assets do, with the
/// repositories that one and the same image goes to.
fn made(stacks: &[(&str, &[&str], &[&str], &str)], more: &str) -> World {
    let mut artifacts = serde_json::Map::new();
    let at = "aws://123456789012/ap-southeast-1";
    let mut world = World::with(&format!("[assembly.app]\npath = \"out\"\n{more}"));
    for (id, dependencies, before_assets, repository) in stacks {
        let mut waits: Vec<String> = dependencies.iter().map(ToString::to_string).collect();
        if !repository.is_empty() {
            waits.push(format!("{id}.assets"));
            artifacts.insert(
                format!("{id}.assets"),
                json!({ "type": "cdk:asset-manifest", "dependencies": before_assets,
                    "properties": { "file": format!("{id}.assets.json") } }),
            );
            let images = json!({ "version": "50.0.0", "dockerImages": { "cafecafecafe0": {
                "source": { "directory": "image" },
                "destinations": { "here": { "repositoryName": repository, "imageTag": "cafe" } } } } });
            world = world
                .file(&format!("environments/out/{id}.assets.json"), &images.to_string())
                .file("environments/out/image/Dockerfile", "FROM scratch\n");
        }
        artifacts.insert(
            (*id).to_owned(),
            json!({ "type": "aws:cloudformation:stack", "environment": at, "dependencies": waits,
                "properties": { "templateFile": "t.json" } }),
        );
    }
    let manifest = json!({ "version": "50.0.0", "artifacts": artifacts });
    world.file("environments/out/manifest.json", &manifest.to_string()).file(
        "environments/out/t.json",
        "{\"Resources\": {\"A\": {\"Type\": \"AWS::SNS::Topic\"}}}",
    )
}

#[test]
fn one_image_goes_to_each_of_its_repositories_after_the_stack_that_makes_it() {
    let manifest = made(
        &[
            ("Staging", &[], &[], ""),
            ("One", &[], &["Staging"], "staged/worker"),
            ("Two", &[], &[], "other/worker"),
            ("Three", &[], &[], "other/worker"),
        ],
        "",
    )
    .good();

    let repositories: Vec<(String, Expr)> = addresses(&manifest)
        .into_iter()
        .filter(|at| at.starts_with("image."))
        .map(|at| (at.clone(), input(&manifest, &at, "repository").clone()))
        .collect();
    assert_eq!(
        repositories,
        [
            ("image.app/cafecafecafe".to_owned(), "other/worker".into()),
            ("image.app/cafecafecafe-1".to_owned(), "staged/worker".into())
        ]
    );
    assert_eq!(waits(&manifest, "image.app/cafecafecafe-1"), ["stack.app/Staging"]);
    assert_eq!(
        waits(&manifest, "stack.app/One"),
        ["image.app/cafecafecafe-1", "stack.app/Staging"]
    );
    assert_eq!(waits(&manifest, "stack.app/Three"), ["image.app/cafecafecafe"]);
}

#[test]
fn order_goes_through_a_stack_that_is_left_out() {
    let stacks: &[(&str, &[&str], &[&str], &str)] =
        &[("A", &["B"], &[], ""), ("B", &["C"], &[], ""), ("C", &[], &[], "")];
    let alone = "stacks = [\"A\", \"C\"]\nexclusively = true\n";

    assert_eq!(waits(&made(stacks, alone).good(), "stack.app/A"), ["stack.app/C"]);
}
