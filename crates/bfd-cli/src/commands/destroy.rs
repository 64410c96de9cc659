use crate::{
    cli::DestroyArgs,
    connect::connect,
    exit::{CommandError, Exit},
    load::{Loaded, SecretUse, load},
    planning::{self, Scope},
    resuming::{self, Leftover},
    running::{self, Options, Stop},
    screen::Screen,
    views,
};
use bfd_core::{Expr, Resource, State};
use bfd_kinds::stack::RETAIN;
use bfd_manifest::Approval;
use bfd_plan::Graph;

/// Deletes everything that is recorded, dependents first.
pub(super) async fn run(args: &DestroyArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Known)?;
    let protected: Vec<String> = loaded
        .graph
        .resources()
        .filter(|resource| resource.protect)
        .map(|resource| format!("`{}`", resource.address))
        .collect();
    if !protected.is_empty() {
        return Err(CommandError::refused_with(
            format!("protected: {}", protected.join(", ")),
            "remove `protect` from them first",
        ));
    }
    if args.yes && loaded.manifest.guard.approval == Approval::SavedPlan {
        return Err(CommandError::refused_with(
            "this environment is not destroyed without a person",
            "it applies saved plans only: leave out `--yes` and confirm at a terminal",
        ));
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
    refuse_unapplied(&loaded, &guard.snapshot().state)?;
    let nothing = Graph::build(Vec::new()).expect("an empty graph has no problems");
    let scope = Scope { targets: &[], rollback: loaded.manifest.rollback, to: None };
    let plan =
        planning::plan(&loaded, &nothing, guard.snapshot(), Some(&connection), scope).await?;
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

/// What shall stay has to be recorded: a delete goes by nothing else.
fn refuse_unapplied(loaded: &Loaded, state: &State) -> Result<(), CommandError> {
    let is_unapplied = |resource: &&Resource| {
        let wanted = resource.inputs.get(RETAIN);
        let recorded = state.resources.get(&resource.address);
        recorded.is_some_and(|recorded| {
            recorded.inputs.get(RETAIN).cloned().map(Expr::from).as_ref() != wanted
        })
    };
    let unapplied: Vec<String> = loaded
        .graph
        .resources()
        .filter(is_unapplied)
        .map(|resource| format!("`{}`", resource.address))
        .collect();
    if unapplied.is_empty() {
        return Ok(());
    }
    Err(CommandError::refused_with(
        format!("`retain` is not applied yet: {}", unapplied.join(", ")),
        format!("`bfd apply {}` first, so that what shall stay is recorded", loaded.called),
    ))
}
