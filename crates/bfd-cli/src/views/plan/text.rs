//! A plan at a terminal.

use super::{
    block::{Block, Line, block, words},
    facts::facts,
    fields::{Direction, Leaf, Nature, Node, Side, tree},
    order::{ACTIONS, changes, deletes_first, heading, restarts_tasks},
    summary::summary,
};
use crate::views::{
    Style,
    layout::{Page, Piece, faint, padding, plain, styled, width},
    palette,
    value::{SECRET, compact, image, quoted, secret_source, short_digests, visible},
    words::count,
};
use bfd_core::{
    Environment, Value,
    plan::{Action, Change, Drift, Effect, Plan, Undo, Warning},
};

/// Lines of one field's comparison; the rest is counted.
const BLOCK_LINES: usize = 300;
/// Labels are aligned up to this width; a longer one pushes its own value.
const ALIGNED: usize = 28;

/// Shows a plan to a person: dangerous things first, then what changes, then what is new.
pub fn text(plan: &Plan, style: &Style) -> String {
    let mut view = View { plan, page: Page::new(style) };
    if !plan.changes.is_empty() || !plan.drift.is_empty() {
        view.title();
    } else if let Some(endpoint) = &plan.endpoint {
        view.endpoint(endpoint);
    }
    view.drift();
    for action in ACTIONS {
        view.section(action);
    }
    view.warnings();
    view.page.blank();
    let summary = summary(plan);
    let (head, rest) = summary.split_at(summary.find([':', '.']).map_or(0, |at| at + 1));
    view.page.line(0, 2, &[styled(palette::HEADING, head), plain(rest)]);
    view.page.finish()
}

struct View<'a> {
    plan: &'a Plan,
    page: Page,
}

fn color(action: Action) -> anstyle::Style {
    match action {
        Action::Create => palette::ADDED,
        Action::Update => palette::CHANGED,
        Action::Replace => palette::REPLACED,
        Action::Delete => palette::REMOVED,
        Action::Adopt => palette::ADOPTED,
    }
}

