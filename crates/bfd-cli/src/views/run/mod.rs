//! One run from its beginning, and the list of runs.
//!
//! [`text`] tells one to people, [`json`] to programs; [`list`] and [`list_json`] do so
//! of all. `timeline` is what happened, by step.
mod json;
mod list;
mod timeline;

pub use json::{json, list_json};
pub use list::{Row, list};

use super::{
    Style,
    failure::{self, turned_back},
    layout::{faint, padding, plain, styled, width},
    marks::Mark,
    outcome::{Ending, View},
    palette,
    progress::{did, doing, undid, undoing},
    time::{duration, seconds_between},
    value::{visible, visible_line},
    verdict::Verdict,
};
use bfd_apply::Unended;
use bfd_core::{
    Run,
    journal::{Entry, Event, IllegalTransition},
    plan::Plan,
};
use bfd_store::{LockHolder, RunHeader};
use timeline::{Act, Item, processes, timeline};

/// A run as its journal tells it.
#[derive(Clone, Debug)]
pub struct Told {
    pub header: RunHeader,
    pub plan: Plan,
    pub entries: Vec<Entry>,
    pub verdict: Verdict,
    /// Who is at it now.
    pub holder: Option<LockHolder>,
}

impl Told {
    /// Of a run that ended. Fails if the journal does not fit its plan.
    pub fn closed(
        header: RunHeader,
        plan: Plan,
        entries: Vec<Entry>,
    ) -> Result<Self, IllegalTransition> {
        let verdict = Verdict::of_closed(&Run::resume(plan.clone(), &entries)?);
        Ok(Self { header, plan, entries, verdict, holder: None })
    }

    /// Of a run that is open; `holder` is who holds the lock now.
    pub fn open(
        header: RunHeader,
        plan: Plan,
        entries: Vec<Entry>,
        holder: Option<LockHolder>,
    ) -> Result<Self, IllegalTransition> {
        let run = Run::resume(plan.clone(), &entries)?;
        let verdict = Verdict::of_open(&run, &entries, holder.is_some());
        Ok(Self { header, plan, entries, verdict, holder })
    }

    /// Seconds from its start to the last that is known of it.
    pub fn seconds(&self) -> Option<u64> {
        let last = self.entries.last().map_or(self.header.started_at.as_str(), |entry| &entry.at);
        seconds_between(&self.header.started_at, last)
    }
}

/// Everything about one run, for people.
pub fn text(told: &Told, manifest: &str, style: &Style) -> Result<String, IllegalTransition> {
    let ending = Ending {
        run: &told.header.run,
        plan: &told.plan,
        entries: &told.entries,
        verdict: told.verdict,
        manifest,
    };
    let items = timeline(&told.entries);
    let mut view = View::new(&ending, style)?;
    view.headline();
    facts(&mut view, told, processes(&items));
    happened(&mut view, told, &items);
    view.undone(true);
    view.left_behind();
    view.next();
    Ok(view.page.finish())
}

fn facts(view: &mut View<'_>, told: &Told, processes: usize) {
    let environment = &told.plan.environment;
    let place = format!("{} ({}, {})", environment.name, environment.account, environment.region);
    let mut facts = vec![
        ("run", told.header.run.clone()),
        ("environment", place),
        ("who", told.header.who.clone()),
        ("command", told.header.command.clone()),
        ("started", told.header.started_at.clone()),
    ];
    if let Some(arn) = &told.header.arn {
        facts.insert(3, ("arn", arn.clone()));
    }
    if let Some(endpoint) = &told.plan.endpoint {
        facts.insert(2, ("endpoint", endpoint.clone()));
    }
    if let Some(run) = &told.plan.back_to {
        facts.push(("back to", format!("run {run}")));
    }
    facts.extend(told.header.commit.clone().map(|commit| ("commit", commit)));
    facts.extend(told.header.plan_digest.clone().map(|plan| ("plan", plan)));
    if let Some(seconds) = told.seconds() {
        let over = match processes {
            1 => String::new(),
            more => format!(", over {more} processes"),
        };
        facts.push(("took", format!("{}{over}", duration(seconds))));
    }
    let exit = match told.verdict.exit() {
        Some(code) => format!("{} (exit {code})", told.verdict.says()),
        None => told.verdict.says().to_owned(),
    };
    facts.push(("outcome", exit));
    if let Some(holder) = &told.holder {
        let LockHolder { who, command, process, since } = holder;
        facts.push(("held by", format!("process {process} of {who} (`{command}`, since {since})")));
    }
    view.page.blank();
    for (name, value) in facts {
        let label = faint(format!("{name}{}  ", padding(name, 11)));
        view.page.line(2, 15, &[label, plain(visible(&value))]);
    }
}

