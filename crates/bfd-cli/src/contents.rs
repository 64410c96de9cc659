//! What images are made of: read once before planning, so that the plan itself needs neither
//! files nor builders.

use crate::{
    cli::ManifestArgs,
    exit::CommandError,
    host,
    load::{Loaded, SecretUse, in_manifest, load},
    platforms, same_tags,
};
use bfd_aws::{ContentError, ImageError};
use bfd_core::{
    Address, Expr, Inputs, Problem, Properties, Resource, Value,
    plan::{Op, Plan, Step},
};
use bfd_kinds::stack::{ASSETS, TEMPLATE_BODY_LIMIT, has_template_asset};
use bfd_manifest::{Backend, Manifest};
use bfd_plan::Graph;
use futures_util::future::join_all;
use std::{collections::BTreeMap, path::Path};

/// Whether the state of other environments is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotions {
    Read,
    /// The command asks whether a manifest is right, not whether its time has come.
    Skipped,
}

/// Fills in what images are made of. Fails with everything that cannot be read.
pub async fn read(
    loaded: &mut Loaded,
    args: &ManifestArgs,
    promotions: Promotions,
) -> Result<(), CommandError> {
    // As people write paths: without a `./` before them.
    let directory = host::directory_of(&loaded.path);
    let directory = directory.strip_prefix(".").map_or(directory.clone(), Path::to_owned);
    let images = loaded.manifest.resources.iter_mut();
    let images = images.filter(|resource| resource.address.kind().as_str() == "image");
    let read = join_all(images.map(|image| one(image, &directory, args, promotions))).await;
    let mut problems: Vec<Problem> = read.into_iter().filter_map(Result::err).collect();
    let stacks = loaded.manifest.resources.iter_mut();
    let stacks = stacks.filter(|resource| resource.inputs.contains_key(ASSETS));
    let read = join_all(stacks.map(|stack| assets(stack, &directory))).await;
    problems.extend(read.into_iter().flatten());
    let resources = &loaded.manifest.resources;
    problems.extend(platforms::check(resources, &platforms::declared_platforms(resources)));
    problems.extend(same_tags::check(resources));
    problems.extend(large_templates(&loaded.manifest));
    if !problems.is_empty() {
        return Err(in_manifest(&loaded.manifest, problems));
    }
    loaded.graph = Graph::build(loaded.manifest.resources.clone())
        .map_err(|problems| in_manifest(&loaded.manifest, problems))?;
    Ok(())
}

/// Templates that only a bucket is large enough for, where there is none.
fn large_templates(manifest: &Manifest) -> Vec<Problem> {
    if matches!(manifest.state.backend, Backend::S3 { .. }) {
        return Vec::new();
    }
    let stacks = manifest.resources.iter().filter(|it| it.address.kind().as_str() == "stack");
    let too_large = stacks.filter_map(|stack| {
        let size = stack.inputs.get("template")?.as_str()?.len();
        if size <= TEMPLATE_BODY_LIMIT || has_template_asset(&stack.inputs) {
            return None;
        }
        let span = stack.spans.get("template").unwrap_or(&stack.span).clone();
        let problem = Problem::error("stack::template_size", "the template is too large for one request");
        Some(
            problem
                .at(span, format!("has {size} bytes; CloudFormation takes {TEMPLATE_BODY_LIMIT}"))
                .help("keep the state in a bucket (`backend = \"s3\"` in `[state]`): larger templates go through it; or split it into several stacks"),
        )
    });
    too_large.collect()
}

async fn one(
    image: &mut Resource,
    directory: &Path,
    args: &ManifestArgs,
    promotions: Promotions,
) -> Result<(), Problem> {
    if !image.inputs.contains_key("promoted") {
        return content(image, directory).await;
    }
    if promotions == Promotions::Read {
        let found = promoted(image, directory, args).await?;
        take(image, found);
    }
    Ok(())
}

