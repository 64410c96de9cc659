//! What of a context a build does not see.
//!
//! The rules are those of Docker's own matcher, odd corners included, because the builder
//! decides by them what it takes: <https://pkg.go.dev/github.com/moby/patternmatcher>.

use crate::ImageError;
use regex_lite::Regex;
use std::{
    ffi::OsString,
    iter::Peekable,
    path::{Path, PathBuf},
    str::Chars,
};

/// The patterns of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a directory. What is in it inherits them.
#[derive(Clone, Debug, Default)]
pub struct Matched(Vec<bool>);

#[derive(Clone, Debug)]
struct Pattern {
    /// Written with `!`: what it matches is seen again.
    includes: bool,
    text: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Exact,
    /// The text before a last `**`.
    Prefix(String),
    /// The text after a first `**`.
    Suffix(String),
    Expression(Regex),
}

/// The file that says what of `context` is not seen: `Dockerfile.dockerignore` beside a
/// Dockerfile called `Dockerfile`, else `.dockerignore` in the context.
pub fn file_for(context: &Path, dockerfile: &Path) -> Option<PathBuf> {
    let mut beside = OsString::from(dockerfile);
    beside.push(".dockerignore");
    [PathBuf::from(beside), context.join(".dockerignore")].into_iter().find(|path| path.is_file())
}

impl Ignore {
    /// Reads a file of patterns.
    pub fn read(path: &Path) -> Result<Self, ImageError> {
        let bytes = std::fs::read(path).map_err(ImageError::reading(path))?;
        Self::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|(line, what)| ImageError::broken(path, format!("line {line}: {what}")))
    }

    /// Reads patterns, one a line. An error is the number of a line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut patterns = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            // A `#` after spaces is no comment.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let pattern = Pattern::parse(line.trim()).map_err(|what| (number + 1, what))?;
            patterns.push(pattern);
        }
        Ok(Self { patterns })
    }

    /// Whether a path is ignored, and what its content has to know. `path` is relative to the
    /// context, with `/` between its parts; `parent` is what came back for its directory.
    ///
    /// The last pattern that matches decides. A pattern that matches a directory matches
    /// everything in it.
    pub fn matches(&self, path: &str, parent: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.0.get(index).copied().unwrap_or(false);
            // A pattern that would change nothing is not asked, and so not inherited either.
            let hit = inherited || (pattern.includes == ignored && pattern.matches(path));
            if hit {
                ignored = !pattern.includes;
            }
            matched.push(hit);
        }
        (ignored, Matched(matched))
    }

    /// Whether something in an ignored directory may be seen. It may say so too often, never
    /// too rarely.
    pub fn may_include_under(&self, directory: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.includes && pattern.reaches(directory))
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, String> {
        let (includes, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if text.is_empty() {
            return Err("`!` without a pattern".to_owned());
        }
        let text = clean(text);
        // A leading slash is the context's.
        let text = match text.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest.to_owned(),
            _ => text,
        };
        let wrong = || format!("`{line}` is no pattern");
        let matcher = Matcher::new(&text).ok_or_else(wrong)?;
        Ok(Self { includes, text, matcher })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix),
            Matcher::Suffix(suffix) => {
                // `**/x` matches `x` as well.
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            Matcher::Expression(expression) => expression.is_match(path),
        }
    }

    /// Whether what it matches may be in the directory: as far as its text is plain, one is
    /// the beginning of the other.
    fn reaches(&self, directory: &str) -> bool {
        let is_plain = |part: &&str| !part.contains(['*', '?', '[', '\\']);
        let plain = self.text.split('/').take_while(is_plain);
        plain.zip(directory.split('/')).all(|(part, of)| part == of)
    }
}

/// The shortest way to write a path: no `.`, no empty parts, `..` resolved where it can be.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

/// A piece of a pattern.
enum Token {
    /// Itself.
    Plain(char),
    /// An expression of one character that may be several: `?`, `[a-c]`, `\\*`.
    One(String),
    /// `*`: anything in one part of a path.
    Star,
    /// `**` or `**/`: any number of parts.
    Deep,
}

/// Takes a pattern apart. `None` where brackets are not closed or empty, or where an escape
/// escapes nothing.
fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                Token::Deep
            }
            '*' => Token::Star,
            '?' => Token::One("[^/]".to_owned()),
            '\\' => Token::One(format!("\\{}", rest.next()?)),
            '[' => Token::One(class(&mut rest)?),
            ']' => Token::One("\\]".to_owned()),
            c => Token::Plain(c),
        });
    }
    Some(tokens)
}

/// Reads what follows a `[`, up to its `]`.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut class = "[".to_owned();
    class.extend(rest.next_if_eq(&'^'));
    loop {
        class.push_str(&class_member(rest)?);
        if rest.next_if_eq(&'-').is_some() {
            class.push('-');
            class.push_str(&class_member(rest)?);
        }
        if rest.next_if_eq(&']').is_some() {
            class.push(']');
            return Some(class);
        }
    }
}

fn class_member(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => Some(format!("\\{}", rest.next()?)),
        c => Some(plain(c)),
    }
}

/// A character as an expression has it.
fn plain(c: char) -> String {
    // Docker leaves `^` as it is, so that a pattern with it and with a star matches nothing.
    if c.is_ascii_punctuation() && !matches!(c, '^' | '/' | '<' | '>') {
        format!("\\{c}")
    } else {
        c.to_string()
    }
}

impl Matcher {
    /// Some patterns Docker compares as text, and that is not always what the expression would
    /// match: `**x` matches `yx`, `**x*` does not.
    fn new(pattern: &str) -> Option<Self> {
        let tokens = tokens(pattern)?;
        let is_plain = |token: &Token| matches!(token, Token::Plain(_));
        match tokens.as_slice() {
            all if all.iter().all(is_plain) => return Some(Self::Exact),
            [Token::Deep, rest @ ..] if rest.iter().all(is_plain) => {
                return Some(Self::Suffix(pattern["**".len()..].to_owned()));
            }
            [start @ .., Token::Deep] if start.iter().all(is_plain) => {
                return Some(Self::Prefix(pattern[..pattern.len() - "**".len()].to_owned()));
            }
            _ => {}
        }
        let mut expression = "^".to_owned();
        for (number, token) in tokens.iter().enumerate() {
            match token {
                Token::Plain(c) => expression.push_str(&plain(*c)),
                Token::One(one) => expression.push_str(one),
                Token::Star => expression.push_str("[^/]*"),
                Token::Deep if number + 1 == tokens.len() => expression.push_str(".*"),
                Token::Deep => expression.push_str("(.*/)?"),
            }
        }
        Regex::new(&(expression + "$")).ok().map(Self::Expression)
    }
}

#[cfg(test)]
mod tests;
