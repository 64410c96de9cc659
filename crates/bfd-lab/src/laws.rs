//! What must hold after every run, whatever went wrong.

use crate::cloud::Cloud;
use bfd_apply::{Ended, Unended};
use bfd_core::{
    Address, Outcome, ResourceState, State, Value,
    journal::{Entry, Event},
    plan::{Action, Change, Op, Phase, Plan, Undo},
};
use bfd_store::Unfinished;
use std::collections::BTreeSet;

/// Seconds that a clock in a journal may be behind: it has milliseconds.
const ROUNDING: f64 = 0.01;

/// How the names of calls begin that change nothing.
const QUESTIONS: [&str; 6] = ["BatchCheck", "BatchGet", "Describe", "Get", "Head", "List"];

/// A rolled-back environment is as it was, except what the plan declared.
pub fn as_before(before: &Cloud, after: &Cloud, plan: &Plan) -> Vec<String> {
    let declared: BTreeSet<&Address> = plan
        .changes
        .iter()
        .filter(|change| change.undo != Undo::Exact && change.action != Action::Delete)
        .map(|change| &change.address)
        .collect();
    let steps = plan.steps.iter().filter(|step| declared.contains(&step.address));
    let states = steps.filter_map(|step| plan.refreshed.resources.get(&step.address));
    let excused: BTreeSet<String> = states.flat_map(objects).collect();
    let differences = before
        .differences(after, &|name| excused.contains(name) || is_only_tag(name, before, after));
    differences.into_iter().map(|it| format!("not as before: {it}")).collect()
}

/// After a rollback nothing is left to do for the project that the environment was made of,
/// except what the plan of the run declared.
pub fn nothing_to_do(next: &Plan, run: &Plan) -> Vec<String> {
    let is_declared =
        |change: &&Change| change.undo != Undo::Exact && change.action != Action::Delete;
    let declared = run.changes.iter().filter(is_declared);
    let declared: BTreeSet<&Address> = declared.map(|change| &change.address).collect();
    let changes = next.changes.iter().filter(|it| !declared.contains(&it.address));
    let changes = changes.map(|it| format!("rolled back, and the earlier project has {it:?}"));
    let drift = next.drift.iter().filter(|it| !declared.contains(&it.address));
    let drift = drift.map(|it| format!("rolled back, and there is drift: {it:?}"));
    changes.chain(drift).collect()
}

/// What plans nothing, or is refused, changes nothing.
pub fn asked_only(operations: impl Iterator<Item = String>) -> Vec<String> {
    let is_question = |operation: &String| {
        let name = operation.split_once(':').map_or(operation.as_str(), |(_, name)| name);
        QUESTIONS.iter().any(|question| name.starts_with(question))
    };
    let wrote = operations.filter(|operation| !is_question(operation));
    wrote.map(|operation| format!("nothing was to be done, and it called {operation}")).collect()
}

/// The tags that a rollback may leave: see [`is_only_tag`].
pub fn only_tags(before: &Cloud, after: &Cloud) -> BTreeSet<String> {
    let new = after.objects.keys().filter(|name| !before.objects.contains_key(*name));
    new.filter(|name| is_only_tag(name, before, after)).cloned().collect()
}

/// Whether a tag is the only one of an image that was there without one: taking it off would
/// delete the image.
fn is_only_tag(name: &str, before: &Cloud, after: &Cloud) -> bool {
    let Some((repository, digest)) = tagged(name) else { return false };
    let tags = |cloud: &Cloud| {
        let tags = cloud.objects.keys().filter_map(|name| tagged(name));
        tags.filter(|tag| *tag == (repository, digest)).count()
    };
    before.objects.contains_key(&format!("image {repository}@{digest}"))
        && tags(before) == 0
        && tags(after) == 1
}

/// The repository and the digest of a tag, as [`Cloud`] names it.
fn tagged(name: &str) -> Option<(&str, &str)> {
    let (place, digest) = name.strip_prefix("tag ")?.split_once('@')?;
    Some((place.split_once(':')?.0, digest))
}

/// The objects that a recorded resource stands for, as [`Cloud`] names them.
fn objects(state: &ResourceState) -> Vec<String> {
    let id = &state.id;
    match state.kind.as_str() {
        "coordinator" => {
            let config = state.inputs.get("config").and_then(Value::as_object);
            let keys = config.into_iter().flat_map(|map| map.keys());
            keys.map(|key| format!("parameter {id}/{key}")).collect()
        }
        "service" => {
            let revision = state.outputs.get("task_definition").and_then(Value::as_str);
            let mut all = vec![format!("service {id}")];
            if state.inputs.contains_key("autoscaling") {
                let target = format!("ecs|service/{id}|ecs:service:DesiredCount");
                all.push(format!("scaling targets {target}"));
                all.push(format!("scaling policies {target}"));
            }
            all.extend(revision.map(|arn| format!("revision {arn}")));
            all
        }
        "image" => image(state).unwrap_or_default(),
        kind => vec![format!("{kind} {id}")],
    }
}

/// An image that bfd pushed, and its tag. One that is only read is nobody's of ours.
fn image(state: &ResourceState) -> Option<Vec<String>> {
    let text = |of: &bfd_core::Properties, name: &str| of.get(name)?.as_str().map(str::to_owned);
    text(&state.inputs, "origin")?;
    let repository = text(&state.inputs, "repository")?;
    let digest = text(&state.outputs, "digest")?;
    let mut all = vec![format!("image {repository}@{digest}")];
    all.extend(text(&state.outputs, "tag").map(|tag| format!("tag {repository}:{tag}@{digest}")));
    Some(all)
}

