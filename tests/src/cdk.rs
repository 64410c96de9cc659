//! The CDK's CLI, which deploys what bfd reads.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bfd::Workspace;
use crate::command::Invocation;
use crate::emulators::{ACCOUNT, REGION};
use crate::project;
use crate::tools::{self, Tools, emulator_script};

/// The stack that [`Cdk::bootstrap`] makes.
pub const BOOTSTRAP: &str = "CDKToolkit";
/// What a deployment may take on a machine that is busy compiling.
const DEADLINE: Duration = Duration::from_mins(5);
/// The CDK's CLI takes every stack with this pattern, those of stages too.
const ALL: &str = "**";

/// The CDK's CLI against one endpoint, in the account and region of the fixture.
#[derive(Debug)]
pub struct Cdk {
    workspace: Workspace,
    endpoint: String,
}

impl Cdk {
    /// # Panics
    /// When the test tools are not installed.
    #[track_caller]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Tools::find().cdk();
        Self { workspace: Workspace::new(), endpoint: endpoint.into() }
    }

    /// Prepares to make what every deployment needs: the stack [`BOOTSTRAP`].
    #[track_caller]
    pub fn bootstrap(&self) -> Invocation {
        self.invocation("bootstrap").arg(format!("aws://{ACCOUNT}/{REGION}"))
    }

    /// Prepares to deploy all stacks of an assembly, into which the CLI writes: give it a copy.
    #[track_caller]
    pub fn deploy(&self, assembly: &Path) -> Invocation {
        self.deploy_only(assembly, &[ALL])
    }

    /// The same of the stacks that some patterns name, and of those that they wait for.
    #[track_caller]
    pub fn deploy_only(&self, assembly: &Path, patterns: &[&str]) -> Invocation {
        self.of_assembly("deploy", assembly, patterns).args([
            "--require-approval",
            "never",
            "--concurrency",
            "10",
        ])
    }

    /// Prepares to delete all stacks of an assembly.
    #[track_caller]
    pub fn destroy(&self, assembly: &Path) -> Invocation {
        self.of_assembly("destroy", assembly, &[ALL]).arg("--force")
    }

    #[track_caller]
    fn of_assembly(&self, command: &str, assembly: &Path, patterns: &[&str]) -> Invocation {
        // The CLI takes what is no directory for a command to run.
        assert!(assembly.is_dir(), "no assembly at {}", assembly.display());
        self.invocation(command).args(patterns).arg("--app").arg(assembly)
    }

    #[track_caller]
    fn invocation(&self, command: &str) -> Invocation {
        self.workspace
            .command(tools::node())
            .arg(Tools::find().cdk())
            .args([command, "--no-notices"])
            .endpoint(&self.endpoint)
            .env("CI", "true")
            .env("CDK_DISABLE_CLI_TELEMETRY", "true")
            .env("CDK_DISABLE_VERSION_CHECK", "1")
            // ministack has no error for a tag that is not there, so the CLI builds no image. Should
            // it try to, it fails.
            .env("CDK_DOCKER", self.workspace.home().join("no-docker"))
            .within(DEADLINE)
    }
}

/// The bucket in which it keeps file assets.
pub fn asset_bucket() -> String {
    format!("cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")
}

/// The repository in which it keeps image assets.
pub fn asset_repository() -> String {
    format!("cdk-hnb659fds-container-assets-{ACCOUNT}-{REGION}")
}

/// Puts an assembly of `tests/fixtures/cdk` in the place of what is at `to` in a workspace.
///
/// # Panics
/// When there is none of that name.
#[track_caller]
pub fn place_assembly(name: &str, workspace: &Workspace, to: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cdk");
    let to = workspace.path().join(to);
    if to.exists() {
        fs::remove_dir_all(&to).expect("a directory can be removed");
    }
    project::copy(&fixtures.join(name), &to);
}

/// What the stacks of the account are and have made, see `tests/emulators/read_stacks.py`.
#[track_caller]
pub fn read_stacks(workspace: &Workspace, endpoint: &str) -> Value {
    workspace
        .command(Tools::find().python())
        .arg(emulator_script("read_stacks.py"))
        .args(["--endpoint", endpoint, "--bucket", &asset_bucket()])
        .run()
        .succeeds()
        .json()
}
