//! Directories in which images are made, and what is left of those whose process died.

use crate::{ImageError, Tools, builder};
use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt as _,
    path::Path,
};
use tempfile::TempDir;

const PREFIX: &str = "bfd-image-";
/// Locked as long as somebody uses the directory: a lock ends with its process, however that
/// ended.
const LOCK: &str = "lock";
/// How often another process may take a directory that was made this moment for a dead one's.
const ATTEMPTS: usize = 5;

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in a directory for temporary files.
    pub fn new(parent: &Path) -> Result<Self, ImageError> {
        let mut attempt = 1;
        loop {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
            let directory = made.map_err(ImageError::writing(parent))?;
            let path = directory.path().join(LOCK);
            let lock = File::create_new(&path).and_then(|lock| {
                lock.try_lock()?;
                // Still there, now that it is locked.
                path.metadata()?;
                Ok(lock)
            });
            match lock {
                Ok(lock) => return Ok(Self { directory, _lock: lock }),
                Err(error) if attempt == ATTEMPTS => return Err(ImageError::writing(path)(error)),
                Err(_) => attempt += 1,
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes what processes left that died while they made images: their directories, and what
/// their builds have in the local store of a builder. What cannot be removed stays for the next
/// time.
pub async fn sweep(parent: &Path, tools: &Tools) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == me);
        if !is_ours {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => continue,
        }
        if builder::clean_after(&entry.path(), tools).await {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(parent: &Path) -> usize {
        fs::read_dir(parent).unwrap().count()
    }

    #[tokio::test]
    async fn what_is_used_stays_and_what_a_dead_process_left_goes() {
        let parent = tempfile::tempdir().unwrap();
        let tools = Tools { path: Some("/nowhere".into()), ..Tools::default() };
        let used = Scratch::new(parent.path()).unwrap();
        let dead = parent.path().join("bfd-image-dead");
        fs::create_dir_all(dead.join(".bfd-build-x/tmp")).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        // No lock yet, or none of ours.
        fs::create_dir(parent.path().join("bfd-image-new")).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();

        sweep(parent.path(), &tools).await;

        assert!(!dead.exists() && used.path().exists());
        assert_eq!(left(parent.path()), 3);
        drop(used);
        assert_eq!(left(parent.path()), 2);
    }
}
