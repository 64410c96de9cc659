//! What an image is built from, and the hash that says whether it changed.

use crate::{
    Digest, ImageError, Platform,
    dockerignore::{self, Ignore},
    tree::{self, Sum},
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};
use thiserror::Error;

/// Names what the hash is made of. Another version is another hash for everything.
const VERSION: &[u8] = b"bfd build 1";

/// An image to be built from a Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The directory that the Dockerfile copies from.
    pub context: PathBuf,
    /// By default `Dockerfile`, else `Containerfile`, in the context. It may be elsewhere.
    pub dockerfile: Option<PathBuf>,
    /// The stage to build. By default the last.
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// Put on the image. They are not in the hash: who adds them knows why.
    pub labels: BTreeMap<String, String>,
    /// By the id that `RUN --mount=type=secret,id=…` asks for.
    pub secrets: BTreeMap<String, SecretFrom>,
    /// By default the builder's own platform.
    pub platforms: Vec<Platform>,
    /// As the builder takes them.
    pub cache_from: Vec<String>,
    pub cache_to: Vec<String>,
    /// By default the first that can be used.
    pub builder: Option<BuilderKind>,
}

/// Where the value of a secret is. Whoever calls reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    Environment(String),
    File(PathBuf),
    Command(Vec<String>),
}

/// The program that builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuilderKind {
    /// `docker buildx`
    Docker,
    Buildah,
    Podman,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no builder: there are `docker`, `buildah` and `podman`")]
pub struct NotABuilder(String);

impl BuilderKind {
    /// In the order in which they are looked for.
    pub const ALL: [Self; 3] = [Self::Docker, Self::Buildah, Self::Podman];

    /// Its name, which is the program's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildah => "buildah",
            Self::Podman => "podman",
        }
    }
}

impl fmt::Display for BuilderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BuilderKind {
    type Err = NotABuilder;

    fn from_str(text: &str) -> Result<Self, NotABuilder> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| NotABuilder(text.to_owned()))
    }
}

/// What a build would be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The same if and only if nothing changed that the build sees.
    pub hash: Digest,
    /// How many files of the context the build sees, and their size. For people.
    pub files: u64,
    pub bytes: u64,
}

impl Build {
    /// Where the Dockerfile is.
    pub fn find_dockerfile(&self) -> Result<PathBuf, ImageError> {
        let metadata = std::fs::metadata(&self.context);
        if !metadata.map_err(ImageError::reading(&self.context))?.is_dir() {
            return Err(ImageError::broken(&self.context, "a context is a directory"));
        }
        let default = ["Dockerfile", "Containerfile"].map(|name| self.context.join(name));
        let places = self.dockerfile.as_ref().map_or(&default[..], std::slice::from_ref);
        let found = places.iter().find(|path| path.is_file());
        found.cloned().ok_or_else(|| ImageError::NoDockerfile { path: places[0].clone() })
    }

    /// The patterns of what the build does not see.
    pub(crate) fn ignore_file(&self, dockerfile: &Path) -> Option<PathBuf> {
        dockerignore::file_for(&self.context, dockerfile)
    }
}

/// A hash over everything that decides what a build makes: what it sees of the context, the
/// Dockerfile, arguments, stage, platforms and the ids of secrets.
///
/// Reads every file of the context; none is held in memory.
pub fn content_hash(build: &Build) -> Result<Content, ImageError> {
    let dockerfile = build.find_dockerfile()?;
    let ignore = match build.ignore_file(&dockerfile) {
        Some(path) => Ignore::read(&path)?,
        None => Ignore::default(),
    };
    let mut sum = Sum::default();
    sum.add(VERSION);
    let (digest, _) = tree::digest_of(&dockerfile)?;
    sum.add(digest.as_str().as_bytes());
    sum.add_all(build.target.iter());
    sum.add_all(build.args.keys());
    sum.add_all(build.args.values());
    sum.add_all(build.secrets.keys());
    let mut platforms: Vec<String> = build.platforms.iter().map(ToString::to_string).collect();
    platforms.sort();
    platforms.dedup();
    sum.add_all(platforms.iter());
    for (path, node) in tree::list(&build.context, &ignore)? {
        sum.add_node(&path, &node)?;
    }
    let (files, bytes) = (sum.files, sum.bytes);
    Ok(Content { hash: sum.finish(), files, bytes })
}

#[cfg(test)]
mod tests;