/// The timeline: when, what, how long; a failure with all that is known of it.
fn happened(view: &mut View<'_>, told: &Told, items: &[Item<'_>]) {
    if items.is_empty() {
        view.page.blank();
        view.page.line(0, 2, &[plain("nothing had begun")]);
        return;
    }
    view.page.blank();
    view.page.line(0, 2, &[styled(palette::HEADING, "What happened")]);
    let offset = |at: &str| match seconds_between(&told.header.started_at, at) {
        Some(seconds) => duration(seconds),
        None => String::new(),
    };
    let column = items.iter().map(|item| width(&offset(item.at()))).max().unwrap_or(0).max(3);
    let mut was_picked_up = false;
    for item in items {
        let is_taken_back = std::mem::replace(
            &mut was_picked_up,
            matches!(item, Item::Process { by: Some(Mark::PickedUp { .. }), .. }),
        );
        let at = offset(item.at());
        let at = faint(format!("{}{at}  ", padding(&at, column)));
        let hang = 2 + column + 4;
        let note = |style, says: String| [at.clone(), styled(style, says)];
        match item {
            Item::Act(act) => self::act(view, told, act, at, hang),
            Item::Canceled { .. } => {
                let says = if is_taken_back { "asked to go back" } else { "asked to stop" };
                let line = note(palette::CAUTION, says.to_owned());
                view.page.line(2, hang, &line);
            }
            Item::Left { why, .. } => {
                let why = match why {
                    Mark::Left(Unended::Deadline) => {
                        let deadline = duration(told.plan.rollback.deadline);
                        format!("left open: the rollback passed its deadline of {deadline}")
                    }
                    Mark::Left(Unended::Aborted) => "left open: asked twice to stop".to_owned(),
                    _ => "left open: an undo failed".to_owned(),
                };
                view.page.line(2, hang, &note(palette::CAUTION, why));
            }
            Item::Process { by, .. } => {
                let says = match by {
                    Some(Mark::PickedUp { who, command }) => {
                        format!(
                            "another process went on: {} (`{}`)",
                            visible(who),
                            visible(command)
                        )
                    }
                    _ => "another process went on".to_owned(),
                };
                view.page.line(2, hang, &note(palette::CAUTION, says));
            }
        }
    }
}

fn act(view: &mut View<'_>, told: &Told, act: &Act<'_>, at: super::layout::Piece, hang: usize) {
    let symbols = view.page.style().symbols();
    let step = told.plan.step(act.step);
    let took = act.end.and_then(|end| seconds_between(act.began, &end.at));
    let took = took.map_or_else(String::new, |seconds| format!(" in {}", duration(seconds)));
    let done = if act.undo { undid(&step.op) } else { did(&step.op) };
    let (symbol, says, failed) = match act.end.map(|end| &end.event) {
        Some(Event::Failed { failure, .. }) if turned_back(failure) => {
            let after = took.replacen(" in ", " after ", 1);
            (faint(symbols.working), format!("stopped{after}: the run turned back"), None)
        }
        Some(Event::Failed { failure, .. } | Event::UndoFailed { failure }) => {
            let says = format!("could not be {done}{}", took.replacen(" in ", ", after ", 1));
            (styled(palette::BAD, symbols.failed), says, Some(failure))
        }
        Some(_) if act.undo => {
            (styled(palette::CAUTION, symbols.undone), format!("{done}{took}"), None)
        }
        Some(_) => (styled(palette::GOOD, symbols.done), format!("{done}{took}"), None),
        None => {
            let doing = if act.undo { undoing(&step.op) } else { doing(&step.op) };
            let says = match told.holder {
                _ if act.repeated => format!("{doing}, when its process ended"),
                Some(_) => doing.to_owned(),
                None => format!("{doing}, no end is known"),
            };
            (faint(symbols.working), says, None)
        }
    };
    let address = styled(palette::ADDRESS, step.address.to_string());
    view.page.line(2, hang, &[at, symbol, plain(" "), address, plain(format!(" {says}"))]);
    if let Some(failure) = failed {
        for line in failure.message.lines() {
            view.page.line(hang, hang + 2, &[styled(palette::BAD, visible_line(line))]);
        }
        view.told.insert(failure.message.clone());
        failure::around(&mut view.page, hang, failure, &mut view.told);
    }
    if let (None, Some(heard)) = (act.end, act.heard) {
        view.page.line(hang, hang + 2, &[faint(format!("last heard: {}", visible(heard)))]);
    }
}

impl Item<'_> {
    fn at(&self) -> &str {
        match self {
            Self::Act(act) => act.began,
            Self::Canceled { at } | Self::Process { at, .. } | Self::Left { at, .. } => at,
        }
    }
}
