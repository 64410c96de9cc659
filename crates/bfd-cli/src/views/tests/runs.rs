//! One run from its beginning, in every way that it can stand.

use super::{
    fixture::{Does, change, empty, recorded, step},
    legible,
    progress::{canceled, entries, failure, progress, rolled_back, succeeded},
    records::{RUN, plan},
    styles,
};
use crate::views::{
    Style,
    marks::Mark,
    outcome::{Ending, outcome},
    run::{Row, Told, json, list, list_json, text},
    verdict::Verdict,
};
use bfd_apply::Unended;
use bfd_core::{
    Outcome,
    journal::{Event, Failure},
    plan::{Action, Plan, Undo},
};
use bfd_store::{LockHolder, RunHeader};
use unicode_width::UnicodeWidthStr;

type Events = Vec<(u64, Option<u32>, Event)>;

pub(crate) const MANIFEST: &str = "environments/dev.toml";

fn header() -> RunHeader {
    RunHeader {
        run: RUN.into(),
        lineage: "01kd".into(),
        started_at: "2026-11-23T10:00:00Z".into(),
        who: "ann@desk".into(),
        arn: None,
        command: "bfd apply".into(),
        commit: None,
        plan_digest: None,
    }
}

pub(crate) fn picked_up(at: u64) -> (u64, Option<u32>, Event) {
    let mark = Mark::PickedUp { who: "ci@runner-7".into(), command: "bfd recover".into() };
    (at, Some(0), mark.event())
}

fn closed(events: Events) -> Told {
    Told::closed(header(), plan(), entries(events)).unwrap()
}

fn open(events: Events) -> Told {
    Told::open(header(), plan(), entries(events), None).unwrap()
}

fn busy() -> Failure {
    Failure {
        message: "the service is being changed by somebody else".into(),
        operation: Some("ecs:UpdateService".into()),
        hint: Some("wait until its deployment has ended".into()),
        ..Failure::default()
    }
}

/// Everything but the cleanup.
fn deployed() -> Events {
    let addresses =
        ["coordinator.main", "parameter.api-url", "stack.network", "service.web", "service.search"];
    let mut all = Events::new();
    for (step, address) in (0..).zip(addresses) {
        let seconds = u64::from(step) * 10;
        all.push((seconds, Some(step), Event::Started));
        all.push((seconds + 9, Some(step), succeeded(address)));
    }
    all
}

fn applied() -> Told {
    let mut all = deployed();
    all.push((50, Some(5), Event::Started));
    all.push((51, Some(5), Event::Succeeded { result: None }));
    closed(all)
}

fn cleanup_pending() -> Told {
    let mut all = deployed();
    all.push((50, Some(5), Event::Started));
    all.push((51, Some(5), Event::Failed { failure: busy(), left: None }));
    closed(all)
}

/// Up to where the undo of `service.web` was about to succeed.
fn going_back() -> Events {
    let mut all = rolled_back();
    let back = |(_, step, event): &(u64, Option<u32>, Event)| {
        *step == Some(3) && matches!(event, Event::UndoSucceeded { .. })
    };
    let last = all.iter().position(back).unwrap();
    all.truncate(last);
    all
}

fn undo_failed() -> Told {
    let mut all = going_back();
    all.push((99, Some(3), Event::UndoFailed { failure: busy() }));
    all.push((99, Some(3), Mark::Left(Unended::UndoFailed).event()));
    open(all)
}

fn past_deadline() -> Told {
    let mut all = going_back();
    all.push((375, Some(3), Mark::Left(Unended::Deadline).event()));
    open(all)
}

fn killed() -> Events {
    vec![
        (0, Some(0), Event::Started),
        (2, Some(0), succeeded("coordinator.main")),
        (2, Some(2), Event::Started),
        (12, Some(2), succeeded("stack.network")),
        (12, Some(3), Event::Started),
        (12, Some(4), Event::Started),
        (40, Some(3), progress("1 of 2 tasks running")),
    ]
}

fn recovered() -> Told {
    let mut all = killed();
    all.extend([
        picked_up(600),
        (600, Some(3), Event::Started),
        (600, Some(4), Event::Started),
        (600, Some(1), Event::Started),
        (603, Some(1), succeeded("parameter.api-url")),
        (660, Some(3), succeeded("service.web")),
        (661, Some(4), succeeded("service.search")),
        (661, Some(5), Event::Started),
        (662, Some(5), Event::Succeeded { result: None }),
    ]);
    closed(all)
}

