//! Images that others made, or that plain files are, without a builder.

use super::dock::{Dock, PORTABLE, aws};
use crate::harbor::tell;
use bfd_tests::{Registry, Workspace, exit, registry::docker_config};
use std::fs;

#[test]
fn an_archive_of_two_platforms_keeps_its_digest_as_a_directory_and_as_a_file() {
    let dock = Dock::new();
    dock.image_is(
        "repository = \"web\"\ncontext = \"app\"\nplatform = [\"linux/arm64\", \"linux/amd64\"]",
    );
    let dock = dock.deployed();
    let digest = dock.digest();
    dock.pull(&format!("@{digest}"), "dist/image");
    let workspace = dock.project.workspace();
    workspace
        .command("tar")
        .args(["-cf", "dist/image.tar", "-C", "dist/image", "."])
        .run()
        .succeeds();
    // Of the same bytes, and nothing of it was there before.
    for archive in ["dist/image", "dist/image.tar"] {
        let other = Dock::new();
        let from = workspace.path().join(archive);
        other.image_is(&format!("repository = \"web\"\narchive = \"{}\"", from.display()));
        let nothing = other.project.apply().env("PATH", "").run().succeeds();
        tell(&format!("{nothing}"));
        assert_eq!(other.digest(), digest);
        assert!(other.runs("web").ends_with(&format!("/{}@{digest}", other.name)));
        assert_eq!(other.skopeo(&format!("@{digest}")).succeeds().json()["Digest"], *digest);
        other.project.has_no_changes();
    }
}

#[test]
fn an_image_for_another_platform_is_refused_when_planning() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\ncontext = \"app\"\nplatform = \"linux/arm64\"");
    let refused = dock.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{refused}"));
    refused.says("service::wrong_platform").says("`image.web` is for linux/arm64");

    let arm = "[service.web]\nruntime_platform = { cpu_architecture = \"ARM64\" }";
    dock.project.change("[service.web]", arm);
    dock.project.apply().run().succeeds();

    // What an archive is for is read from it.
    dock.pull_for("arm64", &format!("@{}", dock.digest()), "dist/image");
    let other = Dock::new();
    let from = dock.project.workspace().path().join("dist/image");
    other.image_is(&format!("repository = \"web\"\narchive = \"{}\"", from.display()));
    let refused = other.project.plan().run().exits(exit::REFUSED);
    refused.says("the service runs on linux/amd64").says("image = \"${image.web}\"");

    // What a copy is for is read from its registry.
    other.image_is(&format!("repository = \"web\"\nsource = \"{}\"", dock.runs("web")));
    let refused = other.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{refused}"));
    refused.says("`image.web` is for linux/arm64").says("the service runs on linux/amd64");
}

#[test]
fn a_broken_archive_is_refused_in_its_place() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\narchive = \"dist/image.tar\"");
    let nothing = dock.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{nothing}"));
    nothing.says("what the image is made of cannot be read").says("[manifest.toml:14:11]");

    dock.project.workspace().write("dist/image.tar", "no archive at all");
    let broken = dock.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{broken}"));
    broken.says("what the image is made of cannot be read").says("dist/image.tar");
}

#[test]
fn an_archive_with_a_blob_cut_short_is_never_under_the_tag() {
    let dock = Dock::new().deployed();
    dock.pull(&format!("@{}", dock.digest()), "dist/image");
    let blobs = dock.project.workspace().path().join("dist/image/blobs/sha256");
    // The layer is what is neither a manifest nor a configuration.
    let layer = fs::read_dir(&blobs)
        .unwrap()
        .flatten()
        .find(|it| fs::read(it.path()).is_ok_and(|bytes| !bytes.starts_with(b"{")));
    let layer = layer.expect("a layer").path();
    let mut bytes = fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&layer, bytes).unwrap();
    let other = Dock::new();
    other.project.apply().args(["--target", "repository.web"]).run().succeeds();
    let from = dock.project.workspace().path().join("dist/image");
    other.image_is(&format!("repository = \"web\"\narchive = \"{}\"", from.display()));

    let failed = other.project.apply().run();

    tell(&format!("{failed}"));
    failed.exits(exit::ROLLED_BACK);
    assert!(other.pushed().is_empty(), "{:?}", other.pushed());
    other.is_clean();
}

