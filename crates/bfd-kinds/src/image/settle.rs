//! Decides what stands in the services, once the registry was looked at.

use super::{made::Origin, place::is_digest};
use crate::spec::Settle;
use bfd_core::{Expr, Inputs, Problem, Span, Value, lookup_path};

/// `sha256:` and twelve digits: enough for people.
const SHORT: usize = 19;

pub(super) fn settle(settle: &mut Settle<'_>) {
    match text(settle, "origin").as_deref().and_then(Origin::parse) {
        Some(origin) => made(settle, origin),
        None => looked_up(settle),
    }
}

/// An image that somebody else pushes: the image by its digest, or the fallback.
fn looked_up(settle: &mut Settle<'_>) {
    let awaited = settle.inputs.remove("awaited");
    if settle.offline {
        // What was settled last is all there is to go by.
        for (name, value) in settle.recorded.into_iter().flat_map(|recorded| &recorded.inputs) {
            settle.inputs.entry(name.clone()).or_insert_with(|| Expr::from(value.clone()));
        }
        return;
    }
    let (Some(repository), Some(reference)) =
        (text(settle, "repository"), text(settle, "reference"))
    else {
        return;
    };
    let output = |name: &str| lookup_path(settle.outputs?, name).cloned();
    let digest = output("digest").and_then(|d| d.as_str().map(str::to_owned));
    let uri = output("repository_uri").and_then(|u| u.as_str().map(str::to_owned));
    if let (Some(uri), Some(digest)) = (uri, digest) {
        set(settle, format!("{uri}@{digest}"), Some(digest), false);
        return;
    }
    // `missing`: the repository itself is not there.
    let missing = settle.observed.is_none() && settle.outputs.is_none();
    if !missing && output("empty") != Some(Value::Bool(true)) {
        let newest = output("newest_tags");
        refuse_unknown_tag(settle, &repository, &reference, newest.as_ref());
        return;
    }
    let was = if missing { "does not exist" } else { "is empty" };
    let absence = Absence {
        place: "source",
        why: format!("the repository {was}"),
        help: if missing {
            format!(
                "create the repository first: apply with `--target` and its address, push `{reference}` to it"
            )
        } else {
            format!("push `{reference}` to `{repository}`")
        },
        first: format!(
            "create the repository first: apply with `--target` and its address, push `{reference}` to it, and apply again; or declare a `fallback`"
        ),
    };
    stand_in(settle, &absence, awaited);
}

/// An image that bfd pushes.
fn made(settle: &mut Settle<'_>, origin: Origin) {
    let awaited = settle.inputs.remove("awaited");
    let unbuildable =
        settle.inputs.remove("unbuildable").and_then(|why| why.as_str().map(str::to_owned));
    let output = |name: &str| {
        lookup_path(settle.outputs?, name).and_then(|it| it.as_str().map(str::to_owned))
    };
    let recorded = |name: &str| {
        let recorded = settle.recorded?;
        let value = recorded.outputs.get(name).or_else(|| recorded.inputs.get(name))?;
        value.as_str().map(str::to_owned)
    };
    let is_ours = |name: &str| text(settle, name) == recorded_input(settle, name);
    let (source_digest, present) = (output("source_digest"), output("present"));
    if origin == Origin::Copy && text(settle, "content").is_none() {
        let found = source_digest
            .or_else(|| recorded("content").filter(|_| settle.offline && is_ours("source")));
        match found {
            Some(digest) => {
                settle.inputs.insert("content".to_owned(), digest.into());
            }
            None if settle.offline => return,
            None => {
                let source = text(settle, "from").or_else(|| text(settle, "source"));
                let label = format!("`{}` was not found", source.unwrap_or_default());
                let help = "push it there first; a registry that needs credentials is asked with those of Docker's configuration";
                refuse(settle, "image::not_found", "source", &label, help);
                return;
            }
        }
    }
    let Some(content) = text(settle, "content") else { return };
    let is_same = ["content", "repository", "repository_uri"]
        .iter()
        .all(|name| text(settle, name) == recorded_input(settle, name))
        && recorded_real(settle);
    if is_same && (settle.offline || present == recorded("digest")) {
        *settle.inputs = as_recorded(settle);
        return;
    }
    if is_same {
        *settle.gone = true;
    }
    // A tag that is used as it is needs no builder.
    let is_there = text(settle, "existing_tag").is_some() && output("content_digest").is_some();
    if let Some(why) = unbuildable.filter(|_| !is_there) {
        let absence = Absence {
            place: "context",
            why: format!("it cannot be built here: {why}"),
            help: "apply where a builder is".to_owned(),
            first: "install Docker Buildx, Buildah or Podman; or declare a `fallback`".to_owned(),
        };
        stand_in(settle, &absence, awaited);
        return;
    }
    if !settle.inputs.contains_key("tag") {
        settle.inputs.insert("tag".to_owned(), default_tag(&content).into());
    }
    // Of all but a build, the digest is known before it is made; of a build that was made
    // before, as well.
    let there = output("content_digest");
    if there.is_some() {
        settle.inputs.insert(super::WAS_THERE.to_owned(), Expr::Literal(true.into()));
    }
    let digest = match origin {
        Origin::Archive | Origin::Copy => Some(content),
        Origin::Context | Origin::Files => there,
    };
    check_tag(settle, digest.as_deref());
    let Some(digest) = digest.filter(|digest| is_digest(digest)) else { return };
    settle.inputs.insert("digest".to_owned(), digest.clone().into());
    let uri = text(settle, "repository_uri")
        .or_else(|| lookup_path(settle.outputs?, "repository_uri")?.as_str().map(str::to_owned));
    if let Some(uri) = uri {
        settle.inputs.insert("uri".to_owned(), format!("{uri}@{digest}").into());
    }
}

