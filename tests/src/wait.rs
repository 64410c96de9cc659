//! Waiting for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long to wait between two looks at a condition.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `look` returns a value; `None` when `deadline` has passed without one.
pub fn poll<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if start.elapsed() >= deadline {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}

/// Waits until `look` returns a value.
///
/// # Panics
/// When `deadline` has passed; `what` completes the sentence "gave up waiting for".
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, look: impl FnMut() -> Option<T>) -> T {
    match poll(deadline, look) {
        Some(value) => value,
        None => panic!("gave up waiting for {what} after {deadline:?}"),
    }
}