/// Everything recorded is there, and everything that is there is recorded.
///
/// `known` are revisions, images and tags that an earlier state recorded: they stay, to go back
/// to, and an image that is no longer declared is the repository's. What a
/// cleanup step of `run` could not delete for certain stays recorded, and may be gone.
pub fn agreed(
    cloud: &Cloud,
    state: &State,
    known: &BTreeSet<String>,
    run: &Unfinished,
) -> Vec<String> {
    let all = state.resources.values().chain(state.deposed.values().flatten());
    let mut recorded: BTreeSet<String> = all.flat_map(objects).collect();
    let indexes = recorded.iter().chain(known).filter_map(|name| cloud.parts.get(name));
    let parts: Vec<String> = indexes.flatten().cloned().collect();
    recorded.extend(parts);
    let half_deleted: BTreeSet<String> = run
        .entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Failed { .. }))
        .filter_map(|entry| match &run.plan.step(entry.step?).op {
            Op::Delete { prior } => Some(objects(prior)),
            _ => None,
        })
        .flatten()
        .collect();
    let missing = recorded
        .iter()
        .filter(|name| !half_deleted.contains(*name))
        .filter(|name| !cloud.objects.contains_key(*name))
        .map(|name| format!("recorded, but not there: {name}"));
    let orphans = cloud
        .objects
        .keys()
        .filter(|name| {
            !recorded.contains(*name) && !cloud.owned.contains(*name) && !known.contains(*name)
        })
        .map(|name| format!("there, but recorded nowhere: {name}"));
    missing.chain(orphans).collect()
}

/// What a state records and stays when it is no longer recorded: revisions, images and tags.
pub fn lasting(state: &State) -> BTreeSet<String> {
    let all = state.resources.values().chain(state.deposed.values().flatten());
    let lasts =
        |name: &String| ["revision ", "image ", "tag "].iter().any(|it| name.starts_with(it));
    all.flat_map(objects).filter(lasts).collect()
}

/// A rollback takes no longer than it may, and one that would is left open in time.
pub fn in_time(
    ended: &Ended,
    run: &Unfinished,
    begun: f64,
    now: f64,
    at: impl Fn(&str) -> f64,
) -> Vec<String> {
    let Some(turned) = turned(run).map(|entry| at(&entry.at).max(begun)) else { return Vec::new() };
    let took = now - turned;
    #[expect(clippy::cast_precision_loss, reason = "seconds of at most a day")]
    let deadline = run.plan.rollback.deadline as f64;
    let is_late = took > deadline + ROUNDING;
    let came_to_an_end =
        ended.outcome == Outcome::RolledBack || ended.left_open == Some(Unended::Deadline);
    if is_late && came_to_an_end {
        vec![format!("the rollback took {took:.1} s, its deadline is {deadline} s")]
    } else {
        Vec::new()
    }
}

/// A part of a run that failed and was rolled back: how long it took, and what its plan said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lap {
    what: &'static str,
    took: f64,
    estimate: f64,
}

impl Lap {
    /// Until the failure was known, and until everything was back, of a run that nothing
    /// disturbed. None when it did not fail by itself, or when its plan tells no time.
    pub fn all(run: &Unfinished, now: f64, at: impl Fn(&str) -> f64) -> Vec<Self> {
        let failed = turned(run).filter(|it| matches!(it.event, Event::Failed { .. }));
        let started = |failed: &Entry| {
            let is_start = |it: &&Entry| it.step == failed.step && it.event == Event::Started;
            run.entries.iter().find(is_start).map(|it| at(&it.at))
        };
        let (Some(failed), Some(estimate)) = (failed, &run.plan.rollback.estimate) else {
            return Vec::new();
        };
        let Some(started) = started(failed) else { return Vec::new() };
        let turned = at(&failed.at);
        #[expect(clippy::cast_precision_loss, reason = "seconds of at most a day")]
        let lap = |what, took, seconds: u64| Self { what, took, estimate: seconds as f64 };
        vec![
            lap("until the failure was known", turned - started, estimate.detection.seconds),
            lap("until all was back", now - turned, estimate.undo.seconds),
        ]
    }

    /// The worst case that a plan tells is one: what nothing disturbs takes no longer.
    pub fn in_estimate(self) -> Option<String> {
        let Self { what, took, estimate } = self;
        let is_longer = took > estimate + ROUNDING;
        is_longer.then(|| format!("{took:.1} s {what}, and the plan said {estimate} s at worst"))
    }

    /// Which part of the estimate was needed.
    pub fn share(self) -> f64 {
        self.took / self.estimate
    }
}

/// How long the way back took, in seconds, where there was one.
pub fn way_back(run: &Unfinished, now: f64, at: impl Fn(&str) -> f64) -> Option<f64> {
    turned(run).map(|entry| now - at(&entry.at))
}

/// The entry with which a run turned back.
fn turned(run: &Unfinished) -> Option<&Entry> {
    let turns = |entry: &&Entry| match (&entry.event, entry.step) {
        (Event::Canceled, _) => true,
        (Event::Failed { .. }, Some(step)) => run.plan.step(step).phase == Phase::Deploy,
        _ => false,
    };
    run.entries.iter().find(turns)
}
