//! Kills and lost answers anywhere in an apply: what is left, seen from outside.

use std::env;
use std::thread;
use std::time::Duration;

use bfd_tests::{Fault, FaultProxy};

use crate::harbor::{Harbor, tell};

/// How many moments a run is killed at, instead of [`KILLS`].
const KILLS_VARIABLE: &str = "BFD_TEST_KILLS";
/// What the moments follow from, instead of [`SEED`].
const SEED_VARIABLE: &str = "BFD_TEST_SEED";
const KILLS: u64 = 12;
const SEED: u64 = 20_261_126;
/// How many environments are killed side by side: they wait more than they work.
const LANES: u64 = 4;
/// What creates the harbor's objects, and what updates them.
const CREATING: [&str; 6] = [
    "PutParameter",
    "CreateRepository",
    "CreateCluster",
    "CreateStack",
    "RegisterTaskDefinition",
    "CreateService",
];
const UPDATING: [&str; 3] = ["PutParameter", "RegisterTaskDefinition", "UpdateService"];

#[test]
fn after_a_kill_at_any_moment_the_next_apply_makes_it_right() {
    let seed = from_environment(SEED_VARIABLE, SEED);
    let kills = from_environment(KILLS_VARIABLE, KILLS).max(LANES);
    let (creation, update) = durations();
    // A first deployment in each lane, and updates of what came of it.
    let first = moments(creation, LANES, seed);
    let later = moments(update, kills - LANES, seed.wrapping_add(1));
    tell(&format!(
        "{SEED_VARIABLE}={seed} {KILLS_VARIABLE}={kills}: first deployments of {creation:?} \
         killed at {first:?}, updates of {update:?} at {later:?}"
    ));

    let killed = thread::scope(|scope| {
        let (first, later) = (&first, &later);
        let lane = |lane: usize| {
            scope.spawn(move || {
                let updates = later.iter().skip(lane).step_by(first.len());
                kill_one_after_another(seed, [first[lane]].iter().chain(updates))
            })
        };
        let lanes: Vec<_> = (0..first.len()).map(lane).collect();
        lanes.into_iter().map(|lane| lane.join().expect("see above")).sum::<u64>()
    });

    // Some may have been through a moment sooner than the one that was measured.
    assert!(killed * 4 >= kills * 3, "only {killed} of {kills} were killed");
}

#[test]
fn lost_answers_do_not_show_in_the_result() {
    let (mut harbor, proxy) = Harbor::behind_a_proxy();
    proxy.inject(CREATING.map(Fault::lost_answer));

    harbor.project.apply().run().succeeds();

    was_hit(&proxy, &CREATING);
    harbor.is_sound();
    harbor.release("second");
    proxy.inject(UPDATING.map(Fault::lost_answer));
    harbor.project.apply().run().succeeds();
    was_hit(&proxy, &UPDATING);
    harbor.is_sound();
}

#[test]
fn a_first_deployment_killed_before_an_answer_is_finished() {
    side_by_side(&CREATING, |call| {
        let (mut harbor, proxy) = Harbor::behind_a_proxy();
        killed_during(&mut harbor, &proxy, &Fault::held_answer(call), call);
    });
}

#[test]
fn an_update_killed_before_an_answer_is_finished() {
    side_by_side(&UPDATING, |call| {
        let (harbor, proxy) = Harbor::behind_a_proxy();
        let mut harbor = harbor.built();
        harbor.release("second");
        killed_during(&mut harbor, &proxy, &Fault::held_answer(call), call);
    });
}

#[test]
fn a_first_deployment_killed_before_a_request_arrives_is_finished() {
    side_by_side(&CREATING, |call| {
        let (mut harbor, proxy) = Harbor::behind_a_proxy();
        killed_during(&mut harbor, &proxy, &Fault::held_request(call), call);
    });
}

#[test]
fn an_update_killed_before_a_request_arrives_is_finished() {
    side_by_side(&UPDATING, |call| {
        let (harbor, proxy) = Harbor::behind_a_proxy();
        let mut harbor = harbor.built();
        harbor.release("second");
        killed_during(&mut harbor, &proxy, &Fault::held_request(call), call);
    });
}

/// Kills an apply when a call is held, and lets the next one lose the answer to the same call,
/// should it make it: it has to find out what both have done.
#[track_caller]
fn killed_during(harbor: &mut Harbor, proxy: &FaultProxy, held: &Fault, call: &str) {
    tell(&format!("killed while `{call}` is under way: {held:?}"));
    proxy.inject([held.clone()]);
    let mut running = harbor.project.apply().spawn();
    proxy.until_held();
    running.kill();
    assert_eq!(running.wait().signal, Some(9));
    was_hit(proxy, &[call]);
    proxy.inject([Fault::lost_answer(call)]);

    let next = harbor.project.apply().run().succeeds();

    tell(&format!("{next}"));
    proxy.inject([]);
    harbor.is_sound();
}

/// Kills a first deployment, and then updates, each at its moment. Counts those that were killed.
#[track_caller]
fn kill_one_after_another<'a>(seed: u64, moments: impl Iterator<Item = &'a Duration>) -> u64 {
    let mut harbor = Harbor::new();
    let mut killed = 0;
    for (number, moment) in moments.enumerate() {
        if number > 0 {
            harbor.release(&format!("release-{number}"));
        }
        let ended = harbor.project.apply().spawn().kill_at(*moment);
        killed += u64::from(ended.signal == Some(9));
        tell(&format!(
            "{SEED_VARIABLE}={seed}: apply {number} of account {} killed at {moment:?}\n{ended}",
            harbor.account.number()
        ));
        let next = harbor.project.apply().run().succeeds();
        tell(&format!("{next}"));
        harbor.is_sound();
    }
    killed
}

/// How long a first deployment and an update take that nobody kills.
#[track_caller]
fn durations() -> (Duration, Duration) {
    let harbor = Harbor::new();
    let creation = harbor.project.apply().run().succeeds().elapsed;
    harbor.release("second");
    (creation, harbor.project.apply().run().succeeds().elapsed)
}

/// One moment in each of `count` equal parts of a duration.
fn moments(duration: Duration, count: u64, seed: u64) -> Vec<Duration> {
    let parts = u32::try_from(count).expect("a few kills");
    let mut state = seed;
    let moment =
        |part: u32| duration * part / parts + duration * per_mille(&mut state) / 1000 / parts;
    (0..parts).map(moment).collect()
}

/// The next of a sequence of numbers below a thousand: SplitMix64.
fn per_mille(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    u32::try_from((mixed ^ (mixed >> 31)) % 1000).expect("less than a thousand")
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => otherwise,
    }
}

/// Does the same for each call, each in a thread of its own.
#[track_caller]
fn side_by_side(calls: &[&str], check: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for call in calls {
            scope.spawn(|| check(call));
        }
    });
}

/// Asserts that each call was hit once.
#[track_caller]
fn was_hit(proxy: &FaultProxy, calls: &[&str]) {
    let injected = proxy.injected();
    assert_eq!(injected.len(), calls.len(), "{injected:?}");
    for call in calls {
        assert!(injected.iter().any(|request| request.contains(call)), "{call}: {injected:?}");
    }
}
