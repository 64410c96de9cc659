//! What an environment needs before its first apply, as an environment of its own.
//!
//! `bfd bootstrap` writes a manifest with one stack for the bucket of the state and one for the
//! resources of the CDK, and hands it to `plan` or `apply`: it is reviewed, carried out, rolled
//! back and recovered like any other. Its own state is a file beside it, which may be lost: stacks
//! that are there are taken over.
//!
//! | module | what |
//! |---|---|
//! | `needs` | what is missing, as far as AWS can tell |
//! | `written` | the manifests that make it |

mod needs;
mod written;

use crate::{
    cli::{ApplyArgs, InputArgs, LockArgs, ManifestArgs, PlanArgs, PlanFormat},
    connect::connect,
    exit::CommandError,
    host,
    load::{SecretUse, load},
};
use bfd_aws::AwsProvider;
use bfd_core::Snapshot;
use bfd_store::{LocalStore, StateStore};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use written::WrittenPart;

/// A stack to make.
#[derive(Debug)]
struct Part {
    /// The name of its resource: `state`, `cdk`, `cdk-QUALIFIER`.
    resource: String,
    stack: String,
    template: String,
    parameters: BTreeMap<String, String>,
}

/// What bootstrap has found out, for people, and the manifests to apply.
#[derive(Debug)]
pub(crate) struct Found {
    /// What needs nothing, and why.
    pub(crate) told: Vec<String>,
    pub(crate) parts: Vec<WrittenPart>,
}

/// Looks what a manifest needs, and writes the manifests that make it.
pub(crate) async fn find(args: &ManifestArgs) -> Result<Found, CommandError> {
    let mut loaded = load(args, SecretUse::Ignored)?;
    let region = loaded.manifest.environment.region.clone();
    let wanted = needs::wanted(&loaded.manifest)?;
    let mut told = Vec::new();
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut connections: BTreeMap<String, Arc<AwsProvider>> = BTreeMap::new();
    for need in wanted {
        let place = need.region().unwrap_or(&region).to_owned();
        if !connections.contains_key(&place) {
            loaded.manifest.environment.region.clone_from(&place);
            connections.insert(place.clone(), connect(&loaded).await?.provider);
        }
        loaded.manifest.environment.region.clone_from(&region);
        let directory = directory(&loaded.manifest, &place);
        let recorded = recorded(&directory).await?;
        let provider = &connections[&place];
        match needs::part(&need, provider, &place, &recorded).await? {
            needs::Answer::Make(part) => parts.entry(place).or_default().push(part),
            needs::Answer::Enough(why) => told.push(why),
        }
    }
    let write = |(region, parts): (String, Vec<Part>)| {
        written::write(&loaded.manifest, &directory(&loaded.manifest, &region), &region, &parts)
    };
    let parts = parts.into_iter().map(write).collect::<Result<Vec<_>, _>>()?;
    Ok(Found { told, parts })
}

/// Beside the states of environments; a name of these has no dot.
fn directory(manifest: &bfd_manifest::Manifest, region: &str) -> PathBuf {
    let own = format!("{}.bootstrap.{region}", manifest.environment.name);
    host::directory_of(&manifest.path).join(".bfd").join(own)
}

/// The names of the stacks that an earlier bootstrap of this machine made.
async fn recorded(directory: &Path) -> Result<Vec<String>, CommandError> {
    let state = directory.join(written::STATE);
    if !state.exists() {
        return Ok(Vec::new());
    }
    let Snapshot { state, .. } = LocalStore::new(&state).load().await?;
    let names = state.resources.values().map(|resource| resource.id.clone());
    Ok(names.collect())
}

impl WrittenPart {
    /// As `bfd plan` takes it.
    pub(crate) fn plan(&self, detailed_exitcode: bool) -> PlanArgs {
        PlanArgs {
            manifest: ManifestArgs { manifest: self.manifest.clone(), vars: Vec::new() },
            out: None,
            format: PlanFormat::Text,
            detailed_exitcode,
            targets: Vec::new(),
            offline: false,
            drift: false,
            change_sets: false,
            lock: LockArgs { lock_timeout: std::time::Duration::ZERO },
        }
    }

    /// As `bfd apply` takes it.
    pub(crate) fn apply(&self, yes: bool) -> ApplyArgs {
        ApplyArgs {
            input: InputArgs { path: self.manifest.clone(), vars: Vec::new() },
            yes,
            no_rollback: false,
            lock: LockArgs { lock_timeout: std::time::Duration::ZERO },
            parallelism: 10,
            events: None,
            targets: Vec::new(),
        }
    }
}
