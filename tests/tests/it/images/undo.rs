//! Runs that fail after or while an image was pushed: what was there before is there again.

use super::dock::{Dock, FIRST, aws};
use crate::{harbor::tell, history::runs};
use bfd_tests::{Fault, Output, Registry, exit, registry::docker_config, tools, wait};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_service_that_fails_after_a_push_takes_image_and_tag_away_again() {
    let dock = Dock::new().deployed();
    let (digest, before) = (dock.digest(), dock.pushed());
    dock.program_is("second\n");
    dock.project.change("nginx:first", "crash:1");

    let failed = dock.project.apply().run().exits(exit::ROLLED_BACK);

    tell(&format!("{failed}"));
    failed.says("✓ image.web updated").says("↩ image.web put back");
    assert_eq!((dock.digest(), dock.pushed()), (digest.clone(), before));
    assert!(dock.runs("web").ends_with(&digest));
    dock.is_clean();
    dock.program_is(FIRST);
    dock.project.change("crash:1", "nginx:first");
    dock.project.has_no_changes();
}

#[test]
fn a_first_deployment_that_fails_leaves_no_image_in_a_repository_that_was_there() {
    let dock = Dock::new();
    dock.project.apply().args(["--target", "repository.web"]).run().succeeds();
    dock.project.change("nginx:first", "crash:1");

    dock.project.apply().run().exits(exit::ROLLED_BACK);

    assert!(dock.pushed().is_empty(), "{:?}", dock.pushed());
}

#[test]
fn a_tag_that_was_moved_is_back_on_its_old_image() {
    let dock = Dock::new();
    dock.project.change("[image.web]", "tag_mutability = \"mutable\"\n\n[image.web]");
    dock.image_is("repository = \"web\"\ncontext = \"app\"\ntag = \"latest\"");
    let dock = dock.deployed();
    let (digest, before) = (dock.digest(), dock.pushed());
    assert_eq!(before.iter().collect::<Vec<_>>(), [&format!("{digest} latest")]);
    dock.program_is("second\n");
    dock.project.change("nginx:first", "crash:1");

    let failed = dock.project.apply().run().exits(exit::ROLLED_BACK);

    failed.says("✓ image.web updated");
    assert_eq!(dock.pushed(), before);
    // The same without a failure moves it.
    dock.project.change("crash:1", "nginx:first");
    dock.project.apply().run().succeeds();
    assert_ne!(dock.digest(), digest);
    let latest = dock.skopeo(":latest").succeeds().json();
    assert_eq!(latest["Digest"], *dock.digest());
    dock.project.has_no_changes();
}

#[test]
fn a_tag_that_is_taken_and_cannot_be_moved_is_refused_when_planning() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\ncontext = \"app\"\ntag = \"v1\"");
    let dock = dock.deployed();
    dock.program_is("second\n");

    let refused = dock.project.plan().run().exits(exit::REFUSED);

    tell(&format!("{refused}"));
    refused
        .says("`v1` is on sha256:")
        .says("an immutable tag cannot be moved")
        .says("[manifest.toml:15:7]");
}

#[test]
fn a_push_that_is_stopped_leaves_nothing_under_the_tag() {
    let (dock, proxy) = Dock::behind_a_proxy();
    dock.project.apply().args(["--target", "repository.web"]).run().succeeds();
    proxy.inject([Fault::held_request("PATCH /v2/")]);
    let running = dock.project.apply().spawn();
    wait::until("the push", Duration::from_mins(1), || proxy.is_holding().then_some(()));

    running.interrupt();

    let stopped = running.wait().exits(exit::ROLLED_BACK);
    tell(&format!("{stopped}"));
    stopped.says("image.web stopped").says("↩ image.web removed again");
    proxy.inject([]);
    assert!(dock.pushed().is_empty(), "{:?}", dock.pushed());
    dock.is_clean();
}

