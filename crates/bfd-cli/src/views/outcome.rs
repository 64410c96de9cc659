//! How a run ended, what is left, and what to do next.

use super::{
    SANDBOX, Style,
    failure::{self, Told, turned_back},
    layout::{Page, faint, plain, styled},
    palette,
    progress::{did, undid},
    time::{duration, seconds_between},
    value::visible,
    words::{count, list},
};
use bfd_apply::Unended;
use bfd_core::{
    Outcome, ResourceState, Run,
    journal::{Entry, Event, Failure, IllegalTransition, Status},
    plan::{Action, Op, Phase, Plan, Step, StepId, Undo},
};
use std::collections::BTreeMap;

/// What is known when a run ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    pub plan: &'a Plan,
    /// The whole journal; progress may be missing.
    pub entries: &'a [Entry],
    pub outcome: Outcome,
    /// Set when the journal was left open.
    pub left_open: Option<Unended>,
    /// The path of the manifest, for the next command.
    pub manifest: &'a str,
}

/// Tells how a run ended. Fails if the entries are not of this plan.
pub fn outcome(ending: &Ending<'_>, style: &Style) -> Result<String, IllegalTransition> {
    let run = Run::resume(ending.plan.clone(), ending.entries)?;
    let failures = failures(ending.entries);
    let mut view = View { ending, run, failures, told: Told::new(), page: Page::new(style) };
    match ending.outcome {
        Outcome::Applied if destroys(ending.plan) => view.destroyed(),
        Outcome::Applied => view.applied(),
        Outcome::CleanupPending if destroys(ending.plan) => view.not_destroyed(),
        Outcome::CleanupPending => view.cleanup_pending(),
        Outcome::RolledBack => view.rolled_back(),
        Outcome::Stopped => view.stopped(),
        Outcome::Stuck => view.stuck(),
    }
    Ok(view.page.finish())
}

/// Whether the plan leaves nothing: then nobody asks for what is live.
fn destroys(plan: &Plan) -> bool {
    plan.unchanged == 0
        && plan.targets.is_empty()
        && plan.changes.iter().all(|change| change.action == Action::Delete)
        && plan.steps.iter().all(|step| step.phase == Phase::Cleanup)
}

/// The latest failure of each step, in the order of the journal.
fn failures(entries: &[Entry]) -> BTreeMap<StepId, &Failure> {
    let mut found = BTreeMap::new();
    for entry in entries {
        if let (Some(step), Event::Failed { failure, .. } | Event::UndoFailed { failure }) =
            (entry.step, &entry.event)
        {
            found.insert(step, failure);
        }
    }
    found
}

struct View<'a> {
    ending: &'a Ending<'a>,
    run: Run,
    failures: BTreeMap<StepId, &'a Failure>,
    told: Told,
    page: Page,
}

