//! Where an assembly is read from.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file of so many bytes.
    File {
        size: u64,
    },
    Directory,
}

/// A tree of files. Links are followed.
pub trait Files {
    /// The whole content of a file.
    ///
    /// # Errors
    ///
    /// What reading a file fails with; a directory is no file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is at a path.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there is nothing, and what asking fails with.
    fn entry(&self, path: &Path) -> io::Result<Entry>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Entry> {
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Ok(Entry::Directory);
        }
        Ok(Entry::File { size: metadata.len() })
    }
}

/// A path below a directory of the assembly, without `.`, and without `..` where that is sure.
///
/// Assets of a stage are `../asset.HASH`, so that one file would have two names without this. A
/// `..` at the start stays: what is above the assembly is not known here.
pub(crate) fn join(directory: &Path, path: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match joined.components().next_back() {
                Some(Component::Normal(_)) => {
                    joined.pop();
                }
                Some(Component::RootDir) => {}
                _ => joined.push(".."),
            },
            other => joined.push(other),
        }
    }
    joined
}

/// How a path is shown and hashed.
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        let join = |directory: &str, path: &str| shown(&join(Path::new(directory), path));

        assert_eq!(join("", "a.json"), "a.json");
        assert_eq!(join("assembly-Stage", "../asset.1"), "asset.1");
        assert_eq!(join("a/b", "./../../c"), "c");
        assert_eq!(join("a", "../../b"), "../b");
        assert_eq!(join("", ".."), "..");
        assert_eq!(join("..", ".."), "../..");
        assert_eq!(join("a", "/b/../../c"), "/c");
        assert_eq!(join("a", ".."), ".");
    }
}
