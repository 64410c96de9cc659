//! The two sides of a change, on one line.

use super::fields::{Leaf, Nature, Side};
use crate::views::{
    layout::{Piece, faint, styled},
    palette,
    value::{SECRET, compact, image, quoted, secret_source, short_digests, visible},
};
use bfd_core::{Environment, Value};

/// `before → after`, or the one side there is.
pub(crate) fn sides(leaf: &Leaf, environment: &Environment, becomes: &str) -> Vec<Piece> {
    let one = |side: &Side, style| {
        let text = side_text(side, leaf.nature, environment);
        if matches!(side, Side::Value(_)) { styled(style, text) } else { faint(text) }
    };
    match (&leaf.before, &leaf.after) {
        (Side::Secret, Side::Secret) => vec![styled(palette::CHANGED, "(secret changes)")],
        (Side::Absent, after) => vec![one(after, palette::ADDED)],
        (before, Side::Absent) => vec![one(before, palette::REMOVED)],
        (Side::Value(Value::String(old)), Side::Value(Value::String(new))) => {
            let (old, new) = pair(old, new, leaf.nature, environment);
            let new = without_repository(&old, &new, leaf.nature);
            vec![styled(palette::REMOVED, old), faint(becomes), styled(palette::ADDED, new)]
        }
        (before, after) => {
            vec![one(before, palette::REMOVED), faint(becomes), one(after, palette::ADDED)]
        }
    }
}

/// Two texts, as short as they can be and still differ.
pub(crate) fn pair(
    old: &str,
    new: &str,
    nature: Nature,
    environment: &Environment,
) -> (String, String) {
    let short = |text: &str| match nature {
        Nature::Plain => quoted(&short_digests(text)),
        Nature::SecretSource => secret_source(text, environment),
        Nature::Image => image(text, environment),
    };
    let (before, after) = (short(old), short(new));
    if before == after { (quoted(old), quoted(new)) } else { (before, after) }
}

/// The digest alone, where an image stays in its repository.
fn without_repository(old: &str, new: &str, nature: Nature) -> String {
    match (nature, old.split_once('@'), new.split_once('@')) {
        (Nature::Image, Some((before, _)), Some((after, digest))) if before == after => {
            digest.to_owned()
        }
        _ => new.to_owned(),
    }
}

pub(crate) fn side_text(side: &Side, nature: Nature, environment: &Environment) -> String {
    match (side, nature) {
        (Side::Value(Value::String(text)), Nature::Image) => image(text, environment),
        (Side::Value(Value::String(text)), Nature::SecretSource) => {
            format!("from {}", secret_source(text, environment))
        }
        (Side::Value(value), _) => compact(value),
        (Side::Absent, _) => "(not set)".to_owned(),
        (Side::Secret, _) => SECRET.to_owned(),
        (Side::Unknown, _) => "(known after apply)".to_owned(),
        (Side::ChangedOutside(how), _) => format!("(changed outside bfd: {})", visible(how)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shortened_away_is_shown_where_it_is_the_difference() {
        let environment = Environment {
            name: "dev".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        };
        let registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let (old, new) = (format!("{registry}/web:1"), "web:1".to_owned());
        let (before, after) = pair(&old, &new, Nature::Image, &environment);
        assert_ne!(before, after);
    }
}
