//! What is there twice in a file, which TOML does not allow.
//!
//! The parser names the second place only, and after a table also every key in it. People look
//! for the first place, and for one mistake where they made one.

use bfd_core::{Problem, SourceId, Span};
use std::ops::Range;

const TABLE: &str = "a table that is there twice";

/// What is wrong with a key that is there again; nothing for one in a table of which `told` says
/// already that it is there again.
pub(crate) fn problem(
    source: SourceId,
    text: &str,
    again: Range<usize>,
    told: &[Problem],
) -> Option<Problem> {
    let line = line_at(text, again.start);
    let (what, help, first) = if is_header(&text[line.clone()]) {
        let first = table(text, &line).map(|first| first + (again.start - line.start));
        let help = "rename one of them, or write all its fields below one header";
        (TABLE, help, first)
    } else {
        let header = headers(text).take_while(|header| header.end <= line.start).last();
        let is_of = |problem: &Problem, header: &Range<usize>| {
            problem.headline == TABLE
                && problem.labels.first().is_some_and(|it| header.contains(&it.span.start))
        };
        if header.as_ref().is_some_and(|header| told.iter().any(|it| is_of(it, header))) {
            return None;
        }
        let begin = header.map_or(0, |header| header.end);
        let first = key(text, begin..line.start, &text[again.clone()]);
        ("a key that is there twice", "remove one of them", first)
    };
    let length = again.len();
    let mut problem = Problem::error("manifest::syntax", what);
    problem = problem.at(Span::new(source, again), "here again");
    if let Some(first) = first {
        problem = problem.at(Span::new(source, first..first + length), "first here");
    }
    Some(problem.help(help))
}

fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    start..end
}

fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// A header without what is behind it.
fn header(line: &str) -> &str {
    line.split_once('#').map_or(line, |(header, _)| header).trim_end()
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    })
}

fn headers(text: &str) -> impl Iterator<Item = Range<usize>> {
    lines(text).filter(|line| is_header(&text[line.clone()]))
}

/// Where the same header is before this one. Headers of lists of tables may repeat.
fn table(text: &str, again: &Range<usize>) -> Option<usize> {
    let wanted = header(&text[again.clone()]);
    let is_list = wanted.trim_start().starts_with("[[");
    let mut earlier = headers(text).take_while(|line| line.end <= again.start);
    let same = earlier.find(|line| !is_list && header(&text[line.clone()]) == wanted)?;
    Some(same.start)
}

/// Where a line of a table begins with the same key.
fn key(text: &str, within: Range<usize>, key: &str) -> Option<usize> {
    lines(text).filter(|line| line.start >= within.start && line.end <= within.end).find_map(
        |line| {
            let written = &text[line.clone()];
            let rest = written.trim_start().strip_prefix(key)?;
            let is_it = rest.trim_start().starts_with(['=', '.']);
            is_it.then(|| line.start + (written.len() - written.trim_start().len()))
        },
    )
}
