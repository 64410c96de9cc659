use crate::{
    LockHolder, RunHeader, StateDocument, StateGuard, StateStore, StoreError, Unfinished,
    document::{FORMAT, JournalHead, parse_journal},
};
use async_trait::async_trait;
use bfd_core::{
    Environment, Snapshot, State, StateVersion,
    journal::{Entry, Event},
    plan::Plan,
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How many finished runs are kept: each holds a whole plan.
const RUNS_KEPT: usize = 100;

/// State in a directory of its own: `state.json`, `journal.jsonl`, `lock`, `runs/`.
///
/// Its calls block: a write to a local disk is shorter than the way to another
/// thread and back, and a run has nothing to do until the entry is durable.
#[derive(Clone, Debug)]
pub struct LocalStore {
    directory: PathBuf,
}

impl LocalStore {
    /// Nothing is created before something is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn read_state(&self) -> Result<Snapshot, StoreError> {
        let path = self.path("state.json");
        match read_if_there(&path)? {
            Some(text) => StateDocument::parse(&path.display().to_string(), &text),
            None => Ok(Snapshot::default()),
        }
    }

    /// The open journal, unless its run was committed and only the closing is missing.
    fn read_journal(&self, current: &StateVersion) -> Result<Option<Unfinished>, StoreError> {
        let path = self.path("journal.jsonl");
        let Some(text) = read_lines(&path)? else { return Ok(None) };
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
}

#[async_trait]
impl StateStore for LocalStore {
    async fn load(&self) -> Result<Snapshot, StoreError> {
        self.read_state()
    }

    async fn lock(&self, holder: LockHolder) -> Result<Box<dyn StateGuard>, StoreError> {
        fs::create_dir_all(&self.directory).map_err(|err| writing(&self.directory, err))?;
        let path = self.path("lock");
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(|err| writing(&path, err))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let held = read_holder(&path)?.unwrap_or_else(unknown_holder);
                return Err(StoreError::Locked { holder: Box::new(held) });
            }
            Err(TryLockError::Error(err)) => return Err(writing(&path, err)),
        }
        let text = serde_json::to_string(&holder).expect("a holder is plain data");
        file.set_len(0)
            .and_then(|()| (&file).write_all(text.as_bytes()))
            .map_err(|err| writing(&path, err))?;
        let snapshot = self.read_state()?;
        let unfinished = self.read_journal(&snapshot.version)?;
        let mut guard =
            LocalGuard { store: self.clone(), lock: file, snapshot, unfinished, journal: None };
        if guard.unfinished.is_some() {
            guard.reopen_journal()?;
        } else if self.path("journal.jsonl").exists() {
            guard.close_journal()?;
        }
        Ok(Box::new(guard))
    }

    async fn holder(&self) -> Result<Option<LockHolder>, StoreError> {
        let path = self.path("lock");
        let file = match OpenOptions::new().read(true).open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(reading(&path, err)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                Ok(Some(read_holder(&path)?.unwrap_or_else(unknown_holder)))
            }
            Err(TryLockError::Error(err)) => Err(reading(&path, err)),
        }
    }

    async fn unfinished(&self) -> Result<Option<Unfinished>, StoreError> {
        self.read_journal(&self.read_state()?.version)
    }

    fn place(&self) -> String {
        self.path("state.json").display().to_string()
    }
}

#[derive(Debug)]
struct LocalGuard {
    store: LocalStore,
    /// Held until the guard is dropped; the system lets go of it when the process dies.
    lock: File,
    snapshot: Snapshot,
    unfinished: Option<Unfinished>,
    journal: Option<File>,
}

impl LocalGuard {
    /// Opens the journal of a dead run to continue it, without its torn last line.
    fn reopen_journal(&mut self) -> Result<(), StoreError> {
        let path = self.store.path("journal.jsonl");
        let reopen = || -> io::Result<File> {
            let text = fs::read(&path)?;
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(whole as u64)?;
            file.sync_all()?;
            Ok(file)
        };
        self.journal = Some(reopen().map_err(|err| writing(&path, err))?);
        Ok(())
    }

