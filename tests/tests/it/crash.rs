//! Kills and lost answers anywhere in an apply: what is left, seen from outside.

use std::env;
use std::thread;
use std::time::Duration;

use bfd_tests::{Fault, FaultProxy, Output};

use crate::harbor::{Harbor, tell};

/// How many moments a run is killed at, instead of [`KILLS`].
const KILLS_VARIABLE: &str = "BFD_TEST_KILLS";
/// What the moments follow from, instead of [`SEED`].
const SEED_VARIABLE: &str = "BFD_TEST_SEED";
const KILLS: u64 = 12;
const SEED: u64 = 20_261_126;
/// How many environments are killed side by side: they wait more than they work.
const LANES: u64 = 4;
/// An image that the stand-in for Docker cannot pull.
const BROKEN: &str = "never-pushed:1";
/// What every request matches.
const ANY: &str = "";
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
    let harbor = Harbor::new();
    let milliseconds = || {
        let elapsed = harbor.project.apply().run().succeeds().elapsed;
        u64::try_from(elapsed.as_millis()).expect("less than a minute")
    };
    let creation = milliseconds();
    harbor.release("second");
    let update = milliseconds();

    kill_everywhere("milliseconds", creation, update, || {
        let kill = |harbor: &Harbor, moment| {
            let moment = Duration::from_millis(moment);
            harbor.project.apply().spawn().kill_when(|elapsed| elapsed >= moment)
        };
        (Harbor::new(), kill)
    });
}

