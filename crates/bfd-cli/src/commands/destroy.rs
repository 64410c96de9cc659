use crate::{
    cli::DestroyArgs,
    connect::connect,
    exit::{CommandError, Exit},
    load::{SecretUse, in_manifest, load},
    planning::{self, Scope},
    resuming::{self, Leftover},
    running::{self, Options, Stop},
    screen::Screen,
    views,
};
use bfd_plan::Graph;

mod obstacles;

/// Deletes everything that is recorded, dependents first.
pub(super) async fn run(args: &DestroyArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Known)?;
    let obstacles = obstacles::before(&loaded, args.yes, screen).await?;
    if !obstacles.is_empty() {
        return Err(in_manifest(&loaded.manifest, obstacles));
    }
    let connection = connect(&loaded).await?;
    let options = Options {
        command: "bfd destroy",
        confirmed: args.yes,
        parallelism: usize::from(args.parallelism),
        events: args.events.as_deref(),
        digest: None,
    };
    let (leftover, patience) = (Leftover::RollBack, args.lock);
    let locked =
        resuming::lock_and_recover(&loaded, &connection, options, leftover, patience, screen);
    let (mut guard, listening) = match locked.await? {
        Ok(locked) => locked,
        Err(exit) => return Ok(exit),
    };
    // Another run may have ended meanwhile.
    let unapplied = obstacles::unapplied(&loaded, &guard.snapshot().state);
    let scope = Scope { targets: &[], rollback: loaded.manifest.rollback, to: None };
    let plan =
        planning::plan(&loaded, &nothing(), guard.snapshot(), Some(&connection), scope).await;
    let plan = obstacles::none_of(&loaded, unapplied, plan)?;
    if plan.is_empty() {
        screen.data(&format!("{} is empty already\n", loaded.manifest.environment.name));
        return Ok(Exit::Done);
    }
    screen.data(&views::plan::text(&plan, &screen.stdout_style()));
    if !args.yes {
        let name = &loaded.manifest.environment.name;
        if !screen.can_ask() {
            return Err(CommandError::refused_with(
                "there is no terminal to ask on",
                "destroy with `--yes`",
            ));
        }
        let question = format!("Delete all of this? Type `{name}` to go on: ");
        if !running::confirmed(screen, listening.as_ref(), question, name.clone()).await {
            screen.say("nothing was changed\n");
            return Ok(Exit::Refused);
        }
    }
    let stop = listening.map_or_else(Stop::on_signals, Ok)?;
    running::run(&mut *guard, plan, &loaded, &connection, options, &stop, screen).await
}

/// What is wanted of an environment that is to go.
fn nothing() -> Graph {
    Graph::build(Vec::new()).expect("an empty graph has no problems")
}
