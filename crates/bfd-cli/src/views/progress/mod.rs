//! A run while it is under way.
//!
//! [`Reporter`] is told every entry. On a terminal it keeps a spinner per running
//! step below the lines of what is finished; anywhere else it writes lines only.
mod live;
mod tally;
mod terminal;
mod words;

pub use live::Now;
pub use terminal::{Size, terminal};
pub(crate) use words::{did, doing, undid, undoing};

use super::{
    Style,
    failure::turned_back,
    layout::{Page, Piece, faint, plain, styled},
    marks::Mark,
    palette,
    reasons::headline,
    time::duration,
    value::visible,
    words::count,
};
use bfd_core::{
    journal::{Entry, Event, Failure},
    plan::{Plan, Step},
};
use indicatif::ProgressDrawTarget;
use live::Live;
use std::{fmt, io::Write};
use tally::Tally;

/// Steps expected to take at least this many seconds announce their start on a
/// screen without spinners, where silence would look like a standstill.
const WORTH_ANNOUNCING: u64 = 10;

/// Shows each entry of a run as it happens.
pub struct Reporter {
    style: Style,
    tally: Tally,
    screen: Screen,
    entries: Vec<Entry>,
}

enum Screen {
    Lines(Box<dyn Write + Send>),
    Live(Box<Live>),
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Reporter {
    /// Writes plain lines: for pipes, files and CI.
    ///
    /// An error of the writer is passed over: a run must not fail because nobody listens.
    pub fn lines(plan: &Plan, style: Style, out: Box<dyn Write + Send>) -> Self {
        Self::new(plan, style, Screen::Lines(out))
    }

    /// Draws on a terminal. With `now`, times of running steps tick between
    /// entries; without, they move when an entry arrives.
    pub fn live(plan: &Plan, style: Style, target: ProgressDrawTarget, now: Option<Now>) -> Self {
        let live = Live::new(style, target, now, plan.steps.len());
        Self::new(plan, style, Screen::Live(Box::new(live)))
    }

    fn new(plan: &Plan, style: Style, screen: Screen) -> Self {
        Self { style, tally: Tally::new(plan), screen, entries: Vec::new() }
    }

    /// Takes note of what an earlier process did, without showing it again.
    #[must_use]
    pub fn after(mut self, plan: &Plan, earlier: &[Entry]) -> Self {
        for entry in earlier {
            let step = entry.step.map(|id| plan.step(id));
            self.tally.count(step, entry);
            self.keep(entry);
        }
        if let Screen::Live(live) = &mut self.screen {
            live.total(&self.tally);
        }
        self
    }

    /// Takes note of what was asked for before anything was begun: that a run which another
    /// process left is gone on with, and that it is taken back.
    pub fn note(&mut self, entry: &Entry) {
        if entry.event == Event::Canceled {
            self.tally.take_back();
        }
        self.keep(entry);
    }

    /// Everything that happened, but for progress that is no mark: what an outcome is told from.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes the spinners away. What was written stays.
    pub fn finish(&mut self) {
        match &mut self.screen {
            Screen::Lines(out) => drop(out.flush()),
            Screen::Live(live) => live.finish(),
        }
    }

    /// Shows one entry; `step` is the one it is about.
    pub fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) {
        let turned = !self.tally.unwinding() && entry.event == Event::UndoStarted;
        let took = self.tally.count(step, entry);
        self.keep(entry);
        let mut page = Page::new(&self.style);
        if turned {
            self.turned_back(&mut page);
        }
        match step {
            Some(step) => self.step(&mut page, step, entry, took),
            None => self.run(&mut page, entry),
        }
        let text = page.finish();
        match &mut self.screen {
            Screen::Lines(out) => drop(out.write_all(text.as_bytes()).and_then(|()| out.flush())),
            Screen::Live(live) => {
                live.entry(step, entry, &self.tally);
                live.print(&text);
            }
        }
    }

    fn keep(&mut self, entry: &Entry) {
        if entry.event.must_be_durable() || Mark::read(entry).is_some() {
            self.entries.push(entry.clone());
        }
    }

