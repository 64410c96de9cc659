//! The assemblies that a real CDK wrote.

use bfd_assembly::{Assembly, Disk, Environment, FileSource, ImageSource, Packaging, Reach, Stack};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/cdk").join(name)
}

fn read(name: &str) -> Assembly {
    Assembly::read(&directory(name)).unwrap()
}

fn named<'a>(assembly: &'a Assembly, hierarchical_id: &str) -> &'a Stack {
    assembly.stacks().iter().find(|it| it.hierarchical_id == hierarchical_id).unwrap()
}

/// A line for each stack, with what it waits for and what is published before.
fn summary(assembly: &Assembly) -> String {
    let lines = assembly.stacks().iter().map(|stack| {
        let dependencies: Vec<_> = stack.dependencies.iter().map(ToString::to_string).collect();
        let count = |count: usize, word: &str| format!("{count} {word}");
        let files = stack.asset_manifests.iter().map(|it| it.files.len()).sum();
        let images = stack.asset_manifests.iter().map(|it| it.images.len()).sum();
        format!(
            "{} = {} in {}: {}, {}; after {dependencies:?}\n",
            stack.hierarchical_id,
            stack.name,
            stack.environment,
            count(files, "files"),
            count(images, "images"),
        )
    });
    lines.collect()
}

#[test]
fn stacks_come_after_what_they_depend_on() {
    let assembly = read("cdk.out");

    assert_eq!(assembly.stacks().len(), 15);
    assert!(assembly.warnings().is_empty());
    insta::assert_snapshot!(summary(&assembly));
}

#[test]
fn the_second_release_has_a_stack_more() {
    let (first, second) = (read("cdk.out"), read("cdk.out.changed"));

    assert_eq!(second.stacks().len(), 16);
    let is_new = |stack: &&Stack| first.stack(&stack.id).is_none();
    let new: Vec<_> = second.stacks().iter().filter(is_new).map(|it| it.name.as_str()).collect();
    assert_eq!(new, ["bellyfed-cdk-audit"]);
    // The archive of the function.
    let ids = |assembly| -> Vec<String> {
        let files = &named(assembly, "Functions").asset_manifests[0].files;
        files.iter().filter(|(_, it)| is_archive(&it.source)).map(|(id, _)| id.clone()).collect()
    };
    assert_eq!(ids(&first).len(), 1);
    assert_ne!(ids(&first), ids(&second));
}

fn is_archive(source: &FileSource) -> bool {
    matches!(source, FileSource::Path { packaging: Packaging::Zip, .. })
}

#[test]
fn everything_of_a_stack_is_read() {
    let assembly = read("cdk.out");

    let stack = named(&assembly, "Data");
    assert_eq!(stack.termination_protection, Some(true));
    assert_eq!(stack.environment.to_string(), "aws://123456789012/ap-southeast-1");
    assert_eq!(stack.template.path, Path::new("Data.template.json"));
    assert!(stack.parameters.is_empty());
    let text = stack.template.text(&Disk).unwrap();
    assert_eq!(stack.template.size, Some(text.len() as u64));
    assert!(text.contains("\"Resources\""));
    let bootstrap = stack.bootstrap.as_ref().unwrap();
    assert_eq!(bootstrap.version, 6);
    assert_eq!(bootstrap.parameter.as_deref(), Some("/cdk-bootstrap/hnb659fds/version"));
    let (_, lookup) = stack.lookup_role.as_ref().unwrap();
    assert_eq!(lookup.as_ref().unwrap().version, 8);

    let tags = &named(&assembly, "Roles").tags;
    assert_eq!(tags["cost:centre"], "4711 / shared");
    assert_eq!(tags.len(), 3);
    assert_eq!(named(&assembly, "Network").termination_protection, Some(false));
}

