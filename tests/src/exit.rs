//! The exit codes that `bfd` promises, by what they mean.
//!
//! Written down a second time on purpose: a test that took them from the binary
//! would follow a change that breaks every script out there.

/// Done, or nothing to do.
pub const DONE: i32 = 0;
/// Refused or failed before anything was touched.
pub const REFUSED: i32 = 1;
/// `plan --detailed-exitcode`: there are changes.
pub const CHANGES: i32 = 2;
/// Applied, cleanup pending.
pub const CLEANUP_PENDING: i32 = 10;
/// Failed and rolled back.
pub const ROLLED_BACK: i32 = 11;
/// A rollback could not finish.
pub const STUCK: i32 = 12;
/// The lock is held.
pub const LOCKED: i32 = 20;
/// The saved plan is stale.
pub const STALE: i32 = 21;
/// Wrong account or region.
pub const WRONG_ACCOUNT: i32 = 22;
/// Wrong command line.
pub const USAGE: i32 = 64;
/// A bug in `bfd`.
pub const BUG: i32 = 70;
