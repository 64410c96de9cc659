//! Other people's text in Markdown: shown as it is, never obeyed.

use crate::views::value::visible;
use std::fmt::Write as _;

/// Keeps a text at no more than `most` characters, and says how many it left out.
pub(crate) fn limited(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most).collect();
    format!("{kept}… ({} more characters)", length - most)
}

/// Escapes what Markdown, HTML or GitHub (mentions, issue numbers, links) would act on.
pub(crate) fn prose(text: &str) -> String {
    const ZERO_WIDTH_SPACE: &str = "&#8203;";
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for character in visible(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' | '#' => {
                // In the middle of a word GitHub looks for neither.
                let _ = write!(out, "\\{character}");
                if !before.is_alphanumeric() {
                    out.push_str(ZERO_WIDTH_SPACE);
                }
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | ':' | '!' | '$' => {
                let _ = write!(out, "\\{character}");
            }
            '.' if before == 'w' => out.push_str("\\."),
            c => out.push(c),
        }
        before = character;
    }
    out
}

/// A code span that holds whatever backticks the text has, and stands in a table.
pub(crate) fn code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    if text.is_empty() {
        return "` `".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    // A backtick or a space at the edge needs a space beside it, which Markdown removes again.
    let padded = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let space = if padded { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// A message of bfd: literals in backticks stay literals, the rest is prose.
pub(crate) fn message(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let literals = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|p| !p.is_empty());
    if !literals {
        return prose(text);
    }
    parts
        .iter()
        .enumerate()
        .map(|(number, part)| if number % 2 == 1 { code(part) } else { prose(part) })
        .collect()
}

/// A fenced block that no line in it can close.
pub(crate) fn fence(language: &str, body: &str) -> String {
    let ticks = "`".repeat((longest_run(body, '`') + 1).max(3));
    format!("{ticks}{language}\n{body}{ticks}\n")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_would_act_on_is_disarmed() {
        let text = prose("@team <b>x</b> a|b #12 https://evil.example www.evil.example");
        for armed in ["@team", "<b>", "a|b", "#12", "https://", "www.e"] {
            assert!(!text.contains(armed), "{armed} in {text}");
        }
    }

    #[test]
    fn digests_stay_readable() {
        assert_eq!(prose("web@sha256"), "web\\@sha256");
    }

    #[test]
    fn code_spans_hold_backticks_and_pipes() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert_eq!(code("a|b"), "`a\\|b`");
    }

    #[test]
    fn literals_of_a_message_become_code() {
        assert_eq!(message("no `a_b` in *x*"), "no `a_b` in \\*x\\*");
        assert_eq!(message("an odd ` one"), "an odd \\` one");
    }

    #[test]
    fn a_fence_is_longer_than_any_in_it() {
        assert_eq!(fence("diff", "```\n"), "````diff\n```\n````\n");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(limited("abcdef", 4), "abcd… (2 more characters)");
    }
}