/// The tag of an image that has none of its own: `bfd-` and 12 digits of its content.
pub fn default_tag(content: &str) -> String {
    let digits = content.trim_start_matches("sha256:").chars().take(12);
    "bfd-".chars().chain(digits).collect()
}

/// A tag that cannot be moved must not be on another image. Of one that is moved, it is kept
/// where from: a rollback puts it back.
fn check_tag(settle: &mut Settle<'_>, digest: Option<&str>) {
    let output = |name: &str| lookup_path(settle.outputs?, name);
    let is_immutable = output("immutable") == Some(&Value::Bool(true));
    let (Some(taken), Some(tag)) =
        (output("tag_digest").and_then(Value::as_str), text(settle, "tag"))
    else {
        return;
    };
    settle.inputs.insert("tag_was".to_owned(), taken.into());
    if is_immutable && digest != Some(taken) {
        let short: String = taken.chars().take(SHORT).collect();
        let label = format!("`{tag}` is on {short} already");
        let help = "choose a tag that changes with the content, such as `\"${git.sha}\"`, or none; or set `tag_mutability = \"mutable\"`";
        let place: Span = settle.spans.get("tag").unwrap_or(settle.span).clone();
        let problem = Problem::error("image::tag_taken", "an immutable tag cannot be moved");
        settle.problems.push(problem.at(place, label).help(help));
    }
}

/// Why an image is not there, and what to do.
struct Absence {
    place: &'static str,
    why: String,
    /// For an image that was deployed before.
    help: String,
    /// For a first deployment.
    first: String,
}

/// What is run instead of an image that is not there, if that is declared and allowed.
fn stand_in(settle: &mut Settle<'_>, absence: &Absence, awaited: Option<Expr>) {
    let Absence { place, why, help, first } = absence;
    let fallback = settle.inputs.get("fallback").and_then(|f| f.as_map()?.get("image")).cloned();
    let Some(instead) = fallback.clone().or(awaited) else {
        refuse(settle, "image::not_found", place, why, first);
        return;
    };
    if recorded_real(settle) {
        let label = format!("{why}, and a fallback never replaces an image that was deployed");
        let help = format!("{help} again, and plan again");
        refuse(settle, "image::not_found", place, &label, &help);
        return;
    }
    if fallback.is_some() && !settle.fallback_images {
        let help = format!("{help}, or allow fallbacks in `[guard]`");
        let label = format!("{why}, and the guard forbids fallback images");
        refuse(settle, "image::fallback_forbidden", "fallback", &label, &help);
        return;
    }
    for made in ["content", "digest", "tag"] {
        settle.inputs.remove(made);
    }
    settle.inputs.insert("uri".to_owned(), instead);
    settle.inputs.insert("fallback_active".to_owned(), Expr::Literal(true.into()));
}

/// The inputs of the last run: what is made from the same is not made again.
fn as_recorded(settle: &Settle<'_>) -> Inputs {
    let recorded = settle.recorded.into_iter().flat_map(|recorded| &recorded.inputs);
    recorded.map(|(name, value)| (name.clone(), Expr::from(value.clone()))).collect()
}

fn recorded_input(settle: &Settle<'_>, name: &str) -> Option<String> {
    settle.recorded?.inputs.get(name)?.as_str().map(str::to_owned)
}

fn text(settle: &Settle<'_>, input: &str) -> Option<String> {
    settle.inputs.get(input)?.as_str().map(str::to_owned)
}

fn set(settle: &mut Settle<'_>, uri: String, digest: Option<String>, fallback: bool) {
    settle.inputs.insert("uri".to_owned(), uri.into());
    if let Some(digest) = digest {
        settle.inputs.insert("digest".to_owned(), digest.into());
    }
    settle.inputs.insert("fallback_active".to_owned(), Expr::Literal(fallback.into()));
}

/// Whether the last run left a real image here.
fn recorded_real(settle: &Settle<'_>) -> bool {
    settle.recorded.is_some_and(|recorded| {
        let active =
            recorded.outputs.get("fallback_active").or(recorded.inputs.get("fallback_active"));
        active == Some(&Value::Bool(false))
    })
}

fn refuse_unknown_tag(
    settle: &mut Settle<'_>,
    repository: &str,
    reference: &str,
    newest: Option<&Value>,
) {
    let tags: Vec<String> = newest
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|tag| format!("`{tag}`"))
        .collect();
    let help = if tags.is_empty() {
        format!("push `{reference}` to `{repository}`, and plan again")
    } else {
        format!(
            "push `{reference}` to `{repository}`; the newest tags there are {}",
            tags.join(", ")
        )
    };
    let label = format!("`{repository}` has no `{reference}`");
    refuse(settle, "image::not_found", "source", &label, &help);
}

fn refuse(settle: &mut Settle<'_>, code: &'static str, field: &str, label: &str, help: &str) {
    let place: Span = settle.spans.get(field).unwrap_or(settle.span).clone();
    let headline = match code {
        "image::tag_taken" => "a tag that cannot be moved is taken",
        "image::fallback_forbidden" => "a fallback would run",
        _ => "the image is not there",
    };
    settle.problems.push(Problem::error(code, headline).at(place, label).help(help));
}
