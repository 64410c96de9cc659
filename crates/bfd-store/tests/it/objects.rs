//! What the store in a bucket promises when requests are lost, processes die, freeze and race.

use crate::common::{entry, environment, header, holder, plan, progress, state_of, who};
use bfd_core::{State, StateVersion};
use bfd_store::{
    Fault, LeaseOptions, MemoryObjects, ObjectError, ObjectStore, Objects as _, StateGuard,
    StateStore, StoreError,
};
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

const LENGTH: Duration = Duration::from_mins(1);

/// A bucket, and the processes that use it.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: MemoryObjects,
    nonces: Arc<AtomicU64>,
    /// Seconds that the machine has slept, which no timer knows of.
    slept: Arc<AtomicU64>,
    trackers: Mutex<Vec<TaskTracker>>,
}

/// A process: its view of the bucket, and what it does in the background.
pub(crate) struct Process {
    pub(crate) store: ObjectStore,
    objects: MemoryObjects,
}

impl Bucket {
    pub(crate) fn open(&self) -> Process {
        let objects = self.objects.other();
        let tasks = TaskTracker::new();
        self.trackers.lock().unwrap().push(tasks.clone());
        let nonces = self.nonces.clone();
        let nonce = move || format!("nonce-{}", nonces.fetch_add(1, Ordering::Relaxed));
        let slept = self.slept.clone();
        let machine = move || Duration::from_secs(slept.load(Ordering::Relaxed));
        let (nonce, machine) = (Arc::new(nonce), Arc::new(machine));
        let options = LeaseOptions { length: LENGTH, nonce, machine, tasks };
        let store = ObjectStore::new(Arc::new(objects.clone()), "team/dev", options);
        Process { store, objects }
    }

    /// Waits until every lock that was dropped is let go of.
    pub(crate) async fn settle(&self) {
        let trackers: Vec<TaskTracker> = self.trackers.lock().unwrap().drain(..).collect();
        for tasks in trackers {
            tasks.close();
            tasks.wait().await;
        }
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.objects.text(&format!("team/dev/{name}")).unwrap()).unwrap()
    }

    fn requests(&self) -> usize {
        self.objects.requests().len()
    }
}

impl Process {
    /// Takes the lock, and begins a run with an entry.
    async fn under_way(&self, run: &str) -> Box<dyn StateGuard> {
        let mut guard = self.store.lock(holder()).await.unwrap();
        let plan = plan(guard.snapshot().version.clone());
        guard.begin(&header(run), &plan).await.unwrap();
        guard.append(&[entry(0)]).await.unwrap();
        guard
    }

    /// Ends as a process does that is killed: nothing is let go of, nothing goes on.
    fn die(self, guard: Box<dyn StateGuard>) {
        self.objects.freeze();
        drop(guard);
    }
}

