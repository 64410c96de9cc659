//! What both halves of the tests are about: a plan without steps, a state of one.

use bfd_core::{
    Environment, ResourceState, State, StateVersion,
    journal::{Entry, Event},
    plan::{FORMAT_VERSION, Plan, Rollback, StepId},
};
use bfd_store::{LockHolder, RunHeader};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn holder() -> LockHolder {
    who("ana@host")
}

pub(crate) fn who(who: &str) -> LockHolder {
    LockHolder {
        who: who.into(),
        command: "bfd apply".into(),
        process: 7,
        since: "2026-01-01T00:00:00Z".into(),
    }
}

pub(crate) fn header(run: &str) -> RunHeader {
    RunHeader {
        run: run.into(),
        lineage: "lineage1".into(),
        started_at: String::new(),
        who: String::new(),
        arn: None,
        command: String::new(),
        commit: None,
        plan_digest: None,
    }
}

pub(crate) fn environment() -> Environment {
    Environment { name: "dev".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

pub(crate) fn plan(base: StateVersion) -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        environment: environment(),
        endpoint: None,
        base,
        refreshed: State::default(),
        missing: BTreeMap::new(),
        changes: Vec::new(),
        unchanged: 0,
        steps: Vec::new(),
        drift: Vec::new(),
        stack_drift: Vec::new(),
        previews: Vec::new(),
        back_to: None,
        warnings: Vec::new(),
        targets: BTreeSet::new(),
        rollback: Rollback::default().into(),
    }
}

pub(crate) fn entry(seq: u64) -> Entry {
    Entry { seq, at: String::new(), step: Some(StepId(0)), event: Event::Started }
}

pub(crate) fn progress(seq: u64) -> Entry {
    let event = Event::Progress { message: "→ läuft …".into() };
    Entry { seq, at: String::new(), step: Some(StepId(0)), event }
}

/// A state whose only cluster is called `id`.
pub(crate) fn state_of(id: &str) -> State {
    let resource = ResourceState {
        kind: bfd_core::Kind::new("cluster"),
        id: id.into(),
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        depends_on: BTreeSet::new(),
    };
    State {
        resources: BTreeMap::from([("cluster.main".parse().unwrap(), resource)]),
        ..State::default()
    }
}
