//! Wraps coloured text with hanging indents; nothing is ever cut.

use super::{Style, palette, value::visible};
use std::{borrow::Cow, fmt::Write as _};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest column text is squeezed into, whatever the terminal says.
pub(crate) const MIN_COLUMN: usize = 24;

/// A space at which no line is broken. User text never holds it: it is shown as an escape.
pub(crate) const GLUE: char = '\u{e000}';
/// Text up to this width may be kept together.
const GLUED: usize = 36;
/// How a suggested command begins.
const COMMAND: &str = "`bfd ";
/// Where a word that is longer than a line is best broken: after one of these.
const BREAKS: [char; 8] = [',', '/', '?', '&', ';', ':', '=', '|'];

/// Some text in one colour.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) style: anstyle::Style,
}

pub(crate) fn styled(style: anstyle::Style, text: impl Into<String>) -> Piece {
    Piece { text: text.into(), style }
}

pub(crate) fn plain(text: impl Into<String>) -> Piece {
    styled(palette::PLAIN, text)
}

pub(crate) fn faint(text: impl Into<String>) -> Piece {
    styled(palette::FAINT, text)
}

/// Keeps short text on one line.
pub(crate) fn glued(text: &str) -> String {
    if width(text) <= GLUED {
        text.replace(' ', GLUE.encode_utf8(&mut [0; 4]))
    } else {
        text.to_owned()
    }
}

/// Keeps every suggested command (`bfd …` in backticks) in one piece: copied with a line end in
/// it, a command would be two.
pub(crate) fn with_whole_commands(text: &str) -> Cow<'_, str> {
    if !text.contains(COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(COMMAND) {
        let end = after.find('`').unwrap_or(0);
        out.push_str(before);
        if end == 0 {
            out.push_str(COMMAND);
        } else {
            let whole = |c| if c == ' ' { GLUE } else { c };
            out.extend(COMMAND.chars().chain(after[..end].chars()).map(whole));
        }
        rest = &after[end..];
    }
    Cow::Owned(out + rest)
}

pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

pub(crate) fn width_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| width(&piece.text)).sum()
}

