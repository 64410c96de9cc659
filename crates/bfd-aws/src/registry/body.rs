//! The bytes of a blob on their way: never more of them in memory than a few frames.

use super::progress::Meter;
use aws_smithy_types::body::SdkBody;
use bfd_image::{Descriptor, oci::Hasher};
use bytes::Bytes;
use futures_util::stream::{StreamExt as _, unfold};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use std::{
    fs::File,
    io::{self, Read as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use thiserror::Error;
use tokio::task::{JoinHandle, spawn_blocking};

/// What is read and sent at once.
const FRAME: u64 = 256 << 10;

/// Where bytes come from.
pub(super) enum Input {
    File(io::Take<File>),
    Remote(SdkBody),
}

/// Why a blob's bytes are not what they should be.
#[derive(Clone, Debug, Error)]
pub(super) enum Broken {
    /// It has changed since it was looked at. A repeat reads the same.
    #[error("{0}")]
    Other(String),
    /// It broke off, and may be had at the next attempt.
    #[error("{0}")]
    Off(String),
}

/// How far one attempt to send a blob has come.
#[derive(Debug)]
pub(super) struct Sent {
    size: u64,
    /// Of the blob's bytes, counted from its first.
    at: AtomicU64,
    broken: Mutex<Option<Broken>>,
}

impl Sent {
    pub(super) fn from(offset: u64, size: u64) -> Arc<Self> {
        Arc::new(Self { size, at: AtomicU64::new(offset), broken: Mutex::default() })
    }

    pub(super) fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    pub(super) fn is_all(&self) -> bool {
        self.at() >= self.size
    }

    /// What is wrong with the bytes themselves, when it is that and not the connection.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn broke(&self, why: Broken) -> io::Error {
        let text = why.to_string();
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        io::Error::other(text)
    }
}

/// Checks bytes as they pass.
struct Check {
    hasher: Hasher,
    blob: Descriptor,
    passed: u64,
}

impl Check {
    /// Takes the next bytes. With the last of them the digest must be right, or they are not
    /// handed on: nobody can finish a blob that lacks its end.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.hasher.update(bytes);
        self.passed += bytes.len() as u64;
        let Descriptor { digest, size, .. } = &self.blob;
        if self.passed > *size {
            return Err(Broken::Other(format!("{digest} has more than its {size} bytes")));
        }
        if self.passed == *size {
            let found = std::mem::take(&mut self.hasher).finish();
            if found != *digest {
                return Err(Broken::Other(format!("{digest} has other bytes now: {found}")));
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.passed >= self.blob.size
    }
}

type Step = Result<(io::Take<File>, Check, Bytes), Broken>;

/// A blob from some byte on, as a request's body.
pub(super) fn body(
    input: Input,
    blob: &Descriptor,
    skip: u64,
    sent: &Arc<Sent>,
    meter: &Arc<Meter>,
) -> SdkBody {
    let check = Check { hasher: Hasher::default(), blob: blob.clone(), passed: 0 };
    let count = {
        let (sent, meter) = (Arc::clone(sent), Arc::clone(meter));
        move |bytes: &Bytes| {
            sent.at.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            meter.add(bytes.len() as u64);
        }
    };
    let sent = Arc::clone(sent);
    match input {
        Input::File(file) => {
            // One frame is read ahead while the one before it is sent.
            let first = (!check.is_done()).then(|| read_frame(file, check, skip));
            let frames = unfold(first, move |next| {
                let (sent, count) = (Arc::clone(&sent), count.clone());
                async move {
                    let step = next?.await.map_err(io::Error::other);
                    match step.and_then(|step| step.map_err(|why| sent.broke(why))) {
                        Ok((file, check, bytes)) => {
                            let next = (!check.is_done()).then(|| read_frame(file, check, 0));
                            count(&bytes);
                            Some((Ok(Frame::data(bytes)), next))
                        }
                        Err(error) => Some((Err(error), None)),
                    }
                }
            });
            SdkBody::from_body_1_x(StreamBody::new(Box::pin(frames).fuse()))
        }
        Input::Remote(from) => {
            let frames = unfold(Some((from, check, skip)), move |state| {
                let (sent, count) = (Arc::clone(&sent), count.clone());
                async move {
                    let (mut from, mut check, skip) = state?;
                    match pull(&mut from, &mut check, skip).await {
                        Ok(Some(bytes)) => {
                            count(&bytes);
                            Some((Ok(Frame::data(bytes)), Some((from, check, 0))))
                        }
                        Ok(None) => None,
                        Err(why) => Some((Err(sent.broke(why)), None)),
                    }
                }
            });
            SdkBody::from_body_1_x(StreamBody::new(Box::pin(frames).fuse()))
        }
    }
}

/// Reads and checks the next frame where that may take its time. What is to be skipped is read
/// too: the digest is of all bytes.
fn read_frame(mut file: io::Take<File>, mut check: Check, mut skip: u64) -> JoinHandle<Step> {
    spawn_blocking(move || {
        loop {
            let is_skipped = skip > 0;
            let left = check.blob.size - check.passed;
            let wanted = if is_skipped { skip.min(FRAME) } else { FRAME }.min(left);
            let mut bytes = vec![0; usize::try_from(wanted).expect("a frame is small")];
            let digest = &check.blob.digest;
            file.read_exact(&mut bytes).map_err(|why| {
                Broken::Other(format!("{digest} cannot be read to its end: {why}"))
            })?;
            check.take(&bytes)?;
            if !is_skipped {
                return Ok((file, check, bytes.into()));
            }
            skip -= wanted;
        }
    })
}

/// Takes the next bytes from another registry.
async fn pull(
    from: &mut SdkBody,
    check: &mut Check,
    mut skip: u64,
) -> Result<Option<Bytes>, Broken> {
    while !check.is_done() {
        let digest = check.blob.digest.clone();
        let off = |why: String| Broken::Off(format!("{digest} broke off while it was read: {why}"));
        let frame = match from.frame().await {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(off(crate::error::chain(error.as_ref()))),
            None => return Err(off(format!("{} of {} bytes", check.passed, check.blob.size))),
        };
        let Ok(mut bytes) = frame.into_data() else { continue };
        check.take(&bytes)?;
        let skipped = skip.min(bytes.len() as u64);
        skip -= skipped;
        drop(bytes.split_to(usize::try_from(skipped).expect("a frame is small")));
        if !bytes.is_empty() {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
