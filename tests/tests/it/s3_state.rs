//! State in a bucket, on two servers that were not written here.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bfd_tests::emulators::{ACCOUNT, REGION, new_account};
use bfd_tests::{AwsCli, Fault, FaultProxy, Ministack, Moto, Output, Project, exit};
use serde_json::Value;

/// How long nobody waits for a lock that is held.
const PATIENCE: Duration = Duration::from_mins(4);

/// An environment whose state is in a bucket of its own.
struct Shared {
    project: Project,
    aws: AwsCli,
    bucket: String,
}

fn manifest(account: &str, bucket: &str, count: usize) -> String {
    let mut text = format!(
        r#"[environment]
name = "shared"
account = "{account}"
region = "{REGION}"

[state]
backend = "s3"
bucket = "{bucket}"
prefix = "team"
lease = "5s"

[vars]
value = "first"
"#
    );
    for number in 0..count {
        writeln!(
            text,
            "\n[parameter.p{number}]\nname = \"/{bucket}/p{number}\"\nvalue = \"${{var.value}}\""
        )
        .expect("a string takes text");
    }
    text
}

impl Shared {
    /// On a server at `url`, which shows versions and bodies to the AWS CLI at `direct`.
    #[track_caller]
    fn at(url: &str, direct: &str, account: &str, count: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let bucket = format!("state-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let aws = AwsCli::new(direct).in_account(account);
        let constraint = format!("LocationConstraint={REGION}");
        let create = ["s3api", "create-bucket", "--bucket", &bucket];
        aws.call([&create[..], &["--create-bucket-configuration", &constraint]].concat());
        let versioning = ["s3api", "put-bucket-versioning", "--bucket", &bucket];
        let enabled = ["--versioning-configuration", "Status=Enabled"];
        aws.call([&versioning[..], &enabled].concat());
        let project = Project::new("shared", &manifest(account, &bucket, count));
        Self { project: project.against(url, account), aws, bucket }
    }

    fn on_ministack(count: usize) -> Self {
        let url = Ministack::shared().url();
        Self::at(&url, &url, &new_account(), count)
    }

    fn on_moto(count: usize) -> Self {
        let url = Moto::shared().url();
        Self::at(&url, &url, ACCOUNT, count)
    }

    fn behind_a_proxy(count: usize) -> (Self, FaultProxy) {
        let proxy = FaultProxy::in_front_of(Ministack::shared());
        let shared = Self::at(&proxy.url(), &Ministack::shared().url(), &new_account(), count);
        (shared, proxy)
    }

    /// The state, as `bfd` itself tells it.
    #[track_caller]
    fn state(&self) -> Value {
        self.project.bfd("state pull").run().succeeds().json()
    }

    #[track_caller]
    fn serial(&self) -> u64 {
        self.state()["serial"].as_u64().expect("a serial")
    }

    /// The text of one object, in one of its versions.
    #[track_caller]
    fn object(&self, key: &str, version: Option<&str>) -> Value {
        let file = self.project.workspace().path().join("object.json");
        let path = file.display().to_string();
        let mut get = vec!["s3api", "get-object", "--bucket", &self.bucket, "--key", key];
        get.extend(version.into_iter().flat_map(|version| ["--version-id", version]));
        get.push(&path);
        self.aws.call(get);
        serde_json::from_str(&self.project.workspace().read("object.json")).expect("JSON")
    }

    /// Every serial that the state ever had, the oldest first.
    #[track_caller]
    fn serials(&self) -> Vec<u64> {
        let key = "team/shared/state.json";
        let list = ["s3api", "list-object-versions", "--bucket", &self.bucket, "--prefix", key];
        let versions = self.aws.call(list);
        let versions = versions["Versions"].as_array().expect("a list").iter().rev();
        let mut serials: Vec<u64> = versions
            .map(|version| self.object(key, version["VersionId"].as_str()))
            // One without a state only has a fence.
            .filter_map(|state| state["serial"].as_u64())
            .collect();
        // A fence that is put into it makes a version, and no other state.
        serials.dedup();
        serials
    }

    fn apply(&self, value: &str) -> bfd_tests::Invocation {
        self.project.apply().args(["--var", &format!("value={value}")])
    }

    /// Applies as soon as the lock can be had.
    #[track_caller]
    fn apply_in_turn(&self, value: &str) -> Output {
        let began = Instant::now();
        loop {
            let output = self.apply(value).run();
            if output.code != Some(exit::LOCKED) {
                return output.succeeds();
            }
            assert!(began.elapsed() < PATIENCE, "the lock is held for ever\n{output}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    #[track_caller]
    fn nobody_holds_the_lock(&self) {
        self.project.bfd("unlock").run().succeeds().prints("nobody holds the lock\n");
        assert_eq!(self.object("team/shared/live.json", None)["lease"], Value::Null);
    }
}

#[test]
fn an_environment_lives_in_a_bucket_of_ministack_from_nothing_to_nothing() {
    lives(&Shared::on_ministack(3));
}

#[test]
fn an_environment_lives_in_a_bucket_of_moto_from_nothing_to_nothing() {
    lives(&Shared::on_moto(3));
}

#[track_caller]
fn lives(shared: &Shared) {
    let project = &shared.project;
    project.bfd("state pull").run().exits(exit::REFUSED).says("nothing is recorded in s3://");
    project.apply().run().succeeds();
    project.has_no_changes();
    assert_eq!(shared.serial(), 1);
    shared.apply("second").run().succeeds();
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    project.bfd("state list").run().succeeds().prints("parameter.p2");
    let runs = project.bfd("show").args(["--runs", "--format", "json"]).run().succeeds();
    assert_eq!(runs.json()["runs"].as_array().map(Vec::len), Some(2), "{runs}");
    project.bfd("show").args(["--run"]).run().succeeds().prints("applied");
    project.destroy().run().succeeds();
    assert_eq!(shared.serial(), 3);
    assert!(
        !project.workspace().path().join(".bfd").exists(),
        "nothing is kept beside the manifest"
    );
}

#[test]
fn a_state_moves_between_backends_and_back() {
    let shared = Shared::on_ministack(2);
    let project = &shared.project;
    project.apply().run().succeeds();
    let pulled = project.bfd("state pull").run().succeeds().stdout;
    project.workspace().write("pulled.json", &pulled);
    project.bfd("state push").arg("pulled.json").run().succeeds().prints("there already");

    // To a directory, and on from there.
    let in_bucket = project.workspace().read(project.manifest());
    let start = in_bucket.find("[state]").expect("a section");
    let end = in_bucket.find("[vars]").expect("a section");
    let local = format!("{}{}", &in_bucket[..start], &in_bucket[end..]);
    project.workspace().write(project.manifest(), &local);
    project.bfd("state push").arg("pulled.json").run().succeeds().prints("serial 1");
    project.has_no_changes();
    shared.apply("second").run().succeeds();
    assert_eq!(shared.serial(), 2);

    // And back; the older one is refused from then on.
    let newer = project.bfd("state pull").run().succeeds().stdout;
    project.workspace().write("newer.json", &newer);
    project.workspace().write(project.manifest(), &in_bucket);
    project.bfd("state push").arg("newer.json").run().succeeds().prints("serial 2");
    let refused = project.bfd("state push").arg("pulled.json").run().exits(exit::REFUSED);
    refused.says("has serial 1, the state is at 2").says("--force");
    let foreign = newer.replace("\"lineage\": \"", "\"lineage\": \"x");
    project.workspace().write("foreign.json", foreign);
    let refused = project.bfd("state push").arg("foreign.json").run().exits(exit::REFUSED);
    refused.says("another lineage");
    assert_eq!(shared.state(), serde_json::from_str::<Value>(&newer).expect("JSON"));
    project.plan().args(["--var", "value=second"]).run().succeeds().prints("No changes");
    let forced = project.bfd("state push").args(["pulled.json", "--force"]).run();
    forced.succeeds().prints("serial 3");
}

#[test]
fn eight_processes_lose_no_update_on_ministack_though_some_are_killed() {
    race(&Shared::on_ministack(9), 3);
}

#[test]
fn eight_processes_lose_no_update_on_moto_though_some_are_killed() {
    race(&Shared::on_moto(8), 2);
}

/// Eight processes at once change everything, several times; every fourth is killed on its way.
#[track_caller]
fn race(shared: &Shared, rounds: u64) {
    let applied = AtomicU32::new(0);
    thread::scope(|scope| {
        for lane in 0..8u64 {
            let applied = &applied;
            scope.spawn(move || {
                for round in 0..rounds {
                    let value = format!("{lane}-{round}");
                    if (lane + round) % 4 == 0 {
                        let moment = Duration::from_millis(150 + 173 * lane + 311 * round);
                        shared.apply(&value).spawn().kill_when(|elapsed| elapsed >= moment);
                    }
                    shared.apply_in_turn(&value);
                    applied.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    shared.nobody_holds_the_lock();
    let serials = shared.serials();
    let expected: Vec<u64> = (1..=serials.len() as u64).collect();
    assert_eq!(serials, expected);
    // A process that was killed adds at most the run that another one finished.
    let applied = applied.into_inner() as usize;
    assert!(serials.len() >= applied, "{} of {applied}", serials.len());
    let state = shared.state();
    let resources = state["resources"].as_object().expect("resources").values();
    let values: Vec<&Value> = resources.map(|resource| &resource["inputs"]["value"]).collect();
    assert!(values.iter().all(|value| *value == values[0]), "one update: {values:?}");
    let last = values[0].as_str().expect("a value");
    shared.project.plan().args(["--var", &format!("value={last}")]).run().succeeds();
}

#[test]
fn a_frozen_owner_that_wakes_up_is_refused() {
    let (shared, proxy) = Shared::behind_a_proxy(3);
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(2)).times(3)]);
    let frozen = shared.apply("late").args(["--parallelism", "1"]).spawn();
    until_hit(&proxy);
    signal(frozen.process_id(), "STOP");
    let held = shared.project.bfd("unlock").run().exits(exit::LOCKED);
    held.says("its last sign of life was").says("leaves run");
    let next = shared.apply_in_turn("early");
    next.says("finishing it first");
    assert_eq!(shared.serial(), 2);

    signal(frozen.process_id(), "CONT");

    let late = frozen.wait().exits(exit::LOCKED);
    late.says("the lock was taken over by").says("records nothing any more");
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    let plan = shared.project.plan().args(["--var", "value=early"]).run();
    assert!(matches!(plan.code, Some(exit::DONE | exit::CHANGES)), "{plan}");
}

#[test]
fn a_lock_that_was_broken_is_free_and_its_owner_refused() {
    let (shared, proxy) = Shared::behind_a_proxy(2);
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(3))]);
    let owner = shared.apply("late").args(["--parallelism", "1"]).spawn();
    until_hit(&proxy);
    let broken = shared.project.bfd("unlock").arg("--force").run().succeeds();
    broken.prints("the lock is free").says("bfd recover");
    owner.wait().exits(exit::LOCKED).says("the lock was taken over by");
    shared.project.bfd("recover").run().succeeds();
    shared.project.plan().args(["--var", "value=late"]).run().succeeds();
    assert_eq!(shared.serials(), [1]);
}

#[test]
fn lost_answers_of_every_write_of_the_state_do_not_show() {
    let (shared, proxy) = Shared::behind_a_proxy(4);
    for (number, object) in ["live.json", "plans/", "state.json", "runs/"].into_iter().enumerate() {
        let fault = Fault::lost_answer(&format!("PUT /{}/team/shared/{object}", shared.bucket));
        // live.json: to lock, to begin, twice to append, to close, to let go.
        let times = if object == "live.json" { 6 } else { 1 };
        proxy.inject((0..times).map(|after| fault.clone().after(after * 2)));
        shared.apply(&format!("value-{number}")).run().succeeds();
        assert!(!proxy.injected().is_empty(), "{object}: {:#?}", proxy.requests());
        proxy.inject([]);
        assert_eq!(shared.serial(), number as u64 + 1, "{object}");
        shared.nobody_holds_the_lock();
    }
    assert_eq!(shared.serials(), [1, 2, 3, 4]);
}

#[test]
fn after_a_kill_at_any_request_the_next_apply_makes_a_state_in_a_bucket_right() {
    let count = {
        let (shared, proxy) = Shared::behind_a_proxy(4);
        shared.apply("whole").run().succeeds();
        u64::try_from(proxy.requests().len()).expect("a few")
    };
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let (shared, proxy) = Shared::behind_a_proxy(4);
                loop {
                    let number = u64::from(next.fetch_add(1, Ordering::Relaxed));
                    if number >= count {
                        return;
                    }
                    // Half of them have been carried out when the process ends.
                    let held = if number % 2 == 0 {
                        Fault::held_answer("")
                    } else {
                        Fault::held_request("")
                    };
                    proxy.inject([held.after(number)]);
                    let value = format!("killed-{number}");
                    let killed = shared.apply(&value).spawn().kill_when(|_| proxy.is_holding());
                    proxy.inject([]);
                    let after = shared.apply_in_turn(&value);
                    assert!(
                        killed.signal == Some(9) || killed.code == Some(0),
                        "{killed}\n{after}"
                    );
                    shared
                        .project
                        .plan()
                        .args(["--var", &format!("value={value}")])
                        .run()
                        .succeeds();
                    shared.nobody_holds_the_lock();
                    let serials = shared.serials();
                    let expected: Vec<u64> = (1..=serials.len() as u64).collect();
                    assert_eq!(serials, expected, "killed at request {number}");
                }
            });
        }
    });
}

#[test]
fn a_bucket_that_is_not_there_is_said_with_what_makes_it() {
    let shared = Shared::on_ministack(1);
    let declared = format!("bucket = \"{}\"", shared.bucket);
    shared.project.change(&declared, "bucket = \"nobody-made-this\"");
    let refused = shared.project.apply().run().exits(exit::REFUSED);
    refused.says("s3://nobody-made-this/team/shared/").says("NoSuchBucket").says("create-bucket");
}

#[track_caller]
fn until_hit(proxy: &FaultProxy) {
    let begun = Instant::now();
    while proxy.injected().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", proxy.requests());
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}
