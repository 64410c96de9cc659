//! What changes within a resource, folded, as lines of a diff.

use super::{BESIDE, CELL, DETAIL, LINE};
use crate::views::{
    plan::{
        block::{Block, Line, block},
        escape::{fence, limited, message},
        fields::{Direction, Leaf, Node, Side, tree},
        order::{heading, undo},
        preview, readings,
        resources::{self, Part, grave_of_new, graves, other_fields, within},
        stack_drift,
        values::{pair, side_text},
    },
    value::visible,
    words::count,
};
use bfd_core::{
    Environment, Value,
    plan::{Action, Change, Effect, Plan, Preview, Replacement},
};
use bfd_template::{Effect as Does, TemplateDiff};
use std::fmt::Write as _;

/// The details of one change, within `room`: empty when it has none, nothing when they do not
/// fit.
pub(super) fn of_change(plan: &Plan, change: &Change, room: usize) -> Option<String> {
    if matches!(change.action, Action::Create | Action::Delete) {
        let grave = grave_of_new(plan, change);
        let mut lines: Vec<String> = grave.iter().flat_map(resource_lines).collect();
        lines.extend(preview::of(plan, change).into_iter().flat_map(|it| preview_lines(plan, it)));
        if lines.is_empty() {
            return Some(String::new());
        }
        let says = grave.map(|grave| format!(" {}", graves(&grave))).unwrap_or_default();
        let summary = format!("{}{says}", summary(change));
        return folded(&summary, false, &lines, &[], room.min(DETAIL));
    }
    let within = within(plan, change);
    let nodes = tree(&other_fields(change, within.as_ref()));
    let reading = readings::of_change(plan, change);
    if nodes.is_empty() && within.is_none() && reading.is_none() {
        return Some(String::new());
    }
    let summary = summary(change);
    // Why an undo is not exact is in the table, where nobody has to unfold it.
    let told: &[String] = if undo(change).is_some() { &[] } else { &change.notes };
    let said: Vec<String> = told.iter().map(|note| message(&limited(note, CELL))).collect();
    let mut lines = lines(&nodes, &plan.environment);
    lines.extend(reading.map(|reading| limited(&format!("! {reading}"), LINE)));
    lines.extend(within.iter().flat_map(resource_lines));
    lines.extend(preview::of(plan, change).into_iter().flat_map(|it| preview_lines(plan, it)));
    let is_open = change.action == Action::Replace
        || within.iter().flat_map(|it| &it.resources).any(resources::is_grave);
    folded(&summary, is_open, &lines, &said, room.min(DETAIL))
}

fn summary(change: &Change) -> String {
    let address = limited(&change.address.to_string(), CELL);
    format!("<b>{}</b> <code>{address}</code>", heading(change.action))
}

/// What changed outside bfd, within `room`.
pub(super) fn of_drift(plan: &Plan, room: usize) -> Option<String> {
    let mut all = Vec::new();
    for drift in &plan.drift {
        let address = limited(&drift.address.to_string(), CELL);
        if drift.gone {
            all.push(format!("- {address} is no longer there"));
        } else {
            all.push(format!("  {address}"));
            let others = readings::others(&drift.fields);
            all.extend(lines(&tree(&others), &plan.environment));
            let reading = readings::of_drift(plan, drift);
            all.extend(reading.map(|reading| limited(&format!("! {reading}"), LINE)));
        }
    }
    let resources = count(plan.drift.len(), "resource");
    let summary = format!("Changed outside bfd since the last run: {resources}");
    folded(&summary, false, &all, &[], room)
}

/// What changed outside bfd within stacks, within `room`.
pub(super) fn of_stack_drift(plan: &Plan, room: usize) -> Option<String> {
    let mut all = Vec::new();
    for stack in &plan.stack_drift {
        let address = limited(&stack.address.to_string(), CELL);
        all.push(format!("  {address}  # {}", stack_drift::counts(stack)));
        for resource in &stack.resources {
            let (logical, kind) = (visible(&resource.logical_id), visible(&resource.type_name));
            let line = if resource.deleted {
                format!("-   {logical} ({kind}) is no longer there")
            } else {
                format!("    {logical} ({kind})")
            };
            all.push(limited(&line, LINE));
            all.extend(lines_below(&tree(&resource.fields), 2, &plan.environment));
        }
    }
    let drifted = plan.stack_drift.iter().filter(|stack| !stack.resources.is_empty()).count();
    let summary = format!("Changed outside bfd, within stacks: {}", count(drifted, "stack"));
    let notes = if drifted > 0 { vec![message(stack_drift::HELP)] } else { Vec::new() };
    folded(&summary, drifted > 0, &all, &notes, room)
}

/// A folded section of at most `room` bytes; lines that do not fit are counted in it.
fn folded(
    summary: &str,
    open: bool,
    lines: &[String],
    notes: &[String],
    room: usize,
) -> Option<String> {
    let open = if open { " open" } else { "" };
    let start = format!("<details{open}>\n<summary>{summary}</summary>\n\n");
    let mut end = String::new();
    for note in notes {
        let _ = write!(end, "{note}\n\n");
    }
    end.push_str("</details>\n\n");
    // The fence is as long as the longest run of backticks, which is in a line.
    let fences = 2 * lines.iter().map(String::len).max().unwrap_or(0).min(LINE + 100) + 80;
    let mut left = room.checked_sub(start.len() + end.len() + fences)?;
    let mut body = String::new();
    for (number, line) in lines.iter().enumerate() {
        if line.len() + 1 > left {
            if number == 0 {
                return None;
            }
            let _ = writeln!(body, "# {} not shown", count(lines.len() - number, "more line"));
            break;
        }
        left -= line.len() + 1;
        body.push_str(line);
        body.push('\n');
    }
    let block = if body.is_empty() { String::new() } else { fence("diff", &body) + "\n" };
    Some(format!("{start}{block}{end}"))
}

