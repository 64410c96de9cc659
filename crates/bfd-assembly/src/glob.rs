//! Patterns of hierarchical ids, as the CDK's CLI reads them.
//!
//! The CLI uses the npm package `picomatch`. Of its language this knows what is listed at
//! [`Pattern::parse`]; the rest is refused, so that nothing is silently read in another way. So
//! is what other programs read in another way, such as `[!a]`, and what surprises, such as `**`
//! within braces. What is not refused was compared with `picomatch` 4 on thousands of patterns.

/// A pattern that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Whether what it matches is left out.
    pub(crate) is_negated: bool,
    /// Without braces, of which each choice is one.
    choices: Vec<Vec<Segment>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of segments, none included.
    Any,
    One(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// `*`
    Some,
    /// `?`
    One,
    Letter(char),
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// More choices than this are not made from braces.
const MOST_CHOICES: usize = 1000;

impl Pattern {
    /// Reads a pattern. In it
    ///
    /// - `*` is any text within a segment, `?` one letter, neither with `/`,
    /// - `**` is any number of segments, also none, but not none at the end after a `*`: `*/**`
    ///   is all that is in something,
    /// - `[a-z]` and `[^a-z]` are one of these letters, and one of the others,
    /// - `{one,other}` is one of these texts,
    /// - `\` makes the next letter an ordinary one,
    /// - `!` at the start leaves out what the rest matches.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (is_negated, rest) = match text.strip_prefix('!') {
            Some(rest) if rest.starts_with('!') => {
                return Err("`!` can be at the start once".to_owned());
            }
            Some(rest) if !rest.starts_with('(') => (true, rest),
            _ => (false, text),
        };
        if rest.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        let letters: Vec<char> = rest.chars().collect();
        let choices = braces(&letters)?;
        // Braces before the `/` are no `*`, whatever is in them.
        let is_after_star = rest.ends_with("*/**");
        let choices = choices.iter().map(|it| segments(it, is_after_star));
        let choices = choices.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { is_negated, choices })
    }

    /// Whether the text is one that the pattern describes; for a negated one, that it leaves out.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let segments: Vec<Vec<char>> = text.split('/').map(|it| it.chars().collect()).collect();
        self.choices.iter().any(|choice| matches_segments(choice, &segments))
    }
}

/// Each text that braces stand for. Escapes stay as they are.
fn braces(letters: &[char]) -> Result<Vec<Vec<char>>, String> {
    let mut done: Vec<Vec<char>> = Vec::new();
    let mut open: Vec<Vec<char>> = vec![letters.to_vec()];
    while let Some(text) = open.pop() {
        let Some((start, choices, end)) = first_braces(&text)? else {
            done.push(text);
            continue;
        };
        for choice in choices {
            open.push([&text[..start], &choice[..], &text[end..]].concat());
        }
        if open.len() + done.len() > MOST_CHOICES {
            return Err("the braces stand for too many texts".to_owned());
        }
    }
    Ok(done)
}

/// Where a text is, what it stands for, and where it ends.
type Braces = (usize, Vec<Vec<char>>, usize);

fn first_braces(text: &[char]) -> Result<Option<Braces>, String> {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut choices = vec![Vec::new()];
    let mut index = 0;
    while index < text.len() {
        let letter = text[index];
        let is_escape = letter == '\\' && index + 1 < text.len();
        match letter {
            '{' => {
                if depth == 0 {
                    start = index;
                }
                depth += 1;
            }
            '}' if depth == 1 => {
                if choices.iter().any(|choice| choice.windows(2).any(|it| it == ['*', '*'])) {
                    return Err("`**` in braces is not supported".to_owned());
                }
                if choices.len() == 1 {
                    return Err("braces need a comma between two texts".to_owned());
                }
                return Ok(Some((start, choices, index + 1)));
            }
            '}' if depth == 0 => return Err("`}` without `{`".to_owned()),
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && letter == ',' {
            choices.push(Vec::new());
        } else if depth > 0 && !(depth == 1 && letter == '{') {
            let end = index + usize::from(is_escape);
            if let Some(choice) = choices.last_mut() {
                choice.extend_from_slice(&text[index..=end]);
            }
        }
        index += 1 + usize::from(is_escape);
    }
    if depth > 0 { Err("`{` without `}`".to_owned()) } else { Ok(None) }
}

fn segments(letters: &[char], is_after_star: bool) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    for segment in split(letters) {
        if segment == ['*', '*'] {
            // Two are as good as one, and cheaper.
            if segments.last() != Some(&Segment::Any) {
                segments.push(Segment::Any);
            }
        } else {
            segments.push(Segment::One(pieces(segment)?));
        }
    }
    if let [.., Segment::One(pieces), Segment::Any] = segments.as_slice()
        && is_after_star
        && pieces.last() == Some(&Piece::Some)
    {
        segments.insert(segments.len() - 1, Segment::One(vec![Piece::Some]));
    }
    Ok(segments)
}

