#![expect(clippy::needless_pass_by_value, reason = "`json!` makes values to be given away")]

mod checks;
mod fixture;
mod hash;
mod opening;
mod package;
mod selection;
mod support;
