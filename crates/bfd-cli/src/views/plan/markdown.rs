//! A plan as a comment on a pull request.

use super::{
    block::{Block, Line, block},
    escape::{code, fence, limited, message, prose},
    facts::facts,
    fields::{Direction, Leaf, Node, Side, tree},
    order::{ACTIONS, changes, deletes_first, heading, may_restart_tasks, restarts_tasks, undo},
    resources::{self, Part, other_fields, within},
    summary::{counts, is_late, rollback},
    values::{pair, side_text},
};
use crate::views::{
    value::visible,
    words::{count, list},
};
use bfd_core::{
    Environment, Value,
    plan::{Action, Change, Effect, Plan},
};
use bfd_template::{Effect as Does, TemplateDiff};
use std::fmt::Write as _;

/// GitHub refuses a comment of more than 65,536 characters; bytes are never
/// fewer than characters.
/// <https://github.com/orgs/community/discussions/27190>
const LIMIT: usize = 65_000;
/// Kept free to say what did not fit.
const RESERVED: usize = 600;
/// The most that warnings, drift and the table may take from the details.
const WARNINGS: usize = 8_000;
const DRIFT: usize = 12_000;
const TABLE: usize = 24_000;
/// The most one resource's details may take.
const DETAIL: usize = 16_000;
/// Characters of one line of details, and of one cell.
const LINE: usize = 400;
const CELL: usize = 300;
/// Bytes of a value that stands on one line; a longer one is compared line by line.
const BESIDE: usize = 100;
/// Characters of one warning: that a deadline cannot be kept takes a list of terms to explain.
const WARNING: usize = 1_200;

/// Shows a plan to reviewers: dangerous things first, details folded.
///
/// Always fewer than 65,536 characters; what does not fit is counted and told.
pub fn markdown(plan: &Plan) -> String {
    let mut page = Page::default();
    page.always(&head(plan));
    page.warnings(plan);
    page.table(plan);
    page.details(plan);
    page.drift(plan);
    page.rollback(plan);
    page.finish()
}

#[derive(Debug, Default)]
struct Page {
    out: String,
    /// What did not fit: how much of what.
    left_out: Vec<String>,
}

