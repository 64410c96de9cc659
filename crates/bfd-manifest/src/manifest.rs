use crate::sources::Sources;
use bfd_core::{Environment, Problem, Resource, Span, plan::Rollback};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// A manifest without mistakes.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub path: PathBuf,
    pub environment: Environment,
    /// Set on every object that takes tags.
    pub tags: BTreeMap<String, String>,
    pub provider: ProviderSettings,
    pub state: StateSettings,
    pub rollback: Rollback,
    /// How many of a failed container's last log lines a failure tells; 0 reads no logs.
    pub log_lines: usize,
    /// How many of the last runs a rollback by command shall be able to take back.
    pub deployments: usize,
    pub guard: Guard,
    /// The CDK applications that some of the resources come from.
    pub assemblies: Vec<ReadAssembly>,
    /// By address.
    pub resources: Vec<Resource>,
    /// What the spans in it point into.
    pub sources: Sources,
    pub warnings: Vec<Problem>,
}

/// A CDK application whose stacks are among the resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAssembly {
    pub name: String,
    pub directory: PathBuf,
    /// What the account has to have before.
    pub versions: Vec<BootstrapVersion>,
}

/// The least version of a bootstrap stack, and the SSM parameter that has the one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapVersion {
    pub parameter: String,
    pub version: u64,
    /// The stacks that need it, as the application calls them.
    pub stacks: BTreeSet<String>,
    /// Where the assembly is named.
    pub place: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    pub kind: ProviderKind,
    /// Where calls go instead of AWS's own endpoints.
    pub endpoint_url: Option<String>,
    /// A profile of AWS's shared configuration files.
    pub profile: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProviderKind {
    #[default]
    Aws,
    /// The embedded AWS.
    Sandbox,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    pub backend: Backend,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// By default `.bfd/<name>` beside the manifest.
    Local { directory: PathBuf },
    S3 {
        bucket: String,
        /// What keys begin with: the declared prefix and the environment's name.
        prefix: String,
        /// The bucket's.
        region: String,
        /// Instead of the bucket's own encryption.
        kms_key: Option<String>,
        /// How long a lock lasts without a sign of life.
        lease: Duration,
    },
}

/// What a plan may do, and what apply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    pub deletes: Deletes,
    /// Whether an image may stand in for one that is not there yet.
    pub fallback_images: bool,
    pub approval: Approval,
    /// How old a saved plan may be when it is applied.
    pub plan_age: Duration,
    /// How many resources one run may change.
    pub max_changes: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    Allow,
    #[default]
    Confirm,
    Forbid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    #[default]
    None,
    /// Apply takes only a saved plan.
    SavedPlan,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            deletes: Deletes::default(),
            fallback_images: true,
            approval: Approval::default(),
            plan_age: Duration::from_hours(24),
            max_changes: None,
        }
    }
}
