//! Who has the lock, who waits for it, and who has lost it.

use super::*;

#[test]
fn a_frozen_owner_that_wakes_up_is_refused() {
    let (shared, proxy) = Shared::behind_a_proxy(3);
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(2)).times(3)]);
    let frozen = shared.apply("late").args(["--parallelism", "1"]).spawn();
    until_hit(&proxy);
    signal(frozen.process_id(), "STOP");
    let held = shared.project.bfd("unlock").run().exits(exit::LOCKED);
    held.says("its last sign of life was").says("leaves run");
    let next = shared.apply_in_turn("early");
    next.says("finishing it first");
    assert_eq!(shared.serial(), 2);

    signal(frozen.process_id(), "CONT");

    let late = frozen.wait().exits(exit::LOCKED);
    late.says("the lock was taken over by").says("records nothing any more");
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    let plan = shared.project.plan().args(["--var", "value=early"]).run();
    assert!(matches!(plan.code, Some(exit::DONE | exit::CHANGES)), "{plan}");
}

#[test]
fn a_lock_that_was_broken_is_free_and_its_owner_refused() {
    let (shared, proxy) = Shared::behind_a_proxy(2);
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(3))]);
    let owner = shared.apply("late").args(["--parallelism", "1"]).spawn();
    until_hit(&proxy);
    let broken = shared.project.bfd("unlock").arg("--force").run().succeeds();
    broken.prints("the lock is free").says("bfd recover");
    owner.wait().exits(exit::LOCKED).says("the lock was taken over by");
    shared.project.bfd("recover").run().succeeds();
    shared.project.plan().args(["--var", "value=late"]).run().succeeds();
    assert_eq!(shared.serials(), [1]);
}

#[test]
fn of_two_applies_at_once_on_ministack_one_works_and_the_other_says_who_does() {
    of_two_at_once(Shared::behind_a_proxy(2));
}

#[test]
fn of_two_applies_at_once_on_moto_one_works_and_the_other_says_who_does() {
    of_two_at_once(Shared::on_moto_behind_a_proxy(2));
}

#[track_caller]
fn of_two_at_once((shared, proxy): (Shared, FaultProxy)) {
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(3)).times(2)]);
    let one = shared.apply("one").spawn();
    until_hit(&proxy);
    let other = shared.apply("other").run().exits(exit::LOCKED);
    let process = format!("(process {}, `bfd apply`, since 20", one.process_id());
    other.says("the state is locked by ").says(&process).says("`--lock-timeout").says("bfd unlock");
    one.wait().succeeds();
    assert_eq!(shared.serials(), [1]);
    shared.project.plan().args(["--var", "value=one"]).run().succeeds().prints("No changes");
}

#[test]
fn who_waits_for_the_lock_has_it_when_its_owner_has_ended() {
    let (shared, proxy) = Shared::behind_a_proxy(2);
    proxy.inject([Fault::delay("PutParameter", Duration::from_secs(3)).times(2)]);
    let one = shared.apply("one").spawn();
    until_hit(&proxy);
    let impatient = shared.apply("other").args(["--lock-timeout", "1s"]).run();
    impatient.exits(exit::LOCKED).says("waiting for the lock, up to 1s: ").says("is locked by");
    let process = one.process_id();
    let patient = shared.apply("other").args(["--lock-timeout", "2m"]).spawn();
    let planned = shared.project.plan().args(["--var", "value=one", "--lock-timeout", "2m"]).run();
    assert_eq!(planned.stderr.matches("waiting for the lock").count(), 1, "{planned}");
    patient.wait().succeeds().says("waiting for the lock, up to 2m: process ");
    planned.says(&format!("waiting for the lock, up to 2m: process {process} of "));
    one.wait().succeeds();
    assert_eq!(shared.serials(), [1, 2]);
}

#[test]
fn the_lock_of_a_killed_owner_on_ministack_runs_out_and_its_run_is_finished() {
    outlives(Shared::behind_a_proxy(3));
}

#[test]
fn the_lock_of_a_killed_owner_on_moto_runs_out_and_its_run_is_finished() {
    outlives(Shared::on_moto_behind_a_proxy(3));
}

