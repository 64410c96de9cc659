use super::runs;
use crate::{
    cli::{LockArgs, ManifestArgs, StateCommand},
    exit::{CommandError, Exit},
    load::{Loaded, SecretUse, about, known, load},
    locking, planning,
    screen::Screen,
    views,
};
use bfd_core::{Address, Kind, State, StateVersion};
use bfd_store::{FinishedRun, StateDocument, StateGuard, StoreError};
use std::{collections::BTreeSet, fs, io, path::Path};

/// Looks at and mends the recorded state. Objects are never touched.
pub(super) async fn run(command: &StateCommand, screen: Screen) -> Result<Exit, CommandError> {
    match command {
        StateCommand::List(manifest) => list(manifest, screen).await,
        StateCommand::Show { manifest, address } => show(manifest, address, screen).await,
        StateCommand::Rm { manifest, address, lock } => {
            remove(manifest, address, *lock, screen).await
        }
        StateCommand::Mv { manifest, from, to, lock } => {
            rename(manifest, from, to, *lock, screen).await
        }
        StateCommand::Pull { manifest, history } => pull(manifest, *history, screen).await,
        StateCommand::Push { manifest, file, force, lock } => {
            push(manifest, file, *force, *lock, screen).await
        }
    }
}

async fn list(manifest: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    let (snapshot, open) = known(&loaded).await?;
    if let Some(open) = open {
        screen.say(&format!("{}\n", about(&loaded, &open).await?));
    }
    screen.data(&views::show::list(&snapshot.state, &screen.list_style()));
    Ok(Exit::Done)
}

async fn show(
    manifest: &ManifestArgs,
    address: &Address,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    let (snapshot, _) = known(&loaded).await?;
    let state = snapshot.state.resources.get(address);
    let state = state.ok_or_else(|| not_recorded(&loaded, address))?;
    screen.data(&views::show::resource(address, state, &screen.stdout_style()));
    Ok(Exit::Done)
}

async fn remove(
    manifest: &ManifestArgs,
    address: &Address,
    lock: LockArgs,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    let (mut guard, mut state) = open(&loaded, lock, screen).await?;
    if state.resources.remove(address).is_none() && state.deposed.remove(address).is_none() {
        return Err(not_recorded(&loaded, address));
    }
    for resource in state.resources.values_mut() {
        resource.depends_on.remove(address);
    }
    guard.commit(&loaded.manifest.environment, state).await?;
    screen.data(&format!("`{address}` is no longer recorded; its object stays\n"));
    Ok(Exit::Done)
}

async fn rename(
    manifest: &ManifestArgs,
    from: &Address,
    to: &Address,
    lock: LockArgs,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    if from.kind() != to.kind() {
        return Err(CommandError::refused("a resource keeps its kind"));
    }
    let (mut guard, mut state) = open(&loaded, lock, screen).await?;
    if state.resources.contains_key(to) || state.deposed.contains_key(to) {
        return Err(CommandError::refused(format!("`{to}` is recorded already")));
    }
    let resource = state.resources.remove(from).ok_or_else(|| not_recorded(&loaded, from))?;
    state.resources.insert(to.clone(), resource);
    if let Some(deposed) = state.deposed.remove(from) {
        state.deposed.insert(to.clone(), deposed);
    }
    for resource in state.resources.values_mut() {
        if resource.depends_on.remove(from) {
            resource.depends_on.insert(to.clone());
        }
    }
    guard.commit(&loaded.manifest.environment, state).await?;
    screen.data(&format!("`{from}` is now recorded as `{to}`\n"));
    Ok(Exit::Done)
}

async fn pull(
    manifest: &ManifestArgs,
    history: bool,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    let snapshot = loaded.store.load().await?;
    let Some(environment) = &snapshot.environment else {
        return Err(CommandError::refused_with(
            format!("nothing is recorded in {}", loaded.store.place()),
            "there is no state to pull before the first run",
        ));
    };
    if let Some(open) = loaded.store.unfinished().await? {
        // A journal belongs to its backend: what it knows would stay behind.
        screen.say(&format!("warning: {}\n", about(&loaded, &open).await?));
    }
    let mut document = StateDocument::new(&snapshot.version, environment, &snapshot.state);
    if history {
        let (mut runs, problems) = runs::ended_all(&loaded).await?;
        runs.reverse();
        for problem in problems {
            // One that cannot be read keeps none of the others here.
            screen.say(&format!("warning: {problem}\n"));
        }
        document = document.with_history(runs);
    }
    screen.data(&document.to_text());
    Ok(Exit::Done)
}

