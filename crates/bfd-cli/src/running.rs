//! What `apply`, `destroy` and `recover` share: run under the lock, show, tell how it ended.
//! What an earlier process left is finished in `resuming`.

use crate::{
    connect::Connection,
    exit::{CommandError, Exit},
    host,
    load::Loaded,
    screen::{self, Screen},
    views::{self, events::Events, marks::Mark, outcome::Ending, verdict::Verdict},
};
use bfd_apply::{Ended, Limits, Reporter, Session};
use bfd_core::{
    Address,
    journal::{Entry, Event},
    plan::{Action, Plan, Step, StepId},
};
use bfd_provider::Provider;
use bfd_store::{RunHeader, StateGuard};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// Two ways to ask a run to end: first politely, then at once.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    pub cancel: CancellationToken,
    pub abort: CancellationToken,
}

impl Stop {
    /// Listens for SIGINT and SIGTERM until the process ends. From here on they no
    /// longer end it by themselves.
    pub fn on_signals() -> Result<Self, CommandError> {
        use tokio::signal::unix::{SignalKind, signal};
        let refused = |err: io::Error| CommandError::refused(format!("no signals here: {err}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let stop = Self::default();
        let asked = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if asked.cancel.is_cancelled() {
                    asked.abort.cancel();
                } else {
                    asked.cancel.cancel();
                }
            }
        });
        Ok(stop)
    }
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub command: &'a str,
    /// The user has said yes already.
    pub confirmed: bool,
    pub parallelism: usize,
    pub events: Option<&'a Path>,
    /// Of the saved plan that is applied.
    pub digest: Option<&'a str>,
}

/// Asks, and takes nothing but the exact answer for a yes. Once signals are listened for,
/// one of them is a no.
pub async fn confirmed(
    screen: Screen,
    stop: Option<&Stop>,
    question: String,
    answer: String,
) -> bool {
    let asked = tokio::task::spawn_blocking(move || screen.confirmed(&question, &answer));
    let canceled = async {
        match stop {
            Some(stop) => stop.cancel.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = canceled => false,
        answered = asked => answered.unwrap_or(false),
    }
}

/// Carries out a plan and tells how it ended.
pub async fn run(
    guard: &mut dyn StateGuard,
    plan: Plan,
    loaded: &Loaded,
    connection: &Connection,
    options: Options<'_>,
    stop: &Stop,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let header = RunHeader {
        run: host::new_id(),
        lineage: host::new_id(),
        started_at: connection.now(),
        who: host::who(),
        arn: connection.arn.clone(),
        command: options.command.to_owned(),
        commit: loaded.work_tree.commit(),
        plan_digest: options.digest.map(str::to_owned),
    };
    let mut reporter = Reports::new(&plan, &[], options.events, connection, screen)?;
    let session = session(guard, &mut reporter, connection, options, stop);
    let ended = bfd_apply::apply(plan.clone(), &header, session).await?;
    end(guard, &mut reporter, &header, &plan, &ended, loaded, connection, screen).await;
    Ok(Exit::from(&ended))
}

/// What is left to do when a run has come to an end in this process: write down why it is
/// open, or record that it is over, and tell.
#[expect(clippy::too_many_arguments, reason = "each is one thing that only the caller has")]
pub(crate) async fn end(
    guard: &mut dyn StateGuard,
    reporter: &mut Reports,
    header: &RunHeader,
    plan: &Plan,
    ended: &Ended,
    loaded: &Loaded,
    connection: &Connection,
    screen: Screen,
) {
    if let Some(why) = ended.left_open {
        // It tells those who look later. The run does not need it, so that nothing is lost
        // where it cannot be written.
        let _ = append(guard, connection, first_step(plan), Mark::Left(why).event()).await;
    }
    reporter.end(ended, &header.run, plan, loaded, screen);
    if ended.left_open.is_none() {
        record_deployment(guard, header, plan, ended, loaded, connection, screen).await;
    }
}

/// Marks belong to some step, as all progress does.
pub(crate) fn first_step(plan: &Plan) -> Option<StepId> {
    plan.steps.first().map(|step| step.id)
}

/// Adds one entry to the open journal, where no driver is at it.
pub(crate) async fn append(
    guard: &mut dyn StateGuard,
    connection: &Connection,
    step: Option<StepId>,
    event: Event,
) -> Result<Option<Entry>, CommandError> {
    if step.is_none() && !event.must_be_durable() {
        // A plan without steps has nothing that progress could be about.
        return Ok(None);
    }
    let last = guard.unfinished().and_then(|run| run.entries.last());
    let seq = last.map_or(0, |entry| entry.seq + 1);
    let entry = Entry { seq, at: connection.now(), step, event };
    guard.append(std::slice::from_ref(&entry)).await?;
    Ok(Some(entry))
}

impl Connection {
    pub fn now(&self) -> String {
        self.clock.now()
    }
}

pub(crate) fn session<'a>(
    guard: &'a mut dyn StateGuard,
    reporter: &'a mut Reports,
    connection: &Connection,
    options: Options<'_>,
    stop: &Stop,
) -> Session<'a> {
    Session {
        provider: connection.provider.clone(),
        guard,
        reporter,
        clock: Arc::clone(&connection.clock),
        limits: Limits { parallelism: options.parallelism },
        cancel: stop.cancel.clone(),
        abort: stop.abort.clone(),
    }
}