/// Refuses to begin what would fail on this machine: each image that the plan builds needs its
/// builder.
pub async fn check_builders(loaded: &Loaded, plan: &Plan) -> Result<(), CommandError> {
    let builds = plan.steps.iter().filter_map(|step| {
        let (Op::Create { inputs, .. } | Op::Update { inputs, .. }) = &step.op else { return None };
        let inputs = known_inputs(inputs);
        let is = |name: &str, value: Value| inputs.get(name) == Some(&value);
        let is_built = step.address.kind().as_str() == "image"
            && is("origin", "context".into())
            && !is("was_there", true.into())
            && is("fallback_active", false.into());
        is_built.then_some((&step.address, inputs))
    });
    // Most images name the same one, or none: each is asked once.
    let mut builders: BTreeMap<String, (Properties, Vec<&Address>)> = BTreeMap::new();
    for (address, inputs) in builds {
        let named = inputs.get("make").map(|make| make["builder"].to_string());
        let (_, images) =
            builders.entry(named.unwrap_or_default()).or_insert_with(|| (inputs, Vec::new()));
        images.push(address);
    }
    let asked = builders.values().map(|(inputs, images)| async move {
        let is_chosen = inputs.get("make").is_some_and(|make| make["builder"].is_string());
        bfd_aws::image_builder(inputs).await.err().map(|why| (why, is_chosen, images))
    });
    let without = join_all(asked).await.into_iter().flatten();
    let problem = |address: &Address, is_chosen: bool, why: &str| {
        let field = if is_chosen { "builder" } else { "context" };
        let place = loaded.graph.get(address).map(|image| image.span_of(field));
        let problem = Problem::error("image::no_builder", "an image cannot be built here");
        problem.at(place.unwrap_or_default(), why.to_owned()).help(if is_chosen {
            "install it, or choose another `builder`, or none; or apply where it is"
        } else {
            "install Docker Buildx, Buildah or Podman; or apply where one is"
        })
    };
    let problems: Vec<Problem> = without
        .flat_map(|(why, chosen, images)| images.iter().map(move |it| problem(it, chosen, &why)))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(in_manifest(&loaded.manifest, problems)) }
}

/// Refuses a plan whose images would be made of something else than what was reviewed. What is
/// copied is copied as planned, whatever its source is by now.
pub fn check(loaded: &Loaded, plan: &Plan) -> Result<(), CommandError> {
    let differs = |step: &&Step| {
        let (Op::Create { inputs, .. } | Op::Update { inputs, .. }) = &step.op else {
            return false;
        };
        let declared = loaded.graph.get(&step.address).map(|resource| &resource.inputs);
        let text = |inputs: &Inputs, name: &str| {
            inputs.get(name).and_then(Expr::as_str).map(str::to_owned)
        };
        let is_made = text(inputs, "origin").is_some_and(|origin| origin != "copy");
        // A plan whose fallback stands in makes nothing.
        let planned = text(inputs, "content").filter(|_| is_made);
        planned.is_some() && declared.and_then(|it| text(it, "content")) != planned
    };
    let directory = host::directory_of(&loaded.path);
    let changed: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| differs(step) || publishes_another(step, &directory))
        .map(|step| format!("`{}`", step.address))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(CommandError::refused_with(
        format!("{}: its content changed since it was planned", changed.join(", ")),
        "plan again, and have that reviewed",
    ))
}

/// Whether a file that a stack publishes is not what it was when it was planned. One that is gone
/// may be in its bucket already.
fn publishes_another(step: &Step, directory: &Path) -> bool {
    let (Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. }) =
        &step.op
    else {
        return false;
    };
    let assets = inputs.get(ASSETS).and_then(|it| it.resolve(&|_| None::<Value>).ok());
    let is_another = |asset: &Value| {
        let planned = asset.get("sha256").and_then(Value::as_str);
        let now = bfd_aws::asset_digest(asset, directory).ok();
        planned.zip(now).is_some_and(|(planned, now)| planned != now)
    };
    assets.as_ref().and_then(Value::as_object).into_iter().flatten().any(|(_, it)| is_another(it))
}

/// Fills in what the files of a stack are made of.
async fn assets(stack: &mut Resource, directory: &Path) -> Vec<Problem> {
    let place = stack.span_of(ASSETS);
    let Some(Expr::Map(assets)) = stack.inputs.get_mut(ASSETS) else { return Vec::new() };
    let read = assets.iter_mut().map(|(name, asset)| {
        let place = place.clone();
        async move {
            let known = asset.resolve(&|_| None::<Value>).ok()?;
            let from = directory.to_owned();
            let read = tokio::task::spawn_blocking(move || bfd_aws::asset_digest(&known, &from));
            let read = read
                .await
                .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
            match (read, asset) {
                (Ok(digest), Expr::Map(fields)) => {
                    fields.insert("sha256".to_owned(), digest.into());
                    None
                }
                (Ok(_), _) => None,
                (Err(error), _) => {
                    let problem =
                        Problem::error("stack::asset", "what is published cannot be read");
                    let told = problem.at(place, format!("`{name}`: {error}"));
                    Some(told.help("check its `path`; of a CDK application, run `cdk synth` again"))
                }
            }
        }
    });
    join_all(read).await.into_iter().flatten().collect()
}

