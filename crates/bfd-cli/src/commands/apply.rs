use crate::{
    cli::{ApplyArgs, ManifestArgs},
    connect::connect,
    contents::{self, Promotions},
    exit::{CommandError, Exit},
    load::{Loaded, SecretUse, load},
    planning::{self, Scope},
    resuming::{self, Leftover},
    running::{self, Options, Stop},
    saved::{self, Stale},
    screen::Screen,
    views,
};
use bfd_apply::ApplyError;
use bfd_core::{
    Address, State,
    plan::{Change, Plan},
};
use bfd_manifest::{Approval, Deletes};
use std::collections::BTreeSet;

/// Carries out a manifest, or exactly the plan that was saved and reviewed.
pub(super) async fn run(args: &ApplyArgs, screen: Screen) -> Result<Exit, CommandError> {
    let reviewed = saved::read(&args.input.path)?;
    let path = reviewed.as_ref().map_or(&args.input.path, |saved| &saved.manifest);
    let saved_vars = reviewed.iter().flat_map(|saved| saved.vars.clone());
    let vars: Vec<_> = saved_vars.chain(args.input.vars.iter().cloned()).collect();
    let manifest = ManifestArgs { manifest: path.clone(), vars };
    if reviewed.is_some() && !args.targets.is_empty() {
        return Err(CommandError::refused(
            "a saved plan has its targets; `--target` is for `plan`",
        ));
    }
    if reviewed.is_some() && !args.input.vars.is_empty() {
        return Err(CommandError::refused("a saved plan has its variables; `--var` is for `plan`"));
    }
    let mut loaded = load(&manifest, SecretUse::Compared)?;
    contents::read(&mut loaded, &manifest, Promotions::Read).await?;
    if reviewed.is_none() && loaded.manifest.guard.approval == Approval::SavedPlan {
        return Err(CommandError::refused_with(
            "this environment applies saved plans only",
            format!(
                "save one with `bfd plan {} -o FILE`, have it reviewed, then `bfd apply FILE`",
                loaded.called
            ),
        ));
    }
    let targets = reviewed.as_ref().map(|saved| asked_for(&loaded, &saved.plan));
    let voided = |why| CommandError::Stale { why, targets: targets.clone().unwrap_or_default() };
    if let Some(saved) = &reviewed {
        // Early, before anything is asked or recovered; and again under the lock.
        saved.rebased(&loaded.store.load().await?).map_err(voided)?;
        contents::check(&loaded, &saved.plan)?;
        resuming::check_secrets_of(&saved.plan, &loaded.secrets)?;
        if loaded.store.unfinished().await?.is_some() {
            // Nobody's run is finished for a plan that is refused in the end.
            let limit = loaded.manifest.guard.plan_age;
            saved.check(&loaded.manifest.sources, limit).map_err(voided)?;
        }
    }
    let was_reviewed = reviewed.is_some();
    let connection = connect(&loaded).await?;
    let options = Options {
        command: "bfd apply",
        confirmed: args.yes,
        parallelism: usize::from(args.parallelism),
        events: args.events.as_deref(),
        digest: reviewed.as_ref().map(|saved| saved.digest.as_str()),
    };
    let (leftover, patience) = (Leftover::Finish, args.lock);
    let locked =
        resuming::lock_and_recover(&loaded, &connection, options, leftover, patience, screen);
    let (mut guard, listening) = match locked.await? {
        Ok(locked) => locked,
        Err(exit) => return Ok(exit),
    };
    let mut plan = if let Some(saved) = &reviewed {
        saved.rebased(guard.snapshot()).map_err(voided)?
    } else {
        let scope = Scope { targets: &args.targets, rollback: loaded.manifest.rollback, to: None };
        let snapshot = guard.snapshot();
        planning::plan(&loaded, &loaded.graph, snapshot, Some(&connection), scope).await?
    };
    if args.no_rollback {
        plan.rollback.on_failure = false;
    }
    planning::check_place(&loaded, &connection, &plan)?;
    if let Some(saved) = &reviewed {
        let limit = loaded.manifest.guard.plan_age;
        saved.check(&loaded.manifest.sources, limit).map_err(voided)?;
        let moved = planning::moved_since(&loaded, &plan, guard.snapshot(), &connection).await?;
        if !moved.is_empty() {
            return Err(voided(Stale::Moved(moved)));
        }
        let (digest, made_at) = (saved.short_digest(), &saved.made_at);
        screen.data(&format!("the plan {digest}, made at {made_at}\n\n"));
    }
    check_guards(&loaded, &plan)?;
    contents::check_builders(&loaded, &plan).await?;
    let state = guard.snapshot().version.clone();
    if plan.base != state {
        return Err(ApplyError::StalePlan { plan: plan.base, state }.into());
    }
    screen.data(&views::plan::text(&plan, &screen.stdout_style()));
    if plan.is_empty() && plan.drift.is_empty() {
        let state = plan.recording_the_missing(plan.refreshed.clone());
        if !edges(&state).eq(edges(&guard.snapshot().state)) {
            guard.commit(&plan.environment, state).await?;
        }
        return Ok(Exit::Done);
    }
    let is_asked = if was_reviewed { asks_again(&plan, &loaded, screen) } else { !plan.is_empty() };
    if is_asked
        && !options.confirmed
        && !consent(&plan, &loaded, screen, listening.as_ref()).await?
    {
        screen.say("nothing was changed\n");
        return Ok(Exit::Refused);
    }
    let stop = listening.map_or_else(Stop::on_signals, Ok)?;
    running::run(&mut *guard, plan, &loaded, &connection, options, &stop, screen).await
}

