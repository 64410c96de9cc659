//! The bytes of a file asset.
//!
//! Archives are like those that the CDK's CLI makes: regular files alone, links followed, dated
//! 1980-01-01. They differ in two things, for the same bytes on every machine: entries are sorted,
//! and modes are 0644 or 0755, because what else a mode has is the umask's. Empty directories are
//! left out there as well as here.

use crate::{asset::Packaging, hash::hexadecimal};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek as _, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;
use thiserror::Error;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// The content of an asset, ready to be published.
#[derive(Debug)]
pub struct Packaged {
    content: Content,
    /// Of the bytes, as hexadecimal digits. Not the asset's id: that is of the sources.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

#[derive(Debug)]
enum Content {
    There(PathBuf),
    /// Removed when this is dropped.
    Made(NamedTempFile),
}

impl Packaged {
    /// A file with the bytes. It may be a temporary one that is removed with this value.
    pub fn path(&self) -> &Path {
        match &self.content {
            Content::There(path) => path,
            Content::Made(file) => file.path(),
        }
    }
}

/// Why the content of an asset cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write an archive in {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Names in an archive are UTF-8.
    #[error("the name of {} is not UTF-8", .path.display())]
    Name { path: PathBuf },
    /// Following it would never end.
    #[error("{} leads to a directory that it is in", .path.display())]
    Loop { path: PathBuf },
    /// A socket or the like.
    #[error("{} is neither a file nor a directory", .path.display())]
    Special { path: PathBuf },
}

/// Makes the bytes of an asset: of a file as it is, of a directory an archive in
/// `temporary_directory`.
///
/// # Errors
///
/// When something cannot be read or written, and when a directory holds what no archive can.
pub fn package(
    path: &Path,
    packaging: Packaging,
    temporary_directory: &Path,
) -> Result<Packaged, PackageError> {
    match packaging {
        Packaging::File => {
            let mut file = File::open(path).map_err(reading(path))?;
            let (sha256, size) = summed(&mut file).map_err(reading(path))?;
            Ok(Packaged { content: Content::There(path.to_owned()), sha256, size })
        }
        Packaging::Zip => {
            let members = members(path)?;
            let mut file = NamedTempFile::with_prefix_in("bfd-asset-", temporary_directory)
                .map_err(writing(temporary_directory))?;
            write_archive(&members, file.as_file_mut(), temporary_directory)?;
            let (sha256, size) = file
                .rewind()
                .and_then(|()| summed(file.as_file_mut()))
                .map_err(writing(temporary_directory))?;
            Ok(Packaged { content: Content::Made(file), sha256, size })
        }
    }
}

/// What an asset is made of: of a file its bytes, of a directory the names, the modes and the
/// bytes of all files, as hexadecimal digits of a SHA-256. Not what the CDK calls its hash.
///
/// # Errors
///
/// When something cannot be read, and when a directory holds what no archive can.
pub fn content_digest(path: &Path, packaging: Packaging) -> Result<String, PackageError> {
    if packaging == Packaging::File {
        let mut file = File::open(path).map_err(reading(path))?;
        return summed(&mut file).map(|(digest, _)| digest).map_err(reading(path));
    }
    let mut hash = Sha256::new();
    for member in members(path)? {
        let mut file = File::open(&member.path).map_err(reading(&member.path))?;
        let (digest, _) = summed(&mut file).map_err(reading(&member.path))?;
        // A name has no zero byte, and the rest always the same length.
        hash.update(member.name.as_bytes());
        hash.update([0, u8::from(member.is_executable)]);
        hash.update(digest.as_bytes());
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn reading(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    move |source| PackageError::Read { path: path.to_owned(), source }
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    move |source| PackageError::Write { path: path.to_owned(), source }
}

/// A file of an archive.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    /// In the archive, with `/`.
    name: String,
    path: PathBuf,
    size: u64,
    is_executable: bool,
}

/// All files below a directory, sorted by the bytes of their names.
fn members(directory: &Path) -> Result<Vec<Member>, PackageError> {
    let mut members = Vec::new();
    collect(directory, "", &mut Vec::new(), &mut members)?;
    members.sort();
    Ok(members)
}

/// `above` are the real paths of the directories that this one is in.
fn collect(
    directory: &Path,
    prefix: &str,
    above: &mut Vec<PathBuf>,
    members: &mut Vec<Member>,
) -> Result<(), PackageError> {
    let real = fs::canonicalize(directory).map_err(reading(directory))?;
    if above.contains(&real) {
        return Err(PackageError::Loop { path: directory.to_owned() });
    }
    above.push(real);
    for entry in fs::read_dir(directory).map_err(reading(directory))? {
        let entry = entry.map_err(reading(directory))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(PackageError::Name { path });
        };
        let name = format!("{prefix}{name}");
        // Of what a link leads to.
        let metadata = fs::metadata(&path).map_err(reading(&path))?;
        if metadata.is_dir() {
            collect(&path, &format!("{name}/"), above, members)?;
        } else if metadata.is_file() {
            let is_executable = metadata.permissions().mode() & 0o100 != 0;
            members.push(Member { name, path, size: metadata.len(), is_executable });
        } else {
            return Err(PackageError::Special { path });
        }
    }
    above.pop();
    Ok(())
}

fn write_archive(
    members: &[Member],
    file: &mut File,
    temporary_directory: &Path,
) -> Result<(), PackageError> {
    let failed = |error: zip::result::ZipError| writing(temporary_directory)(error.into());
    let mut archive = ZipWriter::new(BufWriter::new(file));
    for member in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(if member.is_executable { 0o755 } else { 0o644 })
            // Archives that are larger are another format; it is chosen by the size alone.
            .large_file(member.size >= u64::from(u32::MAX));
        archive.start_file(member.name.as_str(), options).map_err(failed)?;
        let mut content = File::open(&member.path).map_err(reading(&member.path))?;
        copy(&mut content, &mut archive, member, temporary_directory)?;
    }
    let mut buffer = archive.finish().map_err(failed)?;
    buffer.flush().map_err(writing(temporary_directory))
}

/// Copies a file piece by piece, so that an error says on which side it was.
fn copy(
    content: &mut File,
    archive: &mut impl Write,
    member: &Member,
    temporary_directory: &Path,
) -> Result<(), PackageError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reading(&member.path)(error)),
        };
        archive.write_all(&buffer[..count]).map_err(writing(temporary_directory))?;
    }
}

/// The digest and the size of what is left of a file.
fn summed(file: &mut File) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hexadecimal(&hash.finalize()), size)),
            Ok(count) => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
