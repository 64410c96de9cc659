//! How a run ended, what is left, and what to do next.
//!
//! [`outcome()`] is the last thing a command says; the view of one run
//! (`views/run`) tells the same from the same parts. `next` is what to type.
mod next;
mod parts;

use super::{
    Style,
    failure::Told,
    layout::{Page, plain, styled},
    palette,
    progress::did,
    time::duration,
    verdict::{Open, Verdict},
    words::count,
};
use bfd_core::{
    Outcome, Run,
    journal::{Entry, IllegalTransition, Status},
    plan::{Action, Phase, Plan, Step, Undo},
};
use parts::failures;
pub(crate) use parts::{View, object_id};

/// What is known of a run.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The id of the run.
    pub run: &'a str,
    pub plan: &'a Plan,
    /// The whole journal; progress may be missing.
    pub entries: &'a [Entry],
    pub verdict: Verdict,
    /// The path of the manifest, for the next command.
    pub manifest: &'a str,
}

/// Characters of a run's id that tell it from every other of an environment: the time, to
/// the millisecond.
pub(crate) const SHORT: usize = 10;

/// The first characters of a run's id.
pub(crate) fn short(run: &str) -> &str {
    run.get(..SHORT).unwrap_or(run)
}

/// Tells how a run ended. Fails if the entries are not of this plan.
pub fn outcome(ending: &Ending<'_>, style: &Style) -> Result<String, IllegalTransition> {
    let mut view = View::new(ending, style)?;
    view.headline();
    // What is still there is told with why, below.
    if ending.verdict != Verdict::Ended(Outcome::CleanupPending) {
        view.causes();
    }
    view.undone(false);
    view.left_behind();
    view.next();
    let (run, manifest) = (short(ending.run), ending.manifest);
    let says = format!("run {run}: `bfd show {manifest} --run {run}` shows it again");
    view.page.blank();
    view.page.line(0, 6, &[plain(says)]);
    Ok(view.page.finish())
}

/// Whether the plan leaves nothing: then nobody asks for what is live.
fn destroys(plan: &Plan) -> bool {
    plan.unchanged == 0
        && plan.targets.is_empty()
        && plan.changes.iter().all(|change| change.action == Action::Delete)
        && plan.steps.iter().all(|step| step.phase == Phase::Cleanup)
}

impl<'a> View<'a> {
    pub(crate) fn new(ending: &'a Ending<'a>, style: &Style) -> Result<Self, IllegalTransition> {
        let run = Run::resume(ending.plan.clone(), ending.entries)?;
        let failures = failures(ending.entries);
        Ok(Self { ending, run, failures, told: Told::new(), page: Page::new(style) })
    }

    /// One sentence: what became of the environment.
    pub(crate) fn headline(&mut self) {
        let symbols = self.page.style().symbols();
        let (color, symbol, says, rest) = match self.ending.verdict {
            Verdict::Ended(Outcome::Applied) => {
                let did = if self.destroys() { "destroyed" } else { "applied" };
                let says = format!("{did} {}{}", self.name(), self.took(" in"));
                (palette::GOOD, symbols.done, says, self.counts())
            }
            Verdict::Ended(Outcome::CleanupPending) if self.destroys() => {
                let left = self.not_done().len();
                let deleted = self.plan().steps.len() - left;
                let says = format!("{} is not fully destroyed", self.name());
                (palette::CAUTION, symbols.warning, says, format!("{deleted} deleted, {left} left"))
            }
            Verdict::Ended(Outcome::CleanupPending) => {
                let says = format!("applied {}{}, cleanup pending", self.name(), self.took(" in"));
                (palette::CAUTION, symbols.warning, says, self.counts())
            }
            Verdict::Ended(Outcome::RolledBack) => {
                let says = format!("{} and rolled back{}", self.what_happened(), self.took(" in"));
                (palette::BAD, symbols.undone, says, self.as_it_was())
            }
            Verdict::Ended(Outcome::Stopped) => {
                let took = self.took(" after");
                let says = format!("{}{took}, not rolled back", self.what_happened());
                (palette::BAD, symbols.failed, says, "rolling back was switched off".to_owned())
            }
            Verdict::Abandoned => {
                let says = format!("closed by hand{}", self.took(" after"));
                let rest = "what had not ended was left as it was".to_owned();
                (palette::CAUTION, symbols.warning, says, rest)
            }
            Verdict::Open(Open::UnderWay) => {
                let does = if self.run.unwinding() { "rolling back" } else { "under way" };
                let says = format!("{does}{}", self.took(" for"));
                (palette::CAUTION, symbols.working, says, self.so_far())
            }
            Verdict::Open(Open::Died) => {
                let says = format!("did not end: its process died{}", self.took(" after"));
                (palette::BAD, symbols.failed, says, self.in_between())
            }
            Verdict::Ended(Outcome::Stuck) | Verdict::Open(_) => {
                let says = format!("stuck{}", self.took(" after"));
                let rest = format!("{}; {}", self.why_stuck(), self.in_between());
                (palette::BAD, symbols.failed, says, rest)
            }
        };
        let line = [styled(color, format!("{symbol} {says}")), plain(format!(": {rest}"))];
        self.page.line(0, 2, &line);
    }

