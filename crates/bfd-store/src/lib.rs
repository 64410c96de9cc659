//! Keeps state, journal and lock. The only crate that knows where they live.
//!
//! | module | what it holds |
//! |---|---|
//! | [`StateStore`], [`StateGuard`] | what a backend provides |
//! | `document` | the formats that they share |
//! | [`LocalStore`] | the directory beside the manifest, on any [`Disk`] |
//! | [`ObjectStore`] | a bucket, as any [`Objects`]: `live` is its lock and journal, `object_guard` its owner |
//! | [`Tenure`] | whether a lock that may be lost is still ours |
//! | [`MemoryStore`], [`MemoryObjects`] | for tests, with what goes wrong |
mod disk;
mod document;
mod error;
mod live;
mod local;
mod memory;
mod memory_objects;
mod object_guard;
mod object_store;
mod objects;
mod runs;
mod store;
mod tenure;

pub use disk::{Disk, FileDisk, Hold};
pub use document::{FORMAT, StateDocument};
pub use error::StoreError;
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use memory_objects::{Fault, MemoryObjects, Request};
pub use object_store::{LeaseOptions, ObjectStore};
pub use objects::{Condition, ETag, Found, ObjectError, ObjectFailure, Objects};
pub use runs::FinishedRun;
pub use store::{Lease, Linger, LockHolder, RunHeader, StateGuard, StateStore, Unfinished};
pub use tenure::Tenure;
