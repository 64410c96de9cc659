//! CDK cloud assemblies on disk: their stacks, their assets, and what is wrong with them.
//!
//! Everything that can be known of a synthesised application without asking AWS. Facts about the
//! format, with their sources, are in `docs/cdk.md`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`assembly`] | an application: its stacks in the order of deployment |
//! | [`stack`] | one stack, as the manifest describes it |
//! | [`asset`] | what is published before a stack: files |
//! | [`image`] | and container images |
//! | [`environment`] | accounts and regions, and the placeholders that stand for them |
//! | [`selection`] | which stacks a pattern names |
//! | [`check`] | what would fail, found before AWS is asked |
//! | [`mod@package`] | the bytes of a file asset |
//! | [`hash`] | whether an assembly is still the one that was planned with |
//! | [`files`] | where all of it is read from |
//! | [`problem`] | what is wrong, where, and what to do |

pub mod assembly;
pub mod asset;
pub mod check;
pub mod environment;
pub mod files;
mod glob;
mod graph;
pub mod hash;
pub mod image;
mod manifest;
mod metadata;
mod node;
pub mod package;
pub mod problem;
mod read;
pub mod selection;
pub mod stack;
mod words;

pub use assembly::Assembly;
pub use asset::{AssetManifest, FileAsset, FileDestination, FileSource, Packaging};
pub use check::BootstrapRequirement;
pub use environment::{DeclaredEnvironment, Environment};
pub use files::{Disk, Entry, Files};
pub use hash::ContentHash;
pub use image::{
    BuildOption, BuildSecret, Cache, ImageAsset, ImageBuild, ImageDestination, ImageSource,
};
pub use package::{PackageError, Packaged, content_digest, package};
pub use problem::{Problem, ProblemKind, Problems, Warning};
pub use selection::{Reach, SelectionError};
pub use stack::{Bootstrap, Role, Stack, StackId, Template};
