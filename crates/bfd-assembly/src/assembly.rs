//! An application: its stacks in the order of deployment.

use crate::{
    files::{Disk, Files},
    graph::{self, Waits},
    hash::Digest,
    manifest,
    problem::{Problem, ProblemKind, Problems, Warning},
    read::Reader,
    stack::{Stack, StackId},
    words::list,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The assembly of a CDK application, with those that are nested in it.
#[derive(Clone, Debug)]
pub struct Assembly {
    directory: PathBuf,
    /// Each after those it depends on.
    stacks: Vec<Stack>,
    warnings: BTreeSet<Warning>,
    pub(crate) digests: BTreeMap<PathBuf, Digest>,
}

impl Assembly {
    /// Reads an assembly from the disk of this machine.
    ///
    /// # Errors
    ///
    /// As [`Assembly::open`].
    pub fn read(directory: &Path) -> Result<Self, Problems> {
        Self::open(directory, &Disk)
    }

    /// Reads the manifests and asset manifests of an assembly, and of those nested in it. Of
    /// templates it asks for the size.
    ///
    /// # Errors
    ///
    /// Every way in which the manifests cannot be read: files that are not there or no JSON,
    /// values of another shape, missing context, dependencies on nothing or in a circle. What
    /// concerns single stacks is left to [`Assembly::check`].
    pub fn open(directory: &Path, files: &dyn Files) -> Result<Self, Problems> {
        let mut reader = Reader::new(directory, files);
        reader.read_all()?;
        manifest::check_dependencies(&reader);
        let ordered = in_order(reader.stacks());
        let mut problems = reader.problems.into_inner();
        let stacks = match ordered {
            Ok(stacks) => stacks,
            Err(cycle) => {
                problems.push(cycle);
                Vec::new()
            }
        };
        Problems::unless_none(problems)?;
        Ok(Self {
            directory: directory.to_owned(),
            stacks,
            warnings: reader.warnings.into_inner(),
            digests: reader.digests.into_inner(),
        })
    }

    /// Where it is. All paths are relative to this.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All stacks, each after those it depends on; of those that may come next, the first by its
    /// hierarchical id.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    pub fn stack(&self, id: &StackId) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.id == *id)
    }

    /// What is no obstacle; what stacks warn of is in [`Stack::warnings`].
    pub fn warnings(&self) -> &BTreeSet<Warning> {
        &self.warnings
    }

    /// These stacks and all that they depend on.
    pub(crate) fn with_dependencies(&self, ids: &BTreeSet<StackId>) -> BTreeSet<StackId> {
        let waits = self.stacks.iter().map(|it| (it.id.clone(), it.dependencies.clone()));
        graph::closure(&waits.collect(), ids)
    }
}

/// Sorts stacks; a cycle is a problem.
fn in_order(stacks: Vec<Stack>) -> Result<Vec<Stack>, Problem> {
    // People read hierarchical ids, so these decide; they need not be unique.
    let key = |stack: &Stack| (stack.hierarchical_id.clone(), stack.id.clone());
    let keys: BTreeMap<StackId, _> = stacks.iter().map(|it| (it.id.clone(), key(it))).collect();
    let waits: Waits<_> = stacks
        .iter()
        .map(|stack| {
            let on = stack.dependencies.iter().filter_map(|id| keys.get(id).cloned());
            (key(stack), on.collect())
        })
        .collect();
    let mut by_key: BTreeMap<_, _> = stacks.into_iter().map(|stack| (key(&stack), stack)).collect();
    match graph::order(&waits) {
        Ok(order) => Ok(order.iter().filter_map(|key| by_key.remove(key)).collect()),
        Err(cycle) => Err(cycle_problem(&cycle, &by_key)),
    }
}

fn cycle_problem(
    cycle: &[(String, StackId)],
    stacks: &BTreeMap<(String, StackId), Stack>,
) -> Problem {
    let names = list(cycle.iter().map(|(name, _)| name.as_str()));
    let detail = match cycle {
        [_] => format!("{names} depends on itself"),
        _ => format!("each of {names} depends on the next, and the last on the first"),
    };
    let first = cycle.first().and_then(|key| stacks.get(key));
    let (file, pointer) = first.map_or((Path::new("manifest.json"), ""), |stack| {
        (stack.manifest.as_path(), stack.pointer.as_str())
    });
    Problem::new(ProblemKind::Cycle, file, pointer, detail)
        .help("break the cycle in the application: CloudFormation cannot deploy it either")
}