/// Segments between slashes; one in a class is no border, and is refused there.
fn split(letters: &[char]) -> Vec<&[char]> {
    letters.split(|letter| *letter == '/').collect()
}

fn pieces(letters: &[char]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut index = 0;
    while index < letters.len() {
        let next = letters.get(index + 1).copied();
        match letters[index] {
            '*' | '?' | '+' | '@' | '!' if next == Some('(') => {
                return Err(format!("`{}(` is not supported", letters[index]));
            }
            '(' | ')' => return Err("parentheses are not supported".to_owned()),
            '*' if next == Some('*') => return Err("`**` stands alone between slashes".to_owned()),
            '*' => pieces.push(Piece::Some),
            '?' => pieces.push(Piece::One),
            '[' => {
                let (class, end) = class(letters, index)?;
                pieces.push(class);
                index = end;
            }
            '\\' => {
                let letter = next.ok_or("`\\` at the end")?;
                pieces.push(Piece::Letter(letter));
                index += 1;
            }
            letter => pieces.push(Piece::Letter(letter)),
        }
        index += 1;
    }
    Ok(pieces)
}

/// Reads a class that begins at `start`, and says where it ends.
fn class(letters: &[char], start: usize) -> Result<(Piece, usize), String> {
    let mut index = start + 1;
    if letters.get(index) == Some(&'!') {
        return Err("`[!` is not supported: `[^` begins a class of other letters".to_owned());
    }
    let is_negated = letters.get(index) == Some(&'^');
    index += usize::from(is_negated);
    let mut ranges = Vec::new();
    loop {
        let letter = *letters.get(index).ok_or("`[` without `]`")?;
        match letter {
            ']' if ranges.is_empty() => return Err("`[]` is empty".to_owned()),
            ']' => return Ok((Piece::Class { is_negated, ranges }, index)),
            '[' | '\\' => return Err(format!("`{letter}` in a class is not supported")),
            _ => {}
        }
        match (letters.get(index + 1), letters.get(index + 2)) {
            (Some('-'), Some(last)) if *last != ']' => {
                if *last < letter {
                    return Err(format!("`{letter}-{last}` is empty"));
                }
                ranges.push((letter, *last));
                index += 3;
            }
            _ => {
                ranges.push((letter, letter));
                index += 1;
            }
        }
    }
}

/// As in [`matches_pieces`], with `**` in the part of `*`.
fn matches_segments(pattern: &[Segment], segments: &[Vec<char>]) -> bool {
    backtrack(
        pattern,
        segments,
        |segment| *segment == Segment::Any,
        |segment, text| match segment {
            // No construct has an id that begins with a dot, but `..` would be confusing.
            Segment::Any => !text.starts_with(&['.']),
            Segment::One(pieces) => matches_pieces(pieces, text),
        },
    )
}

fn matches_pieces(pattern: &[Piece], text: &[char]) -> bool {
    let begins_with_wildcard = !matches!(pattern.first(), None | Some(Piece::Letter(_)));
    if begins_with_wildcard && (text.is_empty() || text.starts_with(&['.'])) {
        return false;
    }
    backtrack(
        pattern,
        text,
        |piece| *piece == Piece::Some,
        |piece, letter| match piece {
            Piece::Some | Piece::One => true,
            Piece::Letter(expected) => expected == letter,
            Piece::Class { is_negated, ranges } => {
                let is_in = ranges.iter().any(|(first, last)| (first..=last).contains(&letter));
                is_in != *is_negated
            }
        },
    )
}

