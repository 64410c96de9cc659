//! What the local store promises, whatever happens to its files.

use crate::common::{entry, environment, header, holder, plan, progress, state_of};
use bfd_store::{LocalStore, StateStore, StoreError};
use std::{fs, path::Path};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

async fn one_run(directory: &Path) {
    let store = LocalStore::new(directory);
    let mut guard = store.lock(holder()).await.unwrap();
    let plan = plan(guard.snapshot().version.clone());
    guard.begin(&header("run1"), &plan).await.unwrap();
    guard.append(&[entry(0)]).await.unwrap();
    guard.commit(&environment(), state_of("main")).await.unwrap();
}

#[test]
fn what_was_committed_is_read_back() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        one_run(directory.path()).await;
        let snapshot = LocalStore::new(directory.path()).load().await.unwrap();
        assert_eq!((snapshot.version.serial, snapshot.version.lineage.as_str()), (1, "lineage1"));
        assert_eq!(snapshot.state, state_of("main"));
        assert!(directory.path().join("runs/run1.jsonl").exists());
        assert!(!directory.path().join("journal.jsonl").exists());
    });
}

#[test]
fn a_dead_run_is_found_again_without_its_torn_line() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path());
        {
            let mut guard = store.lock(holder()).await.unwrap();
            let plan = plan(guard.snapshot().version.clone());
            guard.begin(&header("run1"), &plan).await.unwrap();
            guard.append(&[entry(0), entry(1)]).await.unwrap();
        }
        let journal = directory.path().join("journal.jsonl");
        let mut text = fs::read(&journal).unwrap();
        text.extend_from_slice(b"{\"seq\":2,\"at\"");
        fs::write(&journal, &text).unwrap();
        let mut guard = store.lock(holder()).await.unwrap();
        assert_eq!(guard.unfinished().unwrap().entries, [entry(0), entry(1)]);
        guard.append(&[entry(2)]).await.unwrap();
        drop(guard);
        let again = store.unfinished().await.unwrap().unwrap();
        assert_eq!(again.entries, [entry(0), entry(1), entry(2)]);
    });
}

#[test]
fn a_run_that_died_between_commit_and_close_is_over() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        one_run(directory.path()).await;
        fs::rename(
            directory.path().join("runs/run1.jsonl"),
            directory.path().join("journal.jsonl"),
        )
        .unwrap();
        let store = LocalStore::new(directory.path());
        assert!(store.lock(holder()).await.unwrap().unfinished().is_none());
        assert!(directory.path().join("runs/run1.jsonl").exists());
    });
}

#[test]
fn newer_and_damaged_state_is_refused_and_left_alone() {
    block_on(async {
        for (text, newer) in [
            ("{\"format\": 99}", true),
            ("{\"format\": 1}", false),
            ("not json", false),
            ("{}", false),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state.json");
            fs::write(&path, text).unwrap();
            let err = LocalStore::new(directory.path()).lock(holder()).await.unwrap_err();
            assert_eq!(matches!(err, StoreError::NewerFormat { .. }), newer, "{err}");
            assert_eq!(matches!(err, StoreError::Damaged { .. }), !newer, "{err}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    });
}

#[test]
fn a_damaged_journal_is_refused_and_left_alone() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        fs::write(&path, "nonsense\n").unwrap();
        let err = LocalStore::new(directory.path()).lock(holder()).await.unwrap_err();
        assert!(matches!(err, StoreError::Damaged { .. }), "{err}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense\n");
    });
}

#[test]
fn a_journal_torn_at_any_byte_keeps_its_whole_lines() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path());
        {
            let mut guard = store.lock(holder()).await.unwrap();
            let plan = plan(guard.snapshot().version.clone());
            guard.begin(&header("run1"), &plan).await.unwrap();
            guard.append(&[entry(0), progress(1)]).await.unwrap();
        }
        let journal = directory.path().join("journal.jsonl");
        let whole = fs::read(&journal).unwrap();
        for length in 0..=whole.len() {
            fs::write(&journal, &whole[..length]).unwrap();
            let lines = whole[..length].split(|byte| *byte == b'\n').count() - 1;
            let found = store.unfinished().await.unwrap();
            assert_eq!(found.map_or(0, |run| run.entries.len() + 1), lines, "cut at {length}");
        }
    });
}

#[test]
fn a_journal_that_does_not_fit_the_state_is_refused_and_left_alone() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        one_run(directory.path()).await;
        let old = fs::read(directory.path().join("state.json")).unwrap();
        one_run(directory.path()).await;
        let store = LocalStore::new(directory.path());
        {
            let mut guard = store.lock(holder()).await.unwrap();
            let plan = plan(guard.snapshot().version.clone());
            guard.begin(&header("run1"), &plan).await.unwrap();
        }
        let journal = directory.path().join("journal.jsonl");
        let before = fs::read(&journal).unwrap();
        fs::write(directory.path().join("state.json"), old).unwrap();
        let err = store.lock(holder()).await.unwrap_err();
        assert!(matches!(err, StoreError::Damaged { .. }), "{err}");
        assert_eq!(fs::read(&journal).unwrap(), before);
    });
}