fn canceled_and_back() -> Told {
    let mut all = canceled();
    let turned = || Failure { message: "the run turned back".into(), ..Failure::default() };
    all.extend([
        (51, Some(3), Event::Failed { failure: turned(), left: None }),
        (51, Some(4), Event::Failed { failure: turned(), left: None }),
        (51, Some(2), Event::UndoStarted),
        (51, Some(1), Event::UndoStarted),
        (52, Some(2), Event::UndoSucceeded { result: None }),
        (53, Some(1), Event::UndoSucceeded { result: None }),
        (53, Some(0), Event::UndoStarted),
        (54, Some(0), Event::UndoSucceeded { result: None }),
    ]);
    closed(all)
}

/// Killed, and rolled back by another process, which stops what was under way.
fn taken_back() -> Told {
    let mut all = killed();
    let stopped = "the stack is UPDATE_ROLLBACK_COMPLETE";
    let failed = |message: &str| Event::Failed {
        failure: Failure { message: message.into(), ..Failure::default() },
        left: None,
    };
    all.extend([
        picked_up(600),
        (600, None, Event::Canceled),
        (600, Some(3), Event::Started),
        (600, Some(4), Event::Started),
        (601, Some(3), failed("the run turned back")),
        (620, Some(4), failed(stopped)),
        (621, Some(2), Event::UndoStarted),
        (621, Some(0), Event::UndoStarted),
        (622, Some(2), Event::UndoSucceeded { result: None }),
        (623, Some(0), Event::UndoSucceeded { result: None }),
    ]);
    closed(all)
}

#[test]
fn a_run_that_is_taken_back_after_its_process_died_blames_nothing_that_was_stopped() {
    let told = taken_back();
    let ending = Ending {
        run: &told.header.run,
        plan: &told.plan,
        entries: &told.entries,
        verdict: told.verdict,
        manifest: MANIFEST,
    };
    let text = outcome(&ending, &Style::PLAIN).unwrap();
    assert!(text.contains("interrupted and rolled back in 10m 23s"), "{text}");
    assert!(!text.contains("UPDATE_ROLLBACK_COMPLETE"), "{text}");
    assert!(text.contains("`bfd apply environments/dev.toml` begins again"), "{text}");
}

/// Every way a run can stand that a person may meet, by name.
pub(crate) fn all() -> Vec<(&'static str, Told)> {
    let holder = LockHolder {
        who: "ann@desk".into(),
        command: "bfd apply".into(),
        process: 4711,
        since: "2026-11-23T10:00:00Z".into(),
    };
    let under_way = Told::open(header(), plan(), entries(killed()), Some(holder)).unwrap();
    vec![
        ("applied", applied()),
        ("cleanup_pending", cleanup_pending()),
        ("rolled_back", closed(rolled_back())),
        ("canceled", canceled_and_back()),
        ("undo_failed", undo_failed()),
        ("deadline", past_deadline()),
        ("killed", open(killed())),
        ("recovered", recovered()),
        ("under_way", under_way),
        ("abandoned", closed(going_back())),
        ("taken_back", taken_back()),
    ]
}

fn shown(told: &Told, style: &Style) -> String {
    text(told, MANIFEST, style).unwrap()
}

#[test]
fn every_way_a_run_can_stand() {
    for (name, told) in all() {
        insta::assert_snapshot!(format!("run_{name}"), shown(&told, &Style::PLAIN));
    }
}

#[test]
fn a_run_fits_its_screen_and_is_told_without_colour() {
    for (how, style) in styles() {
        let text = shown(&undo_failed(), &style);
        insta::assert_snapshot!(format!("run_undo_failed_{how}"), legible(&text));
    }
    for (name, told) in all() {
        for width in [80, 120] {
            let style = Style { width, ..Style::PLAIN };
            let text = shown(&told, &style);
            let widest = text.lines().map(UnicodeWidthStr::width).max();
            assert!(widest <= Some(width), "{name}: {widest:?} of {width}:\n{text}");
        }
        let text = shown(&told, &Style { unicode: false, ..Style::PLAIN });
        assert!(text.is_ascii(), "{name}: {text}");
    }
}

