//! Images on disk, read blob by blob.

use crate::{
    Descriptor, Digest, ImageError, Platform, archive,
    oci::{Index, Manifest, REF_NAME},
    tree,
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
    absent: BTreeMap<Digest, Descriptor>,
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
    /// Opens an OCI image layout: a directory, or the same within a tar. With several images in
    /// it, `name` chooses one by its `org.opencontainers.image.ref.name`.
    ///
    /// Manifests are read and checked, and that every blob is there in its size. What the blobs
    /// hold, [`Layout::verify`] checks.
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self, ImageError> {
        Self::open_over(path, name, &[])
    }

    /// Opens a layout whose image has layers of a base that may be elsewhere.
    pub(crate) fn open_over(
        path: &Path,
        name: Option<&str>,
        base: &[Descriptor],
    ) -> Result<Self, ImageError> {
        let metadata = std::fs::metadata(path).map_err(ImageError::reading(path))?;
        let (index, blobs) = if metadata.is_dir() {
            let file = path.join("index.json");
            let size = std::fs::metadata(&file).map_err(ImageError::reading(&file))?.len();
            (Place { file, offset: 0, size }, blobs_in(path)?)
        } else {
            let contents = archive::contents(path)?;
            (contents.index, contents.blobs)
        };
        let index = parse(path, "index.json", &read_small(path, "index.json", &index)?)?;
        let root = choose(path, index, name)?;
        let absent = base.iter().filter(|layer| !blobs.contains_key(&layer.digest));
        let absent = absent.map(|layer| (layer.digest.clone(), layer.clone())).collect();
        let layout = Self { path: path.to_owned(), root, blobs, absent };
        for descriptor in layout.descriptors()? {
            if !layout.is_elsewhere(&descriptor) {
                layout.sized(&descriptor)?;
            }
        }
        Ok(layout)
    }

    /// Where it is on disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Layers of the image that are not on disk, because they are its base's: whoever pushes
    /// mounts or copies them from the base's repository.
    pub fn absent(&self) -> &BTreeMap<Digest, Descriptor> {
        &self.absent
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

    /// Where the bytes of a blob are, and that there are as many as there should be.
    fn sized(&self, descriptor: &Descriptor) -> Result<&Place, ImageError> {
        let place = self.place(&descriptor.digest)?;
        if place.size == descriptor.size {
            return Ok(place);
        }
        let (digest, is, should) = (&descriptor.digest, place.size, descriptor.size);
        let what = format!("the blob {digest} has {is} bytes and should have {should}");
        Err(ImageError::broken(&self.path, what))
    }

    /// A manifest, index or configuration. Its digest is checked.
    pub fn read(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let place = self.sized(descriptor)?;
        let bytes = read_small(&self.path, descriptor.digest.as_str(), place)?;
        self.same(descriptor, &Digest::of(&bytes))?;
        Ok(bytes)
    }

    fn same(&self, descriptor: &Descriptor, found: &Digest) -> Result<(), ImageError> {
        if *found == descriptor.digest {
            return Ok(());
        }
        let what = format!("the blob {} has other bytes: {found}", descriptor.digest);
        Err(ImageError::broken(&self.path, what))
    }

    /// Whether a blob need not be on disk: a base's layer, or one that has an address.
    fn is_elsewhere(&self, descriptor: &Descriptor) -> bool {
        let digest = &descriptor.digest;
        let may_be = !descriptor.urls.is_empty() || self.absent.contains_key(digest);
        may_be && !self.blobs.contains_key(digest)
    }

    /// Reads everything of the image that is on disk, and checks every size and digest.
    pub fn verify(&self) -> Result<(), ImageError> {
        for descriptor in self.descriptors()? {
            if self.is_elsewhere(&descriptor) {
                continue;
            }
            let place = self.sized(&descriptor)?;
            let digest = place.open().and_then(tree::digest_of_reader);
            let (digest, size) = digest.map_err(ImageError::reading(&place.file))?;
            if size != descriptor.size {
                let what = format!("the blob {} ends after {size} bytes", descriptor.digest);
                return Err(ImageError::broken(&self.path, what));
            }
            self.same(&descriptor, &digest)?;
        }
        Ok(())
    }

    /// Everything that the image is made of, each once, manifests before what they name.
    fn descriptors(&self) -> Result<Vec<Descriptor>, ImageError> {
        let mut found = Vec::new();
        let mut todo = vec![self.root.clone()];
        let mut seen = BTreeSet::new();
        while let Some(descriptor) = todo.pop() {
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            let what = descriptor.digest.as_str();
            if descriptor.is_index() {
                let index: Index = parse(&self.path, what, &self.read(&descriptor)?)?;
                todo.extend(index.manifests.into_iter().rev());
            } else if descriptor.is_manifest() {
                let manifest: Manifest = parse(&self.path, what, &self.read(&descriptor)?)?;
                todo.extend(manifest.layers.into_iter().rev());
                todo.push(manifest.config);
            }
            found.push(descriptor);
        }
        Ok(found)
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

/// The blobs of a directory.
fn blobs_in(path: &Path) -> Result<BTreeMap<Digest, Place>, ImageError> {
    let directory = path.join("blobs/sha256");
    let reading = || ImageError::reading(&directory);
    let mut blobs = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        let name = format!("sha256:{}", entry.file_name().to_string_lossy());
        let Ok(digest) = name.parse::<Digest>() else { continue };
        let file = entry.path();
        // Followed, where it is a link: tools share blobs between layouts by links.
        let size = std::fs::metadata(&file).map_err(ImageError::reading(&file))?.len();
        blobs.insert(digest, Place { file, offset: 0, size });
    }
    Ok(blobs)
}

/// Reads what fits into memory.
fn read_small(path: &Path, what: &str, place: &Place) -> Result<Vec<u8>, ImageError> {
    if place.size > SMALL {
        return Err(ImageError::broken(path, format!("{what} is larger than {SMALL} bytes")));
    }
    let mut bytes = Vec::new();
    let mut read = || place.open()?.read_to_end(&mut bytes);
    read().map_err(ImageError::reading(&place.file))?;
    Ok(bytes)
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

#[cfg(test)]
mod tests;
