//! The builders of other projects, run as child processes.
//!
//! Each takes a [`Build`] and leaves an OCI layout. What a build needs beside it (working
//! containers, images in a local store, temporary files) is gone afterwards, however it ended.

mod buildah;
mod buildx;
mod output;
mod process;

use crate::{Build, BuilderKind, ImageError, Layout, files::settle};
use output::Secrets;
use process::{Job, Output};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// How long a builder may take to say what it is.
const ANSWER: Duration = Duration::from_secs(30);

/// Where programs are looked for, and what their environment is.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// Directories as in `PATH`. By default the process's own.
    pub path: Option<OsString>,
    /// Added to the process's own environment, which builders inherit.
    pub env: BTreeMap<OsString, OsString>,
}

/// A builder that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    pub kind: BuilderKind,
    /// What it says of itself: `buildah version 1.28.2`.
    pub version: String,
}

/// Finds the builder: the chosen one, else the first of docker buildx, buildah and podman that
/// works. The error says of each why not.
pub async fn detect(chosen: Option<BuilderKind>, tools: &Tools) -> Result<Builder, ImageError> {
    let kinds = chosen.map_or(BuilderKind::ALL.to_vec(), |kind| vec![kind]);
    let mut reasons = Vec::new();
    for kind in kinds {
        match check(kind, tools).await {
            Ok(version) => return Ok(Builder { kind, version }),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(ImageError::NoBuilder { reasons })
}

/// The name of a directory for all that a build leaves.
const PLACE: &str = ".bfd-build-";

/// Removes what builds whose process died have in the local stores of builders. `into` is where
/// they were to leave their image. Whether nothing stayed.
pub(crate) async fn clean_after(into: &Path, tools: &Tools) -> bool {
    let entries = std::fs::read_dir(into).into_iter().flatten().flatten();
    let places = entries.filter(|it| it.file_name().to_string_lossy().starts_with(PLACE));
    let mut is_clean = true;
    for place in places {
        for kind in [BuilderKind::Buildah, BuilderKind::Podman] {
            if check(kind, tools).await.is_ok() {
                is_clean &= buildah::clean_after(kind, tools, &place.path()).await;
            }
        }
    }
    is_clean
}

/// What a builder says of itself, or why it cannot be used.
async fn check(kind: BuilderKind, tools: &Tools) -> Result<String, String> {
    let version = match kind {
        BuilderKind::Docker => ask(tools, kind, &["buildx", "version"]).await?,
        BuilderKind::Buildah | BuilderKind::Podman => ask(tools, kind, &["--version"]).await?,
    };
    if kind == BuilderKind::Docker {
        ask(tools, kind, &["version", "--format={{.Server.Version}}"])
            .await
            .map_err(|reason| format!("{reason} (is the daemon running?)"))?;
        check_driver(tools).await?;
    }
    Ok(version)
}

/// Buildx's `docker` driver writes images to files only with the containerd image store.
///
/// Source: "Docker driver" and "containerd image store" in Docker's manual.
async fn check_driver(tools: &Tools) -> Result<(), String> {
    let builder = answer(tools, BuilderKind::Docker, &["buildx", "inspect"]).await?;
    let driver = builder.iter().find_map(|line| line.strip_prefix("Driver:"));
    if driver.map(str::trim) != Some("docker") {
        return Ok(());
    }
    let store = ["info", "--format={{.DriverStatus}}"];
    let store = ask(tools, BuilderKind::Docker, &store).await?;
    if store.contains("io.containerd.snapshotter") {
        return Ok(());
    }
    Err(ImageError::Driver { output: Vec::new() }.to_string())
}

/// The first line of an answer.
async fn ask(tools: &Tools, kind: BuilderKind, args: &[&str]) -> Result<String, String> {
    let mut lines = answer(tools, kind, args).await?;
    Ok(lines.swap_remove(0))
}

/// The lines of an answer; there is at least one.
async fn answer(tools: &Tools, kind: BuilderKind, args: &[&str]) -> Result<Vec<String>, String> {
    let command = format!("{kind} {}", args.join(" "));
    let job = Job::new(tools, kind.as_str(), args);
    let none = Secrets::default();
    let mut ignore = |_: &str| {};
    let never = std::pin::pin!(std::future::pending());
    let run = job.run(&none, &mut ignore, never);
    match tokio::time::timeout(ANSWER, run).await {
        Ok(Ok(output)) if output.lines.is_empty() => Err(format!("`{command}` says nothing")),
        Ok(Ok(output)) => Ok(output.lines),
        Ok(Err(ImageError::Start { source, .. }))
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Err(format!("`{kind}` is not installed"))
        }
        Ok(Err(ImageError::Start { source, .. })) => Err(format!("`{kind}`: {source}")),
        Ok(Err(ImageError::Failed { status, output, .. })) => {
            Err(format!("`{command}`: {}", output.first().unwrap_or(&status)))
        }
        Ok(Err(error)) => Err(format!("`{command}`: {error}")),
        Err(_) => Err(format!("`{command}` did not answer within {} s", ANSWER.as_secs())),
    }
}

/// Builds an image into a layout in the directory `into`.
///
/// `secrets` has a value for each id of the build's; values are handed on in the environment of
/// the builder, and are in no line of `progress` and in no error. When `cancelled` becomes
/// ready the builder is told to end, ended after ten seconds, and cleaned up after.
/// A build that is dropped is ended at once, without the cleaning of a builder's local store.
pub async fn build(
    build: &Build,
    tools: &Tools,
    secrets: &BTreeMap<String, Zeroizing<String>>,
    into: &Path,
    progress: &mut (dyn FnMut(&str) + Send),
    cancelled: impl Future<Output = ()> + Send,
) -> Result<Layout, ImageError> {
    // Before any builder is asked for anything.
    let dockerfile = build.find_dockerfile()?;
    check_words(build, secrets)?;
    let builder = detect(build.builder, tools).await?;
    let staging = tempfile::Builder::new().prefix(PLACE).tempdir_in(into);
    let staging = staging.map_err(ImageError::writing(into))?;
    let place = std::path::absolute(staging.path()).map_err(ImageError::writing(into))?;
    let mut order = Order {
        build,
        tools,
        secrets: Secrets::new(secrets),
        context: absolute(&build.context)?,
        ignore_file: build.ignore_file(&dockerfile).as_deref().map(absolute).transpose()?,
        dockerfile: absolute(&dockerfile)?,
        place,
        progress,
    };
    let cancelled = std::pin::pin!(cancelled);
    let (made, name) = match builder.kind {
        BuilderKind::Docker => (buildx::build(&mut order, cancelled).await?, "image.tar"),
        kind => (buildah::build(kind, &mut order, cancelled).await?, "layout"),
    };
    // Broken, it would not be worth keeping.
    Layout::open(&made, None)?;
    settle(&made, &into.join(name), &[])
}

/// What a builder is asked for, with everything found and absolute.
struct Order<'a> {
    build: &'a Build,
    tools: &'a Tools,
    secrets: Secrets,
    context: PathBuf,
    dockerfile: PathBuf,
    ignore_file: Option<PathBuf>,
    /// A directory for all that the build leaves.
    place: PathBuf,
    progress: &'a mut (dyn FnMut(&str) + Send),
}

