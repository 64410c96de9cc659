//! `show --run` and `show --runs`: what is kept of runs. No network, no lock.

use crate::{
    cli::{HistoryArgs, ShowFormat},
    exit::{CommandError, Exit},
    load::{Loaded, SecretUse, load},
    screen::Screen,
    views::run::{self, Row, Told},
};
use bfd_apply::ApplyError;
use bfd_core::{Address, Outcome, Run, State, plan::Op};
use bfd_store::{FinishedRun, StoreError};
use futures_util::stream::{StreamExt as _, iter};
use std::collections::BTreeSet;

/// How many runs are read at once, where each is a request.
const READS: usize = 10;
/// How many runs a message names that could not find the one it was asked for.
const NAMED: usize = 5;

/// Lists the open run and those that ended, the latest first.
pub(super) async fn list(
    loaded: &Loaded,
    format: ShowFormat,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let open = match open(loaded).await {
        Ok(open) => open,
        // A journal that cannot be read hides none of the others.
        Err(CommandError::Store(
            error @ (StoreError::Damaged { .. } | StoreError::NewerFormat { .. }),
        )) => {
            screen.say(&format!("warning: {error}\n"));
            None
        }
        Err(error) => return Err(error),
    };
    let finished = loaded.store.finished().await?;
    // It may have ended between the two looks.
    let open = open.filter(|open| !finished.contains(&open.header.run));
    let mut rows: Vec<Row> = open.into_iter().map(|open| Row::Told(Box::new(open))).collect();
    let reads = finished.into_iter().map(|id| async move { (ended(loaded, &id).await, id) });
    for (told, id) in iter(reads).buffered(READS).collect::<Vec<_>>().await {
        match told {
            Ok(Some(told)) => rows.push(Row::Told(Box::new(told))),
            // Another process made room for a newer one.
            Ok(None) => {}
            Err(error) => rows.push(Row::Unreadable { run: id, why: reason(&error) }),
        }
    }
    screen.data(&match format {
        ShowFormat::Text => run::list(&rows, &screen.list_style()),
        ShowFormat::Json => run::list_json(&rows),
    });
    Ok(Exit::Done)
}

/// Shows the latest run, or the one whose id starts with `wanted`.
pub(super) async fn one(
    loaded: &Loaded,
    wanted: &str,
    format: ShowFormat,
    screen: Screen,
) -> Result<Exit, CommandError> {
    let finished = loaded.store.finished().await?;
    let told = if wanted.is_empty() {
        match open(loaded).await? {
            Some(open) => Some(open),
            None => match finished.first() {
                Some(latest) => ended(loaded, latest).await?,
                None => None,
            },
        }
    } else {
        find(loaded, wanted, finished).await?
    };
    let name = &loaded.manifest.environment.name;
    let Some(told) = told else {
        let help = format!("`bfd apply {}` makes the first", loaded.called);
        return Err(CommandError::refused_with(format!("no run of {name} is recorded"), help));
    };
    let manifest = loaded.called.clone();
    let text = match format {
        ShowFormat::Text => run::text(&told, &manifest, &screen.stdout_style()),
        ShowFormat::Json => run::json(&told),
    };
    screen.data(&text.map_err(ApplyError::from)?);
    Ok(Exit::Done)
}

/// `bfd history`.
pub(super) async fn history(args: &HistoryArgs, screen: Screen) -> Result<Exit, CommandError> {
    list(&load(&args.manifest, SecretUse::Ignored)?, args.format, screen).await
}

/// What a run left, to go back to.
#[derive(Debug)]
pub(super) struct Then {
    /// Its whole id.
    pub(super) run: String,
    pub(super) state: State,
    /// What runs after it took over from somebody.
    pub(super) adopted: BTreeSet<Address>,
}

/// What is recorded after a run that ended, found by the start of its id.
/// And what bfd has taken over since, in runs that are kept.
pub(super) async fn after(loaded: &Loaded, wanted: &str) -> Result<Then, CommandError> {
    let ids = loaded.store.finished().await?;
    let path = loaded.called.clone();
    if wanted.is_empty() {
        let help = format!("`bfd history {path}` lists them");
        return Err(CommandError::refused_with("which run is not said", help));
    }
    let id = choose(&wanted.to_ascii_lowercase(), &ids, &path)?;
    let none = || {
        let help = format!("`bfd history {path}` lists those that are kept");
        CommandError::refused_with(format!("run {id} is no longer kept"), help)
    };
    let found = loaded.store.finished_run(id).await?.ok_or_else(none)?;
    let run = Run::resume(found.plan, &found.entries).map_err(ApplyError::from)?;
    let is_whole =
        matches!(run.outcome(), Outcome::Applied | Outcome::CleanupPending | Outcome::RolledBack);
    // One that was closed by hand stands in the middle, whatever it was about to become.
    let is_over = bfd_apply::unsettled(&run).is_empty() && run.next_tasks(usize::MAX).is_empty();
    if !(is_whole && is_over) {
        let help = format!("`bfd history {path}` lists others");
        let message = format!("run {id} did not leave a whole environment");
        return Err(CommandError::refused_with(message, help));
    }
    let mut adopted = BTreeSet::new();
    let later: Vec<&String> = ids.iter().take_while(|later| *later != id).collect();
    let reads = later.into_iter().map(|later| loaded.store.finished_run(later));
    for later in iter(reads).buffered(READS).collect::<Vec<_>>().await {
        // One that cannot be read says nothing; the others do.
        let Ok(Some(later)) = later else { continue };
        let steps = later.plan.steps.into_iter();
        adopted.extend(steps.filter(|it| matches!(it.op, Op::Adopt { .. })).map(|it| it.address));
    }
    Ok(Then { run: id.to_owned(), state: run.record_of_state(), adopted })
}

