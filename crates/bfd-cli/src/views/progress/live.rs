//! Spinners for what is under way, and one bar for all of it.

use super::{tally::Tally, words};
use crate::views::{Style, palette, time::duration, value::visible};
use bfd_core::{
    journal::{Entry, Event},
    plan::{Step, StepId},
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Tells the time, so that a step that says nothing is seen to be alive.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often spinners turn; fast enough to look alive.
const TICK: Duration = Duration::from_millis(120);

pub(super) struct Live {
    style: Style,
    bars: MultiProgress,
    total: ProgressBar,
    running: BTreeMap<StepId, ProgressBar>,
    now: Now,
    ticking: bool,
    /// The time of the latest entry: the clock of a screen that has no other.
    latest: Arc<Mutex<Timestamp>>,
    began: Option<Timestamp>,
}

impl Live {
    pub(super) fn new(
        style: Style,
        target: ProgressDrawTarget,
        now: Option<Now>,
        steps: usize,
    ) -> Self {
        let latest = Arc::new(Mutex::new(Timestamp::UNIX_EPOCH));
        let ticking = now.is_some();
        let now = now.unwrap_or_else(|| {
            let latest = latest.clone();
            Arc::new(move || *latest.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let bars = MultiProgress::with_draw_target(target);
        // A bar of its own would draw on the terminal before it belongs to the others.
        let total = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        Self { style, bars, total, running: BTreeMap::new(), now, ticking, latest, began: None }
    }

    pub(super) fn entry(&mut self, step: Option<&Step>, entry: &Entry, tally: &Tally) {
        let at = entry.at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = at;
        if self.began.is_none() {
            self.begin(at);
        }
        // First, so that no line is ever above a bar that has not counted it.
        self.total(tally);
        if let Some(step) = step {
            match &entry.event {
                Event::Started => self.start(step, words::doing(&step.op), at),
                Event::UndoStarted => self.start(step, words::undoing(&step.op), at),
                Event::Progress { message } => {
                    if let Some(bar) = self.running.get(&step.id) {
                        bar.set_message(self.paint(palette::FAINT, &visible(message)));
                    }
                }
                Event::Succeeded { .. }
                | Event::Failed { .. }
                | Event::UndoSucceeded { .. }
                | Event::UndoFailed { .. } => {
                    if let Some(bar) = self.running.remove(&step.id) {
                        bar.finish_and_clear();
                        self.bars.remove(&bar);
                    }
                }
                Event::Canceled => {}
            }
        }
        if !self.ticking {
            self.running.values().for_each(ProgressBar::tick);
        }
    }

    /// The total bar comes with the first entry, so that an empty screen stays empty.
    fn begin(&mut self, at: Timestamp) {
        self.began = Some(at);
        let template = "{bar:24} {pos}/{len} {clock}{msg}";
        let chars = if self.style.unicode { "█░" } else { "#-" };
        let style = self.clocked(template, at).progress_chars(chars);
        self.total = self.bars.add(self.total.clone().with_style(style));
        if self.ticking {
            self.total.enable_steady_tick(TICK);
        }
    }

    fn start(&mut self, step: &Step, doing: &str, at: Timestamp) {
        let spinner = if self.style.unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "-\\|/ " };
        let style = self.clocked("{spinner} {prefix} {clock}  {wide_msg}", at).tick_chars(spinner);
        let address = self.paint(palette::ADDRESS, &step.address.to_string());
        let bar =
            ProgressBar::new_spinner().with_style(style).with_prefix(format!("{address} {doing}"));
        let bar = self.bars.insert_before(&self.total, bar);
        bar.tick();
        if self.ticking {
            bar.enable_steady_tick(TICK);
        }
        if let Some(earlier) = self.running.insert(step.id, bar) {
            self.bars.remove(&earlier);
        }
    }

    pub(super) fn total(&mut self, tally: &Tally) {
        let (done, of) = tally.position();
        self.total.set_length(of as u64);
        self.total.set_position(done as u64);
        let back = self.paint(palette::BAD, "  rolling back");
        // With a message comes a new frame; a new position alone waits for the next tick.
        self.total.set_message(if tally.unwinding() { back } else { String::new() });
    }

    /// Puts lines above the spinners, where they stay.
    pub(super) fn print(&self, text: &str) {
        if !text.is_empty() {
            drop(self.bars.println(text.trim_end_matches('\n')));
        }
    }

    pub(super) fn finish(&mut self) {
        for bar in self.running.values() {
            bar.finish_and_clear();
        }
        self.running.clear();
        self.total.finish_and_clear();
        drop(self.bars.clear());
    }

    /// A style that knows how long ago `began` is.
    fn clocked(&self, template: &str, began: Timestamp) -> ProgressStyle {
        let now = self.now.clone();
        let clock = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let seconds = now().as_second().saturating_sub(began.as_second());
            let _ = write!(out, "{}", duration(u64::try_from(seconds).unwrap_or(0)));
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("clock", clock)
    }

    fn paint(&self, style: anstyle::Style, text: &str) -> String {
        if self.style.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