/// The inputs that wait for nothing.
pub(crate) fn known_inputs(inputs: &Inputs) -> Properties {
    let known = inputs.iter().filter_map(|(name, expr)| {
        Some((name.clone(), expr.resolve(&|_: &_| None::<Value>).ok()?))
    });
    known.collect()
}

async fn content(resource: &mut Resource, directory: &Path) -> Result<(), Problem> {
    let inputs = known_inputs(&resource.inputs);
    let Some(origin) = inputs.get("origin").and_then(Value::as_str).map(str::to_owned) else {
        return Ok(());
    };
    let place = resource.span_of(&origin);
    let from = directory.to_owned();
    let read = tokio::task::spawn_blocking(move || bfd_aws::image_content(&inputs, &from)).await;
    let read = read.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
    let content = read.map_err(|error| {
        let problem =
            Problem::error("image::unreadable", "what the image is made of cannot be read");
        problem.at(place, explained(&error)).help(way_out(&error, &origin))
    })?;
    let Some(content) = content else { return Ok(()) };
    resource.inputs.insert("content".to_owned(), content.hash.into());
    if let Some(digest) = content.digest {
        resource.inputs.insert("digest".to_owned(), digest.into());
    }
    if let Some(platforms) = content.platforms {
        let platforms = platforms.into_iter().map(Expr::from).collect();
        resource.inputs.insert("platforms".to_owned(), Expr::List(platforms));
    }
    let has_way_out =
        ["fallback", "first_deploy"].iter().any(|it| resource.inputs.contains_key(*it));
    if origin == "context" && has_way_out {
        // Only then does a plan depend on whether it can be built here.
        let inputs = known_inputs(&resource.inputs);
        if let Err(why) = bfd_aws::image_builder(&inputs).await {
            resource.inputs.insert("unbuildable".to_owned(), why.into());
        }
    }
    Ok(())
}

fn way_out(error: &ContentError, origin: &str) -> &'static str {
    match (error, origin) {
        (ContentError::Image(ImageError::State { .. }), "context") => {
            "list `.bfd` in `.dockerignore`"
        }
        (ContentError::Image(ImageError::State { .. }), _) => {
            "name the files one by one, or keep them in a directory of their own"
        }
        (ContentError::Image(ImageError::Broken { .. }), "archive") => {
            "an archive is an OCI layout, as a directory or in a tar file: `skopeo copy SOURCE oci-archive:FILE` writes one"
        }
        _ => "paths are relative to the manifest, that of `dockerfile` to the context",
    }
}

/// The error and its causes in a line.
fn explained(error: &dyn std::error::Error) -> String {
    let mut label = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        label = format!("{label}: {error}");
        cause = error.source();
    }
    label
}

/// An image as another environment has it.
struct Promoted {
    uri: String,
    digest: String,
    /// Where they are known.
    platforms: Option<Value>,
}

/// Reads what was applied to another environment last.
async fn promoted(
    resource: &Resource,
    directory: &Path,
    args: &ManifestArgs,
) -> Result<Promoted, Problem> {
    let source = known_inputs(&resource.inputs).remove("promoted").unwrap_or_default();
    let field = |name: &str| source[name].as_str().unwrap_or_default().to_owned();
    let (path, image) = (directory.join(field("environment")), field("image"));
    let wrong = |label: String, help: String| {
        let problem = Problem::error("image::not_promoted", "there is nothing to promote");
        problem.at(resource.span_of("source"), label).help(help)
    };
    let shown = path.display();
    let other = ManifestArgs { manifest: path.clone(), vars: args.vars.clone() };
    // Its own variables may be others than ours, which are then not declared there.
    let loaded = load(&other, SecretUse::Ignored)
        .or_else(|_| load(&ManifestArgs { vars: Vec::new(), ..other.clone() }, SecretUse::Ignored));
    let loaded = loaded.map_err(|error| {
        let label = explained(&error);
        wrong(format!("{shown}: {label}"), format!("`bfd validate {shown}` says what is wrong"))
    })?;
    let address = Address::new("image", &image).map_err(|error| {
        wrong(error.to_string(), "write the name of an image of that manifest".to_owned())
    })?;
    if loaded.graph.get(&address).is_none() {
        let help = "write the name of an image of that manifest".to_owned();
        return Err(wrong(format!("{shown} declares no `{address}`"), help));
    }
    // Not what a run there is still trying out.
    let snapshot = loaded.store.load().await.map_err(|error| {
        let label = explained(&error);
        let help = format!("`bfd status {shown}` looks at it by itself");
        wrong(format!("the state of {shown}: {label}"), help)
    })?;
    let not_yet = || {
        let label = format!("`{address}` has no digest in {shown} yet");
        wrong(label, format!("`bfd apply {shown}` first: what runs there is what is promoted"))
    };
    let recorded = snapshot.state.resources.get(&address).ok_or_else(not_yet)?;
    let outputs = &recorded.outputs;
    let text = |name: &str| outputs.get(name).and_then(Value::as_str).map(str::to_owned);
    if outputs.get("fallback_active") == Some(&Value::Bool(true)) {
        return Err(not_yet());
    }
    let (Some(uri), Some(digest)) = (text("uri"), text("digest")) else { return Err(not_yet()) };
    let platforms = recorded.inputs.get("platforms").cloned();
    Ok(Promoted { uri, digest, platforms })
}