/// The tree as lines of a diff: the sign first, then the indent.
fn lines(nodes: &[Node], environment: &Environment) -> Vec<String> {
    lines_below(nodes, 0, environment)
}

fn lines_below(nodes: &[Node], depth: usize, environment: &Environment) -> Vec<String> {
    let mut out = Vec::new();
    add(&mut out, nodes, depth, environment);
    out.iter().map(|line| limited(line, LINE)).collect()
}

fn add(out: &mut Vec<String>, nodes: &[Node], depth: usize, environment: &Environment) {
    let indent = "  ".repeat(depth);
    for node in nodes {
        if let Some(leaf) = &node.leaf {
            field(out, &indent, &node.label, leaf, node.effect, environment);
        } else {
            let sign = match node.direction() {
                Some(Direction::Added) => '+',
                Some(Direction::Removed) => '-',
                _ => ' ',
            };
            out.push(format!("{sign} {indent}{}", node.label));
            add(out, &node.children, depth + 1, environment);
        }
    }
}

/// What changes within a stack, as lines of a diff.
fn resource_lines(difference: &TemplateDiff) -> Vec<String> {
    let mut out = Vec::new();
    for resource in &difference.resources {
        let sign = match resource.effect {
            Does::Create => '+',
            Does::Delete => '-',
            Does::Replacement | Does::MayReplace => '!',
            Does::Update | Does::None => ' ',
        };
        let says = resources::says(resource);
        let says = if says.is_empty() { says } else { format!("  # {says}") };
        let (logical, type_name) = (visible(&resource.logical), visible(&resource.type_name));
        out.push(format!("{sign} {logical} ({type_name}){says}"));
        for changed in &resource.properties {
            part_lines(&mut out, &resources::property(changed, "→"));
        }
    }
    if !difference.sections.is_empty() {
        out.push("  the rest of the template".to_owned());
    }
    for changed in &difference.sections {
        part_lines(&mut out, &resources::section(changed, "→"));
    }
    out.iter().map(|line| limited(line, LINE)).collect()
}

/// What CloudFormation itself says, as lines of a diff.
fn preview_lines(plan: &Plan, preview: &Preview) -> Vec<String> {
    let mut out = vec![format!("# CloudFormation says: {}", preview::counts(preview))];
    for resource in preview::told(plan, preview) {
        let sign = if resource.replacement == Replacement::No { ' ' } else { '!' };
        let (logical, kind) = (visible(&resource.logical_id), visible(&resource.type_name));
        out.push(format!("{sign}   {logical} ({kind})  # {}", preview::says(resource)));
    }
    out.iter().map(|line| limited(line, LINE)).collect()
}

fn part_lines(out: &mut Vec<String>, part: &Part) {
    let label = &part.label;
    let says = if part.says.is_empty() { String::new() } else { format!("  # {}", part.says) };
    if !part.through.is_empty() {
        let value = part.after.as_deref().unwrap_or_default();
        out.push(format!("!   {label}: {value} through {}{says}", part.through.join(", ")));
        return;
    }
    let is_long = |side: &Option<String>| side.as_ref().is_some_and(|text| text.len() > BESIDE);
    if is_long(&part.before) || is_long(&part.after) {
        out.push(format!("!   {label}{says}"));
        block_lines(out, "  ", &part.block);
        return;
    }
    if let Some(before) = &part.before {
        let says = if part.after.is_none() { &*says } else { "" };
        out.push(format!("-   {label}: {before}{says}"));
    }
    if let Some(after) = &part.after {
        out.push(format!("+   {label}: {after}{says}"));
    }
}

fn block_lines(out: &mut Vec<String>, indent: &str, block: &Block) {
    let text =
        |parts: &[(bool, String)]| parts.iter().map(|(_, text)| text.as_str()).collect::<String>();
    out.extend(block.lines.iter().map(|line| match line {
        Line::Gap => format!("# {indent}…"),
        Line::Hunk(header) => header.clone(),
        Line::Kept(kept) => format!("  {indent}  {kept}"),
        Line::Removed(parts) => format!("- {indent}  {}", text(parts)),
        Line::Added(parts) => format!("+ {indent}  {}", text(parts)),
        Line::Remark(remark) => format!("# {remark}"),
    }));
}

fn field(
    out: &mut Vec<String>,
    indent: &str,
    label: &str,
    leaf: &Leaf,
    effect: Effect,
    environment: &Environment,
) {
    let says = if effect == Effect::Replaces { "  # forces replacement" } else { "" };
    if let Some(block) = block(leaf) {
        out.push(format!("! {indent}{label}{says}"));
        block_lines(out, indent, &block);
        return;
    }
    match (&leaf.before, &leaf.after) {
        (Side::Secret, Side::Secret) => {
            out.push(format!("! {indent}{label}: (secret changes){says}"));
        }
        (Side::Value(Value::String(old)), Side::Value(Value::String(new))) => {
            let (old, new) = pair(old, new, leaf.nature, environment);
            out.push(format!("- {indent}{label}: {old}"));
            out.push(format!("+ {indent}{label}: {new}{says}"));
        }
        (before, after) => {
            if *before != Side::Absent {
                out.push(format!(
                    "- {indent}{label}: {}",
                    side_text(before, leaf.nature, environment)
                ));
            }
            if *after != Side::Absent {
                out.push(format!(
                    "+ {indent}{label}: {}{says}",
                    side_text(after, leaf.nature, environment)
                ));
            } else if !says.is_empty() {
                out.push(format!("!{says}"));
            }
        }
    }
}
