//! The life of one process: it takes the lock, plans, applies or recovers, and ends or dies.

use crate::{
    disk::{Handle, SimDisk},
    images,
    trouble::{Death, Trouble},
};
use bfd_apply::{ApplyError, Ended, Limits, Reporter, Session};
use bfd_aws::{AwsProvider, Settings, Transport, registry::Reference};
use bfd_cli::{
    cli::ManifestArgs,
    connect::{Connection, SandboxClock},
    contents::{self, Promotions},
    exit::CommandError,
    git::WorkTree,
    host::{self, HostSecrets},
    load::Loaded,
    planning::{self, Scope},
};
use bfd_core::{
    Address, Environment, Secret, SecretSource, Snapshot,
    journal::{Entry, Event},
    plan::{Plan, Step},
};
use bfd_plan::Graph;
use bfd_provider::{Context, Progress, SecretUnavailable, Secrets, Token};
use bfd_sandbox::Sandbox;
use bfd_store::{LocalStore, LockHolder, RunHeader, StateStore, Unfinished};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// No run may take longer; one that does waits for what never comes.
const FOREVER: Duration = Duration::from_hours(6);
const DIRECTORY: &str = "/lab/.bfd/lab";

/// A manifest with the files it names.
#[derive(Clone, Debug)]
pub struct Project {
    pub manifest: PathBuf,
    pub files: BTreeMap<PathBuf, String>,
    /// Plaintexts by the variable that they are read from.
    pub secrets: BTreeMap<String, String>,
    pub variables: BTreeMap<String, String>,
}

/// What a process was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Plan,
    Apply,
    /// Only the repositories: images come before the services that need them.
    ApplyRepositories,
    Destroy,
    Recover,
}

/// How a life ended.
#[derive(Debug)]
pub enum End {
    /// The plan was made, and nothing else was asked for; or there was nothing to do.
    Planned(Box<Plan>),
    Ended {
        ended: Ended,
        run: Box<Unfinished>,
    },
    /// Refused before anything was touched.
    Refused(String),
    /// Failed while a run was open: the journal is left.
    Failed(String),
    Died,
}

/// Where processes live: the cloud and the disk that they share.
#[derive(Debug)]
pub struct Lab {
    pub sandbox: Sandbox,
    pub disk: SimDisk,
    pub trace: Trace,
    lives: u64,
}

/// Everything that happened, for people and to compare two runs of one seed.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<String>>);

