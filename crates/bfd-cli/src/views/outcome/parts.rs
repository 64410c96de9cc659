//! What the views of a run are made of.

use super::Ending;
use crate::views::{
    SANDBOX,
    failure::{self, Told, turned_back},
    layout::{Page, faint, plain, styled},
    palette,
    progress::{did, undid},
    time::{duration, seconds_between},
    value::visible,
    words::list,
};
use bfd_core::{
    Expr, ResourceState, Run,
    journal::{Entry, Event, Failure, Status},
    plan::{Op, Plan, Step, StepId, Undo},
};
use std::collections::BTreeMap;

/// A run, and the page it is told on.
pub(crate) struct View<'a> {
    pub(crate) ending: &'a Ending<'a>,
    pub(crate) run: Run,
    pub(super) failures: BTreeMap<StepId, &'a Failure>,
    pub(crate) told: Told,
    pub(crate) page: Page,
}

/// The latest failure of each step, in the order of the journal.
pub(super) fn failures(entries: &[Entry]) -> BTreeMap<StepId, &Failure> {
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

impl<'a> View<'a> {
    pub(crate) fn plan(&self) -> &'a Plan {
        self.ending.plan
    }

    pub(crate) fn steps(&self, test: impl Fn(&Step, &Status) -> bool) -> Vec<&'a Step> {
        let plan = self.plan();
        plan.steps.iter().filter(|step| test(step, self.run.status(step.id))).collect()
    }

    pub(crate) fn undo(&self, step: &Step) -> Undo {
        let change = self.plan().changes.iter().find(|change| change.address == step.address);
        change.map_or(Undo::Exact, |change| change.undo)
    }

    /// Why the run turned back, and what failed while it did. Calls that it stopped are none.
    pub(crate) fn causes(&mut self) {
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

    /// What was undone, and how close that came; `exact` says so of all.
    pub(crate) fn undone(&mut self, exact: bool) {
        let undone = self.steps(|_, status| matches!(status, Status::Undone { .. }));
        if undone.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Undone")]);
        for step in undone.iter().rev() {
            let undo = self.undo(step);
            let says = if exact && undo == Undo::Exact { ", exactly" } else { "" };
            self.one(
                step,
                self.page.style().symbols().undone,
                &format!("{}{says}", undid(&step.op)),
            );
            if undo != Undo::Exact {
                let notes = plain(self.notes(step));
                self.page.line(6, 8, &[styled(palette::CAUTION, how(undo)), notes]);
            }
        }
    }

    pub(crate) fn notes(&self, step: &Step) -> String {
        let change = self.plan().changes.iter().find(|change| change.address == step.address);
        let notes: Vec<String> = change
            .map(|change| change.notes.iter().map(|note| visible(note).into_owned()).collect())
            .unwrap_or_default();
        if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) }
    }

    pub(super) fn one(&mut self, step: &Step, symbol: &str, says: &str) {
        let line = [
            plain(format!("{symbol} ")),
            styled(palette::ADDRESS, step.address.to_string()),
            plain(format!(" {says}")),
        ];
        self.page.line(2, 6, &line);
    }

    /// One thing a person may have to look at: what it is called, and why it is left.
    pub(super) fn left(&mut self, step: &Step) {
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
        let id = object_id(step, status);
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
            // Where the page has told of it, the cause is enough to know it by.
            if self.told.insert(failure.message.clone()) {
                failure::around(&mut self.page, 6, failure, &mut self.told);
            }
        }
        if let Some(look) = look(step, status) {
            self.page.line(6, 8, &[faint(look)]);
        }
    }

    pub(crate) fn name(&self) -> &'a str {
        &self.plan().environment.name
    }

    /// `failed`, or `canceled` when the user asked for it.
    pub(crate) fn what_happened(&self) -> &'static str {
        if self.was_canceled() { "canceled" } else { "failed" }
    }

    /// Whether the user turned the run back, before anything failed.
    pub(crate) fn was_canceled(&self) -> bool {
        let turned = |entry: &&Entry| match &entry.event {
            Event::Canceled => true,
            Event::Failed { failure, .. } => !turned_back(failure),
            _ => false,
        };
        let first = self.ending.entries.iter().find(turned);
        first.is_some_and(|entry| entry.event == Event::Canceled)
    }

    /// ` in 1m 12s`; nothing if the entries carry no time. In the sandbox time runs faster.
    pub(crate) fn took(&self, word: &str) -> String {
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
    pub(crate) fn counts(&self) -> String {
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

/// How close an undo comes to what was there before.
fn how(undo: Undo) -> &'static str {
    match undo {
        Undo::Exact => "exactly",
        Undo::Approximate => "only approximately",
        Undo::None => "not as it was: that cannot be restored",
    }
}

/// What to look at, where a call may or may not have taken effect.
fn look(step: &Step, status: &Status) -> Option<&'static str> {
    Some(match (status, &step.op) {
        (Status::Started, Op::Create { .. }) => "look whether it is there",
        (Status::Started, Op::Update { .. } | Op::Adopt { .. }) => {
            "look whether it has its new settings"
        }
        (Status::Started, Op::Delete { .. }) | (Status::Undoing { .. }, Op::Create { .. }) => {
            "look whether it is still there"
        }
        (Status::Undoing { .. }, Op::Delete { .. }) => "look whether it is there again",
        (Status::Undoing { .. }, _) => "look whether it has its earlier settings",
        _ => return None,
    })
}

/// What the cloud calls the object of a step; the name it is to have, where nothing is known.
pub(crate) fn object_id(step: &Step, status: &Status) -> Option<String> {
    let name = || match &step.op {
        Op::Create { inputs, .. } => match inputs.get("name") {
            Some(Expr::Literal(name)) => name.as_str().map(str::to_owned),
            _ => None,
        },
        _ => None,
    };
    object(step, status).map(|object| object.id.clone()).or_else(name)
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
