//! What the views of a run are made of.

use super::Ending;
use crate::views::{
    SANDBOX,
    failure::{self, Told, turned_back},
    layout::{Page, faint, plain, styled},
    marks::Mark,
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

/// Why a run went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Failed,
    /// Its own process was asked to.
    Canceled,
    /// A later process was, by `bfd recover --back` or by `bfd rollback`.
    TakenBack,
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
        // Calls of a dead process are repeated, to know what became of them, and stopped: that
        // one of them does not succeed then is no cause.
        let settled = if self.turn() == Some(Turn::TakenBack) {
            self.ending.entries.iter().position(|entry| entry.event == Event::Canceled)
        } else {
            None
        };
        for entry in &self.ending.entries[..settled.unwrap_or(self.ending.entries.len())] {
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

    /// `failed`, `canceled` when the user asked for it, `interrupted` when its process died and
    /// another one took it back.
    pub(crate) fn what_happened(&self) -> &'static str {
        match self.turn() {
            Some(Turn::Canceled) => "canceled",
            Some(Turn::TakenBack) => "interrupted",
            Some(Turn::Failed) | None => "failed",
        }
    }

    /// Whether somebody turned the run back, before anything failed.
    pub(crate) fn was_canceled(&self) -> bool {
        matches!(self.turn(), Some(Turn::Canceled | Turn::TakenBack))
    }

    /// What turned the run back first.
    fn turn(&self) -> Option<Turn> {
        let mut picked_up = false;
        self.ending.entries.iter().find_map(|entry| {
            // Written together: who picks a run up to take it back says so before anything else.
            let was_picked_up = std::mem::replace(
                &mut picked_up,
                matches!(Mark::read(entry), Some(Mark::PickedUp { .. })),
            );
            match &entry.event {
                Event::Canceled if was_picked_up => Some(Turn::TakenBack),
                Event::Canceled => Some(Turn::Canceled),
                Event::Failed { failure, .. } if !turned_back(failure) => Some(Turn::Failed),
                _ => None,
            }
        })
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
