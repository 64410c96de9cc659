use super::runs;
use crate::{
    cli::{ManifestArgs, ShowArgs, ShowFormat},
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
        screen.data(&views::plan::text(&saved.plan, &screen.stdout_style()));
        return Ok(Exit::Done);
    }
    let input = &args.input;
    let manifest = ManifestArgs { manifest: input.path.clone(), vars: input.vars.clone() };
    let loaded = load(&manifest, SecretUse::Ignored)?;
    let format = args.format.unwrap_or(ShowFormat::Text);
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
