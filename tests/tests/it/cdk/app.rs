//! The application of the fixture in an account that has nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use bfd_tests::cdk::{self, BOOTSTRAP};
use bfd_tests::emulators::ACCOUNT;
use bfd_tests::{AwsCli, Cdk, FaultProxy, Ministack, Output, Project, http};
use serde_json::{Value, json};

use crate::harbor::tell;
use crate::world::{changes, list};

/// The first release, and the one after it.
pub(super) const FIRST: &str = "cdk.out";
pub(super) const SECOND: &str = "cdk.out.changed";

/// The stacks of the first release, by their names in CloudFormation.
pub(super) const STACKS: [&str; 15] = [
    "Preview-Inbox",
    "Preview-Notes",
    "bellyfed-cdk-access",
    "bellyfed-cdk-cluster",
    "bellyfed-cdk-data",
    "bellyfed-cdk-functions",
    "bellyfed-cdk-kitchen",
    "bellyfed-cdk-messaging",
    "bellyfed-cdk-monitoring",
    "bellyfed-cdk-network",
    "bellyfed-cdk-portable",
    "bellyfed-cdk-roles",
    "bellyfed-cdk-settings",
    "bellyfed-cdk-settings-reader",
    "bellyfed-cdk-worker",
];

/// Where the assembly is, beside the manifest.
const DIRECTORY: &str = "assembly";
const MANIFEST: &str = r#"[environment]
name = "bellyfed"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "aws"

[assembly.app]
path = "assembly"
"#;

/// The application, and an account with what the CDK needs in it.
///
/// The account's number is in the assembly, so each has a server of its own.
pub(super) struct App {
    pub(super) project: Project,
    pub(super) cdk: Cdk,
    // Dropped before the server that it stands before.
    proxy: FaultProxy,
    ministack: Ministack,
}

impl App {
    /// The first release, not deployed yet.
    #[track_caller]
    pub(super) fn new() -> Self {
        let ministack = Ministack::start();
        let proxy = FaultProxy::in_front_of(&ministack);
        let project =
            Project::new("bellyfed", MANIFEST).against(proxy.url(), ACCOUNT).with_a_builder();
        let app = Self { cdk: Cdk::new(proxy.url()), project, proxy, ministack };
        app.release(FIRST);
        app.cdk.bootstrap().run().succeeds();
        app
    }

    /// Puts a release in the place of the one before.
    #[track_caller]
    pub(super) fn release(&self, name: &str) {
        cdk::place_assembly(name, self.project.workspace(), DIRECTORY);
    }

    /// The directory of the release.
    pub(super) fn assembly(&self) -> PathBuf {
        self.project.workspace().path().join(DIRECTORY)
    }

    /// Writes the manifest anew, which ends with `[assembly.app]` and then these lines.
    #[track_caller]
    pub(super) fn manifest_goes_on(&self, lines: &str) {
        self.project.workspace().write(self.project.manifest(), format!("{MANIFEST}{lines}\n"));
    }

    /// The AWS CLI in the account.
    #[track_caller]
    pub(super) fn aws(&self) -> AwsCli {
        AwsCli::new(self.ministack.url())
    }

    /// What the stacks of the account are and have made.
    #[track_caller]
    pub(super) fn seen(&self) -> Value {
        cdk::read_stacks(self.project.workspace(), &self.ministack.url())
    }

    /// What a parameter holds.
    #[track_caller]
    pub(super) fn parameter(&self, name: &str) -> String {
        let request = json!({ "Name": name });
        let answer = http::call_in_account(
            self.ministack.port(),
            ACCOUNT,
            "AmazonSSM.GetParameter",
            &request,
        );
        answer["Parameter"]["Value"].as_str().expect("a value").to_owned()
    }

    /// The stacks that exist besides the bootstrap stack and those that are nested.
    #[track_caller]
    pub(super) fn stacks(&self) -> BTreeSet<String> {
        let answer = self.aws().call(["cloudformation", "list-stacks"]);
        let stacks = list(&answer["StackSummaries"]).iter();
        let exist = stacks.filter(|stack| stack["StackStatus"] != "DELETE_COMPLETE");
        let names = exist.filter_map(|stack| stack["StackName"].as_str());
        let own = names.filter(|name| *name != BOOTSTRAP && !name.contains("NestedStack"));
        own.map(str::to_owned).collect()
    }

    /// Asserts that the CDK's CLI, which has deployed, left each of some stacks as it was.
    #[track_caller]
    pub(super) fn cdk_left(output: &Output, stacks: &[&str]) {
        // Of each it prints a line such as `✅  Data (bellyfed-cdk-data) (no changes)`, and of a
        // stack whose display name is that in CloudFormation the latter alone.
        let lines = output.stdout.lines().chain(output.stderr.lines());
        let left = lines.filter(|line| line.ends_with("(no changes)")).count();
        assert_eq!(left, stacks.len(), "{output}");
    }

    /// Runs a command, and notes what it cost.
    #[track_caller]
    pub(super) fn cost(&self, command: impl FnOnce() -> Output) -> Cost {
        self.proxy.inject([]);
        let output = command();
        let requests = self.proxy.requests();
        tell(&format!("{output}"));
        tell(&format!("{:#?}", tally(&requests)));
        Cost { elapsed: output.elapsed, requests: requests.len() }
    }

    /// What a plan does with stacks, as `ACTION STACK`, without what it does besides.
    #[track_caller]
    pub(super) fn planned(&self) -> BTreeSet<String> {
        planned(&self.project.plan_json())
    }
}

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) elapsed: Duration,
    pub(super) requests: usize,
}

/// How often each operation was called, by its first word: `CreateChangeSet`, or `PUT` of S3.
fn tally(requests: &[String]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for request in requests {
        *tally.entry(request.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    tally
}

/// What a plan does with stacks, as `ACTION STACK`.
#[track_caller]
pub(super) fn planned(plan: &Value) -> BTreeSet<String> {
    let of_stack = |change: String| {
        let (action, address) = change.split_once(' ')?;
        let stack = address.strip_prefix("stack.app/")?;
        Some(format!("{action} {stack}"))
    };
    changes(plan).into_iter().filter_map(of_stack).collect()
}

/// What was said, without the ends of lines, which are as wide as the terminal.
pub(super) fn said(output: &Output) -> String {
    output.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `ACTION STACK` of each.
pub(super) fn each(action: &str, stacks: &[&str]) -> BTreeSet<String> {
    stacks.iter().map(|stack| format!("{action} {stack}")).collect()
}