impl Trace {
    pub fn say(&self, line: impl AsRef<str>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(line.as_ref());
        text.push('\n');
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Lab {
    pub fn new(sandbox: Sandbox, disk: SimDisk) -> Self {
        Self { sandbox, disk, trace: Trace::default(), lives: 0 }
    }

    pub fn time(&self) -> f64 {
        self.sandbox.now()
    }

    /// Lives one life, however bad.
    pub async fn live(&mut self, command: Command, project: &Project, trouble: &Trouble) -> End {
        self.lives += 1;
        let begun = self.time();
        self.trace.say(format!("--- life {}: {command:?}, trouble: {trouble}", self.lives));
        let dying = CancellationToken::new();
        let handle = self.disk.boot(trouble.death_at_write(), dying.clone());
        let requests = self.sandbox.requests().len();
        trouble.clone().inflict(&self.sandbox, dying.clone());
        let stop = Stop::default();
        let doom = doom(trouble, stop.clone(), dying.clone());
        let process = Process {
            number: self.lives,
            project,
            sandbox: self.sandbox.clone(),
            disk: handle,
            trace: self.trace.clone(),
            stop,
        };
        let end = tokio::select! {
            biased;
            () = dying.cancelled() => End::Died,
            never = doom => match never {},
            end = process.run(command) => end,
            () = tokio::time::sleep(FOREVER) => panic!("a life without an end: {command:?}"),
        };
        // The process may have learnt of its death before anybody else: it tells nobody.
        let end = if dying.is_cancelled() { End::Died } else { end };
        // What was under way goes with its process.
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        self.sandbox.behave_well();
        for request in self.sandbox.requests().iter().skip(requests) {
            let fault = request.fault.map(|fault| format!(" {fault:?}")).unwrap_or_default();
            self.trace.say(format!("  {:9.3} {}{fault}", request.at - begun, request.operation));
        }
        let told = match &end {
            End::Planned(plan) => format!("planned, {} steps", plan.steps.len()),
            End::Ended { ended, .. } => format!("{ended:?}"),
            End::Refused(why) => format!("refused: {why}"),
            End::Failed(why) => format!("failed: {why}"),
            End::Died => "died".to_owned(),
        };
        self.trace.say(format!("  after {:.3} s: {told}", self.time() - begun));
        end
    }

    /// The registry as somebody else sees it, whose repository is there from now on.
    pub async fn upstream(&self) -> Upstream {
        self.sandbox.push_image(images::UPSTREAM, "first");
        let environment = images::environment();
        let none = Arc::new(Plaintexts(BTreeMap::new()));
        Upstream(connect(&self.sandbox, &environment, PathBuf::new(), none).await)
    }

    /// The recorded state, and the run that is open.
    pub async fn record(&self) -> (Snapshot, Option<Unfinished>) {
        let handle = self.disk.boot(None, CancellationToken::new());
        let store = LocalStore::on(Arc::new(handle), DIRECTORY);
        let snapshot = store.load().await.expect("the state can be read");
        let unfinished = store.unfinished().await.expect("the journal can be read");
        (snapshot, unfinished)
    }
}

#[derive(Clone, Debug, Default)]
struct Stop {
    cancel: CancellationToken,
    abort: CancellationToken,
}

enum Never {}

/// What comes with time: a stop that a person asks for, and death.
async fn doom(trouble: &Trouble, stop: Stop, dying: CancellationToken) -> Never {
    let death = async {
        if let Some(Death::Time(at)) = trouble.death {
            tokio::time::sleep(at).await;
            dying.cancel();
        }
    };
    let asked = async {
        let Some((first, second)) = trouble.stop else { return };
        tokio::time::sleep(first).await;
        stop.cancel.cancel();
        if let Some(second) = second {
            tokio::time::sleep(second).await;
            stop.abort.cancel();
        }
    };
    tokio::join!(death, asked);
    std::future::pending().await
}

struct Process<'a> {
    number: u64,
    project: &'a Project,
    sandbox: Sandbox,
    disk: Handle,
    trace: Trace,
    stop: Stop,
}

impl Process<'_> {
    async fn run(self, command: Command) -> End {
        let mut loaded = match self.project.load(self.disk.clone()) {
            Ok(loaded) => loaded,
            Err(why) => return End::Refused(why),
        };
        // A recovery asks the journal, not what images are made of now.
        if command != Command::Recover {
            let manifest = loaded.path.clone();
            let args = ManifestArgs { manifest, vars: Vec::new() };
            if let Err(error) = contents::read(&mut loaded, &args, Promotions::Read).await {
                return End::Refused(told(&error));
            }
        }
        let connection = self.connect(&loaded).await;
        match command {
            Command::Plan => match self.plan(&loaded, &connection, None, &[]).await {
                Ok(plan) => End::Planned(Box::new(plan)),
                Err(error) => End::Refused(told(&error)),
            },
            Command::Apply | Command::ApplyRepositories | Command::Destroy => {
                self.apply(&loaded, &connection, command).await
            }
            Command::Recover => self.recover(&loaded, &connection).await,
        }
    }

    async fn connect(&self, loaded: &Loaded) -> Connection {
        let secrets = Arc::new(Plaintexts(self.project.secrets.clone()));
        let directory = host::directory_of(&loaded.path);
        let environment = &loaded.manifest.environment;
        let provider = connect(&self.sandbox, environment, directory, secrets).await;
        Connection {
            provider: Arc::new(provider),
            clock: Arc::new(SandboxClock(self.sandbox.clone())),
            endpoint: None,
            arn: None,
        }
    }

    async fn plan(
        &self,
        loaded: &Loaded,
        connection: &Connection,
        empty: Option<&Graph>,
        targets: &[Address],
    ) -> Result<Plan, CommandError> {
        let snapshot = loaded.store.load().await?;
        let graph = empty.unwrap_or(&loaded.graph);
        let scope = Scope { targets, rollback: loaded.manifest.rollback, to: None };
        planning::plan(loaded, graph, &snapshot, Some(connection), scope).await
    }

