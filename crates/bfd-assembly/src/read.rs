//! Reading all manifests of an assembly, one after the other.

use crate::{
    asset::{self, AssetManifest},
    files::{Files, join, shown},
    hash::{Digest, canonical, digest_of},
    manifest::{self, Body, Manifest},
    node::{Node, Source},
    problem::{Problem, ProblemKind, Problems, Warning},
    stack::{Place, SYNTHESISE_AGAIN, Stack, StackId},
};
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// More than anybody has, and few enough that links in circles come to an end.
const MOST_MANIFESTS: usize = 1000;

/// What has been read so far.
pub(crate) struct Reader<'f> {
    root: &'f Path,
    files: &'f dyn Files,
    pub(crate) problems: RefCell<Vec<Problem>>,
    pub(crate) warnings: RefCell<BTreeSet<Warning>>,
    /// Of every manifest and asset manifest.
    pub(crate) digests: RefCell<BTreeMap<PathBuf, Digest>>,
    /// By their directories.
    pub(crate) manifests: BTreeMap<PathBuf, Manifest>,
}

/// An artifact in one of the manifests.
pub(crate) type ArtifactKey<'r> = (&'r Path, &'r str);

impl<'f> Reader<'f> {
    pub(crate) fn new(root: &'f Path, files: &'f dyn Files) -> Self {
        Self {
            root,
            files,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            digests: RefCell::default(),
            manifests: BTreeMap::new(),
        }
    }

    /// Reads the outermost manifest and all below.
    ///
    /// # Errors
    ///
    /// Only when there is no assembly at all; everything else is noted.
    pub(crate) fn read_all(&mut self) -> Result<(), Problems> {
        let outermost = Path::new("manifest.json");
        let value = match self.files.read(&self.root.join(outermost)) {
            Ok(bytes) => self.parse(outermost, &bytes),
            Err(error) => return Err(Problems(vec![self.no_assembly(&error)])),
        };
        let mut open = Vec::new();
        if let Some(value) = value {
            open.extend(self.add(Path::new(""), None, &value));
        }
        while let Some(nested) = open.pop() {
            if self.manifests.len() >= MOST_MANIFESTS {
                self.problems.borrow_mut().push(nested.problem(
                    ProblemKind::Nesting,
                    format!("there are more than {MOST_MANIFESTS} assemblies in each other"),
                ));
                break;
            }
            let Some(value) = self.read_nested(&nested) else { continue };
            let parent = (nested.parent.clone(), nested.artifact.clone());
            open.extend(self.add(&nested.directory, Some(parent), &value));
        }
        Ok(())
    }

    fn no_assembly(&self, error: &io::Error) -> Problem {
        let detail = format!("cannot read it in {}: {error}", shown(self.root));
        Problem::new(ProblemKind::NotAnAssembly, Path::new("manifest.json"), "", detail)
            .help("run `cdk synth`, or name the directory that it wrote, `cdk.out` by default")
    }

    fn read_nested(&self, nested: &Nested) -> Option<Value> {
        let problem = |kind, detail: String| {
            self.problems.borrow_mut().push(nested.problem(kind, detail));
        };
        let directory = shown(&nested.directory);
        if self.manifests.contains_key(&nested.directory) {
            problem(
                ProblemKind::Nesting,
                format!("the assembly in `{directory}` is nested here, and elsewhere too"),
            );
            return None;
        }
        let path = manifest_in(&nested.directory);
        match self.files.read(&self.root.join(&path)) {
            Ok(bytes) => self.parse(&path, &bytes),
            Err(error) => {
                let detail = format!("cannot read `{}`: {error}", shown(&path));
                problem(ProblemKind::Unreadable, detail);
                None
            }
        }
    }

