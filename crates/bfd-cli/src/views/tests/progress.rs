use super::{
    fixture::{Does, empty, recorded, step},
    legible,
};
use crate::views::{
    Style,
    events::Events,
    progress::{Reporter, terminal},
};
use bfd_core::{
    journal::{Entry, Event, Failure},
    plan::{Plan, StepId},
};
use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

pub(crate) fn run() -> Plan {
    Plan {
        steps: vec![
            step(0, "coordinator.main", &Does::Create, &[], 400),
            step(1, "parameter.api-url", &Does::Update, &[0], 3),
            step(2, "stack.network", &Does::Adopt, &[0], 300),
            step(3, "service.web", &Does::Update, &[2], 120),
            step(4, "service.search", &Does::Create, &[2], 90),
            step(5, "parameter.legacy", &Does::Delete, &[], 1),
        ],
        ..empty()
    }
}

/// Entries from `(seconds, step, event)`.
pub(crate) fn entries(events: Vec<(u64, Option<u32>, Event)>) -> Vec<Entry> {
    let entry = |(seq, (seconds, step, event)): (u64, (u64, Option<u32>, Event))| Entry {
        seq,
        at: format!("2026-11-23T10:{:02}:{:02}Z", seconds / 60, seconds % 60),
        step: step.map(StepId),
        event,
    };
    (0..).zip(events).map(entry).collect()
}

pub(crate) fn succeeded(address: &str) -> Event {
    Event::Succeeded { result: Some(recorded(address, address)) }
}

pub(crate) fn progress(message: &str) -> Event {
    Event::Progress { message: message.into() }
}

pub(crate) fn failure() -> Failure {
    Failure {
        message: "the deployment did not become healthy: container web exited with 1".into(),
        operation: Some("ecs:UpdateService".into()),
        request_id: Some("8b1c2d3e-4f50".into()),
        details: vec![
            "task 5f2a9c stopped: Essential container in task exited".into(),
            "last log lines of container web:\n  Error: Cannot find module 'next'\n  code: 'MODULE_NOT_FOUND'".into(),
        ],
        hint: Some("run the image with `docker run` to see it fail on its own".into()),
    }
}

fn failed(address: &str) -> Event {
    Event::Failed { failure: failure(), left: Some(recorded(address, "bellyfed-web")) }
}

fn undone(address: &str) -> Event {
    Event::UndoSucceeded { result: Some(recorded(address, address)) }
}

/// The beginning of a run that goes well so far.
fn beginning() -> Vec<(u64, Option<u32>, Event)> {
    vec![
        (0, Some(0), Event::Started),
        (2, Some(0), succeeded("coordinator.main")),
        (2, Some(1), Event::Started),
        (2, Some(2), Event::Started),
        (3, Some(1), succeeded("parameter.api-url")),
        (9, Some(2), progress("reading the stack")),
        (9, Some(2), progress("reading the stack")),
        (12, Some(2), succeeded("stack.network")),
        (12, Some(3), Event::Started),
        (12, Some(4), Event::Started),
        (40, Some(3), progress("1 of 2 tasks running")),
        (45, Some(4), progress("pulling typesense/typesense:27.1")),
    ]
}

fn applied() -> Vec<(u64, Option<u32>, Event)> {
    let mut all = beginning();
    all.extend([
        (54, Some(3), succeeded("service.web")),
        (70, Some(4), succeeded("service.search")),
        (70, Some(5), Event::Started),
        (71, Some(5), Event::Succeeded { result: None }),
    ]);
    all
}

pub(crate) fn rolled_back() -> Vec<(u64, Option<u32>, Event)> {
    let mut all = beginning();
    let canceled = Failure { message: "the run turned back".into(), ..Failure::default() };
    all.extend([
        (75, Some(3), failed("service.web")),
        (
            76,
            Some(4),
            Event::Failed {
                failure: canceled,
                left: Some(recorded("service.search", "typesense-dev")),
            },
        ),
        (76, Some(4), Event::UndoStarted),
        (76, Some(3), Event::UndoStarted),
        (78, Some(3), progress("stopping the deployment")),
        (90, Some(4), Event::UndoSucceeded { result: None }),
        (99, Some(3), undone("service.web")),
        (99, Some(2), Event::UndoStarted),
        (99, Some(1), Event::UndoStarted),
        (100, Some(2), undone("stack.network")),
        (100, Some(1), undone("parameter.api-url")),
        (100, Some(0), Event::UndoStarted),
        (101, Some(0), Event::UndoSucceeded { result: None }),
    ]);
    all
}

