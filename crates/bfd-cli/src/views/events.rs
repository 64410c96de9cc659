//! A run as JSON lines, for other programs.

use super::value::redacted;
use bfd_core::{Value, journal::Entry, plan::Step};
use std::io::{self, Write};

/// Writes one line per entry: the journal's entry, with the `address` and the `op` of its step.
///
/// Each line is flushed, so that a reader sees it when it happens. Secrets are taken out.
#[derive(Debug)]
pub struct Events<W> {
    out: W,
}

impl<W: Write> Events<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Fails when the line cannot be written or flushed.
    pub fn on_entry(&mut self, step: Option<&Step>, entry: &Entry) -> io::Result<()> {
        let mut line = redacted(&serde_json::to_value(entry)?);
        if let (Some(step), Some(fields)) = (step, line.as_object_mut()) {
            fields.insert("address".to_owned(), Value::from(step.address.to_string()));
            fields.insert("op".to_owned(), Value::from(step.op.verb()));
        }
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}
