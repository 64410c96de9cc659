//! What of a context a build does not see.
//!
//! The rules are those of Docker's own matcher, odd corners included, because the builder
//! decides by them what it takes: <https://pkg.go.dev/github.com/moby/patternmatcher>.

use crate::ImageError;
use regex_lite::Regex;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
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
        check_syntax(&text).ok_or_else(wrong)?;
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

/// Whether brackets are closed and not empty, and escapes escape something.
fn check_syntax(pattern: &str) -> Option<()> {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                rest.next()?;
            }
            '[' => {
                rest.next_if_eq(&'^');
                let mut is_empty = true;
                while is_empty || rest.next_if_eq(&']').is_none() {
                    is_empty = false;
                    class_member(&mut rest)?;
                    if rest.next_if_eq(&'-').is_some() {
                        class_member(&mut rest)?;
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn class_member(rest: &mut impl Iterator<Item = char>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}

impl Matcher {
    /// Docker's matcher makes an expression of a pattern, but for some that it compares as text.
    /// It decides which by the last special character, and the two do not always agree: `**x`
    /// matches `yx`, `**x*` does not.
    fn new(pattern: &str) -> Option<Self> {
        let mut expression = "^".to_owned();
        let mut how = How::Exact;
        let mut is_class = false;
        let mut is_first = true;
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            let at_start = std::mem::take(&mut is_first);
            match c {
                '*' if rest.next_if_eq(&'*').is_some() => {
                    rest.next_if_eq(&'/');
                    if rest.peek().is_none() && how == How::Exact {
                        how = How::Prefix;
                    } else {
                        expression += if rest.peek().is_none() { ".*" } else { "(.*/)?" };
                        how = How::Expression;
                    }
                    if at_start {
                        how = How::Suffix;
                    }
                }
                '*' | '?' => {
                    expression += if c == '*' { "[^/]*" } else { "[^/]" };
                    how = How::Expression;
                }
                '\\' => {
                    expression.extend(['\\', rest.next()?]);
                    how = How::Expression;
                }
                '[' | ']' if c == ']' || !is_class => {
                    is_class = c == '[';
                    expression.push(c);
                    how = How::Expression;
                }
                // Special to an expression, and plain in a pattern.
                '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' | '[' | '&' | '~' => {
                    expression.extend(['\\', c]);
                }
                c => expression.push(c),
            }
        }
        Some(match how {
            How::Exact => Self::Exact,
            How::Prefix => Self::Prefix(pattern.strip_suffix("**")?.to_owned()),
            How::Suffix => Self::Suffix(pattern.strip_prefix("**")?.to_owned()),
            How::Expression => Self::Expression(Regex::new(&(expression + "$")).ok()?),
        })
    }
}

#[derive(PartialEq, Eq)]
enum How {
    Exact,
    Prefix,
    Suffix,
    Expression,
}

#[cfg(test)]
mod tests;
