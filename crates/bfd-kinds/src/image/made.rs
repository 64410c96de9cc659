//! Images that bfd makes, or copies, and pushes to a repository.

use super::{
    lookup::{as_written, check_public},
    place::{is_digest, place, registry},
};
use crate::{spec::Lower, stack::as_table};
use bfd_core::{Address, Expr, Inputs};
use std::collections::BTreeMap;

/// What an image is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Context,
    Archive,
    Files,
    /// An image of another place, its digest unchanged.
    Copy,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Archive => "archive",
            Self::Files => "files",
            Self::Copy => "copy",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Context, Self::Archive, Self::Files, Self::Copy]
            .into_iter()
            .find(|origin| origin.as_str() == text)
    }

    /// The field that says so.
    fn field(self) -> &'static str {
        match self {
            Self::Copy => "source",
            other => other.as_str(),
        }
    }

    /// The fields that mean something for this origin alone.
    fn own(self) -> &'static [&'static str] {
        match self {
            Self::Context => {
                &["dockerfile", "target", "args", "secrets", "cache_from", "cache_to", "builder"]
            }
            Self::Archive => &["archive_image"],
            Self::Files => &["base", "config"],
            Self::Copy => &[],
        }
    }

    fn takes_platform(self) -> bool {
        matches!(self, Self::Context | Self::Files)
    }
}

const ORIGINS: [Origin; 4] = [Origin::Context, Origin::Archive, Origin::Files, Origin::Copy];

/// Which of the origins is written; exactly one has to be.
pub(super) fn origin(lower: &mut Lower<'_>) -> Option<Origin> {
    let written: Vec<Origin> =
        ORIGINS.into_iter().filter(|it| lower.fields.contains_key(it.field())).collect();
    let origin = match written.as_slice() {
        [origin] => *origin,
        [] => {
            let problem = bfd_core::Problem::error("image::no_origin", "an image of nothing")
                .at(lower.span.clone(), "needs one of `source`, `context`, `archive` and `files`")
                .help("write where it is, `source = \"…\"`, or what it is made from");
            lower.problems.push(problem);
            return None;
        }
        [first, second, ..] => {
            lower.error(
                second.field(),
                "image::two_origins",
                "an image is made from one thing",
                format!("there is `{}` already", first.field()),
                "remove one of them",
            );
            return None;
        }
    };
    for other in ORIGINS.into_iter().filter(|it| *it != origin) {
        for field in other.own() {
            if lower.fields.contains_key(*field) {
                lower.error(
                    field,
                    "image::pointless_field",
                    "a field without effect",
                    format!("belongs to an image of `{}`", other.field()),
                    "remove it",
                );
            }
        }
    }
    if !origin.takes_platform() && lower.fields.contains_key("platform") {
        lower.error(
            "platform",
            "image::pointless_field",
            "a field without effect",
            format!("an image of `{}` is for what it is for", origin.field()),
            "remove it",
        );
    }
    Some(origin)
}

pub(super) fn lower(lower: &mut Lower<'_>, origin: Origin) -> Inputs {
    let mut inputs = Inputs::new();
    inputs.insert("origin".to_owned(), origin.as_str().into());
    inputs.insert("fallback_active".to_owned(), Expr::Literal(false.into()));
    target(lower, origin, &mut inputs);
    lower.keep(&mut inputs, &["tag", "fallback", "first_deploy"]);
    existing(lower, &mut inputs);
    if inputs.contains_key("fallback") && inputs.contains_key("first_deploy") {
        both_ways(lower);
    }
    if inputs.contains_key("first_deploy") {
        let text = |name: &str| inputs.get(name).and_then(Expr::as_str).map(str::to_owned);
        let place = text("repository_uri")
            .or_else(|| Some(format!("{}/{}", registry(lower.environment), text("repository")?)));
        let tag = text("tag").unwrap_or_else(|| "awaited".to_owned());
        let awaited = place.map(|place| format!("{place}:{tag}").into());
        inputs.extend(awaited.map(|awaited| ("awaited".to_owned(), awaited)));
    }
    if origin.takes_platform() {
        let platforms = match lower.take("platform") {
            None => vec!["linux/amd64".into()],
            Some(Expr::List(all)) if all.is_empty() => {
                lower.error(
                    "platform",
                    "image::no_platform",
                    "an image for nothing",
                    "is empty",
                    "write `\"linux/amd64\"`, or `\"linux/arm64\"`, or both",
                );
                Vec::new()
            }
            Some(Expr::List(all)) => all,
            Some(one) => vec![one],
        };
        if origin == Origin::Files && platforms.len() > 1 {
            lower.error(
                "platform",
                "image::one_platform",
                "files are laid for one platform",
                format!("{} platforms", platforms.len()),
                "declare an image for each",
            );
        }
        inputs.insert("platforms".to_owned(), Expr::List(platforms));
    }
    let mut make: BTreeMap<String, Expr> = BTreeMap::new();
    match origin {
        Origin::Copy => copy(lower, &mut inputs),
        _ => lower.keep(&mut make, &[origin.field()]),
    }
    lower.keep(&mut make, origin.own());
    if origin == Origin::Files {
        files(lower, &mut make);
    }
    for (field, value) in &make {
        if !value.is_known() && field != "base" {
            let label = "waits for another resource";
            let help = "what an image is made of is hashed when planning; hand it to the container instead";
            let problem =
                bfd_core::Problem::error("manifest::not_known", "must be known when planning");
            lower.problems.push(problem.at(lower.place(field), label).help(help));
        }
    }
    if !make.is_empty() {
        inputs.insert("make".to_owned(), Expr::Map(make));
    }
    inputs
}

