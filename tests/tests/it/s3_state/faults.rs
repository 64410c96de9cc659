//! Lost answers and kills, at every request.

use super::*;

#[test]
fn lost_answers_of_every_write_of_the_state_do_not_show() {
    let (shared, proxy) = Shared::behind_a_proxy(4);
    for (number, object) in ["live.json", "plans/", "state.json", "runs/"].into_iter().enumerate() {
        let fault = Fault::lost_answer(&format!("PUT /{}/team/shared/{object}", shared.bucket));
        // live.json: to lock, to begin, twice to append, to close, to let go.
        let times = if object == "live.json" { 6 } else { 1 };
        proxy.inject((0..times).map(|after| fault.clone().after(after * 2)));
        shared.apply(&format!("value-{number}")).run().succeeds();
        assert!(!proxy.injected().is_empty(), "{object}: {:#?}", proxy.requests());
        proxy.inject([]);
        assert_eq!(shared.serial(), number as u64 + 1, "{object}");
        shared.nobody_holds_the_lock();
    }
    assert_eq!(shared.serials(), [1, 2, 3, 4]);
}

#[test]
fn after_a_kill_at_any_request_the_next_apply_makes_a_state_in_a_bucket_right() {
    let count = {
        let (shared, proxy) = Shared::behind_a_proxy(4);
        shared.apply("whole").run().succeeds();
        u64::try_from(proxy.requests().len()).expect("a few")
    };
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let (shared, proxy) = Shared::behind_a_proxy(4);
                loop {
                    let number = u64::from(next.fetch_add(1, Ordering::Relaxed));
                    if number >= count {
                        return;
                    }
                    // Half of them have been carried out when the process ends.
                    let held = if number % 2 == 0 {
                        Fault::held_answer("")
                    } else {
                        Fault::held_request("")
                    };
                    proxy.inject([held.after(number)]);
                    let value = format!("killed-{number}");
                    let killed = shared.apply(&value).spawn().kill_when(|_| proxy.is_holding());
                    proxy.inject([]);
                    let after = shared.apply_in_turn(&value);
                    assert!(
                        killed.signal == Some(9) || killed.code == Some(0),
                        "{killed}\n{after}"
                    );
                    shared
                        .project
                        .plan()
                        .args(["--var", &format!("value={value}")])
                        .run()
                        .succeeds();
                    shared.nobody_holds_the_lock();
                    let serials = shared.serials();
                    let expected: Vec<u64> = (1..=serials.len() as u64).collect();
                    assert_eq!(serials, expected, "killed at request {number}");
                }
            });
        }
    });
}