async fn find(
    loaded: &Loaded,
    wanted: &str,
    finished: Vec<String>,
) -> Result<Option<Told>, CommandError> {
    let wanted = wanted.to_ascii_lowercase();
    // What is asked for by name may be one that ended, whatever the open journal is like.
    let open = open(loaded).await;
    let mut ids = finished;
    if let Ok(Some(open)) = &open
        && !ids.contains(&open.header.run)
    {
        ids.insert(0, open.header.run.clone());
    }
    let found = choose(&wanted, &ids, &loaded.called.clone())?;
    match open {
        Ok(Some(open)) if open.header.run == found => Ok(Some(open)),
        _ => ended(loaded, found).await,
    }
}

/// The one id that starts with `wanted`, or which there are.
fn choose<'a>(wanted: &str, ids: &'a [String], manifest: &str) -> Result<&'a str, CommandError> {
    let found: Vec<&String> = ids.iter().filter(|id| id.starts_with(wanted)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let latest: Vec<&str> = ids.iter().take(NAMED).map(String::as_str).collect();
            let help = match latest.as_slice() {
                [] => "no run is recorded".to_owned(),
                some => format!(
                    "the latest: {}; `bfd show {manifest} --runs` lists all",
                    some.join(", ")
                ),
            };
            Err(CommandError::refused_with(format!("no run starts with `{wanted}`"), help))
        }
        // An id is never the start of another: all are of one length.
        several => {
            let named: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            Err(CommandError::refused_with(
                format!("{} runs start with `{wanted}`", named.len()),
                format!("give more of one of them: {}", named.join(", ")),
            ))
        }
    }
}

async fn open(loaded: &Loaded) -> Result<Option<Told>, CommandError> {
    let Some(open) = loaded.store.unfinished().await? else { return Ok(None) };
    let holder = loaded.store.holder().await?;
    let told = Told::open(open.header, open.plan, open.entries, holder);
    Ok(Some(told.map_err(ApplyError::from)?))
}

async fn ended(loaded: &Loaded, id: &str) -> Result<Option<Told>, CommandError> {
    let Some(run) = loaded.store.finished_run(id).await? else { return Ok(None) };
    let told = Told::closed(run.header, run.plan, run.entries).map_err(ApplyError::from)?;
    Ok(Some(told))
}

/// All runs that ended and are kept, the latest first, and why others cannot be read.
pub(super) async fn ended_all(
    loaded: &Loaded,
) -> Result<(Vec<FinishedRun>, Vec<StoreError>), CommandError> {
    let ids = loaded.store.finished().await?;
    let reads = ids.iter().map(|id| loaded.store.finished_run(id));
    let read = iter(reads).buffered(READS).collect::<Vec<_>>().await;
    let (mut runs, mut problems) = (Vec::new(), Vec::new());
    for run in read {
        match run {
            Ok(run) => runs.extend(run),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((runs, problems))
}

/// Why a journal cannot be shown: the last cause is the one that names it.
fn reason(error: &CommandError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        ["01kb2", "01kb1", "01ka9"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_start_of_an_id_is_enough() {
        let ids = ids();
        assert_eq!(choose("01ka", &ids, "dev.toml").unwrap(), "01ka9");
        assert_eq!(choose("01kb2", &ids, "dev.toml").unwrap(), "01kb2");
    }

    #[test]
    fn what_is_not_one_run_is_refused_with_those_it_may_be() {
        let ambiguous = choose("01kb", &ids(), "dev.toml").unwrap_err();
        assert_eq!(ambiguous.exit(), Exit::Refused);
        assert_eq!(ambiguous.to_string(), "2 runs start with `01kb`");
        let help = ambiguous.help("dev.toml").unwrap();
        assert!(help.contains("01kb2, 01kb1") && !help.contains("01ka9"), "{help}");
        let unknown = choose("x", &ids(), "dev.toml").unwrap_err();
        let help = unknown.help("dev.toml").unwrap();
        assert!(help.contains("01kb2, 01kb1, 01ka9"), "{help}");
        assert!(help.contains("`bfd show dev.toml --runs`"), "{help}");
    }
}
