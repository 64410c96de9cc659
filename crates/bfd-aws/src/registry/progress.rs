//! What is told while an image is sent.

use aws_smithy_async::time::SharedTimeSource;
use bfd_provider::Progress;
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// How often a line is told at most.
const EVERY: Duration = Duration::from_secs(2);

/// Less than this is told in kilobytes.
const LITTLE: u64 = 100_000;

/// Bytes and layers that are to be sent, and how many have been.
pub(super) struct Meter {
    progress: Progress,
    time: SharedTimeSource,
    bytes: u64,
    layers: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: u64,
    layers: usize,
    told: Option<SystemTime>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Meter {
    pub(super) fn new(
        progress: Progress,
        time: SharedTimeSource,
        bytes: u64,
        layers: usize,
    ) -> Self {
        Self { progress, time, bytes, layers, state: Mutex::default() }
    }

    /// Bytes have been handed to the transport.
    pub(super) fn add(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent += bytes;
        let now = self.time.now();
        // The last line is told when the last layer has arrived.
        let is_due = match state.told {
            None => true,
            Some(told) => now.duration_since(told).is_ok_and(|passed| passed >= EVERY),
        };
        if is_due && state.sent < self.bytes {
            state.told = Some(now);
            self.tell(&state);
        }
    }

    /// They were lost, and will be sent again.
    pub(super) fn take_back(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent = state.sent.saturating_sub(bytes);
    }

    /// A layer has arrived.
    pub(super) fn layer_done(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).layers += 1;
    }

    /// Everything has arrived.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.sent, state.layers) = (self.bytes, self.layers);
        self.tell(&state);
    }

    fn tell(&self, state: &State) {
        // Of little, megabytes would be `0.0 of 0.0`.
        let amount = if self.bytes < LITTLE {
            format!("{} of {} kB", state.sent.div_ceil(1000), self.bytes.div_ceil(1000))
        } else {
            format!("{} of {} MB", megabytes(state.sent), megabytes(self.bytes))
        };
        if self.layers == 0 {
            self.progress.tell(amount);
        } else {
            let layer = (state.layers + 1).min(self.layers);
            self.progress.tell(format!("layer {layer} of {}, {amount}", self.layers));
        }
    }
}

/// The size of something, in the unit that suits it.
pub(super) fn size(bytes: u64) -> String {
    if bytes < LITTLE {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{} MB", megabytes(bytes))
    }
}

/// With one digit after the point, in whole numbers: no float is exact enough for all sizes.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_async::time::TimeSource;
    use std::sync::Arc;

    #[derive(Clone, Debug)]
    struct Clock(Arc<Mutex<SystemTime>>);

    impl TimeSource for Clock {
        fn now(&self) -> SystemTime {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn a_line_is_told_every_two_seconds_and_at_the_end() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let progress = {
            let told = Arc::clone(&told);
            Progress::new(move |line| told.lock().unwrap().push(line))
        };
        let clock = Clock(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH)));
        let time = SharedTimeSource::new(clock.clone());
        let meter = Meter::new(progress, time, 210_000_000, 5);
        for step in 0..10 {
            meter.add(17_040_000);
            if step == 4 {
                meter.layer_done();
            }
            *clock.0.lock().unwrap() += Duration::from_millis(500);
        }
        meter.take_back(100_000_000);
        meter.finish();
        let lines = [
            "layer 1 of 5, 17.0 of 210.0 MB",
            "layer 1 of 5, 85.2 of 210.0 MB",
            "layer 2 of 5, 153.4 of 210.0 MB",
            "layer 5 of 5, 210.0 of 210.0 MB",
        ];
        assert_eq!(*told.lock().unwrap(), lines);
    }

    #[test]
    fn little_is_told_in_kilobytes() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let progress = {
            let told = Arc::clone(&told);
            Progress::new(move |line| told.lock().unwrap().push(line))
        };
        let time = SharedTimeSource::new(Clock(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH))));
        Meter::new(progress, time, 1204, 1).finish();
        assert_eq!(*told.lock().unwrap(), ["layer 1 of 1, 2 of 2 kB"]);
    }
}