pub(crate) fn canceled() -> Vec<(u64, Option<u32>, Event)> {
    let mut all = beginning();
    all.push((50, None, Event::Canceled));
    all
}

/// A writer whose text can be read afterwards.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(style: Style, events: Vec<(u64, Option<u32>, Event)>) -> String {
    let (plan, out) = (run(), Shared::default());
    let mut reporter = Reporter::lines(&plan, style, Box::new(out.clone()));
    for entry in entries(events) {
        reporter.on_entry(entry.step.map(|id| plan.step(id)), &entry);
    }
    reporter.finish();
    String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
}

/// The screen after each of the chosen events, and at the end.
fn screens(style: Style, events: Vec<(u64, Option<u32>, Event)>, chosen: &[usize]) -> String {
    let (plan, terminal) = (run(), InMemoryTerm::new(40, u16::try_from(style.width).unwrap()));
    let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
    let mut reporter = Reporter::live(&plan, style, target, None);
    let mut seen = Vec::new();
    for (number, entry) in entries(events).iter().enumerate() {
        reporter.on_entry(entry.step.map(|id| plan.step(id)), entry);
        if chosen.contains(&number) {
            seen.push(format!("── {}\n{}\n", entry.at, terminal.contents()));
        }
    }
    reporter.finish();
    seen.push(format!("── finished\n{}\n", terminal.contents()));
    seen.join("\n")
}

#[test]
fn lines_tell_a_run_that_applies() {
    insta::assert_snapshot!("lines_applied", lines(Style::PLAIN, applied()));
}

#[test]
fn lines_tell_a_run_that_rolls_back() {
    insta::assert_snapshot!("lines_rolled_back", lines(Style::PLAIN, rolled_back()));
    let ascii = Style { unicode: false, ..Style::PLAIN };
    insta::assert_snapshot!("lines_rolled_back_ascii", lines(ascii, rolled_back()));
    let color = Style { color: true, ..Style::PLAIN };
    insta::assert_snapshot!("lines_rolled_back_color", legible(&lines(color, rolled_back())));
}

#[test]
fn lines_tell_that_a_run_is_canceled() {
    let text = lines(Style::PLAIN, canceled());
    let notice = "stopping and rolling back; once more (Ctrl-C) leaves at once\n";
    assert!(text.ends_with(notice), "{text}");
    let mut cleaning = applied();
    let last = cleaning.len() - 1;
    cleaning.insert(last, (70, None, Event::Canceled));
    let text = lines(Style::PLAIN, cleaning);
    assert!(text.contains("stopping after what is under way;"), "{text}");
}

#[test]
fn a_rollback_counts_what_is_under_way_and_never_past_its_end() {
    let stopped = Failure {
        message: "the run turned back while the deployment was followed".into(),
        ..Failure::default()
    };
    let mut all = beginning();
    all.extend([
        (75, Some(3), Event::Failed { failure: failure(), left: None }),
        (75, Some(1), Event::UndoStarted),
        (76, Some(4), Event::Failed { failure: stopped, left: None }),
        (77, Some(1), undone("parameter.api-url")),
        (77, Some(2), Event::UndoStarted),
        (78, Some(2), undone("stack.network")),
        (78, Some(0), Event::UndoStarted),
        (79, Some(0), Event::UndoSucceeded { result: None }),
    ]);
    let text = lines(Style::PLAIN, all);
    let rollback = text.split_once("rolling back: ").expect("it rolls back").1;
    let told: Vec<&str> = rollback.lines().map(str::trim_start).collect();
    assert_eq!(
        told,
        [
            "service.web failed; 3 steps to undo, 1 still under way",
            "[1/4] · service.search stopped (1m 04s)",
            "[2/4] ↩ parameter.api-url put back (2s)",
            "[3/4] ↩ stack.network put back (1s)",
            "[4/4] ↩ coordinator.main removed again (1s)",
        ]
    );
}

#[test]
fn a_failure_is_one_line_until_the_outcome_tells_it() {
    let text = lines(Style::PLAIN, rolled_back());
    assert!(text.contains("container web exited with 1"), "{text}");
    for later in ["task 5f2a9c", "Cannot find module", "ecs:UpdateService", "help:"] {
        assert!(!text.contains(later), "{later} in {text}");
    }
}