    /// Keeps the journal of a finished run under `runs/`, named after the run.
    fn close_journal(&mut self) -> Result<(), StoreError> {
        self.journal = None;
        let path = self.store.path("journal.jsonl");
        let runs = self.store.path("runs");
        let text = read_lines(&path)?.unwrap_or_default();
        let name = match parse_journal(&path.display().to_string(), &text)? {
            Some(journal) => format!("{}.jsonl", journal.header.run),
            // Only a torn head: the run never began.
            None => return fs::remove_file(&path).map_err(|err| writing(&path, err)),
        };
        let close = || -> io::Result<()> {
            fs::create_dir_all(&runs)?;
            fs::rename(&path, runs.join(name))?;
            prune(&runs)?;
            sync_directory(&runs)?;
            sync_directory(&self.store.directory)
        };
        close().map_err(|err| writing(&path, err))
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
        let head = JournalHead { format: FORMAT, header: header.clone(), plan: plan.clone() };
        let mut line = serde_json::to_string(&head).expect("a plan is plain data");
        line.push('\n');
        replace(&path, line.as_bytes()).map_err(|err| writing(&path, err))?;
        let file =
            OpenOptions::new().append(true).open(&path).map_err(|err| writing(&path, err))?;
        self.journal = Some(file);
        self.unfinished =
            Some(Unfinished { header: header.clone(), plan: plan.clone(), entries: Vec::new() });
        Ok(())
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let path = self.store.path("journal.jsonl");
        let file = self.journal.as_mut().expect("a run was begun");
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry).expect("an entry is plain data");
            lines.push(b'\n');
        }
        let durable = entries.iter().any(|entry| Event::must_be_durable(&entry.event));
        let write =
            file.write_all(&lines).and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        write.map_err(|err| writing(&path, err))
    }

    async fn commit(&mut self, environment: &Environment, next: State) -> Result<(), StoreError> {
        let lineage = match &self.unfinished {
            Some(run) if self.snapshot.version.lineage.is_empty() => run.header.lineage.clone(),
            _ => self.snapshot.version.lineage.clone(),
        };
        let version = StateVersion { lineage, serial: self.snapshot.version.serial + 1 };
        let document = StateDocument::new(&version, environment, &next);
        let path = self.store.path("state.json");
        replace(&path, document.to_text().as_bytes()).map_err(|err| writing(&path, err))?;
        self.snapshot = Snapshot { version, environment: Some(environment.clone()), state: next };
        if self.unfinished.take().is_some() {
            self.close_journal()?;
        }
        Ok(())
    }
}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        // An empty file says that nobody holds it; the lock itself goes with the handle.
        let _ = self.lock.set_len(0);
    }
}

/// Replaces a file in one step: whoever reads it sees the old bytes or the new ones.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().expect("state files live in a directory");
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|err| err.error)?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn read_if_there(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(reading(path, err)),
    }
}

/// The whole lines of a file. What comes after the last newline was still being
/// written, and may end in the middle of a character.
fn read_lines(path: &Path) -> Result<Option<String>, StoreError> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(reading(path, err)),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    bytes.truncate(whole);
    let damaged = |err: std::string::FromUtf8Error| StoreError::Damaged {
        place: path.display().to_string(),
        reason: err.to_string(),
    };
    String::from_utf8(bytes).map(Some).map_err(damaged)
}

/// Removes the oldest of too many finished runs. Their names sort by time.
fn prune(runs: &Path) -> io::Result<()> {
    let mut names: Vec<PathBuf> = fs::read_dir(runs)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    names.sort();
    let surplus = names.len().saturating_sub(RUNS_KEPT);
    names.iter().take(surplus).try_for_each(fs::remove_file)
}

fn read_holder(path: &Path) -> Result<Option<LockHolder>, StoreError> {
    Ok(read_if_there(path)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The holder has the lock and has not written its name yet.
fn unknown_holder() -> LockHolder {
    let unknown = || "unknown".to_owned();
    LockHolder { who: unknown(), command: unknown(), process: 0, since: unknown() }
}

fn writing(path: &Path, source: io::Error) -> StoreError {
    StoreError::Write { place: path.display().to_string(), source }
}

fn reading(path: &Path, source: io::Error) -> StoreError {
    StoreError::Read { place: path.display().to_string(), source }
}
