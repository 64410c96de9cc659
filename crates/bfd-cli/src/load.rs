//! From a path to everything a command needs before it talks to a cloud.

use crate::{
    cli::ManifestArgs,
    exit::CommandError,
    host::{self, HostSecrets},
    views::{self, Style},
};
use bfd_core::{Address, Environment, Problem, SecretSource};
use bfd_manifest::{Backend, Manifest, Sources};
use bfd_plan::Graph;
use bfd_store::{LocalStore, LockHolder, StateStore};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A manifest without mistakes, its graph, and where its state is.
#[derive(Debug)]
pub struct Loaded {
    pub path: PathBuf,
    pub manifest: Manifest,
    pub graph: Graph,
    pub secrets: Arc<HostSecrets>,
    pub store: Arc<dyn StateStore>,
}

/// Reads a manifest and everything it names. Fails with every mistake in it.
pub fn load(args: &ManifestArgs) -> Result<Loaded, CommandError> {
    let directory = host::directory_of(&args.manifest);
    let secrets = Arc::new(HostSecrets { directory: directory.clone() });
    let vars: BTreeMap<String, String> = args.vars.iter().cloned().collect();
    let digest = |source: &SecretSource, environment: &Environment, address: &Address| {
        secrets.digest(source, environment, address)
    };
    let options = bfd_manifest::Options {
        read: &|path: &Path| fs::read_to_string(path),
        env: &host::variable,
        vars: &vars,
        secret_digest: &digest,
        kinds: bfd_kinds::all(),
    };
    let manifest = bfd_manifest::load(&args.manifest, &options).map_err(|failed| {
        CommandError::Problems { problems: failed.problems, sources: Box::new(failed.sources) }
    })?;
    let graph = Graph::build(manifest.resources.clone())
        .map_err(|problems| in_manifest(&manifest, problems))?;
    let store: Arc<dyn StateStore> = match &manifest.state.backend {
        Backend::Local { directory: state } => Arc::new(LocalStore::new(state)),
        Backend::S3 { .. } => {
            return Err(CommandError::refused("state in S3 is not available in this version"));
        }
    };
    Ok(Loaded { path: args.manifest.clone(), manifest, graph, secrets, store })
}

/// Problems whose places are in this manifest.
pub fn in_manifest(manifest: &Manifest, problems: Vec<Problem>) -> CommandError {
    CommandError::Problems { problems, sources: Box::new(manifest.sources.clone()) }
}

/// Who asks for the lock.
pub fn holder(command: &str) -> LockHolder {
    LockHolder {
        who: host::who(),
        command: command.to_owned(),
        process: std::process::id(),
        since: host::now(),
    }
}

/// Renders problems with the files they point into.
pub fn show(problems: &[Problem], sources: &Sources, style: &Style) -> String {
    let file = |id| {
        let source = sources.get(id)?;
        Some((source.path.to_string_lossy(), source.text.as_str()))
    };
    views::problems::problems(problems, &file, style)
}
