//! From a path to everything a command needs before it talks to a cloud.

use crate::{
    cli::ManifestArgs,
    connect,
    exit::CommandError,
    git::WorkTree,
    host::{self, HostSecrets},
    views::{self, Style},
};
use bfd_apply::ApplyError;
use bfd_aws::{Bucket, S3Objects, Settings};
use bfd_core::{Address, Environment, Problem, Run, SecretSource, Snapshot};
use bfd_manifest::{Backend, Manifest, Sources};
use bfd_plan::Graph;
use bfd_provider::Secrets as _;
use bfd_store::{
    LeaseOptions, LocalStore, LockHolder, ObjectStore, StateStore, StoreError, Unfinished,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio_util::task::TaskTracker;

/// A manifest without mistakes, its graph, and where its state is.
#[derive(Debug)]
pub struct Loaded {
    pub path: PathBuf,
    /// The manifest as the next command has to name it, with the variables of this one.
    pub called: String,
    pub manifest: Manifest,
    pub graph: Graph,
    pub secrets: Arc<HostSecrets>,
    pub store: Arc<dyn StateStore>,
    pub work_tree: WorkTree,
}

/// Whether a command needs to know if secrets changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse {
    /// They are read, and one that is not there is a mistake.
    Compared,
    /// They are left alone: the command works without them.
    Ignored,
    /// Those that are there are read, to be recognized where a cloud repeats them.
    Known,
}

/// Reads a manifest and everything it names. Fails with every mistake in it.
pub fn load(args: &ManifestArgs, secret_use: SecretUse) -> Result<Loaded, CommandError> {
    refuse_plans(&args.manifest)?;
    let directory = host::directory_of(&args.manifest);
    let secrets = Arc::new(HostSecrets::new(directory.clone()));
    let vars: BTreeMap<String, String> = args.vars.iter().cloned().collect();
    let digest =
        |source: &SecretSource, environment: &Environment, address: &Address| match secret_use {
            SecretUse::Compared => secrets.digest(source, environment, address),
            SecretUse::Ignored => Ok(String::new()),
            SecretUse::Known => {
                secrets.learn(source);
                Ok(String::new())
            }
        };
    let work_tree = WorkTree::around(&directory);
    let options = bfd_manifest::Options {
        read: &|path: &Path| fs::read_to_string(path),
        files: &bfd_manifest::Disk,
        env: &host::variable,
        git: &|name| work_tree.get(name),
        vars: &vars,
        secret_digest: &digest,
        kinds: bfd_kinds::all(),
    };
    let manifest = bfd_manifest::load(&args.manifest, &options).map_err(|failed| {
        let mut problems = without_echoes(failed.problems);
        // What a program said that failed may have one that was read after it.
        for problem in problems.iter_mut().filter(|it| it.code == "manifest::secret_unreadable") {
            problem.help = problem.help.take().map(|help| secrets.redact(&help));
        }
        CommandError::Problems { problems, sources: Box::new(failed.sources) }
    })?;
    let graph = Graph::build(manifest.resources.clone())
        .map_err(|problems| in_manifest(&manifest, problems))?;
    let store = store(&manifest);
    let called = called(&args.manifest, &args.vars);
    Ok(Loaded { path: args.manifest.clone(), called, manifest, graph, secrets, store, work_tree })
}

/// A manifest with the variables of a command, for a shell.
pub fn called(manifest: &Path, vars: &[(String, String)]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    let mut called = manifest.display().to_string();
    for (name, value) in vars {
        let set = format!("{name}={value}");
        if set.chars().all(is_plain) {
            called.extend([" --var ", &set]);
        } else {
            called.extend([" --var '", &set.replace('\'', "'\\''"), "'"]);
        }
    }
    called
}

/// Locks that are being let go of.
static LETTING_GO: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Waits until every lock that was dropped is free. One that cannot be reached runs out.
pub async fn locks_are_free() {
    LETTING_GO.close();
    // The process has ended for whoever watches it: nobody should wait for a dead network.
    let _ = tokio::time::timeout(Duration::from_secs(10), LETTING_GO.wait()).await;
}

/// Where the state of a manifest is. Sends nothing.
fn store(manifest: &Manifest) -> Arc<dyn StateStore> {
    match &manifest.state.backend {
        Backend::Local { directory } => Arc::new(LocalStore::new(directory)),
        Backend::S3 { bucket, prefix, region, kms_key, lease } => {
            let bucket = Bucket { name: bucket.clone(), kms_key: kms_key.clone() };
            let settings = Settings { region: region.clone(), ..connect::settings(manifest) };
            let options = LeaseOptions {
                length: *lease,
                nonce: Arc::new(host::new_id),
                machine: Arc::new(host::clock),
                tasks: LETTING_GO.clone(),
            };
            let objects = Arc::new(S3Objects::new(settings, bucket));
            Arc::new(ObjectStore::new(objects, prefix, options))
        }
    }
}

/// A saved plan is an easy thing to give by mistake, and no TOML at all.
fn refuse_plans(path: &Path) -> Result<(), CommandError> {
    let is_json = fs::read_to_string(path).is_ok_and(|text| text.trim_start().starts_with('{'));
    if !is_json {
        return Ok(());
    }
    let path = path.display();
    Err(CommandError::refused_with(
        format!("{path} is no manifest: it looks like a saved plan"),
        format!("`bfd show {path}` shows it, `bfd apply {path}` carries it out"),
    ))
}