    fn turned_back(&self, page: &mut Page) {
        page.raw("\n");
        let (why, (steps, under_way)) = (self.tally.why(), self.tally.to_undo());
        let steps = count(steps, "step");
        let under_way = match under_way {
            0 => String::new(),
            more => format!(", {more} still under way"),
        };
        let says = plain(format!("{why}; {steps} to undo{under_way}"));
        page.line(0, 2, &[styled(palette::BAD, "rolling back: "), says]);
    }

    fn run(&self, page: &mut Page, entry: &Entry) {
        if entry.event == Event::Canceled {
            let does = if self.tally.unwinding() {
                "rolling back already"
            } else if self.tally.pivoted() {
                "stopping after what is under way"
            } else {
                "stopping and rolling back"
            };
            let text = format!("{does}; once more (Ctrl-C) leaves at once");
            page.line(0, 2, &[styled(palette::CAUTION, text)]);
        }
    }

    fn step(&mut self, page: &mut Page, step: &Step, entry: &Entry, took: Option<u64>) {
        let symbols = self.style.symbols();
        let address = styled(palette::ADDRESS, step.address.to_string());
        let time = took.map_or_else(String::new, |seconds| format!(" ({})", duration(seconds)));
        let lines_only = matches!(self.screen, Screen::Lines(_));
        match &entry.event {
            Event::Started if lines_only && self.tally.seconds(step.id) >= WORTH_ANNOUNCING => {
                let says = plain(format!(" {}", words::doing(&step.op)));
                self.marked(page, faint(symbols.working), &[address, says], false);
            }
            Event::Progress { message } if lines_only => {
                let message = headline(message, symbols.more);
                if self.tally.is_news(step.id, &message) {
                    let says = faint(format!(": {}", visible(&message)));
                    self.marked(page, faint(symbols.working), &[address, says], false);
                }
            }
            Event::Succeeded { .. } => {
                let says = plain(format!(" {}{time}", did(&step.op)));
                // What still takes effect while the run goes back does not bring it further.
                let numbered = !self.tally.unwinding();
                self.marked(page, styled(palette::GOOD, symbols.done), &[address, says], numbered);
            }
            Event::Failed { failure, left } if turned_back(failure) => {
                let says = plain(format!(" stopped{time}"));
                let numbered = self.tally.unwinding() && left.is_none();
                self.marked(page, faint(symbols.working), &[address, says], numbered);
            }
            Event::Failed { failure, left } => {
                let says = plain(format!(" could not be {}{time}", did(&step.op)));
                let numbered = self.tally.unwinding() && left.is_none();
                self.marked(page, styled(palette::BAD, symbols.failed), &[address, says], numbered);
                self.failure(page, failure);
            }
            Event::UndoSucceeded { .. } => {
                let says = plain(format!(" {}{time}", undid(&step.op)));
                self.marked(page, styled(palette::CAUTION, symbols.undone), &[address, says], true);
            }
            Event::UndoFailed { failure } => {
                let says = plain(format!(" could not be {}{time}", undid(&step.op)));
                self.marked(page, styled(palette::BAD, symbols.failed), &[address, says], false);
                self.failure(page, failure);
            }
            _ => {}
        }
    }

    /// `[12/34] ✓ …`; what finishes nothing has no number, only its width.
    fn marked(&self, page: &mut Page, symbol: Piece, says: &[Piece], numbered: bool) {
        let number = self.tally.number();
        let width = number.len() + 1;
        let mut line =
            if numbered { vec![faint(number), plain(" ")] } else { vec![plain(" ".repeat(width))] };
        line.extend([symbol, plain(" ")]);
        line.extend(says.iter().cloned());
        page.line(0, width + 2, &line);
    }

    /// Only what it is: the outcome tells the rest, once.
    fn failure(&self, page: &mut Page, failure: &Failure) {
        let indent = self.tally.number().len() + 3;
        let text = headline(&failure.message, self.style.symbols().more);
        page.line(indent, indent + 2, &[styled(palette::BAD, visible(&text))]);
    }
}

impl bfd_apply::Reporter for Reporter {
    fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) {
        Reporter::on_entry(self, step, entry);
    }
}
