//! Whatever fails, and wherever the process dies, state and cloud agree.

mod cloud;
mod requests;
mod world;

use bfd_apply::{
    ApplyError, Clock, Ended, Limits, Reporter, Session, Unended, abandon, apply, recover,
};
use bfd_core::{
    Address, Outcome, Properties, Snapshot, State,
    journal::Entry,
    plan::{Phase, Plan, Step},
};
use bfd_store::{LockHolder, MemoryStore, RunHeader, StateStore};
use cloud::FakeCloud;
use proptest::prelude::*;
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use world::{World, cloud_of, planned, world};

#[derive(Debug)]
struct Quiet;

impl Reporter for Quiet {
    fn on_entry(&mut self, _: Option<&Step>, _: &Entry) {}
}

#[derive(Debug)]
struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> String {
        "2026-01-01T00:00:00Z".to_owned()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// How a test runs a plan, or with no plan recovers what was left.
#[derive(Clone, Default)]
struct Run {
    plan: Option<Plan>,
    cancel: CancellationToken,
    abort: CancellationToken,
}

async fn run(
    run: Run,
    cloud: &FakeCloud,
    store: &MemoryStore,
) -> Result<Option<Ended>, ApplyError> {
    let holder = LockHolder {
        who: "test".into(),
        command: "apply".into(),
        process: 1,
        since: String::new(),
    };
    let mut guard = store.lock(holder).await?;
    let session = Session {
        provider: Arc::new(cloud.clone()),
        guard: &mut *guard,
        reporter: &mut Quiet,
        clock: Arc::new(TestClock),
        limits: Limits { parallelism: 3 },
        cancel: run.cancel,
        abort: run.abort,
    };
    let header = RunHeader {
        run: "run".into(),
        lineage: "lineage".into(),
        started_at: String::new(),
        who: String::new(),
        arn: None,
        command: String::new(),
        commit: None,
        plan_digest: None,
    };
    match run.plan {
        Some(plan) => apply(plan, &header, session).await.map(Some),
        None => recover(session).await,
    }
}

async fn carry_out(plan: &Plan, cloud: &FakeCloud, store: &MemoryStore) -> Ended {
    let run_it = Run { plan: Some(plan.clone()), ..Run::default() };
    run(run_it, cloud, store).await.unwrap().unwrap()
}

/// Everything recorded is there as recorded, and nothing else is.
fn agree(cloud: &FakeCloud, state: &State) {
    let all = state.resources.values().chain(state.deposed.values().flatten());
    let recorded: BTreeMap<String, Properties> =
        all.map(|resource| (resource.id.clone(), resource.inputs.clone())).collect();
    assert_eq!(cloud.objects(), recorded);
}

/// What a state records, without the ids that a recreated object changes.
fn inputs(state: &State) -> BTreeMap<Address, Properties> {
    state.resources.iter().map(|(address, r)| (address.clone(), r.inputs.clone())).collect()
}

fn without_peers(all: BTreeMap<Address, Properties>) -> BTreeMap<Address, Properties> {
    all.into_iter()
        .map(|(address, mut inputs)| {
            inputs.remove("peer");
            (address, inputs)
        })
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn set_up(world: &World) -> (FakeCloud, MemoryStore) {
    (cloud_of(&world.before), MemoryStore::new(world.before.clone()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_plan_converges(world in world()) {
        block_on(async {
            let (cloud, store) = set_up(&world);
            let plan = planned(&world.desired, &world.before, &cloud).await;
            assert_eq!(carry_out(&plan, &cloud, &store).await.outcome, Outcome::Applied);
            let after = store.load().await.unwrap();
            agree(&cloud, &after.state);
            assert_eq!(after.version.serial, 8);
            let again = planned(&world.desired, &after, &cloud).await;
            assert!(again.is_empty(), "{again:#?}");
        });
    }

    #[test]
    fn a_failing_step_anywhere_is_undone_or_left_for_later(world in world(), late in any::<bool>()) {
        let steps = block_on(async {
            let (cloud, _) = set_up(&world);
            planned(&world.desired, &world.before, &cloud).await.steps
        });
        let deploys = steps.iter().filter(|step| step.phase == Phase::Deploy).count();
        for at in 0..steps.len() {
            block_on(async {
                let (cloud, store) = set_up(&world);
                let plan = planned(&world.desired, &world.before, &cloud).await;
                cloud.with(|inner| (inner.late, inner.fail_at) = (late, Some(at)));
                let ended = carry_out(&plan, &cloud, &store).await;
                let after = store.load().await.unwrap();
                agree(&cloud, &after.state);
                if at < deploys {
                    assert_eq!(ended.outcome, Outcome::RolledBack);
                    assert_eq!(inputs(&after.state), inputs(&world.before.state));
                    assert!(after.state.deposed.is_empty());
                } else {
                    assert_eq!(ended.outcome, Outcome::CleanupPending);
                    cloud.with(|inner| inner.fail_at = None);
                    finishes(&world, &after, &cloud, &store).await;
                }
            });
        }
    }

    #[test]
    fn a_crash_anywhere_is_recovered(
        world in world(),
        fail_at in prop::option::of(0usize..6),
        late in any::<bool>(),
    ) {
        let steps = block_on(async {
            let (cloud, _) = set_up(&world);
            planned(&world.desired, &world.before, &cloud).await.steps.len()
        });
        for crash in 0..steps * 2 {
            block_on(async {
                let (cloud, store) = set_up(&world);
                let plan = planned(&world.desired, &world.before, &cloud).await;
                cloud.with(|inner| (inner.late, inner.fail_at) = (late, fail_at));
                store.crash_after(Some(crash));
                let first = Run { plan: Some(plan.clone()), ..Run::default() };
                let died = run(first.clone(), &cloud, &store).await;
                store.crash_after(None);
                if died.is_err() {
                    let refused = run(first, &cloud, &store).await;
                    assert!(matches!(refused, Err(ApplyError::UnfinishedRun)));
                    let ended = run(Run::default(), &cloud, &store).await.unwrap().unwrap();
                    assert_eq!(ended.left_open, None);
                }
                let after = store.load().await.unwrap();
                agree(&cloud, &after.state);
            });
        }
    }

    #[test]
    fn a_canceled_run_ends_where_it_began(world in world()) {
        block_on(async {
            let (cloud, store) = set_up(&world);
            let plan = planned(&world.desired, &world.before, &cloud).await;
            let canceled = Run { plan: Some(plan), ..Run::default() };
            canceled.cancel.cancel();
            let ended = run(canceled, &cloud, &store).await.unwrap().unwrap();
            let after = store.load().await.unwrap();
            agree(&cloud, &after.state);
            match ended.outcome {
                Outcome::RolledBack => assert_eq!(inputs(&after.state), inputs(&world.before.state)),
                // It was past the pivot: the rest is for the next plan.
                _ => finishes(&world, &after, &cloud, &store).await,
            }
        });
    }

    #[test]
    fn undos_that_fail_are_stuck_until_they_work(world in world()) {
        let deploys = block_on(async {
            let (cloud, _) = set_up(&world);
            let plan = planned(&world.desired, &world.before, &cloud).await;
            plan.steps.iter().filter(|step| step.phase == Phase::Deploy).count()
        });
        for at in 1..deploys {
            block_on(async {
                let (cloud, store) = set_up(&world);
                let plan = planned(&world.desired, &world.before, &cloud).await;
                cloud.with(|inner| inner.fail_from = Some(at));
                let ended = carry_out(&plan, &cloud, &store).await;
                assert_eq!(ended, Ended { outcome: Outcome::Stuck, left_open: Some(Unended::UndoFailed) });
                assert_eq!(store.load().await.unwrap().version.serial, 7);
                cloud.with(|inner| inner.fail_from = None);
                let ended = run(Run::default(), &cloud, &store).await.unwrap().unwrap();
                assert_eq!(ended.outcome, Outcome::RolledBack);
                let after = store.load().await.unwrap();
                agree(&cloud, &after.state);
                assert_eq!(without_peers(inputs(&after.state)), without_peers(inputs(&world.before.state)));
            });
        }
    }
}

/// The next plan picks up what a cleanup left.
async fn finishes(world: &World, after: &Snapshot, cloud: &FakeCloud, store: &MemoryStore) {
    let plan = planned(&world.desired, after, cloud).await;
    // Tokens are per run: the fake cloud must not take a new call for an old one.
    cloud.with(cloud::Inner::forget);
    assert_eq!(carry_out(&plan, cloud, store).await.outcome, Outcome::Applied);
    let last = store.load().await.unwrap();
    agree(cloud, &last.state);
    assert!(last.state.deposed.is_empty());
}

/// Three things to create, each waiting for the one before it.
fn chain() -> World {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    loop {
        let world = world::world().new_tree(&mut runner).unwrap().current();
        let fresh = world.before.state.resources.is_empty() && world.desired.len() >= 3;
        let linked = world.desired.iter().skip(1).all(|r| !r.depends_on.is_empty());
        if fresh && linked {
            return world;
        }
    }
}

#[test]
fn a_stale_plan_is_refused_before_anything_is_called() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let mut plan = planned(&world.desired, &world.before, &cloud).await;
        plan.base.serial += 1;
        let stale = Run { plan: Some(plan), ..Run::default() };
        let refused = run(stale, &cloud, &store).await;
        assert!(matches!(refused, Err(ApplyError::StalePlan { .. })));
        assert_eq!(cloud.calls(), 0);
    });
}

#[test]
fn a_rollback_that_takes_too_long_is_left_to_recover() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let plan = planned(&world.desired, &world.before, &cloud).await;
        cloud.with(|inner| (inner.fail_at, inner.hang_from) = (Some(1), Some(2)));
        let began = tokio::time::Instant::now();
        let day = Duration::from_hours(24);
        let ended = tokio::time::timeout(day, carry_out(&plan, &cloud, &store)).await;
        let ended = ended.expect("it ends, in virtual time");
        assert_eq!(ended.left_open, Some(Unended::Deadline));
        assert_eq!(began.elapsed().as_secs(), plan.rollback.deadline);
        cloud.with(|inner| inner.hang_from = None);
        let ended = run(Run::default(), &cloud, &store).await.unwrap().unwrap();
        assert_eq!(ended.outcome, Outcome::RolledBack);
        agree(&cloud, &store.load().await.unwrap().state);
        assert!(cloud.objects().is_empty());
    });
}

