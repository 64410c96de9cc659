//! What people see, as snapshots, and the promises that hold for any plan.
mod documents;
mod fixture;
mod plan;
mod problems;
mod progress;
mod promises;
mod records;
mod runs;
mod stack_drift;
mod stacks;

pub(crate) use progress::entries;
pub(crate) use runs::picked_up;

use super::{Style, plan as views};
use bfd_core::plan::Plan;
use std::path::Path;

/// Every way a view is seen: narrow and wide, with colour, without Unicode.
pub(crate) fn styles() -> [(&'static str, Style); 4] {
    let style = |width, color, unicode| Style { width, color, unicode };
    [
        ("80", style(80, false, true)),
        ("120", style(120, false, true)),
        ("ascii", style(80, false, false)),
        ("color", style(100, true, true)),
    ]
}

/// A plan that was just made, as reviewers see it.
pub(crate) fn markdown(plan: &Plan) -> String {
    views::markdown(plan, views::Origin::Manifest(Path::new("dev.toml")))
}

/// Escape sequences as text, so that a snapshot can be read.
pub(crate) fn legible(text: &str) -> String {
    text.replace('\u{1b}', "␛")
}
