//! What a state in a bucket asks of it.

use async_trait::async_trait;
use std::{fmt, time::Duration};
use thiserror::Error;

/// Objects by key, in the few operations that the state relies on.
///
/// A write is there for every later read as soon as it is answered, and a condition is
/// judged in one step with the write that it guards. Listings may be old.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync {
    /// The object, or `None` where there is none.
    async fn get(&self, key: &str) -> Result<Option<Found>, ObjectError>;

    /// Replaces an object where the condition holds, and tells what names the new version.
    async fn put(&self, key: &str, bytes: Vec<u8>, when: Condition) -> Result<ETag, ObjectError>;

    /// The keys that begin with a prefix, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError>;

    /// Deletes an object, which need not be there.
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;

    /// Where an object is, for people.
    fn place(&self, key: &str) -> String;
}

/// Names one version of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(pub String);

/// An object that was read.
#[derive(Clone, Debug)]
pub struct Found {
    pub bytes: Vec<u8>,
    pub etag: ETag,
    /// How long ago it was written, by the clock of who keeps it: two machines that disagree
    /// about the time agree about this.
    pub age: Duration,
}

/// When a write takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The object is still the version that was read.
    Unchanged(ETag),
    /// There is no object yet.
    Absent,
}

/// Why an operation gave no result.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The condition does not hold. It may have been our own write that broke it: an attempt
    /// whose answer was lost.
    #[error("the object has changed")]
    Changed,
    /// Another write to the same object was under way; nothing was written.
    #[error("another write to the object was under way")]
    Conflict,
    /// Nobody knows whether it took place.
    #[error("no answer: {}", .0.message)]
    Unanswered(ObjectFailure),
    #[error("{}", .0.message)]
    Refused(ObjectFailure),
}

/// What was said, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFailure {
    pub message: String,
    pub hint: Option<String>,
}
