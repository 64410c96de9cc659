//! The command line, as clap reads it.

use bfd_core::Address;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Deploys an environment of container services to AWS from one TOML manifest.
///
/// `plan` shows what would change, `apply` does exactly that, and either
/// everything ends proven healthy or the environment is put back as it was.
#[derive(Debug, Parser)]
#[command(name = "bfd", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Show every call to AWS on stderr; twice for what the SDK does as well.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a manifest: every mistake at once, without a network.
    Validate(ManifestArgs),
    /// Make what an environment needs before its first apply.
    ///
    /// That is the bucket of its state, where `[state]` names one, and what the CDK applications
    /// of its manifest need of their account and region. Whatever is missing is shown as a plan
    /// and made when you say yes; what is there is left as it is.
    Bootstrap(BootstrapArgs),
    /// Show what apply would do.
    Plan(PlanArgs),
    /// Carry out a manifest or a saved plan; roll back on failure.
    Apply(ApplyArgs),
    /// Delete everything that bfd made in an environment.
    Destroy(DestroyArgs),
    /// Finish a run that did not end: forward, or back.
    Recover(RecoverArgs),
    /// Go back to what an earlier run left, like any plan.
    Rollback(RollbackArgs),
    /// List the runs of an environment, the latest first.
    History(HistoryArgs),
    /// Show a saved plan, what is recorded of an environment, or one of its runs.
    Show(ShowArgs),
    /// Draw what depends on what.
    Graph(GraphArgs),
    /// Show services and stacks as they are now, and what went wrong.
    Status(StatusArgs),
    /// Look at and mend the recorded state.
    #[command(subcommand)]
    State(StateCommand),
    /// Tell who holds the lock, and whether that process is alive; break it if need be.
    Unlock(UnlockArgs),
    /// The embedded AWS.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Print the JSON Schema of manifests, for editors.
    Schema(SchemaArgs),
    /// Print a completion script for a shell.
    Completions { shell: clap_complete::Shell },
}

impl Command {
    /// The manifest it was given, or the saved plan.
    pub fn input(&self) -> Option<&Path> {
        self.asked().map(|(input, _)| input)
    }

    /// The variables it was given.
    pub fn vars(&self) -> &[(String, String)] {
        self.asked().map(|(_, vars)| vars).unwrap_or_default()
    }

    /// Whether it may change objects, the state or a lock. Of the others the output is all there
    /// is.
    pub fn changes_something(&self) -> bool {
        match self {
            Self::Apply(_)
            | Self::Bootstrap(_)
            | Self::Destroy(_)
            | Self::Recover(_)
            | Self::Rollback(_)
            | Self::Unlock(_)
            | Self::Sandbox(_) => true,
            Self::State(state) => matches!(
                state,
                StateCommand::Push { .. } | StateCommand::Rm { .. } | StateCommand::Mv { .. }
            ),
            Self::Validate(_)
            | Self::Plan(_)
            | Self::History(_)
            | Self::Show(_)
            | Self::Graph(_)
            | Self::Status(_)
            | Self::Schema(_)
            | Self::Completions { .. } => false,
        }
    }

    fn asked(&self) -> Option<(&Path, &[(String, String)])> {
        let args = match self {
            Self::Apply(ApplyArgs { input, .. }) | Self::Show(ShowArgs { input, .. }) => {
                return Some((&input.path, &input.vars));
            }
            Self::Sandbox(
                SandboxCommand::Serve { manifest, .. } | SandboxCommand::Reset { manifest },
            ) => return Some((manifest, &[])),
            Self::Schema(_) | Self::Completions { .. } => return None,
            Self::Validate(args) => args,
            Self::Status(args) => &args.manifest,
            Self::Bootstrap(args) => &args.manifest,
            Self::Plan(args) => &args.manifest,
            Self::Destroy(args) => &args.manifest,
            Self::Recover(args) => &args.manifest,
            Self::Rollback(args) => &args.manifest,
            Self::History(args) => &args.manifest,
            Self::Graph(args) => &args.manifest,
            Self::Unlock(args) => &args.manifest,
            Self::State(
                StateCommand::List(manifest)
                | StateCommand::Show { manifest, .. }
                | StateCommand::Pull { manifest, .. }
                | StateCommand::Push { manifest, .. }
                | StateCommand::Rm { manifest, .. }
                | StateCommand::Mv { manifest, .. },
            ) => manifest,
        };
        Some((&args.manifest, &args.vars))
    }
}

