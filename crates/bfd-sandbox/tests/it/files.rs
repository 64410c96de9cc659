//! The world's file: shared, resumed, reproducible, and free of secrets.

use std::fs;
use std::path::Path;

use aws_sdk_ssm::types::ParameterType;
use bfd_sandbox::{Behaviour, Options};

use crate::support::{Lab, check, status};

fn options(file: &Path) -> Options {
    Options { file: Some(file.to_owned()), ..Options::default() }
}

async fn put(lab: &Lab, name: &str, value: &str) -> i64 {
    let put = lab.ssm.put_parameter().name(name).value(value).overwrite(true);
    put.r#type(ParameterType::String).send().await.expect("puts").version
}

#[tokio::test(start_paused = true)]
async fn two_sandboxes_share_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("deep/world.json");
    let (one, two) = (Lab::open(options(&file)), Lab::open(options(&file)));
    for n in 1..=3 {
        assert_eq!(put(&one, "/a", "x").await, 2 * n - 1);
        assert_eq!(put(&two, "/a", "y").await, 2 * n);
    }
    let read = one.ssm.get_parameter().name("/a").send().await.expect("gets").parameter;
    assert_eq!(read.and_then(|it| it.value).as_deref(), Some("y"));
    assert_eq!(one.sandbox.snapshot(), two.sandbox.snapshot());

    one.sandbox.reset().expect("resets");
    assert!(two.ssm.get_parameter().name("/a").send().await.is_err());
    assert_eq!(put(&two, "/a", "z").await, 1);
    assert_eq!(put(&one, "/a", "z").await, 2);
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().expect("a runtime")
}

#[test]
fn no_change_is_lost_between_processes() {
    const EACH: i64 = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let put_all = || {
        paused().block_on(async {
            let lab = Lab::open(options(&file));
            for _ in 0..EACH {
                put(&lab, "/a", "x").await;
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(put_all);
        }
    });
    let next = paused().block_on(async { put(&Lab::open(options(&file)), "/a", "x").await });
    assert_eq!(next, 3 * EACH + 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_process_continues_where_the_earlier_one_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let before = {
        let lab = Lab::open(options(&file));
        lab.prepare().await;
        lab.sandbox.behave("app:v1", Behaviour::SlowStart(std::time::Duration::from_secs(70)));
        let next = lab.register("app:v1", Some(check("curl -f http://localhost:3000/"))).await;
        lab.wait(500).await;
        lab.creation(&next, 1).send().await.expect("creates");
        lab.wait(30).await;
        assert_eq!(status(&lab.service_deployment().await), "IN_PROGRESS");
        lab.sandbox.now()
    };
    let lab = Lab::open(options(&file));
    assert!(lab.sandbox.now() >= before - 0.001, "no earlier than what was last seen");
    assert_eq!(status(&lab.service_deployment().await), "IN_PROGRESS");
    assert_eq!(status(&lab.ended(200).await), "SUCCESSFUL");
    let started = lab.tasks().await[0].started_at().map(|at| at.as_secs_f64()).expect("a start");
    let ended = lab.ended(1).await.finished_at().map(|at| at.as_secs_f64()).expect("an end");
    assert!(
        (ended - started - 90.0).abs() < 0.01,
        "{}: the third check, in any process",
        ended - started
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_behind_the_file_catches_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let early = Lab::open(options(&file));
    let late = Lab::open(Options { speed: 100.0, ..options(&file) });
    late.wait(100).await;
    put(&late, "/a", "x").await;
    let behind = late.sandbox.now() - early.sandbox.now();
    assert!(behind > 9000.0, "{behind}");
    early.ssm.get_parameter().name("/a").send().await.expect("gets");
    assert!(early.sandbox.now() >= late.sandbox.now() - 100.0);
}

/// A bit of everything, ending in a rolled back deployment.
async fn story(file: &Path, seed: u64) -> Vec<u8> {
    let lab = Lab::open(Options { seed, ..options(file) });
    lab.prepare().await;
    let secret = lab.ssm.put_parameter().name("/key").value("planted-secret");
    secret.r#type(ParameterType::SecureString).send().await.expect("puts");
    lab.deployed("web", 3).await;
    let next = lab.register("app:never-pushed", None).await;
    lab.update(&next).await;
    assert_eq!(status(&lab.ended(600).await), "ROLLBACK_SUCCESSFUL");
    fs::read(file).expect("reads")
}

#[tokio::test(start_paused = true)]
async fn the_same_run_leaves_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let one = story(&path("one"), 7).await;
    let two = story(&path("two"), 7).await;
    let other = story(&path("other"), 8).await;
    assert!(one == two, "the same seed");
    assert!(one != other, "another seed");
    let text = String::from_utf8(one).expect("text");
    assert!(text.contains("/key") && !text.contains("planted-secret"));
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("lists")
        .map(|it| it.expect("a file").file_name())
        .collect();
    assert!(!left.iter().any(|it| it.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn reading_does_not_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    let lab = Lab::open(options(&file));
    put(&lab, "/a", "x").await;
    let before = fs::read(&file).expect("reads");
    lab.wait(60).await;
    for _ in 0..3 {
        lab.ssm.get_parameter().name("/a").send().await.expect("gets");
        lab.ecr.describe_repositories().send().await.expect("describes");
    }
    assert_eq!(fs::read(&file).expect("reads"), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_world_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    fs::write(&file, "{\"format\":2,\"generation\":1,\"now\":0,\n\"world\":{}}\n").expect("writes");
    let error = bfd_sandbox::Sandbox::open(options(&file)).expect_err("a newer format");
    assert!(error.to_string().contains("has format 2"), "{error}");
    fs::write(&file, "nothing").expect("writes");
    let error = bfd_sandbox::Sandbox::open(options(&file)).expect_err("no JSON");
    assert!(error.to_string().contains("is not a sandbox's world"), "{error}");
    let slow = Options { speed: 0.0, ..Options::default() };
    assert!(bfd_sandbox::Sandbox::open(slow).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_loaded_world_keeps_its_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("world.json");
    put(&Lab::open(options(&file)), "/a", "x").await;
    let other = Lab::open(Options { account: "999999999999".to_owned(), ..options(&file) });
    let who = aws_sdk_sts::Client::new(&other.config).get_caller_identity().send().await;
    assert_eq!(who.expect("answers").account(), Some("123456789012"));
}