impl<'a> View<'a> {
    fn plan(&self) -> &'a Plan {
        self.ending.plan
    }

    fn steps(&self, test: impl Fn(&Step, &Status) -> bool) -> Vec<&'a Step> {
        let plan = self.plan();
        plan.steps.iter().filter(|step| test(step, self.run.status(step.id))).collect()
    }

    fn head(&mut self, color: anstyle::Style, symbol: &str, says: &str, rest: &str) {
        let line = [styled(color, format!("{symbol} {says}")), plain(format!(": {rest}"))];
        self.page.line(0, 2, &line);
    }

    fn applied(&mut self) {
        let symbol = self.page.style().symbols().done;
        let says = format!("applied {}{}", self.name(), self.took(" in"));
        self.head(palette::GOOD, symbol, &says, &self.counts());
    }

    fn cleanup_pending(&mut self) {
        let symbol = self.page.style().symbols().warning;
        let says = format!("applied {}{}, cleanup pending", self.name(), self.took(" in"));
        self.head(palette::CAUTION, symbol, &says, &self.counts());
        let left = self.not_done();
        self.page.blank();
        let says = "Everything declared is live. Still there, and not needed any more:";
        self.page.line(0, 2, &[plain(says)]);
        for step in left {
            self.left(step);
        }
        let command = format!("bfd apply {}", self.ending.manifest);
        self.help(&format!("`{command}` deletes what is left"));
    }

    fn destroyed(&mut self) {
        let symbol = self.page.style().symbols().done;
        let says = format!("destroyed {}{}", self.name(), self.took(" in"));
        self.head(palette::GOOD, symbol, &says, &self.counts());
    }

    fn not_destroyed(&mut self) {
        let symbol = self.page.style().symbols().warning;
        let left = self.not_done();
        let deleted = self.plan().steps.len() - left.len();
        let says = format!("{} is not fully destroyed", self.name());
        let rest = format!("{deleted} deleted, {} left", left.len());
        self.head(palette::CAUTION, symbol, &says, &rest);
        self.page.blank();
        for step in left {
            self.left(step);
        }
        let command = format!("bfd destroy {}", self.ending.manifest);
        self.help(&format!("`{command}` tries again"));
    }

    fn not_done(&self) -> Vec<&'a Step> {
        self.steps(|_, status| !matches!(status, Status::Succeeded { .. }))
    }

    fn rolled_back(&mut self) {
        let undone = self.steps(|_, status| matches!(status, Status::Undone { .. }));
        let symbol = self.page.style().symbols().undone;
        let says = format!("{} and rolled back{}", self.what_happened(), self.took(" in"));
        self.head(palette::BAD, symbol, &says, &self.as_it_was(&undone));
        self.causes();
        self.undone(&undone);
    }

    /// How close to the state before the run a rollback came.
    fn as_it_was(&self, undone: &[&Step]) -> String {
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

    fn undo(&self, step: &Step) -> Undo {
        let change = self.plan().changes.iter().find(|change| change.address == step.address);
        change.map_or(Undo::Exact, |change| change.undo)
    }

    fn stopped(&mut self) {
        let symbol = self.page.style().symbols().failed;
        let says = format!("{}{}, not rolled back", self.what_happened(), self.took(" after"));
        self.head(palette::BAD, symbol, &says, "rolling back was switched off");
        self.causes();
        let done = self.steps(|_, status| {
            matches!(status, Status::Succeeded { .. } | Status::Failed { left: Some(_) })
        });
        if !done.is_empty() {
            self.page.blank();
            self.page.line(0, 2, &[styled(palette::HEADING, "Took effect and stays")]);
            for step in done {
                let partly = matches!(self.run.status(step.id), Status::Failed { .. });
                let says = if partly { " in part" } else { "" };
                self.one(
                    step,
                    self.page.style().symbols().working,
                    &format!("{}{says}", did(&step.op)),
                );
            }
        }
        let manifest = self.ending.manifest;
        self.help(&format!("`bfd apply {manifest}` continues, once the cause is gone"));
    }

    fn stuck(&mut self) {
        let symbol = self.page.style().symbols().failed;
        let why = match self.ending.left_open {
            Some(Unended::Deadline) => {
                let deadline = duration(self.plan().rollback.deadline);
                format!("the rollback did not finish within {deadline}")
            }
            Some(Unended::Aborted) => "it was aborted with calls under way".to_owned(),
            Some(Unended::UndoFailed) | None => "an undo failed".to_owned(),
        };
        let says = format!("stuck{}", self.took(" after"));
        let rest = format!("{why}; {} is neither as it was nor as planned", self.name());
        self.head(palette::BAD, symbol, &says, &rest);
        self.causes();
        let left = self.steps(|step, status| match status {
            Status::Started | Status::Undoing { .. } | Status::UndoFailed { .. } => true,
            Status::Succeeded { .. } | Status::Failed { left: Some(_) } => {
                self.run.unwinding() && step.phase == Phase::Deploy
            }
            _ => false,
        });
        if !left.is_empty() {
            self.page.blank();
            self.page.line(0, 2, &[styled(palette::HEADING, "Left to look at")]);
            // What was started last is undone first, so it is read first.
            for step in left.into_iter().rev() {
                self.left(step);
            }
        }
        let undone = self.steps(|_, status| matches!(status, Status::Undone { .. }));
        self.undone(&undone);
        let manifest = self.ending.manifest;
        self.help(&format!(
            "`bfd recover {manifest}` tries again; `docs/recovery.md` says what to look at"
        ));
    }

    /// Why the run turned back, and what failed while it did. Calls that it stopped are none.
    fn causes(&mut self) {
        for entry in self.ending.entries {
            let (Some(step), Event::Failed { failure, .. }) = (entry.step, &entry.event) else {
                continue;
            };
            if turned_back(failure) {
                continue;
            }
            self.page.blank();
            let what = self.plan().step(step).address.to_string();
            failure::write(&mut self.page, 2, failure, &what, &mut self.told);
        }
    }

    fn undone(&mut self, undone: &[&Step]) {
        if undone.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Undone")]);
        for step in undone.iter().rev() {
            self.one(step, self.page.style().symbols().undone, undid(&step.op));
            if self.undo(step) != Undo::Exact {
                let notes = self.notes(step);
                self.page.line(
                    6,
                    8,
                    &[styled(palette::CAUTION, "only approximately"), plain(notes)],
                );
            }
        }
    }

    fn notes(&self, step: &Step) -> String {
        let change = self.plan().changes.iter().find(|change| change.address == step.address);
        let notes: Vec<String> = change
            .map(|change| change.notes.iter().map(|note| visible(note).into_owned()).collect())
            .unwrap_or_default();
        if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) }
    }

    fn one(&mut self, step: &Step, symbol: &str, says: &str) {
        let line = [
            plain(format!("{symbol} ")),
            styled(palette::ADDRESS, step.address.to_string()),
            plain(format!(" {says}")),
        ];
        self.page.line(2, 6, &line);
    }

    /// One thing a person may have to look at: what it is called, and why it is left.
    fn left(&mut self, step: &Step) {
        let symbols = self.page.style().symbols();
        let status = self.run.status(step.id);
        let (symbol, says) = match status {
            Status::UndoFailed { .. } => {
                (symbols.failed, format!("could not be {}", undid(&step.op)))
            }
            Status::Undoing { .. } => {
                (symbols.working, format!("not known to be {}", undid(&step.op)))
            }
            Status::Started => (symbols.working, format!("not known to be {}", did(&step.op))),
            Status::Pending => (symbols.working, format!("not {} yet", did(&step.op))),
            Status::Failed { left: None } => {
                (symbols.failed, format!("could not be {}", did(&step.op)))
            }
            _ => (symbols.working, format!("{}, not {} yet", did(&step.op), undid(&step.op))),
        };
        let id = object(step, status).map(|object| object.id.clone());
        let mut line = vec![
            styled(palette::BAD, format!("{symbol} ")),
            styled(palette::ADDRESS, step.address.to_string()),
            plain(format!(" {says}")),
        ];
        if let Some(id) = id {
            line.push(faint(format!(" ({})", visible(&id))));
        }
        self.page.line(2, 6, &line);
        let told = matches!(status, Status::UndoFailed { .. } | Status::Failed { left: None });
        if let Some(failure) = self.failures.get(&step.id).filter(|_| told) {
            self.page.line(6, 8, &[plain(visible(&failure.message))]);
            failure::around(&mut self.page, 6, failure, &mut self.told);
        }
    }

    fn help(&mut self, says: &str) {
        self.page.blank();
        self.page.line(0, 6, &[styled(palette::HELP, "help: "), plain(says)]);
    }

    fn name(&self) -> &'a str {
        &self.plan().environment.name
    }

    /// `failed`, or `canceled` when the user asked for it.
    fn what_happened(&self) -> &'static str {
        let turned = |entry: &&Entry| match &entry.event {
            Event::Canceled => true,
            Event::Failed { failure, .. } => !turned_back(failure),
            _ => false,
        };
        match self.ending.entries.iter().find(turned).map(|entry| &entry.event) {
            Some(Event::Canceled) => "canceled",
            _ => "failed",
        }
    }

    /// ` in 1m 12s`; nothing if the entries carry no time. In the sandbox time runs faster.
    fn took(&self, word: &str) -> String {
        let entries = self.ending.entries;
        let seconds = match (entries.first(), entries.last()) {
            (Some(first), Some(last)) => seconds_between(&first.at, &last.at),
            _ => None,
        };
        let whose = match self.plan().endpoint.as_deref() {
            Some(SANDBOX) => " (sandbox time)",
            _ => "",
        };
        seconds.map_or_else(String::new, |seconds| format!("{word} {}{whose}", duration(seconds)))
    }

    /// `3 created, 1 updated and 1 deleted`.
    fn counts(&self) -> String {
        let done = self.steps(|_, status| matches!(status, Status::Succeeded { .. }));
        let of = |wanted: fn(&Op) -> bool| done.iter().filter(|step| wanted(&step.op)).count();
        let counts = [
            (of(|op| matches!(op, Op::Create { .. })), "created"),
            (of(|op| matches!(op, Op::Update { .. })), "updated"),
            (of(|op| matches!(op, Op::Adopt { .. })), "adopted"),
            (of(|op| matches!(op, Op::Delete { .. })), "deleted"),
        ];
        let says: Vec<String> = counts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, verb)| format!("{number} {verb}"))
            .collect();
        if says.is_empty() { "nothing to do".to_owned() } else { list(&says) }
    }
}

/// The object a step has to do with, as far as the run knows.
fn object<'a>(step: &'a Step, status: &'a Status) -> Option<&'a ResourceState> {
    let result = match status {
        Status::Succeeded { result }
        | Status::Undoing { result }
        | Status::Undone { result }
        | Status::UndoFailed { result } => result.as_ref(),
        Status::Failed { left } => left.as_ref(),
        Status::Pending | Status::Started => None,
    };
    result.or(match &step.op {
        Op::Update { prior, .. } | Op::Adopt { prior, .. } | Op::Delete { prior } => Some(prior),
        Op::Create { .. } => None,
    })
}
