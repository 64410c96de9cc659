//! What a run costs where each write is a request.

use crate::{
    TestClock, agree, block_on,
    cloud::FakeCloud,
    world::{World, cloud_of, line, planned, wide},
};
use bfd_apply::{Ended, Limits, Reporter, Session, apply};
use bfd_core::{
    Outcome,
    journal::{Entry, Event},
    plan::Step,
};
use bfd_store::{LeaseOptions, LockHolder, MemoryObjects, ObjectStore, RunHeader, StateStore};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a request to S3 takes.
const LATENCY: Duration = Duration::from_millis(40);
/// Between 300 and 500 ms, as most calls to AWS take.
const CALLS: fn(u32) -> Duration =
    |number| Duration::from_millis(300 + u64::from(number * 73 % 200));

struct Cost {
    requests: Vec<String>,
    took: Duration,
    ended: Ended,
    /// When it was shown that a step had failed.
    failed: Option<Duration>,
}

#[derive(Debug, Default)]
struct Failures(Option<Instant>);

impl Reporter for Failures {
    fn on_entry(&mut self, _: Option<&Step>, entry: &Entry) {
        if matches!(entry.event, Event::Failed { .. }) {
            self.0.get_or_insert_with(Instant::now);
        }
    }
}

/// Applies a world to nothing, from taking the lock to letting go of it.
async fn cost(world: &World, cloud: &FakeCloud, parallelism: usize) -> Cost {
    let mut failures = Failures::default();
    let objects = MemoryObjects::default();
    objects.set_latency(LATENCY);
    let tasks = TaskTracker::new();
    let nonce = || "nonce".to_owned();
    let length = Duration::from_mins(1);
    let (nonce, machine) = (Arc::new(nonce), Arc::new(|| Duration::ZERO));
    let options = LeaseOptions { length, nonce, machine, tasks: tasks.clone() };
    let store = ObjectStore::new(Arc::new(objects.clone()), "wide", options);
    let plan = planned(&world.desired, &world.before, cloud).await;
    let began = Instant::now();
    let text = || "test".to_owned();
    let holder = LockHolder { who: text(), command: text(), process: 1, since: text() };
    let mut guard = store.lock(holder).await.unwrap();
    let session = Session {
        provider: Arc::new(cloud.clone()),
        guard: &mut *guard,
        reporter: &mut failures,
        clock: Arc::new(TestClock),
        limits: Limits { parallelism },
        cancel: CancellationToken::new(),
        abort: CancellationToken::new(),
    };
    let header = RunHeader {
        run: "run".into(),
        lineage: text(),
        started_at: text(),
        who: text(),
        arn: None,
        command: text(),
        commit: None,
        plan_digest: None,
    };
    let ended = apply(plan, &header, session).await.unwrap();
    drop(guard);
    tasks.close();
    tasks.wait().await;
    let (requests, took) = (objects.requests(), began.elapsed());
    agree(cloud, &store.load().await.unwrap().state);
    let kept = store.finished_run("run").await.unwrap().unwrap();
    let starts = kept.entries.iter().filter(|entry| entry.event == Event::Started).count();
    assert_eq!(starts, world.desired.len());
    assert!(kept.entries.iter().map(|entry| entry.seq).eq(0..kept.entries.len() as u64));
    let failed = failures.0.map(|at| at.duration_since(began));
    Cost { requests, took, ended, failed }
}

#[test]
fn a_hundred_parallel_steps_cost_a_quarter_of_a_request_each_at_most() {
    for (parallelism, at_most) in [(10, 27), (25, 18), (100, 12)] {
        block_on(async {
            let world = wide(100);
            let cloud = cloud_of(&world.before);
            cloud.with(|inner| inner.pace = Some(CALLS));
            let cost = cost(&world, &cloud, parallelism).await;
            assert_eq!(cost.ended.outcome, Outcome::Applied);
            let count = cost.requests.len();
            assert!(count <= at_most, "{parallelism}: {count}, {:#?}", cost.requests);
        });
    }
}

/// AWS's limits spread what begins together: parameters end one by one, three in a second.
#[test]
fn steps_that_end_one_by_one_and_hold_up_nobody_are_written_together() {
    block_on(async {
        let world = wide(100);
        let cloud = cloud_of(&world.before);
        cloud.with(|inner| inner.pace = Some(|number| Duration::from_millis(333) * number));
        let cost = cost(&world, &cloud, 100).await;
        let count = cost.requests.len();
        assert!(count <= 27, "{count}, {:#?}", cost.requests);
        let last = Duration::from_millis(333) * 100;
        assert!(cost.took < last + Duration::from_secs(1), "{:?}", cost.took);
    });
}

/// A step that waits for one that has ended is not held up by others that are under way.
#[test]
fn whatever_waits_for_a_step_begins_soon_after_its_end() {
    block_on(async {
        let mut world = line(20);
        // The last of a line of its own takes as long as all others together.
        world.desired.extend(wide(21).desired.pop());
        let cloud = cloud_of(&world.before);
        cloud.with(|inner| {
            inner.pace = Some(|number| Duration::from_secs(if number == 1 { 25 } else { 1 }));
        });
        let cost = cost(&world, &cloud, 10).await;
        // A second for each, a quarter of one until it is written, and its request.
        assert!(cost.took < Duration::from_secs(28), "{:?}", cost.took);
    });
}

/// Nothing waits for others that are not there.
#[test]
fn steps_one_after_the_other_wait_for_their_writes_alone() {
    block_on(async {
        let world = line(20);
        let cloud = cloud_of(&world.before);
        cloud.with(|inner| inner.pace = Some(|_| Duration::from_secs(1)));
        let cost = cost(&world, &cloud, 10).await;
        let writes = u32::try_from(cost.requests.len()).unwrap();
        assert_eq!(cost.took, Duration::from_secs(20) + LATENCY * writes);
        assert_eq!(writes, 30);
    });
}

/// What has failed is written at once, whoever else is still under way.
#[test]
fn a_failure_waits_for_nothing() {
    block_on(async {
        let world = wide(10);
        let cloud = cloud_of(&world.before);
        cloud.with(|inner| {
            inner.pace = Some(|number| Duration::from_secs(u64::from(number)));
            inner.fail_at = Some(0);
        });
        let cost = cost(&world, &cloud, 10).await;
        assert_eq!(cost.ended.outcome, Outcome::RolledBack);
        // To lock, plan, begin and announce are six requests; the call takes a second.
        assert_eq!(cost.failed, Some(Duration::from_secs(1) + LATENCY * 7));
    });
}
