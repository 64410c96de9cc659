//! Container images that are published before a stack.

use crate::{
    asset::{of_destination, region_and_role},
    environment::{Environment, Placeholders as _},
    files::join,
    node::Node,
    problem::ProblemKind,
    stack::Role,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// An image, and the repositories it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageAsset {
    /// For people: the construct's path.
    pub display_name: Option<String>,
    pub source: ImageSource,
    /// By names that the CDK made.
    pub destinations: BTreeMap<String, ImageDestination>,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    Build(Box<ImageBuild>),
    /// A command that prints the name of a local image. bfd does not run it:
    /// [`Assembly::check`](crate::Assembly::check) says so.
    Executable(Vec<String>),
}

/// How an image is built. All that `docker build` is given by the CDK's CLI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageBuild {
    /// The build context, relative to the directory of the assembly, or absolute.
    pub directory: PathBuf,
    /// Relative to the build context; by default `Dockerfile`.
    pub dockerfile: Option<PathBuf>,
    /// The stage to build; by default the last.
    pub target: Option<String>,
    pub arguments: BTreeMap<String, String>,
    /// Further contexts by name: a path from the build context, or an address.
    pub contexts: BTreeMap<String, String>,
    /// By the id that `RUN --mount=type=secret,id=…` asks for.
    pub secrets: BTreeMap<String, BuildSecret>,
    /// What `--ssh` takes: `default`, or `ID=PATH`.
    pub ssh: Option<String>,
    /// Such as `linux/arm64`; by default the builder's own.
    pub platform: Option<String>,
    /// The network that `RUN` has.
    pub network_mode: Option<String>,
    /// What `--output` takes.
    pub outputs: Vec<String>,
    pub cache_from: Vec<Cache>,
    pub cache_to: Option<Cache>,
    pub is_cache_disabled: bool,
}

/// Where the value of a build's secret is. The assembly never has the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildSecret {
    /// A variable of the environment.
    Environment(String),
    /// A file, from the build context.
    File(PathBuf),
    /// Something else, which is not kept: it could be the value.
    /// [`Assembly::check`](crate::Assembly::check) says so.
    Other,
}

/// What a build may need that not every builder, or not every way to call one, has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum BuildOption {
    /// [`ImageBuild::contexts`]
    #[error("dockerBuildContexts")]
    Contexts,
    /// [`ImageBuild::ssh`]
    #[error("dockerBuildSsh")]
    Ssh,
    /// [`ImageBuild::network_mode`]
    #[error("networkMode")]
    NetworkMode,
    /// [`ImageBuild::outputs`]
    #[error("dockerOutputs")]
    Outputs,
    /// [`ImageBuild::is_cache_disabled`]
    #[error("cacheDisabled")]
    NoCache,
}

/// Where layers are kept between builds: what `--cache-from` and `--cache-to` take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Such as `registry`.
    pub kind: String,
    pub parameters: BTreeMap<String, String>,
}

impl fmt::Display for Cache {
    /// As `--cache-from` takes it: `type=registry,ref=…`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "type={}", self.kind)?;
        self.parameters.iter().try_for_each(|(name, value)| write!(formatter, ",{name}={value}"))
    }
}

/// A tag in a repository. Texts may have placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDestination {
    pub repository: String,
    pub tag: String,
    /// The repository's; `None` for the region of the stack.
    pub region: Option<String>,
    pub role: Option<Role>,
}

impl ImageDestination {
    /// The same with every placeholder replaced, and with a region.
    #[must_use]
    pub fn resolved(&self, environment: &Environment) -> Self {
        let environment = of_destination(self.region.as_ref(), environment);
        let mut resolved = self.clone();
        resolved.repository.fill(&environment);
        resolved.tag.fill(&environment);
        resolved.role.fill(&environment);
        resolved.region = Some(environment.region);
        resolved
    }
}

impl ImageBuild {
    /// Which of the options this build needs.
    pub fn options(&self) -> BTreeSet<BuildOption> {
        let needed = [
            (BuildOption::Contexts, !self.contexts.is_empty()),
            (BuildOption::Ssh, self.ssh.is_some()),
            (BuildOption::NetworkMode, self.network_mode.is_some()),
            (BuildOption::Outputs, !self.outputs.is_empty()),
            (BuildOption::NoCache, self.is_cache_disabled),
        ];
        needed.into_iter().filter(|(_, is_needed)| *is_needed).map(|(option, _)| option).collect()
    }

    /// The Dockerfile, relative to the directory of the assembly.
    pub fn dockerfile_path(&self) -> PathBuf {
        let name = self.dockerfile.as_deref().unwrap_or(Path::new("Dockerfile"));
        self.directory.join(name)
    }
}

