//! A container image, by its digest.

use crate::spec::{Field, KindSpec, Lower, Output, OutputSource, Settle, Type};
use bfd_core::{
    Address, Environment, Expr, Inputs, Problem, Reference, Span, Value, lookup_path,
    plan::{Action, Effect, FieldChange, Undo},
};

const FALLBACK: &[Field] = &[
    Field::new("image", Type::Text, "A public image, such as `public.ecr.aws/nginx/nginx:alpine`.")
        .required(),
    Field::new(
        "port",
        Type::Integer { min: 1, max: 65535 },
        "The port it listens on; without it, the port of the container it stands in for.",
    ),
    Field::new(
        "health_check",
        Type::Either(&Type::Text, &Type::List(&Type::Text)),
        "Its health check, for a shell, or as AWS takes it. Without it the stand-in has none. How often and how long is taken from the container it stands in for.",
    ),
    Field::new(
        "command",
        Type::List(&Type::Text),
        "Its command. What the container says of its command, entry point, user, working directory and root file system is not for this image and left out.",
    ),
    Field::new(
        "desired_count",
        Type::Integer { min: 0, max: 5000 },
        "How many tasks to run of it; without it, as many as of the real one.",
    ),
];

pub static SPEC: KindSpec = KindSpec {
    name: "image",
    doc: "A container image, which services then use by its digest",
    singleton: false,
    fields: &[
        Field::new(
            "source",
            Type::Text,
            "Where the image is: `\"${repository.web.uri}:${var.sha}\"` with a tag or `@sha256:…`, or a reference to any registry.",
        )
        .required(),
        Field::new(
            "fallback",
            Type::Table(FALLBACK),
            "What services run instead as long as the repository is missing or empty, for the first deployment of an environment. Never instead of an image that was deployed before.",
        ),
    ],
    outputs: &[
        Output::new(
            "uri",
            OutputSource::Input("uri"),
            "The image, pinned by its digest where one is known",
        ),
        Output::new("digest", OutputSource::Input("digest"), "Its digest, `sha256:…`"),
        Output::new(
            "fallback_active",
            OutputSource::Input("fallback_active"),
            "Whether the fallback stands in for it",
        ),
    ],
    default_output: Some("uri"),
    key: &[],
    exact: &[],
    sets: &[],
    lower,
    settle: Some(settle),
    effect: |_| Effect::None,
    // bfd only looks images up; there is nothing to put back.
    undo: |_: Action, _: &[FieldChange]| (Undo::Exact, None),
    seconds: |_, _| 0,
    // Only read: nothing to wait for, nothing to undo.
    clock: |_| crate::clock::Clock::default(),
    actions: &["ecr:DescribeImages", "ecr:DescribeRepositories"],
};

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

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
}

/// `source` as it was written.
fn as_written(source: &Expr) -> Expr {
    let Expr::Template(parts) = source else { return source.clone() };
    let text = parts.iter().map(|part| match part {
        Expr::Reference(reference) => Some(reference.to_string()),
        part => part.as_str().map(str::to_owned),
    });
    text.collect::<Option<String>>().map_or_else(|| source.clone(), Expr::from)
}

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    let Some(source) = lower.take("source") else { return inputs };
    let others = lower.others;
    let name_of = |address: &Address| {
        others(address, "name").and_then(|name| name.as_str().map(str::to_owned))
    };
    match place(&source, lower.environment, &name_of) {
        Ok(Some(place)) => {
            inputs.insert("source".to_owned(), as_written(&source));
            inputs.insert("repository".to_owned(), place.repository.into());
            inputs.insert("reference".to_owned(), place.reference.into());
            lower.depends_on.extend(place.declared);
            if let Some(fallback) = lower.take("fallback") {
                inputs.insert("fallback".to_owned(), fallback);
            }
        }
        Ok(None) => {
            if let Some(text) = source.as_str() {
                check_public(lower, text);
                if let Some((_, digest)) = text.split_once('@') {
                    inputs.insert("digest".to_owned(), digest.into());
                }
            }
            if lower.fields.contains_key("fallback") {
                lower.error(
                    "fallback",
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

fn check_public(lower: &mut Lower<'_>, text: &str) {
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

/// Decides what stands in the services: the image by its digest, or the fallback.
fn settle(settle: &mut Settle<'_>) {
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
    let fallback = settle.inputs.get("fallback").and_then(|f| f.as_map()?.get("image")).cloned();
    let Some(fallback) = fallback else {
        let help = format!(
            "create the repository first with `bfd apply M --target repository.X`, push `{reference}` to it, and apply again; or declare a `fallback`"
        );
        refuse(settle, "image::not_found", "source", &format!("the repository {was}"), &help);
        return;
    };
    if recorded_real(settle) {
        let help = format!("push `{reference}` to `{repository}` again");
        let label = format!(
            "the repository {was}, and a fallback never replaces an image that was deployed"
        );
        refuse(settle, "image::not_found", "source", &label, &help);
        return;
    }
    if !settle.fallback_images {
        let help = format!("push `{reference}` to `{repository}`, or allow fallbacks in `[guard]`");
        let label = format!("the repository {was}, and the guard forbids fallback images");
        refuse(settle, "image::fallback_forbidden", "fallback", &label, &help);
        return;
    }
    settle.inputs.insert("uri".to_owned(), fallback);
    settle.inputs.remove("digest");
    settle.inputs.insert("fallback_active".to_owned(), Expr::Literal(true.into()));
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
    settle
        .problems
        .push(Problem::error(code, "the image is not there").at(place, label).help(help));
}