impl View<'_> {
    fn symbol(&self, action: Action) -> &'static str {
        let symbols = self.page.style().symbols();
        match action {
            Action::Create => symbols.create,
            Action::Update => symbols.update,
            Action::Replace => symbols.replace,
            Action::Delete => symbols.delete,
            Action::Adopt => symbols.adopt,
        }
    }

    fn title(&mut self) {
        let of = &self.plan.environment;
        let place = format!(" in account {}, {}", of.account, of.region);
        self.page.line(0, 2, &[styled(palette::HEADING, &*of.name), faint(place)]);
        if let Some(endpoint) = &self.plan.endpoint {
            self.endpoint(endpoint);
        }
    }

    fn endpoint(&mut self, endpoint: &str) {
        let text = format!("calls go to {}, not to AWS", visible(endpoint));
        self.page.line(0, 2, &[styled(palette::CAUTION, text)]);
    }

    fn drift(&mut self) {
        if self.plan.drift.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Changed outside bfd since the last run")]);
        for drift in &self.plan.drift {
            self.drifted(drift);
        }
    }

    fn drifted(&mut self, drift: &Drift) {
        let symbols = self.page.style().symbols();
        let address = styled(palette::ADDRESS, drift.address.to_string());
        if drift.gone {
            let symbol = styled(palette::REMOVED, format!("{} ", symbols.delete));
            self.page.line(2, 6, &[symbol, address, plain("  is no longer there")]);
            return;
        }
        let symbol = styled(palette::CHANGED, format!("{} ", symbols.update));
        self.page.line(2, 6, &[symbol, address]);
        self.nodes(6, &tree(&drift.fields), None);
    }

    fn section(&mut self, action: Action) {
        let changes = changes(self.plan, action);
        if changes.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, heading(action))]);
        let column = changes
            .iter()
            .map(|change| width(&change.address.to_string()))
            .filter(|wide| *wide <= ALIGNED)
            .max()
            .unwrap_or(0);
        let mut tall = false;
        for change in changes {
            let before = self.page.lines();
            match action {
                Action::Create | Action::Delete => self.compact(change, column),
                Action::Update | Action::Adopt | Action::Replace => {
                    // Air between changes that take several lines, none in a list of one-liners.
                    if tall {
                        self.page.blank();
                    }
                    self.detailed(change);
                }
            }
            tall = self.page.lines() > before + 1;
        }
    }

    /// One line: what it is, and little more.
    fn compact(&mut self, change: &Change, column: usize) {
        let address = change.address.to_string();
        let symbol = self.symbol(change.action);
        let mut line = vec![
            styled(color(change.action), format!("{symbol} ")),
            styled(palette::ADDRESS, &*address),
        ];
        let facts = facts(self.plan, change);
        if !facts.is_empty() {
            line.push(plain(padding(&address, column) + "  "));
            line.push(plain(facts.join(", ")));
        }
        let hang = if self.page.style().width >= 72 && width(&address) <= column {
            2 + width(symbol) + 1 + column + 2
        } else {
            6
        };
        self.page.line(2, hang, &line);
        self.undo(change);
    }

    fn detailed(&mut self, change: &Change) {
        let symbol = self.symbol(change.action);
        let mut line = vec![
            styled(color(change.action), format!("{symbol} ")),
            styled(palette::ADDRESS, change.address.to_string()),
        ];
        let nodes = tree(&change.fields);
        let mut says: Vec<Piece> = Vec::new();
        match change.action {
            Action::Replace if deletes_first(self.plan, change) => says
                .push(styled(palette::BAD, "the old one is deleted before the new one is created")),
            Action::Replace => {
                says.push(plain("the new one is created before the old one is deleted"))
            }
            Action::Adopt if nodes.is_empty() => {
                says.push(plain("is there already and as declared"));
            }
            Action::Adopt => says.push(plain("is there already")),
            _ => {}
        }
        if restarts_tasks(change) {
            says.push(styled(palette::CAUTION, "restarts tasks"));
        }
        for (number, part) in says.into_iter().enumerate() {
            line.push(plain(if number == 0 { "  " } else { ", " }));
            line.push(part);
        }
        self.page.line(2, 6, &line);
        let told = super::fields::uniform(nodes.iter().map(Node::uniform_effect))
            .filter(|effect| *effect == Effect::RestartsTasks);
        self.nodes(6, &nodes, told);
        self.undo(change);
    }

    /// Says how far a rollback would get, where that is not all the way.
    fn undo(&mut self, change: &Change) {
        let says = match change.undo {
            Undo::Exact => None,
            Undo::Approximate => Some("a rollback restores this only approximately"),
            Undo::None => Some("a rollback cannot restore this"),
        };
        match (says, change.notes.as_slice()) {
            (None, notes) => {
                for note in notes {
                    self.page.line(6, 8, &[faint(visible(note))]);
                }
            }
            (Some(says), [note]) => {
                let line = [styled(palette::CAUTION, says), plain(": "), plain(visible(note))];
                self.page.line(6, 8, &line);
            }
            (Some(says), notes) => {
                self.page.line(6, 8, &[styled(palette::CAUTION, says)]);
                for note in notes {
                    self.page.line(8, 10, &[plain(visible(note))]);
                }
            }
        }
    }

    /// `told` is an effect that a line above has announced for everything below.
    fn nodes(&mut self, indent: usize, nodes: &[Node], told: Option<Effect>) {
        let column = nodes
            .iter()
            .filter(|node| node.leaf.is_some() && width(&node.label) <= ALIGNED)
            .map(|node| width(&node.label))
            .max()
            .unwrap_or(0);
        for node in nodes {
            if let Some(leaf) = &node.leaf {
                let says = effect(node.effect, told);
                self.leaf(indent, &node.label, column, leaf, says);
                continue;
            }
            let here = node.uniform_effect();
            let says = here.and_then(|here| effect(here, told));
            let mut line = Vec::new();
            match node.direction() {
                Some(direction @ (Direction::Added | Direction::Removed)) => {
                    line.push(self.direction(direction));
                }
                _ => line.push(plain("  ")),
            }
            line.push(plain(&*node.label));
            line.extend(says);
            self.page.line(indent, indent + 4, &line);
            self.nodes(indent + 2, &node.children, here.or(told));
        }
    }

    fn direction(&self, direction: Direction) -> Piece {
        let symbols = self.page.style().symbols();
        match direction {
            Direction::Added => styled(palette::ADDED, format!("{} ", symbols.create)),
            Direction::Removed => styled(palette::REMOVED, format!("{} ", symbols.delete)),
            Direction::Changed => styled(palette::CHANGED, format!("{} ", symbols.update)),
        }
    }

    fn leaf(
        &mut self,
        indent: usize,
        label: &str,
        column: usize,
        leaf: &Leaf,
        says: Option<Piece>,
    ) {
        let start = [self.direction(leaf.direction()), plain(label)];
        if let Some(block) = block(leaf) {
            let line: Vec<Piece> =
                start.into_iter().chain([faint(size(&block))]).chain(says).collect();
            if !self.inline_list(indent, label, column, leaf, &line) {
                self.page.line(indent, indent + 4, &line);
                self.block(indent + 4, &block);
            }
            return;
        }
        let gap = plain(padding(label, column) + "  ");
        let becomes = format!(" {} ", self.page.style().symbols().becomes);
        let environment = &self.plan.environment;
        let one_line: Vec<Piece> = start
            .iter()
            .cloned()
            .chain([gap])
            .chain(sides(leaf, environment, &becomes))
            .chain(says.clone())
            .collect();
        let long = match (&leaf.before, &leaf.after) {
            (Side::Value(Value::String(old)), Side::Value(Value::String(new)))
                if leaf.nature == Nature::Plain =>
            {
                Some((old, new))
            }
            _ => None,
        };
        match long {
            Some((old, new)) if !self.page.fits(indent, &one_line) => {
                let line: Vec<Piece> = start.into_iter().chain(says).collect();
                self.page.line(indent, indent + 4, &line);
                self.long(indent + 4, old, new);
            }
            _ => {
                let hang = indent + 2 + column.max(width(label)) + 2;
                let narrow = hang + 32 > self.page.style().width;
                self.page.line(indent, if narrow { indent + 4 } else { hang }, &one_line);
            }
        }
    }

    /// A list of plain values on one line, where both sides fit.
    fn inline_list(
        &mut self,
        indent: usize,
        label: &str,
        column: usize,
        leaf: &Leaf,
        start: &[Piece],
    ) -> bool {
        let list = |side: &Side| match side {
            Side::Value(Value::Array(all)) => all.iter().all(|item| !item.is_object()),
            Side::Absent => true,
            _ => false,
        };
        if !list(&leaf.before) || !list(&leaf.after) {
            return false;
        }
        let becomes = format!(" {} ", self.page.style().symbols().becomes);
        let line: Vec<Piece> = start[..2]
            .iter()
            .cloned()
            .chain([plain(padding(label, column) + "  ")])
            .chain(sides(leaf, &self.plan.environment, &becomes))
            .chain(start[3..].iter().cloned())
            .collect();
        let fits = self.page.fits(indent, &line);
        if fits {
            self.page.line(indent, indent, &line);
        }
        fits
    }

    /// Two texts that do not fit side by side, one below the other.
    fn long(&mut self, indent: usize, old: &str, new: &str) {
        let (before, after) = words(&quoted(&short_digests(old)), &quoted(&short_digests(new)));
        let symbols = self.page.style().symbols();
        let removed = marked("- ", &before, palette::REMOVED, palette::REMOVED_WORDS);
        let added = marked("+ ", &after, palette::ADDED, palette::ADDED_WORDS);
        debug_assert_eq!((symbols.delete, symbols.create), ("-", "+"));
        self.page.line(indent, indent + 2, &removed);
        self.page.line(indent, indent + 2, &added);
    }

    fn block(&mut self, indent: usize, block: &Block) {
        for line in block.lines.iter().take(BLOCK_LINES) {
            let pieces = match line {
                Line::Hunk(header) => vec![styled(palette::ADOPTED, &**header)],
                Line::Kept(text) => vec![plain(format!("  {text}"))],
                Line::Removed(parts) => {
                    marked("- ", parts, palette::REMOVED, palette::REMOVED_WORDS)
                }
                Line::Added(parts) => marked("+ ", parts, palette::ADDED, palette::ADDED_WORDS),
                Line::Remark(remark) => vec![faint(format!("({remark})"))],
            };
            self.page.line(indent, indent + 4, &pieces);
        }
        let rest = block.lines.len().saturating_sub(BLOCK_LINES);
        if rest > 0 {
            let more = self.page.style().symbols().more;
            let text = format!("{more} {}; `--format json` has them all", count(rest, "more line"));
            self.page.line(indent, indent + 4, &[faint(text)]);
        }
    }

    fn warnings(&mut self) {
        if self.plan.warnings.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Warnings")]);
        for warning in &self.plan.warnings {
            self.warning(warning);
        }
    }

    fn warning(&mut self, warning: &Warning) {
        let symbol = self.page.style().symbols().warning;
        let mut line = vec![styled(palette::CAUTION, format!("{symbol} "))];
        if let Some(address) = &warning.address {
            line.push(styled(palette::ADDRESS, address.to_string()));
            line.push(plain(": "));
        }
        line.push(plain(visible(&warning.message)));
        self.page.line(2, 4, &line);
        if let Some(help) = &warning.help {
            let help = [styled(palette::HELP, "help: "), plain(visible(help))];
            self.page.line(4, 10, &help);
        }
    }
}