impl Cache {
    /// As a builder's option takes it: `type=registry,ref=…`.
    pub fn to_option(&self) -> String {
        let parameters = self.parameters.iter();
        parameters.fold(format!("type={}", self.kind), |text, (name, value)| {
            text + "," + name + "=" + value
        })
    }
}

impl BuildSecret {
    /// Reads what the CDK puts behind `id=ID,`: comma-separated fields, with the names that
    /// `docker build --secret` takes.
    fn parse(text: &str) -> Self {
        let mut kind = None;
        let mut source = None;
        let mut variable = None;
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("type", value)) if kind.is_none() => kind = Some(value),
                Some(("src" | "source", value)) if source.is_none() => source = Some(value),
                Some(("env", value)) if variable.is_none() => variable = Some(value),
                _ => return Self::Other,
            }
        }
        // With `type=env` docker takes `src` as the name of a variable too.
        match (kind, source, variable) {
            (None | Some("file"), Some(path), None) if !path.is_empty() => Self::File(path.into()),
            (None | Some("env"), None, Some(name)) | (Some("env"), Some(name), None)
                if !name.is_empty() =>
            {
                Self::Environment(name.to_owned())
            }
            _ => Self::Other,
        }
    }
}

pub(crate) fn read(directory: &Path, node: &Node<'_>) -> Option<ImageAsset> {
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
        let (repository, tag) =
            (node.required_text("repositoryName"), node.required_text("imageTag"));
        let (region, role) = region_and_role(&node);
        let destination = ImageDestination { repository: repository?, tag: tag?, region, role };
        Some((name.to_owned(), destination))
    });
    let destinations = destinations.collect();
    let display_name = node.text_of("displayName");
    Some(ImageAsset { display_name, source: source?, destinations })
}

fn read_source(directory: &Path, source: &Node<'_>) -> Option<ImageSource> {
    if let Some(command) = source.field("executable") {
        return Some(ImageSource::Executable(command.texts()));
    }
    let texts = |name: &str| source.field(name).map(|it| it.text_map()).unwrap_or_default();
    let secrets = texts("dockerBuildSecrets").into_iter();
    let cache_from = source.field("cacheFrom").map(|it| it.items()).unwrap_or_default();
    let build = ImageBuild {
        directory: PathBuf::new(),
        dockerfile: source.text_of("dockerFile").map(PathBuf::from),
        target: source.text_of("dockerBuildTarget"),
        arguments: texts("dockerBuildArgs"),
        contexts: texts("dockerBuildContexts"),
        secrets: secrets.map(|(id, text)| (id, BuildSecret::parse(&text))).collect(),
        ssh: source.text_of("dockerBuildSsh"),
        platform: source.text_of("platform"),
        network_mode: source.text_of("networkMode"),
        outputs: source.field("dockerOutputs").map(|it| it.texts()).unwrap_or_default(),
        cache_from: cache_from.iter().filter_map(read_cache).collect(),
        cache_to: source.field("cacheTo").as_ref().and_then(read_cache),
        is_cache_disabled: source
            .field("cacheDisabled")
            .and_then(|it| it.boolean())
            .unwrap_or_default(),
    };
    let directory = join(directory, &source.required_text("directory")?);
    Some(ImageSource::Build(Box::new(ImageBuild { directory, ..build })))
}

fn read_cache(node: &Node<'_>) -> Option<Cache> {
    if !node.is_object() {
        return None;
    }
    let parameters = node.field("params").map(|it| it.text_map()).unwrap_or_default();
    let kind = node.required_text("type")?;
    if kind.contains(',') {
        node.problem(ProblemKind::Shape, format!("`{kind}` is no type of a cache"));
        return None;
    }
    Some(Cache { kind, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_files_or_variables() {
        let parse = BuildSecret::parse;
        let variable = |name: &str| BuildSecret::Environment(name.to_owned());

        assert_eq!(parse("src=/run/token"), BuildSecret::File("/run/token".into()));
        assert_eq!(parse("type=file,source=token"), BuildSecret::File("token".into()));
        assert_eq!(parse("env=TOKEN"), variable("TOKEN"));
        assert_eq!(parse("type=env,env=TOKEN"), variable("TOKEN"));
        assert_eq!(parse("type=env,src=TOKEN"), variable("TOKEN"));
        for other in ["", "token", "type=vault,src=a", "src=a,env=B", "src=", "src=a,src=b"] {
            assert_eq!(parse(other), BuildSecret::Other, "{other}");
        }
    }

    #[test]
    fn a_cache_is_an_option() {
        let parameters = [("ref", "example/cache"), ("mode", "max")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cache = Cache { kind: "registry".to_owned(), parameters: parameters.into() };

        assert_eq!(cache.to_option(), "type=registry,mode=max,ref=example/cache");
    }
}
