use crate::{
    cli::ShowArgs,
    exit::{CommandError, Exit},
    load::load,
    saved,
    screen::Screen,
    views,
};

/// Shows a saved plan, or what is recorded of an environment.
pub(super) async fn run(args: &ShowArgs, screen: Screen) -> Result<Exit, CommandError> {
    if let Some(saved) = saved::read(&args.manifest.manifest)? {
        screen.data(&views::plan::text(&saved.plan, &screen.stdout_style()));
        return Ok(Exit::Done);
    }
    let loaded = load(&args.manifest)?;
    if let Some(run) = loaded.store.unfinished().await? {
        screen.say(&format!(
            "run {} of {} (since {}) did not finish; `bfd recover {}` finishes it\n",
            run.header.run,
            run.header.who,
            run.header.started_at,
            loaded.path.display()
        ));
    }
    let snapshot = loaded.store.load().await?;
    screen.data(&views::show::list(&snapshot.state, &screen.stdout_style()));
    Ok(Exit::Done)
}
