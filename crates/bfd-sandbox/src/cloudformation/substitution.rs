//! The `${…}` variables of `Fn::Sub`.

use super::errors::template_error;
use crate::error::QueryError;

/// A piece of a string given to `Fn::Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'text> {
    Text(&'text str),
    /// `${Name}` or `${Resource.Attribute}`.
    Variable(&'text str),
    /// `${!Literal}`, which stands for `${Literal}`.
    Literal(&'text str),
}

/// Splits a string; a `$` or a `${` without an end is text.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, QueryError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        let name = &rest[start + 2..start + length];
        if let Some(literal) = name.strip_prefix('!') {
            pieces.push(Piece::Literal(literal));
        } else {
            let name = name.trim();
            let valid = !name.is_empty()
                && name.chars().all(|each| each.is_ascii_alphanumeric() || "_.:".contains(each));
            if !valid {
                return Err(template_error(
                    "variable names in Fn::Sub syntax must contain only alphanumeric characters, \
                     underscores, periods, and colons",
                ));
            }
            pieces.push(Piece::Variable(name));
        }
        rest = &rest[start + length + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_literals_and_text() {
        assert_eq!(
            pieces("a-${B}-${!C}${D.E}$").unwrap(),
            [
                Piece::Text("a-"),
                Piece::Variable("B"),
                Piece::Text("-"),
                Piece::Literal("C"),
                Piece::Variable("D.E"),
                Piece::Text("$"),
            ]
        );
        assert_eq!(pieces("${open").unwrap(), [Piece::Text("${open")]);
        assert!(pieces("${a-b}").unwrap_err().message.contains("only alphanumeric"));
        assert!(pieces("${}").is_err());
    }
}
