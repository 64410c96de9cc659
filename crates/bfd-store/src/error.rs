use crate::LockHolder;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the state is locked by {} (process {}, `{}`, since {})", holder.who, holder.process, holder.command, holder.since)]
    Locked { holder: Box<LockHolder> },
    #[error("{place} has format {found}; this bfd reads up to {known}")]
    NewerFormat { place: String, found: u64, known: u64 },
    #[error("{place} is damaged: {reason}")]
    Damaged { place: String, reason: String },
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
}
