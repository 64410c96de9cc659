use crate::{
    cli::{ManifestArgs, ShowArgs},
    exit::{CommandError, Exit},
    load::{SecretUse, about, known, load},
    saved,
    screen::Screen,
    views,
};

/// Shows a saved plan, or what is recorded of an environment.
pub(super) async fn run(args: &ShowArgs, screen: Screen) -> Result<Exit, CommandError> {
    if let Some(saved) = saved::read(&args.input.path)? {
        screen.data(&views::plan::text(&saved.plan, &screen.stdout_style()));
        return Ok(Exit::Done);
    }
    let ShowArgs { input } = args;
    let manifest = ManifestArgs { manifest: input.path.clone(), vars: input.vars.clone() };
    let loaded = load(&manifest, SecretUse::Ignored)?;
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
