use super::runs;
use crate::{
    cli::{ManifestArgs, PlanFormat, ShowArgs, ShowFormat},
    exit::{CommandError, Exit},
    load::{SecretUse, about, known, load},
    saved,
    screen::Screen,
    views,
};

/// Shows a saved plan, what is recorded of an environment, or its runs.
pub(super) async fn run(args: &ShowArgs, screen: Screen) -> Result<Exit, CommandError> {
    if let Some(saved) = saved::read(&args.input.path)? {
        if args.run.is_some() || args.runs {
            let manifest = saved.manifest.display();
            return Err(CommandError::refused_with(
                "a saved plan has no runs",
                format!("`bfd show {manifest} --runs` lists those of its manifest"),
            ));
        }
        screen.data(&match args.format.unwrap_or(PlanFormat::Text) {
            PlanFormat::Text => {
                let text = views::plan::text(&saved.plan, &screen.stdout_style());
                let (digest, made_at) = (saved.short_digest(), &saved.made_at);
                format!("{text}plan {digest}, made at {made_at}\n")
            }
            PlanFormat::Markdown => {
                views::plan::markdown(&saved.plan, saved.origin(&args.input.path))
            }
            PlanFormat::Json => saved.json(),
        });
        return Ok(Exit::Done);
    }
    let format = format(args)?;
    let input = &args.input;
    let manifest = ManifestArgs { manifest: input.path.clone(), vars: input.vars.clone() };
    let loaded = load(&manifest, SecretUse::Ignored)?;
    if args.runs {
        return runs::list(&loaded, format, screen).await;
    }
    if let Some(wanted) = &args.run {
        return runs::one(&loaded, wanted, format, screen).await;
    }
    let (snapshot, open) = known(&loaded).await?;
    if let Some(open) = open {
        screen.say(&format!("{}\n", about(&loaded, &open).await?));
    }
    let style = screen.stdout_style();
    let shown = snapshot
        .state
        .resources
        .iter()
        .map(|(address, resource)| views::show::resource(address, resource, &style));
    let text = shown.collect::<Vec<_>>().join("\n");
    if text.is_empty() {
        screen.data(&format!("nothing of {} is recorded\n", loaded.manifest.environment.name));
    } else {
        screen.data(&text);
    }
    Ok(Exit::Done)
}

/// How to show runs. What is recorded is text.
fn format(args: &ShowArgs) -> Result<ShowFormat, CommandError> {
    let is_of_runs = args.runs || args.run.is_some();
    match args.format {
        None | Some(PlanFormat::Text) => Ok(ShowFormat::Text),
        Some(PlanFormat::Json) if is_of_runs => Ok(ShowFormat::Json),
        Some(PlanFormat::Markdown) => Err(CommandError::refused_with(
            "only a saved plan is shown as Markdown",
            format!(
                "save one with `bfd plan {} -o FILE`, or leave out `--format`",
                args.input.path.display()
            ),
        )),
        Some(PlanFormat::Json) => {
            let path = args.input.path.display();
            Err(CommandError::refused_with(
                "`--format` is for a saved plan and for runs",
                format!("`bfd state pull {path}` prints what is recorded as JSON"),
            ))
        }
    }
}
