use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

/// The virtual clock: tokio's time, scaled, from a start that only ever moves forward.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    speed: f64,
    /// Virtual seconds since 1970 at `started`.
    base: Mutex<f64>,
}

impl Clock {
    pub(crate) fn new(epoch: f64, speed: f64) -> Self {
        Self(Arc::new(Inner { started: Instant::now(), speed, base: Mutex::new(epoch) }))
    }

    pub(crate) fn speed(&self) -> f64 {
        self.0.speed
    }

    /// Virtual seconds since 1970.
    pub(crate) fn now(&self) -> f64 {
        let base = *self.0.base.lock().unwrap_or_else(PoisonError::into_inner);
        base + self.elapsed()
    }

    /// Moves the clock to `time` unless it is there already.
    ///
    /// Another process that shares the world may be ahead: what it has seen happen must not
    /// lie in this one's future.
    pub(crate) fn reach(&self, time: f64) {
        let mut base = self.0.base.lock().unwrap_or_else(PoisonError::into_inner);
        *base = base.max(time - self.elapsed());
    }

    /// Waits for a virtual duration.
    pub(crate) async fn wait(&self, duration: Duration) {
        if !duration.is_zero() {
            tokio::time::sleep(self.to_tokio(duration)).await;
        }
    }

    fn elapsed(&self) -> f64 {
        self.0.started.elapsed().as_secs_f64() * self.0.speed
    }

    fn to_tokio(&self, duration: Duration) -> Duration {
        // A wait of centuries divided by a speed below one does not fit a `Duration`.
        Duration::try_from_secs_f64(duration.as_secs_f64() / self.0.speed).unwrap_or(Duration::MAX)
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs_f64(Clock::now(self).max(0.0))
    }
}

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(self.to_tokio(duration)))
    }
}
