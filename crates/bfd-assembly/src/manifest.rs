//! One `manifest.json`, and the artifacts it names.

use crate::{
    asset::AssetManifest,
    files::{join, shown},
    metadata,
    node::Node,
    problem::{Problem, ProblemKind, Warning},
    read::Reader,
    stack::{self, Place, SYNTHESISE_AGAIN, Stack},
    words::nearest,
};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The newest version of the schema that this was compared with, `@aws-cdk/cloud-assembly-schema`
/// of the CLI 2.1148.1.
pub(crate) const NEWEST_KNOWN_VERSION: u64 = 55;

/// A manifest that has been read.
pub(crate) struct Manifest {
    pub(crate) file: PathBuf,
    /// The directory of the manifest around it, and the artifact there that is this one.
    pub(crate) parent: Option<(PathBuf, String)>,
    pub(crate) artifacts: BTreeMap<String, Artifact>,
}

pub(crate) struct Artifact {
    pub(crate) pointer: String,
    /// JSON pointers, and ids.
    pub(crate) dependencies: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What there is to do for an artifact.
pub(crate) enum Body {
    Stack(Box<Stack>),
    Assets(Box<AssetManifest>),
    /// Read what is in that directory.
    Nested(PathBuf),
    /// Nothing.
    Inert,
    /// Nobody knows.
    Unknown(String),
    /// What is wrong has been noted.
    Broken,
}

/// Types of which nothing is deployed. From the schema.
const INERT: &[&str] = &["none", "cdk:tree", "cdk:feature-flag-report"];

/// Reads the artifacts of a manifest.
pub(crate) fn read(
    reader: &Reader<'_>,
    place: Place<'_>,
    root: &Node<'_>,
) -> BTreeMap<String, Artifact> {
    if !root.is_object() {
        return BTreeMap::new();
    }
    check_version(reader, place.manifest, root);
    check_missing(root);
    // An assembly without artifacts is one without stacks.
    let artifacts = root.field("artifacts").map(|it| it.fields()).unwrap_or_default();
    let artifacts = artifacts
        .into_iter()
        .map(|(id, node)| (id.to_owned(), read_artifact(reader, place, id, &node)));
    artifacts.collect()
}

/// Looks at the version of a manifest or of an asset manifest.
pub(crate) fn check_version(reader: &Reader<'_>, file: &Path, root: &Node<'_>) {
    let Some(node) = root.required("version") else { return };
    let Some(text) = node.text() else { return };
    match text.split('.').next().unwrap_or_default().parse() {
        Ok(version) if version > NEWEST_KNOWN_VERSION => {
            let (file, known) = (file.to_owned(), NEWEST_KNOWN_VERSION);
            reader.warnings.borrow_mut().insert(Warning::NewerSchema { file, version, known });
        }
        Ok(_) => {}
        Err(_) => node.problem(ProblemKind::Shape, format!("`{text}` is no version")),
    }
}

fn check_missing(root: &Node<'_>) {
    let missing = root.field("missing").map(|it| it.items()).unwrap_or_default();
    for node in missing {
        let name = |field: &str| node.value().get(field).and_then(Value::as_str);
        let what = name("key").or_else(|| name("provider")).unwrap_or("something");
        node.problem_with_help(
            ProblemKind::MissingContext,
            format!("the CDK could not look up `{what}`, so the templates hold made-up values"),
            "run `cdk synth` with credentials of that account, and keep the `cdk.context.json` \
             that it writes",
        );
    }
}

fn read_artifact(reader: &Reader<'_>, place: Place<'_>, id: &str, node: &Node<'_>) -> Artifact {
    let pointer = node.pointer().to_owned();
    if !node.is_object() {
        return Artifact { pointer, dependencies: Vec::new(), body: Body::Broken };
    }
    let dependencies = node.field("dependencies").map(|it| it.items()).unwrap_or_default();
    let dependencies =
        dependencies.iter().filter_map(|it| Some((it.pointer().to_owned(), it.text()?)));
    let dependencies = dependencies.collect();
    let body = read_body(reader, place, id, node).unwrap_or(Body::Broken);
    Artifact { pointer, dependencies, body }
}

fn read_body(reader: &Reader<'_>, place: Place<'_>, id: &str, node: &Node<'_>) -> Option<Body> {
    let kind = node.required_text("type")?;
    match kind.as_str() {
        "aws:cloudformation:stack" => {
            let mut stack = stack::read(place, id, node)?;
            read_metadata(reader, place, node, &mut stack);
            Some(Body::Stack(Box::new(stack)))
        }
        "cdk:asset-manifest" => {
            let properties = node.required("properties").filter(Node::is_object)?;
            let manifest = reader.asset_manifest(place, &properties)?;
            Some(Body::Assets(Box::new(manifest)))
        }
        "cdk:cloud-assembly" => {
            let properties = node.required("properties").filter(Node::is_object)?;
            let directory = properties.required_text("directoryName")?;
            Some(Body::Nested(join(place.directory, &directory)))
        }
        kind if INERT.contains(&kind) => Some(Body::Inert),
        _ => Some(Body::Unknown(kind)),
    }
}

/// Adds what the constructs of a stack say against deploying it.
fn read_metadata(reader: &Reader<'_>, place: Place<'_>, node: &Node<'_>, stack: &mut Stack) {
    let file = node.text_of("additionalMetadataFile").map(|name| join(place.directory, &name));
    // The errors that constructs report are there and nowhere else: without it nothing can be said
    // to be free of them.
    let outside = file.as_ref().and_then(|path| match reader.metadata(path) {
        Ok(value) => Some(value),
        Err(error) => {
            let detail = format!("cannot read the metadata `{}`: {error}", shown(path));
            node.problem_with_help(ProblemKind::Unreadable, detail, SYNTHESISE_AGAIN);
            None
        }
    });
    let here = node.value().get("metadata");
    let file = file.as_deref().unwrap_or(place.manifest);
    let here = here.map(|value| (place.manifest, format!("{}/metadata", node.pointer()), value));
    let outside = outside.as_ref().map(|value| (file, String::new(), value));
    for (file, pointer, metadata) in here.into_iter().chain(outside) {
        for entry in metadata::entries(metadata) {
            let construct = entry.construct;
            let message = entry.data.as_str().unwrap_or_default();
            match entry.kind {
                "aws:cdk:error" => {
                    let detail = format!("`{construct}`: {message}");
                    stack.annotations.push(
                        Problem::new(ProblemKind::Annotation, file, pointer.clone(), detail)
                            .help("correct it in the application, and run `cdk synth` again"),
                    );
                }
                "aws:cdk:asset" => {
                    let detail = format!("`{construct}` has an asset that no asset manifest names");
                    stack.annotations.push(
                        Problem::new(ProblemKind::LegacyAsset, file, pointer.clone(), detail).help(
                            "use the `DefaultStackSynthesizer` instead of the \
                                 `LegacyStackSynthesizer`, and run `cdk synth` again",
                        ),
                    );
                }
                "aws:cdk:warning" => {
                    let (construct, message) = (construct.to_owned(), message.to_owned());
                    stack.warnings.push(Warning::Annotation { construct, message });
                }
                _ => {}
            }
        }
    }
}

/// Notes dependencies on what is not there, and on what nobody knows how to deploy.
pub(crate) fn check_dependencies(reader: &Reader<'_>) {
    for (directory, manifest) in &reader.manifests {
        for artifact in manifest.artifacts.values() {
            if matches!(artifact.body, Body::Inert | Body::Unknown(_)) {
                continue;
            }
            for (pointer, id) in &artifact.dependencies {
                let problem = |kind, detail: String, help: &str| {
                    let problem = Problem::new(kind, &manifest.file, pointer.clone(), detail);
                    reader.problems.borrow_mut().push(problem.help(help));
                };
                let Some((at, found)) = reader.resolve(directory, id) else {
                    let known = manifest.artifacts.keys().map(String::as_str);
                    let help = nearest(id, known).map_or_else(
                        || SYNTHESISE_AGAIN.to_owned(),
                        |name| format!("did you mean `{name}`?"),
                    );
                    let detail = format!("there is no artifact `{id}`");
                    problem(ProblemKind::UnknownDependency, detail, &help);
                    continue;
                };
                if let Body::Unknown(kind) = &reader.manifests[at].artifacts[found].body {
                    problem(
                        ProblemKind::UnknownArtifact,
                        format!("`{id}` has the type `{kind}`"),
                        "deploy it with `cdk deploy`, or use a newer version of bfd",
                    );
                }
            }
        }
    }
}

/// What of a manifest matters for deploying: no report on it, no metadata, no versions.
pub(crate) fn essence(manifest: &Value) -> Value {
    let Some(fields) = manifest.as_object() else { return manifest.clone() };
    let artifacts = fields.get("artifacts").and_then(Value::as_object).into_iter().flatten();
    let artifacts = artifacts.filter(|(_, artifact)| {
        let kind = artifact.get("type").and_then(Value::as_str);
        !kind.is_some_and(|kind| INERT.contains(&kind))
    });
    let artifacts = artifacts.map(|(id, artifact)| {
        let mut artifact = artifact.clone();
        let tags = metadata::stack_tags(&artifact);
        if let Value::Object(fields) = &mut artifact {
            fields.remove("metadata");
            fields.remove("additionalMetadataFile");
            if !tags.is_empty() {
                fields.insert("tags".to_owned(), tags.into_iter().collect());
            }
        }
        (id.clone(), artifact)
    });
    let artifacts: Map<String, Value> = artifacts.collect();
    Value::Object([("artifacts".to_owned(), Value::Object(artifacts))].into_iter().collect())
}
