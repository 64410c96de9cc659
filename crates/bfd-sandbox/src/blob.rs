//! The bytes of blobs: in memory, or beside the world's file, never in it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Bytes;
use sha2::{Digest, Sha256};

use crate::image::hexadecimal;

/// How much of a file is in memory while it is hashed or copied.
const BUFFER: usize = 64 * 1024;

/// Content-addressed bytes. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blobs {
    /// `None` for a world in memory.
    directory: Option<PathBuf>,
    /// Whether the directory is another world's, which is read and never written.
    is_borrowed: bool,
    memory: Arc<BTreeMap<String, Bytes>>,
}

impl Blobs {
    /// Beside the world's file, if it has one.
    pub(crate) fn beside(file: Option<&Path>) -> Self {
        let directory = file.map(|file| {
            let mut name = file.as_os_str().to_owned();
            name.push(".blobs");
            PathBuf::from(name)
        });
        Self { directory, ..Self::default() }
    }

    /// What is here now, for a world in memory that goes its own way.
    pub(crate) fn fork(&self) -> Self {
        Self { is_borrowed: true, ..self.clone() }
    }

    /// The size of a blob, if its bytes are here.
    pub(crate) fn size(&self, digest: &str) -> Option<u64> {
        if let Some(bytes) = self.memory.get(digest) {
            return Some(bytes.len() as u64);
        }
        Some(fs::metadata(self.path(digest)?).ok()?.len())
    }

    /// `length` bytes from `start`, which have to be in the blob.
    pub(crate) fn read(&self, digest: &str, start: u64, length: u64) -> io::Result<Bytes> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let size = |number: u64| usize::try_from(number).map_err(io::Error::other);
        let (first, count) = (size(start)?, size(length)?);
        if let Some(bytes) = self.memory.get(digest) {
            let end = first.checked_add(count).filter(|end| *end <= bytes.len());
            return end.map(|end| bytes.slice(first..end)).ok_or_else(missing);
        }
        let mut file = File::open(self.path(digest).ok_or_else(missing)?)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; count];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }

    /// Keeps the parts as one blob, whose digest the caller has computed.
    pub(crate) fn keep(&mut self, digest: &str, parts: &[Content]) -> io::Result<()> {
        let Some(path) = self.path(digest).filter(|_| !self.is_borrowed) else {
            let mut bytes = Vec::new();
            for part in parts {
                part.each(|piece| bytes.write_all(piece))?;
            }
            Arc::make_mut(&mut self.memory).insert(digest.to_owned(), bytes.into());
            return Ok(());
        };
        if let [Content::File(only)] = parts {
            return fs::rename(&only.path, path);
        }
        let mut spool = Spool::new(self)?;
        for part in parts {
            part.each(|piece| spool.push(piece))?;
        }
        match spool.finish()? {
            Content::File(whole) => fs::rename(&whole.path, path),
            Content::Memory(_) => Err(io::Error::other("the blobs have a directory")),
        }
    }

    /// Forgets every blob that `is_used` does not want.
    pub(crate) fn sweep(&mut self, is_used: impl Fn(&str) -> bool) {
        if self.memory.keys().any(|digest| !is_used(digest)) {
            Arc::make_mut(&mut self.memory).retain(|digest, _| is_used(digest));
        }
        let Some(directory) = self.directory.as_ref().filter(|_| !self.is_borrowed) else { return };
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            // Uploads under way, this process's or another's, stay.
            if name.len() == 64 && !is_used(&format!("sha256:{name}")) {
                // What cannot be removed takes room and does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes everything, unfinished uploads of dead processes included.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.memory = Arc::default();
        match self.directory.as_ref().filter(|_| !self.is_borrowed).map(fs::remove_dir_all) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_plain = hex.len() == 64 && hex.bytes().all(|letter| letter.is_ascii_hexdigit());
        Some(self.directory.as_ref()?.join(hex)).filter(|_| is_plain)
    }
}

/// Bytes that were received and belong to no blob yet. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Bytes),
    File(Arc<Temporary>),
}

/// A file that goes with its last owner, unless it was renamed.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    length: u64,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It is gone when it has become a blob, or with a reset.
        let _ = fs::remove_file(&self.path);
    }
}

impl Content {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.length,
        }
    }

    /// All of it in memory: for what is small, such as a manifest.
    pub(crate) fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each(|piece| bytes.write_all(piece))?;
        Ok(bytes)
    }

    pub(crate) fn each(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => take(bytes),
            Self::File(file) => {
                let mut file = File::open(&file.path)?;
                let mut buffer = vec![0; BUFFER];
                loop {
                    match file.read(&mut buffer)? {
                        0 => return Ok(()),
                        length => take(&buffer[..length])?,
                    }
                }
            }
        }
    }
}

/// The digest of the parts, one after another.
pub(crate) fn digest(parts: &[Content]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for part in parts {
        part.each(|piece| {
            hash.update(piece);
            Ok(())
        })?;
    }
    Ok(format!("sha256:{}", hexadecimal(&hash.finalize())))
}

/// Where the bytes of a request's body go as they arrive.
#[derive(Debug)]
pub(crate) enum Spool {
    Memory(Vec<u8>),
    File(File, Temporary),
}

impl Spool {
    /// Into a file where blobs are files.
    pub(crate) fn new(blobs: &Blobs) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(directory) = blobs.directory.as_ref().filter(|_| !blobs.is_borrowed) else {
            return Ok(Self::Memory(Vec::new()));
        };
        fs::create_dir_all(directory)?;
        // No two processes, and no two requests of one, write to the same file.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("upload-{}-{number}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        Ok(Self::File(file, Temporary { path, length: 0 }))
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(memory) => memory.extend_from_slice(bytes),
            Self::File(file, temporary) => {
                file.write_all(bytes)?;
                temporary.length += bytes.len() as u64;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<Content> {
        match self {
            Self::Memory(memory) => Ok(Content::Memory(memory.into())),
            Self::File(mut file, temporary) => {
                file.flush()?;
                Ok(Content::File(Arc::new(temporary)))
            }
        }
    }
}
