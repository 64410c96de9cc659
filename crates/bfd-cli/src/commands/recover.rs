use crate::{
    cli::RecoverArgs,
    connect::connect,
    exit::{CommandError, Exit},
    load::{SecretUse, load},
    locking, planning,
    resuming::{self, Leftover},
    running::{self, Options, Stop},
    screen::Screen,
};

/// How many steps of a recovery may run at once.
const PARALLELISM: usize = 10;

/// Finishes a run that did not end, or closes it as it is.
pub(super) async fn run(args: &RecoverArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Known)?;
    let mut guard = locking::lock(&loaded, "bfd recover", args.lock, screen).await?;
    let Some(open) = guard.unfinished().cloned() else {
        screen.data("there is nothing to recover: the last run ended\n");
        return Ok(Exit::Done);
    };
    planning::check_same(&loaded, &open.plan.environment)?;
    if args.abandon {
        bfd_apply::abandon(&mut *guard).await?;
        let (run, path) = (&open.header.run, &loaded.called);
        screen
            .data(&format!("run {run} is closed as it is; `bfd plan {path}` shows what differs\n"));
        return Ok(Exit::Done);
    }
    let leftover = if args.back { Leftover::RollBack } else { Leftover::Finish };
    let pivoted = resuming::check(&open, leftover, &loaded)?;
    if args.back && pivoted {
        let path = &loaded.called;
        return Err(CommandError::refused_with(
            "there is no way back: everything declared is live, and the old is being deleted",
            format!("`bfd recover {path}` finishes the run"),
        ));
    }
    running::prepare_events(&loaded, args.events.as_deref())?;
    let connection = connect(&loaded).await?;
    connection.only_under(&*guard);
    planning::check_place(&loaded, &connection, &open.plan)?;
    let stop = Stop::on_signals()?;
    let events = args.events.as_deref();
    let options = Options {
        command: "bfd recover",
        confirmed: true,
        parallelism: PARALLELISM,
        events,
        digest: None,
    };
    let ended =
        resuming::finish(&mut *guard, &loaded, &connection, options, leftover, &stop, screen)
            .await?;
    Ok(ended.as_ref().map_or(Exit::Done, Exit::from))
}