/// Keeps a record beside the coordinator's parameters, for those who look from AWS's side.
///
/// The run is over; a failure here is told, and changes nothing.
async fn record_deployment(
    guard: &dyn StateGuard,
    header: &RunHeader,
    plan: &Plan,
    ended: &Ended,
    loaded: &Loaded,
    connection: &Connection,
    screen: Screen,
) {
    let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
    for change in &plan.changes {
        *counts.entry(change.action).or_default() += 1;
    }
    let changes = plan.changes.iter();
    let changes = changes.map(|it| json!({ "action": it.action, "address": it.address }));
    let snapshot = guard.snapshot();
    let coordinator: Address = "coordinator.main".parse().expect("a valid address");
    let Some(state) = snapshot.state.resources.get(&coordinator) else { return };
    let record = json!({
        "environment": loaded.manifest.environment.name,
        "run": header.run,
        "lineage": snapshot.version.lineage,
        "serial": snapshot.version.serial,
        "outcome": Verdict::from(ended).word(),
        "who": header.who,
        "arn": header.arn,
        "commit": header.commit,
        "plan_digest": header.plan_digest,
        "command": header.command,
        "counts": counts,
        "changes": changes.collect::<Vec<_>>(),
        "started_at": header.started_at,
        "finished_at": connection.now(),
    });
    if let Err(err) = connection.provider.record_deployment(state, &record).await {
        let failure = err.to_failure();
        screen
            .say(&format!("warning: the deployment record was not written: {}\n", failure.message));
    }
}

/// Empties the events file, once, under the lock; every run of this process adds to it.
pub fn prepare_events(loaded: &Loaded, events: Option<&Path>) -> Result<(), CommandError> {
    let Some(path) = events else { return Ok(()) };
    let state = PathBuf::from(loaded.store.place());
    let parent = |path: &Path| host::directory_of(path).canonicalize().ok();
    if parent(path).is_some() && parent(path) == parent(&state) {
        return Err(CommandError::refused("events are not written among the state's own files"));
    }
    host::private_file(path).map(drop).map_err(|err| unwritable(path, &err))
}

fn unwritable(path: &Path, err: &io::Error) -> CommandError {
    CommandError::refused(format!("{}: {err}", path.display()))
}

/// Shows a run and writes its events.
#[derive(Debug)]
pub(crate) struct Reports {
    screen: views::progress::Reporter,
    events: Option<Events<File>>,
    /// The first error of the events file, told once, at the end.
    broken: Option<io::Error>,
}

impl Reports {
    pub(crate) fn new(
        plan: &Plan,
        earlier: &[Entry],
        events: Option<&Path>,
        connection: &Connection,
        screen: Screen,
    ) -> Result<Self, CommandError> {
        let open = |path: &Path| File::options().append(true).open(path);
        let events = events.map(|path| open(path).map_err(|err| unwritable(path, &err)));
        let events = events.transpose()?.map(Events::new);
        let style = screen.stderr_style();
        let reporter = if screen.is_watched() {
            let clock = Arc::clone(&connection.clock);
            let target = views::progress::terminal(Box::new(io::stderr()), Box::new(screen::size));
            let now = move || clock.now().parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            views::progress::Reporter::live(plan, style, target, Some(Arc::new(now)))
        } else {
            views::progress::Reporter::lines(plan, style, Box::new(screen.stderr()))
        };
        Ok(Self { screen: reporter.after(plan, earlier), events, broken: None })
    }

    fn end(&mut self, ended: &Ended, run: &str, plan: &Plan, loaded: &Loaded, screen: Screen) {
        self.screen.finish();
        let manifest = loaded.called.clone();
        let ending = Ending {
            run,
            plan,
            entries: self.screen.entries(),
            verdict: Verdict::from(ended),
            manifest: &manifest,
        };
        match views::outcome::outcome(&ending, &screen.stderr_style()) {
            Ok(text) => screen.say(&text),
            Err(err) => screen.say(&format!("error: {err}\n")),
        }
        if let Some(err) = &self.broken {
            screen.say(&format!("warning: the events file is incomplete: {err}\n"));
        }
    }
}

impl Reports {
    /// Takes note of what was asked for before anything was begun.
    pub(crate) fn note(&mut self, entry: &Entry) {
        self.record(None, entry);
        self.screen.note(entry);
    }

    /// Takes note of what a process said of itself, which is no event of the run.
    pub(crate) fn mark(&mut self, entry: &Entry) {
        self.screen.note(entry);
    }

    fn record(&mut self, step: Option<&Step>, entry: &Entry) {
        if let Some(Err(err)) = self.events.as_mut().map(|events| events.on_entry(step, entry)) {
            self.broken.get_or_insert(err);
        }
    }
}

impl Reporter for Reports {
    fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) {
        self.record(step, entry);
        self.screen.on_entry(step, entry);
    }
}
