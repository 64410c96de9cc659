//! What every store promises.

use crate::{
    common::{entry, environment, header, holder, plan, progress, state_of, who},
    objects::Bucket,
};
use bfd_core::{State, StateVersion};
use bfd_store::{LocalStore, StateDocument, StateGuard, StateStore, StoreError};
use std::sync::Arc;

/// One place for a state; each call of `open` is another process.
enum Backend {
    Local(tempfile::TempDir),
    Objects(Bucket),
}

impl Backend {
    fn open(&self) -> Arc<dyn StateStore> {
        match self {
            Self::Local(directory) => Arc::new(LocalStore::new(directory.path())),
            Self::Objects(bucket) => Arc::new(bucket.open().store),
        }
    }

    /// Leaves half of a state.
    fn damage(&self) {
        const HALF: &str = "{\n  \"format\": 1,";
        match self {
            Self::Local(directory) => {
                std::fs::write(directory.path().join("state.json"), HALF).unwrap();
            }
            Self::Objects(bucket) => bucket.objects.set("team/dev/state.json", HALF),
        }
    }

    /// Lets go of a lock, and waits until that is known to all.
    async fn let_go(&self, guard: Box<dyn StateGuard>) {
        drop(guard);
        if let Self::Objects(bucket) = self {
            bucket.settle().await;
        }
    }
}

async fn on_each<F: Future<Output = ()>>(check: impl Fn(Arc<Backend>) -> F) {
    check(Arc::new(Backend::Local(tempfile::tempdir().unwrap()))).await;
    check(Arc::new(Backend::Objects(Bucket::default()))).await;
}