fn effect(effect: Effect, told: Option<Effect>) -> Option<Piece> {
    match effect {
        Effect::Replaces => Some(styled(palette::REPLACED, "  forces replacement")),
        Effect::RestartsTasks if told != Some(Effect::RestartsTasks) => {
            Some(styled(palette::CAUTION, "  restarts tasks"))
        }
        _ => None,
    }
}

fn size(block: &Block) -> String {
    match (block.added, block.removed) {
        (0, 0) => String::new(),
        (added, 0) => format!("  {} added", count(added, "line")),
        (0, removed) => format!("  {} removed", count(removed, "line")),
        (added, removed) => format!("  {} added, {removed} removed", count(added, "line")),
    }
}

fn marked(
    start: &str,
    parts: &[(bool, String)],
    style: anstyle::Style,
    emphasis: anstyle::Style,
) -> Vec<Piece> {
    // Where everything differs, nothing stands out.
    let some_kept = parts.iter().any(|(differs, text)| !differs && !text.trim().is_empty());
    let part = |(differs, text): &(bool, String)| {
        styled(if *differs && some_kept { emphasis } else { style }, &**text)
    };
    std::iter::once(styled(style, start)).chain(parts.iter().map(part)).collect()
}

/// `before → after`, or the one side there is.
fn sides(leaf: &Leaf, environment: &Environment, becomes: &str) -> Vec<Piece> {
    let one = |side: &Side, style| side_piece(side, leaf.nature, environment, style);
    match (&leaf.before, &leaf.after) {
        (Side::Secret, Side::Secret) => vec![styled(palette::CHANGED, "(secret changes)")],
        (Side::Absent, after) => vec![one(after, palette::ADDED)],
        (before, Side::Absent) => vec![one(before, palette::REMOVED)],
        (Side::Value(Value::String(old)), Side::Value(Value::String(new))) => {
            let (old, new) = pair(old, new, leaf.nature, environment);
            vec![styled(palette::REMOVED, old), faint(becomes), styled(palette::ADDED, new)]
        }
        (before, after) => {
            vec![one(before, palette::REMOVED), faint(becomes), one(after, palette::ADDED)]
        }
    }
}

