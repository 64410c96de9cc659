//! Finishing what an earlier process left: forward, or back while there is a way back.

use crate::{
    cli::LockArgs,
    connect::Connection,
    exit::{CommandError, Exit},
    host::{self, HostSecrets},
    load::Loaded,
    locking, planning,
    running::{self, Options, Reports, Stop},
    screen::Screen,
    views::{
        Style,
        layout::{Page, plain},
        marks::Mark,
    },
};
use bfd_apply::{ApplyError, Ended};
use bfd_core::{
    Run, Secret,
    journal::{Event, Status},
    plan::{Op, Plan, Step},
};
use bfd_provider::{SecretUnavailable, Secrets as _};
use bfd_store::{StateGuard, Unfinished};
use std::{collections::BTreeMap, path::Path};

/// What to do with a run that an earlier process left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// Forward, if nothing had failed.
    Finish,
    /// Back, while there is a way back.
    RollBack,
}

/// Refuses what cannot go well, before anything is touched. Tells whether the run was past
/// its pivot.
pub fn check(open: &Unfinished, leftover: Leftover, loaded: &Loaded) -> Result<bool, CommandError> {
    let run = Run::resume(open.plan.clone(), &open.entries).map_err(ApplyError::from)?;
    if leftover == Leftover::Finish {
        check_secrets(&run, &loaded.secrets, &loaded.path)?;
    }
    Ok(run.pivoted())
}

/// A secret that is not there any more would fail its step, and turn a run that is to be
/// finished into a rollback that nobody asked for.
fn check_secrets(run: &Run, host: &HostSecrets, manifest: &Path) -> Result<(), CommandError> {
    if run.next_tasks(1).is_empty() && run.interrupted().is_empty() || run.unwinding() {
        return Ok(());
    }
    let is_to_come = |step: &Step| matches!(run.status(step.id), Status::Pending | Status::Started);
    let problems = unavailable(run.plan(), host, is_to_come);
    if problems.is_empty() {
        return Ok(());
    }
    let manifest = manifest.display();
    Err(CommandError::refused_with(
        format!("the run cannot be finished: {}", problems.join("; ")),
        format!(
            "put it back and try again, or roll the run back with `bfd recover {manifest} --back`"
        ),
    ))
}

/// Refuses a reviewed plan whose secrets cannot be sent, before anything is.
pub fn check_secrets_of(plan: &Plan, host: &HostSecrets) -> Result<(), CommandError> {
    let problems = unavailable(plan, host, |_| true);
    if problems.is_empty() {
        return Ok(());
    }
    Err(CommandError::refused_with(
        format!("the plan cannot be carried out: {}", problems.join("; ")),
        "put it back, or make a new plan",
    ))
}

/// Why secrets of steps cannot be sent.
fn unavailable(plan: &Plan, host: &HostSecrets, asked: impl Fn(&Step) -> bool) -> Vec<String> {
    let mut needed = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| asked(step)) {
        let inputs = match &step.op {
            Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
                inputs
            }
            Op::Delete { .. } => continue,
        };
        for input in inputs.values() {
            input.secrets(&mut |secret| {
                needed.entry(secret.source.clone()).or_insert_with(|| secret.clone());
            });
        }
    }
    let problem = |secret: &Secret| match host.reveal(secret) {
        Ok(_) => None,
        Err(SecretUnavailable::Unreadable { why, help }) => {
            Some(help.map_or(why.clone(), |help| format!("{why} ({help})")))
        }
        Err(SecretUnavailable::Missing(source)) => Some(format!("the {source} is not there")),
        Err(SecretUnavailable::Changed(source)) => {
            Some(format!("the {source} is not what it was when the plan was made"))
        }
    };
    needed.values().filter_map(problem).collect()
}