/// As if it had been written: the image there, by its digest.
fn take(resource: &mut Resource, Promoted { uri, digest, platforms }: Promoted) {
    let platforms = platforms.map(|platforms| ("platforms".to_owned(), Expr::from(platforms)));
    resource.inputs.extend(platforms);
    resource.inputs.remove("promoted");
    if resource.inputs.contains_key("origin") {
        resource.inputs.insert("content".to_owned(), digest.into());
    } else {
        resource.inputs.insert("uri".to_owned(), uri.clone().into());
        resource.inputs.insert("digest".to_owned(), digest.into());
    }
    resource.inputs.insert("source".to_owned(), uri.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::Span;

    fn image(inputs: &[(&str, &str)]) -> Resource {
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        Resource {
            address: Address::new("image", "web").unwrap(),
            inputs: inputs.collect(),
            depends_on: [].into(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        }
    }

    fn promoted_to(inputs: &[(&str, &str)]) -> Inputs {
        let mut image = image(inputs);
        let (uri, digest) = ("r.io/qa/web@sha256:1".to_owned(), "sha256:1".to_owned());
        take(&mut image, Promoted { uri, digest, platforms: None });
        image.inputs
    }

    #[test]
    fn what_is_promoted_is_copied_by_its_digest_or_used_where_it_is() {
        let copied = [
            ("content", "sha256:1"),
            ("origin", "copy"),
            ("repository", "web"),
            ("source", "r.io/qa/web@sha256:1"),
        ];
        let inputs = [("origin", "copy"), ("promoted", "-"), ("repository", "web")];
        assert_eq!(promoted_to(&inputs), image(&copied).inputs);
        let used = [
            ("digest", "sha256:1"),
            ("source", "r.io/qa/web@sha256:1"),
            ("uri", "r.io/qa/web@sha256:1"),
        ];
        assert_eq!(promoted_to(&[("promoted", "-")]), image(&used).inputs);
    }

    #[tokio::test]
    async fn what_an_image_is_made_of_is_filled_in_or_told_with_its_causes() {
        let directory = tempfile::tempdir().unwrap();
        let make = Expr::Map([("context".to_owned(), "app".into())].into());
        let mut built = image(&[("origin", "context")]);
        built.inputs.insert("make".to_owned(), make);

        let problem = content(&mut built, directory.path()).await.unwrap_err();
        assert_eq!(problem.code, "image::unreadable");
        assert!(problem.labels[0].text.contains("app: No such file"), "{problem:?}");

        let app = directory.path().join("app");
        std::fs::create_dir(&app).unwrap();
        std::fs::write(app.join("Dockerfile"), "FROM scratch").unwrap();
        content(&mut built, directory.path()).await.unwrap();
        let hash = built.inputs["content"].as_str().unwrap().to_owned();
        assert!(hash.starts_with("sha256:") && !built.inputs.contains_key("digest"));
        // Of no use where nothing stands in for it.
        assert!(!built.inputs.contains_key("unbuildable"));
        std::fs::write(app.join("file"), "").unwrap();
        content(&mut built, directory.path()).await.unwrap();
        assert_ne!(built.inputs["content"].as_str(), Some(hash.as_str()));

        // What changes with every run.
        std::fs::create_dir(app.join(".bfd")).unwrap();
        let problem = content(&mut built, directory.path()).await.unwrap_err();
        assert!(problem.labels[0].text.contains("app/.bfd is where bfd keeps its state"));
        assert_eq!(problem.help.as_deref(), Some("list `.bfd` in `.dockerignore`"));
        std::fs::write(app.join(".dockerignore"), ".bfd").unwrap();
        content(&mut built, directory.path()).await.unwrap();
    }
}
