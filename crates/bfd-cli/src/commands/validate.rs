use crate::{
    cli::ManifestArgs,
    exit::{CommandError, Exit},
    load::{SecretUse, load, show},
    screen::Screen,
};

/// Checks a manifest. Needs no network.
pub(super) fn run(args: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(args, SecretUse::Ignored)?;
    let manifest = &loaded.manifest;
    if !manifest.warnings.is_empty() {
        screen.say(&show(&manifest.warnings, &manifest.sources, &screen.stderr_style()));
    }
    let count = loaded.graph.len();
    screen.data(&format!("{} is valid: {count} resources\n", args.manifest.display()));
    Ok(Exit::Done)
}
