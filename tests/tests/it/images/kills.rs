//! Processes that die while they build or push, and the next apply.

use super::dock::{Dock, add_shell};
use crate::harbor::tell;
use bfd_tests::{Fault, Output};

/// Its last step takes longer than anybody waits.
const SLOW: &str = "FROM scratch\nCOPY root program /\nRUN sleep SECONDS\n";
const QUICK: &str = "FROM scratch\nCOPY root program /\nRUN echo done\n";

#[test]
fn a_build_that_was_killed_is_ended_and_another_content_is_applied() {
    let dock = Dock::new();
    killed_while_building(&dock);
    assert!(!dock.temporary().is_empty(), "a killed process cannot clean up");
    dock.project.workspace().write("app/Dockerfile", QUICK);

    // What was planned is gone, so that run is taken back first.
    let applied = dock.project.apply().run().succeeds();

    tell(&format!("{applied}"));
    applied
        .says("finishing it first")
        .says("its content changed since it was planned")
        .says("failed and rolled back");
    dock.is_clean();
    dock.project.has_no_changes();
    assert_eq!(dock.pushed().len(), 1);
    assert!(!is_sleeping(), "the build went on");
}

#[test]
fn a_push_that_was_killed_is_gone_on_with_and_nothing_is_there_twice() {
    let (dock, proxy) = Dock::behind_a_proxy();
    dock.project.workspace().write("app/Dockerfile", "FROM scratch\nCOPY program /program\n");
    for held in [
        Fault::held_request("PATCH /v2/"),
        Fault::held_answer("PUT /v2/"),
        Fault::held_answer("/manifests/sha256:"),
        Fault::held_request("PUT /v2/").after(3),
        Fault::held_answer("PUT /v2/").after(3),
    ] {
        proxy.inject([held.clone()]);
        let killed = dock.project.apply().spawn().kill_when(|_| proxy.is_holding());
        tell(&format!("{held:?}\n{killed}\n{:?}", dock.temporary()));
    }
    proxy.inject([]);

    let applied = dock.project.apply().run().succeeds();

    tell(&format!("{applied}"));
    dock.project.has_no_changes();
    dock.is_clean();
    let pushed = dock.pushed();
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    assert!(
        pushed.first().is_some_and(|it| it.starts_with(&dock.digest()) && it.contains(" bfd-"))
    );
    let seen = dock.skopeo(&format!("@{}", dock.digest())).succeeds().json();
    assert_eq!(seen["Digest"], *dock.digest());
}

#[test]
fn what_a_killed_build_left_is_removed_with_the_secret_that_it_had() {
    const PLANTED: &str = "correct-horse-battery-staple";
    let dock = Dock::new().with("TOKEN", PLANTED);
    dock.image_is(
        "repository = \"web\"\ncontext = \"app\"\nsecrets = { token = { env = \"TOKEN\" } }",
    );
    // Another sleep than that of the other test, which looks for its own.
    let dockerfile = SLOW
        .replace("SECONDS", "986755")
        .replace("RUN ", "RUN --mount=type=secret,id=token cat /run/secrets/token; ");
    add_shell(dock.project.workspace());
    killed(&dock, &dockerfile);
    dock.project.workspace().write("app/Dockerfile", QUICK);

    dock.project.apply().run().succeeds().never_mentions(PLANTED);

    dock.is_clean();
    for file in crate::secrets::files_in(&dock.project.workspace().home()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let found = bytes.windows(PLANTED.len()).any(|it| it == PLANTED.as_bytes());
        assert!(!found, "{file} has the secret");
    }
}

#[track_caller]
fn killed_while_building(dock: &Dock) -> Output {
    add_shell(dock.project.workspace());
    killed(dock, &SLOW.replace("SECONDS", &seconds()))
}

#[track_caller]
fn killed(dock: &Dock, dockerfile: &str) -> Output {
    dock.project.workspace().write("app/Dockerfile", dockerfile);
    let mut building = dock.project.apply().spawn();
    building.until_it_says("STEP 3/");
    building.kill();
    let killed = building.wait();
    assert_eq!(killed.signal, Some(9), "{killed}");
    killed
}

/// Whether the last step of such a build is under way.
/// As no other process of the machine sleeps, another run of this test included.
fn seconds() -> String {
    (10_000_000 + u64::from(std::process::id())).to_string()
}

fn is_sleeping() -> bool {
    let processes = std::fs::read_dir("/proc").expect("a directory").flatten();
    processes.into_iter().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line == format!("sleep\0{}\0", seconds()).as_bytes()
    })
}
