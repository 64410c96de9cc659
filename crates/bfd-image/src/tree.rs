//! What is in a directory, as far as it can change an image: names, kinds, the executable
//! bit, bytes. Neither times nor owners nor the order in which a disk lists them.

use crate::{
    Digest, ImageError,
    dockerignore::{Ignore, Matched},
    oci::Hasher,
};
use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// One thing in a tree, and where it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Directory,
    File {
        path: PathBuf,
        executable: bool,
        size: u64,
    },
    /// A symbolic link and where it leads, which is not followed.
    Link(Vec<u8>),
}

/// By path, relative to the root, with `/` between its parts. Bytes, as names on disk are.
pub(crate) type Tree = BTreeMap<Vec<u8>, Node>;

/// The directory beside a manifest that bfd keeps its state in.
const STATE: &str = ".bfd";

/// Lists a directory. What is ignored is left out, and need not be readable. bfd's own state is
/// refused: what an image is made of would change with every run.
pub(crate) fn list(root: &Path, ignore: &Ignore) -> Result<Tree, ImageError> {
    let mut tree = Tree::new();
    let all = Above { ignored: Vec::new(), matched: Matched::default() };
    list_into(&mut tree, root, &[], &all, ignore)?;
    Ok(tree)
}

/// What is known of the directory that is listed.
struct Above {
    /// Itself and those above it, where they are ignored: seen once something in them is.
    ignored: Vec<Vec<u8>>,
    matched: Matched,
}

fn list_into(
    tree: &mut Tree,
    directory: &Path,
    prefix: &[u8],
    above: &Above,
    ignore: &Ignore,
) -> Result<(), ImageError> {
    let reading = || ImageError::reading(directory);
    for entry in std::fs::read_dir(directory).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        let path = entry.path();
        let mut name = prefix.to_vec();
        name.extend_from_slice(entry.file_name().as_bytes());
        let text = String::from_utf8_lossy(&name);
        let (ignored, matched) = ignore.matches(&text, &above.matched);
        let is_directory = entry.file_type().map_err(ImageError::reading(&path))?.is_dir();
        if ignored && !(is_directory && ignore.may_include_under(&text)) {
            continue;
        }
        if !ignored && is_directory && entry.file_name() == STATE {
            return Err(ImageError::State { path });
        }
        let mut hidden = above.ignored.clone();
        if ignored {
            hidden.push(name.clone());
        } else {
            tree.extend(hidden.drain(..).map(|directory| (directory, Node::Directory)));
            tree.insert(name.clone(), Node::of(&path, false)?);
        }
        if is_directory {
            name.push(b'/');
            list_into(tree, &path, &name, &Above { ignored: hidden, matched }, ignore)?;
        }
    }
    Ok(())
}

impl Node {
    /// What is at a path.
    pub(crate) fn of(path: &Path, follow: bool) -> Result<Self, ImageError> {
        let reading = || ImageError::reading(path);
        let metadata =
            if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
        let metadata = metadata.map_err(reading())?;
        if metadata.is_dir() {
            Ok(Self::Directory)
        } else if metadata.is_file() {
            let executable = is_executable(&metadata);
            Ok(Self::File { path: path.to_owned(), executable, size: metadata.len() })
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(path).map_err(reading())?;
            Ok(Self::Link(target.as_os_str().as_bytes().to_vec()))
        } else {
            let what = "neither a file nor a directory nor a symbolic link: ignore or remove it";
            Err(ImageError::broken(path, what))
        }
    }
}

/// Whether its owner may execute it: what a umask leaves alone.
fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o100 != 0
}

/// Makes one hash of many things. Each is preceded by its length, so that no two lists of
/// things are the same bytes.
#[derive(Default)]
pub(crate) struct Sum {
    hasher: Hasher,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
    }

    pub(crate) fn add_all<'a, B: AsRef<[u8]> + 'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = B>,
    ) {
        self.hasher.update(&(items.len() as u64).to_be_bytes());
        for item in items {
            self.add(item.as_ref());
        }
    }

    pub(crate) fn add_node(&mut self, path: &[u8], node: &Node) -> Result<(), ImageError> {
        self.add(path);
        match node {
            Node::Directory => self.add(b"directory"),
            Node::Link(target) => {
                self.add(b"link");
                self.add(target);
            }
            Node::File { path, executable, .. } => {
                let (digest, bytes) = digest_of(path)?;
                self.add_file(*executable, &digest, bytes);
            }
        }
        Ok(())
    }

    pub(crate) fn add_file(&mut self, executable: bool, digest: &Digest, bytes: u64) {
        self.add(if executable { b"program" } else { b"file" });
        self.add(digest.as_str().as_bytes());
        self.files += 1;
        self.bytes += bytes;
    }

    pub(crate) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

/// The digest and size of a file, which need not fit into memory.
pub(crate) fn digest_of(path: &Path) -> Result<(Digest, u64), ImageError> {
    let digest = File::open(path).and_then(digest_of_reader);
    digest.map_err(ImageError::reading(path))
}

pub(crate) fn digest_of_reader(mut from: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