/// Whether a pattern matches all of a text. Only the last piece that stands for many is tried
/// again, so the time is at most the product of the lengths.
fn backtrack<P, T>(
    pattern: &[P],
    text: &[T],
    is_many: impl Fn(&P) -> bool,
    matches: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match pattern.get(at_pattern) {
            Some(piece) if is_many(piece) => {
                retry = Some((at_pattern, at_text));
                at_pattern += 1;
                continue;
            }
            Some(piece) if text.get(at_text).is_some_and(|it| matches(piece, it)) => {
                at_pattern += 1;
                at_text += 1;
                continue;
            }
            None if at_text == text.len() => return true,
            Some(_) | None => {}
        }
        let Some((many, taken)) = retry else { return false };
        if !text.get(taken).is_some_and(|it| matches(&pattern[many], it)) {
            return false;
        }
        retry = Some((many, taken + 1));
        at_pattern = many + 1;
        at_text = taken + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        assert!(matches("*", "Network"));
        assert!(!matches("*", "Preview/Notes"));
        assert!(matches("*/*", "Preview/Notes"));
        assert!(matches("**", "Network"));
        assert!(matches("**", "Preview/Notes"));
        assert!(matches("Preview/**", "Preview/Inner/Notes"));
        assert!(matches("**/Notes", "Notes"));
        assert!(matches("**/Notes", "Preview/Inner/Notes"));
        assert!(!matches("**/Notes", "Preview/Note"));
        assert!(matches("Preview/**", "Preview"));
        assert!(!matches("*/**", "Preview"));
        assert!(matches("*/**", "Preview/Inner/Notes"));
        assert!(matches("**/**", "Preview"));
        assert!(matches("a*c*e", "abcde"));
        assert!(!matches("a*c*e", "abcd"));
    }

    #[test]
    fn letters_classes_and_choices() {
        assert!(matches("Sett?ngs", "Settings"));
        assert!(matches("[A-C]x", "Bx"));
        assert!(!matches("[^A-C]x", "Bx"));
        assert!(matches("[^A-C]x", "Zx"));
        assert!(matches("{Data,Net*}", "Network"));
        assert!(matches("a{b,{c,d}e}f", "adef"));
        assert!(!matches("a{b,{c,d}e}f", "adf"));
        assert!(matches("{a*,b}/**", "aa"));
        assert!(matches("a\\*", "a*"));
        assert!(!matches("a\\*", "ab"));
        assert!(matches("a{\\,,b}", "a,"));
        assert!(Pattern::parse("!Data").unwrap().is_negated);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let wrong = |text: &str| Pattern::parse(text).unwrap_err();

        assert_eq!(wrong(""), "the pattern is empty");
        assert_eq!(wrong("!"), "the pattern is empty");
        assert_eq!(wrong("!!a"), "`!` can be at the start once");
        assert_eq!(wrong("a**"), "`**` stands alone between slashes");
        assert_eq!(wrong("***"), "`**` stands alone between slashes");
        assert_eq!(wrong("[!a]"), "`[!` is not supported: `[^` begins a class of other letters");
        assert_eq!(wrong("@(a|b)"), "`@(` is not supported");
        assert_eq!(wrong("!(a)"), "`!(` is not supported");
        assert_eq!(wrong("(a|b)"), "parentheses are not supported");
        assert_eq!(wrong("{**,a}"), "`**` in braces is not supported");
        assert_eq!(wrong("{a"), "`{` without `}`");
        assert_eq!(wrong("a}"), "`}` without `{`");
        assert_eq!(wrong("{1..3}"), "braces need a comma between two texts");
        assert_eq!(wrong("[a"), "`[` without `]`");
        assert_eq!(wrong("[]"), "`[]` is empty");
        assert_eq!(wrong("[[:alpha:]]"), "`[` in a class is not supported");
        assert_eq!(wrong("a\\"), "`\\` at the end");
        assert_eq!(wrong(&"{a,b}".repeat(20)), "the braces stand for too many texts");
    }

    proptest! {
        #[test]
        fn any_pattern_has_an_answer(pattern in "[ab*?/!^{},\\\\\\[\\]-]{0,12}", text in "[ab/]{0,8}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.matches(&text);
            }
        }

        #[test]
        fn a_name_matches_itself(text in "[A-Za-z0-9-]{1,8}(/[A-Za-z0-9-]{1,8}){0,2}") {
            prop_assert!(matches(&text, &text));
            prop_assert!(matches("**", &text));
            prop_assert_eq!(matches("*", &text), !text.contains('/'));
        }
    }
}