/// How many mistakes of syntax are worth showing: one makes others.
const SYNTAX: usize = 5;

fn without_echoes(problems: Vec<Problem>) -> Vec<Problem> {
    let mut syntax = 0;
    let keep = |problem: &Problem| {
        syntax += usize::from(problem.code == "manifest::syntax");
        problem.code != "manifest::syntax" || syntax <= SYNTAX
    };
    problems.into_iter().filter(keep).collect()
}

/// What is known to be there now: the state, and what an open run has made of it.
pub async fn known(loaded: &Loaded) -> Result<(Snapshot, Option<Unfinished>), CommandError> {
    let mut snapshot = loaded.store.load().await?;
    let open = loaded.store.unfinished().await?;
    if let Some(open) = &open {
        let run = Run::resume(open.plan.clone(), &open.entries).map_err(ApplyError::from)?;
        snapshot.state = run.record_of_state();
    }
    Ok((snapshot, open))
}

/// Refuses to plan beside a run: what it is about to change, or has changed, is not recorded yet.
pub async fn refuse_open_run(loaded: &Loaded) -> Result<(), CommandError> {
    let Some(open) = loaded.store.unfinished().await? else { return Ok(()) };
    if let Some(holder) = loaded.store.holder().await? {
        return Err(StoreError::Locked { holder: Box::new(holder) }.into());
    }
    let about = about(loaded, &open).await?;
    Err(CommandError::refused_with(about, "plan again when that run has ended"))
}

/// Refuses a plan beside which a run has begun, or ended: it may have seen the middle of it.
pub async fn refuse_run_beside(loaded: &Loaded, seen: &Snapshot) -> Result<(), CommandError> {
    refuse_open_run(loaded).await?;
    if loaded.store.load().await?.version == seen.version {
        return Ok(());
    }
    Err(CommandError::refused_with("something was applied while the plan was made", "plan again"))
}

/// One line about a run that is open: it is under way, or its process died.
pub async fn about(loaded: &Loaded, open: &Unfinished) -> Result<String, CommandError> {
    let (header, path) = (&open.header, &loaded.called);
    Ok(match loaded.store.holder().await? {
        Some(holder) => format!(
            "process {} of {} is {} right now (`{}`, since {}); `bfd show {path} --run` \
             shows what it does",
            holder.process,
            holder.who,
            doing(&holder.command),
            holder.command,
            holder.since
        ),
        None => format!(
            "a run of {} (`{}`, since {}) did not finish; `bfd show {path} --run` shows it, \
             `bfd recover {path}` finishes it",
            header.who, header.command, header.started_at
        ),
    })
}

/// What a process is at that holds the lock while a run is open.
///
/// `bfd apply` and `bfd destroy` may be finishing what another one left; their names say
/// what the person wants who started them.
fn doing(command: &str) -> &'static str {
    match command {
        "bfd apply" => "applying",
        "bfd destroy" => "destroying",
        "bfd recover" => "recovering",
        "bfd rollback" => "rolling back",
        // Of another version, or one that refuses to go on with a run that is open.
        _ => "at work",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: &str = "correct-horse-battery";
    const MANIFEST: &str = "[environment]\nname = \"dev\"\naccount = \"123456789012\"\n\
        region = \"eu-west-1\"\n\n[parameter.key]\nname = \"/key\"\ntype = \"SecureString\"\n\
        value_from = { file = \"key.txt\" }\n";

    fn told(secret_use: SecretUse, with_secret: bool) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dev.toml");
        fs::write(&path, MANIFEST).unwrap();
        if with_secret {
            fs::write(directory.path().join("key.txt"), PLANTED).unwrap();
        }
        let args = ManifestArgs { manifest: path, vars: Vec::new() };
        let loaded = load(&args, secret_use).unwrap();
        loaded.secrets.redact(&format!("health check `{PLANTED}`"))
    }

    #[test]
    fn the_next_command_has_the_variables_of_this_one() {
        let vars = [("release", "../cdk.out"), ("who", "Ann's")];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            called(Path::new("dev.toml"), &vars),
            r"dev.toml --var release=../cdk.out --var 'who=Ann'\''s'"
        );
    }

    #[test]
    fn what_a_program_said_is_told_without_secrets_that_are_read_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dev.toml");
        let failing = format!(
            "[parameter.first]\nname = \"/first\"\ntype = \"SecureString\"\n\
             value_from = {{ command = [\"sh\", \"-c\", \"echo refused: {PLANTED} >&2; exit 1\"] }}\n"
        );
        fs::write(
            &path,
            MANIFEST.replace("[parameter.key]", &format!("{failing}\n[parameter.key]")),
        )
        .unwrap();
        fs::write(directory.path().join("key.txt"), PLANTED).unwrap();
        let args = ManifestArgs { manifest: path, vars: Vec::new() };
        let Err(CommandError::Problems { problems, .. }) = load(&args, SecretUse::Compared) else {
            panic!("it fails");
        };
        let help = problems[0].help.as_ref().unwrap();
        assert!(help.contains("refused: ***") && !help.contains(PLANTED), "{help}");
    }

    #[test]
    fn secrets_that_are_there_are_known_to_commands_that_compare_none() {
        assert!(!told(SecretUse::Known, true).contains(PLANTED));
        assert!(told(SecretUse::Ignored, true).contains(PLANTED), "or this proves nothing");
        assert!(
            told(SecretUse::Known, false).contains(PLANTED),
            "one that is missing is no mistake"
        );
    }
}