/// What a tag that is there means, and who pushes.
fn existing(lower: &mut Lower<'_>, inputs: &mut Inputs) {
    if lower.take("existing_tag").and_then(|it| it.as_str().map(|it| it == "use")) == Some(true) {
        if inputs.contains_key("tag") {
            inputs.insert("existing_tag".to_owned(), "use".into());
        } else {
            lower.error(
                "existing_tag",
                "image::no_tag",
                "a tag that is used as it is needs a name",
                "there is no `tag`",
                "add `tag`, made of the content, or remove this",
            );
        }
    }
    if let Some(role) = lower.take("push_role") {
        inputs.insert("push_role".to_owned(), as_table(role));
    }
}

/// Where it is pushed to.
fn target(lower: &mut Lower<'_>, origin: Origin, inputs: &mut Inputs) {
    let (declared, elsewhere) = (lower.take("repository"), lower.take("repository_uri"));
    match (declared, elsewhere) {
        (Some(_), Some(_)) => lower.error(
            "repository_uri",
            "image::two_repositories",
            "an image is pushed to one repository",
            "there is `repository` already",
            "remove one of them",
        ),
        (None, Some(uri)) => {
            // A repository of the environment's own registry is one of ECR, declared or not.
            let own = format!("{}/", registry(lower.environment));
            match uri.as_str().and_then(|uri| uri.strip_prefix(&own)) {
                Some(name) => inputs.insert("repository".to_owned(), name.into()),
                None => inputs.insert("repository_uri".to_owned(), uri),
            };
        }
        (Some(link), None) => {
            let address = link.as_str().and_then(|name| Address::new("repository", name).ok());
            let name = address.and_then(|address| (lower.others)(&address, "name"));
            inputs.extend(name.map(|name| ("repository".to_owned(), name)));
        }
        (None, None) => {
            let span = lower.place(origin.field());
            let problem =
                bfd_core::Problem::error("image::no_repository", "an image without a place")
                    .at(span, "needs a `repository` to be pushed to")
                    .help("add `repository = \"NAME\"`, or `repository_uri` for another registry");
            lower.problems.push(problem);
        }
    }
}

/// A copy: where from.
fn copy(lower: &mut Lower<'_>, inputs: &mut Inputs) {
    let Some(source) = lower.take("source") else { return };
    // The loader of commands replaces it with what was applied there.
    if matches!(source, Expr::Map(_)) {
        inputs.insert("promoted".to_owned(), source);
        return;
    }
    let others = lower.others;
    let name_of = |address: &Address| {
        others(address, "name").and_then(|name| name.as_str().map(str::to_owned))
    };
    match place(&source, lower.environment, &name_of) {
        Ok(Some(place)) => {
            lower.depends_on.extend(place.declared);
            if is_digest(&place.reference) {
                inputs.insert("content".to_owned(), place.reference.clone().into());
            }
            let joint = if is_digest(&place.reference) { '@' } else { ':' };
            let from = format!("{}{joint}{}", place.repository, place.reference);
            inputs.insert("from".to_owned(), from.into());
            inputs.insert("source".to_owned(), as_written(&source));
        }
        Ok(None) => {
            if let Some(text) = source.as_str() {
                check_public(lower, text);
                if let Some((_, digest)) = text.split_once('@') {
                    inputs.insert("content".to_owned(), digest.into());
                }
            }
            inputs.insert("source".to_owned(), source);
        }
        Err(wrong) => lower.error(
            "source",
            "image::invalid_reference",
            "not a reference to an image",
            wrong,
            "write `\"${repository.NAME.uri}:TAG\"`, or `@sha256:…` instead of the tag",
        ),
    }
}

fn files(lower: &mut Lower<'_>, make: &mut BTreeMap<String, Expr>) {
    make.entry("base".to_owned()).or_insert_with(|| "scratch".into());
    match make.get("base").and_then(Expr::as_str) {
        Some("scratch") => {}
        Some(base) => {
            let base = base.to_owned();
            check_public(lower, &base);
            if !base.contains("@sha256:") {
                lower.error(
                    "base",
                    "image::unpinned_base",
                    "the base of `files` needs its digest",
                    "may be another image tomorrow",
                    "write it as `NAME@sha256:…`: the image is to depend on what is written alone",
                );
            }
        }
        None => lower.error(
            "base",
            "manifest::not_known",
            "must be known when planning",
            "waits for another resource",
            "write it out",
        ),
    }
    let Some(Expr::Map(files)) = make.get("files") else { return };
    let wrong: Vec<String> = files
        .keys()
        .filter(|path| {
            !path.starts_with('/')
                || path.split('/').any(|part| matches!(part, "." | ".."))
                || path.contains("//")
        })
        .cloned()
        .collect();
    for path in wrong {
        lower.error(
            &format!("files.{path}"),
            "image::invalid_path",
            "not a path in an image",
            "is not absolute, or has `.`, `..` or `//` in it",
            "write it as `\"/app/web\"`",
        );
    }
}

pub(super) fn both_ways(lower: &mut Lower<'_>) {
    lower.error(
        "first_deploy",
        "image::two_first_deployments",
        "a first deployment goes one way",
        "there is a `fallback` already",
        "remove one of them",
    );
}