    fn why_stuck(&self) -> String {
        match self.ending.verdict {
            Verdict::Open(Open::Deadline) => {
                let deadline = duration(self.plan().rollback.deadline);
                format!("the rollback did not finish within {deadline}")
            }
            Verdict::Open(Open::Aborted) => "it was aborted with calls under way".to_owned(),
            _ => "an undo failed".to_owned(),
        }
    }

    /// What an open run has made of its environment.
    fn in_between(&self) -> String {
        if self.run.pivoted() {
            format!("everything declared is live in {}, something old is not deleted", self.name())
        } else {
            format!("{} is neither as it was nor as planned", self.name())
        }
    }

    fn so_far(&self) -> String {
        let done = self.plan().steps.len() - self.not_done().len();
        format!("{done} of {} done", count(self.plan().steps.len(), "step"))
    }

    /// How close to the state before the run a rollback came.
    fn as_it_was(&self) -> String {
        let undone = self.steps(|_, status| matches!(status, Status::Undone { .. }));
        let name = self.name();
        if undone.is_empty() {
            return format!("nothing had taken effect in {name}");
        }
        let inexact = undone.iter().filter(|step| self.undo(step) != Undo::Exact).count();
        if inexact == 0 {
            format!("{name} is as it was before")
        } else {
            format!("{name} is as it was before, but for {}", count(inexact, "resource"))
        }
    }

    /// What a person may have to look at, or what stays; nothing where all is well.
    pub(crate) fn left_behind(&mut self) {
        let (heading, left) = match self.ending.verdict {
            // What is under way is in its timeline.
            Verdict::Ended(Outcome::Applied | Outcome::RolledBack)
            | Verdict::Open(Open::UnderWay) => return,
            Verdict::Ended(Outcome::CleanupPending) => {
                let live = "Everything declared is live. Still there, and not needed any more";
                let says = if self.destroys() { "Still there" } else { live };
                (says, self.not_done())
            }
            Verdict::Ended(Outcome::Stopped) => return self.stays(),
            Verdict::Abandoned => ("Left as it was", self.unsettled()),
            Verdict::Ended(Outcome::Stuck) | Verdict::Open(_) => ("What is left", self.unsettled()),
        };
        if left.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, heading)]);
        for step in left {
            self.left(step);
        }
    }

    /// Steps with something to see to, in the order in which it is seen to.
    fn unsettled(&self) -> Vec<&'a Step> {
        let mut left = self.steps(|step, status| match status {
            Status::Started | Status::Undoing { .. } | Status::UndoFailed { .. } => true,
            Status::Succeeded { .. } | Status::Failed { left: Some(_) } => {
                self.run.unwinding() && step.phase == Phase::Deploy
            }
            Status::Failed { left: None } => step.phase == Phase::Cleanup,
            Status::Pending => self.run.pivoted(),
            Status::Undone { .. } => false,
        });
        if self.run.unwinding() {
            // What was started last is undone first, so it is read first.
            left.reverse();
        }
        left
    }

    fn stays(&mut self) {
        let done = self.steps(|_, status| {
            matches!(status, Status::Succeeded { .. } | Status::Failed { left: Some(_) })
        });
        if done.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Took effect and stays")]);
        let symbol = self.page.style().symbols().working;
        for step in done {
            let partly = matches!(self.run.status(step.id), Status::Failed { .. });
            let says = if partly { " in part" } else { "" };
            self.one(step, symbol, &format!("{}{says}", did(&step.op)));
        }
    }

    fn not_done(&self) -> Vec<&'a Step> {
        self.steps(|_, status| !matches!(status, Status::Succeeded { .. }))
    }

    fn destroys(&self) -> bool {
        destroys(self.plan())
    }
}
