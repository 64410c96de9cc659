//! One row per change, the most important first.

use super::CELL;
use crate::views::plan::{
    escape::{code, limited, message, prose},
    facts::facts,
    fields::{Node, tree},
    order::{ACTIONS, changes, deletes_first, heading, may_restart_tasks, restarts_tasks, undo},
    readings,
    resources::{self, grave_of_new, graves, other_fields, within},
};
use bfd_core::plan::{Action, Change, Plan};
use bfd_template::TemplateDiff;
use std::collections::BTreeMap;

const START: &str = "| | resource | what happens |\n|---|---|---|\n";
const END: &str = "\n";

/// How much of what, by action.
pub(super) type Counts = BTreeMap<Action, usize>;

/// Which change is named, and which of them is told about as well.
#[derive(Debug)]
pub(super) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    action: Action,
    /// What is changed, and whether that is dangerous.
    short: String,
    /// And what about it, and why.
    long: String,
    shown: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Not,
    Short,
    Long,
}

impl Table {
    /// With a short row for every change that has room, in order: no less important one is
    /// there when another is missing.
    pub(super) fn new(plan: &Plan, room: &mut usize) -> Self {
        let all = ACTIONS.iter().flat_map(|action| changes(plan, *action));
        let row = |change: &Change| {
            let within = within(plan, change);
            Row {
                action: change.action,
                short: line(change, &dangers(plan, change, within.as_ref())),
                long: line(change, &story(plan, change, within.as_ref())),
                shown: Shown::Not,
            }
        };
        let mut rows: Vec<Row> = all.map(row).collect();
        if !rows.is_empty() {
            *room = room.saturating_sub(START.len() + END.len());
        }
        for row in &mut rows {
            let Some(left) = room.checked_sub(row.short.len()) else { break };
            *room = left;
            row.shown = if row.long == row.short { Shown::Long } else { Shown::Short };
        }
        Self(rows)
    }

    /// Tells more, of those that are asked for, where there is room.
    pub(super) fn tell(&mut self, asked: impl Fn(Action) -> bool, room: &mut usize) {
        for row in &mut self.0 {
            let more = row.long.len().saturating_sub(row.short.len());
            if row.shown == Shown::Short && asked(row.action) && more <= *room {
                *room -= more;
                row.shown = Shown::Long;
            }
        }
    }

    /// How many changes are not even named.
    pub(super) fn missing(&self) -> Counts {
        self.count(Shown::Not)
    }

    /// How many changes are named, and no more.
    pub(super) fn untold(&self) -> Counts {
        self.count(Shown::Short)
    }

    fn count(&self, shown: Shown) -> Counts {
        let mut counts = Counts::new();
        for row in self.0.iter().filter(|row| row.shown == shown) {
            *counts.entry(row.action).or_default() += 1;
        }
        counts
    }

    pub(super) fn text(&self) -> String {
        let mut rows = String::new();
        for row in &self.0 {
            match row.shown {
                Shown::Not => {}
                Shown::Short => rows.push_str(&row.short),
                Shown::Long => rows.push_str(&row.long),
            }
        }
        if rows.is_empty() { rows } else { format!("{START}{rows}{END}") }
    }
}

fn line(change: &Change, what: &[String]) -> String {
    let action = heading(change.action).to_lowercase();
    let action = match change.action {
        Action::Replace | Action::Delete => format!("**{action}**"),
        _ => action,
    };
    let address = code(&limited(&change.address.to_string(), CELL));
    format!("| {action} | {address} | {} |\n", what.join("; "))
}

/// What nobody may miss.
fn dangers(plan: &Plan, change: &Change, within: Option<&TemplateDiff>) -> Vec<String> {
    let mut what = Vec::new();
    if change.action == Action::Replace && deletes_first(plan, change) {
        what.push("**the old one is deleted before the new one is created**".to_owned());
    }
    if restarts_tasks(change) {
        what.push("**restarts tasks**".to_owned());
    }
    if let Some(within) = within.filter(|it| it.resources.iter().any(resources::is_grave)) {
        what.push(prose(&limited(&resources::counts(within), CELL)));
    }
    what.extend(grave_of_new(plan, change).as_ref().map(graves));
    // What is deleted comes back in no other way either.
    if change.action != Action::Delete {
        what.extend(undo(change).map(str::to_owned));
    }
    what
}

/// All there is to say without details.
fn story(plan: &Plan, change: &Change, within: Option<&TemplateDiff>) -> Vec<String> {
    let mut what: Vec<String> = Vec::new();
    if change.action == Action::Replace {
        what.push(if deletes_first(plan, change) {
            "**the old one is deleted before the new one is created**".to_owned()
        } else {
            "the new one is created before the old one is deleted".to_owned()
        });
    }
    if change.action == Action::Adopt {
        what.push("is there already".to_owned());
    }
    if restarts_tasks(change) {
        what.push("**restarts tasks**".to_owned());
    } else if may_restart_tasks(change) {
        what.push("may restart tasks".to_owned());
    }
    match change.action {
        Action::Create | Action::Delete => {
            what.push(prose(&limited(&facts(plan, change).join(", "), CELL)));
        }
        _ => {
            let labels = labels(&tree(&other_fields(change, within)));
            let counts = within.map(resources::counts).unwrap_or_default();
            what.push(prose(&limited(&counts, CELL)));
            what.push(prose(&limited(&labels, CELL)));
            let reading = readings::of_change(plan, change);
            what.extend(reading.map(|reading| prose(&limited(&reading, CELL))));
        }
    }
    let undo = match change.action {
        Action::Delete => "for good",
        _ => undo(change).unwrap_or_default(),
    };
    // What has no details of its own says why here, and so does what a rollback cannot restore.
    let said_here = change.fields.is_empty()
        || matches!(change.action, Action::Create | Action::Delete)
        || !undo.is_empty();
    let notes: Vec<String> = if said_here {
        change.notes.iter().map(|note| message(&limited(note, CELL))).collect()
    } else {
        Vec::new()
    };
    let why = notes.join("; ");
    what.push(if undo.is_empty() || why.is_empty() {
        format!("{undo}{why}")
    } else {
        format!("{undo}: {why}")
    });
    what.retain(|part| !part.is_empty());
    what
}

/// What changes, by name only: `container web (image, environment), desired_count`.
fn labels(nodes: &[Node]) -> String {
    let label = |node: &Node| {
        if node.children.is_empty() {
            return node.label.clone();
        }
        let inner: Vec<String> = node.children.iter().map(|child| child.label.clone()).collect();
        format!("{} ({})", node.label, inner.join(", "))
    };
    nodes.iter().map(label).collect::<Vec<_>>().join(", ")
}
