//! Plain files over a base, without a builder.
//!
//! One layer, whose bytes depend on the files alone: names in order, no times, no owners,
//! `0755` or `0644`.

mod config;
mod layer;

use crate::{
    Descriptor, Digest, ImageError, Layout, Platform,
    archive::{write_blob, write_index},
    oci::{self, Manifest},
    tree::{self, Node, Sum},
};
use layer::Entry;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Names what the hash is made of. Another version is another hash for everything.
const VERSION: &[u8] = b"bfd files 1";

/// An image of files over a base.
#[derive(Clone, Debug)]
pub struct Files {
    pub base: Base,
    /// By absolute path in the image. A directory's content is laid under its path.
    pub files: BTreeMap<String, Source>,
    pub platform: Platform,
    pub config: RunConfig,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or a directory on disk.
    Path(PathBuf),
    Inline {
        bytes: Vec<u8>,
        executable: bool,
    },
}

/// What is below the files.
#[derive(Clone, Debug)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// One platform's image. Its layers need not be on disk.
    Image(Box<BaseImage>),
}

#[derive(Clone, Debug)]
pub struct BaseImage {
    pub manifest: Manifest,
    /// The bytes that the manifest's configuration names.
    pub config: Vec<u8>,
    /// The manifest's own.
    pub descriptor: Descriptor,
}

/// How the image is run. What is not given is the base's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunConfig {
    /// Given without a command, it drops the base's command, which was meant for another.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    /// Added to the base's, or instead of those of the same name.
    pub env: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    /// `8080`, `8080/tcp`, `53/udp`.
    pub ports: BTreeSet<String>,
    pub labels: BTreeMap<String, String>,
}

/// Lays files over a base, as a layout `layout` in the directory `into`.
///
/// The layout has the new layer; those of the base are [`Layout::absent`]. After a failure
/// nothing of it is left in `into`.
pub fn lay(files: &Files, into: &Path) -> Result<Layout, ImageError> {
    let entries = layer::entries(files)?;
    let base = config::base(files)?;
    let staging = tempfile::Builder::new().prefix(".bfd-layout-").tempdir_in(into);
    let staging = staging.map_err(ImageError::writing(into))?;
    let directory = staging.path().join("layout");
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(ImageError::writing(&blobs))?;

    let written = layer::write(&entries, &blobs)?;
    let config = config::over(files, base, &written.uncompressed)?;
    let (mut manifest, is_dockers) = match &files.base {
        Base::Image(base) => (base.manifest.clone(), base.is_dockers()),
        Base::Scratch => (config::empty_manifest(), false),
    };
    let absent = manifest.layers.clone();
    let (manifest_type, config_type, layer_type) = if is_dockers {
        (oci::DOCKER_MANIFEST, oci::DOCKER_CONFIG, oci::DOCKER_LAYER)
    } else {
        (oci::MANIFEST, oci::CONFIG, oci::LAYER)
    };
    manifest_type.clone_into(&mut manifest.media_type);
    manifest.layers.push(descriptor(layer_type, written.compressed, written.size));
    let digest = write_blob(&directory, &config)?;
    manifest.config = descriptor(config_type, digest, config.len() as u64);
    let bytes = serde_json::to_vec(&manifest).expect("descriptors are JSON");
    let digest = write_blob(&directory, &bytes)?;
    let mut root = descriptor(manifest_type, digest, bytes.len() as u64);
    root.platform = Some(files.platform.clone());
    write_index(&directory, &root)?;

    settle(&directory, &into.join("layout"), &absent)
}

/// Moves a finished layout to its place, instead of an earlier one.
pub(crate) fn settle(from: &Path, to: &Path, base: &[Descriptor]) -> Result<Layout, ImageError> {
    let removed = if to.is_dir() { std::fs::remove_dir_all(to) } else { std::fs::remove_file(to) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::rename(from, to),
    }
    .map_err(ImageError::writing(to))?;
    Layout::open_over(to, None, base)
}

pub(crate) fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: BTreeMap::new(),
        urls: Vec::new(),
    }
}

/// A hash over everything that decides what [`lay`] makes, known without making it.
pub fn content_hash_of_files(files: &Files) -> Result<crate::Content, ImageError> {
    let mut sum = Sum::default();
    sum.add(VERSION);
    let base = match &files.base {
        Base::Scratch => "scratch",
        Base::Image(base) => base.descriptor.digest.as_str(),
    };
    sum.add(base.as_bytes());
    sum.add(files.platform.to_string().as_bytes());
    files.config.add_to(&mut sum);
    for (path, entry) in layer::entries(files)? {
        match entry {
            Entry::Node(node) => sum.add_node(&path, &node)?,
            Entry::Inline { bytes, executable } => {
                sum.add(&path);
                sum.add_file(executable, &Digest::of(bytes), bytes.len() as u64);
            }
        }
    }
    let (files, bytes) = (sum.files, sum.bytes);
    Ok(crate::Content { hash: sum.finish(), files, bytes })
}

impl BaseImage {
    fn is_dockers(&self) -> bool {
        self.descriptor.media_type == oci::DOCKER_MANIFEST
    }
}

#[cfg(test)]
mod tests;
