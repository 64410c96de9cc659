//! Line-by-line comparison of longer text: templates, policies, lists.

use super::fields::{Leaf, Nature, Side};
use crate::views::value::{compact, comparable, json_text, visible_line};
use bfd_core::Value;
use similar::{ChangeTag, DiffOp, TextDiff, udiff::UnifiedHunkHeader};

/// Lines shown before and after a change.
const CONTEXT: usize = 3;
/// Lines in one replaced stretch beyond which words are not compared: the
/// comparison is quadratic, and emphasis all over helps nobody.
const EMPHASIZED: usize = 60;

/// A text in parts; `true` marks those that differ from the counterpart.
pub(crate) type Parts = Vec<(bool, String)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// Something was left out between items of a list.
    Gap,
    /// `@@ -1,4 +1,5 @@`
    Hunk(String),
    Kept(String),
    Removed(Parts),
    Added(Parts),
    /// Something to say about the text itself.
    Remark(&'static str),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) lines: Vec<Line>,
    pub(crate) added: usize,
    pub(crate) removed: usize,
    /// The lines are the items of a list.
    pub(crate) list: bool,
}

/// Compares as text over several lines, where either side is such text.
pub(crate) fn block(leaf: &Leaf) -> Option<Block> {
    if leaf.nature != Nature::Plain {
        return None;
    }
    let (old, new) = (as_lines(&leaf.before)?, as_lines(&leaf.after)?);
    if old.lines().count() < 2 && new.lines().count() < 2 {
        return None;
    }
    let mut block = compare(&old, &new);
    if is_list(&leaf.before) && is_list(&leaf.after) {
        block.list = true;
        // Items have no line numbers worth telling.
        if matches!(block.lines.first(), Some(Line::Hunk(_))) {
            block.lines.remove(0);
        }
        for line in &mut block.lines {
            if matches!(line, Line::Hunk(_)) {
                *line = Line::Gap;
            }
        }
    }
    Some(block)
}

/// Whether it is a list of plain values, or nothing.
fn is_list(side: &Side) -> bool {
    match side {
        Side::Absent => true,
        Side::Value(Value::Array(all)) => {
            all.iter().all(|item| !item.is_array() && !item.is_object())
        }
        _ => false,
    }
}

/// The value over several lines; nothing where a side has no text to compare.
fn as_lines(side: &Side) -> Option<String> {
    Some(match side {
        Side::Absent => String::new(),
        Side::Value(Value::String(text)) => {
            json_text(text).map_or_else(|| text.clone(), |value| comparable(&value))
        }
        Side::Value(Value::Array(all)) if is_list(side) => {
            all.iter().map(|item| compact(item) + "\n").collect()
        }
        Side::Value(value @ (Value::Array(_) | Value::Object(_))) => comparable(value),
        Side::Value(scalar) => scalar.to_string(),
        Side::Secret | Side::Unknown | Side::ChangedOutside(_) => return None,
    })
}

pub(crate) fn compare(old: &str, new: &str) -> Block {
    let diff = TextDiff::from_lines(old, new);
    let mut block = Block::default();
    if old == new {
        block.lines.push(Line::Remark("only the formatting changes"));
        return block;
    }
    let whole = old.is_empty() || new.is_empty();
    for group in diff.grouped_ops(CONTEXT) {
        if !whole {
            block.lines.push(Line::Hunk(UnifiedHunkHeader::new(&group).to_string()));
        }
        for op in &group {
            add(&mut block, &diff, op);
        }
    }
    if old.ends_with('\n') != new.ends_with('\n') && !whole {
        block.lines.push(Line::Remark(if new.ends_with('\n') {
            "the last line now ends with a line break"
        } else {
            "the last line no longer ends with a line break"
        }));
    }
    block
}

fn add(block: &mut Block, diff: &TextDiff<'_, '_, str>, op: &DiffOp) {
    let emphasized = op.old_range().len() + op.new_range().len() <= EMPHASIZED;
    let mut push = |tag, parts: Parts| match tag {
        ChangeTag::Equal => {
            let text = parts.into_iter().map(|(_, text)| text).collect();
            block.lines.push(Line::Kept(text));
        }
        ChangeTag::Delete => {
            block.removed += 1;
            block.lines.push(Line::Removed(parts));
        }
        ChangeTag::Insert => {
            block.added += 1;
            block.lines.push(Line::Added(parts));
        }
    };
    if emphasized {
        // Without a deadline: with one, the result would depend on the machine.
        for change in diff.iter_inline_changes_deadline(op, None) {
            let parts = change
                .values()
                .iter()
                .map(|(marked, text)| (*marked, line(text)))
                .filter(|(_, text)| !text.is_empty())
                .collect();
            push(change.tag(), parts);
        }
    } else {
        for change in diff.iter_changes(op) {
            push(change.tag(), vec![(false, line(change.value()))]);
        }
    }
}

fn line(text: &str) -> String {
    visible_line(text.strip_suffix('\n').unwrap_or(text))
}

/// The words of two lines that differ.
pub(crate) fn words(old: &str, new: &str) -> (Parts, Parts) {
    let diff = TextDiff::from_unicode_words(old, new);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        let text = change.value().to_owned();
        match change.tag() {
            ChangeTag::Equal => {
                before.push((false, text.clone()));
                after.push((false, text));
            }
            ChangeTag::Delete => before.push((true, text)),
            ChangeTag::Insert => after.push((true, text)),
        }
    }
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let text =
            |parts: &[(bool, String)]| parts.iter().map(|(_, t)| t.as_str()).collect::<String>();
        compare(old, new)
            .lines
            .iter()
            .map(|line| match line {
                Line::Gap => "...".to_owned(),
                Line::Hunk(header) => header.clone(),
                Line::Kept(kept) => format!(" {kept}"),
                Line::Removed(parts) => format!("-{}", text(parts)),
                Line::Added(parts) => format!("+{}", text(parts)),
                Line::Remark(remark) => format!("({remark})"),
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn unchanged_lines_far_away_are_left_out() {
        let old = (1..=20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
        let new = old.replace("line 10\n", "line ten\n");
        assert_eq!(
            shown(&old, &new),
            "@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n line 11\n line 12\n line 13"
        );
    }

    #[test]
    fn a_missing_line_break_at_the_end_is_told() {
        assert!(shown("a\nb\n", "a\nb").contains("no longer ends with a line break"));
    }

    #[test]
    fn every_line_of_both_sides_can_be_had_back() {
        let old = "a\nb\nc\n";
        let new = "a\nx\nc\nd\n";
        let diff = shown(old, new);
        let side = |sign: char| {
            let lines = diff.lines().filter(|l| l.starts_with([' ', sign])).map(|l| &l[1..]);
            lines.collect::<Vec<_>>().join("\n") + "\n"
        };
        assert_eq!((side('-').as_str(), side('+').as_str()), (old, new));
    }
}
