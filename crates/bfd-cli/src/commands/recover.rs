use crate::{
    cli::RecoverArgs,
    connect::connect,
    exit::{CommandError, Exit},
    load::{self, SecretUse, load},
    planning,
    running::{self, Options, Stop},
    screen::Screen,
};

/// How many steps of a recovery may run at once.
const PARALLELISM: usize = 10;

/// Finishes a run that did not end, or closes it as it is.
pub(super) async fn run(args: &RecoverArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Ignored)?;
    let mut guard = loaded.store.lock(load::holder("bfd recover")).await?;
    let Some(open) = guard.unfinished().cloned() else {
        screen.data("there is nothing to recover: the last run ended\n");
        return Ok(Exit::Done);
    };
    planning::check_same(&loaded, &open.plan.environment)?;
    if args.abandon {
        bfd_apply::abandon(&mut *guard).await?;
        screen.data("the run is closed as it is; `bfd plan` shows what differs\n");
        return Ok(Exit::Done);
    }
    running::prepare_events(&loaded, args.events.as_deref())?;
    let connection = connect(&loaded).await?;
    planning::check_place(&loaded, &connection, &open.plan)?;
    let stop = Stop::on_signals()?;
    let events = args.events.as_deref();
    let options =
        Options { command: "bfd recover", confirmed: true, parallelism: PARALLELISM, events };
    let ended = running::finish(&mut *guard, &loaded, &connection, options, &stop, screen).await?;
    Ok(ended.as_ref().map_or(Exit::Done, Exit::from))
}
