//! Taking the lock, and waiting for whoever has it.

use crate::{
    cli::LockArgs,
    exit::CommandError,
    load::{self, Loaded},
    screen::Screen,
};
use bfd_store::{LockHolder, StateGuard, StoreError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long between two looks at a lock that somebody else holds: short at first, for runs of
/// seconds, and never so often that it costs much over hours.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Takes the lock in the name of a command, as soon as it can be had and no later than asked for.
///
/// A lease whose owner died runs out while it is waited for.
pub(crate) async fn lock(
    loaded: &Loaded,
    command: &str,
    args: LockArgs,
    screen: Screen,
) -> Result<Box<dyn StateGuard>, CommandError> {
    let began = Instant::now();
    let mut wait = FIRST_WAIT;
    let mut was_told = false;
    loop {
        let holder = match loaded.store.lock(load::holder(command)).await {
            Err(StoreError::Locked { holder }) => holder,
            other => return Ok(other?),
        };
        let left = args.lock_timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(StoreError::Locked { holder }.into());
        }
        if !was_told {
            was_told = true;
            screen.say(&waiting(&holder, args.lock_timeout));
        }
        sleep(wait.min(left)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn waiting(holder: &LockHolder, timeout: Duration) -> String {
    format!(
        "waiting for the lock, up to {}: process {} of {} holds it (`{}`, since {})\n",
        bfd_manifest::show_duration(timeout.as_secs()),
        holder.process,
        holder.who,
        holder.command,
        holder.since
    )
}