/// Takes the lock, and ends a run that an earlier process left open.
///
/// Nothing is touched without consent. `Err(exit)` inside: that run is still open.
pub async fn lock_and_recover(
    loaded: &Loaded,
    connection: &Connection,
    options: Options<'_>,
    leftover: Leftover,
    patience: LockArgs,
    screen: Screen,
) -> Result<Result<(Box<dyn StateGuard>, Option<Stop>), Exit>, CommandError> {
    let mut guard = locking::lock(loaded, options.command, patience, screen).await?;
    connection.only_under(&*guard);
    running::prepare_events(loaded, options.events)?;
    let Some(open) = guard.unfinished() else { return Ok(Ok((guard, None))) };
    planning::check_place(loaded, connection, &open.plan)?;
    check(open, leftover, loaded)?;
    let says = format!("a run of {} (`{}`) did not finish", open.header.who, open.header.command);
    let (does, question) = match leftover {
        Leftover::Finish => ("finishing it first", "Finish it first?"),
        Leftover::RollBack => ("rolling it back first", "Roll it back first?"),
    };
    if options.confirmed {
        screen.say(&format!("{says}; {does}\n"));
    } else if !screen.can_ask() {
        let help = format!("`bfd recover {}` finishes it, or `--yes`", loaded.called);
        return Err(CommandError::refused_with(says, help));
    } else if !screen.confirmed(
        &asking(&format!("{says}{}", way(open, leftover)?), question, &screen.stderr_style()),
        "yes",
    ) {
        screen.say("nothing was changed\n");
        return Ok(Err(Exit::Refused));
    }
    let asked = Stop::on_signals()?;
    let ended = finish(&mut *guard, loaded, connection, options, leftover, &asked, screen).await?;
    match ended {
        // Asked to stop while at it: that is not the moment to begin something new.
        Some(ended) if ended.left_open.is_some() || asked.cancel.is_cancelled() => {
            Ok(Err(Exit::from(&ended)))
        }
        _ => Ok(Ok((guard, Some(asked)))),
    }
}

/// Where a run goes when it is finished.
fn way(open: &Unfinished, leftover: Leftover) -> Result<&'static str, CommandError> {
    let run = Run::resume(open.plan.clone(), &open.entries).map_err(ApplyError::from)?;
    Ok(match leftover {
        Leftover::RollBack => "",
        Leftover::Finish if run.unwinding() => ", and was on its way back",
        Leftover::Finish => ", and goes forward from where it is",
    })
}

/// A question on a line of its own, below what it is about: no terminal breaks it.
fn asking(says: &str, question: &str, style: &Style) -> String {
    let mut page = Page::new(style);
    page.line(0, 2, &[plain(says)]);
    format!("{}{question} Only `yes` is a yes: ", page.finish())
}

