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

/// How long between two looks at a lock that somebody else holds: short at first and whenever it
/// has changed hands, so that nobody who has waited long looks less often than who has just come,
/// and never so often that it costs much over hours.
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
    taken(loaded, command, args, false, screen).await
}

/// The same for who brings another state than the one that is there, whatever that is like.
pub(crate) async fn lock_to_replace(
    loaded: &Loaded,
    command: &str,
    args: LockArgs,
    screen: Screen,
) -> Result<Box<dyn StateGuard>, CommandError> {
    taken(loaded, command, args, true, screen).await
}

/// Waits until nobody works on the state, no longer than asked for, for who only looks. What is
/// still under way then is for them to refuse.
pub(crate) async fn wait(
    loaded: &Loaded,
    args: LockArgs,
    screen: Screen,
) -> Result<(), CommandError> {
    let mut waiting = Waiting::new(args);
    while !args.lock_timeout.is_zero()
        && let Some(holder) = loaded.store.holder().await?
        && waiting.goes_on(&holder, screen).await
    {}
    Ok(())
}

async fn taken(
    loaded: &Loaded,
    command: &str,
    args: LockArgs,
    replaces: bool,
    screen: Screen,
) -> Result<Box<dyn StateGuard>, CommandError> {
    let mut waiting = Waiting::new(args);
    loop {
        let holder = load::holder(command);
        let lock = if replaces {
            loaded.store.lock_to_replace(holder).await
        } else {
            loaded.store.lock(holder).await
        };
        match lock {
            Err(StoreError::Locked { holder }) => {
                if !waiting.goes_on(&holder, screen).await {
                    return Err(StoreError::Locked { holder }.into());
                }
            }
            other => return Ok(other?),
        }
    }
}

/// Waits in steps, and says so once.
struct Waiting {
    began: Instant,
    timeout: Duration,
    next: Duration,
    /// Who had it when it was last looked at.
    holder: Option<LockHolder>,
}

impl Waiting {
    fn new(args: LockArgs) -> Self {
        let timeout = args.lock_timeout;
        Self { began: Instant::now(), timeout, next: FIRST_WAIT, holder: None }
    }

    /// Waits a little; `false` when that was long enough.
    async fn goes_on(&mut self, holder: &LockHolder, screen: Screen) -> bool {
        let left = self.timeout.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return false;
        }
        if self.holder.is_none() {
            screen.say(&waiting(holder, self.timeout));
        }
        sleep(self.next_wait(holder).min(left)).await;
        true
    }

    fn next_wait(&mut self, holder: &LockHolder) -> Duration {
        if self.holder.as_ref() != Some(holder) {
            self.holder = Some(holder.clone());
            self.next = FIRST_WAIT;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST_WAIT);
        wait
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_changes_hands_is_looked_at_more_often() {
        let holder = |process| LockHolder {
            who: "ci".to_owned(),
            command: "apply".to_owned(),
            process,
            since: String::new(),
        };
        let mut waiting = Waiting::new(LockArgs { lock_timeout: Duration::from_mins(1) });
        let mut waits = |process, times: usize| -> Vec<u128> {
            (0..times).map(|_| waiting.next_wait(&holder(process)).as_millis()).collect()
        };
        assert_eq!(waits(1, 6), [250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(waits(2, 2), [250, 500]);
    }
}
