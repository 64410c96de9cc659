//! Images that are built from a context: once, and again only when it changed.

use super::dock::{Dock, add_shell, names, unpacked};
use crate::{
    harbor::tell,
    world::{changes, fields},
};
use bfd_tests::exit;
use serde_json::json;

#[test]
fn an_image_is_built_pushed_and_run_by_its_digest() {
    let dock = Dock::new();

    let applied = dock.project.apply().run().succeeds();

    tell(&format!("{applied}"));
    let digest = dock.digest();
    let uri = format!("123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/{}@{digest}", dock.name);
    assert_eq!(dock.runs("web"), uri);
    assert_eq!(dock.skopeo(&format!("@{digest}")).succeeds().json()["Digest"], *digest);
    let pushed = dock.pushed();
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    let tag = pushed.first().unwrap().split_once(' ').expect("a tag").1.to_owned();
    assert!(tag.starts_with("bfd-") && tag.len() == 16, "{tag}");
    assert_eq!(dock.skopeo(&format!(":{tag}")).succeeds().json()["Digest"], *digest);
    dock.is_clean();
    dock.project.has_no_changes();
    let again = dock.project.apply().run().succeeds();
    tell(&format!("{again}"));
    again.never_mentions("STEP");

    // What the build does not see.
    dock.project.workspace().write("app/notes", "of a day");
    dock.project.has_no_changes();

    dock.program_is("second\n");
    let plan = dock.project.plan_json();
    assert_eq!(changes(&plan), ["update image.web", "update service.web"]);
    assert_eq!(fields(&plan, "image.web"), ["content", "tag"]);
    let other = dock.revision("other");
    tell(&format!("{}", dock.project.plan().env("COLUMNS", "80").run()));
    let applied = dock.project.apply().run().succeeds();
    tell(&format!("{applied}"));
    assert_ne!(dock.digest(), digest);
    assert_eq!(dock.runs("web"), uri.replace(&digest, &dock.digest()));
    assert_eq!(dock.revision("other"), other);
    assert_eq!(dock.pushed().len(), 2);
    dock.project.has_no_changes();
    dock.is_clean();
}

#[test]
fn a_saved_plan_whose_content_changed_since_is_refused() {
    let dock = Dock::new().deployed();
    let (digest, before) = (dock.digest(), dock.pushed());
    dock.program_is("reviewed\n");
    dock.project.plan().args(["-o", "plan.json"]).run().exits(exit::CHANGES);
    dock.program_is("not reviewed\n");

    let apply = dock.project.workspace().bfd(["apply", "plan.json", "--yes"]);
    let refused = dock.project.in_environment(apply).run();

    let refused = refused.exits(exit::REFUSED);
    refused.says("`image.web`: its content changed since it was planned");
    assert_eq!((dock.digest(), dock.pushed()), (digest, before));
    dock.is_clean();
    // Nothing was tried, so the plan is as good as it was.
    dock.program_is("reviewed\n");
    let apply = dock.project.workspace().bfd(["apply", "plan.json", "--yes"]);
    dock.project.in_environment(apply).run().succeeds();
    dock.project.has_no_changes();
}

#[test]
fn offline_a_plan_needs_no_builder_and_no_network_and_tells_what_changes() {
    let dock = Dock::new().deployed();
    let offline = || {
        let plan = dock.project.plan().arg("--offline");
        plan.env("PATH", "").env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    };
    offline().run().succeeds().prints("unchanged, sha256:");

    dock.program_is("second\n");

    let planned = offline().run().exits(exit::CHANGES);
    tell(&format!("{planned}"));
    planned.prints("~ image.web").prints("~ service.web").never_mentions("service.other");
}

#[test]
fn a_build_that_fails_is_told_with_its_last_lines_and_leaves_nothing() {
    let dock = Dock::new();
    add_shell(dock.project.workspace());
    let dockerfile =
        "FROM scratch\nCOPY root /\nRUN echo what it did; echo its last words; exit 3\n";
    dock.project.workspace().write("app/Dockerfile", dockerfile);

    let failed = dock.project.apply().run().exits(exit::ROLLED_BACK);

    tell(&format!("{failed}"));
    failed.says("what it did").says("its last words").says("exit status 3");
    assert_eq!(dock.project.state()["resources"], json!({}));
    dock.is_clean();
}