#[test]
fn an_aborted_run_leaves_at_once_and_recovers() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let plan = planned(&world.desired, &world.before, &cloud).await;
        cloud.with(|inner| inner.hang_from = Some(1));
        let aborted = Run { plan: Some(plan), ..Run::default() };
        aborted.abort.cancel();
        let ended = run(aborted, &cloud, &store).await.unwrap().unwrap();
        assert_eq!(ended.left_open, Some(Unended::Aborted));
        cloud.with(|inner| inner.hang_from = None);
        let ended = run(Run::default(), &cloud, &store).await.unwrap().unwrap();
        assert_eq!(ended.outcome, Outcome::Applied);
        agree(&cloud, &store.load().await.unwrap().state);
    });
}

#[test]
fn without_rollback_a_run_stops_where_it_failed() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let mut plan = planned(&world.desired, &world.before, &cloud).await;
        plan.rollback.on_failure = false;
        cloud.with(|inner| inner.fail_at = Some(1));
        let ended = carry_out(&plan, &cloud, &store).await;
        assert_eq!(ended, Ended { outcome: Outcome::Stopped, left_open: None });
        let after = store.load().await.unwrap();
        agree(&cloud, &after.state);
        assert!(after.state.resources.len() < world.desired.len());
        assert!(!after.state.resources.is_empty());
    });
}

#[test]
fn a_panicking_call_is_a_failed_step() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let plan = planned(&world.desired, &world.before, &cloud).await;
        cloud.with(|inner| inner.panic_at = Some(1));
        assert_eq!(carry_out(&plan, &cloud, &store).await.outcome, Outcome::RolledBack);
        agree(&cloud, &store.load().await.unwrap().state);
    });
}

#[test]
fn an_abandoned_run_records_what_it_did() {
    block_on(async {
        let world = chain();
        let (cloud, store) = set_up(&world);
        let plan = planned(&world.desired, &world.before, &cloud).await;
        cloud.with(|inner| inner.fail_from = Some(1));
        let ended = carry_out(&plan, &cloud, &store).await;
        assert_eq!(ended.outcome, Outcome::Stuck);
        let holder = LockHolder {
            who: "test".into(),
            command: "recover".into(),
            process: 1,
            since: String::new(),
        };
        let mut guard = store.lock(holder).await.unwrap();
        assert!(abandon(&mut *guard).await.unwrap());
        drop(guard);
        let after = store.load().await.unwrap();
        assert_eq!(after.version.serial, 8);
        agree(&cloud, &after.state);
    });
}
