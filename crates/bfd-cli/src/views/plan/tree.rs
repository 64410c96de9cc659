//! Changed fields, nested, on one line each where they fit.

use super::{
    block::{Block, Line, block, words},
    fields::{Direction, Leaf, Node, Side},
    resources::{self, Part, is_grave, says},
    values::{pair, side_text, sides},
};
use crate::views::{
    layout::{Page, Piece, faint, padding, plain, styled, width},
    palette,
    value::visible,
    words::count,
};
use bfd_core::{Environment, Value, plan::Effect};
use bfd_template::{Effect as Does, TemplateDiff};

/// Lines of one field's comparison; the rest is counted.
const BLOCK_LINES: usize = 300;
/// Labels are aligned up to this width; a longer one pushes its own value.
pub(crate) const ALIGNED: usize = 28;

/// Writes a tree of changed fields.
///
/// `told` is an effect that a line above has announced for everything below.
pub(crate) fn write(
    page: &mut Page,
    environment: &Environment,
    indent: usize,
    nodes: &[Node],
    told: Option<Effect>,
) {
    Tree { page, environment, length: Length::Whole }.nodes(indent, nodes, told);
}

/// Writes what changes within a stack.
pub(crate) fn write_resources(
    page: &mut Page,
    environment: &Environment,
    indent: usize,
    difference: &TemplateDiff,
) {
    Tree { page, environment, length: Length::Whole }.resources(indent, difference);
}

/// Writes what is made with a new stack. There may be many of those, and none of it is compared
/// with anything: each value is one paragraph.
pub(crate) fn write_new_resources(
    page: &mut Page,
    environment: &Environment,
    indent: usize,
    made: &TemplateDiff,
) {
    Tree { page, environment, length: Length::Brief }.resources(indent, made);
}

/// How much room a value takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// What does not fit on its line is written line by line.
    Whole,
    /// It goes on where the line ends.
    Brief,
}

struct Tree<'a> {
    page: &'a mut Page,
    environment: &'a Environment,
    length: Length,
}

