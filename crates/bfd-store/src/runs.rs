//! The journals of runs that ended, for those who look back.

use crate::{Disk, RunHeader, StoreError, Unfinished};
use bfd_core::{journal::Entry, plan::Plan};
use std::path::Path;

/// A run that ended, as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRun {
    pub header: RunHeader,
    pub plan: Plan,
    pub entries: Vec<Entry>,
}

impl From<Unfinished> for FinishedRun {
    fn from(journal: Unfinished) -> Self {
        Self { header: journal.header, plan: journal.plan, entries: journal.entries }
    }
}

impl From<FinishedRun> for Unfinished {
    fn from(run: FinishedRun) -> Self {
        Self { header: run.header, plan: run.plan, entries: run.entries }
    }
}

/// How many finished runs are kept: each holds a whole plan.
pub(crate) const RUNS_KEPT: usize = 100;

/// What the journal of a run is called.
pub(crate) fn file_name(run: &str) -> String {
    format!("{run}.jsonl")
}

/// The ids of the runs kept in `directory`, the latest first: their names sort by time.
pub(crate) fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<String>, StoreError> {
    let files = disk
        .list(directory)
        .map_err(|source| StoreError::Read { place: directory.display().to_string(), source })?;
    let mut runs: Vec<String> = files.iter().filter_map(|path| run_of(path)).collect();
    runs.sort_unstable_by(|one, other| other.cmp(one));
    Ok(runs)
}

/// The run that an object under `runs/` is the journal of.
pub(crate) fn id_of(key: &str) -> Option<String> {
    run_of(Path::new(key))
}

/// Other files have no business there, and are no runs.
fn run_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str()?.strip_suffix(".jsonl").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalStore, LockHolder, StateStore};
    use bfd_core::{
        Environment, State, StateVersion,
        journal::Event,
        plan::{FORMAT_VERSION, Rollback},
    };
    use std::{collections::BTreeMap, fs};

    fn plan(base: StateVersion) -> Plan {
        Plan {
            format_version: FORMAT_VERSION,
            environment: Environment {
                name: "dev".into(),
                account: "123456789012".into(),
                region: "eu-west-1".into(),
            },
            endpoint: None,
            base,
            refreshed: State::default(),
            missing: BTreeMap::new(),
            changes: vec![],
            unchanged: 0,
            steps: vec![],
            drift: vec![],
            stack_drift: Vec::new(),
            previews: Vec::new(),
            back_to: None,
            warnings: vec![],
            targets: std::collections::BTreeSet::new(),
            rollback: Rollback::default().into(),
        }
    }

    async fn ended(store: &LocalStore, run: &str) -> FinishedRun {
        let who = || "ann@desk".to_owned();
        let holder =
            LockHolder { who: who(), command: "bfd apply".into(), process: 1, since: "now".into() };
        let mut guard = store.lock(holder).await.unwrap();
        let plan = plan(guard.snapshot().version.clone());
        let header = RunHeader {
            run: run.to_owned(),
            lineage: "l".into(),
            started_at: "2026-01-01T00:00:00Z".into(),
            who: who(),
            arn: None,
            command: "bfd apply".into(),
            commit: Some("c0ffee".into()),
            plan_digest: Some("sha256:1".into()),
        };
        let entry =
            Entry { seq: 0, at: "2026-01-01T00:00:01Z".into(), step: None, event: Event::Canceled };
        guard.begin(&header, &plan).await.unwrap();
        guard.append(std::slice::from_ref(&entry)).await.unwrap();
        guard.commit(&plan.environment, State::default()).await.unwrap();
        FinishedRun { header, plan, entries: vec![entry] }
    }

    #[tokio::test]
    async fn runs_that_ended_are_listed_latest_first_and_read_back_whole() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path());
        assert!(store.finished().await.unwrap().is_empty());
        let first = ended(&store, "01a").await;
        ended(&store, "01b").await;
        fs::write(directory.path().join("runs/notes.txt"), "mine").unwrap();
        assert_eq!(store.finished().await.unwrap(), ["01b", "01a"]);
        assert_eq!(store.finished_run("01a").await.unwrap(), Some(first));
        assert_eq!(store.finished_run("01c").await.unwrap(), None);
        assert_eq!(store.finished_run("../journal").await.unwrap(), None);
    }

    /// Between the new state and the move of the journal a process can die.
    #[tokio::test]
    async fn a_run_whose_journal_was_not_moved_yet_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path());
        let run = ended(&store, "01a").await;
        let kept = directory.path().join("runs/01a.jsonl");
        fs::rename(kept, directory.path().join("journal.jsonl")).unwrap();
        assert_eq!(store.unfinished().await.unwrap(), None);
        assert_eq!(store.finished().await.unwrap(), ["01a"]);
        assert_eq!(store.finished_run("01a").await.unwrap(), Some(run));
    }

    #[tokio::test]
    async fn a_damaged_run_is_listed_and_refused_when_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path());
        ended(&store, "01a").await;
        fs::write(directory.path().join("runs/01a.jsonl"), "{}\n").unwrap();
        assert_eq!(store.finished().await.unwrap(), ["01a"]);
        let damaged = store.finished_run("01a").await;
        assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
    }
}
