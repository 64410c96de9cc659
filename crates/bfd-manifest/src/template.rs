//! The grammar of text with placeholders: `${path}`, and `$${` for a literal `${`.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// With escapes undone.
    Text(String),
    /// What stands between `${` and `}`, and the bytes of all of it.
    Placeholder { path: &'t str, range: Range<usize> },
}

/// A `${` without its `}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated {
    pub(crate) at: usize,
}

/// Whether there is anything to replace.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("${")
}

pub(crate) fn scan(text: &str) -> Result<Vec<Part<'_>>, Unterminated> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let open = at + found;
        // Only a `$` that is not part of what was read before escapes.
        if open > at && text[..open].ends_with('$') {
            literal.push_str(&text[at..open - 1]);
            literal.push_str("${");
            at = open + 2;
            continue;
        }
        let Some(length) = text[open..].find('}') else { return Err(Unterminated { at: open }) };
        literal.push_str(&text[at..open]);
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        let close = open + length;
        parts.push(Part::Placeholder { path: &text[open + 2..close], range: open..close + 1 });
        at = close + 1;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// Writes what [`scan`] read.
#[cfg(test)]
fn render(parts: &[Part<'_>]) -> String {
    let write = |part: &Part<'_>| match part {
        Part::Text(text) => text.replace("${", "$${"),
        Part::Placeholder { path, .. } => format!("${{{path}}}"),
    };
    parts.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_placeholders_alternate() {
        let parts = scan("a-${environment.name}$${b}${c}").unwrap();
        assert_eq!(
            parts,
            [
                Part::Text("a-".into()),
                Part::Placeholder { path: "environment.name", range: 2..21 },
                Part::Text("${b}".into()),
                Part::Placeholder { path: "c", range: 26..30 },
            ]
        );
    }

    #[test]
    fn an_open_placeholder_is_reported_at_its_byte() {
        assert_eq!(scan("ü${a} ${b"), Err(Unterminated { at: 7 }));
        assert_eq!(scan("$${a"), Ok(vec![Part::Text("${a".into())]));
        assert_eq!(scan("${a}${"), Err(Unterminated { at: 4 }));
    }

    proptest! {
        #[test]
        fn text_without_placeholders_is_itself(text in "[^{]*") {
            let parts = scan(&text).unwrap();
            let expected = if text.is_empty() { vec![] } else { vec![Part::Text(text.clone())] };
            prop_assert_eq!(parts, expected);
        }

        #[test]
        fn what_was_scanned_renders_as_it_was_written(text in "([$]|[$][{]|[{}]|[a-c.]|ü){0,12}") {
            match scan(&text) {
                Ok(parts) => prop_assert_eq!(render(&parts), text),
                Err(Unterminated { at }) => {
                    let rest = &text[at..];
                    let open = rest.starts_with("${") && !rest.contains('}');
                    prop_assert!(open, "{rest}");
                }
            }
        }
    }
}
