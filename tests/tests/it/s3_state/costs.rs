//! What a state in a bucket costs, counted on the wire.

use super::*;

const STEPS: usize = 100;

/// Requests by method and object, such as `PUT live.json`.
fn count(proxy: &FaultProxy, shared: &Shared, what: &str) -> usize {
    let (method, object) = what.split_once(' ').expect("a method and an object");
    let path = format!("{method} /{}/team/shared/{object}", shared.bucket);
    proxy.requests().iter().filter(|request| request.contains(&path)).count()
}

#[test]
fn a_hundred_steps_at_once_are_a_quarter_as_many_writes() {
    let (shared, proxy) = Shared::behind_a_proxy(STEPS);
    // A minute: what renews a lease of seconds is not what is counted.
    shared.project.change("lease = \"5s\"\n", "");
    for (value, parallelism) in [("one", "100"), ("two", "10")] {
        proxy.inject([]);
        let apply = shared.apply(value).args(["--parallelism", parallelism]);
        let began = Instant::now();
        apply.within(Duration::from_mins(4)).run().succeeds();
        assert_eq!(count(&proxy, &shared, "PUT state.json"), 1);
        let journal = ["live.json", "plans/", "runs/"];
        let writes = journal.map(|object| count(&proxy, &shared, &format!("PUT {object}")));
        assert_eq!(writes[1..], [1, 1]);
        let all = 1 + writes.iter().sum::<usize>();
        // What is there is written after two seconds, however slow the emulator is: whether
        // writes are as few as that at the pace of AWS is asked in virtual time, in `bfd-apply`.
        let pauses = usize::try_from(began.elapsed().as_secs() / 2).expect("a few minutes");
        let most = (2 + STEPS / 4).max(2 + STEPS / 6 + pauses);
        assert!(all <= most, "{parallelism}: {writes:?}, at most {most}");
    }
}