#[test]
fn a_terminal_keeps_nothing_but_what_is_finished() {
    let lines_only = |text: &str| {
        text.lines().filter(|line| !line.contains(" · ")).map(str::to_owned).collect::<Vec<_>>()
    };
    for events in [applied(), rolled_back(), canceled()] {
        let all = screens(Style::PLAIN, events.clone(), &[]);
        let left = all.strip_prefix("── finished\n").expect("the last screen");
        assert_eq!(lines_only(left.trim_end()), lines_only(lines(Style::PLAIN, events).trim_end()));
    }
}

/// The screen of a real terminal after a run, on which `typed` is echoed after each entry.
fn terminal_after(events: Vec<(u64, Option<u32>, Event)>, typed: &str) -> String {
    let (plan, out, screen) = (run(), Shared::default(), InMemoryTerm::new(40, 80));
    let target = terminal(Box::new(out.clone()), Box::new(|| (40, 80)));
    let mut reporter = Reporter::live(&plan, Style::PLAIN, target, None);
    let drawn = || {
        let bytes = std::mem::take(&mut *out.0.lock().unwrap());
        screen.write_str(&String::from_utf8(bytes).unwrap()).unwrap();
    };
    for entry in entries(events) {
        reporter.on_entry(entry.step.map(|id| plan.step(id)), &entry);
        drawn();
        screen.write_str(typed).unwrap();
    }
    reporter.finish();
    drawn();
    screen.contents()
}

#[test]
fn what_is_typed_while_spinners_turn_leaves_nothing_behind() {
    for events in [applied(), rolled_back(), canceled()] {
        let undisturbed = terminal_after(events.clone(), "");
        let lines = screens(Style::PLAIN, events.clone(), &[]);
        assert_eq!(lines.trim_end(), format!("── finished\n{undisturbed}"));
        assert_eq!(terminal_after(events, "^C"), undisturbed);
    }
}

#[test]
fn the_bar_has_counted_what_stands_above_it() {
    let all = applied();
    let finished: Vec<usize> =
        (0..all.len()).filter(|number| matches!(all[*number].2, Event::Succeeded { .. })).collect();
    for number in &finished {
        let screen = screens(Style::PLAIN, all.clone(), &[*number]);
        let shown = screen.split("── finished").next().expect("a screen");
        let done = shown.matches('✓').count();
        assert!(shown.contains(&format!(" {done}/6 ")), "{shown}");
    }
}

#[test]
fn a_terminal_shows_what_is_under_way() {
    insta::assert_snapshot!("live_applied", screens(Style::PLAIN, applied(), &[3, 10, 13]));
}

#[test]
fn a_terminal_shows_a_rollback() {
    insta::assert_snapshot!("live_rolled_back", screens(Style::PLAIN, rolled_back(), &[15, 18]));
}

#[test]
fn the_same_entries_make_the_same_screen() {
    let twice = || screens(Style::PLAIN, rolled_back(), &[0, 5, 11, 16, 20]);
    assert_eq!(twice(), twice());
}

#[test]
fn what_an_earlier_process_did_counts_but_is_not_shown_again() {
    let (plan, out) = (run(), Shared::default());
    let all = entries(applied());
    let (earlier, later) = all.split_at(8);
    let mut reporter =
        Reporter::lines(&plan, Style::PLAIN, Box::new(out.clone())).after(&plan, earlier);
    for entry in later {
        reporter.on_entry(entry.step.map(|id| plan.step(id)), entry);
    }
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("coordinator.main"), "{text}");
    assert!(text.contains("[4/6] ✓ service.web updated (42s)"), "{text}");
    let durable = all.iter().filter(|entry| entry.event.must_be_durable()).count();
    assert_eq!(reporter.entries().len(), durable);
}

#[test]
fn events_are_one_json_line_each_without_secrets() {
    let plan = run();
    let mut written = Vec::new();
    let mut events = Events::new(&mut written);
    let mut with_secret = recorded("service.web", "web");
    with_secret.inputs.insert("key".into(), super::fixture::secret("the-digest"));
    let all = entries(vec![
        (0, Some(3), Event::Started),
        (1, Some(3), Event::Succeeded { result: Some(with_secret) }),
        (2, None, Event::Canceled),
    ]);
    for entry in &all {
        events.on_entry(entry.step.map(|id| plan.step(id)), entry).unwrap();
    }
    let text = String::from_utf8(written).unwrap();
    assert!(!text.contains("the-digest"), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["address"], "service.web");
    assert_eq!(lines[0]["op"], "update");
    assert_eq!(lines[0]["event"], "started");
    let first: Entry = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first, all[0]);
    assert_eq!(lines[2].get("address"), None);
}
