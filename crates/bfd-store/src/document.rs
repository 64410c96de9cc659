use crate::{FinishedRun, RunHeader, StoreError, Unfinished};
use bfd_core::{
    Address, Environment, ResourceState, Snapshot, State, StateVersion, journal::Entry, plan::Plan,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The newest state format this version reads, and the one it writes.
pub const FORMAT: u64 = 1;

/// The state as it is stored, whatever the backend.
#[derive(Debug, Serialize, Deserialize)]
pub struct StateDocument {
    pub format: u64,
    pub lineage: String,
    pub serial: u64,
    pub environment: Environment,
    pub resources: BTreeMap<Address, ResourceState>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deposed: BTreeMap<Address, Vec<ResourceState>>,
    /// In a bucket: which owner of the lock wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
    /// On the move between backends: the journals of runs that ended, as they are stored, the
    /// oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<String>,
}

impl StateDocument {
    pub fn new(version: &StateVersion, environment: &Environment, state: &State) -> Self {
        Self {
            format: FORMAT,
            lineage: version.lineage.clone(),
            serial: version.serial,
            environment: environment.clone(),
            resources: state.resources.clone(),
            deposed: state.deposed.clone(),
            fence: None,
            history: Vec::new(),
        }
    }

    /// Takes runs along, the oldest first.
    #[must_use]
    pub fn with_history(mut self, runs: impl IntoIterator<Item = FinishedRun>) -> Self {
        self.history = runs.into_iter().map(|run| journal_text(&run.into())).collect();
        self
    }

    /// The runs that were taken along in a document that [`StateDocument::parse`] accepts.
    pub fn history_in(place: &str, text: &str) -> Result<Vec<FinishedRun>, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { place: place.to_owned(), reason };
        let document: Self = serde_json::from_str(text).map_err(|err| damaged(err.to_string()))?;
        let runs = document.history.iter().enumerate().map(|(number, journal)| {
            let place = format!("{place}, history[{number}]");
            let run = parse_journal(&place, journal)?.map(FinishedRun::from);
            let run = run.ok_or_else(|| damaged(format!("history[{number}] is empty")))?;
            // It is to be the name of a file.
            let id = &run.header.run;
            if id.is_empty() || !id.bytes().all(|c| c.is_ascii_alphanumeric()) {
                return Err(damaged(format!("history[{number}]: {id:?} is the id of no run")));
            }
            Ok(run)
        });
        runs.collect()
    }

    /// Reads a document; refuses one that a newer bfd wrote and one that is damaged.
    pub fn parse(place: &str, text: &str) -> Result<Snapshot, StoreError> {
        let damaged = |reason: String| StoreError::Damaged { place: place.to_owned(), reason };
        let raw: Value = serde_json::from_str(text).map_err(|err| damaged(err.to_string()))?;
        let found = raw
            .get("format")
            .and_then(Value::as_u64)
            .ok_or_else(|| damaged("it has no `format`".into()))?;
        if found > FORMAT {
            return Err(StoreError::NewerFormat { place: place.to_owned(), found, known: FORMAT });
        }
        let document: Self = serde_json::from_value(raw).map_err(|err| damaged(err.to_string()))?;
        Ok(Snapshot {
            version: StateVersion { lineage: document.lineage, serial: document.serial },
            environment: Some(document.environment),
            state: State { resources: document.resources, deposed: document.deposed },
        })
    }

    /// The bytes to store: indented, with a final newline.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("state is plain data");
        text.push('\n');
        text
    }
}

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JournalHead {
    pub format: u64,
    #[serde(flatten)]
    pub header: RunHeader,
    pub plan: Plan,
}

/// A journal with all that was written to it so far.
pub(crate) fn journal_text(run: &Unfinished) -> String {
    let Unfinished { header, plan, entries } = run;
    let head = JournalHead { format: FORMAT, header: header.clone(), plan: plan.clone() };
    let mut text = serde_json::to_string(&head).expect("a plan is plain data");
    text.push('\n');
    for entry in entries {
        text.push_str(&serde_json::to_string(entry).expect("an entry is plain data"));
        text.push('\n');
    }
    text
}

/// Reads a journal. A torn last line was never announced to anyone, so it is dropped.
pub(crate) fn parse_journal(place: &str, text: &str) -> Result<Option<Unfinished>, StoreError> {
    let damaged = |line: usize, reason: &dyn std::fmt::Display| StoreError::Damaged {
        place: place.to_owned(),
        reason: format!("line {line}: {reason}"),
    };
    // What does not end in a newline was still being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines().enumerate();
    let Some((_, first)) = lines.next() else {
        return Ok(None);
    };
    let raw: Value = serde_json::from_str(first).map_err(|err| damaged(1, &err))?;
    let found = raw.get("format").and_then(Value::as_u64).unwrap_or(0);
    if found > FORMAT {
        return Err(StoreError::NewerFormat { place: place.to_owned(), found, known: FORMAT });
    }
    let head: JournalHead = serde_json::from_value(raw).map_err(|err| damaged(1, &err))?;
    let entries = lines
        .map(|(index, line)| {
            serde_json::from_str::<Entry>(line).map_err(|err| damaged(index + 1, &err))
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(Unfinished { header: head.header, plan: head.plan, entries }))
}
