//! State in a bucket, on two servers that were not written here.

mod costs;
mod faults;
mod locks;
mod refusals;
mod whole;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bfd_tests::emulators::{ACCOUNT, REGION, new_account};
use bfd_tests::{AwsCli, Fault, FaultProxy, Ministack, Moto, Output, Project, Running, exit, wait};
use serde_json::Value;

use crate::history::runs;

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

    fn on_moto_behind_a_proxy(count: usize) -> (Self, FaultProxy) {
        let proxy = FaultProxy::in_front_of(Moto::shared());
        (Self::at(&proxy.url(), &Moto::shared().url(), ACCOUNT, count), proxy)
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

    /// Everything that was ever written, by key and version.
    #[track_caller]
    fn every_version(&self) -> BTreeMap<String, String> {
        let listed = self.aws.call(["s3api", "list-object-versions", "--bucket", &self.bucket]);
        let file = self.project.workspace().path().join("version");
        let path = file.display().to_string();
        let versions = listed["Versions"].as_array().expect("a list").iter();
        let texts = versions.map(|version| {
            let of = |name: &str| version[name].as_str().expect("text").to_owned();
            let (key, id) = (of("Key"), of("VersionId"));
            let get = ["s3api", "get-object", "--bucket", &self.bucket, "--key", &key];
            self.aws.call(get.into_iter().chain(["--version-id", &id, &path]));
            (format!("{key} {id}"), self.project.workspace().read("version"))
        });
        texts.collect()
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
        let patience = format!("{}s", PATIENCE.as_secs());
        let apply = self.apply(value).args(["--lock-timeout", &patience]);
        apply.within(PATIENCE * 2).run().succeeds()
    }

    #[track_caller]
    fn nobody_holds_the_lock(&self) {
        self.project.bfd("unlock").run().succeeds().prints("nobody holds the lock\n");
        assert_eq!(self.object("team/shared/live.json", None)["lease"], Value::Null);
    }
}

#[track_caller]
fn until_hit(proxy: &FaultProxy) {
    wait::until("the fault", PATIENCE, || (!proxy.injected().is_empty()).then_some(()));
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}
