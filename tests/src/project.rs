//! An environment in a directory of its own, and what its files say.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bfd::Workspace;
use crate::command::Invocation;
use crate::sandbox::SandboxServer;

/// A workspace with one manifest that its commands are about.
#[derive(Debug)]
pub struct Project {
    workspace: Workspace,
    manifest: String,
    environment: String,
    variables: Vec<(&'static str, String)>,
}

impl Project {
    /// A workspace with `manifest.toml`, for an environment of that name.
    #[track_caller]
    pub fn new(environment: &str, manifest: &str) -> Self {
        let workspace = Workspace::new();
        workspace.write("manifest.toml", manifest);
        Self::in_workspace(workspace, "manifest.toml".to_owned(), environment)
    }

    /// The repository's own `environments/`, copied; commands are about one of them.
    #[track_caller]
    pub fn of_repository(environment: &str) -> Self {
        let workspace = Workspace::new();
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("environments");
        copy(&own, &workspace.path().join("environments"));
        Self::in_workspace(workspace, format!("environments/{environment}.toml"), environment)
    }

    fn in_workspace(workspace: Workspace, manifest: String, environment: &str) -> Self {
        Self { workspace, manifest, environment: environment.into(), variables: Vec::new() }
    }

    /// Sets an environment variable for every command.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Sends every command's requests to an emulator, in an account of it.
    #[must_use]
    pub fn against(self, url: impl Into<String>, account: &str) -> Self {
        self.with("AWS_ENDPOINT_URL", url).with("AWS_ACCESS_KEY_ID", account)
    }

    /// Lets every command build images, with a store of the builder that is this test's alone.
    #[must_use]
    #[track_caller]
    pub fn with_a_builder(self) -> Self {
        let home = self.workspace.home();
        let config = home.join("storage.conf");
        let [store, run] = ["store", "run"].map(|name| home.join(name).display().to_string());
        let text =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{store}\"\nrunroot = \"{run}\"\n");
        fs::write(&config, text).expect("a file can be written");
        self.with("CONTAINERS_STORAGE_CONF", config.display().to_string())
            .with("STORAGE_DRIVER", "vfs")
            .with("BUILDAH_ISOLATION", "chroot")
    }

    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The manifest, relative to the directory where commands run.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// Prepares `bfd COMMAND… MANIFEST`.
    #[track_caller]
    pub fn bfd(&self, command: &str) -> Invocation {
        let invocation = self.workspace.bfd(command.split(' ')).arg(&self.manifest);
        self.in_environment(invocation)
    }

    /// Gives a command the variables of all commands.
    pub fn in_environment(&self, invocation: Invocation) -> Invocation {
        self.variables
            .iter()
            .fold(invocation, |invocation, (name, value)| invocation.env(name, value))
    }

    /// Prepares `bfd apply MANIFEST --yes`.
    #[track_caller]
    pub fn apply(&self) -> Invocation {
        self.bfd("apply").arg("--yes")
    }

    /// Prepares `bfd destroy MANIFEST --yes`.
    #[track_caller]
    pub fn destroy(&self) -> Invocation {
        self.bfd("destroy").arg("--yes")
    }

    /// Prepares `bfd plan MANIFEST --detailed-exitcode`.
    #[track_caller]
    pub fn plan(&self) -> Invocation {
        self.bfd("plan").arg("--detailed-exitcode")
    }

    /// Asserts that a plan finds everything as declared.
    #[track_caller]
    pub fn has_no_changes(&self) {
        self.plan().run().succeeds().prints("No changes");
    }

    /// The plan, for programs.
    #[track_caller]
    pub fn plan_json(&self) -> Value {
        self.bfd("plan").args(["--format", "json"]).run().succeeds().json()
    }

    /// Replaces one text of a file, which must be there once.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.workspace.read(file);
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}:\n{text}");
        self.workspace.write(file, text.replace(from, to));
    }

    /// Replaces one text of the manifest.
    #[track_caller]
    pub fn change(&self, from: &str, to: &str) {
        self.edit(&self.manifest, from, to);
    }

    /// A file of the environment, such as `state.json`, relative to where commands run.
    pub fn state_file(&self, name: &str) -> String {
        format!("{}/{name}", self.beside_manifest(&self.environment))
    }

    /// The recorded state.
    #[track_caller]
    pub fn state(&self) -> Value {
        json(&self.workspace.read(self.state_file("state.json")))
    }

    /// Everything that the embedded AWS has.
    #[track_caller]
    pub fn world(&self) -> Value {
        json(&self.workspace.read(self.world_file()))["world"].take()
    }

    /// Where the embedded AWS keeps what it has.
    pub fn world_file(&self) -> String {
        self.beside_manifest("sandbox/world.json")
    }

    /// Serves the embedded AWS.
    #[track_caller]
    pub fn serve(&self) -> SandboxServer {
        SandboxServer::start(self.bfd("sandbox serve").args(["--port", "0"]))
    }

    fn beside_manifest(&self, file: &str) -> String {
        match self.manifest.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/.bfd/{file}"),
            None => format!(".bfd/{file}"),
        }
    }
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Copies a directory, without what is hidden: state that somebody made there by hand.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("a directory can be read") {
        let entry = entry.expect("a directory can be read");
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