/// Two texts, without what they have in common where they are images.
pub(crate) fn pair(
    old: &str,
    new: &str,
    nature: Nature,
    environment: &Environment,
) -> (String, String) {
    let (before, after) = match nature {
        Nature::Plain => (quoted(&short_digests(old)), quoted(&short_digests(new))),
        Nature::SecretSource => (secret_source(old, environment), secret_source(new, environment)),
        Nature::Image => {
            let (before, after) = (image(old, environment), image(new, environment));
            match (before.split_once('@'), after.split_once('@')) {
                (Some((one, _)), Some((other, digest))) if one == other => {
                    let digest = digest.to_owned();
                    (before, digest)
                }
                _ => (before, after),
            }
        }
    };
    // What was shortened away is the difference: then all of it is needed.
    if before == after || before.ends_with(&format!("@{after}")) {
        return (quoted(old), quoted(new));
    }
    (before, after)
}

pub(crate) fn side_text(side: &Side, nature: Nature, environment: &Environment) -> String {
    match (side, nature) {
        (Side::Value(Value::String(text)), Nature::Image) => image(text, environment),
        (Side::Value(Value::String(text)), Nature::SecretSource) => {
            format!("from {}", secret_source(text, environment))
        }
        (Side::Value(value), _) => compact(value),
        (Side::Absent, _) => "(not set)".to_owned(),
        (Side::Secret, _) => SECRET.to_owned(),
        (Side::Unknown, _) => "(known after apply)".to_owned(),
        (Side::ChangedOutside(how), _) => format!("(changed outside bfd: {})", visible(how)),
    }
}

fn side_piece(
    side: &Side,
    nature: Nature,
    environment: &Environment,
    style: anstyle::Style,
) -> Piece {
    let text = side_text(side, nature, environment);
    match side {
        Side::Value(_) => styled(style, text),
        _ => faint(text),
    }
}