#[test]
fn after_a_kill_at_any_request_the_next_apply_makes_it_right() {
    let (harbor, proxy) = Harbor::behind_a_proxy();
    let requests = || {
        proxy.inject([]);
        harbor.project.apply().run().succeeds();
        u64::try_from(proxy.requests().len()).expect("a few requests")
    };
    let creation = requests();
    harbor.release("second");
    let update = requests();

    kill_everywhere("requests", creation, update, || {
        let (harbor, proxy) = Harbor::behind_a_proxy();
        let kill = move |harbor: &Harbor, number| {
            // Half of them have been carried out when the process ends, and half have not.
            let held = if number % 2 == 0 { Fault::held_answer } else { Fault::held_request };
            proxy.inject([held(ANY).after(number)]);
            let ended = harbor.project.apply().spawn().kill_when(|_| proxy.is_holding());
            tell(&format!("{:?}", proxy.injected()));
            proxy.inject([]);
            ended
        };
        (harbor, kill)
    });
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

#[test]
fn a_rollback_killed_before_an_answer_is_finished() {
    // The first of each call that an undo makes, after those that the update made itself.
    let undoing = [("PutParameter", 2), ("ExecuteChangeSet", 1), ("DeregisterTaskDefinition", 0)];
    side_by_side(&undoing, |(call, before)| {
        let (harbor, proxy) = Harbor::behind_a_proxy();
        let mut harbor = harbor.built();
        harbor.release_of("second", BROKEN);
        killed_while_rolling_back(&harbor, &proxy, call, before);
        harbor.release("first");
        rolls_back_first(&mut harbor, &proxy, call);
    });
}

#[test]
fn a_rollback_to_nothing_killed_before_an_answer_is_finished() {
    let undoing = [
        "DeleteService",
        "DeregisterTaskDefinition",
        "DeleteStack",
        "DeleteCluster",
        "DeleteRepository",
    ];
    side_by_side(&undoing, |call| {
        let (mut harbor, proxy) = Harbor::behind_a_proxy();
        harbor.release_of("first", BROKEN);
        killed_while_rolling_back(&harbor, &proxy, call, 0);
        harbor.release("second");
        rolls_back_first(&mut harbor, &proxy, call);
    });
}

/// Kills an apply that has failed, when a call of its rollback has been carried out.
#[track_caller]
fn killed_while_rolling_back(harbor: &Harbor, proxy: &FaultProxy, call: &str, before: u64) {
    proxy.inject([Fault::held_answer(call).after(before)]);
    let killed = harbor.project.apply().spawn().kill_when(|_| proxy.is_holding());
    assert_eq!(killed.signal, Some(9), "{killed}");
    was_hit(proxy, &[call]);
    tell(&format!("killed after `{call}`\n{killed}"));
    killed.says("rolling back");
}

/// Applies a manifest that can be applied, after the rollback that was cut short.
#[track_caller]
fn rolls_back_first(harbor: &mut Harbor, proxy: &FaultProxy, call: &str) {
    proxy.inject([Fault::lost_answer(call)]);
    let next = harbor.project.apply().run().succeeds().says("finishing it first");
    tell(&format!("{next}"));
    next.says("failed and rolled back");
    proxy.inject([]);
    harbor.is_sound();
}

/// Kills an apply when a call is held, and lets the next one lose the answer to the same call,
/// should it make it: it has to find out what both have done.
#[track_caller]
fn killed_during(harbor: &mut Harbor, proxy: &FaultProxy, held: &Fault, call: &str) {
    tell(&format!("killed while `{call}` is under way: {held:?}"));
    proxy.inject([held.clone()]);
    let killed = harbor.project.apply().spawn().kill_when(|_| proxy.is_holding());
    assert_eq!(killed.signal, Some(9), "{killed}");
    was_hit(proxy, &[call]);
    proxy.inject([Fault::lost_answer(call)]);

    let next = harbor.project.apply().run().succeeds();

    tell(&format!("{next}"));
    proxy.inject([]);
    harbor.is_sound();
}

/// Kills first deployments and updates that take `creation` and `update` of some unit, at
/// moments spread over all of it, and asserts after each that the next apply makes it right.
#[track_caller]
fn kill_everywhere<K: Fn(&Harbor, u64) -> Output>(
    unit: &str,
    creation: u64,
    update: u64,
    begin: impl Fn() -> (Harbor, K) + Sync,
) {
    let seed = from_environment(SEED_VARIABLE, SEED);
    let kills = from_environment(KILLS_VARIABLE, KILLS).max(LANES);
    // A first deployment in each lane, and updates of what came of it.
    let first = moments(creation, LANES, seed);
    let later = moments(update, kills - LANES, seed.wrapping_add(1));
    tell(&format!(
        "{SEED_VARIABLE}={seed} {KILLS_VARIABLE}={kills}: in {unit}, first deployments of \
         {creation} killed at {first:?}, updates of {update} at {later:?}"
    ));
    let lane_count = first.len();
    let lane = |number: usize, first: u64| {
        let updates: Vec<_> = later.iter().copied().skip(number).step_by(lane_count).collect();
        let begin = &begin;
        move || {
            let (mut harbor, kill) = begin();
            let mut killed = kill_and_apply(&mut harbor, first, &kill);
            for (number, moment) in updates.into_iter().enumerate() {
                harbor.release(&format!("release-{number}"));
                killed += kill_and_apply(&mut harbor, moment, &kill);
            }
            killed
        }
    };

    let killed = thread::scope(|scope| {
        let lanes: Vec<_> = first
            .iter()
            .enumerate()
            .map(|(number, first)| scope.spawn(lane(number, *first)))
            .collect();
        lanes
            .into_iter()
            .map(|lane| {
                let killed = lane.join();
                killed.unwrap_or_else(|_| panic!("{SEED_VARIABLE}={seed}: told above, in {unit}"))
            })
            .sum::<u64>()
    });

    // Some may have been through a moment sooner than the one that was measured.
    assert!(killed * 4 >= kills * 3, "only {killed} of {kills} were killed");
}

/// Kills an apply at a moment, and lets the next one make it right. Counts what was killed.
#[track_caller]
fn kill_and_apply(harbor: &mut Harbor, moment: u64, kill: &impl Fn(&Harbor, u64) -> Output) -> u64 {
    let ended = kill(harbor, moment);
    tell(&format!("account {} killed at {moment}\n{ended}", harbor.account.number()));
    let next = harbor.project.apply().run().succeeds();
    tell(&format!("{next}"));
    harbor.is_sound();
    u64::from(ended.signal == Some(9))
}

/// One moment in each of `count` equal parts of a whole.
fn moments(whole: u64, count: u64, seed: u64) -> Vec<u64> {
    let mut state = seed;
    let mut moment = |part: u64| (part * 1000 + per_mille(&mut state)) * whole / count / 1000;
    (0..count).map(&mut moment).collect()
}

/// The next of a sequence of numbers below a thousand: SplitMix64.
fn per_mille(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % 1000
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => otherwise,
    }
}

/// Does the same for each call, each in a thread of its own.
#[track_caller]
fn side_by_side<T: Copy + Send>(calls: &[T], check: impl Fn(T) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for call in calls.iter().copied() {
            scope.spawn(move || check(call));
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