type Cancelled<'a, F> = std::pin::Pin<&'a mut F>;

impl Order<'_> {
    /// The arguments that every builder reads alike.
    fn arguments(&self) -> Vec<OsString> {
        let mut all = vec![flag("--file", &self.dockerfile)];
        all.extend(self.build.target.iter().map(|target| flag("--target", target)));
        let args = self.build.args.iter().map(|(name, value)| format!("{name}={value}"));
        all.extend(args.map(|arg| flag("--build-arg", arg)));
        let labels = self.build.labels.iter().map(|(name, value)| format!("{name}={value}"));
        all.extend(labels.map(|label| flag("--label", label)));
        all.extend(self.build.cache_from.iter().map(|from| flag("--cache-from", from)));
        all.extend(self.build.cache_to.iter().map(|to| flag("--cache-to", to)));
        let secrets =
            self.secrets.variables().map(|(id, variable)| format!("id={id},env={variable}"));
        all.extend(secrets.map(|secret| flag("--secret", secret)));
        all
    }

    /// Runs the builder with what it may know of secrets.
    async fn run<F: Future<Output = ()>>(
        &mut self,
        mut job: Job,
        cancelled: Cancelled<'_, F>,
    ) -> Result<Output, ImageError> {
        self.secrets.give_to(&mut job);
        job.run(&self.secrets, self.progress, cancelled).await
    }
}

fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(value);
    flag
}

fn absolute(path: &Path) -> Result<PathBuf, ImageError> {
    std::path::absolute(path).map_err(ImageError::reading(path))
}

/// What would mean something else on a command line.
fn check_words(
    build: &Build,
    secrets: &BTreeMap<String, Zeroizing<String>>,
) -> Result<(), ImageError> {
    let is_word = |text: &str| {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        !text.is_empty() && text.bytes().all(is_plain)
    };
    for id in build.secrets.keys() {
        if !is_word(id) {
            let what = format!("`{}` cannot be the id of a secret", id.escape_debug());
            return Err(ImageError::invalid(what));
        }
        let Some(value) = secrets.get(id) else {
            return Err(ImageError::invalid(format!("the secret `{id}` has no value")));
        };
        if value.contains('\0') {
            return Err(ImageError::invalid(format!("the secret `{id}` has a zero byte in it")));
        }
    }
    if let Some(id) = secrets.keys().find(|id| !build.secrets.contains_key(*id)) {
        return Err(ImageError::invalid(format!("the build knows no secret `{id}`")));
    }
    for (name, value) in &build.args {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let what = format!("`{}` cannot be a build argument", name.escape_debug());
            return Err(ImageError::invalid(what));
        }
    }
    Ok(())
}