#[test]
fn what_is_open_has_a_next_command() {
    for (name, told) in all() {
        let text = shown(&told, &Style::PLAIN);
        assert_eq!(
            text.contains("help: "),
            told.verdict != Verdict::Ended(Outcome::Applied),
            "{name}: {text}"
        );
        let recovers = text.contains("`bfd recover environments/dev.toml`");
        let open = told.verdict.is_open() && told.holder.is_none();
        assert_eq!(recovers, open, "{name}: {text}");
    }
}

#[test]
fn long_details_are_told_whole() {
    let lines: Vec<String> = (0..200).map(|n| format!("log line {n}")).collect();
    let long = Failure {
        message: format!("{} the end", "a long cause ".repeat(60)),
        details: vec![lines.join("\n")],
        ..failure()
    };
    let text = shown(
        &closed(vec![
            (0, Some(0), Event::Started),
            (3, Some(0), Event::Failed { failure: long, left: None }),
        ]),
        &Style::PLAIN,
    );
    assert_eq!(text.matches("a long").count(), 60, "{text}");
    assert!(text.contains("the end"), "{text}");
    for line in &lines {
        assert!(text.lines().any(|shown| shown.trim() == line), "{line} in {text}");
    }
}

#[test]
fn an_undo_that_cannot_restore_says_so() {
    let mut network = change("stack.network", Action::Create, vec![]);
    network.undo = Undo::None;
    network.notes = vec!["its earlier values are gone".into()];
    let plan = Plan {
        changes: vec![network],
        steps: vec![step(0, "stack.network", &Does::Create, &[], 3)],
        ..empty()
    };
    let all = entries(vec![
        (0, Some(0), Event::Started),
        (1, Some(0), Event::Failed { failure: busy(), left: Some(recorded("stack.network", "n")) }),
        (1, Some(0), Event::UndoStarted),
        (2, Some(0), Event::UndoSucceeded { result: None }),
    ]);
    let text = shown(&Told::closed(header(), plan, all).unwrap(), &Style::PLAIN);
    assert!(text.contains("cannot be restored: its earlier values are gone"), "{text}");
}

#[test]
fn a_run_is_told_to_programs() {
    insta::assert_snapshot!("run_json", json(&recovered()).unwrap());
}

#[test]
fn runs_are_listed_a_line_each() {
    let mut rows: Vec<Row> = Vec::new();
    for (number, (_, mut told)) in all().into_iter().enumerate() {
        told.header.run = format!("01kdxvq{number:03}8pzvn4cg7h2t5wb9e");
        rows.push(Row::Told(Box::new(told)));
    }
    let why = "line 1: no `plan`".to_owned();
    rows.push(Row::Unreadable { run: "01kdxvq3m7pzvn4cg7h2t5wb9e".into(), why });
    let style = Style { width: 120, ..Style::PLAIN };
    let text = list(&rows, &style);
    assert_eq!(text.lines().count(), rows.len(), "{text}");
    insta::assert_snapshot!("runs", text);
    insta::assert_snapshot!("runs_json", list_json(&rows[9..]));
    assert_eq!(list(&[], &style), "no run is recorded\n");
}

#[test]
fn whose_credentials_a_run_had_is_told_where_it_is_recorded() {
    let arn = "arn:aws:sts::123456789012:assumed-role/bfd-apply/GitHubActions";
    let mut told = applied();
    told.header.arn = Some(arn.into());
    let text = shown(&told, &Style::PLAIN);
    assert!(text.contains(&format!("  arn          {arn}\n")), "{text}");
    let document: serde_json::Value = serde_json::from_str(&json(&told).unwrap()).unwrap();
    assert_eq!(document["arn"], arn);
    let listed = list(&[Row::Told(Box::new(told.clone()))], &Style::PLAIN);
    assert!(listed.contains("ann@desk (assumed-role/bfd-apply/GitHubActions)"), "{listed}");
    let mut written = serde_json::to_value(&told.header).unwrap();
    assert_eq!(written["arn"], arn);
    // As earlier versions wrote it.
    written.as_object_mut().unwrap().remove("arn");
    let read: RunHeader = serde_json::from_value(written).unwrap();
    assert_eq!(read, RunHeader { arn: None, ..told.header });
}
