//! An environment whose image is built here, pushed and run, on a machine without Docker.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use bfd_tests::{
    AwsCli, FaultProxy, Invocation, Ministack, Output, Project, Workspace, emulators::ACCOUNT,
};
use serde_json::Value;

/// What a program of the image is made of, at first.
pub(super) const FIRST: &str = "first\n";

/// For `skopeo` on a machine that has no policy of signatures.
pub(super) const PORTABLE: [&str; 1] = ["--insecure-policy"];

/// One service that runs an image which is made here, and one that runs another's, which waits
/// for the image all the same: when it fails, the image has been pushed.
///
/// The registry of ministack knows the repositories of one account only, so names tell these
/// environments apart.
pub(super) struct Dock {
    pub(super) project: Project,
    /// Of the environment, and of all that it has.
    pub(super) name: String,
    port: u16,
}

impl Dock {
    /// The image is built from `app`, a directory with a Dockerfile.
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::at(Ministack::shared().port(), &unused_name("dock"))
    }

    /// The same, with faults to come in front of ministack.
    #[track_caller]
    pub(super) fn behind_a_proxy() -> (Self, FaultProxy) {
        let proxy = FaultProxy::in_front_of(Ministack::shared());
        (Self::at(proxy.port(), &unused_name("dock")), proxy)
    }

    #[track_caller]
    fn at(port: u16, name: &str) -> Self {
        let project = Project::new(name, &manifest(name));
        let workspace = project.workspace();
        workspace.write("app/Dockerfile", "FROM scratch\nCOPY program /program\n");
        workspace.write("app/program", FIRST);
        workspace.write("app/.dockerignore", "notes\n");
        let project = project.against(format!("http://127.0.0.1:{port}"), ACCOUNT).with_a_builder();
        Self { project, name: name.to_owned(), port: Ministack::shared().port() }
    }

    /// Deploys it as it is declared first.
    #[track_caller]
    pub(super) fn deployed(self) -> Self {
        self.project.apply().run().succeeds();
        self
    }

    /// Sets another variable for every command.
    pub(super) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { project: self.project.with(name, value), ..self }
    }

    /// Replaces what `[image.web]` says of its content and place.
    #[track_caller]
    pub(super) fn image_is(&self, lines: &str) {
        let text = self.project.workspace().read("manifest.toml");
        let (before, rest) = text.split_once("[image.web]\n").expect("an image");
        let (_, after) = rest.split_once("\n\n").expect("more than an image");
        let text = format!("{before}[image.web]\n{}\n\n{after}", lines.trim());
        self.project.workspace().write("manifest.toml", text);
    }

    /// Makes another image of it.
    #[track_caller]
    pub(super) fn program_is(&self, text: &str) {
        self.project.workspace().write("app/program", text);
    }

    /// The digest that is recorded.
    #[track_caller]
    pub(super) fn digest(&self) -> String {
        let state = self.project.state();
        let digest = &state["resources"]["image.web"]["outputs"]["digest"];
        digest.as_str().unwrap_or_else(|| panic!("no digest: {state}")).to_owned()
    }

    /// What the task definition of a service says its container runs.
    #[track_caller]
    pub(super) fn runs(&self, service: &str) -> String {
        let aws = aws();
        let name = format!("{}-{service}", self.name);
        let describe = ["ecs", "describe-services", "--cluster", &self.name, "--services", &name];
        let described = aws.call(describe);
        let revision = described["services"][0]["taskDefinition"].as_str().expect("a revision");
        let describe = ["ecs", "describe-task-definition", "--task-definition", revision];
        let described = aws.call(describe);
        let image = &described["taskDefinition"]["containerDefinitions"][0]["image"];
        image.as_str().expect("an image").to_owned()
    }

    /// The revision that a service runs.
    #[track_caller]
    pub(super) fn revision(&self, service: &str) -> String {
        let name = format!("{}-{service}", self.name);
        let describe = ["ecs", "describe-services", "--cluster", &self.name, "--services", &name];
        let described = aws().call(describe);
        described["services"][0]["taskDefinition"].as_str().expect("a revision").to_owned()
    }

    /// Every image of the repository, as `DIGEST TAG…`.
    #[track_caller]
    pub(super) fn pushed(&self) -> BTreeSet<String> {
        pushed_to(&self.name)
    }

    /// What another client reads under a tag or digest of the repository.
    #[track_caller]
    pub(super) fn skopeo(&self, at: &str) -> Output {
        let name = format!("docker://127.0.0.1:{}/{}{at}", self.port, self.name);
        let workspace = self.project.workspace();
        workspace.command("skopeo").args(["inspect", "--tls-verify=false", &name]).run()
    }

    /// Takes an image with all its platforms out of the repository, into a layout.
    #[track_caller]
    pub(super) fn pull(&self, at: &str, into: &str) {
        let to = format!("oci:{into}:image");
        self.copy(&["--all", "--preserve-digests", "--src-tls-verify=false"], at, &to);
    }

    /// The same of one platform.
    #[track_caller]
    pub(super) fn pull_for(&self, architecture: &str, at: &str, into: &str) {
        let to = format!("oci:{into}:image");
        self.copy(&["--src-tls-verify=false", "--override-arch", architecture], at, &to);
    }

    /// Copies an image to another repository of the registry, with another client.
    #[track_caller]
    pub(super) fn copy_to(&self, digest: &str, to: &str) {
        let to = format!("docker://127.0.0.1:{}/{to}", self.port);
        let options = ["--all", "--src-tls-verify=false", "--dest-tls-verify=false"];
        self.copy(&options, &format!("@{digest}"), &to);
    }

    #[track_caller]
    fn copy(&self, options: &[&str], at: &str, to: &str) {
        let from = format!("docker://127.0.0.1:{}/{}{at}", self.port, self.name);
        if let Some(path) = to.strip_prefix("oci:") {
            let path = self.project.workspace().path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        }
        let command = self.project.workspace().command("skopeo").args(PORTABLE).arg("copy");
        command.args(options).args([&from, to]).run().succeeds();
    }

    /// What another client reads of the configuration of an image.
    #[track_caller]
    pub(super) fn skopeo_config(&self, at: &str) -> Value {
        let name = format!("docker://127.0.0.1:{}/{}{at}", self.port, self.name);
        let arguments = ["inspect", "--config", "--tls-verify=false", &name];
        self.project.workspace().command("skopeo").args(arguments).run().succeeds().json()
    }

    /// Prepares `bfd` with other arguments in the same environment.
    #[track_caller]
    pub(super) fn in_environment(&self, arguments: &[&str]) -> Invocation {
        self.project.in_environment(self.project.workspace().bfd(arguments))
    }

    /// Asserts that a build or push left nothing on this machine.
    #[track_caller]
    pub(super) fn is_clean(&self) {
        assert_eq!(self.stored("images"), "", "in the builder's store");
        assert_eq!(self.stored("containers"), "", "in the builder's store");
        assert_eq!(self.temporary(), [""; 0]);
    }

    /// What the builder has in its store.
    #[track_caller]
    pub(super) fn stored(&self, what: &str) -> String {
        let command = self.builder().args([what, "--all", "--quiet"]);
        command.run().succeeds().stdout
    }

    fn builder(&self) -> Invocation {
        let workspace = self.project.workspace();
        let config = workspace.home().join("storage.conf");
        workspace
            .command("buildah")
            .env("CONTAINERS_STORAGE_CONF", config)
            .env("STORAGE_DRIVER", "vfs")
            .env("BUILDAH_ISOLATION", "chroot")
    }

    /// What is left in the directory for temporary files.
    #[track_caller]
    pub(super) fn temporary(&self) -> Vec<String> {
        let mut names = names(&self.project.workspace().home());
        // The builder's own, and what it keeps its configuration in.
        names.retain(|name| {
            !["store", "run", "storage.conf", ".config", ".local"].contains(&&**name)
        });
        names
    }
}

