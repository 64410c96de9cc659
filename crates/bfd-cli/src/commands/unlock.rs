use crate::{
    cli::ManifestArgs,
    exit::{CommandError, Exit},
    load::load,
    screen::Screen,
};
use bfd_store::StoreError;

/// Explains the lock. A lock on a local directory goes with its process, so
/// there is never one to take from the dead.
pub(super) async fn run(args: &ManifestArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(args)?;
    if let Some(holder) = loaded.store.holder().await? {
        screen.say(&format!(
            "the process is alive; two runs at once would break the state\n\
             stop process {} if it should not run: it rolls back and lets go of the lock\n",
            holder.process
        ));
        return Err(StoreError::Locked { holder: Box::new(holder) }.into());
    }
    match loaded.store.unfinished().await? {
        Some(run) => screen.data(&format!(
            "nobody holds the lock; run {} did not finish: `bfd recover {}`\n",
            run.header.run,
            loaded.path.display()
        )),
        None => screen.data("nobody holds the lock\n"),
    }
    Ok(Exit::Done)
}
