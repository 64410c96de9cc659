use crate::{
    Disk, FileDisk, FinishedRun, Hold, LockHolder, RunHeader, StateDocument, StateGuard,
    StateStore, StoreError, Unfinished,
    document::{journal_text, parse_journal},
    runs,
};
use async_trait::async_trait;
use bfd_core::{
    Environment, Snapshot, State, StateVersion,
    journal::{Entry, Event},
    plan::Plan,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// State in a directory of its own: `state.json`, `journal.jsonl`, `lock`, `runs/`.
///
/// Its calls block: a write to a local disk is shorter than the way to another
/// thread and back, and a run has nothing to do until the entry is durable.
#[derive(Clone, Debug)]
pub struct LocalStore {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

impl LocalStore {
    /// Nothing is created before something is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(FileDisk), directory)
    }

    /// The same on another disk: one that a test can lose power of.
    pub fn on(disk: Arc<dyn Disk>, directory: impl Into<PathBuf>) -> Self {
        Self { disk, directory: directory.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn read_state(&self) -> Result<Snapshot, StoreError> {
        let path = self.path("state.json");
        match self.read_text(&path)? {
            Some(text) => StateDocument::parse(&path.display().to_string(), &text),
            None => Ok(Snapshot::default()),
        }
    }

    /// The open journal, unless its run was committed and only the closing is missing.
    fn read_journal(&self, current: &StateVersion) -> Result<Option<Unfinished>, StoreError> {
        let path = self.path("journal.jsonl");
        let Some(text) = self.read_lines(&path)? else { return Ok(None) };
        let Some(journal) = parse_journal(&path.display().to_string(), &text)? else {
            return Ok(None);
        };
        let base = &journal.plan.base;
        let same = base.lineage == current.lineage || base.serial == 0;
        if same && base.serial < current.serial {
            // Its state was written; only the journal's own move is missing.
            return Ok(None);
        }
        if base != current {
            return Err(StoreError::Damaged {
                place: path.display().to_string(),
                reason: format!(
                    "it began from serial {} of `{}`, the state is at serial {} of `{}`",
                    base.serial, base.lineage, current.serial, current.lineage
                ),
            });
        }
        Ok(Some(journal))
    }

    /// A run that was committed and whose journal is still where it was written.
    fn unmoved(&self) -> Result<Option<FinishedRun>, StoreError> {
        // What is wrong with an open journal is for `unfinished` to say.
        let Ok(None) = self.read_journal(&self.read_state()?.version) else { return Ok(None) };
        let path = self.path("journal.jsonl");
        let Some(text) = self.read_lines(&path)? else { return Ok(None) };
        Ok(parse_journal(&path.display().to_string(), &text)?.map(FinishedRun::from))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        self.disk.read(path).map_err(|source| reading(path, source))
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>, StoreError> {
        self.read(path)?.map(|bytes| to_text(path, bytes)).transpose()
    }

    /// The whole lines of a file. What comes after the last newline was still being
    /// written, and may end in the middle of a character.
    fn read_lines(&self, path: &Path) -> Result<Option<String>, StoreError> {
        let Some(mut bytes) = self.read(path)? else { return Ok(None) };
        bytes.truncate(whole_lines(&bytes));
        to_text(path, bytes).map(Some)
    }

    fn take(&self, holder: &LockHolder, replaces: bool) -> Result<Box<dyn StateGuard>, StoreError> {
        let create = self.disk.create_directory(&self.directory);
        create.map_err(|err| writing(&self.directory, err))?;
        let path = self.path("lock");
        let name = serde_json::to_string(holder).expect("a holder is plain data");
        let Some(lock) = self.disk.lock(&path, &name).map_err(|err| writing(&path, err))? else {
            let held = self.read_holder(&path)?.unwrap_or_else(LockHolder::unknown);
            return Err(StoreError::Locked { holder: Box::new(held) });
        };
        let snapshot = match self.read_state() {
            Err(StoreError::Damaged { .. }) if replaces => Snapshot::default(),
            read => read?,
        };
        let unfinished = self.read_journal(&snapshot.version)?;
        let guard = LocalGuard { store: self.clone(), _lock: lock, snapshot, unfinished };
        if guard.unfinished.is_some() {
            guard.reopen_journal()?;
        } else {
            guard.close_journal()?;
        }
        Ok(Box::new(guard))
    }

    fn read_holder(&self, path: &Path) -> Result<Option<LockHolder>, StoreError> {
        let text = self.read_text(path)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

#[async_trait]
impl StateStore for LocalStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        self.read_state()
    }

    async fn lock(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        self.take(&holder, false)
    }

    async fn lock_to_replace(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        self.take(&holder, true)
    }

    async fn holder(&self) -> Result<Option<LockHolder>, StoreError> {
        let path = self.path("lock");
        if self.disk.is_locked(&path).map_err(|err| reading(&path, err))? {
            Ok(Some(self.read_holder(&path)?.unwrap_or_else(LockHolder::unknown)))
        } else {
            Ok(None)
        }
    }

    async fn unfinished(&self) -> Result<Option<Unfinished>, StoreError> {
        self.read_journal(&self.read_state()?.version)
    }

    async fn finished(&self) -> Result<Vec<String>, StoreError> {
        let mut ids = runs::list(&*self.disk, &self.path("runs"))?;
        // One whose journal was not moved yet is the latest.
        if let Some(run) = self.unmoved()?.filter(|run| !ids.contains(&run.header.run)) {
            ids.insert(0, run.header.run);
        }
        Ok(ids)
    }

    async fn finished_run(&self, run: &str) -> Result<Option<FinishedRun>, StoreError> {
        if run.contains(['/', '\\']) {
            return Ok(None);
        }
        let path = self.path("runs").join(runs::file_name(run));
        let Some(text) = self.read_lines(&path)? else {
            return Ok(self.unmoved()?.filter(|found| found.header.run == run));
        };
        Ok(parse_journal(&path.display().to_string(), &text)?.map(FinishedRun::from))
    }

    fn place(&self) -> String {
        self.path("state.json").display().to_string()
    }
}

#[derive(Debug)]
struct LocalGuard {
    store: LocalStore,
    /// Held until the guard is dropped; the system lets go of it when the process dies.
    _lock: Box<dyn Hold>,
    snapshot: Snapshot,
    unfinished: Option<Unfinished>,
}

impl LocalGuard {
    /// Prepares the journal of a dead run to be continued, without its torn last line.
    fn reopen_journal(&self) -> Result<(), StoreError> {
        let path = self.store.path("journal.jsonl");
        let bytes = self.store.read(&path)?.unwrap_or_default();
        let cut = self.store.disk.cut(&path, whole_lines(&bytes));
        cut.map_err(|err| writing(&path, err))
    }

    /// Keeps the journal of a finished run under `runs/`, named after the run.
    fn close_journal(&self) -> Result<(), StoreError> {
        let disk = &self.store.disk;
        let path = self.store.path("journal.jsonl");
        let Some(text) = self.store.read_lines(&path)? else { return Ok(()) };
        let runs = self.store.path("runs");
        let name = match parse_journal(&path.display().to_string(), &text)? {
            Some(journal) => runs::file_name(&journal.header.run),
            // Only a torn head: the run never began.
            None => return disk.remove(&path).map_err(|err| writing(&path, err)),
        };
        let close = || -> io::Result<()> {
            disk.create_directory(&runs)?;
            disk.rename(&path, &runs.join(name))?;
            self.clear()
        };
        close().map_err(|err| writing(&path, err))
    }

    /// Deletes the oldest runs: their names sort by time.
    fn clear(&self) -> io::Result<()> {
        let disk = &self.store.disk;
        let kept = disk.list(&self.store.path("runs"))?;
        let surplus = kept.len().saturating_sub(runs::RUNS_KEPT);
        kept.iter().take(surplus).try_for_each(|oldest| disk.remove(oldest))
    }
}

#[async_trait]
impl StateGuard for LocalGuard {
    fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    fn unfinished(&self) -> Option<&Unfinished> {
        self.unfinished.as_ref()
    }

    async fn begin(&mut self, header: &RunHeader, plan: &Plan) -> Result<(), StoreError> {
        let path = self.store.path("journal.jsonl");
        let run = Unfinished { header: header.clone(), plan: plan.clone(), entries: Vec::new() };
        let begin = self.store.disk.replace(&path, journal_text(&run).as_bytes());
        begin.map_err(|err| writing(&path, err))?;
        self.unfinished = Some(run);
        Ok(())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let path = self.store.path("journal.jsonl");
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry).expect("an entry is plain data");
            lines.push(b'\n');
        }
        let durable = entries.iter().any(|entry| Event::must_be_durable(&entry.event));
        let write = self.store.disk.append(&path, &lines, durable);
        write.map_err(|err| writing(&path, err))?;
        if let Some(run) = &mut self.unfinished {
            run.entries.extend_from_slice(entries);
        }
        Ok(())
    }

    async fn commit(&mut self, environment: &Environment, next: State) -> Result<(), StoreError> {
        let lineage = match &self.unfinished {
            Some(run) if self.snapshot.version.lineage.is_empty() => run.header.lineage.clone(),
            _ => self.snapshot.version.lineage.clone(),
        };
        let version = StateVersion { lineage, serial: self.snapshot.version.serial + 1 };
        self.replace(environment, version, next).await?;
        if self.unfinished.take().is_some() {
            self.close_journal()?;
        }
        Ok(())
    }

    async fn replace(
        &mut self,
        environment: &Environment,
        version: StateVersion,
        next: State,
    ) -> Result<(), StoreError> {
        let document = StateDocument::new(&version, environment, &next);
        let path = self.store.path("state.json");
        let replace = self.store.disk.replace(&path, document.to_text().as_bytes());
        replace.map_err(|err| writing(&path, err))?;
        self.snapshot = Snapshot { version, environment: Some(environment.clone()), state: next };
        Ok(())
    }

    async fn keep(&mut self, run: FinishedRun) -> Result<(), StoreError> {
        let (disk, runs) = (&self.store.disk, self.store.path("runs"));
        let path = runs.join(runs::file_name(&run.header.run));
        if self.store.read(&path)?.is_some() {
            return Ok(());
        }
        let text = journal_text(&run.into());
        let keep = || -> io::Result<()> {
            disk.create_directory(&runs)?;
            disk.replace(&path, text.as_bytes())?;
            self.clear()
        };
        keep().map_err(|err| writing(&path, err))
    }
}

/// Where the last whole line of a file ends.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn to_text(path: &Path, bytes: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(bytes).map_err(|err| StoreError::Damaged {
        place: path.display().to_string(),
        reason: err.to_string(),
    })
}

fn writing(path: &Path, source: io::Error) -> StoreError {
    StoreError::Write { place: path.display().to_string(), source }
}

fn reading(path: &Path, source: io::Error) -> StoreError {
    StoreError::Read { place: path.display().to_string(), source }
}