async fn push(
    manifest: &ManifestArgs,
    file: &Path,
    force: bool,
    lock: LockArgs,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let loaded = load(manifest, SecretUse::Ignored)?;
    let name = file.display().to_string();
    let text = if name == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = text.map_err(|err| CommandError::refused(format!("{name}: {err}")))?;
    let unread = |error| not_a_state(&loaded, error);
    let pushed = StateDocument::parse(&name, &text).map_err(unread)?;
    let runs = StateDocument::history_in(&name, &text).map_err(unread)?;
    planning::check_environment(&loaded, &pushed)?;
    check_kinds(&loaded, &name, &pushed.state)?;
    let environment = &loaded.manifest.environment;
    // Whoever insists may have to: what is there may be what is to be repaired.
    let guard = if force {
        locking::lock_to_replace(&loaded, "bfd state", lock, screen).await?
    } else {
        locking::lock(&loaded, "bfd state", lock, screen).await?
    };
    let (mut guard, _) = opened(&loaded, guard)?;
    let (there, new) = (guard.snapshot().version.clone(), pushed.version);
    if guard.snapshot().state == pushed.state && there == new {
        keep(&mut *guard, runs).await?;
        screen.data(&format!("serial {} is there already\n", there.serial));
        return Ok(Exit::Done);
    }
    let missing = fork(&loaded, &runs).await;
    let refusal = if there.serial == 0 {
        None
    } else if there.lineage != new.lineage {
        Some(format!("{name} is of another lineage: `{}`, not `{}`", new.lineage, there.lineage))
    } else if new.serial <= there.serial {
        Some(format!("{name} has serial {}, the state is at {}", new.serial, there.serial))
    } else {
        missing.map(|run| {
            format!("{name} does not know run {run}: both went on from an earlier state")
        })
    };
    if let Some(refusal) = refusal.filter(|_| !force) {
        return Err(CommandError::refused_with(
            refusal,
            format!(
                "compare it with what `bfd state pull {}` prints; `--force` takes the file all the \
                 same",
                loaded.called
            ),
        ));
    }
    // Always another version: whoever has read the old one must notice.
    let serial = if there.serial == 0 { new.serial } else { new.serial.max(there.serial + 1) };
    let version = StateVersion { lineage: new.lineage, serial };
    // A run that is kept twice is kept once: who is interrupted here pushes again.
    keep(&mut *guard, runs).await?;
    guard.replace(environment, version, pushed.state).await?;
    screen.data(&format!("{} is at serial {serial}\n", loaded.store.place()));
    Ok(Exit::Done)
}

/// The last run that ended here, when who went on elsewhere does not know it: what it did would
/// be lost. A file without runs says nothing about it.
async fn fork(loaded: &Loaded, runs: &[FinishedRun]) -> Option<String> {
    if runs.is_empty() {
        return None;
    }
    let last = loaded.store.finished().await.ok()?.into_iter().next()?;
    let is_known = runs.iter().any(|run| run.header.run == last);
    (!is_known).then_some(last)
}

/// Refuses a state with what no later command could read: everything of it at once.
fn check_kinds(loaded: &Loaded, name: &str, state: &State) -> Result<(), CommandError> {
    let live = state.resources.iter();
    let old = state.deposed.iter().flat_map(|(at, all)| all.iter().map(move |it| (at, it)));
    let is_known = |kind: &Kind| bfd_kinds::all().iter().any(|spec| spec.name == kind.as_str());
    let wrong = live.chain(old).filter_map(|(address, resource)| {
        let kind = &resource.kind;
        if !is_known(kind) {
            Some(format!("`{address}` is a `{kind}`, which this version does not know"))
        } else if kind != address.kind() {
            Some(format!("`{address}` is recorded as a `{kind}`"))
        } else {
            None
        }
    });
    let wrong: BTreeSet<String> = wrong.collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    Err(CommandError::refused_with(
        format!("{name} is no state for this bfd: {}", wrong.join("; ")),
        format!(
            "push what `bfd state pull {}` printed; a newer bfd may know more kinds",
            loaded.called
        ),
    ))
}

/// What is wrong with a file is not wrong with the state, which nobody has touched.
fn not_a_state(loaded: &Loaded, error: StoreError) -> CommandError {
    match error {
        StoreError::Damaged { place, reason } => CommandError::refused_with(
            format!("{place} is not a state: {reason}"),
            format!("nothing was changed; push what `bfd state pull {}` printed", loaded.called),
        ),
        StoreError::NewerFormat { .. } => CommandError::refused_with(
            error.to_string(),
            "nothing was changed; use the bfd that wrote it, or a newer one",
        ),
        other => other.into(),
    }
}

async fn keep(guard: &mut dyn StateGuard, runs: Vec<FinishedRun>) -> Result<(), CommandError> {
    for run in runs {
        guard.keep(run).await?;
    }
    Ok(())
}

async fn open(
    loaded: &Loaded,
    lock: LockArgs,
    screen: Screen,
) -> Result<(Box<dyn StateGuard>, State), CommandError> {
    opened(loaded, locking::lock(loaded, "bfd state", lock, screen).await?)
}

fn opened(
    loaded: &Loaded,
    guard: Box<dyn StateGuard>,
) -> Result<(Box<dyn StateGuard>, State), CommandError> {
    if guard.unfinished().is_some() {
        return Err(CommandError::refused_with(
            "an earlier run did not finish",
            format!(
                "finish it first: `bfd recover {path}`; `bfd show {path} --run` shows it",
                path = loaded.called
            ),
        ));
    }
    planning::check_environment(loaded, guard.snapshot())?;
    let state = guard.snapshot().state.clone();
    Ok((guard, state))
}

fn not_recorded(loaded: &Loaded, address: &Address) -> CommandError {
    CommandError::refused_with(
        format!("`{address}` is not recorded"),
        format!("`bfd state list {}` lists what is", loaded.called),
    )
}
