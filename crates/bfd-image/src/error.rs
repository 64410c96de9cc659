use std::{io, path::PathBuf};
use thiserror::Error;

/// Why an image cannot be read or made.
#[derive(Debug, Error)]
pub enum ImageError {
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The file is there and not what it should be.
    #[error("{}: {what}", .path.display())]
    Broken { path: PathBuf, what: String },
    /// There is nothing to build from.
    #[error("there is no Dockerfile at {}", .path.display())]
    NoDockerfile { path: PathBuf },
    /// It changes with every run, and is nobody else's business.
    #[error("{} is where bfd keeps its state", .path.display())]
    State { path: PathBuf },
    /// What was asked for cannot be, whatever is on disk.
    #[error("{what}")]
    Invalid { what: String },
    /// Each reason is a line: which builder, and why it cannot be used.
    #[error("there is no builder that can be used{}", lines(.reasons))]
    NoBuilder { reasons: Vec<String> },
    /// A builder was found, and could not be started.
    #[error("cannot start `{program}`")]
    Start { program: String, source: io::Error },
    /// The last lines of a builder's output, without secrets.
    #[error("`{command}` failed: {status}{}", lines(.output))]
    Failed { command: String, status: String, output: Vec<String> },
    /// The builder there is cannot write an image to a file as it is set up.
    #[error(
        "docker's current builder cannot write an image to a file: make one that can with \
         `docker buildx create --use --driver docker-container`, or turn on the containerd \
         image store{}", lines(.output)
    )]
    Driver { output: Vec<String> },
    #[error("the build was canceled")]
    Cancelled,
}

impl ImageError {
    pub(crate) fn broken(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Broken { path: path.into(), what: what.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    /// For `map_err`: what could not be read.
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    /// For `map_err`: what could not be written.
    pub(crate) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + "\n  " + line)
}