    async fn apply(&self, loaded: &Loaded, connection: &Connection, command: Command) -> End {
        let mut guard = match loaded.store.lock(holder()).await {
            Ok(guard) => guard,
            Err(error) => return End::Refused(chain(&error)),
        };
        let empty = Graph::build(Vec::new()).expect("nothing is wrong with nothing");
        let graph = (command == Command::Destroy).then_some(&empty);
        let repositories = || {
            let all = loaded.graph.resources().map(|resource| resource.address.clone());
            all.filter(|address| address.kind().as_str() == "repository").collect()
        };
        let targets: Vec<Address> = match command {
            Command::ApplyRepositories => repositories(),
            _ => Vec::new(),
        };
        let plan = match self.plan(loaded, connection, graph, &targets).await {
            Ok(plan) => plan,
            Err(error) => return End::Refused(told(&error)),
        };
        if plan.is_empty() && plan.drift.is_empty() {
            return End::Planned(Box::new(plan));
        }
        self.trace.say(format!("  plan: {}", words(&plan)));
        let header = RunHeader {
            run: format!("run{:04}", self.number),
            lineage: "lineage".to_owned(),
            started_at: connection.clock.now(),
            who: "lab".to_owned(),
            arn: None,
            command: format!("{command:?}"),
            commit: None,
            plan_digest: None,
        };
        let mut reporter = Telling::new(self.trace.clone());
        let session = self.session(&mut *guard, &mut reporter, connection);
        let ended = bfd_apply::apply(plan.clone(), &header, session).await;
        let run = Unfinished { header, plan, entries: reporter.entries };
        finished(ended, run)
    }

    async fn recover(&self, loaded: &Loaded, connection: &Connection) -> End {
        let mut guard = match loaded.store.lock(holder()).await {
            Ok(guard) => guard,
            Err(error) => return End::Refused(chain(&error)),
        };
        let Some(mut run) = guard.unfinished().cloned() else {
            return End::Refused("nothing to recover".to_owned());
        };
        let mut reporter = Telling::new(self.trace.clone());
        let session = self.session(&mut *guard, &mut reporter, connection);
        let ended = bfd_apply::recover(session).await;
        run.entries.extend(reporter.entries);
        finished(ended.map(|ended| ended.expect("there was a run")), run)
    }

    fn session<'s>(
        &self,
        guard: &'s mut dyn bfd_store::StateGuard,
        reporter: &'s mut Telling,
        connection: &Connection,
    ) -> Session<'s> {
        Session {
            provider: connection.provider.clone(),
            guard,
            reporter,
            clock: connection.clock.clone(),
            limits: Limits { parallelism: 10 },
            cancel: self.stop.cancel.clone(),
            abort: self.stop.abort.clone(),
        }
    }
}

async fn connect(
    sandbox: &Sandbox,
    environment: &Environment,
    directory: PathBuf,
    secrets: Arc<dyn Secrets>,
) -> AwsProvider {
    let transport = Transport::new(sandbox.http_client(), sandbox.time_source(), sandbox.sleep());
    let settings = Settings {
        account: environment.account.clone(),
        region: environment.region.clone(),
        endpoint_url: None,
        profile: None,
        transport: Some(transport),
        log_lines: Settings::LOG_LINES,
        docker_config: None,
        directory,
        scratch: std::env::temp_dir(),
        templates: None,
    };
    AwsProvider::connect(settings, secrets).await.expect("nothing is sent yet")
}

fn finished(ended: Result<Ended, ApplyError>, run: Unfinished) -> End {
    match ended {
        Ok(ended) => End::Ended { ended, run: Box::new(run) },
        Err(error @ (ApplyError::NotBegun(_) | ApplyError::StalePlan { .. })) => {
            End::Refused(chain(&error))
        }
        Err(error) => End::Failed(chain(&error)),
    }
}

fn holder() -> LockHolder {
    LockHolder {
        who: "lab".to_owned(),
        command: "apply".to_owned(),
        process: 1,
        since: String::new(),
    }
}

/// Changes in a few words each.
fn words(plan: &Plan) -> String {
    let changes = plan.changes.iter();
    let words = changes.map(|it| format!("{:?} {} ({:?})", it.action, it.address, it.undo));
    words.collect::<Vec<_>>().join(", ")
}

fn told(error: &CommandError) -> String {
    match error {
        CommandError::Problems { problems, .. } => {
            let told = problems.iter().map(|problem| {
                let labels = problem.labels.iter().map(|label| label.text.as_str());
                format!("{} ({})", problem.headline, labels.collect::<Vec<_>>().join(", "))
            });
            told.collect::<Vec<_>>().join("; ")
        }
        other => chain(other),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a string");
        cause = error.source();
    }
    text
}

#[derive(Debug)]
struct Telling {
    trace: Trace,
    entries: Vec<Entry>,
}

impl Telling {
    fn new(trace: Trace) -> Self {
        Self { trace, entries: Vec::new() }
    }
}

