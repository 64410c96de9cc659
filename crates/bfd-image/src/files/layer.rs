//! The layer: what is in it, and its bytes.

use super::{Base, Files, Node, Source, tree};
use crate::{Digest, ImageError, dockerignore::Ignore, oci::Hasher, tree::Tree};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use std::{
    collections::{BTreeMap, btree_map},
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

/// Directories that are links in most bases. A layer that has one as a directory hides
/// everything behind the link.
const LINKS: [(&str, &str); 6] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("var/run", "run"),
    ("var/lock", "run/lock"),
];

/// One thing in the layer.
pub(super) enum Entry<'a> {
    Node(Node),
    Inline { bytes: &'a [u8], executable: bool },
}

/// By path in the image, without the slash it begins with: as a tar has it.
pub(super) type Entries<'a> = BTreeMap<Vec<u8>, Entry<'a>>;

/// Everything that is in the layer, with the directories above.
pub(super) fn entries(files: &Files) -> Result<Entries<'_>, ImageError> {
    let mut entries = Entries::new();
    for (path, source) in &files.files {
        let name = name_of(path)?;
        if matches!(files.base, Base::Image(_)) {
            refuse_links(path, &name)?;
        }
        match source {
            Source::Inline { bytes, executable } => {
                put(&mut entries, name, Entry::Inline { bytes, executable: *executable })?;
            }
            Source::Path(on_disk) => match Node::of(on_disk, true)? {
                Node::Directory => {
                    put(&mut entries, name.clone(), Entry::Node(Node::Directory))?;
                    for (below, node) in list(on_disk)? {
                        let parts = [name.as_slice(), &below];
                        let below = parts[usize::from(name.is_empty())..].join(&b'/');
                        if matches!(files.base, Base::Image(_)) {
                            refuse_links(path, &below)?;
                        }
                        put(&mut entries, below, Entry::Node(node))?;
                    }
                }
                node => put(&mut entries, name, Entry::Node(node))?,
            },
        }
    }
    let names: Vec<Vec<u8>> = entries.keys().cloned().collect();
    for name in names {
        for (end, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            put(&mut entries, name[..end].to_vec(), Entry::Node(Node::Directory))?;
        }
    }
    // The root is there in any case.
    if entries.remove(&b""[..]).is_some_and(|entry| !entry.is_directory()) {
        return Err(ImageError::invalid("`/` is a directory, and cannot be a file"));
    }
    Ok(entries)
}

/// What is in a directory. A name by which a layer would delete something is refused.
fn list(on_disk: &Path) -> Result<Tree, ImageError> {
    let tree = tree::list(on_disk, &Ignore::default())?;
    for name in tree.keys() {
        if name.split(|byte| *byte == b'/').any(|part| part.starts_with(b".wh.")) {
            let path = on_disk.join(OsStr::from_bytes(name));
            return Err(ImageError::broken(path, "in an image, `.wh.` deletes what follows it"));
        }
    }
    Ok(tree)
}

/// A path in the image, as a tar has it.
fn name_of(path: &str) -> Result<Vec<u8>, ImageError> {
    let wrong = |what| Err(ImageError::invalid(format!("`{}` {what}", path.escape_debug())));
    if !path.starts_with('/') {
        return wrong("is not absolute: a path in an image begins with `/`");
    }
    if path.contains('\0') {
        return wrong("has a zero byte in it");
    }
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    if parts.contains(&"..") {
        return wrong("goes up with `..`");
    }
    if parts.iter().any(|part| part.starts_with(".wh.")) {
        return wrong("is how a layer deletes a file: `.wh.` cannot begin a name");
    }
    Ok(parts.join("/").into_bytes())
}

fn refuse_links(path: &str, name: &[u8]) -> Result<(), ImageError> {
    for (link, to) in LINKS {
        let below = name.strip_prefix(link.as_bytes());
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            let what = format!(
                "`{path}`: in most bases `/{link}` is a link, and a directory would hide all that \
                 is behind it: use `/{to}`"
            );
            return Err(ImageError::invalid(what));
        }
    }
    Ok(())
}

