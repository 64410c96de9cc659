use super::{
    apply,
    runs::{self, Then},
};
use crate::{
    cli::RollbackArgs,
    connect::connect,
    earlier,
    exit::{CommandError, Exit},
    load::{Loaded, SecretUse, load, refuse_open_run, refuse_run_beside},
    planning::{self, Scope},
    resuming::{self, Leftover},
    running::{self, Options, Stop},
    saved::SavedPlan,
    screen::Screen,
    views,
};
use bfd_core::{
    Snapshot,
    plan::{Action, Plan, Undo},
};
use bfd_manifest::Approval;
use bfd_provider::Provider;

/// Goes back to what an earlier run left: plans it, shows it, and carries it out like any plan.
pub(super) async fn run(args: &RollbackArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Known)?;
    let then = runs::after(&loaded, &args.to).await?;
    let connection = connect(&loaded).await?;
    if let Some(file) = &args.out {
        refuse_open_run(&loaded).await?;
        let snapshot = loaded.store.load().await?;
        let plan = plan(&loaded, args, &then, &snapshot, &connection).await?;
        apply::check_guards(&loaded, &plan)?;
        refuse_run_beside(&loaded, &snapshot).await?;
        let saved =
            SavedPlan::new(&args.manifest, &loaded.manifest.sources, &snapshot.state, &plan);
        let text = views::plan::text(&plan, &screen.stdout_style());
        screen.data(&format!("{text}plan {}\n", saved.short_digest()));
        saved.write(file)?;
        screen.say(&format!("saved; apply it with `bfd apply {}`\n", file.display()));
        return Ok(Exit::Done);
    }
    if loaded.manifest.guard.approval == Approval::SavedPlan {
        return Err(CommandError::refused_with(
            "this environment applies saved plans only",
            "add `-o FILE`, have it reviewed, then `bfd apply FILE`",
        ));
    }
    let options = Options {
        command: "bfd rollback",
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
    let plan = plan(&loaded, args, &then, guard.snapshot(), &connection).await?;
    apply::check_guards(&loaded, &plan)?;
    screen.data(&views::plan::text(&plan, &screen.stdout_style()));
    if plan.is_empty() {
        let run = args.to.as_str();
        let rest = if plan.warnings.is_empty() { "" } else { ", but for what is warned of" };
        screen.say(&format!("the environment is as run {run} left it{rest}\n"));
        return Ok(Exit::Done);
    }
    if !args.yes && !apply::consent(&plan, &loaded, screen, listening.as_ref()).await? {
        screen.say("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    let stop = listening.map_or_else(Stop::on_signals, Ok)?;
    running::run(&mut *guard, plan, &loaded, &connection, options, &stop, screen).await
}

async fn plan(
    loaded: &Loaded,
    args: &RollbackArgs,
    then: &Then,
    now: &Snapshot,
    connection: &crate::connect::Connection,
) -> Result<Plan, CommandError> {
    let earlier = earlier::wanted(loaded, &then.state, &now.state)?;
    let scope =
        Scope { targets: &args.targets, rollback: loaded.manifest.rollback, to: Some(&then.run) };
    let mut plan = planning::plan(loaded, &earlier.graph, now, Some(connection), scope).await?;
    plan.warnings.extend(earlier.warnings);
    let foreign: Vec<String> = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Delete && then.adopted.contains(&change.address))
        .map(|change| format!("`{}`", change.address))
        .collect();
    if !foreign.is_empty() {
        return Err(CommandError::refused_with(
            format!(
                "was there before bfd took it over, and would be deleted: {}",
                foreign.join(", ")
            ),
            format!(
                "`bfd state rm {} ADDRESS` forgets it and leaves the object alone; then go back",
                loaded.called
            ),
        ));
    }
    // What then ran may have expired since.
    let services = earlier::services(&plan, &then.state);
    let problems = connection.provider.check_undo(&plan, &services, &[]).await;
    let gone: Vec<String> = problems
        .into_iter()
        .filter(|problem| problem.undo == Some(Undo::None))
        .map(|problem| format!("{}: {}", problem.address, problem.message))
        .collect();
    if gone.is_empty() {
        return Ok(plan);
    }
    Err(CommandError::refused_with(
        format!("there is no way back to that run: {}", gone.join("; ")),
        "go back to a later one, or bring back what is gone",
    ))
}
