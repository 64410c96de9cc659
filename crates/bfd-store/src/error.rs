use crate::{LockHolder, ObjectError, Objects};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the state is locked by {} (process {}, `{}`, since {})", holder.who, holder.process, holder.command, holder.since)]
    Locked { holder: Box<LockHolder> },
    /// Whoever finds this out has held the lock before, and writes nothing any more.
    #[error("the lock was taken over by {}", named(by))]
    TakenOver { by: Box<LockHolder> },
    #[error("{place} has format {found}; this bfd reads up to {known}")]
    NewerFormat { place: String, found: u64, known: u64 },
    #[error("{place} is damaged: {reason}")]
    Damaged { place: String, reason: String },
    /// There was a state, and it is not there any more.
    #[error("{place} is gone: it was at serial {serial}")]
    Gone { place: String, serial: u64 },
    #[error("failed to write {place}")]
    Write {
        place: String,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to read {place}")]
    Read {
        place: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{place} cannot be read or written")]
    Unreachable {
        place: String,
        #[source]
        source: Box<ObjectError>,
    },
}

/// Who it is; nobody can say that of an owner who has let go already.
fn named(by: &LockHolder) -> String {
    if *by == LockHolder::unknown() {
        return "somebody who has let go of it since".to_owned();
    }
    let LockHolder { who, process, command, since } = by;
    format!("{who} (process {process}, `{command}`, since {since})")
}

pub(crate) fn unreachable(objects: &dyn Objects, key: &str, source: ObjectError) -> StoreError {
    StoreError::Unreachable { place: objects.place(key), source: Box::new(source) }
}