impl Reporter for Telling {
    fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) {
        let what =
            step.map_or_else(|| "run".to_owned(), |it| format!("{} {}", it.op.verb(), it.address));
        let event = match &entry.event {
            Event::Failed { failure, left } => {
                format!(
                    "failed, left {}: {failure:?}",
                    left.as_ref().map_or("nothing", |it| &it.id)
                )
            }
            Event::UndoFailed { failure } => format!("undo failed: {failure:?}"),
            Event::Progress { message } => format!("… {message}"),
            Event::Started => "started".to_owned(),
            Event::Succeeded { .. } => "succeeded".to_owned(),
            Event::UndoStarted => "undo started".to_owned(),
            Event::UndoSucceeded { .. } => "undone".to_owned(),
            Event::Canceled => "canceled".to_owned(),
        };
        self.trace.say(format!("  {} #{} {what}: {event}", entry.at, entry.seq));
        self.entries.push(entry.clone());
    }
}

impl Project {
    fn load(&self, disk: Handle) -> Result<Loaded, String> {
        let digest = |source: &SecretSource, environment: &Environment, address: &Address| {
            let plain = plaintext(&self.secrets, source).ok_or_else(|| "not set".to_owned())?;
            Ok(digest(plain, &format!("{}{address}", environment.name)))
        };
        let read = |path: &Path| {
            let missing = || io::Error::new(io::ErrorKind::NotFound, path.display().to_string());
            self.files.get(path).cloned().ok_or_else(missing)
        };
        let options = bfd_manifest::Options {
            read: &read,
            env: &|name| self.variables.get(name).cloned(),
            git: &|_| Err("there is no work tree".to_owned()),
            vars: &BTreeMap::new(),
            files: &bfd_manifest::Disk,
            secret_digest: &digest,
            kinds: bfd_kinds::all(),
        };
        let manifest = bfd_manifest::load(&self.manifest, &options)
            .map_err(|failed| format!("{:#?}\n{:?}", failed.problems, self.files))?;
        let graph = Graph::build(manifest.resources.clone()).map_err(|all| format!("{all:?}"))?;
        Ok(Loaded {
            path: self.manifest.clone(),
            called: self.manifest.display().to_string(),
            manifest,
            graph,
            // The provider has its own; nothing asks these.
            secrets: Arc::new(HostSecrets::new(PathBuf::new())),
            store: Arc::new(LocalStore::on(Arc::new(disk), DIRECTORY)),
            work_tree: WorkTree::around(Path::new(".")),
        })
    }
}

/// Secrets without the cost of a digest that resists attackers.
#[derive(Debug)]
struct Plaintexts(BTreeMap<String, String>);

impl Secrets for Plaintexts {
    fn reveal(&self, secret: &Secret) -> Result<String, SecretUnavailable> {
        let missing = || SecretUnavailable::Missing(secret.source.clone());
        let plain = plaintext(&self.0, &secret.source).ok_or_else(missing)?;
        let salt = secret.digest.split('$').next().unwrap_or_default();
        if digest(plain, salt) == secret.digest {
            Ok(plain.to_owned())
        } else {
            Err(SecretUnavailable::Changed(secret.source.clone()))
        }
    }
}

fn plaintext<'s>(all: &'s BTreeMap<String, String>, source: &SecretSource) -> Option<&'s str> {
    match source {
        SecretSource::Env(name) => all.get(name).map(String::as_str),
        SecretSource::File(_) | SecretSource::Command(_) => None,
    }
}

fn digest(plain: &str, salt: &str) -> String {
    let hash = Sha256::digest(format!("{salt}\n{plain}"));
    hash.iter().fold(format!("{salt}$"), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// Seconds between two times of a journal.
pub fn seconds_between(from: &str, to: &str) -> f64 {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (parse(from), parse(to)) {
        (Some(from), Some(to)) => to.duration_since(from).as_secs_f64(),
        _ => 0.0,
    }
}

/// The registry, as somebody else who pushes to it sees it.
#[derive(Debug)]
pub struct Upstream(AwsProvider);

impl Upstream {
    /// Pushes one of the layouts to the repository that is nobody's of the environment.
    pub async fn push(&self, number: usize, tag: Option<&str>) {
        let registry = self.0.aws().registry();
        let layout = images::layout(number);
        let repository = images::upstream(number);
        let repository: Reference = repository.parse().expect("a reference");
        let context = Context {
            token: Token("upstream".to_owned()),
            repeated: false,
            run_began: String::new(),
            undo: false,
            progress: Progress::default(),
            turn_back: CancellationToken::new(),
        };
        let pushed = registry.push(&layout, &repository, tag, &[], &context).await;
        pushed.expect("nothing disturbs somebody else");
    }
}
