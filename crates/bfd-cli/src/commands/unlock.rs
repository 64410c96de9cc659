use crate::{
    cli::ManifestArgs,
    exit::{CommandError, Exit},
    load::{SecretUse, about, load},
    screen::Screen,
};

/// Explains the lock. A lock on a local directory goes with its process, so
/// there is never one to take from the dead.
pub(super) async fn run(args: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(args, SecretUse::Ignored)?;
    if let Some(holder) = loaded.store.holder().await? {
        screen.say(&format!(
            "process {} of {} holds the lock (`{}`, since {})\n\
             it is alive: two runs at once would break the state, so the lock stays\n\
             SIGTERM makes it roll back, end and let go\n",
            holder.process, holder.who, holder.command, holder.since
        ));
        return Ok(Exit::Locked);
    }
    match loaded.store.unfinished().await? {
        Some(open) => {
            screen.data(&format!("nobody holds the lock; {}\n", about(&loaded, &open).await?));
        }
        None => screen.data("nobody holds the lock\n"),
    }
    Ok(Exit::Done)
}