async fn one_run(guard: &mut dyn StateGuard, run: &str) {
    let plan = plan(guard.snapshot().version.clone());
    guard.begin(&header(run), &plan).await.unwrap();
    guard.append(&[entry(0), progress(1)]).await.unwrap();
    guard.append(&[progress(2)]).await.unwrap();
    guard.commit(&environment(), state_of(run)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_is_read_back() {
    on_each(|backend| async move {
        let store = backend.open();
        assert_eq!(store.load().await.unwrap(), bfd_core::Snapshot::default());
        let mut guard = store.lock(holder()).await.unwrap();
        for (serial, run) in [(1, "run1"), (2, "run2"), (3, "run3")] {
            one_run(&mut *guard, run).await;
            let snapshot = backend.open().load().await.unwrap();
            assert_eq!(snapshot.version, StateVersion { lineage: "lineage1".into(), serial });
            assert_eq!(snapshot.state, state_of(run));
            assert_eq!(&snapshot, guard.snapshot());
            assert!(store.unfinished().await.unwrap().is_none());
        }
        backend.let_go(guard).await;
        assert_eq!(store.finished().await.unwrap(), ["run3", "run2", "run1"]);
        let first = store.finished_run("run1").await.unwrap().unwrap();
        assert_eq!(first.entries, [entry(0), progress(1), progress(2)]);
        assert_eq!(first.header, header("run1"));
        assert_eq!(store.finished_run("run4").await.unwrap(), None);
        assert_eq!(store.finished_run("../state").await.unwrap(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn runs_go_along_to_another_store_and_are_kept_once() {
    let from = LocalStore::new(tempfile::tempdir().unwrap().path());
    let mut guard = from.lock(holder()).await.unwrap();
    for run in ["run1", "run3"] {
        one_run(&mut *guard, run).await;
    }
    let mut runs = Vec::new();
    for run in ["run1", "run3"] {
        runs.push(from.finished_run(run).await.unwrap().unwrap());
    }
    let snapshot = guard.snapshot();
    let document = StateDocument::new(&snapshot.version, &environment(), &snapshot.state);
    let text = document.with_history(runs.clone()).to_text();
    let moved = StateDocument::history_in("pulled.json", &text).unwrap();
    assert_eq!(moved, runs);
    let strange = text.replace("run1", "../run1");
    let err = StateDocument::history_in("pulled.json", &strange).unwrap_err();
    assert!(err.to_string().contains("is the id of no run"), "{err}");
    let runs = Arc::new(runs);
    on_each(|backend| {
        let runs = Arc::clone(&runs);
        async move {
            let store = backend.open();
            let mut guard = store.lock(holder()).await.unwrap();
            one_run(&mut *guard, "run2").await;
            let mut other = runs[0].clone();
            other.header.run = "run2".to_owned();
            other.entries.clear();
            for run in runs.iter().chain([&other]).chain(runs.iter()) {
                guard.keep(run.clone()).await.unwrap();
            }
            backend.let_go(guard).await;
            assert_eq!(store.finished().await.unwrap(), ["run3", "run2", "run1"]);
            assert_eq!(store.finished_run("run1").await.unwrap().as_ref(), Some(&runs[0]));
            let kept = store.finished_run("run2").await.unwrap().unwrap();
            assert_eq!(kept.entries.len(), 3, "what is there stays as it is");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_is_replaced_by_one_that_is_brought() {
    on_each(|backend| async move {
        let mut guard = backend.open().lock(holder()).await.unwrap();
        one_run(&mut *guard, "run1").await;
        backend.let_go(guard).await;
        backend.damage();

        let err = backend.open().lock(holder()).await.unwrap_err();
        assert!(matches!(err, StoreError::Damaged { .. }), "{err}");
        if let Backend::Objects(bucket) = &*backend {
            bucket.settle().await;
        }
        let mut guard = backend.open().lock_to_replace(holder()).await.unwrap();
        assert_eq!(guard.snapshot().state, State::default());
        let version = StateVersion { lineage: "lineage1".into(), serial: 5 };
        guard.replace(&environment(), version, state_of("brought")).await.unwrap();
        backend.let_go(guard).await;
        assert_eq!(backend.open().load().await.unwrap().state, state_of("brought"));
        assert_eq!(backend.open().finished().await.unwrap(), ["run1"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_writer_is_told_who_holds_the_lock() {
    on_each(|backend| async move {
        let guard = backend.open().lock(holder()).await.unwrap();
        let err = backend.open().lock(who("bob@desk")).await.unwrap_err();
        assert!(matches!(&err, StoreError::Locked { holder } if holder.who == "ana@host"), "{err}");
        assert_eq!(backend.open().holder().await.unwrap(), Some(holder()));
        backend.let_go(guard).await;
        assert_eq!(backend.open().holder().await.unwrap(), None);
        backend.open().lock(who("bob@desk")).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_open_run_is_found_by_the_next_process() {
    on_each(|backend| async move {
        let mut guard = backend.open().lock(holder()).await.unwrap();
        let plan = plan(guard.snapshot().version.clone());
        guard.begin(&header("run1"), &plan).await.unwrap();
        guard.append(&[entry(0)]).await.unwrap();
        guard.append(&[entry(1), entry(2)]).await.unwrap();
        // No write follows this one: letting go of the lock takes it along.
        guard.append(&[progress(3)]).await.unwrap();
        backend.let_go(guard).await;

        let seen = backend.open().unfinished().await.unwrap().unwrap();
        let mut guard = backend.open().lock(holder()).await.unwrap();
        let run = guard.unfinished().unwrap();
        assert_eq!(run, &seen);
        assert_eq!((&run.header, &run.plan), (&header("run1"), &plan));
        assert_eq!(run.entries, [entry(0), entry(1), entry(2), progress(3)]);
        guard.append(&[entry(4)]).await.unwrap();
        assert_eq!(backend.open().finished().await.unwrap(), Vec::<String>::new());
        guard.commit(&environment(), State::default()).await.unwrap();
        assert!(backend.open().unfinished().await.unwrap().is_none());
        let kept = backend.open().finished_run("run1").await.unwrap().unwrap();
        assert_eq!(kept.entries.len(), 5);
        assert_eq!(guard.snapshot().version.serial, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_state_made_elsewhere_keeps_its_version() {
    on_each(|backend| async move {
        let version = StateVersion { lineage: "elsewhere".into(), serial: 41 };
        let mut guard = backend.open().lock(holder()).await.unwrap();
        let made = state_of("moved");
        guard.replace(&environment(), version.clone(), made.clone()).await.unwrap();
        assert_eq!(backend.open().load().await.unwrap().version, version);
        one_run(&mut *guard, "run1").await;
        let after = backend.open().load().await.unwrap();
        assert_eq!(after.version, StateVersion { serial: 42, ..version });
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_hundred_runs_leave_the_latest_hundred_or_a_few_more() {
    on_each(|backend| async move {
        let mut guard = backend.open().lock(holder()).await.unwrap();
        for run in 0..200 {
            one_run(&mut *guard, &format!("run{run:03}")).await;
        }
        let kept = backend.open().finished().await.unwrap();
        assert!((100..116).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept[0], "run199");
        assert_eq!(guard.snapshot().version.serial, 200);
    })
    .await;
}
