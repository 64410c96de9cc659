//! What a builder prints, line by line, without secrets.

use super::process::Job;
use std::{collections::BTreeMap, mem};
use zeroize::Zeroizing;

/// The most bytes of a line that are kept while it is read, and that are shown of it.
const LONGEST: usize = 256 << 10;
const SHOWN: usize = 4 << 10;

/// Secrets of a build: for whom they are, and what must not be shown.
#[derive(Default)]
pub(super) struct Secrets {
    values: BTreeMap<String, Zeroizing<String>>,
    /// The values and each of their lines, longest first.
    hidden: Vec<Zeroizing<String>>,
}

impl Secrets {
    pub(super) fn new(values: &BTreeMap<String, Zeroizing<String>>) -> Self {
        let lines = values.values().flat_map(|value| value.split(['\n', '\r']));
        // As they are shown, which is without what is not printable.
        let shown = lines.map(|line| Zeroizing::new(printable(line).trim().to_owned()));
        let mut hidden: Vec<_> = shown.filter(|line| !line.is_empty()).collect();
        hidden.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        hidden.dedup();
        Self { values: values.clone(), hidden }
    }

    /// Ids, and the environment variables that carry their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, String)> {
        let numbered = self.values.keys().enumerate();
        numbered.map(|(number, id)| (id.as_str(), format!("BFD_BUILD_SECRET_{number}")))
    }

    pub(super) fn give_to(&self, job: &mut Job) {
        for ((_, variable), value) in self.variables().zip(self.values.values()) {
            job.env(variable, value.as_str());
        }
    }

    pub(super) fn hide(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for secret in &self.hidden {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), "***");
            }
        }
        line
    }
}

/// Makes lines of what arrives in pieces.
#[derive(Default)]
pub(super) struct Lines {
    line: Zeroizing<Vec<u8>>,
}

impl Lines {
    /// Every line that these bytes end, ready to be shown.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        secrets: &Secrets,
        each: &mut (dyn FnMut(String) + Send),
    ) {
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end(secrets, each);
            } else if self.line.len() < LONGEST {
                self.line.push(*byte);
            }
        }
    }

    /// The last line, where nothing ended it.
    pub(super) fn end(&mut self, secrets: &Secrets, each: &mut (dyn FnMut(String) + Send)) {
        let line = mem::take(&mut self.line);
        let text = Zeroizing::new(printable(&String::from_utf8_lossy(&line)));
        let mut shown = secrets.hide(text.trim_end());
        if shown.len() > SHOWN {
            shown.truncate(shown.floor_char_boundary(SHOWN));
            shown.push('…');
        }
        if !shown.trim().is_empty() {
            each(shown);
        }
    }
}

/// Without colours and without what moves a terminal's cursor.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                if rest.next() == Some('[') {
                    rest.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
            }
            '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(secrets: &[(&str, &str)], pieces: &[&[u8]]) -> Vec<String> {
        let value = |text: &str| Zeroizing::new(text.to_owned());
        let secrets = secrets.iter().map(|(id, text)| ((*id).to_owned(), value(text)));
        let secrets = Secrets::new(&secrets.collect());
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, &secrets, &mut |line| found.push(line));
        }
        lines.end(&secrets, &mut |line| found.push(line));
        found
    }

    #[test]
    fn lines_arrive_in_pieces() {
        let pieces: &[&[u8]] = &[b"on", b"e\ntw", b"o\r\n\n", b"\x1b[31mthree\x1b[0m\x07\r4", b""];
        assert_eq!(lines(&[], pieces), ["one", "two", "three", "4"]);
    }

    #[test]
    fn secrets_are_in_no_line() {
        let secrets =
            [("a", "hunter2"), ("key", "--BEGIN--\nabc\tdef\n--END--\n"), ("b", "hunter")];
        let pieces: &[&[u8]] =
            &[b"x hunt", b"er2hunter y\n", b"--BEGIN--\nabc\tdef\n", b"\x1b[1mhun\x1b[0mter2"];
        assert_eq!(lines(&secrets, pieces), ["x ****** y", "***", "***", "***"]);
    }

    #[test]
    fn a_long_line_is_cut_after_secrets_are_hidden() {
        let long = format!("{}hunter2", "a".repeat(SHOWN - 3));
        let shown = lines(&[("a", "hunter2")], &[long.as_bytes()]);
        assert_eq!(shown, [format!("{}***", "a".repeat(SHOWN - 3))]);
        let endless = "b".repeat(2 * LONGEST);
        assert_eq!(lines(&[], &[endless.as_bytes()])[0].len(), SHOWN + '…'.len_utf8());
    }
}
