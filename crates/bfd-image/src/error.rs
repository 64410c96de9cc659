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
}

impl ImageError {
    pub(crate) fn broken(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self::Broken { path: path.into(), what: what.into() }
    }
}
