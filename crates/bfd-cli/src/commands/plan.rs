use crate::{
    cli::{PlanArgs, PlanFormat},
    connect::connect,
    contents::{self, Promotions},
    exit::{CommandError, Exit},
    load::{SecretUse, about, load},
    planning::{self, Scope},
    saved,
    screen::Screen,
    views,
};
use bfd_store::StoreError;

/// Shows what apply would do. Writes nothing but the file it was asked for.
pub(super) async fn run(args: &PlanArgs, screen: Screen) -> Result<Exit, CommandError> {
    let mut loaded = load(&args.manifest, SecretUse::Compared)?;
    contents::read(&mut loaded, &args.manifest, Promotions::Read).await?;
    if let Some(open) = loaded.store.unfinished().await? {
        // What it is about to change, or has changed, is not recorded yet.
        if let Some(holder) = loaded.store.holder().await? {
            return Err(StoreError::Locked { holder: Box::new(holder) }.into());
        }
        let about = about(&loaded, &open).await?;
        return Err(CommandError::refused_with(about, "plan again when that run has ended"));
    }
    let connection = if args.offline { None } else { Some(connect(&loaded).await?) };
    let snapshot = loaded.store.load().await?;
    let scope = Scope { targets: &args.targets, rollback: loaded.manifest.rollback };
    let plan =
        planning::plan(&loaded, &loaded.graph, &snapshot, connection.as_ref(), scope).await?;
    screen.data(&match args.format {
        PlanFormat::Text => views::plan::text(&plan, &screen.stdout_style()),
        PlanFormat::Markdown => views::plan::markdown(&plan),
        PlanFormat::Json => {
            let json = views::plan::json(&plan);
            serde_json::to_string_pretty(&json).expect("a plan is plain data") + "\n"
        }
    });
    if let Some(file) = &args.out {
        saved::save(file, &args.manifest, &plan)?;
        screen.say(&format!("saved; apply it with `bfd apply {}`\n", file.display()));
    }
    let changes = args.detailed_exitcode && !plan.is_empty();
    Ok(if changes { Exit::Changes } else { Exit::Done })
}
