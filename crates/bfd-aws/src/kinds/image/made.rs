//! Images that are made and pushed: the calls.

use super::recipe::{Recipe, recipe};
use crate::{
    Aws,
    inputs::{self, Collect},
    registry::{NotAReference, Reference, Registry},
};
use bfd_core::{Object, Properties, Secret};
use bfd_image::{Base, Files, ImageError, Layout, Scratch, Tools};
use bfd_kinds::image::Origin;
use bfd_provider::{Context, ErrorClass, ProviderError, Secrets};
use std::{collections::BTreeMap, path::PathBuf};
use zeroize::Zeroizing;

const BUILD: &str = "image:Build";
const LAY: &str = "image:Lay";
const READ: &str = "image:Read";

/// The label of an image that was built, with the hash of its content.
pub(super) const CONTENT: &str = "dev.bfd.content";

/// Where an image is pushed to.
#[derive(Debug)]
pub(super) struct Target {
    /// Without tag or digest.
    pub(super) uri: String,
    /// Its name in ECR, when it is in the registry of the environment.
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
}

impl Target {
    pub(super) async fn of(aws: &Aws, inputs: &Properties) -> Result<Self, ProviderError> {
        let repository = inputs::text(inputs, "repository").map(str::to_owned);
        let tag = inputs::text(inputs, "tag").map(str::to_owned);
        let known = inputs::text(inputs, "uri").and_then(|uri| uri.split_once('@'));
        let known = known.map(|(uri, _)| uri);
        let known = known.or_else(|| inputs::text(inputs, "repository_uri"));
        let uri = match (known, &repository) {
            (Some(uri), _) => uri.to_owned(),
            (None, Some(name)) => repository_uri(aws, name).await?,
            (None, None) => String::new(),
        };
        Ok(Self { uri, repository, tag })
    }

    pub(super) fn at(&self, reference: &str) -> Result<Reference, ProviderError> {
        let joint = if reference.starts_with("sha256:") { '@' } else { ':' };
        reference_of(&format!("{}{joint}{reference}", self.uri))
    }
}

fn reference_of(text: &str) -> Result<Reference, ProviderError> {
    text.parse().map_err(|wrong: NotAReference| local(READ, wrong))
}

