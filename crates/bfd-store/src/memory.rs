use crate::{FinishedRun, LockHolder, RunHeader, StateGuard, StateStore, StoreError, Unfinished};
use async_trait::async_trait;
use bfd_core::{Environment, Snapshot, State, StateVersion, journal::Entry, plan::Plan};
use std::sync::{Arc, Mutex, MutexGuard};

/// A store for tests that can die on command. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    snapshot: Snapshot,
    run: Option<Unfinished>,
    finished: Vec<FinishedRun>,
    holder: Option<LockHolder>,
    appends_left: Option<usize>,
}

impl MemoryStore {
    pub fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(Mutex::new(Contents { snapshot, ..Contents::default() })))
    }

    /// Makes the store fail after so many more entries, as a crash would.
    pub fn crash_after(&self, appends: Option<usize>) {
        self.contents().appends_left = appends;
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        Ok(self.contents().snapshot.clone())
    }

    async fn lock(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        let mut contents = self.contents();
        if let Some(holder) = contents.holder.clone() {
            return Err(StoreError::Locked { holder: Box::new(holder) });
        }
        contents.holder = Some(holder);
        let (snapshot, unfinished) = (contents.snapshot.clone(), contents.run.clone());
        Ok(Box::new(MemoryGuard { snapshot, unfinished, store: self.clone() }))
    }

    async fn holder(&self) -> Result<Option<LockHolder>, StoreError> {
        Ok(self.contents().holder.clone())
    }

    async fn unfinished(&self) -> Result<Option<Unfinished>, StoreError> {
        Ok(self.contents().run.clone())
    }

    async fn finished(&self) -> Result<Vec<String>, StoreError> {
        let contents = self.contents();
        Ok(contents.finished.iter().rev().map(|run| run.header.run.clone()).collect())
    }

    async fn finished_run(&self, run: &str) -> Result<Option<FinishedRun>, StoreError> {
        Ok(self.contents().finished.iter().rfind(|found| found.header.run == run).cloned())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

#[derive(Debug)]
struct MemoryGuard {
    snapshot: Snapshot,
    unfinished: Option<Unfinished>,
    store: MemoryStore,
}

impl Drop for MemoryGuard {
    fn drop(&mut self) {
        self.store.contents().holder = None;
    }
}

#[async_trait]
impl StateGuard for MemoryGuard {
    fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    async fn begin(&mut self, header: &RunHeader, plan: &Plan) -> Result<(), StoreError> {
        let run = Unfinished { header: header.clone(), plan: plan.clone(), entries: Vec::new() };
        self.store.contents().run = Some(run.clone());
        self.unfinished = Some(run);
        Ok(())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut contents = self.store.contents();
        for entry in entries {
            if let Some(left) = &mut contents.appends_left {
                *left = left.checked_sub(1).ok_or_else(|| StoreError::Write {
                    place: "memory".to_owned(),
                    source: std::io::Error::other("simulated crash"),
                })?;
            }
            contents.run.as_mut().expect("a run was begun").entries.push(entry.clone());
            self.unfinished.as_mut().expect("a run was begun").entries.push(entry.clone());
        }
        Ok(())
    }

    async fn commit(&mut self, environment: &Environment, next: State) -> Result<(), StoreError> {
        let mut contents = self.store.contents();
        let run = contents.run.take();
        let lineage = match &run {
            Some(run) if self.snapshot.version.lineage.is_empty() => run.header.lineage.clone(),
            _ => self.snapshot.version.lineage.clone(),
        };
        contents.finished.extend(run.map(FinishedRun::from));
        let version = StateVersion { lineage, serial: self.snapshot.version.serial + 1 };
        contents.snapshot =
            Snapshot { version, environment: Some(environment.clone()), state: next };
        self.snapshot = contents.snapshot.clone();
        self.unfinished = None;
        Ok(())
    }

    async fn replace(
        &mut self,
        environment: &Environment,
        version: StateVersion,
        next: State,
    ) -> Result<(), StoreError> {
        self.snapshot = Snapshot { version, environment: Some(environment.clone()), state: next };
        self.store.contents().snapshot = self.snapshot.clone();
        Ok(())
    }

    async fn keep(&mut self, run: FinishedRun) -> Result<(), StoreError> {
        let finished = &mut self.store.contents().finished;
        if !finished.iter().any(|there| there.header.run == run.header.run) {
            finished.push(run);
            finished.sort_by(|one, other| one.header.run.cmp(&other.header.run));
        }
        Ok(())
    }
}
