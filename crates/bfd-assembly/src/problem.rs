//! What is wrong with an assembly, where, and what to do.

use crate::files::shown;
use std::{
    fmt,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the directory of the assembly.
    pub file: PathBuf,
    /// The JSON pointer (RFC 6901) to the value; empty when it is the whole file.
    pub pointer: String,
    pub kind: ProblemKind,
    /// This case, with its names.
    pub detail: String,
    /// What to do.
    pub help: Option<String>,
}

/// Which sort of thing is wrong. Its text holds no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// There is no manifest.
    #[error("not a cloud assembly")]
    NotAnAssembly,
    /// A file is there, or should be, and cannot be read.
    #[error("unreadable file")]
    Unreadable,
    /// A file is no JSON.
    #[error("not JSON")]
    NotJson,
    /// A value is not of the type, or not of the form, that the schema says.
    #[error("unexpected value")]
    Shape,
    /// A field is not there without which nothing can be deployed.
    #[error("missing field")]
    MissingField,
    /// The CDK had to look something up and could not: the templates hold dummies.
    #[error("incomplete assembly")]
    MissingContext,
    /// An assembly holds itself, or too many others one in another.
    #[error("endless nesting")]
    Nesting,
    /// An artifact depends on one that is nowhere.
    #[error("unknown dependency")]
    UnknownDependency,
    /// An artifact depends on one that bfd does not know how to deploy.
    #[error("unknown type of artifact")]
    UnknownArtifact,
    /// Stacks depend on each other in a circle.
    #[error("cyclic dependencies")]
    Cycle,
    /// The application itself says that it must not be deployed.
    #[error("error of the application")]
    Annotation,
    /// An asset is described as only the first version of the CDK did.
    #[error("legacy asset")]
    LegacyAsset,
    /// A stack has no template.
    #[error("missing template")]
    MissingTemplate,
    /// What an asset is made of is not there.
    #[error("missing asset")]
    MissingAsset,
    /// An asset is made by a command.
    #[error("asset made by a command")]
    ExecutableAsset,
    /// A secret of an image's build is not of a form that can be passed on.
    #[error("unknown source of a secret")]
    BuildSecret,
    /// The build of an image needs what the builder cannot be told.
    #[error("option of a build that is not supported")]
    BuildOption,
    /// Two stacks would be one.
    #[error("two stacks of one name")]
    SameName,
    /// A stack belongs elsewhere.
    #[error("another environment")]
    OtherEnvironment,
    /// A stack requires a version of the bootstrap stack, and it is not said where to read it.
    #[error("unknown version of the bootstrap stack")]
    BootstrapVersion,
}

impl Problem {
    pub(crate) fn new(
        kind: ProblemKind,
        file: &Path,
        pointer: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let (file, pointer) = (file.to_owned(), pointer.into());
        Self { file, pointer, kind, detail: detail.into(), help: None }
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind, shown(&self.file))?;
        if !self.pointer.is_empty() {
            write!(formatter, "#{}", self.pointer)?;
        }
        write!(formatter, ": {}", self.detail)?;
        if let Some(help) = &self.help {
            write!(formatter, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// All that is wrong, by file and place. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// An error if there is a problem; sorted, and each once.
    pub(crate) fn unless_none(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is no obstacle, and worth a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[non_exhaustive]
pub enum Warning {
    /// The schema is newer than what this version of bfd was made for: it may have meanings that
    /// bfd does not know.
    #[error(
        "{}: the schema has version {version}; this version of bfd knows those up to {known}",
        shown(.file)
    )]
    NewerSchema { file: PathBuf, version: u64, known: u64 },
    /// `Annotations.addWarning` in the application.
    #[error("{construct}: {message}")]
    Annotation { construct: String, message: String },
}