fn local(
    operation: &str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ProviderError {
    ProviderError::new(operation, ErrorClass::Local, why).without_effect()
}

/// What could not be read or written on this machine.
fn unreadable(operation: &str, error: ImageError) -> ProviderError {
    let is_writing = matches!(error, ImageError::Write { .. });
    let refused = local(operation, error);
    if is_writing { refused.hint("free some space, or set `TMPDIR`") } else { refused }
}

async fn repository_uri(aws: &Aws, name: &str) -> Result<String, ProviderError> {
    const OPERATION: &str = "ecr:DescribeRepositories";
    if let Some(uri) = aws.registries.known.uri(name) {
        return Ok(uri);
    }
    let request = aws.ecr.describe_repositories().repository_names(name);
    let answer = aws.call(OPERATION, request.send()).await?;
    let found = answer.repositories.unwrap_or_default().into_iter().next();
    found.and_then(|it| it.repository_uri).ok_or_else(|| {
        ProviderError::new(OPERATION, ErrorClass::NotFound, format!("no repository `{name}`"))
    })
}

/// Makes the image and pushes it. What is there already is neither made nor pushed.
pub(super) async fn make(
    aws: &Aws,
    inputs: &Properties,
    context: &Context,
) -> Result<Object, ProviderError> {
    let target = Target::of(aws, inputs).await?;
    let registry = aws.registry();
    let planned = inputs::required(inputs, "content", READ)?;
    let origin = inputs::text(inputs, "origin").and_then(Origin::parse);
    if let Some(digest) = already_there(&registry, inputs, &target, planned).await? {
        context.progress.tell("is in the repository already");
        return Ok(object(inputs, &target, &digest));
    }
    if origin == Some(Origin::Copy) {
        return copy(aws, inputs, &target, planned, context).await;
    }
    bfd_image::scratch::sweep(aws.scratch(), &Tools::default()).await;
    let scratch = Scratch::new(aws.scratch()).map_err(|error| unreadable(LAY, error))?;
    let recipe = recipe(inputs, aws.directory()).map_err(|error| local(READ, error))?;
    let Some(recipe) = recipe else {
        return Err(local(READ, "the plan says nothing of what the image is made of"));
    };
    let (recipe, found) = tokio::task::spawn_blocking(move || {
        let found = recipe.content();
        (recipe, found)
    })
    .await
    .map_err(|error| local(READ, error))?;
    let found = found.map_err(|error| local(READ, error))?;
    if found.hash != planned {
        let why = "its content changed since it was planned";
        return Err(local(READ, why).hint("plan again, and have that reviewed"));
    }
    let layout = match recipe {
        Recipe::Archive(path, name) => {
            Layout::open(&path, name.as_deref()).map_err(|error| local(READ, error))?
        }
        Recipe::Files(files, base) => {
            let into = scratch.path().to_owned();
            let pushed = push_files(&registry, inputs, &target, *files, base, into, context);
            return Box::pin(pushed).await;
        }
        Recipe::Build(mut build, secrets) => {
            build.labels.insert(CONTENT.to_owned(), planned.to_owned());
            let secrets = revealed(&*aws.secrets, secrets)?;
            // Dropped with the branch: what is pushed is a copy of its own.
            let _turn = tokio::select! {
                biased;
                turn = aws.builds.take(planned) => turn,
                () = context.turn_back.cancelled() => {
                    return Err(failed_build(aws, &ImageError::Cancelled));
                }
            };
            let progress = context.progress.clone();
            let told = aws.secrets.clone();
            let mut tell = |line: &str| {
                if is_step(line) {
                    progress.tell(told.redact(line));
                }
            };
            let tools = Tools::default();
            let made = bfd_image::build(
                &build,
                &tools,
                &secrets,
                scratch.path(),
                &mut tell,
                context.turn_back.cancelled(),
            );
            made.await.map_err(|error| failed_build(aws, &error))?
        }
    };
    push(&registry, inputs, &target, &layout, context).await
}

/// Whether a line of a builder's output tells how far it is: `STEP 2/5: COPY …` of Buildah and
/// Podman, `#7 [build 2/5] COPY …` of Docker Buildx. The rest is for who looks for a mistake.
fn is_step(line: &str) -> bool {
    // The label is none that anybody wrote.
    line.starts_with("STEP ") && !line.contains(CONTENT)
        || line.strip_prefix('#').is_some_and(|rest| {
            let number = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
            number > 0 && rest[number..].starts_with(" [") && !rest.contains(" [internal]")
        })
}

fn failed_build(aws: &Aws, error: &ImageError) -> ProviderError {
    let class = match error {
        ImageError::Cancelled => ErrorClass::Canceled,
        _ => ErrorClass::Local,
    };
    let (why, lines): (String, Vec<String>) = match error {
        ImageError::Failed { command, status, output } => {
            (format!("`{command}` failed: {status}"), output.clone())
        }
        ImageError::NoBuilder { reasons } => {
            ("there is no builder that can be used".to_owned(), reasons.clone())
        }
        other => (other.to_string(), Vec::new()),
    };
    let mut refused = ProviderError::new(BUILD, class, aws.secrets.redact(&why)).without_effect();
    for line in lines {
        refused = refused.detail(aws.secrets.redact(&line));
    }
    match error {
        ImageError::Write { .. } => refused.hint("free some space, or set `TMPDIR`"),
        ImageError::NoBuilder { .. } => {
            refused.hint("install Docker Buildx, Buildah or Podman, or push an `archive`")
        }
        _ => refused,
    }
}

fn revealed(
    all: &dyn Secrets,
    secrets: BTreeMap<String, Secret>,
) -> Result<BTreeMap<String, Zeroizing<String>>, ProviderError> {
    let reveal = |(id, secret): (String, Secret)| {
        let value = all.reveal(&secret).map_err(|why| local(BUILD, why))?;
        Ok((id, Zeroizing::new(value)))
    };
    secrets.into_iter().map(reveal).collect()
}

/// The digest of the image, when it is where it should be, under its tag. A tag that is on
/// another image than when this was planned is left alone: nobody has reviewed that.
async fn already_there(
    registry: &Registry<'_>,
    inputs: &Properties,
    target: &Target,
    planned: &str,
) -> Result<Option<String>, ProviderError> {
    let Some(tag) = &target.tag else { return Ok(None) };
    let tagged = target.at(tag)?;
    let Some(digest) = registry.digest(&tagged).await? else { return Ok(None) };
    let digest = digest.to_string();
    let before = inputs::text(inputs, "tag_was");
    let is_it = match inputs::text(inputs, "digest") {
        Some(known) => known == digest,
        None if before == Some(&digest) => false,
        None if inputs.contains_key("existing_tag") => true,
        // Of what is built or laid, nothing but its label tells.
        None => registry.label(&tagged, CONTENT).await?.as_deref() == Some(planned),
    };
    if is_it || before == Some(&digest) {
        return Ok(is_it.then_some(digest));
    }
    let was = before.unwrap_or("on no image");
    let why = format!("the tag `{tag}` was {was} when this was planned, and is on {digest} now");
    Err(ProviderError::new("registry:GetManifest", ErrorClass::ResourceConflict, why)
        .without_effect()
        .hint("plan again, and have that reviewed"))
}

async fn push(
    registry: &Registry<'_>,
    inputs: &Properties,
    target: &Target,
    layout: &Layout,
    context: &Context,
) -> Result<Object, ProviderError> {
    let digest = layout.root().digest.to_string();
    if inputs::text(inputs, "digest").is_some_and(|planned| planned != digest) {
        let why = format!("what was planned is no longer there, and what was made now is {digest}");
        return Err(local(READ, why).hint("plan again, and have that reviewed"));
    }
    let image = target.at(&digest)?;
    let made = object(inputs, target, &digest);
    let pushed = registry.push(layout, &image, target.tag.as_deref(), &[], context).await;
    left(pushed.map(|_| ()), made)
}

/// Lays files over their base, and pushes both.
async fn push_files(
    registry: &Registry<'_>,
    inputs: &Properties,
    target: &Target,
    mut files: Files,
    base: Option<Reference>,
    into: PathBuf,
    context: &Context,
) -> Result<Object, ProviderError> {
    let planned = inputs::text(inputs, "content").unwrap_or_default();
    files.config.labels.insert(CONTENT.to_owned(), planned.to_owned());
    if let Some(base) = &base {
        files.base = Base::Image(Box::new(registry.base(base, &files.platform).await?));
    }
    let laid = tokio::task::spawn_blocking(move || bfd_image::lay(&files, &into)).await;
    let laid = laid.map_err(|error| local(LAY, error))?;
    let layout = laid.map_err(|error| unreadable(LAY, error))?;
    let Some(base) = base else { return push(registry, inputs, target, &layout, context).await };
    let digest = layout.root().digest.to_string();
    let image = target.at(&digest)?;
    let made = object(inputs, target, &digest);
    let pushed = registry.push_over(&layout, &base, &image, target.tag.as_deref(), context).await;
    left(pushed.map(|_| ()), made)
}

/// What a push that failed may have left: the undo looks for it.
fn left(pushed: Result<(), ProviderError>, made: Object) -> Result<Object, ProviderError> {
    match pushed {
        Ok(()) => Ok(made),
        Err(error) if error.left.is_some() => Err(error),
        Err(error) => Err(error.leaving(made)),
    }
}

/// What a copy is copied from.
pub(super) async fn source(
    aws: &Aws,
    inputs: &Properties,
    digest: &str,
) -> Result<Reference, ProviderError> {
    let name = match inputs::text(inputs, "from") {
        Some(from) => {
            let name = from.split([':', '@']).next().unwrap_or_default();
            repository_uri(aws, name).await?
        }
        None => reference_of(inputs::required(inputs, "source", READ)?)?.name(),
    };
    reference_of(&format!("{name}@{digest}"))
}

async fn copy(
    aws: &Aws,
    inputs: &Properties,
    target: &Target,
    digest: &str,
    context: &Context,
) -> Result<Object, ProviderError> {
    let registry = aws.registry();
    let source = source(aws, inputs, digest).await?;
    let image = target.at(digest)?;
    let made = object(inputs, target, digest);
    let copied = registry.copy(&source, &image, target.tag.as_deref(), context).await;
    left(copied.map(|_| ()), made)
}

fn object(inputs: &Properties, target: &Target, digest: &str) -> Object {
    let uri = format!("{}@{digest}", target.uri);
    let outputs = Collect::default()
        .with("uri", uri.as_str())
        .with("digest", digest)
        .maybe("tag", target.tag.clone())
        .with("fallback_active", false)
        .done();
    Object { id: uri, inputs: inputs.clone(), outputs }
}

/// The image as it can be named when nothing is known of its making.
pub(super) fn by_name(inputs: &Properties) -> Option<Object> {
    inputs::text(inputs, "origin")?;
    let place =
        inputs::text(inputs, "repository").or_else(|| inputs::text(inputs, "repository_uri"))?;
    let tag = inputs::text(inputs, "tag")?;
    Some(Object {
        id: format!("{place}:{tag}"),
        inputs: inputs.clone(),
        outputs: Properties::new(),
    })
}
