//! Images on disk, read blob by blob.

use crate::{
    Descriptor, Digest, ImageError, Platform,
    oci::{Index, Manifest, REF_NAME},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The most bytes of a manifest or configuration that is read: what registries take at most.
const SMALL: u64 = 4 << 20;

/// An image on disk: what it is, and where its blobs are.
#[derive(Clone, Debug)]
pub struct Layout {
    path: PathBuf,
    root: Descriptor,
    blobs: BTreeMap<Digest, Place>,
}

/// Where the bytes of a blob are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub offset: u64,
    pub size: u64,
}

/// An image of a layout: one platform's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub descriptor: Descriptor,
    pub manifest: Manifest,
}

impl Layout {
    /// Opens an OCI image layout, a directory. With several images in it, `name` chooses one by
    /// its `org.opencontainers.image.ref.name`.
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self, ImageError> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|source| ImageError::Read { path: file.to_owned(), source })
        };
        let index: Index = parse(path, "index.json", &read(&path.join("index.json"))?)?;
        let root = choose(path, index, name)?;
        let mut blobs = BTreeMap::new();
        let directory = path.join("blobs/sha256");
        let entries = std::fs::read_dir(&directory)
            .map_err(|source| ImageError::Read { path: directory.clone(), source })?;
        for entry in entries {
            let entry =
                entry.map_err(|source| ImageError::Read { path: directory.clone(), source })?;
            let name = format!("sha256:{}", entry.file_name().to_string_lossy());
            let Ok(digest) = name.parse::<Digest>() else { continue };
            let file = entry.path();
            let size = entry
                .metadata()
                .map_err(|source| ImageError::Read { path: file.clone(), source })?
                .len();
            blobs.insert(digest, Place { file, offset: 0, size });
        }
        Ok(Self { path: path.to_owned(), root, blobs })
    }

    /// The manifest or index that the image's digest is the digest of.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }

    /// Where the bytes of a blob are.
    pub fn place(&self, digest: &Digest) -> Result<&Place, ImageError> {
        let missing = || ImageError::broken(&self.path, format!("the blob {digest} is missing"));
        self.blobs.get(digest).ok_or_else(missing)
    }

    /// A manifest, index or configuration. Its digest is checked.
    pub fn read(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let place = self.place(&descriptor.digest)?;
        if place.size > SMALL {
            let what = format!("{} is larger than {SMALL} bytes", descriptor.digest);
            return Err(ImageError::broken(&self.path, what));
        }
        let mut bytes = Vec::new();
        let mut read = || place.open()?.read_to_end(&mut bytes);
        read().map_err(|source| ImageError::Read { path: place.file.clone(), source })?;
        let found = Digest::of(&bytes);
        if found != descriptor.digest {
            let what = format!("the blob {} has other bytes: {found}", descriptor.digest);
            return Err(ImageError::broken(&self.path, what));
        }
        Ok(bytes)
    }

    /// The images behind the root, one for each platform, in the order of the index.
    pub fn images(&self) -> Result<Vec<Image>, ImageError> {
        let mut images = Vec::new();
        self.collect(&self.root, &mut images)?;
        Ok(images)
    }

    fn collect(&self, of: &Descriptor, images: &mut Vec<Image>) -> Result<(), ImageError> {
        let bytes = self.read(of)?;
        if of.is_index() {
            let index: Index = parse(&self.path, of.digest.as_str(), &bytes)?;
            for manifest in &index.manifests {
                self.collect(manifest, images)?;
            }
            return Ok(());
        }
        let manifest = parse(&self.path, of.digest.as_str(), &bytes)?;
        images.push(Image { descriptor: of.clone(), manifest });
        Ok(())
    }

    /// What the image runs on: of each image what its index says, else its configuration.
    /// Attestations, whose platform is `unknown/unknown`, are no images to run.
    pub fn platforms(&self) -> Result<BTreeSet<Platform>, ImageError> {
        let mut platforms = BTreeSet::new();
        for image in self.images()? {
            let platform = if let Some(platform) = image.descriptor.platform {
                platform
            } else {
                let config = self.read(&image.manifest.config)?;
                parse(&self.path, image.manifest.config.digest.as_str(), &config)?
            };
            if platform.os != "unknown" {
                platforms.insert(platform);
            }
        }
        Ok(platforms)
    }
}

impl Place {
    /// The blob's bytes, from its first on.
    pub fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &str,
    bytes: &[u8],
) -> Result<T, ImageError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ImageError::broken(path, format!("{what} is not as OCI has it: {error}")))
}

/// The image that is meant, of those in a layout's own index.
fn choose(path: &Path, index: Index, name: Option<&str>) -> Result<Descriptor, ImageError> {
    let mut found: Vec<Descriptor> =
        index.manifests.into_iter().filter(Descriptor::is_manifest).collect();
    let name_of = |it: &Descriptor| it.annotations.get(REF_NAME).cloned();
    let names: Vec<String> = found.iter().filter_map(name_of).collect();
    if let Some(name) = name {
        found.retain(|it| name_of(it).as_deref() == Some(name));
    }
    match (found.len(), name) {
        (1, _) => Ok(found.remove(0)),
        (0, None) => Err(ImageError::broken(path, "there is no image in it")),
        (_, Some(name)) => {
            let there = names.join("`, `");
            Err(ImageError::broken(
                path,
                format!("no one image is called `{name}`; there are `{there}`"),
            ))
        }
        (count, None) => {
            let there = names.join("`, `");
            let what = format!("there are {count} images in it (`{there}`): say which one");
            Err(ImageError::broken(path, what))
        }
    }
}