#[test]
fn without_a_dockerfile_or_a_builder_nothing_is_built() {
    let dock = Dock::new();
    let nowhere = dock.project.apply().env("PATH", "").run().exits(exit::REFUSED);
    tell(&format!("{nowhere}"));
    nowhere
        .says("an image cannot be built here")
        .says("manifest.toml:14")
        .says("`buildah` is not installed")
        .says("help: install Docker Buildx, Buildah or Podman");
    dock.is_clean();
    // Whoever reviews needs none.
    dock.project.plan().env("PATH", "").run().exits(exit::CHANGES);

    std::fs::remove_file(dock.project.workspace().path().join("app/Dockerfile")).unwrap();
    let nothing = dock.project.apply().run().exits(exit::REFUSED);
    tell(&format!("{nothing}"));
    nothing.says("there is no Dockerfile").says("manifest.toml:14");
}

#[test]
fn secrets_of_a_build_are_written_nowhere() {
    const PLANTED: &str = "correct-horse-battery-staple";
    let dock = Dock::new().with("TOKEN", PLANTED);
    let workspace = dock.project.workspace();
    add_shell(workspace);
    let dockerfile = "FROM scratch\nCOPY root /\nRUN --mount=type=secret,id=token \\\n    \
                      cat /run/secrets/token; while [ ! -e /seen ]; do sleep 0.1; [ $((i = i + 1)) -lt 20 ] || break; done\n";
    workspace.write("app/Dockerfile", dockerfile);
    dock.image_is(
        "repository = \"web\"\ncontext = \"app\"\nsecrets = { token = { env = \"TOKEN\" } }",
    );
    workspace.write("events.jsonl", "");
    let plan = dock.project.plan().args(["-o", "plan.json"]).run();
    plan.exits(exit::CHANGES).never_mentions(PLANTED);

    let running = dock.project.apply().args(["--events", "events.jsonl"]).spawn();
    let mut running = running;
    running.until_it_says("STEP 3/");
    // Everybody on the machine may read these.
    let mut seen = 0;
    for process in names(std::path::Path::new("/proc")) {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains(PLANTED), "{line}");
        seen += usize::from(line.starts_with("buildah") && line.contains("id=token"));
    }
    assert!(seen > 0, "the build was not seen");
    let applied = running.wait().succeeds().never_mentions(PLANTED);
    tell(&format!("{applied}"));

    let digest = dock.digest();
    dock.pull(&format!("@{digest}"), "image");
    let run = dock.project.bfd("show").arg("--run").run().succeeds().never_mentions(PLANTED);
    tell(&format!("{run}"));
    let mut files = crate::secrets::files_in(&workspace.path());
    files.extend(crate::secrets::files_in(&workspace.home().join("store")));
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let unpacked = unpacked(&file);
        for bytes in [bytes, unpacked] {
            let found = bytes.windows(PLANTED.len()).any(|it| it == PLANTED.as_bytes());
            assert!(!found, "{file} has the secret");
        }
    }
    // Another value builds nothing.
    dock.with("TOKEN", "another").project.has_no_changes();
}

#[test]
fn an_apply_that_is_stopped_while_it_builds_ends_the_build_and_leaves_nothing() {
    let dock = Dock::new();
    add_shell(dock.project.workspace());
    let slow = "FROM scratch\nCOPY root /\nRUN sleep 987653\n";
    dock.project.workspace().write("app/Dockerfile", slow);
    let mut building = dock.project.apply().spawn();
    building.until_it_says("STEP 3/");

    building.interrupt();

    let stopped = building.wait().exits(exit::ROLLED_BACK);
    tell(&format!("{stopped}"));
    assert_eq!(dock.project.state()["resources"], json!({}));
    dock.is_clean();
}
