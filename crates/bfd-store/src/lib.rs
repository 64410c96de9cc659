//! Keeps state, journal and lock. The only crate that knows where they live.
//!
//! [`StateStore`] and [`StateGuard`] are what a backend provides, `document` is
//! the format they share, [`LocalStore`] is the directory beside the manifest on
//! any [`Disk`], [`MemoryStore`] is for tests.
mod disk;
mod document;
mod error;
mod local;
mod memory;
mod runs;
mod store;

pub use disk::{Disk, FileDisk, Hold};
pub use document::{FORMAT, StateDocument};
pub use error::StoreError;
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use runs::FinishedRun;
pub use store::{LockHolder, RunHeader, StateGuard, StateStore, Unfinished};
