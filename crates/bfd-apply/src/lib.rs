//! Carries out a plan. Decides nothing: see [`bfd_core::Run`].
//!
//! [`apply`] runs a plan, [`recover`] finishes a run that a dead process left,
//! [`abandon`] closes one that cannot be finished. `driver` is the loop they
//! share, `call` one provider call.
mod call;
mod driver;
mod session;

pub use driver::{abandon, apply, recover, unsettled};
pub use session::{ApplyError, Clock, Ended, Limits, Reporter, Session, Unended};
