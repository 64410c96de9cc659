//! What a state asks of the disk under it.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Files, in the few operations whose durability the state relies on.
///
/// An operation that returns has taken place and survives a loss of power, except
/// an [`Disk::append`] that was not asked to be durable.
pub trait Disk: fmt::Debug + Send + Sync {
    /// The bytes of a file, or `None` where there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file in one step: whoever reads it sees the old bytes or the new ones.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Adds to the end of a file that exists.
    fn append(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()>;

    /// Shortens a file to `length` bytes.
    fn cut(&self, path: &Path, length: usize) -> io::Result<()>;

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The files of a directory, sorted by name.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes a directory and those around it, where they are not there yet.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock at `path` and writes the holder's name into it; `None` when another has it.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Hold>>>;

    /// Whether somebody holds the lock at `path` now.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;
}

/// A held lock; dropping it, and dying, lets go of it.
pub trait Hold: fmt::Debug + Send {}

/// The disk of the machine.
#[derive(Clone, Copy, Debug)]
pub struct FileDisk;

impl Disk for FileDisk {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let directory = parent(path)?;
        let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|err| err.error)?;
        sync_directory(directory)
    }

    fn append(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(bytes)?;
        if durable { file.sync_data() } else { Ok(()) }
    }

    fn cut(&self, path: &Path, length: usize) -> io::Result<()> {
        let file = OpenOptions::new().append(true).open(path)?;
        file.set_len(length as u64)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_directory(parent(to)?)?;
        sync_directory(parent(from)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)?;
        sync_directory(parent(path)?)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Hold>>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(err)) => return Err(err),
        }
        file.set_len(0)?;
        (&file).write_all(holder.as_bytes())?;
        Ok(Some(Box::new(FileLock(file))))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let file = match OpenOptions::new().read(true).open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(err) => return Err(err),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(err)) => Err(err),
        }
    }
}

#[derive(Debug)]
struct FileLock(File);

impl Hold for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        // An empty file says that nobody holds it; the lock itself goes with the handle.
        let _ = self.0.set_len(0);
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("state files live in a directory"))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
