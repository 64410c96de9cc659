//! Container images on disk: what they are made of, built from and read from.
//!
//! Knows nothing of AWS, of manifests or of registries: it ends where bytes would leave the
//! machine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`oci`] | the words of the OCI image specification: digests, descriptors, manifests |
//! | [`layout`] | images on disk, directories and archives, read blob by blob |
//! | [`build`] | what an image is built from, and the hash that says whether it changed |
//! | [`builder`] | the builders of other projects, run as child processes |
//! | [`files`] | plain files over a base, without a builder |
//! | [`scratch`] | directories in which images are made, and what is left of them |
//! | [`dockerignore`] | what of a context a build does not see |

mod archive;
pub mod build;
pub mod builder;
pub mod dockerignore;
mod error;
pub mod files;
pub mod layout;
pub mod oci;
pub mod scratch;
mod tree;

pub use build::{Build, BuilderKind, Content, SecretFrom, content_hash};
pub use builder::{Tools, build};
pub use error::ImageError;
pub use files::{Base, Files, RunConfig, Source, content_hash_of_files, lay};
pub use layout::Layout;
pub use oci::{Descriptor, Digest, Platform};
pub use scratch::Scratch;