/// Spaces that bring `text` to `columns`.
pub(crate) fn padding(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// Text under construction.
#[derive(Debug)]
pub(crate) struct Page {
    style: Style,
    out: String,
    lines: usize,
}

impl Page {
    pub(crate) fn new(style: &Style) -> Self {
        Self { style: *style, out: String::new(), lines: 0 }
    }

    pub(crate) fn style(&self) -> &Style {
        &self.style
    }

    /// Lines written so far.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Separates paragraphs; never doubles, never leads.
    pub(crate) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// As [`Page::blank`], when something follows.
    pub(crate) fn blank_if(&mut self, follows: bool) {
        if follows {
            self.blank();
        }
    }

    /// Adds text that is laid out already.
    pub(crate) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Writes a paragraph at `indent`; where it wraps, it goes on at `hang`.
    pub(crate) fn line(&mut self, indent: usize, hang: usize, pieces: &[Piece]) {
        // The last line of defence: whatever a caller forgot, no value reaches the terminal raw.
        let pieces: Vec<Piece> = pieces
            .iter()
            .map(|piece| {
                let whole = with_whole_commands(&piece.text);
                // One that is longer than a line is broken at its spaces.
                let fits = width(&whole) <= self.style.width.saturating_sub(hang)
                    || whole.split(' ').all(|word| width(word) + hang <= self.style.width);
                let text = if fits { &*whole } else { &*piece.text };
                let parts: Vec<_> = text.split(GLUE).map(visible).collect();
                styled(piece.style, parts.join(GLUE.encode_utf8(&mut [0; 4])))
            })
            .collect();
        for (number, line) in wrap(&pieces, self.style.width, indent, hang).iter().enumerate() {
            let at = if number == 0 { indent } else { hang };
            self.write(at, line);
        }
    }

    /// Whether the pieces fit on one line at `indent`.
    pub(crate) fn fits(&self, indent: usize, pieces: &[Piece]) -> bool {
        indent + width_of(pieces) <= self.style.width
    }

    fn write(&mut self, indent: usize, pieces: &[Piece]) {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        // Spaces at the end are nothing, also when they are coloured.
        let mut left = text.trim_end_matches([' ', GLUE]).len();
        if left > 0 {
            self.out.push_str(&" ".repeat(indent));
        }
        let mut rest = pieces.iter().peekable();
        while let Some(piece) = rest.next() {
            let mut text = piece.text.clone();
            while let Some(next) = rest.next_if(|next| next.style == piece.style) {
                text.push_str(&next.text);
            }
            text.truncate(left);
            left -= text.len();
            let text = text.replace(GLUE, " ");
            if self.style.color && piece.style != palette::PLAIN && !text.is_empty() {
                let _ = write!(self.out, "{}{text}{:#}", piece.style, piece.style);
            } else {
                self.out.push_str(&text);
            }
        }
        self.out.push('\n');
        self.lines += 1;
    }
}

/// Plain text as the lines of a column; narrower than [`MIN_COLUMN`] there is none.
pub(crate) fn column(text: &str, columns: usize) -> Vec<String> {
    let told = |line: Vec<Piece>| line.into_iter().map(|piece| piece.text).collect::<String>();
    wrap(&[plain(text)], columns, 0, 0).into_iter().map(told).collect()
}

/// Breaks at spaces; a word longer than a line is broken where it must.
fn wrap(pieces: &[Piece], columns: usize, indent: usize, hang: usize) -> Vec<Vec<Piece>> {
    let room = |number: usize| {
        let at = if number == 0 { indent } else { hang };
        columns.saturating_sub(at).max(MIN_COLUMN)
    };
    let mut lines: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut used = 0;
    // What would not fit on a line of its own anyway may be broken where it stands.
    let longest = columns.saturating_sub(hang).max(MIN_COLUMN);
    let words = words(pieces)
        .into_iter()
        .flat_map(|word| if width_of(&word) > longest { parts(&word) } else { vec![word] });
    for word in words {
        let wide = width_of(&word);
        let blank = word.iter().all(|piece| piece.text.trim_matches(' ').is_empty());
        if used > 0 && used + wide > room(lines.len() - 1) {
            if blank {
                // A space where the line ends is the line end.
                used = usize::MAX / 2;
                continue;
            }
            lines.push(Vec::new());
            used = 0;
        }
        if used + wide <= room(lines.len() - 1) {
            used += wide;
            lines.last_mut().expect("there is a line").extend(word);
            continue;
        }
        for piece in word {
            for character in piece.text.chars() {
                let wide = character.width().unwrap_or(0);
                if used > 0 && used + wide > room(lines.len() - 1) {
                    lines.push(Vec::new());
                    used = 0;
                }
                used += wide;
                push(lines.last_mut().expect("there is a line"), piece.style, character);
            }
        }
    }
    lines
}

/// Adds a character to the last piece, if that has its colour.
fn push(pieces: &mut Vec<Piece>, style: anstyle::Style, character: char) {
    match pieces.last_mut().filter(|last| last.style == style) {
        Some(last) => last.text.push(character),
        None => pieces.push(styled(style, character)),
    }
}

/// Splits into words and the spaces between them, across pieces: a word may have several colours.
fn words(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let mut words: Vec<Vec<Piece>> = Vec::new();
    let mut last_was_space = None;
    for piece in pieces {
        let mut rest = piece.text.as_str();
        while let Some(first) = rest.chars().next() {
            let space = first == ' ';
            let end = rest.find(|c| (c == ' ') != space).unwrap_or(rest.len());
            let part = styled(piece.style, &rest[..end]);
            if last_was_space == Some(space) {
                words.last_mut().expect("there is a word").push(part);
            } else {
                words.push(vec![part]);
            }
            last_was_space = Some(space);
            rest = &rest[end..];
        }
    }
    words
}

/// A long word as the parts between which it is best broken.
fn parts(word: &[Piece]) -> Vec<Vec<Piece>> {
    let mut parts = vec![Vec::new()];
    let mut after_break = false;
    for piece in word {
        for character in piece.text.chars() {
            let is_break = BREAKS.contains(&character);
            if after_break && !is_break {
                parts.push(Vec::new());
            }
            after_break = is_break;
            push(parts.last_mut().expect("there is a part"), piece.style, character);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: usize, indent: usize, hang: usize, pieces: &[Piece]) -> String {
        let mut page = Page::new(&Style { width: columns, ..Style::PLAIN });
        page.line(indent, hang, pieces);
        page.finish()
    }

    #[test]
    fn text_goes_on_at_its_hanging_indent() {
        let text = page(30, 2, 4, &[plain("one two three four five six seven eight")]);
        assert_eq!(text, "  one two three four five six\n    seven eight\n");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken_and_nothing_is_lost() {
        let long = "x".repeat(100);
        let text = page(30, 2, 4, &[plain("see "), plain(&*long)]);
        assert!(text.lines().all(|line| width(line) <= 30), "{text}");
        assert_eq!(text.matches('x').count(), 100);
    }

    #[test]
    fn a_long_address_is_broken_where_it_has_a_joint() {
        let text = page(24, 0, 2, &[plain("- https://one.example/two,https://three.example/four")]);
        assert_eq!(text, "- https://one.example/\n  two,https://\n  three.example/four\n");
    }

    #[test]
    fn a_command_stays_in_one_line_where_it_fits() {
        let text =
            page(40, 0, 2, &[plain("help: look at it with `bfd show dev.toml a.b`, or wait")]);
        assert_eq!(text, "help: look at it with\n  `bfd show dev.toml a.b`, or wait\n");
        let text = page(24, 0, 2, &[plain("do `bfd show environments/dev.toml parameter.ab` now")]);
        assert_eq!(text, "do `bfd show\n  environments/dev.toml\n  parameter.ab` now\n");
    }

    #[test]
    fn colours_end_where_a_line_ends() {
        let mut page = Page::new(&Style { width: 30, color: true, unicode: true });
        page.line(0, 2, &[styled(palette::ADDED, "one two three four five six seven")]);
        for line in page.finish().lines() {
            assert!(line.ends_with("\u{1b}[0m"), "{line:?}");
        }
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        let text = page(24, 0, 0, &[plain("日本語".repeat(6))]);
        assert!(text.lines().all(|line| width(line) <= 24), "{text}");
    }
}
