//! What would fail, found before AWS is asked.

use crate::{
    assembly::Assembly,
    asset::{FileSource, Packaging},
    environment::Environment,
    files::{Entry, Files, shown},
    image::{BuildOption, BuildSecret, ImageBuild, ImageSource},
    problem::{Problem, ProblemKind, Problems},
    stack::{Bootstrap, SYNTHESISE_AGAIN, Stack},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// A version of the bootstrap stack that AWS has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapRequirement {
    /// The least that all of these stacks and their assets are content with.
    pub version: u64,
    /// The hierarchical ids of the stacks.
    pub stacks: BTreeSet<String>,
}

impl Assembly {
    /// Looks for everything that would fail later, for stacks that are deployed by somebody in
    /// `deployer`: templates and assets that are not there or that bfd cannot make, stacks of one
    /// name, stacks that belong elsewhere, errors of the application. `options` are those that
    /// builds of images may have.
    ///
    /// # Errors
    ///
    /// All that was found.
    pub fn check(
        &self,
        stacks: &[&Stack],
        deployer: &Environment,
        options: &BTreeSet<BuildOption>,
        files: &dyn Files,
    ) -> Result<(), Problems> {
        let checks = Checks { assembly: self, options, files };
        let mut problems = Vec::new();
        for stack in stacks {
            problems.extend(stack.annotations.iter().cloned());
            problems.extend(checks.template(stack));
            problems.extend(other_environment(stack, deployer));
            problems.extend(unknown_bootstrap(stack));
            checks.assets(stack, &mut problems);
        }
        problems.extend(same_names(stacks, deployer));
        Problems::unless_none(problems)
    }

    /// What has to be asked of AWS before: the versions of the bootstrap stack, by environment and
    /// by the name of the SSM parameter that has them. Placeholders are replaced.
    ///
    /// Those without a parameter are problems of [`Assembly::check`] instead.
    pub fn bootstrap_requirements(
        &self,
        stacks: &[&Stack],
        deployer: &Environment,
    ) -> BTreeMap<(Environment, String), BootstrapRequirement> {
        let mut requirements = BTreeMap::new();
        for stack in stacks {
            let environment = stack.environment.within(deployer);
            for Bootstrap { version, parameter } in bootstraps(stack) {
                let Some(parameter) = parameter else { continue };
                let key = (environment.clone(), environment.replace(parameter));
                let requirement = requirements.entry(key).or_insert_with(|| BootstrapRequirement {
                    version: 0,
                    stacks: BTreeSet::new(),
                });
                requirement.version = requirement.version.max(*version);
                requirement.stacks.insert(stack.hierarchical_id.clone());
            }
        }
        requirements
    }
}

/// What a stack and its assets require.
fn bootstraps(stack: &Stack) -> impl Iterator<Item = &Bootstrap> {
    let of_assets = stack.asset_manifests.iter().filter_map(|it| it.bootstrap.as_ref());
    stack.bootstrap.iter().chain(of_assets)
}

fn unknown_bootstrap(stack: &Stack) -> Option<Problem> {
    let version = bootstraps(stack).filter(|it| it.parameter.is_none()).map(|it| it.version).max();
    let detail = format!(
        "`{}` requires version {} of the bootstrap stack, and does not name the parameter that \
         has it",
        stack.hierarchical_id, version?
    );
    let problem = at(stack, ProblemKind::BootstrapVersion, "/properties", detail);
    Some(problem.help("synthesise it with version 2 of the CDK"))
}

fn other_environment(stack: &Stack, deployer: &Environment) -> Option<Problem> {
    let declared = &stack.environment;
    let target = declared.within(deployer);
    if target == *deployer {
        return None;
    }
    let what = match (target.account == deployer.account, target.region == deployer.region) {
        (false, true) => "account",
        (true, _) => "region",
        (false, false) => "account and region",
    };
    let detail = format!("`{}` is for {declared}, and not for {deployer}", stack.hierarchical_id);
    let problem = at(stack, ProblemKind::OtherEnvironment, "/environment", detail);
    Some(problem.help(format!(
        "deploy it from an environment with that {what}, leave it out with `!{}` (and with \
         `exclusively = true`, where others depend on it), or run `cdk synth` for this {what}",
        stack.hierarchical_id
    )))
}

fn same_names(stacks: &[&Stack], deployer: &Environment) -> Vec<Problem> {
    let mut first: BTreeMap<(Environment, String), &Stack> = BTreeMap::new();
    let mut problems = Vec::new();
    for stack in stacks {
        let environment = stack.environment.within(deployer);
        let name = environment.replace(&stack.name);
        if let Some(other) = first.get(&(environment.clone(), name.clone())) {
            let (one, two) = (&other.hierarchical_id, &stack.hierarchical_id);
            let detail = format!("`{one}` and `{two}` are both `{name}` in {environment}");
            let problem = at(stack, ProblemKind::SameName, "/properties/stackName", detail);
            problems.push(problem.help("give one of them another `stackName`"));
        } else {
            first.insert((environment, name), stack);
        }
    }
    problems
}

/// A problem at an artifact.
fn at(stack: &Stack, kind: ProblemKind, below: &str, detail: String) -> Problem {
    Problem::new(kind, &stack.manifest, format!("{}{below}", stack.pointer), detail)
}

struct Checks<'c> {
    assembly: &'c Assembly,
    options: &'c BTreeSet<BuildOption>,
    files: &'c dyn Files,
}

