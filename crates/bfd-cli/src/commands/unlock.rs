use crate::{
    cli::UnlockArgs,
    exit::{CommandError, Exit},
    load::{self, Loaded, SecretUse, about, load},
    screen::Screen,
};
use bfd_store::Lease;

/// Explains the lock. One on a local directory goes with its process, so there is never one
/// to take from the dead; one in a bucket is a lease, which runs out or can be broken.
pub(super) async fn run(args: &UnlockArgs, screen: Screen) -> Result<Exit, CommandError> {
    let loaded = load(&args.manifest, SecretUse::Ignored)?;
    let lease = loaded.store.lease().await?;
    let Some(lease) = lease.filter(|lease| args.force || !lease.has_run_out()) else {
        return without_lease(&loaded, screen).await;
    };
    if args.force {
        drop(loaded.store.take_over(load::holder("bfd unlock"), &lease).await?);
        let holder = &lease.holder;
        screen.data(&format!(
            "the lock is free; process {} of {} is refused whatever it writes\n",
            holder.process, holder.who
        ));
        if let Some(open) = loaded.store.unfinished().await? {
            let (path, run) = (&loaded.called, &open.header.run);
            screen.say(&format!("run {run} is open: `bfd recover {path}` finishes it\n"));
        }
        return Ok(Exit::Done);
    }
    screen.say(&explain(&lease, &loaded.called.clone()));
    Ok(Exit::Locked)
}

async fn without_lease(loaded: &Loaded, screen: Screen) -> Result<Exit, CommandError> {
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
            screen.data(&format!("nobody holds the lock; {}\n", about(loaded, &open).await?));
        }
        None => screen.data("nobody holds the lock\n"),
    }
    Ok(Exit::Done)
}

fn explain(lease: &Lease, manifest: &str) -> String {
    let Lease { holder, age, .. } = lease;
    let breaks = match &lease.run {
        Some(run) => format!(
            "breaking it with `bfd unlock {manifest} --force` leaves run {run} open: its process \
             is refused at its next write, with calls under way that nobody waits for, and \
             `bfd recover {manifest}` goes on from there"
        ),
        None => format!(
            "no run is open: after `bfd unlock {manifest} --force` its process is refused at its \
             next write"
        ),
    };
    format!(
        "process {} of {} holds the lock (`{}`, since {})\n\
         its last sign of life was {} s ago; without another the lock is free in {} s\n\
         {breaks}\n",
        holder.process,
        holder.who,
        holder.command,
        holder.since,
        age.as_secs(),
        lease.remaining().as_secs()
    )
}
