//! Every colour bfd uses, and for what.

use anstyle::{AnsiColor, Style};

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const HEADING: Style = Style::new().bold();
pub(crate) const ADDRESS: Style = Style::new().bold();
/// What may be skipped on a first reading.
pub(crate) const FAINT: Style = Style::new().dimmed();

pub(crate) const ADDED: Style = AnsiColor::Green.on_default();
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
pub(crate) const REPLACED: Style = AnsiColor::Magenta.on_default();
pub(crate) const ADOPTED: Style = AnsiColor::Cyan.on_default();
/// The words in a changed line that differ.
pub(crate) const ADDED_WORDS: Style = AnsiColor::Green.on_default().bold().underline();
pub(crate) const REMOVED_WORDS: Style = AnsiColor::Red.on_default().bold().underline();

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const CAUTION: Style = AnsiColor::Yellow.on_default();
pub(crate) const HELP: Style = AnsiColor::Cyan.on_default();