impl Checks<'_> {
    fn entry(&self, path: &Path) -> io::Result<Entry> {
        self.files.entry(&self.assembly.directory().join(path))
    }

    fn template(&self, stack: &Stack) -> Option<Problem> {
        let path = &stack.template.path;
        let what = match self.entry(path) {
            Ok(Entry::File { .. }) => return None,
            Ok(Entry::Directory) => "it is a directory".to_owned(),
            Err(error) => error.to_string(),
        };
        let detail =
            format!("the template of `{}`, `{}`: {what}", stack.hierarchical_id, shown(path));
        let problem = at(stack, ProblemKind::MissingTemplate, "/properties/templateFile", detail);
        Some(problem.help(SYNTHESISE_AGAIN))
    }

    fn assets(&self, stack: &Stack, problems: &mut Vec<Problem>) {
        for manifest in &stack.asset_manifests {
            for (id, asset) in &manifest.files {
                let place = Place::new(&manifest.path, "files", id, asset.display_name.as_ref());
                match &asset.source {
                    FileSource::Path { path, packaging } => {
                        problems.extend(self.file(&place, path, *packaging));
                    }
                    FileSource::Executable(command) => {
                        problems.push(place.executable(command, "a `path`"));
                    }
                }
            }
            for (id, asset) in &manifest.images {
                let place =
                    Place::new(&manifest.path, "dockerImages", id, asset.display_name.as_ref());
                match &asset.source {
                    ImageSource::Build(build) => {
                        problems.extend(self.image(&place, build));
                        problems.extend(secrets(&place, build));
                        let needed = build.options();
                        let missing = needed.difference(self.options);
                        problems.extend(missing.map(|option| place.option(*option)));
                    }
                    ImageSource::Executable(command) => {
                        problems.push(place.executable(command, "a `directory`"));
                    }
                }
            }
        }
    }

    fn file(&self, place: &Place<'_>, path: &Path, packaging: Packaging) -> Option<Problem> {
        let what = match (self.entry(path), packaging) {
            (Ok(Entry::File { .. }), Packaging::File) | (Ok(Entry::Directory), Packaging::Zip) => {
                return None;
            }
            (Ok(Entry::File { .. }), Packaging::Zip) => "it is no directory".to_owned(),
            (Ok(Entry::Directory), Packaging::File) => "it is a directory".to_owned(),
            (Err(error), _) => error.to_string(),
        };
        Some(place.missing("path", path, &what))
    }

    fn image(&self, place: &Place<'_>, build: &ImageBuild) -> Option<Problem> {
        let (field, path, what) = match self.entry(&build.directory) {
            Ok(Entry::Directory) => {
                let path = build.dockerfile_path();
                match self.entry(&path) {
                    Ok(Entry::File { .. }) => return None,
                    Ok(Entry::Directory) => ("dockerFile", path, "it is a directory".to_owned()),
                    Err(error) => ("dockerFile", path, error.to_string()),
                }
            }
            Ok(Entry::File { .. }) => {
                ("directory", build.directory.clone(), "it is no directory".to_owned())
            }
            Err(error) => ("directory", build.directory.clone(), error.to_string()),
        };
        Some(place.missing(field, &path, &what))
    }
}

fn secrets<'p>(place: &'p Place<'_>, build: &'p ImageBuild) -> impl Iterator<Item = Problem> + 'p {
    build.secrets.iter().filter_map(|(id, secret)| {
        let BuildSecret::Other = secret else { return None };
        let detail = format!("the secret `{id}` of {} comes from somewhere unknown", place.name);
        let field = format!("dockerBuildSecrets/{}", id.replace('~', "~0").replace('/', "~1"));
        let problem = place.problem(ProblemKind::BuildSecret, &field, detail);
        Some(problem.help("use `DockerBuildSecret.fromSrc`, or `env=NAME` for a variable"))
    })
}

/// An asset in its manifest.
struct Place<'p> {
    file: &'p Path,
    pointer: String,
    name: String,
}

impl<'p> Place<'p> {
    fn new(file: &'p Path, list: &str, id: &str, display_name: Option<&String>) -> Self {
        let escaped = id.replace('~', "~0").replace('/', "~1");
        let name = format!("`{}`", display_name.map_or(id, String::as_str));
        Self { file, pointer: format!("/{list}/{escaped}/source"), name }
    }

    fn problem(&self, kind: ProblemKind, field: &str, detail: String) -> Problem {
        Problem::new(kind, self.file, format!("{}/{field}", self.pointer), detail)
    }

    fn missing(&self, field: &str, path: &Path, what: &str) -> Problem {
        let detail = format!("{} is made of `{}`: {what}", self.name, shown(path));
        self.problem(ProblemKind::MissingAsset, field, detail).help(SYNTHESISE_AGAIN)
    }

    fn option(&self, option: BuildOption) -> Problem {
        let field = option.to_string();
        let detail = format!("{} is built with `{field}`, which bfd does not pass on", self.name);
        self.problem(ProblemKind::BuildOption, &field, detail)
            .help("build it without that, or deploy this stack with `cdk deploy`")
    }

    fn executable(&self, command: &[String], instead: &str) -> Problem {
        let program = command.first().map_or("", String::as_str);
        let detail = format!("{} is made by `{program}`, which bfd does not run", self.name);
        self.problem(ProblemKind::ExecutableAsset, "executable", detail).help(format!(
            "run it before `cdk synth`, and make an asset with {instead} of what it writes; or \
             deploy this stack with `cdk deploy`"
        ))
    }
}