impl Tree<'_> {
    fn resources(&mut self, indent: usize, difference: &TemplateDiff) {
        let becomes = self.page.style().symbols().becomes;
        for resource in &difference.resources {
            let sign = self.effect(resource.effect);
            let mut line = vec![
                sign,
                plain(visible(&resource.logical)),
                faint(format!("  {}", visible(&resource.type_name))),
            ];
            let says = says(resource);
            if !says.is_empty() {
                let style = if is_grave(resource) { palette::CAUTION } else { palette::PLAIN };
                line.push(styled(style, format!("  {says}")));
            }
            self.page.line(indent, indent + 4, &line);
            for changed in &resource.properties {
                // They say nothing of who may do or reach what.
                let is_tags = changed.path.keys().eq(["Properties", "Tags"]);
                if is_tags && self.length == Length::Brief {
                    continue;
                }
                self.part(indent + 4, &resources::property(changed, becomes));
            }
        }
        if difference.sections.is_empty() {
            return;
        }
        self.page.line(indent, indent + 4, &[plain("the rest of the template")]);
        for changed in &difference.sections {
            self.part(indent + 4, &resources::section(changed, becomes));
        }
    }

    fn effect(&self, effect: Does) -> Piece {
        let symbols = self.page.style().symbols();
        match effect {
            Does::Create => styled(palette::ADDED, format!("{} ", symbols.create)),
            Does::Delete => styled(palette::REMOVED, format!("{} ", symbols.delete)),
            Does::Replacement => styled(palette::REPLACED, format!("{} ", symbols.replace)),
            Does::MayReplace | Does::Update => {
                styled(palette::CHANGED, format!("{} ", symbols.update))
            }
            Does::None => plain("= "),
        }
    }

    /// One changed part: on one line where it fits, line by line where it does not.
    fn part(&mut self, indent: usize, part: &Part) {
        let direction = match (&part.before, &part.after) {
            (None, _) => Direction::Added,
            (_, None) => Direction::Removed,
            _ => Direction::Changed,
        };
        let head = [self.sign(direction), plain(&*part.label)];
        let style = if part.forces { palette::REPLACED } else { palette::CAUTION };
        let says: Vec<Piece> = (!part.says.is_empty())
            .then(|| styled(style, format!("  {}", part.says)))
            .into_iter()
            .collect();
        if !part.through.is_empty() {
            let value = part.after.as_deref().unwrap_or_default();
            let through = format!("  {value} through {}", part.through.join(", "));
            let line: Vec<Piece> = head.into_iter().chain([plain(through)]).chain(says).collect();
            self.page.line(indent, indent + 4, &line);
            return;
        }
        let becomes = format!(" {} ", self.page.style().symbols().becomes);
        let before = part.before.iter().map(|text| styled(palette::REMOVED, &**text));
        let after = part.after.iter().map(|text| styled(palette::ADDED, &**text));
        let between = (direction == Direction::Changed).then(|| faint(becomes));
        let sides: Vec<Piece> =
            [plain("  ")].into_iter().chain(before).chain(between).chain(after).collect();
        let line: Vec<Piece> =
            head.iter().cloned().chain(sides).chain(says.iter().cloned()).collect();
        if self.page.fits(indent, &line) || self.length == Length::Brief {
            self.page.line(indent, indent + 4, &line);
            return;
        }
        let line: Vec<Piece> = head.into_iter().chain(says).collect();
        self.page.line(indent, indent + 4, &line);
        self.block(indent + 4, &part.block);
    }

    fn nodes(&mut self, indent: usize, nodes: &[Node], told: Option<Effect>) {
        let column = nodes
            .iter()
            .filter(|node| node.leaf.is_some() && width(&node.label) <= ALIGNED)
            .map(|node| width(&node.label))
            .max()
            .unwrap_or(0);
        for node in nodes {
            if let Some(leaf) = &node.leaf {
                self.leaf(indent, node, leaf, column, effect(node.effect, told));
            } else {
                let here = node.uniform_effect();
                self.heading(indent, node, here.and_then(|here| effect(here, told)));
                self.nodes(indent + 2, &node.children, here.or(told));
            }
        }
    }

    fn heading(&mut self, indent: usize, node: &Node, says: Option<Piece>) {
        // A whole container that comes or goes is news; in a map the entries say it.
        let whole = node.children.iter().any(|child| child.label == "image");
        let sign = node.direction().filter(|is| whole && *is != Direction::Changed);
        let mut line: Vec<Piece> = sign.map(|sign| self.sign(sign)).into_iter().collect();
        line.push(plain(&*node.label));
        line.extend(says);
        self.page.line(indent, indent + 4, &line);
    }

    fn sign(&self, direction: Direction) -> Piece {
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
        node: &Node,
        leaf: &Leaf,
        column: usize,
        says: Option<Piece>,
    ) {
        let start = [self.sign(leaf.direction()), plain(&*node.label)];
        let block = block(leaf);
        if block.as_ref().is_none_or(|block| block.list) {
            let becomes = format!(" {} ", self.page.style().symbols().becomes);
            let line = |gap: String| -> Vec<Piece> {
                let sides = sides(leaf, self.environment, &becomes);
                let start = start.iter().cloned().chain([plain(gap)]);
                start.chain(sides).chain(says.clone()).collect()
            };
            // Aligned if possible, on one line in any case, below each other as a last resort.
            let aligned = line(padding(&node.label, column) + "  ");
            let close = line("  ".to_owned());
            let fitting = [&aligned, &close].into_iter().find(|line| self.page.fits(indent, line));
            let two = leaf.direction() == Direction::Changed
                && (&leaf.before, &leaf.after) != (&Side::Secret, &Side::Secret);
            if let Some(line) = fitting.or((block.is_none() && !two).then_some(&close)) {
                self.page.line(indent, indent + 6, line);
                return;
            }
        }
        let size = faint(block.as_ref().map(size).unwrap_or_default());
        let line: Vec<Piece> = start.into_iter().chain([size]).chain(says).collect();
        self.page.line(indent, indent + 4, &line);
        match block {
            Some(block) => self.block(indent + 4, &block),
            None => self.below(indent + 4, leaf),
        }
    }

    /// Two sides that do not fit beside each other, one below the other.
    fn below(&mut self, indent: usize, leaf: &Leaf) {
        let (before, after) = match (&leaf.before, &leaf.after) {
            (Side::Value(Value::String(old)), Side::Value(Value::String(new))) => {
                let (old, new) = pair(old, new, leaf.nature, self.environment);
                words(&old, &new)
            }
            (before, after) => {
                let text = |side| side_text(side, leaf.nature, self.environment);
                (vec![(false, text(before))], vec![(false, text(after))])
            }
        };
        let removed = marked("- ", &before, palette::REMOVED, palette::REMOVED_WORDS);
        let added = marked("+ ", &after, palette::ADDED, palette::ADDED_WORDS);
        self.page.line(indent, indent + 2, &removed);
        self.page.line(indent, indent + 2, &added);
    }

    fn block(&mut self, indent: usize, block: &Block) {
        let more = self.page.style().symbols().more;
        for line in block.lines.iter().take(BLOCK_LINES) {
            let pieces = match line {
                Line::Gap => vec![faint(more)],
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
            let text = format!("{more} {}; `--format json` has them all", count(rest, "more line"));
            self.page.line(indent, indent + 4, &[faint(text)]);
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
    let noun = if block.list { "item" } else { "line" };
    match (block.added, block.removed) {
        (0, 0) => String::new(),
        (added, 0) => format!("  {} added", count(added, noun)),
        (0, removed) => format!("  {} removed", count(removed, noun)),
        (added, removed) => format!("  {} added, {removed} removed", count(added, noun)),
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