#[test]
fn a_push_that_a_registry_goes_on_refusing_is_taken_back() {
    let (dock, proxy) = Dock::behind_a_proxy();
    proxy.inject([Fault::internal_error("PUT /v2/").times(1000)]);

    let failed = dock.project.apply().run().exits(exit::ROLLED_BACK);

    tell(&format!("{failed}"));
    assert_eq!(dock.project.state()["resources"], json!({}));
    let repositories = aws().call(["ecr", "describe-repositories"]).to_string();
    assert!(!repositories.contains(&format!("\"{}\"", dock.name)), "{repositories}");
    dock.is_clean();
}

#[test]
fn a_push_that_is_denied_tells_how_to_sign_in() {
    let registry = Registry::start();
    let dock = Dock::new();
    let uri = format!("{}/team/web", registry.host());
    dock.image_is(&format!("repository_uri = \"{uri}\"\ncontext = \"app\""));

    let denied = dock.project.apply().run();

    tell(&format!("{denied}"));
    assert!([exit::REFUSED, exit::ROLLED_BACK].contains(&denied.code.expect("a code")), "{denied}");
    denied
        .says(&format!("docker login {}", registry.host()))
        .says(&format!("{} says no more", registry.host()));
    dock.is_clean();

    // A registry that removes no tags says so, and what was pushed stays.
    let config = docker_config(&dock.project.workspace().home(), &[registry.host()]);
    let directory = config.parent().expect("a directory").display().to_string();
    dock.project.change("nginx:first", "crash:1");
    let failed = dock.project.apply().env("DOCKER_CONFIG", &directory).env("COLUMNS", "300").run();
    tell(&format!("{failed}"));
    failed.exits(exit::ROLLED_BACK).says("stays: the registry does not let tags be removed");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let dock = Dock::new();
    dock.image_is("repository = \"web\"\nfiles = { \"/large\" = \"large\" }");
    // What cannot be packed.
    let mut state = 1_u64;
    let large: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(4 << 20)
    .collect();
    dock.project.workspace().write("large", large);

    let limited = limited(&dock);

    tell(&format!("{limited}"));
    let limited = limited.exits(exit::ROLLED_BACK);
    limited
        .says("cannot write")
        .says("File too large")
        .says("help: free some space, or set `TMPDIR`");
    assert_eq!(dock.project.state()["resources"], json!({}));
    dock.is_clean();
}

/// An apply that can write no file of more than a megabyte, which fails as a full disk does.
fn limited(dock: &Dock) -> Output {
    let bfd = tools::bfd_binary().display().to_string();
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"";
    let shell = dock.project.workspace().command("/bin/sh");
    let shell = shell.args(["-c", script, &bfd, "apply", "manifest.toml", "--yes"]);
    dock.project.in_environment(shell).run()
}

#[test]
fn an_earlier_run_is_gone_back_to_by_the_digests_that_it_ran() {
    let dock = Dock::new().deployed();
    let (first, digest) = (runs(&dock.project)[0].clone(), dock.digest());
    dock.program_is("second\n");
    dock.project.apply().run().succeeds();
    assert_ne!(dock.digest(), digest);

    let back = dock.project.bfd("rollback").args(["--to", &first, "--yes"]).env("PATH", "").run();

    tell(&format!("{back}"));
    back.succeeds();
    assert!(dock.runs("web").ends_with(&digest));
    // What is declared is another one still, and is there.
    dock.project.apply().env("PATH", "").run().succeeds();
    assert!(!dock.runs("web").ends_with(&digest));

    let gone = ["ecr", "batch-delete-image", "--repository-name", &dock.name, "--image-ids"];
    aws().call([&gone[..], &[&format!("imageDigest={digest}")]].concat());
    let refused = dock.project.bfd("rollback").args(["--to", &first, "--yes"]).run();
    tell(&format!("{refused}"));
    refused.exits(exit::REFUSED).says("there is no way back").says("is gone");
}
