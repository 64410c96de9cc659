//! A plan as a comment on a pull request.
//!
//! Room is given to the most important first: a row for every change, then what is told in those
//! of all but what is created, then details, then the rest. What is left out is counted.
mod details;
mod table;

use super::{
    escape::{code, limited, message, prose},
    order::{ACTIONS, changes, heading},
    summary::{counts, is_late, rollback},
};
use crate::views::words::{count, list};
use bfd_core::plan::{Action, Plan};
use std::{fmt::Write as _, path::Path};
use table::{Counts, Table};

/// GitHub refuses a comment of more than 65,536 characters; bytes are never
/// fewer than characters.
/// <https://github.com/orgs/community/discussions/27190>
const LIMIT: usize = 65_000;
/// Kept free to say what did not fit.
const RESERVED: usize = 700;
/// The most that warnings and drift may take.
const WARNINGS: usize = 8_000;
const DRIFT: usize = 12_000;
/// The most one resource's details may take.
const DETAIL: usize = 16_000;
/// Characters of one line of details, and of one cell.
const LINE: usize = 400;
const CELL: usize = 300;
/// Bytes of a value that stands on one line; a longer one is compared line by line.
const BESIDE: usize = 100;
/// Characters of one warning: that a deadline cannot be kept takes a list of terms to explain.
const WARNING: usize = 1_200;

/// Where a plan can be read in full, and what a saved one is known by.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    Manifest(&'a Path),
    Saved { file: &'a Path, digest: &'a str, made_at: &'a str },
}

