//! Container images on disk: what they are made of, built from and read from.
//!
//! Knows nothing of AWS, of manifests or of registries: it ends where bytes would leave the
//! machine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`oci`] | the words of the OCI image specification: digests, descriptors, manifests |
//! | [`layout`] | images on disk, read blob by blob |

mod error;
pub mod layout;
pub mod oci;

pub use error::ImageError;
pub use layout::Layout;
pub use oci::{Descriptor, Digest, Platform};
