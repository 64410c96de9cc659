//! Images that somebody else pushes: looked up by `source`, never written.

use super::{
    made::both_ways,
    place::{is_digest, place, registry},
};
use crate::spec::Lower;
use bfd_core::{Address, Expr, Inputs};

/// `source` as it was written.
pub(super) fn as_written(source: &Expr) -> Expr {
    let Expr::Template(parts) = source else { return source.clone() };
    let text = parts.iter().map(|part| match part {
        Expr::Reference(reference) => Some(reference.to_string()),
        part => part.as_str().map(str::to_owned),
    });
    text.collect::<Option<String>>().map_or_else(|| source.clone(), Expr::from)
}

/// An image of a registry, used where it is.
pub(super) fn lower(lower: &mut Lower<'_>, source: Expr) -> Inputs {
    let mut inputs = Inputs::new();
    // The loader of commands replaces it with what was applied there.
    if matches!(source, Expr::Map(_)) {
        inputs.insert("promoted".to_owned(), source);
        inputs.insert("fallback_active".to_owned(), Expr::Literal(false.into()));
        return inputs;
    }
    let others = lower.others;
    let name_of = |address: &Address| {
        others(address, "name").and_then(|name| name.as_str().map(str::to_owned))
    };
    match place(&source, lower.environment, &name_of) {
        Ok(Some(place)) => {
            inputs.insert("source".to_owned(), as_written(&source));
            let joint = if is_digest(&place.reference) { '@' } else { ':' };
            let awaited = format!(
                "{}/{}{joint}{}",
                registry(lower.environment),
                place.repository,
                place.reference
            );
            if lower.fields.contains_key("first_deploy") {
                inputs.insert("awaited".to_owned(), awaited.into());
            }
            inputs.insert("repository".to_owned(), place.repository.into());
            inputs.insert("reference".to_owned(), place.reference.into());
            lower.depends_on.extend(place.declared);
            lower.keep(&mut inputs, &["fallback", "first_deploy"]);
            if inputs.contains_key("fallback") && inputs.contains_key("first_deploy") {
                both_ways(lower);
            }
        }
        Ok(None) => {
            if let Some(text) = source.as_str() {
                check_public(lower, text);
                if let Some((_, digest)) = text.split_once('@') {
                    inputs.insert("digest".to_owned(), digest.into());
                }
            }
            for field in ["fallback", "first_deploy"] {
                if !lower.fields.contains_key(field) {
                    continue;
                }
                lower.error(
                    field,
                    "image::fallback_of_foreign",
                    "a fallback stands in for an image of this environment's registry",
                    "the image is used where it is, so nothing tells whether it is there",
                    "remove it",
                );
            }
            inputs.insert("source".to_owned(), source.clone());
            inputs.insert("uri".to_owned(), source);
            inputs.insert("fallback_active".to_owned(), Expr::Literal(false.into()));
        }
        Err(wrong) => lower.error(
            "source",
            "image::invalid_reference",
            "not a reference to an image",
            wrong,
            "write `\"${repository.NAME.uri}:TAG\"`, or `@sha256:…` instead of the tag",
        ),
    }
    inputs
}

/// A reference to an image of any registry has its shape.
pub(super) fn check_public(lower: &mut Lower<'_>, text: &str) {
    let wrong = if text.is_empty() || text.chars().any(char::is_whitespace) {
        Some("is empty or has spaces in it")
    } else {
        match text.split_once('@') {
            Some((_, digest)) if !is_digest(digest) => {
                Some("a digest is `sha256:` and 64 hexadecimal digits")
            }
            _ => None,
        }
    };
    if let Some(wrong) = wrong {
        lower.error(
            "source",
            "image::invalid_reference",
            "not a reference to an image",
            wrong,
            "write it as `docker pull` takes it, such as `docker.io/typesense/typesense:27.1`",
        );
    }
}