    fn parse(&self, path: &Path, bytes: &[u8]) -> Option<Value> {
        match serde_json::from_slice(bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                let problem = Problem::new(ProblemKind::NotJson, path, "", error.to_string());
                self.problems.borrow_mut().push(problem.help(SYNTHESISE_AGAIN));
                None
            }
        }
    }

    /// Takes a manifest apart; the assemblies nested in it come back.
    fn add(
        &mut self,
        directory: &Path,
        parent: Option<(PathBuf, String)>,
        value: &Value,
    ) -> Vec<Nested> {
        let file = manifest_in(directory);
        let source = Source { file: &file, problems: &self.problems };
        let place = Place { root: self.root, directory, manifest: &file, files: self.files };
        let root = Node::root(&source, value);
        let artifacts = manifest::read(self, place, &root);
        self.digests
            .borrow_mut()
            .insert(file.clone(), digest_of(&canonical(&manifest::essence(value))));
        let nested = artifacts.iter().filter_map(|(id, artifact)| match &artifact.body {
            Body::Nested(inner) => Some(Nested {
                directory: inner.clone(),
                parent: directory.to_owned(),
                artifact: id.clone(),
                pointer: artifact.pointer.clone(),
            }),
            _ => None,
        });
        let nested = nested.collect();
        self.manifests.insert(directory.to_owned(), Manifest { file, parent, artifacts });
        nested
    }

    /// Reads the file of an asset manifest, which `node` names.
    pub(crate) fn asset_manifest(
        &self,
        place: Place<'_>,
        properties: &Node<'_>,
    ) -> Option<AssetManifest> {
        let name = properties.required_text("file")?;
        let path = join(place.directory, &name);
        let bytes = match self.files.read(&self.root.join(&path)) {
            Ok(bytes) => bytes,
            Err(error) => {
                properties.problem_with_help(
                    ProblemKind::Unreadable,
                    format!("cannot read the asset manifest `{}`: {error}", shown(&path)),
                    SYNTHESISE_AGAIN,
                );
                return None;
            }
        };
        let value = self.parse(&path, &bytes)?;
        let source = Source { file: &path, problems: &self.problems };
        let root = Node::root(&source, &value);
        if root.is_object() {
            manifest::check_version(self, &path, &root);
        }
        self.digests.borrow_mut().insert(path.clone(), digest_of(&canonical(&value)));
        Some(asset::read(&path, crate::stack::read_bootstrap(properties), &root))
    }

    /// A file of metadata.
    pub(crate) fn metadata(&self, path: &Path) -> io::Result<Value> {
        let bytes = self.files.read(&self.root.join(path))?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    /// The artifact that an id in a manifest means: of the same manifest, else of one around it.
    pub(crate) fn resolve<'r>(&'r self, directory: &Path, id: &str) -> Option<ArtifactKey<'r>> {
        let mut next = Some(directory);
        while let Some(directory) = next {
            let (directory, manifest) = self.manifests.get_key_value(directory)?;
            if let Some((id, _)) = manifest.artifacts.get_key_value(id) {
                return Some((directory, id));
            }
            next = manifest.parent.as_ref().map(|(directory, _)| directory.as_path());
        }
        None
    }

    /// Every stack, with what it depends on.
    pub(crate) fn stacks(&self) -> Vec<Stack> {
        let mut stacks = Vec::new();
        for (directory, manifest) in &self.manifests {
            for (id, artifact) in &manifest.artifacts {
                if let Body::Stack(stack) = &artifact.body {
                    let mut reached = Reached::default();
                    self.reach((directory, id), &mut reached);
                    // A stage's dependencies are those of each stack in it.
                    let mut around = manifest.parent.as_ref();
                    while let Some((directory, id)) = around {
                        self.reach((directory, id), &mut reached);
                        around = self.manifests.get(directory).and_then(|it| it.parent.as_ref());
                    }
                    let mut stack = stack.as_ref().clone();
                    stack.dependencies = reached.stacks;
                    let assets = reached.assets.into_values().map(|(key, manifest)| {
                        let mut before = Reached::default();
                        self.reach(key, &mut before);
                        AssetManifest { dependencies: before.stacks, ..manifest.clone() }
                    });
                    stack.asset_manifests = assets.collect();
                    stacks.push(stack);
                }
            }
        }
        stacks
    }

    /// Follows the dependencies of an artifact as far as the next stacks.
    fn reach<'r>(&'r self, from: ArtifactKey<'r>, reached: &mut Reached<'r>) {
        let mut open = vec![from];
        while let Some((directory, id)) = open.pop() {
            let artifact = &self.manifests[directory].artifacts[id];
            for (_, dependency) in &artifact.dependencies {
                let Some(key) = self.resolve(directory, dependency) else { continue };
                if !reached.seen.insert(key) {
                    continue;
                }
                match &self.manifests[key.0].artifacts[key.1].body {
                    Body::Stack(stack) => {
                        reached.stacks.insert(stack.id.clone());
                    }
                    Body::Assets(manifest) => {
                        reached.assets.insert(&manifest.path, (key, manifest.as_ref()));
                        open.push(key);
                    }
                    Body::Nested(directory) => self.stacks_within(directory, &mut reached.stacks),
                    Body::Inert | Body::Unknown(_) | Body::Broken => open.push(key),
                }
            }
        }
    }

    /// Every stack of an assembly and of those nested in it.
    fn stacks_within(&self, directory: &Path, stacks: &mut BTreeSet<StackId>) {
        let mut seen = BTreeSet::new();
        let mut open = vec![directory];
        while let Some(directory) = open.pop() {
            let Some(manifest) = self.manifests.get(directory).filter(|_| seen.insert(directory))
            else {
                continue;
            };
            for artifact in manifest.artifacts.values() {
                match &artifact.body {
                    Body::Stack(stack) => {
                        stacks.insert(stack.id.clone());
                    }
                    Body::Nested(inner) => open.push(inner),
                    _ => {}
                }
            }
        }
    }
}

/// What an artifact depends on.
#[derive(Default)]
struct Reached<'r> {
    seen: BTreeSet<ArtifactKey<'r>>,
    stacks: BTreeSet<StackId>,
    assets: BTreeMap<&'r Path, (ArtifactKey<'r>, &'r AssetManifest)>,
}

/// An assembly that is still to be read, and the artifact that names it.
struct Nested {
    directory: PathBuf,
    parent: PathBuf,
    artifact: String,
    pointer: String,
}

impl Nested {
    /// A problem where it is named.
    fn problem(&self, kind: ProblemKind, detail: String) -> Problem {
        let file = manifest_in(&self.parent);
        Problem::new(kind, &file, self.pointer.clone(), detail).help(SYNTHESISE_AGAIN)
    }
}

fn manifest_in(directory: &Path) -> PathBuf {
    directory.join("manifest.json")
}