/// Shows a plan to reviewers: dangerous things first, details folded.
///
/// Always fewer than 65,536 characters; what does not fit is counted and told.
pub fn markdown(plan: &Plan, origin: Origin<'_>) -> String {
    let (head, foot, remedy) = (head(plan), foot(plan, origin), remedy(origin));
    let taken = RESERVED + head.len() + foot.len() + remedy.len();
    let mut room = LIMIT.saturating_sub(taken);
    let mut left_out = Vec::new();
    let warnings = warnings(plan, &mut room, &mut left_out);
    let mut table = Table::new(plan, &mut room);
    table.tell(|action| action != Action::Create, &mut room);
    let missing = table.missing();
    if !missing.is_empty() {
        left_out.push(format!("{} ({})", count(total(&missing), "row"), by_action(&missing)));
    }
    let mut folded = String::new();
    let mut without = Counts::new();
    for change in ACTIONS.iter().flat_map(|action| changes(plan, *action)) {
        // Nothing is unfolded while something is not named.
        let most = if missing.is_empty() { room } else { 0 };
        match details::of_change(plan, change, most) {
            Some(detail) => {
                room -= detail.len();
                folded.push_str(&detail);
            }
            None => *without.entry(change.action).or_default() += 1,
        }
    }
    if !plan.drift.is_empty() {
        let most = if missing.is_empty() { room.min(DRIFT) } else { 0 };
        if let Some(drift) = details::of_drift(plan, most) {
            room -= drift.len();
            folded.push_str(&drift);
        } else {
            let resources = count(plan.drift.len(), "resource");
            left_out.push(format!("what changed outside bfd ({resources})"));
        }
    }
    if !plan.stack_drift.is_empty() {
        let most = if missing.is_empty() { room.min(DRIFT) } else { 0 };
        if let Some(drift) = details::of_stack_drift(plan, most) {
            room -= drift.len();
            folded.push_str(&drift);
        } else {
            let stacks = count(plan.stack_drift.len(), "stack");
            left_out.push(format!("what changed within stacks ({stacks})"));
        }
    }
    table.tell(|_| true, &mut room);
    for (what, counts) in [("the description of", table.untold()), ("the details of", without)] {
        if !counts.is_empty() {
            let resources = count(total(&counts), "resource");
            left_out.push(format!("{what} {resources} ({})", by_action(&counts)));
        }
    }
    let mut out = head + &warnings + &table.text() + &folded + &foot;
    if !left_out.is_empty() {
        let what = list(&left_out);
        let _ = writeln!(out, "**Not shown, for want of room:** {what}. {remedy}");
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    out.push('\n');
    out
}

fn total(counts: &Counts) -> usize {
    counts.values().sum()
}

/// `3 to replace, 139 to delete`
fn by_action(counts: &Counts) -> String {
    let some = ACTIONS.iter().filter_map(|action| Some((action, counts.get(action)?)));
    let words =
        some.map(|(action, number)| format!("{number} to {}", heading(*action).to_lowercase()));
    words.collect::<Vec<_>>().join(", ")
}

fn warnings(plan: &Plan, room: &mut usize, left_out: &mut Vec<String>) -> String {
    const START: &str = "> [!WARNING]\n";
    let mut left = (*room).min(WARNINGS).saturating_sub(START.len() + 1);
    let (mut out, mut missing) = (String::new(), 0);
    for warning in &plan.warnings {
        let at = warning.address.as_ref().map_or_else(String::new, |address| {
            format!("{}: ", code(&limited(&address.to_string(), CELL)))
        });
        let help = warning.help.as_ref().map_or_else(String::new, |help| {
            format!("<br>help: {}", message(&limited(help, CELL)))
        });
        let item = format!("> - {at}{}{help}\n", message(&limited(&warning.message, WARNING)));
        match left.checked_sub(item.len()) {
            Some(rest) if missing == 0 => {
                left = rest;
                out.push_str(&item);
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        left_out.push(count(missing, "warning"));
    }
    if out.is_empty() {
        return out;
    }
    let out = format!("{START}{out}\n");
    *room -= out.len();
    out
}

fn head(plan: &Plan) -> String {
    let of = &plan.environment;
    let name = code(&limited(&of.name, CELL));
    let (account, region) = (code(&limited(&of.account, CELL)), code(&limited(&of.region, CELL)));
    let unchanged = plan.summary().unchanged;
    let mut out = if plan.changes.is_empty() && plan.is_empty() {
        let says = if plan.has_stack_drift() {
            "no plan repairs what differs within stacks".to_owned()
        } else if plan.back_to.is_some() {
            format!("{name} is as it was left then")
        } else {
            format!("{name} is as declared")
        };
        format!(
            "### No changes: {says}\n\naccount {account}, {region}, {}\n\n",
            count(unchanged, "resource")
        )
    } else {
        format!(
            "### {name}: {}\n\naccount {account}, {region}, {unchanged} unchanged\n\n",
            counts(plan)
        )
    };
    if let Some(endpoint) = &plan.endpoint {
        let endpoint = code(&limited(endpoint, CELL));
        let _ = write!(out, "> [!CAUTION]\n> calls go to {endpoint}, not to AWS\n\n");
    }
    if let Some(run) = &plan.back_to {
        let run = code(&limited(run, CELL));
        let _ = write!(out, "> [!NOTE]\n> goes back to what run {run} left\n\n");
    }
    out
}

/// Whether the deadline can be kept, and which plan this is.
fn foot(plan: &Plan, origin: Origin<'_>) -> String {
    let mut out = String::new();
    if let Some(says) = rollback(plan) {
        let says = prose(&limited(&says, CELL));
        let says = if is_late(plan) { format!("**{says}**") } else { says };
        let _ = write!(out, "rollback: {says}\n\n");
    }
    if let Origin::Saved { digest, made_at, .. } = origin {
        let _ = write!(out, "Plan {}, made at {}\n\n", code(digest), code(made_at));
    }
    out
}

/// How to see what did not fit.
fn remedy(origin: Origin<'_>) -> String {
    let (command, path) = match origin {
        Origin::Manifest(path) => ("plan", path),
        Origin::Saved { file, .. } => ("show", file),
    };
    let command = code(&limited(&format!("bfd {command} {}", path.display()), CELL));
    format!("{command} at a terminal shows everything.")
}
