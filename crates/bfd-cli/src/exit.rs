//! Errors that end a command, and the exit code of each, in one place.

use crate::saved::Stale;
use bfd_apply::{ApplyError, Ended};
use bfd_aws::NotSent;
use bfd_core::{Address, Environment, Outcome, Problem};
use bfd_manifest::Sources;
use bfd_provider::{ErrorClass, ProviderError};
use bfd_store::{ObjectError, StoreError};
use thiserror::Error;

/// What the process ends with. The table is in `docs/commands.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Refused = 1,
    Changes = 2,
    CleanupPending = 10,
    RolledBack = 11,
    Stuck = 12,
    Locked = 20,
    Stale = 21,
    WrongAccount = 22,
    Usage = 64,
    Bug = 70,
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Done,
            Outcome::CleanupPending => Self::CleanupPending,
            Outcome::RolledBack => Self::RolledBack,
            // Half way is where a person must look, whoever asked for it.
            Outcome::Stopped | Outcome::Stuck => Self::Stuck,
        }
    }
}

impl From<&Ended> for Exit {
    fn from(ended: &Ended) -> Self {
        ended.outcome.into()
    }
}

#[derive(Debug, Error)]
pub enum CommandError {
    #[error("the manifest has problems")]
    Problems { problems: Vec<Problem>, sources: Box<Sources> },
    #[error("a call failed")]
    Provider(#[source] Box<ProviderError>),
    #[error("the state is not available")]
    Store(#[from] StoreError),
    #[error("the plan was not carried out")]
    Apply(#[from] ApplyError),
    #[error("the credentials are for {found}, the manifest is for {wanted}")]
    WrongAccount { wanted: String, found: String },
    #[error("the state belongs to environment `{}` of account {}, {}", .found.name, .found.account, .found.region)]
    WrongState { found: Environment },
    #[error("the plan was made for {wanted}, calls go to {found}")]
    WrongPlace { wanted: String, found: String },
    /// `targets` is what was planned, where that was a part.
    #[error("{why}")]
    Stale { why: Stale, targets: Vec<Address> },
    /// Anything else a user can fix.
    #[error("{message}")]
    Refused { message: String, help: Option<String> },
}

impl From<ProviderError> for CommandError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(Box::new(error))
    }
}

impl CommandError {
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: None }
    }

    pub fn refused_with(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: Some(help.into()) }
    }

    /// The lock was lost, and a call held back because of that.
    fn held_back(&self) -> Option<&StoreError> {
        let Self::Provider(error) = self else { return None };
        error.source.downcast_ref::<NotSent>().map(|unsent| &*unsent.why)
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Provider(_) if matches!(self.held_back(), Some(StoreError::TakenOver { .. })) => {
                Exit::Locked
            }
            // What was under way goes on in the hands of the lock's new owner.
            Self::Store(StoreError::Locked { .. } | StoreError::TakenOver { .. })
            | Self::Apply(
                ApplyError::NotBegun(StoreError::TakenOver { .. })
                | ApplyError::Store(StoreError::Locked { .. } | StoreError::TakenOver { .. }),
            ) => Exit::Locked,
            Self::Apply(ApplyError::StalePlan { .. }) | Self::Stale { .. } => Exit::Stale,
            Self::Apply(ApplyError::Journal(_)) => Exit::Bug,
            // A run was under way when its journal could not be written.
            Self::Apply(ApplyError::Store(_)) => Exit::Stuck,
            Self::WrongAccount { .. } | Self::WrongState { .. } | Self::WrongPlace { .. } => {
                Exit::WrongAccount
            }
            Self::Problems { .. }
            | Self::Provider(_)
            | Self::Store(_)
            | Self::Apply(ApplyError::UnfinishedRun | ApplyError::NotBegun(_))
            | Self::Refused { .. } => Exit::Refused,
        }
    }

    /// What the user may do about it. `manifest` is its path, for the next command.
    pub fn help(&self, manifest: &str) -> Option<String> {
        match self {
            Self::Refused { help, .. } => help.clone(),
            Self::Provider(error) => match self.held_back() {
                Some(why) => Some(store_help(why, manifest)),
                None => error.hint.clone().or_else(|| hint(error.class)),
            },
            Self::Store(error)
            | Self::Apply(
                ApplyError::NotBegun(error)
                | ApplyError::Store(error @ StoreError::TakenOver { .. }),
            ) => Some(store_help(error, manifest)),
            // A run was under way: what was announced is in its journal.
            Self::Apply(ApplyError::Store(error)) => {
                let help = store_help(error, manifest);
                Some(format!("{help}; then `bfd recover {manifest}` goes on from there"))
            }
            Self::Apply(ApplyError::StalePlan { .. }) => Some(format!(
                "something was applied since; `bfd plan {manifest} -o FILE` makes a new plan"
            )),
            Self::Stale { targets, .. } => {
                let mut command = format!("bfd plan {manifest}");
                for target in targets {
                    command.extend([" --target ", &target.to_string()]);
                }
                Some(format!("`{command} -o FILE` makes a new plan, to be reviewed"))
            }
            Self::Apply(ApplyError::UnfinishedRun) => {
                Some(format!("`bfd recover {manifest}` finishes it"))
            }
            Self::Apply(ApplyError::Journal(_)) => Some(format!(
                "this is a bug in bfd: keep the journal and report it; \
                 `bfd state list {manifest}` and docs/recovery.md tell what to look at"
            )),
            Self::WrongAccount { .. } => {
                Some("use credentials of that account, or another manifest".to_owned())
            }
            Self::WrongPlace { .. } => Some(format!(
                "use the endpoint it was made for, or make a new plan with `bfd plan {manifest}`"
            )),
            Self::WrongState { .. } => {
                Some("give each environment a name of its own, or move its state".to_owned())
            }
            Self::Problems { .. } => None,
        }
    }
}