#[test]
fn a_stage_is_read_from_its_directory() {
    let assembly = read("cdk.out");

    let stack = named(&assembly, "Preview/Notes");

    assert_eq!(stack.id.as_str(), "assembly-Preview/PreviewNotes6109BB2C");
    assert_eq!(stack.name, "Preview-Notes");
    assert_eq!(stack.manifest, Path::new("assembly-Preview/manifest.json"));
    let template = Path::new("assembly-Preview/PreviewNotes6109BB2C.template.json");
    assert_eq!(stack.template.path, template);
    assert!(stack.template.size.is_some());
    let inbox = &named(&assembly, "Preview/Inbox").id;
    assert_eq!(stack.dependencies.iter().collect::<Vec<_>>(), [inbox]);
    assert!(stack.tags.is_empty());
    let asset = stack.asset_manifests[0].files.values().next().unwrap();
    let FileSource::Path { path, .. } = &asset.source else { panic!("{asset:?}") };
    assert_eq!(path, template);
}

#[test]
fn a_nested_stack_is_a_file_of_the_outer() {
    let assembly = read("cdk.out");

    let kitchen = named(&assembly, "Kitchen");

    let asset = kitchen.asset_manifests[0]
        .files
        .values()
        .find(|it| it.display_name.as_deref() == Some("Stove Nested Stack Template"))
        .unwrap();
    let path = PathBuf::from("KitchenStove7A94EEEF.nested.template.json");
    let packaging = Packaging::File;
    assert_eq!(asset.source, FileSource::Path { path: path.clone(), packaging });
    assert!(assembly.plan_files().contains(&path));
}

#[test]
fn an_image_says_how_it_is_built_and_where_it_goes() {
    let assembly = read("cdk.out");

    let images = &named(&assembly, "Worker").asset_manifests[0].images;

    let (id, image) = images.iter().next().unwrap();
    let ImageSource::Build(build) = &image.source else { panic!("{image:?}") };
    assert_eq!(build.directory, PathBuf::from(format!("asset.{id}")));
    assert_eq!(build.platform.as_deref(), Some("linux/amd64"));
    assert_eq!(build.dockerfile_path(), build.directory.join("Dockerfile"));
    let destination = image.destinations.values().next().unwrap();
    assert_eq!(&destination.tag, id);
    assert_eq!(
        destination.repository,
        "cdk-hnb659fds-container-assets-123456789012-ap-southeast-1"
    );
}

#[test]
fn placeholders_are_replaced_everywhere() {
    let assembly = read("cdk.out");
    let china = Environment::new("210987654321", "cn-north-1");

    for stack in assembly.stacks() {
        let resolved = stack.resolved(&china);
        // Nothing but the template's own place can have one left.
        assert!(!format!("{resolved:?}").contains("${AWS::"), "{resolved:#?}");
    }
    let portable = named(&assembly, "Portable").resolved(&china);
    assert_eq!(
        portable.deploy_role.unwrap().arn,
        "arn:aws-cn:iam::210987654321:role/cdk-hnb659fds-deploy-role-210987654321-cn-north-1"
    );
    let destination = portable.asset_manifests[0].files.values().next().unwrap();
    let destination = destination.destinations.values().next().unwrap();
    assert_eq!(destination.bucket, "cdk-hnb659fds-assets-210987654321-cn-north-1");
    assert_eq!(destination.region.as_deref(), Some("cn-north-1"));
    // What has an environment keeps it.
    let network = named(&assembly, "Network").resolved(&china);
    assert_eq!(
        network.execution_role_arn.unwrap(),
        "arn:aws:iam::123456789012:role/cdk-hnb659fds-cfn-exec-role-123456789012-ap-southeast-1"
    );
}

#[test]
fn nothing_is_wrong_where_it_belongs() {
    for name in ["cdk.out", "cdk.out.changed"] {
        let assembly = read(name);
        let deployer = Environment::new("123456789012", "ap-southeast-1");

        let stacks = assembly.select(&["**"], Reach::Alone).unwrap();

        assert_eq!(assembly.check(&stacks, &deployer, &BTreeSet::new(), &Disk), Ok(()));
        let required = assembly.bootstrap_requirements(&stacks, &deployer);
        let parameter = "/cdk-bootstrap/hnb659fds/version".to_owned();
        let requirement = &required[&(deployer, parameter)];
        assert_eq!((required.len(), requirement.version), (1, 6));
        assert_eq!(requirement.stacks.len(), stacks.len());
    }
}