fn is_taken_over(error: &StoreError, by: &str) -> bool {
    matches!(error, StoreError::TakenOver { by: holder } if holder.who == by)
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_the_dead_is_taken_over_when_its_lease_has_run_out_and_not_before() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let guard = process.under_way("run1").await;
    process.die(guard);
    let died = Instant::now();
    let next = loop {
        match bucket.open().store.lock(who("bob@desk")).await {
            Ok(guard) => break guard,
            Err(StoreError::Locked { holder }) => assert_eq!(holder.who, "ana@host"),
            Err(other) => panic!("{other}"),
        }
        let lease = bucket.open().store.lease().await.unwrap().unwrap();
        assert_eq!((lease.run.as_deref(), lease.length), (Some("run1"), LENGTH));
        sleep(Duration::from_secs(1)).await;
    };
    let waited = died.elapsed();
    assert!(waited > LENGTH && waited < LENGTH + Duration::from_secs(5), "{waited:?}");
    assert_eq!(next.unfinished().unwrap().entries, [entry(0)]);
    assert_eq!(bucket.json("live.json")["fence"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_living_owner_keeps_its_lock_however_long_its_calls_take() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let mut guard = process.under_way("run1").await;
    for _ in 0..100 {
        sleep(LENGTH / 2).await;
        let err = bucket.open().store.lock(who("bob@desk")).await.unwrap_err();
        assert!(matches!(err, StoreError::Locked { .. }), "{err}");
    }
    let before = bucket.requests();
    sleep(LENGTH * 10).await;
    assert_eq!(bucket.requests() - before, 30, "a request each third of the lease");
    guard.append(&[entry(1)]).await.unwrap();
    guard.commit(&environment(), state_of("done")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn appends_renew_the_lease_by_themselves() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let mut guard = process.under_way("run1").await;
    let before = bucket.requests();
    for seq in 1..=100 {
        sleep(LENGTH / 4).await;
        guard.append(&[entry(seq)]).await.unwrap();
    }
    assert_eq!(bucket.requests() - before, 100);
}

/// What each kind of write of an owner that was frozen meets when it wakes up.
#[tokio::test(start_paused = true)]
async fn a_frozen_owner_that_wakes_up_is_refused_for_good() {
    for write in ["append", "begin", "commit", "replace"] {
        let bucket = Bucket::default();
        let frozen = bucket.open();
        let mut guard = if write == "begin" || write == "replace" {
            frozen.store.lock(holder()).await.unwrap()
        } else {
            frozen.under_way("run1").await
        };
        frozen.objects.freeze();
        let late = tokio::spawn(async move {
            let plan = plan(guard.snapshot().version.clone());
            let version = StateVersion { lineage: "late".into(), serial: 99 };
            let result = match write {
                "append" => guard.append(&[entry(1)]).await,
                "begin" => guard.begin(&header("late"), &plan).await,
                "commit" => guard.commit(&environment(), state_of("late")).await,
                _ => guard.replace(&environment(), version, state_of("late")).await,
            };
            (guard, result)
        });
        sleep(LENGTH * 2).await;
        // The new owner has done nothing but take the lock: that is enough.
        let mut next = bucket.open().store.lock(who("bob@desk")).await.unwrap();
        frozen.objects.thaw();
        let (mut guard, result) = late.await.unwrap();
        let err = result.unwrap_err();
        assert!(is_taken_over(&err, "bob@desk"), "{write}: {err}");
        let again = guard.append(&[entry(2)]).await.unwrap_err();
        assert!(is_taken_over(&again, "bob@desk"), "{write}: {again}");
        drop(guard);
        sleep(LENGTH / 2).await;
        let kept = bucket.open().store.holder().await.unwrap();
        assert_eq!(kept.map(|holder| holder.who), Some("bob@desk".into()), "{write}");
        if next.unfinished().is_none() {
            let plan = plan(next.snapshot().version.clone());
            next.begin(&header("run2"), &plan).await.unwrap();
        }
        assert!(next.unfinished().unwrap().entries.len() < 2, "{write}");
        next.commit(&environment(), state_of("bob")).await.unwrap();
        let snapshot = bucket.open().store.load().await.unwrap();
        assert_eq!((snapshot.version.serial, snapshot.state), (1, state_of("bob")), "{write}");
    }
}

/// The earlier owner froze after it had taken the lock, and before it read the state.
#[tokio::test(start_paused = true)]
async fn an_owner_that_froze_before_it_had_read_the_state_is_refused() {
    let bucket = Bucket::default();
    let early = bucket.open();
    bucket.objects.set_latency(Duration::from_secs(1));
    let late = {
        let store = early.store.clone();
        tokio::spawn(async move { store.lock(holder()).await.map(drop) })
    };
    // The first request reads the lock, the second takes it: it is under way, the third is not.
    sleep(Duration::from_millis(1500)).await;
    early.objects.freeze();
    sleep(Duration::from_secs(1)).await;
    bucket.objects.set_latency(Duration::ZERO);
    assert_eq!(bucket.json("live.json")["lease"]["holder"]["who"], "ana@host");
    sleep(LENGTH * 2).await;
    let next = bucket.open().store.lock(who("bob@desk")).await;
    // The state has the fence of the new owner by now.
    early.objects.thaw();
    let err = late.await.unwrap().unwrap_err();
    assert!(is_taken_over(&err, "bob@desk"), "{err}");
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_of_every_write_do_not_show() {
    // What an apply writes, by the order of its requests.
    let writes = ["live.json", "plans/run1.json", "state.json", "runs/run1.jsonl"];
    let faults =
        [Fault::LostAnswer, Fault::RepeatedAfterLostAnswer, Fault::LostRequest, Fault::Conflict];
    for object in writes {
        for fault in faults {
            // live.json is written five times: to lock, begin, append, close and let go.
            for skipped in 0..if object == "live.json" { 5 } else { 1 } {
                let bucket = Bucket::default();
                bucket.objects.inject_after(skipped, &format!("PUT {object}"), fault);
                let mut guard = bucket.open().under_way("run1").await;
                guard.commit(&environment(), state_of("done")).await.unwrap();
                drop(guard);
                bucket.settle().await;

                let what = format!("{object} {fault:?} {skipped}");
                assert_eq!(bucket.objects.left(), 0, "{what}");
                let store = bucket.open().store;
                assert_eq!(store.load().await.unwrap().version.serial, 1, "{what}");
                assert_eq!(store.holder().await.unwrap(), None, "{what}");
                assert!(store.unfinished().await.unwrap().is_none(), "{what}");
                let kept = store.finished_run("run1").await.unwrap().unwrap();
                assert_eq!(kept.entries, [entry(0)], "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_whose_answer_is_lost_keeps_the_lock() {
    for fault in [Fault::LostAnswer, Fault::RepeatedAfterLostAnswer, Fault::LostRequest] {
        let bucket = Bucket::default();
        let process = bucket.open();
        let mut guard = process.under_way("run1").await;
        bucket.objects.inject("PUT live.json", fault);
        sleep(LENGTH).await;
        assert_eq!(bucket.objects.left(), 0);
        guard.append(&[entry(1)]).await.unwrap();
        assert_eq!(bucket.open().store.unfinished().await.unwrap().unwrap().entries.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_that_comes_back_in_time_is_survived() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let mut guard = process.under_way("run1").await;
    // A heartbeat that took place; then neither it nor the look at it is answered.
    bucket.objects.inject("PUT live.json", Fault::LostAnswer);
    bucket.objects.inject("GET live.json", Fault::LostRequest);
    sleep(LENGTH / 2).await;
    assert_eq!(bucket.objects.left(), 0);
    guard.append(&[entry(1)]).await.unwrap();
    drop(guard);
    bucket.settle().await;
    assert_eq!(bucket.open().store.holder().await.unwrap(), None);
}

/// The process dies at each of its writes, before and after it took place; the next one, after
/// the lease, finds a state, and a run that is open or over.
#[tokio::test(start_paused = true)]
async fn whoever_comes_after_a_death_at_any_write_can_go_on() {
    for fault in [Fault::LostAnswer, Fault::LostRequest] {
        for object in ["live.json", "plans/run1.json", "state.json", "runs/run1.jsonl"] {
            for skipped in 0..if object == "live.json" { 4 } else { 1 } {
                let bucket = Bucket::default();
                bucket.objects.set_latency(Duration::from_millis(10));
                bucket.objects.inject_after(skipped, &format!("PUT {object}"), fault);
                let process = bucket.open();
                let what = format!("{object} {fault:?} {skipped}");
                let store = process.store.clone();
                let life = tokio::spawn(async move {
                    let mut guard = store.lock(holder()).await?;
                    let plan = plan(guard.snapshot().version.clone());
                    guard.begin(&header("run1"), &plan).await?;
                    guard.append(&[entry(0)]).await?;
                    guard.commit(&environment(), state_of("one")).await
                });
                // It dies before it can look what became of its write.
                while bucket.objects.left() > 0 {
                    sleep(Duration::from_millis(1)).await;
                }
                process.objects.freeze();
                life.abort();
                sleep(LENGTH * 2).await;

                let mut guard = bucket.open().store.lock(who("bob@desk")).await.expect(&what);
                let serial = guard.snapshot().version.serial;
                if guard.unfinished().is_some() {
                    assert_eq!(serial, 0, "{what}");
                } else {
                    let plan = plan(guard.snapshot().version.clone());
                    guard.begin(&header("run2"), &plan).await.expect(&what);
                }
                guard.append(&[entry(1)]).await.expect(&what);
                guard.commit(&environment(), state_of("two")).await.expect(&what);
                let after = bucket.open().store.load().await.expect(&what);
                assert_eq!(after.version.serial, serial + 1, "{what}");
                assert_eq!(after.state, state_of("two"), "{what}");
                if serial == 1 {
                    let runs = bucket.open().store.finished().await.expect(&what);
                    assert_eq!(runs, ["run2", "run1"], "{what}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_between_commit_and_close_is_over() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let mut guard = process.under_way("run1").await;
    bucket.objects.inject("PUT runs/run1.jsonl", Fault::Denied);
    guard.commit(&environment(), state_of("one")).await.unwrap_err();
    process.die(guard);
    let store = bucket.open().store;
    assert!(store.unfinished().await.unwrap().is_none());
    assert_eq!(store.finished().await.unwrap(), ["run1"]);
    assert_eq!(store.finished_run("run1").await.unwrap().unwrap().entries, [entry(0)]);
    sleep(LENGTH * 2).await;
    let guard = store.lock(holder()).await.unwrap();
    assert!(guard.unfinished().is_none());
    assert!(bucket.objects.text("team/dev/runs/run1.jsonl").is_some());
    assert_eq!(bucket.json("live.json")["run"], Value::Null);
}

/// Many processes at once, some of which die: each commit is one more, and builds on the one
/// before.
#[tokio::test(start_paused = true)]
async fn no_update_is_lost_among_eight_processes_of_which_some_die() {
    let bucket = Arc::new(Bucket::default());
    bucket.objects.set_latency(Duration::from_millis(20));
    let commits = Arc::new(AtomicU64::new(0));
    let lanes: Vec<_> = (0..8u64)
        .map(|lane| {
            let (bucket, commits) = (bucket.clone(), commits.clone());
            tokio::spawn(async move {
                for number in 0..25u64 {
                    let process = bucket.open();
                    let mut guard = loop {
                        match process.store.lock(who(&format!("{lane}@host"))).await {
                            Ok(guard) => break guard,
                            Err(StoreError::Locked { .. } | StoreError::Unreachable { .. }) => {
                                sleep(Duration::from_millis(500 + lane * 37)).await;
                            }
                            Err(other) => panic!("{other}"),
                        }
                    };
                    let dies = (lane + number) % 7 == 0;
                    if guard.unfinished().is_none() {
                        let plan = plan(guard.snapshot().version.clone());
                        let run = format!("run{lane}-{number:02}");
                        guard.begin(&header(&run), &plan).await.unwrap();
                    }
                    guard.append(&[entry(0)]).await.unwrap();
                    if dies {
                        process.die(guard);
                        continue;
                    }
                    // A counter in the state: an update that is lost shows in it.
                    let told = guard.snapshot().state.resources.values().next();
                    let count = told.map_or(0, |cluster| cluster.id.parse::<u64>().unwrap());
                    let next = state_of(&(count + 1).to_string());
                    guard.commit(&environment(), next).await.unwrap();
                    commits.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    let made = commits.load(Ordering::Relaxed);
    assert!(made > 150, "{made}");
    let snapshot = bucket.open().store.load().await.unwrap();
    assert_eq!(snapshot.version.serial, made);
    assert_eq!(snapshot.state, state_of(&made.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_lock_can_be_broken_and_its_owner_is_refused() {
    let bucket = Bucket::default();
    let process = bucket.open();
    let mut guard = process.under_way("run1").await;
    let seen = bucket.open().store.lease().await.unwrap().expect("a lease");
    let broken = bucket.open().store.take_over(who("bob@desk"), &seen).await.unwrap();
    // Who saw the first one broke that, and nobody else's.
    let err = bucket.open().store.take_over(who("eve@desk"), &seen).await.unwrap_err();
    assert!(matches!(&err, StoreError::Locked { holder } if holder.who == "bob@desk"), "{err}");
    assert_eq!(broken.unfinished().unwrap().entries, [entry(0)]);
    let err = guard.append(&[entry(1)]).await.unwrap_err();
    assert!(is_taken_over(&err, "bob@desk"), "{err}");
    drop((guard, broken));
    bucket.settle().await;
    assert_eq!(bucket.open().store.holder().await.unwrap(), None);
    assert!(bucket.open().store.lock(holder()).await.unwrap().unfinished().is_some());
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_with_their_way_out_and_change_nothing() {
    let bucket = Bucket::default();
    bucket.objects.inject("PUT live.json", Fault::Denied);
    let err = bucket.open().store.lock(holder()).await.unwrap_err();
    let StoreError::Unreachable { place, source } = err else { panic!("{err}") };
    assert_eq!(place, "memory://team/dev/live.json");
    assert!(matches!(*source, ObjectError::Refused(_)), "{source}");
    assert!(bucket.objects.keys().is_empty());
}

#[tokio::test(start_paused = true)]
async fn newer_and_damaged_objects_are_refused_and_left_alone() {
    for name in ["state.json", "live.json"] {
        for (text, newer) in
            [("{\"format\": 99}", true), ("{\"format\": 1}", false), ("no json", false)]
        {
            let bucket = Bucket::default();
            bucket.objects.set(&format!("team/dev/{name}"), text);
            let err = bucket.open().store.lock(holder()).await.unwrap_err();
            assert_eq!(matches!(err, StoreError::NewerFormat { .. }), newer, "{err}");
            assert_eq!(matches!(err, StoreError::Damaged { .. }), !newer, "{err}");
            assert_eq!(bucket.objects.text(&format!("team/dev/{name}")).unwrap(), text);
        }
    }
}

async fn after_runs(runs: &[&str]) -> Bucket {
    let bucket = Bucket::default();
    for run in runs {
        let mut guard = bucket.open().under_way(run).await;
        guard.commit(&environment(), state_of(run)).await.unwrap();
        drop(guard);
        bucket.settle().await;
    }
    bucket
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_object_was_lost_is_made_again_above_what_the_state_has_seen() {
    let bucket = after_runs(&["run1", "run2", "run3"]).await;
    let guard = bucket.open().under_way("run4").await;
    drop(guard);
    bucket.settle().await;
    // A takeover puts its fence into the state.
    drop(bucket.open().store.lock(holder()).await.unwrap());
    bucket.settle().await;
    let seen = bucket.json("state.json")["fence"].as_u64().unwrap();
    assert!(seen > 1, "{seen}");
    bucket.objects.delete("team/dev/live.json").await.unwrap();

    let mut guard = bucket.open().store.lock(holder()).await.unwrap();

    assert_eq!(guard.snapshot().state, state_of("run3"));
    guard.commit(&environment(), state_of("next")).await.unwrap();
    drop(guard);
    bucket.settle().await;
    assert!(bucket.json("state.json")["fence"].as_u64().unwrap() > seen);
    assert_eq!(bucket.open().store.load().await.unwrap().state, state_of("next"));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_gone_is_not_begun_anew() {
    let bucket = after_runs(&["run1", "run2"]).await;
    bucket.objects.delete("team/dev/state.json").await.unwrap();

    let gone = |err: StoreError| matches!(err, StoreError::Gone { serial: 2, .. });
    assert!(gone(bucket.open().store.load().await.unwrap_err()));
    assert!(gone(bucket.open().store.lock(holder()).await.unwrap_err()));
    bucket.settle().await;

    // Unless somebody brings one.
    let mut guard = bucket.open().store.lock_to_replace(holder()).await.unwrap();
    assert_eq!((guard.snapshot().version.serial, &guard.snapshot().environment), (2, &None));
    let version = StateVersion { lineage: "lineage1".into(), serial: 3 };
    guard.replace(&environment(), version, state_of("brought")).await.unwrap();
    drop(guard);
    bucket.settle().await;
    assert_eq!(bucket.open().store.load().await.unwrap().state, state_of("brought"));
    drop(bucket.open().store.lock(holder()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_does_not_fit_the_state_is_refused() {
    let bucket = Bucket::default();
    for run in ["run1", "run2"] {
        let mut guard = bucket.open().under_way(run).await;
        guard.commit(&environment(), State::default()).await.unwrap();
        drop(guard);
        bucket.settle().await;
    }
    let old = bucket.objects.text("team/dev/state.json").unwrap();
    let process = bucket.open();
    let guard = process.under_way("run3").await;
    process.die(guard);
    sleep(LENGTH * 2).await;
    bucket.objects.set("team/dev/state.json", &old.replace("\"serial\": 2", "\"serial\": 1"));
    let err = bucket.open().store.lock(holder()).await.unwrap_err();
    assert!(matches!(err, StoreError::Damaged { .. }), "{err}");
    assert_eq!(bucket.json("live.json")["run"]["header"]["run"], "run3");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_old_hides_no_run_that_was_asked_for() {
    let bucket = Bucket::default();
    let mut guard = bucket.open().under_way("run1").await;
    bucket.objects.age_listings();
    guard.commit(&environment(), State::default()).await.unwrap();
    let store = bucket.open().store;
    assert!(store.finished().await.unwrap().is_empty());
    assert!(store.finished_run("run1").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn progress_alone_is_no_request() {
    let bucket = Bucket::default();
    let mut guard = bucket.open().under_way("run1").await;
    let before = bucket.requests();
    for seq in 1..50 {
        guard.append(&[progress(seq)]).await.unwrap();
    }
    assert_eq!(bucket.requests(), before);
    guard.append(&[entry(50)]).await.unwrap();
    assert_eq!(bucket.requests(), before + 1);
    let seen = bucket.open().store.unfinished().await.unwrap().unwrap();
    let order: Vec<u64> = seen.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(order, (0..=50).collect::<Vec<_>>());
}

/// A process is in the middle of a call when it is stopped, and makes the next one of the same
/// step as soon as it goes on. No write of the journal is between the two.
#[tokio::test(start_paused = true)]
async fn whoever_was_stopped_in_the_middle_of_a_step_learns_before_its_next_request() {
    let bucket = Bucket::default();
    let stopped = bucket.open();
    let guard = stopped.under_way("run1").await;
    let tenure = guard.tenure().unwrap();
    stopped.objects.freeze();
    let before = bucket.requests();
    tenure.confirm().await.unwrap();
    assert_eq!(bucket.requests(), before, "a lease that is certain needs no request");
    // Its heartbeat has begun when time goes on, and waits.
    sleep(LENGTH * 2).await;
    let next = bucket.open().store.lock(who("bob@desk")).await.unwrap();
    stopped.objects.thaw();
    for _ in 0..2 {
        let err = tenure.confirm().await.unwrap_err();
        assert!(is_taken_over(&err, "bob@desk"), "{err}");
    }
    drop((guard, next));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_stopped_and_has_still_the_lock_goes_on() {
    let bucket = Bucket::default();
    let stopped = bucket.open();
    let mut guard = stopped.under_way("run1").await;
    let tenure = guard.tenure().unwrap();
    stopped.objects.freeze();
    sleep(LENGTH * 2).await;
    stopped.objects.thaw();
    tenure.confirm().await.unwrap();
    guard.append(&[entry(1)]).await.unwrap();
}

/// Timers stand still while a machine sleeps, and leases go on.
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_is_not_certain_of_its_lock() {
    let bucket = Bucket::default();
    let asleep = bucket.open();
    let guard = asleep.under_way("run1").await;
    let tenure = guard.tenure().unwrap();
    let seen = bucket.open().store.lease().await.unwrap().expect("a lease");
    let next = bucket.open().store.take_over(who("bob@desk"), &seen).await.unwrap();
    tenure.confirm().await.expect("nothing says that time has passed");
    bucket.slept.store(LENGTH.as_secs(), Ordering::Relaxed);
    let err = tenure.confirm().await.unwrap_err();
    assert!(is_taken_over(&err, "bob@desk"), "{err}");
    drop((guard, next));
}

/// A lock whose answer was lost counts from when it was taken, not from when that was found.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_long_in_coming_is_certain_for_less() {
    let bucket = Bucket::default();
    let process = bucket.open();
    bucket.objects.inject("PUT live.json", Fault::LostAnswer);
    bucket.objects.set_latency(Duration::from_secs(20));
    let guard = process.store.lock(holder()).await.unwrap();
    bucket.objects.set_latency(Duration::ZERO);
    let before = bucket.requests();
    guard.tenure().unwrap().confirm().await.unwrap();
    assert_eq!(bucket.requests(), before + 1);
    drop(guard);
}