/// Every image of a repository, as `DIGEST TAG…`.
#[track_caller]
pub(super) fn pushed_to(repository: &str) -> BTreeSet<String> {
    let answer = aws().call(["ecr", "describe-images", "--repository-name", repository]);
    let images = answer["imageDetails"].as_array().expect("images");
    let image = |image: &Value| {
        let tags = image["imageTags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(Value::as_str);
        let digest = image["imageDigest"].as_str().expect("a digest");
        [digest].into_iter().chain(tags).collect::<Vec<_>>().join(" ")
    };
    images.iter().map(image).collect()
}

/// What is in a file that is packed, or nothing.
#[track_caller]
pub(super) fn unpacked(file: &str) -> Vec<u8> {
    let output = std::process::Command::new("gzip").args(["-dc", file]).output();
    output.expect("gzip is installed").stdout
}

/// The AWS CLI on ministack, in the account whose repositories its registry knows.
pub(super) fn aws() -> AwsCli {
    AwsCli::new(Ministack::shared().url()).in_account(ACCOUNT)
}

/// A name that nothing else has in the account.
pub(super) fn unused_name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{what}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A shell and what it needs, out of this machine: no registry can be reached.
#[track_caller]
pub(super) fn add_shell(workspace: &Workspace) {
    let programs = ["/bin/sh", "/bin/cat", "/bin/sleep"];
    let listed = workspace.command("ldd").args(programs).run().succeeds().stdout;
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let libraries = libraries.filter(|word| !word.ends_with(':'));
    for file in libraries.chain(programs) {
        let to = workspace.path().join("app/root").join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a directory")).expect("a directory can be made");
        fs::copy(file, to).expect("a file can be copied");
    }
}

#[track_caller]
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

fn manifest(name: &str) -> String {
    format!(
        r#"[environment]
name = "{name}"
account = "{ACCOUNT}"
region = "ap-southeast-1"

[provider]
kind = "aws"

[repository.web]
name = "{name}"

[image.web]
repository = "web"
context = "app"

[cluster.main]
name = "{name}"

[service.web]
name = "{name}-web"
cluster = "main"
execution_role = "arn:aws:iam::{ACCOUNT}:role/pulls"
desired_count = 1
cpu = 256
memory = 512
network = {{ subnets = ["subnet-0a1b2c3d"] }}

[service.web.container.web]
image = "${{image.web}}"
port = 8080

[service.other]
name = "{name}-other"
cluster = "main"
depends_on = ["image.web"]
desired_count = 1
cpu = 256
memory = 512
network = {{ subnets = ["subnet-0a1b2c3d"] }}

[service.other.container.web]
image = "nginx:first"
port = 8080
"#
    )
}
