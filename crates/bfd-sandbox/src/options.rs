use std::path::PathBuf;
use std::time::Duration;

/// How a sandbox starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The 12-digit account of an empty world; a loaded world keeps its own.
    pub account: String,
    /// The region of an empty world; a loaded world keeps its own.
    pub region: String,
    /// The world's file; `None` keeps it in memory.
    pub file: Option<PathBuf>,
    /// Virtual seconds per second of tokio's clock: 1.0 when tests pause that clock, more when
    /// a person waits.
    pub speed: f64,
    /// Virtual time between a request's arrival and its effect.
    pub latency: Duration,
    /// The seed of every id in an empty world.
    pub seed: u64,
    /// Where an empty world's clock starts, in seconds since 1970.
    pub epoch: f64,
    /// How far back a stale read may reach. Zero remembers no past: then stale reads read the
    /// present, and a world in memory is never written as text.
    pub memory: Duration,
}

impl Default for Options {
    /// A world in memory that starts with the year 2026 and answers after 40 ms.
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "ap-southeast-1".to_owned(),
            file: None,
            speed: 1.0,
            latency: Duration::from_millis(40),
            seed: 1,
            epoch: 1_767_225_600.0,
            memory: Duration::from_mins(10),
        }
    }
}