impl Page {
    fn always(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn room(&self) -> usize {
        (LIMIT - RESERVED).saturating_sub(self.out.len())
    }

    /// Adds `items` between `start` and `end` while they fit in `most` bytes.
    fn some(&mut self, start: &str, items: &[String], end: &str, most: usize, noun: &str) {
        if items.is_empty() {
            return;
        }
        let mut room = self.room().min(most).saturating_sub(start.len() + end.len());
        let fitting = items
            .iter()
            .take_while(|item| {
                let fits = item.len() <= room;
                room = room.saturating_sub(item.len());
                fits
            })
            .count();
        if fitting > 0 {
            self.out.push_str(start);
            items[..fitting].iter().for_each(|item| self.out.push_str(item));
            self.out.push_str(end);
        }
        if fitting < items.len() {
            self.left_out.push(count(items.len() - fitting, noun));
        }
    }

    fn warnings(&mut self, plan: &Plan) {
        let items: Vec<String> = plan
            .warnings
            .iter()
            .map(|warning| {
                let at = warning.address.as_ref().map_or_else(String::new, |address| {
                    format!("{}: ", code(&limited(&address.to_string(), CELL)))
                });
                let help = warning.help.as_ref().map_or_else(String::new, |help| {
                    format!("<br>help: {}", message(&limited(help, CELL)))
                });
                format!("> - {at}{}{help}\n", message(&limited(&warning.message, WARNING)))
            })
            .collect();
        self.some("> [!WARNING]\n", &items, "\n", WARNINGS, "warning");
    }

    fn table(&mut self, plan: &Plan) {
        let rows: Vec<String> = ACTIONS
            .iter()
            .flat_map(|action| changes(plan, *action))
            .map(|change| row(plan, change))
            .collect();
        let start = "| | resource | what happens |\n|---|---|---|\n";
        self.some(start, &rows, "\n", TABLE, "row");
    }

    fn details(&mut self, plan: &Plan) {
        let mut missing = 0;
        for action in ACTIONS {
            for change in changes(plan, action) {
                let within = within(plan, change);
                let nodes = tree(&other_fields(change, within.as_ref()));
                let listed = !matches!(action, Action::Create | Action::Delete)
                    && (!nodes.is_empty() || within.is_some());
                if !listed {
                    continue;
                }
                let summary = format!(
                    "<b>{}</b> <code>{}</code>",
                    heading(action),
                    limited(&change.address.to_string(), CELL)
                );
                let mut lines = lines(&nodes, &plan.environment);
                lines.extend(within.iter().flat_map(resource_lines));
                // Why an undo is not exact is in the table, where nobody has to unfold it.
                let told: &[String] = if undo(change).is_some() { &[] } else { &change.notes };
                let said: Vec<String> =
                    told.iter().map(|note| message(&limited(note, CELL))).collect();
                let room = self.room().min(DETAIL);
                let is_open = action == Action::Replace
                    || within.iter().flat_map(|it| &it.resources).any(resources::is_grave);
                match folded(&summary, is_open, &lines, &said, room) {
                    Some(detail) => self.out.push_str(&detail),
                    None => missing += 1,
                }
            }
        }
        if missing > 0 {
            self.left_out.push(format!("the details of {}", count(missing, "resource")));
        }
    }

    fn drift(&mut self, plan: &Plan) {
        if plan.drift.is_empty() {
            return;
        }
        let mut all = Vec::new();
        for drift in &plan.drift {
            let address = limited(&drift.address.to_string(), CELL);
            if drift.gone {
                all.push(format!("- {address} is no longer there"));
            } else {
                all.push(format!("  {address}"));
                all.extend(lines(&tree(&drift.fields), &plan.environment));
            }
        }
        let summary = format!(
            "Changed outside bfd since the last run: {}",
            count(plan.drift.len(), "resource")
        );
        let room = self.room().min(DRIFT);
        match folded(&summary, false, &all, &[], room) {
            Some(detail) => self.out.push_str(&detail),
            None => self.left_out.push("what changed outside bfd".to_owned()),
        }
    }

    /// Whether the deadline can be kept; [`RESERVED`] leaves room for it.
    fn rollback(&mut self, plan: &Plan) {
        let Some(says) = rollback(plan) else { return };
        let says = prose(&limited(&says, CELL));
        let says = if is_late(plan) { format!("**{says}**") } else { says };
        let _ = write!(self.out, "rollback: {says}\n\n");
    }

    fn finish(mut self) -> String {
        if !self.left_out.is_empty() {
            let what = list(&self.left_out);
            let _ = writeln!(
                self.out,
                "\n**Not shown, for want of room:** {what}. `bfd plan` at a terminal shows everything."
            );
        }
        let kept = self.out.trim_end().len();
        self.out.truncate(kept);
        self.out.push('\n');
        self.out
    }
}

fn head(plan: &Plan) -> String {
    let of = &plan.environment;
    let name = code(&limited(&of.name, CELL));
    let (account, region) = (code(&limited(&of.account, CELL)), code(&limited(&of.region, CELL)));
    let unchanged = plan.summary().unchanged;
    let mut out = if plan.changes.is_empty() && plan.is_empty() {
        format!(
            "### No changes: {name} is as declared\n\naccount {account}, {region}, {}\n\n",
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
    out
}

fn row(plan: &Plan, change: &Change) -> String {
    let action = heading(change.action).to_lowercase();
    let action = match change.action {
        Action::Replace | Action::Delete => format!("**{action}**"),
        _ => action,
    };
    let address = code(&limited(&change.address.to_string(), CELL));
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
            let within = within(plan, change);
            let labels = labels(&tree(&other_fields(change, within.as_ref())));
            let counts = within.as_ref().map(resources::counts).unwrap_or_default();
            what.push(prose(&limited(&counts, CELL)));
            what.push(prose(&limited(&labels, CELL)));
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
    format!("| {action} | {address} | {} |\n", what.join("; "))
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
    let mut out = Vec::new();
    add(&mut out, nodes, 0, environment);
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