#[test]
fn files_have_one_digest_wherever_they_are_laid() {
    let [first, second] = [Dock::new(), Dock::new()];
    for dock in [&first, &second] {
        let workspace = dock.project.workspace();
        workspace.write("dist/site/index.html", "<h1>hello</h1>");
        workspace.write("dist/site/deep/er.txt", "deeper");
        dock.image_is(FILES);
    }
    // What people do to files without another content.
    let workspace = second.project.workspace();
    workspace.command("touch").args(["-d", "2001-01-01", "dist/site/index.html"]).run().succeeds();

    for dock in [&first, &second] {
        dock.project.apply().env("PATH", "").run().succeeds();
        dock.project.has_no_changes();
    }

    assert_eq!(first.digest(), second.digest());
    first.pull(&format!("@{}", first.digest()), "dist/image");
    let config = first.skopeo_config(&format!("@{}", first.digest()));
    assert_eq!(config["config"]["Entrypoint"][0], "/bin/httpd");
    first.project.workspace().write("dist/site/index.html", "<h1>bye</h1>");
    first.project.plan().run().exits(exit::CHANGES).prints("~ image.web");
}

#[test]
fn files_are_laid_over_a_pinned_base_of_a_registry() {
    let registry = Registry::start();
    let dock = Dock::new();
    let workspace = dock.project.workspace();
    let base = push_base(workspace, &registry);
    workspace.write("dist/site/index.html", "<h1>hello</h1>");
    let directory = signed_in(workspace, &registry);
    let dock = dock.with("DOCKER_CONFIG", directory);
    dock.image_is(&format!("{FILES}\nbase = \"{}/base@{base}\"", registry.host()));

    dock.project.apply().env("PATH", "").run().succeeds();

    let seen = dock.skopeo(&format!("@{}", dock.digest())).succeeds().json();
    assert_eq!(seen["Layers"].as_array().map(Vec::len), Some(2), "{seen}");
    dock.project.has_no_changes();
    // The base is needed again only when there is something to lay.
    drop(registry);
    dock.project.has_no_changes();
}

#[test]
fn a_copy_from_another_registry_keeps_the_digest() {
    let registry = Registry::start();
    let dock = Dock::new();
    let workspace = dock.project.workspace();
    let digest = push_base(workspace, &registry);
    let directory = signed_in(workspace, &registry);
    let dock = dock.with("DOCKER_CONFIG", directory);
    dock.image_is(&format!("repository = \"web\"\nsource = \"{}/base:v1\"", registry.host()));
    let planned = dock.project.plan().run().exits(exit::CHANGES);
    tell(&format!("{planned}"));

    dock.project.apply().run().succeeds();

    assert_eq!(dock.digest(), digest);
    assert!(dock.runs("web").ends_with(&format!("/{}@{digest}", dock.name)));
    let images = aws().call(["ecr", "describe-images", "--repository-name", &dock.name]);
    assert_eq!(images["imageDetails"][0]["imageDigest"], *digest);
    dock.project.has_no_changes();

    dock.project.change("/base:v1", "/base:v2");
    let missing = dock.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{missing}"));
    missing.says("/base:v2` was not found");
}

const FILES: &str = "repository = \"web\"\nfiles = { \"/srv/site\" = \"dist/site\" }\n\
                     config = { entrypoint = [\"/bin/httpd\"], ports = [8080] }";

/// Docker's configuration for a registry, where commands look for it.
#[track_caller]
fn signed_in(workspace: &Workspace, registry: &Registry) -> String {
    let directory = workspace.path().join("docker");
    fs::create_dir(&directory).expect("a directory can be made");
    docker_config(&directory, &[registry.host()]);
    directory.display().to_string()
}

/// Pushes an image as `base:v1`, with a client that was not written here. Its digest.
#[track_caller]
fn push_base(workspace: &Workspace, registry: &Registry) -> String {
    let made = Dock::new().deployed();
    let layout = workspace.path().join("base");
    made.pull(&format!("@{}", made.digest()), &layout.display().to_string());
    let creds = format!("{}:{}", bfd_tests::registry::USER, bfd_tests::registry::PASSWORD);
    let to = format!("docker://{}/base:v1", registry.host());
    let from = format!("oci:{}", layout.display());
    let copy = ["copy", "--dest-tls-verify=false", "--dest-creds", &creds, &from, &to];
    workspace.command("skopeo").args(PORTABLE).args(copy).run().succeeds();
    made.digest()
}