/// Runs what the journal left open.
pub async fn finish(
    guard: &mut dyn StateGuard,
    loaded: &Loaded,
    connection: &Connection,
    options: Options<'_>,
    leftover: Leftover,
    stop: &Stop,
    screen: Screen,
) -> Result<Option<Ended>, CommandError> {
    let Some(open) = guard.unfinished().cloned() else { return Ok(None) };
    let Unfinished { header, plan, entries } = &open;
    let mut reporter = Reports::new(plan, entries, options.events, connection, screen)?;
    let mark = Mark::PickedUp { who: host::who(), command: options.command.to_owned() };
    if let Some(entry) =
        running::append(guard, connection, running::first_step(plan), mark.event()).await?
    {
        reporter.mark(&entry);
    }
    if leftover == Leftover::RollBack {
        // Before the driver begins, so that it starts nothing that would be undone at once.
        let asked = running::append(guard, connection, None, Event::Canceled).await?;
        if let Some(entry) = asked {
            reporter.note(&entry);
        }
    }
    let session = running::session(guard, &mut reporter, connection, options, stop);
    let ended = bfd_apply::recover(session).await?;
    if let Some(ended) = &ended {
        running::end(guard, &mut reporter, header, plan, ended, loaded, connection, screen).await;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::{
        Environment, Expr, SecretSource, State, StateVersion,
        journal::{Entry, Failure},
        plan::{FORMAT_VERSION, Phase, Rollback, StepId},
    };
    use std::{collections::BTreeSet, fs};

    /// One step that sends the secret in `file`, nested as deep as a container's is.
    fn plan(host: &HostSecrets, file: &str) -> Plan {
        let environment =
            Environment { name: "dev".into(), account: "1".into(), region: "eu-west-1".into() };
        let address: bfd_core::Address = "parameter.jwt".parse().unwrap();
        let source = SecretSource::File(file.into());
        let digest = host.digest(&source, &environment, &address).unwrap();
        let secret = Expr::Secret(Secret { source, digest });
        let nested = Expr::List(vec![Expr::Map([("value".to_owned(), secret)].into())]);
        let op = Op::Create {
            inputs: [("environment".to_owned(), nested)].into(),
            depends_on: BTreeSet::new(),
        };
        Plan {
            format_version: FORMAT_VERSION,
            environment,
            endpoint: None,
            base: StateVersion::default(),
            refreshed: State::default(),
            missing: BTreeMap::new(),
            changes: vec![],
            unchanged: 0,
            steps: vec![Step {
                id: StepId(0),
                address,
                phase: Phase::Deploy,
                op,
                after: BTreeSet::new(),
                undone_after: BTreeSet::new(),
                path_seconds: 1,
            }],
            drift: vec![],
            stack_drift: Vec::new(),
            previews: Vec::new(),
            back_to: None,
            warnings: vec![],
            targets: BTreeSet::new(),
            rollback: Rollback::default().into(),
        }
    }

    fn refusal(host: &HostSecrets, plan: &Plan, events: &[Event]) -> Option<CommandError> {
        let step = |event: &Event| (*event != Event::Canceled).then_some(StepId(0));
        let entries: Vec<Entry> = (0..)
            .zip(events)
            .map(|(seq, event)| Entry {
                seq,
                at: String::new(),
                step: step(event),
                event: event.clone(),
            })
            .collect();
        let run = Run::resume(plan.clone(), &entries).unwrap();
        check_secrets(&run, host, Path::new("dev.toml")).err()
    }

    #[test]
    fn a_run_is_not_finished_forward_without_its_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let host = HostSecrets::new(directory.path().to_owned());
        let file = directory.path().join("jwt");
        fs::write(&file, "one").unwrap();
        let plan = plan(&host, "jwt");
        assert!(refusal(&host, &plan, &[]).is_none());
        for (then, says) in [("gone", "is not there"), ("other", "is not what it was")] {
            if then == "gone" { fs::remove_file(&file) } else { fs::write(&file, then) }.unwrap();
            for begun in [vec![], vec![Event::Started]] {
                let error = refusal(&host, &plan, &begun).unwrap();
                assert_eq!(error.exit(), Exit::Refused);
                assert!(error.to_string().contains(&format!("the file `jwt` {says}")), "{error}");
                let help = error.help("dev.toml").unwrap();
                assert!(help.contains("`bfd recover dev.toml --back`"), "{help}");
            }
        }
    }

    #[test]
    fn a_question_is_a_line_of_its_own() {
        let says = "a run of somebody@a-build-machine-with-a-long-name.example.com (`bfd apply`) \
                    did not finish, and goes forward from where it is";
        let text = asking(says, "Finish it first?", &Style { width: 80, ..Style::PLAIN });
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert_eq!(text.lines().last(), Some("Finish it first? Only `yes` is a yes: "));
    }

    #[test]
    fn what_goes_back_or_is_over_needs_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let host = HostSecrets::new(directory.path().to_owned());
        fs::write(directory.path().join("jwt"), "one").unwrap();
        let plan = plan(&host, "jwt");
        fs::remove_file(directory.path().join("jwt")).unwrap();
        let failed = Event::Failed { failure: Failure::default(), left: None };
        for settled in [
            vec![Event::Started, Event::Succeeded { result: None }],
            vec![Event::Started, failed],
            vec![Event::Canceled],
        ] {
            assert!(refusal(&host, &plan, &settled).is_none(), "{settled:?}");
        }
    }
}
