use crate::objects::{Condition, ETag, Found, ObjectError, ObjectFailure, Objects};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// A bucket for tests, with what goes wrong in one. Clones share the same objects.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects {
    inner: Arc<Mutex<Inner>>,
    thawed: Arc<Notify>,
    /// Requests of this clone wait until [`MemoryObjects::thaw`].
    frozen: Arc<Mutex<bool>>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Stored>,
    /// What listings are made from while they are old.
    old: Option<Vec<String>>,
    versions: u64,
    requests: Vec<Request>,
    faults: Vec<Planned>,
    /// How long a request takes.
    latency: Duration,
}

#[derive(Clone, Debug)]
struct Planned {
    request: Request,
    /// Requests of its kind that go well before.
    skipped: usize,
    fault: Fault,
}

#[derive(Clone, Debug)]
struct Stored {
    bytes: Vec<u8>,
    etag: ETag,
    at: Instant,
}

/// A request, as it is counted and as faults are matched: `PUT live.json`. Keys are given by
/// their end.
pub type Request = String;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes place, and nobody learns of it.
    LostAnswer,
    /// It takes place, and the client's own repeat finds its condition broken.
    RepeatedAfterLostAnswer,
    /// It does not take place, and nobody learns of that.
    LostRequest,
    /// Another write is said to be under way.
    Conflict,
    /// It is not allowed.
    Denied,
}

impl MemoryObjects {
    /// Another process's view of the same objects, which can be frozen by itself.
    #[must_use]
    pub fn other(&self) -> Self {
        Self { inner: self.inner.clone(), ..Self::default() }
    }

    /// Lets the next request of this kind go wrong, such as `PUT live.json`.
    pub fn inject(&self, request: &str, fault: Fault) {
        self.inject_after(0, request, fault);
    }

    /// The same, after so many requests of this kind that go well.
    pub fn inject_after(&self, skipped: usize, request: &str, fault: Fault) {
        self.inner().faults.push(Planned { request: request.to_owned(), skipped, fault });
    }

    /// Faults that nothing has met so far.
    pub fn left(&self) -> usize {
        self.inner().faults.len()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.inner().requests.clone()
    }

    /// Lets each request take as long.
    pub fn set_latency(&self, latency: Duration) {
        self.inner().latency = latency;
    }

    /// Holds requests of this process back, as a stopped process does with its own.
    pub fn freeze(&self) {
        *self.frozen.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub fn thaw(&self) {
        *self.frozen.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.thawed.notify_waiters();
    }

    /// Makes listings tell what there is now, whatever is written later.
    pub fn age_listings(&self) {
        let mut inner = self.inner();
        inner.old = Some(inner.objects.keys().cloned().collect());
    }

    /// The text of an object.
    pub fn text(&self, key: &str) -> Option<String> {
        let inner = self.inner();
        inner.objects.get(key).map(|stored| String::from_utf8_lossy(&stored.bytes).into_owned())
    }

    /// Puts an object there, whatever there was.
    pub fn set(&self, key: &str, text: &str) {
        let mut inner = self.inner();
        inner.store(key, text.as_bytes().to_vec());
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and tells what goes wrong with it.
    async fn request(&self, verb: &str, key: &str) -> Option<Fault> {
        loop {
            let thawed = self.thawed.notified();
            if !*self.frozen.lock().unwrap_or_else(PoisonError::into_inner) {
                break;
            }
            thawed.await;
        }
        let latency = self.inner().latency;
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let mut inner = self.inner();
        inner.requests.push(format!("{verb} {key}"));
        let is_meant = |planned: &Planned| {
            let (wanted, end) = planned.request.split_once(' ').unwrap_or((verb, ""));
            wanted == verb && key.ends_with(end)
        };
        let mut hit = None;
        for (index, planned) in inner.faults.iter_mut().enumerate().filter(|it| is_meant(it.1)) {
            if planned.skipped == 0 && hit.is_none() {
                hit = Some(index);
            } else {
                planned.skipped = planned.skipped.saturating_sub(1);
            }
        }
        hit.map(|index| inner.faults.remove(index).fault)
    }
}

impl Inner {
    fn store(&mut self, key: &str, bytes: Vec<u8>) -> ETag {
        self.versions += 1;
        let etag = ETag(format!("\"{}\"", self.versions));
        let stored = Stored { bytes, etag: etag.clone(), at: Instant::now() };
        self.objects.insert(key.to_owned(), stored);
        etag
    }
}

fn failure(message: &str) -> ObjectFailure {
    ObjectFailure { message: message.to_owned(), hint: Some("injected".to_owned()) }
}

/// What is said before the request has taken place.
fn before(fault: Option<Fault>) -> Result<(), ObjectError> {
    match fault {
        Some(Fault::LostRequest) => Err(ObjectError::Unanswered(failure("the request was lost"))),
        Some(Fault::Conflict) => Err(ObjectError::Conflict),
        Some(Fault::Denied) => Err(ObjectError::Refused(failure("access denied"))),
        Some(Fault::LostAnswer | Fault::RepeatedAfterLostAnswer) | None => Ok(()),
    }
}

/// What is said after it.
fn after<T>(fault: Option<Fault>, answer: T) -> Result<T, ObjectError> {
    match fault {
        Some(Fault::LostAnswer) => Err(ObjectError::Unanswered(failure("the answer was lost"))),
        Some(Fault::RepeatedAfterLostAnswer) => Err(ObjectError::Changed),
        _ => Ok(answer),
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn get(&self, key: &str) -> Result<Option<Found>, ObjectError> {
        let fault = self.request("GET", key).await;
        before(fault)?;
        let found = self.inner().objects.get(key).map(|stored| Found {
            bytes: stored.bytes.clone(),
            etag: stored.etag.clone(),
            age: stored.at.elapsed(),
        });
        after(fault, found)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, when: Condition) -> Result<ETag, ObjectError> {
        let fault = self.request("PUT", key).await;
        before(fault)?;
        let etag = {
            let mut inner = self.inner();
            let there = inner.objects.get(key).map(|stored| &stored.etag);
            let holds = match &when {
                Condition::Unchanged(etag) => there == Some(etag),
                Condition::Absent => there.is_none(),
            };
            if !holds {
                return Err(ObjectError::Changed);
            }
            inner.store(key, bytes)
        };
        after(fault, etag)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let fault = self.request("LIST", prefix).await;
        before(fault)?;
        let inner = self.inner();
        let all = inner.old.clone().unwrap_or_else(|| inner.objects.keys().cloned().collect());
        after(fault, all.into_iter().filter(|key| key.starts_with(prefix)).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        let fault = self.request("DELETE", key).await;
        before(fault)?;
        self.inner().objects.remove(key);
        after(fault, ())
    }

    fn place(&self, key: &str) -> String {
        format!("memory://{key}")
    }
}