fn hint(class: ErrorClass) -> Option<String> {
    let hint = match class {
        ErrorClass::Unauthenticated => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or sign in"
        }
        ErrorClass::NetworkFailure => "check the network and the endpoint",
        ErrorClass::Throttling => "AWS is asked too often; try again in a minute",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn store_help(error: &StoreError, manifest: &str) -> String {
    match error {
        StoreError::Locked { .. } => format!(
            "wait for its end, as `--lock-timeout 10m` does; `bfd unlock {manifest}` tells whether \
             it is alive, `bfd show {manifest} --run` what it does"
        ),
        StoreError::TakenOver { .. } => format!(
            "this process was away for longer than its lease, and records nothing any more; \
             what it had begun is the new owner's: `bfd show {manifest} --run` shows what became \
             of it"
        ),
        StoreError::Unreachable { source, .. } => match &**source {
            ObjectError::Refused(failure) | ObjectError::Unanswered(failure) => {
                failure.hint.clone().unwrap_or_else(|| "see docs/state.md".to_owned())
            }
            ObjectError::Changed | ObjectError::Conflict => {
                "others write to it all the time; try again".to_owned()
            }
        },
        StoreError::NewerFormat { .. } => "use the bfd that wrote it, or a newer one".to_owned(),
        StoreError::Damaged { .. } => format!(
            "nothing was changed; bring an earlier version back, or push one with \
             `bfd state push {manifest} FILE --force`: see \"Damaged or newer state\" in \
             docs/recovery.md"
        ),
        StoreError::Gone { .. } => format!(
            "nothing was changed; bring its last version back, or push one with \
             `bfd state push {manifest} FILE --force`: see \"Damaged or newer state\" in \
             docs/recovery.md"
        ),
        StoreError::Write { .. } | StoreError::Read { .. } => {
            "check the disk and the permissions of that path".to_owned()
        }
    }
}

/// What to do after a bug ended the process.
pub fn help_after_a_bug(manifest: &str) -> String {
    format!(
        "what had begun is in the journal: `bfd show {manifest} --run` shows it, \
         `bfd recover {manifest}` finishes it; please report the bug"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::StateVersion;
    use bfd_store::LockHolder;

    fn locked() -> StoreError {
        let text = || "ann@desk".to_owned();
        let holder = LockHolder { who: text(), command: text(), process: 1, since: text() };
        StoreError::Locked { holder: Box::new(holder) }
    }

    fn unwritable() -> StoreError {
        let source = std::io::Error::other("no space left");
        StoreError::Write { place: "journal.jsonl".into(), source }
    }

    #[test]
    fn every_refusal_of_a_run_names_the_next_command() {
        let stale = || StateVersion { lineage: "l".into(), serial: 1 };
        let all: [(CommandError, Exit, &str); 5] = [
            (locked().into(), Exit::Locked, "`bfd unlock dev.toml`"),
            (
                ApplyError::StalePlan { plan: stale(), state: stale() }.into(),
                Exit::Stale,
                "`bfd plan dev.toml -o FILE`",
            ),
            (ApplyError::UnfinishedRun.into(), Exit::Refused, "`bfd recover dev.toml`"),
            (ApplyError::Store(unwritable()).into(), Exit::Stuck, "`bfd recover dev.toml`"),
            (
                CommandError::WrongPlace { wanted: "AWS".into(), found: "x".into() },
                Exit::WrongAccount,
                "`bfd plan dev.toml`",
            ),
        ];
        for (error, exit, command) in all {
            assert_eq!(error.exit(), exit, "{error}");
            let help = error.help("dev.toml").unwrap();
            assert!(help.contains(command), "{error}: {help}");
        }
        assert!(help_after_a_bug("dev.toml").contains("`bfd recover dev.toml`"));
    }
}
