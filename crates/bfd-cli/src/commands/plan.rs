use crate::{
    change_sets,
    cli::{PlanArgs, PlanFormat},
    connect::connect,
    contents::{self, Promotions},
    exit::{CommandError, Exit},
    load::{SecretUse, load, refuse_open_run, refuse_run_beside},
    locking,
    planning::{self, Scope},
    saved::SavedPlan,
    screen::Screen,
    stack_drift,
    views::{self, plan::Origin},
};

/// Shows what apply would do. Writes nothing but the file it was asked for, and change sets,
/// where it was asked for them.
pub(super) async fn run(args: &PlanArgs, screen: Screen) -> Result<Exit, CommandError> {
    let mut loaded = load(&args.manifest, SecretUse::Compared)?;
    contents::read(&mut loaded, &args.manifest, Promotions::Read).await?;
    if args.offline && args.out.is_some() {
        return Err(CommandError::refused_with(
            "a plan that looks at nothing is not saved",
            "leave out `--offline`, or `-o`",
        ));
    }
    if args.offline && args.drift {
        return Err(CommandError::refused_with(
            "what was changed within stacks is for CloudFormation to say",
            "leave out `--offline`, or `--drift`",
        ));
    }
    if args.offline && args.change_sets {
        return Err(CommandError::refused_with(
            "change sets are made in CloudFormation",
            "leave out `--offline`, or `--change-sets`",
        ));
    }
    locking::wait(&loaded, args.lock, screen).await?;
    refuse_open_run(&loaded).await?;
    let connection = if args.offline { None } else { Some(connect(&loaded).await?) };
    let snapshot = loaded.store.load().await?;
    let scope = Scope { targets: &args.targets, rollback: loaded.manifest.rollback, to: None };
    let mut plan =
        planning::plan(&loaded, &loaded.graph, &snapshot, connection.as_ref(), scope).await?;
    if let Some(connection) = connection.as_ref().filter(|_| args.drift) {
        stack_drift::look(&mut plan, connection).await;
    }
    if let Some(connection) = connection.as_ref().filter(|_| args.change_sets) {
        change_sets::ask(&mut plan, connection).await;
    }
    refuse_run_beside(&loaded, &snapshot).await?;
    let saved = args
        .out
        .as_ref()
        .map(|_| SavedPlan::new(&args.manifest, &loaded.manifest.sources, &snapshot.state, &plan));
    // What apply repeats, so that people see that it is what they have read.
    let digest = saved.as_ref().map(SavedPlan::short_digest);
    screen.data(&match args.format {
        PlanFormat::Text => {
            let text = views::plan::text(&plan, &screen.stdout_style());
            text + &digest.map_or_else(String::new, |digest| format!("plan {digest}\n"))
        }
        PlanFormat::Markdown => {
            let origin = match (&args.out, &saved) {
                (Some(file), Some(saved)) => saved.origin(file),
                _ => Origin::Manifest(&args.manifest.manifest),
            };
            views::plan::markdown(&plan, origin)
        }
        PlanFormat::Json => saved.as_ref().map_or_else(
            || {
                let json = views::plan::json(&plan);
                serde_json::to_string_pretty(&json).expect("a plan is plain data") + "\n"
            },
            SavedPlan::json,
        ),
    });
    if let (Some(file), Some(saved)) = (&args.out, &saved) {
        saved.write(file)?;
        screen.say(&format!("saved; apply it with `bfd apply {}`\n", file.display()));
    }
    let changes = args.detailed_exitcode && !plan.is_empty();
    Ok(if changes { Exit::Changes } else { Exit::Done })
}
