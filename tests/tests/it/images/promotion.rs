//! Images of one environment in another, and environments that have none yet.

use super::dock::{Dock, aws, pushed_to};
use crate::{harbor::tell, world::changes};
use bfd_tests::{Registry, exit, registry::docker_config};

#[test]
fn a_promoted_image_keeps_its_digest_and_no_byte_is_sent_within_a_registry() {
    let (dev, proxy) = Dock::behind_a_proxy();
    let prod = production(&dev);
    let apply = || dev.in_environment(&["apply", "prod.toml", "--yes"]);

    let early = apply().run().exits(exit::REFUSED);
    tell(&format!("{early}"));
    early.says("there is nothing to promote").says("`bfd apply manifest.toml` first");

    let dev = dev.deployed();
    proxy.inject([]);
    let apply = || dev.in_environment(&["apply", "prod.toml", "--yes"]);
    let applied = apply().run().succeeds();
    tell(&format!("{applied}"));
    let digest = dev.digest();
    assert!(pushed_to(&prod).iter().all(|it| it.starts_with(&digest)), "{:?}", pushed_to(&prod));
    let sent = |requests: &[String]| requests.iter().filter(|it| it.contains("PATCH /v2/")).count();
    assert_eq!(sent(&proxy.requests()), 0, "all is in the registry: {:?}", proxy.requests());

    dev.in_environment(&["plan", "prod.toml", "--detailed-exitcode"]).run().succeeds();
}

#[test]
fn between_registries_only_layers_that_are_missing_are_sent() {
    let registry = Registry::start();
    let (dev, proxy) = Dock::behind_a_proxy();
    let workspace = dev.project.workspace();
    // Two layers, of which one stays.
    workspace.write("app/Dockerfile", "FROM scratch\nCOPY base /base\nCOPY program /program\n");
    workspace.write("app/base", "of all");
    let config = docker_config(&workspace.path(), &[registry.host()]);
    let directory = config.parent().expect("a directory").display().to_string();
    let prod = production(&dev);
    let dev = dev.with("DOCKER_CONFIG", directory);
    // One environment pushes to the other registry, the next one has its own.
    let place = format!("repository_uri = \"{}/dev/web\"", registry.host());
    dev.image_is(&format!("{place}\ncontext = \"app\"\nbuilder = \"buildah\""));
    let sent = || {
        proxy.inject([]);
        dev.project.apply().run().succeeds();
        dev.in_environment(&["apply", "prod.toml", "--yes"]).run().succeeds();
        assert!(pushed_to(&prod).iter().any(|it| it.starts_with(&dev.digest())));
        let requests = proxy.requests();
        requests.iter().filter(|it| it.contains(&format!("PATCH /v2/{prod}/blobs"))).count()
    };

    // Layers are built without `--layers`, so they are one.
    assert_eq!(sent(), 2, "layers and configuration");
    dev.project.change("builder = \"buildah\"", "builder = \"buildah\"\nargs = { A = \"1\" }");
    assert_eq!(sent(), 1, "the configuration");
    assert_eq!(pushed_to(&prod).len(), 2);
}

/// Writes the manifest of the environment that images of this one are promoted to. Its name.
#[track_caller]
fn production(dev: &Dock) -> String {
    let workspace = dev.project.workspace();
    let prod = format!("{}-prod", dev.name);
    let text = workspace.read("manifest.toml").replace(&dev.name, &prod);
    let image = "source = { environment = \"manifest.toml\", image = \"web\" }";
    workspace.write("prod.toml", text.replace("context = \"app\"", image));
    prod
}

#[test]
fn an_empty_repository_gets_a_fallback_where_that_is_allowed() {
    let dock = Dock::new();
    dock.image_is(
        "source = \"${repository.web}:v1\"\nfallback = { image = \"nginx:alpine\", port = 80, \
         health_check = \"curl -f http://localhost/\" }",
    );
    let guard = "[guard]\nfallback_images = \"forbid\"\n\n[repository.web]";
    dock.project.change("[repository.web]", guard);
    let forbidden = dock.project.plan().run().exits(exit::REFUSED);
    tell(&format!("{forbidden}"));
    forbidden.says("the guard forbids fallback images");
    dock.project.change("forbid", "allow");

    let applied = dock.project.apply().env("COLUMNS", "80").run().succeeds();

    tell(&format!("{applied}"));
    assert_eq!(dock.runs("web"), "nginx:alpine");
    let status = dock.project.bfd("status").run().succeeds();
    status.prints("image.web is not there yet: `nginx:alpine` stands in for it");
    dock.project.has_no_changes();

    // The image comes, from wherever.
    let other = Dock::new().deployed();
    let digest = other.digest();
    other.copy_to(&digest, &format!("{}:v1", dock.name));
    let plan = dock.project.plan_json();
    assert_eq!(changes(&plan), ["update image.web", "update service.web"]);
    dock.project.apply().run().succeeds();
    assert!(dock.runs("web").ends_with(&digest));
    dock.project.has_no_changes();
}

#[test]
fn what_cannot_be_built_here_is_scaled_to_zero_or_stood_in_for_until_it_can() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\ncontext = \"app\"\nfirst_deploy = \"scale_to_zero\"");

    let applied = dock.project.apply().env("PATH", "").env("COLUMNS", "80").run().succeeds();

    tell(&format!("{applied}"));
    applied.prints("image.web       ").prints("not there yet, so no tasks");
    assert_eq!(tasks(&dock), (0, 0));
    let status = dock.project.bfd("status").run().succeeds();
    status.prints("image.web is not there yet: its services have no tasks");
    dock.project.plan().env("PATH", "").run().succeeds();
    // Where it can be built, it is, and runs.
    let applied = dock.project.apply().run().succeeds();
    tell(&format!("{applied}"));
    // Without tasks there is nothing that a rollback could not start.
    applied.never_mentions("awaited` is gone");
    assert_eq!(tasks(&dock), (1, 1));
    assert!(dock.runs("web").ends_with(&dock.digest()));
    dock.project.has_no_changes();
    // Once it was deployed, nothing stands in for it.
    dock.program_is("second\n");
    let refused = dock.project.plan().env("PATH", "").run().exits(exit::REFUSED);
    tell(&format!("{refused}"));
    refused.says("it cannot be built here");
}

#[test]
fn a_policy_that_would_expire_what_runs_is_warned_about() {
    let dock = Dock::new();
    dock.project.change("[image.web]", "keep_images = 1\n\n[image.web]");
    let dock = dock.deployed();
    dock.project.has_no_changes();
    dock.program_is("second\n");

    let planned = dock.project.plan().env("COLUMNS", "80").run().exits(exit::CHANGES);

    tell(&format!("{planned}"));
    planned.prints("Warnings").prints("expire");
}

/// How many tasks of the service are wanted, and run.
fn tasks(dock: &Dock) -> (u64, u64) {
    let name = format!("{}-web", dock.name);
    let described =
        aws().call(["ecs", "describe-services", "--cluster", &dock.name, "--services", &name]);
    let count = |member: &str| described["services"][0][member].as_u64().expect("a count");
    (count("desiredCount"), count("runningCount"))
}
