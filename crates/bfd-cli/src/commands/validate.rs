use crate::{
    cli::ManifestArgs,
    contents::{self, Promotions},
    exit::{CommandError, Exit},
    load::{SecretUse, load, show},
    screen::Screen,
};

/// Checks a manifest. Needs no network.
pub(super) async fn run(args: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let mut loaded = load(args, SecretUse::Ignored)?;
    contents::read(&mut loaded, args, Promotions::Skipped).await?;
    let manifest = &loaded.manifest;
    if !manifest.warnings.is_empty() {
        screen.say(&show(&manifest.warnings, &manifest.sources, &screen.stderr_style()));
    }
    let count = loaded.graph.len();
    screen.data(&format!("{} is valid: {count} resources\n", args.manifest.display()));
    Ok(Exit::Done)
}
