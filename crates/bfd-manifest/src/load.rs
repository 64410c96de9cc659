use crate::{
    assemblies, cycles, declared, duplicates, extends,
    manifest::Manifest,
    options::Options,
    resources,
    scope::{Reach, Scope},
    settings,
    sources::Sources,
    variables::Variables,
};
use bfd_core::{Environment, Problem, Severity};
use std::path::Path;
use thiserror::Error;

/// Everything that is wrong with a manifest.
#[derive(Debug, Error)]
#[error("the manifest has mistakes in it")]
pub struct Failed {
    /// In the order of their places. Warnings are among them.
    pub problems: Vec<Problem>,
    /// What the spans in them point into.
    pub sources: Sources,
}

/// Reads a manifest and what it extends. Fails with every mistake in it.
pub fn load(path: &Path, options: &Options<'_>) -> Result<Manifest, Failed> {
    let mut sources = Sources::default();
    let mut tree = match extends::read(path, options, &mut sources) {
        Ok(tree) => tree,
        Err(problems) => return Err(Failed { problems: sorted(problems), sources }),
    };
    let mut problems = Vec::new();
    let mut variables = Variables::read(tree.get("vars"), options, &mut problems);
    let nothing = declared::Index::new(options.kinds);
    let nowhere = Environment::default();
    let (none, directory) = (Variables::default(), path.parent().unwrap_or(Path::new("")));
    let scope = Scope {
        options,
        sources: &sources,
        directory,
        environment: &nowhere,
        variables: &none,
        declared: &nothing,
        reach: Reach::Environment,
    };
    // Variables may say the environment, and the environment variables: first the
    // plain ones are used, then the others are completed.
    let environment =
        settings::environment(&tree, &Scope { variables: &variables, ..scope }, &mut problems);
    let scope = Scope { environment: &environment, reach: Reach::Variables, ..scope };
    variables.expand(&scope, &mut problems);
    // What applications have is declared before anything refers to it.
    let scope = Scope { variables: &variables, reach: Reach::Everything, ..scope };
    let assemblies = assemblies::expand(&mut tree, &scope, &mut problems);
    let (all, index) = declared::collect(&tree, options.kinds, &mut problems);
    let scope = Scope { declared: &index, ..scope };

    let settings = settings::settings(&tree, &scope, &mut problems);
    let mut checked = resources::check(&all, &scope, &mut problems);
    variables.missed(&mut problems);
    let resources = resources::lower(&mut checked, &scope, &settings.tags, &mut problems);
    variables.secrets(&resources, &mut problems);
    cycles::find(&checked, &mut problems);
    duplicates::find(&resources, options.kinds, &mut problems);

    let problems = sorted(problems);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Failed { problems, sources });
    }
    Ok(Manifest {
        path: path.to_owned(),
        environment,
        tags: settings.tags,
        provider: settings.provider,
        state: settings.state,
        rollback: settings.rollback,
        log_lines: settings.log_lines,
        deployments: settings.deployments,
        guard: settings.guard,
        assemblies,
        resources,
        sources,
        warnings: problems,
    })
}

/// In the order of a reader; what has no place comes first.
fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.labels.first().map(|label| label.span.clone()));
    problems
}
