//! Image archives: an OCI layout within a tar, read where it lies.

use crate::{Digest, ImageError, layout::Place, oci};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// What is in an archive.
pub(crate) struct Contents {
    pub(crate) index: Place,
    pub(crate) blobs: BTreeMap<Digest, Place>,
}

/// Notes where the files of an archive are. Reads its headers once and none of its blobs.
pub(crate) fn contents(path: &Path) -> Result<Contents, ImageError> {
    let mut file = File::open(path).map_err(ImageError::reading(path))?;
    refuse_compressed(path, &mut file)?;
    let size = file.metadata().map_err(ImageError::reading(path))?.len();
    let mut index = None;
    let mut blobs = BTreeMap::new();
    let mut is_dockers = false;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let broken = |error| ImageError::broken(path, format!("no archive, or a broken one: {error}"));
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let place = Place {
            file: path.to_owned(),
            offset: entry.raw_file_position(),
            size: entry.header().entry_size().map_err(broken)?,
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if place.offset.checked_add(place.size).is_none_or(|end| end > size) {
            return Err(ImageError::broken(path, format!("it is cut off within `{name}`")));
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        match name.strip_prefix("./").unwrap_or(&name) {
            "index.json" => index = Some(place),
            "manifest.json" | "repositories" => is_dockers = true,
            name => {
                let hex = name.strip_prefix("blobs/sha256/").unwrap_or_default();
                if let Ok(digest) = format!("sha256:{hex}").parse() {
                    blobs.insert(digest, place);
                }
            }
        }
    }
    let Some(index) = index else {
        let shown = path.display();
        let what = if is_dockers {
            format!(
                "this is an archive of `docker save` in Docker's old format; make an OCI archive \
                 of it with `skopeo copy docker-archive:{shown} oci-archive:{shown}.oci`"
            )
        } else {
            "no OCI archive: there is no index.json in it".to_owned()
        };
        return Err(ImageError::broken(path, what));
    };
    Ok(Contents { index, blobs })
}

/// A compressed archive would have to be unpacked to find a blob in it.
fn refuse_compressed(path: &Path, file: &mut File) -> Result<(), ImageError> {
    let mut start = Vec::new();
    let mut read = || {
        file.by_ref().take(6).read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(0))
    };
    read().map_err(ImageError::reading(path))?;
    let tool = match start.as_slice() {
        [] => return Err(ImageError::broken(path, "it is empty")),
        [0x1f, 0x8b, ..] => "gunzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "unzstd",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "unxz",
        [b'B', b'Z', b'h', ..] => "bunzip2",
        _ => return Ok(()),
    };
    let what = format!("it is compressed; unpack it with `{tool} {}`", path.display());
    Err(ImageError::broken(path, what))
}

/// What an `oci-layout` file holds.
pub(crate) const MARKER: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes what makes a directory a layout, around blobs that are in it.
pub(crate) fn write_index(directory: &Path, root: &oci::Descriptor) -> Result<(), ImageError> {
    let index = oci::Index {
        schema_version: 2,
        media_type: oci::INDEX.to_owned(),
        manifests: vec![root.clone()],
    };
    let index = serde_json::to_vec(&index).expect("descriptors are JSON");
    for (name, bytes) in [("oci-layout", MARKER.as_bytes()), ("index.json", &index)] {
        let path = directory.join(name);
        std::fs::write(&path, bytes).map_err(ImageError::writing(&path))?;
    }
    Ok(())
}

/// Writes a small blob into a layout.
pub(crate) fn write_blob(directory: &Path, bytes: &[u8]) -> Result<Digest, ImageError> {
    let digest = Digest::of(bytes);
    let path = directory.join("blobs/sha256").join(digest.hex());
    std::fs::write(&path, bytes).map_err(ImageError::writing(&path))?;
    Ok(digest)
}
