//! A task in stages, each with the time it took.

use std::time::{Duration, Instant};

use crate::Result;

/// The stages so far.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// Runs a stage; when it fails, the task ends with the times up to there.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        stage: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        println!("==> {name}");
        let start = Instant::now();
        let outcome = stage();
        self.done.push((name, start.elapsed()));
        if outcome.is_err() {
            self.report();
        }
        outcome
    }

    /// Prints how long each stage took.
    pub(crate) fn report(&self) {
        println!("{}", render(&self.done));
    }
}

fn render(done: &[(&str, Duration)]) -> String {
    let total = ("total", done.iter().map(|(_, time)| *time).sum());
    let line = |(name, time): &(&str, Duration)| format!("{name:<8}{:>8.1} s", time.as_secs_f64());
    done.iter().chain([&total]).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_columns() {
        let done = [("tools", Duration::from_millis(40)), ("build", Duration::from_secs(144))];

        let text = render(&done);

        assert_eq!(text, "tools        0.0 s\nbuild      144.0 s\ntotal      144.0 s");
    }
}