/// Directories may come twice, everything else once.
fn put<'a>(entries: &mut Entries<'a>, name: Vec<u8>, entry: Entry<'a>) -> Result<(), ImageError> {
    match entries.entry(name) {
        btree_map::Entry::Vacant(place) => {
            place.insert(entry);
        }
        btree_map::Entry::Occupied(there) if there.get().is_directory() && entry.is_directory() => {
        }
        btree_map::Entry::Occupied(there) => {
            let path = String::from_utf8_lossy(there.key()).into_owned();
            let what = if there.get().is_directory() == entry.is_directory() {
                "comes from two places"
            } else {
                "is a file and a directory"
            };
            return Err(ImageError::invalid(format!("`/{path}` {what}")));
        }
    }
    Ok(())
}

impl Entry<'_> {
    fn is_directory(&self) -> bool {
        matches!(self, Self::Node(Node::Directory))
    }
}

/// A layer that was written.
pub(super) struct Written {
    pub(super) compressed: Digest,
    pub(super) size: u64,
    /// What the configuration names it by.
    pub(super) uncompressed: Digest,
}

/// Writes the layer among the blobs, under its digest.
pub(super) fn write(entries: &Entries<'_>, blobs: &Path) -> Result<Written, ImageError> {
    let path = blobs.join("layer");
    let file = File::create(&path).map_err(ImageError::writing(&path))?;
    let compressed = Summed::new(BufWriter::new(file));
    // Everything in the header is fixed: no name, no time, no operating system.
    let gzip = GzBuilder::new().mtime(0).operating_system(255);
    let gzip = gzip.write(compressed, Compression::new(6));
    let mut builder = tar::Builder::new(Summed::new(gzip));
    for (name, entry) in entries {
        append(&mut builder, name, entry, &path)?;
    }
    let finish = |builder: tar::Builder<Summed<GzEncoder<Summed<_>>>>| {
        let (gzip, uncompressed, _) = builder.into_inner()?.finish();
        let (mut file, compressed, size): (BufWriter<File>, _, _) = gzip.finish()?.finish();
        file.flush()?;
        Ok(Written { compressed, size, uncompressed })
    };
    let written = finish(builder).map_err(ImageError::writing(&path))?;
    let place = blobs.join(written.compressed.hex());
    std::fs::rename(&path, &place).map_err(ImageError::writing(&place))?;
    Ok(written)
}

fn append<W: Write>(
    builder: &mut tar::Builder<W>,
    name: &[u8],
    entry: &Entry<'_>,
    to: &Path,
) -> Result<(), ImageError> {
    let name = Path::new(OsStr::from_bytes(name));
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match entry {
        Entry::Node(Node::Directory) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode_of(name));
            // With a slash at the end, as every other tool has it.
            let name = name.join("");
            builder.append_data(&mut header, name, io::empty()).map_err(ImageError::writing(to))
        }
        Entry::Node(Node::Link(target)) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            let target = Path::new(OsStr::from_bytes(target));
            builder.append_link(&mut header, name, target).map_err(ImageError::writing(to))
        }
        Entry::Node(Node::File { path, executable, size }) => {
            let file = File::open(path).map_err(ImageError::reading(path))?;
            header.set_size(*size);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            let mut exact = Exact { file, left: *size, failed: None };
            let appended = builder.append_data(&mut header, name, &mut exact);
            if let Some(source) = exact.failed {
                return Err(ImageError::Read { path: path.clone(), source });
            }
            appended.map_err(ImageError::writing(to))
        }
        Entry::Inline { bytes, executable } => {
            header.set_size(bytes.len() as u64);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            builder.append_data(&mut header, name, *bytes).map_err(ImageError::writing(to))
        }
    }
}

/// A directory above a file replaces the base's: these are not `0755` in any base.
fn mode_of(directory: &Path) -> u32 {
    match directory.as_os_str().as_bytes() {
        b"tmp" | b"var/tmp" => 0o1777,
        b"root" => 0o700,
        _ => 0o755,
    }
}

/// Reads as many bytes as a header promised, and tells reading from writing that failed.
struct Exact {
    file: File,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.file.read(&mut buffer[..wanted]) {
            Ok(0) if wanted > 0 => {
                self.failed = Some(io::Error::other("it became shorter while it was read"));
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(count) => {
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Makes a digest of what is written through it.
struct Summed<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W> Summed<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::default(), size: 0 }
    }

    fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
