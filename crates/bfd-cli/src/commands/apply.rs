use crate::{
    cli::{ApplyArgs, ManifestArgs},
    connect::connect,
    exit::{CommandError, Exit},
    load::{SecretUse, load},
    planning::{self, Scope},
    running::{self, Leftover, Options, Stop},
    saved,
    screen::Screen,
    views,
};
use bfd_apply::ApplyError;
use bfd_manifest::Approval;

/// Carries out a manifest, or exactly the plan that was saved and reviewed.
pub(super) async fn run(args: &ApplyArgs, screen: Screen) -> Result<Exit, CommandError> {
    let reviewed = saved::read(&args.input.path)?;
    let path = reviewed.as_ref().map_or(&args.input.path, |saved| &saved.manifest);
    let manifest = ManifestArgs { manifest: path.clone(), vars: args.input.vars.clone() };
    if reviewed.is_some() && !args.targets.is_empty() {
        return Err(CommandError::refused(
            "a saved plan has its targets; `--target` is for `plan`",
        ));
    }
    let loaded = load(&manifest, SecretUse::Compared)?;
    if reviewed.is_none() && loaded.manifest.guard.approval == Approval::SavedPlan {
        return Err(CommandError::refused_with(
            "this environment applies saved plans only",
            "`bfd plan -o FILE`, have it reviewed, then `bfd apply FILE`",
        ));
    }
    let connection = connect(&loaded).await?;
    let options = Options {
        command: "bfd apply",
        confirmed: args.yes || reviewed.is_some(),
        parallelism: usize::from(args.parallelism),
        events: args.events.as_deref(),
    };
    let locked = running::lock_and_recover(&loaded, &connection, options, Leftover::Finish, screen);
    let mut guard = match locked.await? {
        Ok(guard) => guard,
        Err(exit) => return Ok(exit),
    };
    let mut plan = if let Some(saved) = reviewed {
        saved.plan
    } else {
        let scope = Scope { targets: &args.targets, rollback: loaded.manifest.rollback };
        let snapshot = guard.snapshot();
        planning::plan(&loaded, &loaded.graph, snapshot, Some(&connection), scope).await?
    };
    if args.no_rollback {
        plan.rollback.on_failure = false;
    }
    if plan.environment != loaded.manifest.environment {
        return Err(CommandError::WrongState { found: plan.environment });
    }
    let state = guard.snapshot().version.clone();
    if plan.base != state {
        return Err(ApplyError::StalePlan { plan: plan.base, state }.into());
    }
    screen.data(&views::plan::text(&plan, &screen.stdout_style()));
    if plan.is_empty() && plan.drift.is_empty() {
        return Ok(Exit::Done);
    }
    if !options.confirmed && !plan.is_empty() {
        if !screen.can_ask() {
            return Err(CommandError::refused_with(
                "there is no terminal to ask on",
                "review with `bfd plan`, then apply with `--yes` or apply a saved plan",
            ));
        }
        if !screen.confirmed("Apply this plan? Only `yes` is a yes: ", "yes") {
            screen.say("nothing was changed\n");
            return Ok(Exit::Refused);
        }
    }
    let stop = Stop::on_signals()?;
    running::run(&mut *guard, plan, &loaded, &connection, options, &stop, screen).await
}
