//! A disk in memory that loses power on command.

use crate::dice::Dice;
use bfd_store::{Disk, Hold};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Where in a write the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is there.
    Before,
    /// An append has left a part of its bytes; everything else is whole or not there.
    Torn,
    /// All of it is there, and nobody has learnt that.
    After,
}

/// Files that outlive the processes which write them. Each process has a [`Handle`].
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<PathBuf, File>,
    locks: BTreeMap<PathBuf, u64>,
    /// The living process; what earlier ones try reaches nothing.
    life: u64,
    /// Writes of the living process.
    writes: u64,
    death: Option<(u64, Moment)>,
    dying: CancellationToken,
    /// Texts that must never be written, and the first place where one was.
    forbidden: Vec<String>,
    leak: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// How many of the bytes survive a loss of power.
    durable: usize,
}

impl SimDisk {
    /// A disk on which none of these texts may ever be written.
    pub fn new(forbidden: Vec<String>) -> Self {
        Self(Arc::new(Mutex::new(Inner { forbidden, ..Inner::default() })))
    }

    /// Another disk with the same files.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.inner();
        let (files, forbidden) = (inner.files.clone(), inner.forbidden.clone());
        Self(Arc::new(Mutex::new(Inner { files, forbidden, ..Inner::default() })))
    }

    /// Starts a process: at its `death`, a write counted from 0, `dying` is triggered.
    pub fn boot(&self, death: Option<(u64, Moment)>, dying: CancellationToken) -> Handle {
        let mut inner = self.inner();
        inner.life += 1;
        inner.locks.clear();
        inner.writes = 0;
        inner.death = death;
        inner.dying = dying;
        Handle { disk: self.clone(), life: inner.life }
    }

    /// Ends the living process. With `power`, what was not made durable may be gone.
    pub fn kill(&self, power: bool, dice: &mut Dice) {
        let mut inner = self.inner();
        inner.life += 1;
        inner.locks.clear();
        if power {
            for file in inner.files.values_mut() {
                let tail = file.bytes.len() - file.durable;
                let kept = file.durable + dice.below(tail + 1);
                file.bytes.truncate(kept);
                file.durable = kept;
            }
        }
    }

    /// Writes of the latest process so far.
    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    /// Where a forbidden text was written, if one was.
    pub fn leak(&self) -> Option<String> {
        self.inner().leak.clone()
    }

    /// Every file with its bytes, for comparing two runs.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let inner = self.inner();
        inner.files.iter().map(|(path, file)| (path.clone(), file.bytes.clone())).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process's view of the disk.
#[derive(Clone, Debug)]
pub struct Handle {
    disk: SimDisk,
    life: u64,
}

impl Handle {
    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.disk.inner();
        if inner.life == self.life { Ok(inner) } else { Err(dead()) }
    }

    /// One write, unless the process dies at it.
    fn write(
        &self,
        bytes: &[u8],
        path: &Path,
        torn: impl FnOnce(&mut Inner),
        whole: impl FnOnce(&mut Inner) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut inner = self.alive()?;
        let text = String::from_utf8_lossy(bytes);
        let found = inner.forbidden.iter().find(|forbidden| text.contains(forbidden.as_str()));
        if let Some(found) = found {
            let leak = format!("`{found}` in {}", path.display());
            inner.leak.get_or_insert(leak);
        }
        let number = inner.writes;
        inner.writes += 1;
        let Some((_, moment)) = inner.death.filter(|(at, _)| *at == number) else {
            return whole(&mut inner);
        };
        match moment {
            Moment::Before => {}
            Moment::Torn => torn(&mut inner),
            Moment::After => whole(&mut inner)?,
        }
        inner.life += 1;
        inner.locks.clear();
        inner.dying.cancel();
        Err(dead())
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {}", path.display()))
}

impl Disk for Handle {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.alive()?.files.get(path).map(|file| file.bytes.clone()))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(
            bytes,
            path,
            |_| {},
            |inner| {
                let file = File { bytes: bytes.to_vec(), durable: bytes.len() };
                inner.files.insert(path.to_owned(), file);
                Ok(())
            },
        )
    }

    fn append(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        let add = |inner: &mut Inner, bytes: &[u8], durable: bool| {
            let file = inner.files.get_mut(path).ok_or_else(|| missing(path))?;
            file.bytes.extend_from_slice(bytes);
            if durable {
                file.durable = file.bytes.len();
            }
            Ok(())
        };
        self.write(
            bytes,
            path,
            |inner| {
                // A file that is not there stays so; the caller learns of nothing any more.
                let _ = add(inner, &bytes[..bytes.len() / 2], false);
            },
            |inner| add(inner, bytes, durable),
        )
    }

    fn cut(&self, path: &Path, length: usize) -> io::Result<()> {
        self.write(
            &[],
            path,
            |_| {},
            |inner| {
                let file = inner.files.get_mut(path).ok_or_else(|| missing(path))?;
                file.bytes.truncate(length);
                file.durable = file.bytes.len();
                Ok(())
            },
        )
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.write(
            &[],
            to,
            |_| {},
            |inner| {
                let mut file = inner.files.remove(from).ok_or_else(|| missing(from))?;
                file.durable = file.bytes.len();
                inner.files.insert(to.to_owned(), file);
                Ok(())
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.write(
            &[],
            path,
            |_| {},
            |inner| inner.files.remove(path).map(drop).ok_or_else(|| missing(path)),
        )
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.alive()?;
        let inside = inner.files.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.cloned().collect())
    }

    fn create_directory(&self, _: &Path) -> io::Result<()> {
        self.alive().map(drop)
    }

    fn lock(&self, path: &Path, _: &str) -> io::Result<Option<Box<dyn Hold>>> {
        let mut inner = self.alive()?;
        if inner.locks.contains_key(path) {
            return Ok(None);
        }
        inner.locks.insert(path.to_owned(), self.life);
        Ok(Some(Box::new(Held { handle: self.clone(), path: path.to_owned() })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        Ok(self.alive()?.locks.contains_key(path))
    }
}

#[derive(Debug)]
struct Held {
    handle: Handle,
    path: PathBuf,
}

impl Hold for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.handle.alive() {
            inner.locks.remove(&self.path);
        }
    }
}