#[derive(Clone, Debug, Args)]
pub struct ManifestArgs {
    /// The manifest, such as `environments/dev.toml`.
    pub manifest: PathBuf,
    /// Set a variable of the manifest; wins over its default and its environment variable.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// A manifest, or a plan saved with `bfd plan -o`.
    #[arg(value_name = "MANIFEST|PLANFILE")]
    pub path: PathBuf,
    /// Set a variable of the manifest; wins over its default and its environment variable.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

/// Of every command that takes the lock.
#[derive(Clone, Copy, Debug, Args)]
pub struct LockArgs {
    /// How long to wait for a lock that somebody else holds, such as `30s` or `10m`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

#[derive(Debug, Args)]
pub struct BootstrapArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Show what is missing, and make nothing.
    #[arg(long)]
    pub plan: bool,
    /// Make it without asking; required where there is no terminal.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
    /// With `--plan`: exit with 2 when something is missing.
    #[arg(long, requires = "plan")]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct PlanArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Save the plan, for `bfd apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub format: PlanFormat,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Only this resource and what it depends on; may be given more than once.
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<Address>,
    /// Compare with the recorded state only; no network.
    #[arg(long)]
    pub offline: bool,
    /// Have CloudFormation look for what was changed within the recorded stacks; takes a minute
    /// or more.
    #[arg(long)]
    pub drift: bool,
    /// Have CloudFormation work out what each change of a stack does, with change sets that are
    /// made and deleted again.
    #[arg(long)]
    pub change_sets: bool,
    #[command(flatten)]
    pub lock: LockArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    Text,
    Markdown,
    Json,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Leave a failed run where it stopped.
    #[arg(long)]
    pub no_rollback: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    /// How many steps may run at once.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// Write every event as a line of JSON.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Only this resource and what it depends on; may be given more than once.
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<Address>,
}

#[derive(Debug, Args)]
pub struct DestroyArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    /// How many steps may run at once.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// Write every event as a line of JSON.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Close the run as it is, calling nothing: for when you have seen to the rest yourself.
    #[arg(long)]
    pub abandon: bool,
    /// Roll the run back, also when nothing had failed.
    #[arg(long, conflicts_with = "abandon")]
    pub back: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    /// Write every event as a line of JSON.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// The run, by the start of its id: `bfd history` lists them.
    #[arg(long, value_name = "RUN")]
    pub to: String,
    /// Only this resource and what it depends on; may be given more than once.
    #[arg(long = "target", value_name = "ADDRESS")]
    pub targets: Vec<Address>,
    /// Save the plan instead, for `bfd apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    /// How many steps may run at once.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// Write every event as a line of JSON.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    pub format: ShowFormat,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    pub format: ShowFormat,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Show one run: the latest, or the one whose id starts with RUN.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", group = "recorded_runs")]
    pub run: Option<String>,
    /// List the runs, the latest first.
    #[arg(long, group = "recorded_runs")]
    pub runs: bool,
    /// Of a saved plan, `--run` and `--runs`; text unless given. Markdown is for saved plans.
    #[arg(long, value_enum)]
    pub format: Option<PlanFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct GraphArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Dot,
    Mermaid,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List what is recorded.
    List(ManifestArgs),
    /// Show one recorded resource.
    Show {
        #[command(flatten)]
        manifest: ManifestArgs,
        /// Such as `service.web`.
        address: Address,
    },
    /// Forget a resource; its object stays where it is.
    Rm {
        #[command(flatten)]
        manifest: ManifestArgs,
        /// Such as `service.web`.
        address: Address,
        #[command(flatten)]
        lock: LockArgs,
    },
    /// Rename a resource; its object stays as it is.
    Mv {
        #[command(flatten)]
        manifest: ManifestArgs,
        /// Its address now, such as `service.web`.
        from: Address,
        /// Its new address, of the same kind.
        to: Address,
        #[command(flatten)]
        lock: LockArgs,
    },
    /// Print the state as it is stored.
    Pull {
        #[command(flatten)]
        manifest: ManifestArgs,
        /// With the runs that are kept, to take them along to another backend.
        #[arg(long)]
        history: bool,
    },
    /// Store a state that was pulled, here or elsewhere.
    Push {
        #[command(flatten)]
        manifest: ManifestArgs,
        /// The file; `-` is the standard input.
        file: PathBuf,
        /// Also over a state of another lineage, or a newer one.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        lock: LockArgs,
    },
}

#[derive(Debug, Args)]
pub struct UnlockArgs {
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Take a lock in S3 from its owner, who is refused from then on.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Answer AWS clients on 127.0.0.1 until interrupted.
    Serve {
        /// The manifest whose sandbox to serve.
        #[arg(default_value = "environments/local.toml")]
        manifest: PathBuf,
        /// 0 picks a free port; the address is printed on the first line.
        #[arg(long, default_value_t = 4566)]
        port: u16,
    },
    /// Empty the sandbox.
    Reset {
        /// The manifest whose sandbox to empty.
        #[arg(default_value = "environments/local.toml")]
        manifest: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Markdown is the reference for people.
    #[arg(long, value_enum, default_value_t = SchemaFormat::Json)]
    pub format: SchemaFormat,
    /// The schema of `bfd plan --format json` instead.
    #[arg(long)]
    pub plan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    Json,
    Markdown,
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = bfd_manifest::parse_duration(text);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected such as `30s`, `10m` or `1h30m`".to_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