#[track_caller]
fn outlives((shared, proxy): (Shared, FaultProxy)) {
    proxy.inject([Fault::held_answer("PutParameter")]);
    shared.apply("killed").spawn().kill_when(|_| proxy.is_holding());
    shared.apply("next").run().exits(exit::LOCKED).says("the state is locked by ");
    let next = shared.apply("next").args(["--lock-timeout", "2m"]).run().succeeds();
    next.says("waiting for the lock, up to 2m: ").says("did not finish; finishing it first");
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    shared.project.plan().args(["--var", "value=next"]).run().succeeds().prints("No changes");
}

/// A step of several calls, in the middle of which its process is stopped.
const REPOSITORY: &str = "\n[repository.web]\nname = \"frozen\"\ntags = { team = \"one\" }\n\
    keep_images = 7\n";

fn in_the_middle_of_a_step() -> (Shared, FaultProxy, Running) {
    let (shared, proxy) = Shared::behind_a_proxy(1);
    let manifest = shared.project.workspace().read(shared.project.manifest());
    shared.project.workspace().write(shared.project.manifest(), manifest + REPOSITORY);
    proxy.inject([Fault::delay("CreateRepository", Duration::from_secs(1))]);
    let stopped = shared.apply("late").spawn();
    until_hit(&proxy);
    signal(stopped.process_id(), "STOP");
    (shared, proxy, stopped)
}

/// What was sent since the last `inject`, and not to the bucket.
fn calls(shared: &Shared, proxy: &FaultProxy) -> Vec<String> {
    let mut calls = proxy.requests();
    calls.retain(|request| !request.contains(&format!("/{}", shared.bucket)));
    calls
}

#[test]
fn an_owner_that_was_stopped_in_the_middle_of_a_step_makes_no_further_call() {
    let (shared, proxy, stopped) = in_the_middle_of_a_step();
    let next = shared.apply("early").args(["--lock-timeout", "2m"]).run().succeeds();
    next.says("finishing it first");
    assert_eq!(shared.serial(), 2);
    proxy.inject([]);

    signal(stopped.process_id(), "CONT");

    let late = stopped.wait().exits(exit::LOCKED);
    let late = late.says("the lock was taken over by").says("records nothing any more");
    // The one that was on its way had arrived before.
    assert_eq!(calls(&shared, &proxy), Vec::<String>::new(), "{late}");
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    shared.project.plan().args(["--var", "value=early"]).run().succeeds().prints("No changes");
}

#[test]
fn an_owner_that_was_stopped_and_still_has_the_lock_goes_on() {
    let (shared, proxy, stopped) = in_the_middle_of_a_step();
    let lease = || shared.project.bfd("unlock").run().code != Some(exit::LOCKED);
    assert_eq!(bfd_tests::wait::poll(PATIENCE, || lease().then_some(())), Some(()));
    proxy.inject([]);

    signal(stopped.process_id(), "CONT");

    stopped.wait().succeeds();
    let calls = calls(&shared, &proxy);
    assert!(calls.iter().any(|call| call.contains("PutLifecyclePolicy")), "{calls:#?}");
    assert_eq!(shared.serials(), [1]);
    shared.nobody_holds_the_lock();
}

#[test]
fn an_owner_that_was_stopped_while_it_looked_at_aws_says_why_it_goes_no_further() {
    let (shared, proxy) = Shared::behind_a_proxy(1);
    shared.apply("one").run().succeeds();
    proxy.inject([Fault::delay("DescribeParameters", Duration::from_secs(1))]);
    let stopped = shared.apply("late").spawn();
    until_hit(&proxy);
    signal(stopped.process_id(), "STOP");
    shared.apply("early").args(["--lock-timeout", "2m"]).run().succeeds();
    proxy.inject([]);

    signal(stopped.process_id(), "CONT");

    let late = stopped.wait().exits(exit::LOCKED);
    let late = late.says("the lock was taken over by").says("records nothing any more");
    assert_eq!(calls(&shared, &proxy), Vec::<String>::new(), "{late}");
    assert_eq!(shared.serials(), [1, 2]);
}
