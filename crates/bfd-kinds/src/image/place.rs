//! Where an image lives.

use bfd_core::{Address, Environment, Expr, Reference};

/// Where an image lives, when it is the registry of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The repository's name in ECR.
    pub repository: String,
    /// A tag or a digest.
    pub reference: String,
    /// The declared repository, if it was named by a reference.
    pub declared: Option<Address>,
}

/// The host of an environment's registry.
pub fn registry(environment: &Environment) -> String {
    let suffix =
        if environment.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{}.dkr.ecr.{}.{suffix}", environment.account, environment.region)
}

/// Says where `source` lives, when it is the registry of the environment.
///
/// `name_of` gives the ECR name of a declared repository. The error is what is
/// wrong with the text after the repository.
pub fn place(
    source: &Expr,
    environment: &Environment,
    name_of: &dyn Fn(&Address) -> Option<String>,
) -> Result<Option<Place>, &'static str> {
    const WANTED: &str = "needs a tag or a digest after the repository";
    let (repository, rest, declared) = match source {
        Expr::Reference(reference) => match of_repository(reference, name_of) {
            Some(_) => return Err(WANTED),
            None => return Ok(None),
        },
        Expr::Template(parts) => {
            let [Expr::Reference(reference), rest @ ..] = parts.as_slice() else { return Ok(None) };
            let Some(name) = of_repository(reference, name_of) else { return Ok(None) };
            let text: Option<Vec<&str>> = rest.iter().map(Expr::as_str).collect();
            let Some(text) = text else { return Err("must be known when planning") };
            (name, text.concat(), Some(reference.of.clone()))
        }
        _ => {
            let Some(text) = source.as_str() else { return Ok(None) };
            let Some(path) = text.strip_prefix(&format!("{}/", registry(environment))) else {
                return Ok(None);
            };
            let end = path.find([':', '@']).unwrap_or(path.len());
            (path[..end].to_owned(), path[end..].to_owned(), None)
        }
    };
    let reference = match rest.split_once('@') {
        Some((_, digest)) if is_digest(digest) => digest,
        Some(_) => return Err("a digest is `sha256:` and 64 hexadecimal digits"),
        None => match rest.strip_prefix(':') {
            Some(tag) if is_tag(tag) => tag,
            Some(_) => {
                return Err(
                    "a tag has 1 to 128 letters, digits and `_.-`, and begins with none of `.-`",
                );
            }
            None => return Err(WANTED),
        },
    };
    Ok(Some(Place { repository, reference: reference.to_owned(), declared }))
}

fn of_repository(
    reference: &Reference,
    name_of: &dyn Fn(&Address) -> Option<String>,
) -> Option<String> {
    let repository = reference.of.kind().as_str() == "repository";
    (repository && reference.output == "uri").then(|| name_of(&reference.of)).flatten()
}

pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit()))
}

pub(crate) fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
}

/// The declared image that a container runs.
pub fn declared(image: &Expr) -> Option<&Address> {
    let reference = match image {
        Expr::Reference(reference) => reference,
        Expr::Template(parts) => match parts.as_slice() {
            [Expr::Reference(reference)] => reference,
            _ => return None,
        },
        _ => return None,
    };
    let of_image = reference.of.kind().as_str() == "image" && reference.output == "uri";
    of_image.then_some(&reference.of)
}
