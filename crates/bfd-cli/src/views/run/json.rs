//! Runs for programs. The fields are documented in `docs/commands.md` and stay as they are.

use super::{
    Told,
    list::Row,
    timeline::{Act, Item, processes, timeline},
};
use crate::views::{marks::Mark, outcome::object_id, value::redacted};
use bfd_apply::Unended;
use bfd_core::{
    Run, Value,
    journal::{Event, IllegalTransition},
    plan::Undo,
};
use serde_json::json;

/// Of the documents made here.
const FORMAT_VERSION: u32 = 1;

/// Everything about one run.
pub fn json(told: &Told) -> Result<String, IllegalTransition> {
    let run = Run::resume(told.plan.clone(), &told.entries)?;
    let items = timeline(&told.entries);
    let mut document = summary(told);
    let steps = told.plan.steps.iter().map(|step| {
        let change = told.plan.changes.iter().find(|change| change.address == step.address);
        let status = run.status(step.id);
        json!({
            "step": step.id,
            "address": step.address,
            "op": step.op.verb(),
            "phase": step.phase,
            "status": status.name(),
            "object": object_id(step, status),
            "undo": change.map_or(Undo::Exact, |change| change.undo),
            "notes": change.map(|change| change.notes.clone()).unwrap_or_default(),
        })
    });
    document["format_version"] = FORMAT_VERSION.into();
    document["environment"] = json!(told.plan.environment);
    document["endpoint"] = json!(told.plan.endpoint);
    document["pivoted"] = run.pivoted().into();
    document["unwinding"] = run.unwinding().into();
    document["processes"] = processes(&items).into();
    document["held_by"] = json!(told.holder);
    document["steps"] = steps.collect();
    document["timeline"] = items.iter().map(|item| line(told, item)).collect();
    Ok(pretty(&redacted(&document)))
}

/// Every run, the latest first.
pub fn list_json(rows: &[Row]) -> String {
    let runs = rows.iter().map(|row| match row {
        Row::Told(told) => summary(told),
        Row::Unreadable { run, why } => json!({ "run": run, "unreadable": why }),
    });
    let runs: Vec<Value> = runs.collect();
    pretty(&json!({ "format_version": FORMAT_VERSION, "runs": runs }))
}

fn summary(told: &Told) -> Value {
    json!({
        "run": told.header.run,
        "who": told.header.who,
        "arn": told.header.arn,
        "command": told.header.command,
        "back_to": told.plan.back_to,
        "started_at": told.header.started_at,
        "commit": told.header.commit,
        "plan_digest": told.header.plan_digest,
        "last_entry_at": told.entries.last().map(|entry| &entry.at),
        "seconds": told.seconds(),
        "outcome": told.verdict.word(),
        "exit": told.verdict.exit(),
        "open": told.verdict.is_open(),
        "changes": told.plan.changes.len(),
    })
}

fn line(told: &Told, item: &Item<'_>) -> Value {
    match item {
        Item::Act(act) => call(told, act),
        Item::Canceled { at } => json!({ "what": "canceled", "at": at }),
        Item::Left { at, why } => json!({ "what": "left", "at": at, "why": match why {
            Mark::Left(Unended::Deadline) => "deadline",
            Mark::Left(Unended::Aborted) => "aborted",
            _ => "undo_failed",
        } }),
        Item::Process { at, by } => {
            let (who, command) = match by {
                Some(Mark::PickedUp { who, command }) => (Some(who), Some(command)),
                _ => (None, None),
            };
            json!({ "what": "picked_up", "at": at, "who": who, "command": command })
        }
    }
}

fn call(told: &Told, act: &Act<'_>) -> Value {
    let failure = match act.end.map(|end| &end.event) {
        Some(Event::Failed { failure, .. } | Event::UndoFailed { failure }) => Some(failure),
        _ => None,
    };
    let end = match act.end {
        None => None,
        Some(_) if failure.is_some() => Some("failed"),
        Some(_) => Some("succeeded"),
    };
    json!({
        "what": if act.undo { "undo" } else { "do" },
        "step": act.step,
        "address": told.plan.step(act.step).address,
        "at": act.began,
        "ended_at": act.end.map(|end| &end.at),
        "end": end,
        "repeated": act.repeated,
        "last_heard": act.heard,
        "failure": failure,
    })
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text
}
