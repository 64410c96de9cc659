//! What is published before a stack, and the files of it.

use crate::{
    environment::{Environment, Placeholders},
    files::join,
    image::{self, ImageAsset},
    node::Node,
    problem::ProblemKind,
    stack::{Bootstrap, Role, StackId, read_role},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The assets that an artifact of the type `cdk:asset-manifest` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetManifest {
    /// Relative to the directory of the assembly.
    pub path: PathBuf,
    pub bootstrap: Option<Bootstrap>,
    /// The stacks that have to be there before: those that make its buckets and repositories.
    pub dependencies: BTreeSet<StackId>,
    /// By their ids, which are hashes that the CDK made.
    pub files: BTreeMap<String, FileAsset>,
    pub images: BTreeMap<String, ImageAsset>,
}

/// A file, or a directory that is archived, and the buckets it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAsset {
    /// For people: the construct's path.
    pub display_name: Option<String>,
    pub source: FileSource,
    /// By names that the CDK made.
    pub destinations: BTreeMap<String, FileDestination>,
}

/// Where the content of a file asset comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// Relative to the directory of the assembly, or absolute when the application does not stage
    /// its assets.
    Path { path: PathBuf, packaging: Packaging },
    /// A command that prints the path of an archive. bfd does not run it:
    /// [`Assembly::check`](crate::Assembly::check) says so.
    Executable(Vec<String>),
}

/// What is done with the content before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packaging {
    /// Nothing.
    File,
    /// The directory becomes an archive.
    Zip,
}

/// A place in a bucket. Texts may have placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDestination {
    pub bucket: String,
    pub key: String,
    /// The bucket's; `None` for the region of the stack.
    pub region: Option<String>,
    pub role: Option<Role>,
}

impl AssetManifest {
    /// Replaces every placeholder of every destination. A destination with a region of its own has
    /// that, as with the CDK's CLI.
    pub(crate) fn fill_for(&mut self, environment: &Environment) {
        self.bootstrap.fill(environment);
        let files = self.files.values_mut().flat_map(|it| it.destinations.values_mut());
        files.for_each(|it| *it = it.resolved(environment));
        let images = self.images.values_mut().flat_map(|it| it.destinations.values_mut());
        images.for_each(|it| *it = it.resolved(environment));
    }
}

impl FileDestination {
    /// The same with every placeholder replaced, and with a region.
    #[must_use]
    pub fn resolved(&self, environment: &Environment) -> Self {
        let environment = of_destination(self.region.as_ref(), environment);
        let mut resolved = self.clone();
        resolved.bucket.fill(&environment);
        resolved.key.fill(&environment);
        resolved.role.fill(&environment);
        resolved.region = Some(environment.region);
        resolved
    }
}

/// The environment of a destination that may name its region.
pub(crate) fn of_destination(region: Option<&String>, environment: &Environment) -> Environment {
    let region = region.map_or_else(|| environment.region.clone(), |it| environment.replace(it));
    Environment { account: environment.account.clone(), region }
}

/// Reads an asset manifest. `path` is its own.
pub(crate) fn read(path: &Path, bootstrap: Option<Bootstrap>, root: &Node<'_>) -> AssetManifest {
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut manifest = AssetManifest {
        path: path.to_owned(),
        bootstrap,
        dependencies: BTreeSet::new(),
        files: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    if !root.is_object() {
        return manifest;
    }
    let assets = |name: &str| root.field(name).map(|it| it.fields()).unwrap_or_default();
    for (id, node) in assets("files") {
        if let Some(asset) = read_file(directory, &node) {
            manifest.files.insert(id.to_owned(), asset);
        }
    }
    for (id, node) in assets("dockerImages") {
        if let Some(asset) = image::read(directory, &node) {
            manifest.images.insert(id.to_owned(), asset);
        }
    }
    manifest
}

fn read_file(directory: &Path, node: &Node<'_>) -> Option<FileAsset> {
    if !node.is_object() {
        return None;
    }
    let source = node.required("source").filter(Node::is_object);
    let source = source.and_then(|source| read_source(directory, &source));
    let destinations = node.required("destinations").map(|it| it.fields()).unwrap_or_default();
    let destinations = destinations.into_iter().filter_map(|(name, node)| {
        if !node.is_object() {
            return None;
        }
        let (bucket, key) = (node.required_text("bucketName"), node.required_text("objectKey"));
        let (region, role) = region_and_role(&node);
        Some((name.to_owned(), FileDestination { bucket: bucket?, key: key?, region, role }))
    });
    let destinations = destinations.collect();
    let display_name = node.text_of("displayName");
    Some(FileAsset { display_name, source: source?, destinations })
}

pub(crate) fn region_and_role(node: &Node<'_>) -> (Option<String>, Option<Role>) {
    (node.text_of("region"), read_role(node, "assumeRoleArn", "assumeRole"))
}

fn read_source(directory: &Path, source: &Node<'_>) -> Option<FileSource> {
    if let Some(command) = source.field("executable") {
        return Some(FileSource::Executable(command.texts()));
    }
    let packaging = match source.field("packaging") {
        None => Some(Packaging::File),
        Some(node) => read_packaging(&node),
    };
    let path = join(directory, &source.required_text("path")?);
    Some(FileSource::Path { path, packaging: packaging? })
}

fn read_packaging(node: &Node<'_>) -> Option<Packaging> {
    let text = node.text()?;
    match text.as_str() {
        "file" => Some(Packaging::File),
        "zip" => Some(Packaging::Zip),
        other => {
            let detail = format!("`{other}` is no packaging: there are `file` and `zip`");
            node.problem(ProblemKind::Shape, detail);
            None
        }
    }
}