/// The targets of a plan that no other of them brings along.
fn asked_for(loaded: &Loaded, plan: &Plan) -> Vec<Address> {
    let edges = loaded.graph.edges();
    let is_brought = |target: &&Address| {
        plan.targets.iter().any(|other| edges.get(other).is_some_and(|all| all.contains(*target)))
    };
    plan.targets.iter().filter(|target| !is_brought(target)).cloned().collect()
}

/// Whether a plan that was saved is asked about once more: it deletes, the guard wants that
/// confirmed, and nothing says that somebody has. A plan that is read before it is applied, as
/// `approval = "saved_plan"` has it, counts as confirmed; so does one where nobody can be asked,
/// for that is what plans are saved for.
fn asks_again(plan: &Plan, loaded: &Loaded, screen: Screen) -> bool {
    let guard = &loaded.manifest.guard;
    guard.approval != Approval::SavedPlan
        && guard.deletes == Deletes::Confirm
        && plan.changes.iter().any(Change::removes)
        && screen.can_ask()
}

/// Asks whether a plan is to be carried out; of one that deletes, as the guard wants it.
pub(super) async fn consent(
    plan: &Plan,
    loaded: &Loaded,
    screen: Screen,
    listening: Option<&Stop>,
) -> Result<bool, CommandError> {
    if !screen.can_ask() {
        return Err(CommandError::refused_with(
            "there is no terminal to ask on",
            "review the plan, then go on with `--yes`, or save it with `-o` and apply that",
        ));
    }
    let name = &loaded.manifest.environment.name;
    let deletes = plan.changes.iter().any(Change::removes);
    let (question, answer) = if deletes && loaded.manifest.guard.deletes == Deletes::Confirm {
        let what = if plan.changes.iter().any(Change::goes) {
            "It deletes"
        } else {
            "It deletes, or may delete, what is stored in a stack"
        };
        (format!("{what}. Type `{name}` to apply it: "), name.clone())
    } else {
        ("Apply this plan? Only `yes` is a yes: ".to_owned(), "yes".to_owned())
    };
    Ok(running::confirmed(screen, listening, question, answer).await)
}

/// What waits for what: recorded even when nothing else changes, for later deletes go by it.
fn edges(state: &State) -> impl Iterator<Item = (&Address, &BTreeSet<Address>)> {
    state.resources.iter().map(|(address, resource)| (address, &resource.depends_on))
}

/// A plan may have been saved under other guards than the manifest has now.
pub(super) fn check_guards(loaded: &Loaded, plan: &Plan) -> Result<(), CommandError> {
    let protected = |change: &&Change| {
        let resource = loaded.graph.get(&change.address);
        change.removes() && resource.is_some_and(|resource| resource.protect)
    };
    if let Some(change) = plan.changes.iter().find(protected) {
        let message = format!(
            "`{}` is protected, and the plan would remove it, or what is stored in it",
            change.address
        );
        let help = "remove `protect` from it first, and have that reviewed";
        return Err(CommandError::refused_with(message, help));
    }
    if let Some(message) = planning::too_many(loaded, plan) {
        let help = "apply a part of it with `--target`, or raise `max_changes` in `[guard]`";
        return Err(CommandError::refused_with(message, help));
    }
    if loaded.manifest.guard.deletes == Deletes::Forbid && plan.changes.iter().any(Change::removes)
    {
        return Err(CommandError::refused_with(
            "the manifest forbids deletes, and the plan has one",
            "keep what would be deleted in the manifest, or change `deletes` in `[guard]`",
        ));
    }
    Ok(())
}
