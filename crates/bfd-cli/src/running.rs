//! What `apply`, `destroy` and `recover` share: run under the lock, show, tell how it ended.

use crate::{
    connect::Connection,
    exit::{CommandError, Exit},
    host,
    load::{self, Loaded},
    planning,
    screen::{self, Screen},
    views::{self, events::Events, outcome::Ending},
};
use bfd_apply::{Ended, Limits, Reporter, Session};
use bfd_core::{
    Address, Outcome,
    journal::Entry,
    plan::{Plan, Step},
};
use bfd_provider::Provider;
use bfd_store::{RunHeader, StateGuard};
use serde_json::json;
use std::{
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

/// What to do with a run that an earlier process left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// Forward, if nothing had failed.
    Finish,
    /// Back, while there is a way back: what it makes would be deleted at once.
    RollBack,
}

/// Takes the lock, and ends a run that an earlier process left open.
///
/// Nothing is touched without consent. `Err(exit)` inside: that run is still open.
pub async fn lock_and_recover(
    loaded: &Loaded,
    connection: &Connection,
    options: Options<'_>,
    leftover: Leftover,
    screen: Screen,
) -> Result<Result<(Box<dyn StateGuard>, Option<Stop>), Exit>, CommandError> {
    let mut guard = loaded.store.lock(load::holder(options.command)).await?;
    prepare_events(loaded, options.events)?;
    let Some(open) = guard.unfinished() else { return Ok(Ok((guard, None))) };
    planning::check_place(loaded, connection, &open.plan)?;
    let says = format!("a run of {} (`{}`) did not finish", open.header.who, open.header.command);
    let (does, question) = match leftover {
        Leftover::Finish => ("finishing it first", "Finish it first?"),
        Leftover::RollBack => ("rolling it back first", "Roll it back first?"),
    };
    if options.confirmed {
        screen.say(&format!("{says}; {does}\n"));
    } else if !screen.can_ask() {
        let help = format!("`bfd recover {}` finishes it, or `--yes`", loaded.path.display());
        return Err(CommandError::refused_with(says, help));
    } else if !screen.confirmed(&format!("{says}. {question} Only `yes` is a yes: "), "yes") {
        screen.say("nothing was changed\n");
        return Ok(Err(Exit::Refused));
    }
    let asked = Stop::on_signals()?;
    let stop = match leftover {
        Leftover::Finish => asked.clone(),
        // Going back needs no asking; asking twice still leaves at once.
        Leftover::RollBack => {
            let back = CancellationToken::new();
            back.cancel();
            Stop { cancel: back, abort: asked.abort.clone() }
        }
    };
    let ended = finish(&mut *guard, loaded, connection, options, &stop, screen).await?;
    match ended {
        // Asked to stop while at it: that is not the moment to begin something new.
        Some(ended) if ended.left_open.is_some() || asked.cancel.is_cancelled() => {
            Ok(Err(Exit::from(&ended)))
        }
        _ => Ok(Ok((guard, Some(asked)))),
    }
}

/// Runs what the journal left open.
pub async fn finish(
    guard: &mut dyn StateGuard,
    loaded: &Loaded,
    connection: &Connection,
    options: Options<'_>,
    stop: &Stop,
    screen: Screen,
) -> Result<Option<Ended>, CommandError> {
    let Some(run) = guard.unfinished().cloned() else { return Ok(None) };
    let mut reporter = Reports::new(&run.plan, &run.entries, options.events, connection, screen)?;
    let session = session(guard, &mut reporter, connection, options, stop);
    let ended = bfd_apply::recover(session).await?;
    if let Some(ended) = &ended {
        reporter.end(ended, &run.plan, loaded, screen);
    }
    Ok(ended)
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
        command: options.command.to_owned(),
    };
    let mut reporter = Reports::new(&plan, &[], options.events, connection, screen)?;
    let session = session(guard, &mut reporter, connection, options, stop);
    let ended = bfd_apply::apply(plan.clone(), &header, session).await?;
    reporter.end(&ended, &plan, loaded, screen);
    if ended.left_open.is_none() {
        record_deployment(guard, &header, &ended, loaded, connection, screen).await;
    }
    Ok(Exit::from(&ended))
}

impl Connection {
    pub fn now(&self) -> String {
        self.clock.now()
    }
}

fn session<'a>(
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
    ended: &Ended,
    loaded: &Loaded,
    connection: &Connection,
    screen: Screen,
) {
    let snapshot = guard.snapshot();
    let coordinator: Address = "coordinator.main".parse().expect("a valid address");
    let Some(state) = snapshot.state.resources.get(&coordinator) else { return };
    let record = json!({
        "environment": loaded.manifest.environment.name,
        "run": header.run,
        "lineage": snapshot.version.lineage,
        "serial": snapshot.version.serial,
        "outcome": match ended.outcome {
            Outcome::Applied => "applied",
            Outcome::CleanupPending => "cleanup_pending",
            Outcome::RolledBack => "rolled_back",
            Outcome::Stopped => "stopped",
            Outcome::Stuck => "stuck",
        },
        "who": header.who,
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
    File::create(path).map(drop).map_err(|err| unwritable(path, &err))
}

fn unwritable(path: &Path, err: &io::Error) -> CommandError {
    CommandError::refused(format!("{}: {err}", path.display()))
}

/// Shows a run and writes its events.
#[derive(Debug)]
struct Reports {
    screen: views::progress::Reporter,
    events: Option<Events<File>>,
    /// The first error of the events file, told once, at the end.
    broken: Option<io::Error>,
}

impl Reports {
    fn new(
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

    fn end(&mut self, ended: &Ended, plan: &Plan, loaded: &Loaded, screen: Screen) {
        self.screen.finish();
        let manifest = loaded.path.display().to_string();
        let ending = Ending {
            plan,
            entries: self.screen.entries(),
            outcome: ended.outcome,
            left_open: ended.left_open,
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

impl Reporter for Reports {
    fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) {
        if let Some(Err(err)) = self.events.as_mut().map(|events| events.on_entry(step, entry)) {
            self.broken.get_or_insert(err);
        }
        self.screen.on_entry(step, entry);
    }
}
