//! What a cloud says of failures, without saying it twice.

use super::words::count;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a line that only points to the full story.
const HEADLINE: usize = 160;

/// Events of ECS that come with every deployment, also with one that fails.
const ROUTINE: [&str; 3] = ["has started ", "has reached a steady state", "deployment completed"];

/// `CannotPull…` of `task 0123abcd: CannotPull…`: each task stops under an id of its own.
fn without_task(text: &str) -> Option<&str> {
    let (id, reason) = text.strip_prefix("task ")?.split_once(": ")?;
    (!id.contains(' ')).then_some(reason)
}

/// Identical reasons once, in the order of their first appearance, each with the number of its
/// tasks.
pub(crate) fn counted<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut reasons: Vec<(bool, &str, usize)> = Vec::new();
    for line in lines {
        let task = without_task(line);
        let reason = task.unwrap_or(line);
        match reasons.iter_mut().find(|(_, known, _)| *known == reason) {
            Some((_, _, times)) => *times += 1,
            None => reasons.push((task.is_some(), reason, 1)),
        }
    }
    let told = |(is_task, reason, times): (bool, &str, usize)| {
        if is_task { format!("{}: {reason}", count(times, "task")) } else { reason.to_owned() }
    };
    reasons.into_iter().map(told).collect()
}

/// A line of a log, as providers quote it: it is part of what is around it, and may be there
/// more than once.
pub(crate) fn is_quoted(detail: &str) -> bool {
    detail.starts_with("| ")
}

/// The details that add something to the message.
pub(crate) fn news<'a>(message: &str, details: &'a [String]) -> Vec<&'a str> {
    let mut told: Vec<&str> = Vec::new();
    let mut reasons: Vec<&str> = Vec::new();
    for detail in details {
        if is_quoted(detail) {
            told.push(detail);
            continue;
        }
        let reason = without_task(detail).unwrap_or(detail);
        let is_routine =
            detail.starts_with("event: ") && ROUTINE.iter().any(|words| detail.contains(words));
        if !is_routine && !message.contains(reason) && !reasons.contains(&reason) {
            reasons.push(reason);
            told.push(detail);
        }
    }
    told
}

/// One line that points to the full story: without ids, and not longer than it is worth.
pub(crate) fn headline(message: &str, more: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = match line.split_once("; task ") {
        Some((before, task)) => match task.split_once(": ") {
            Some((id, reason)) if !id.contains(' ') => format!("{before}; {reason}"),
            _ => line.to_owned(),
        },
        None => without_task(line).unwrap_or(line).to_owned(),
    };
    if line.width() <= HEADLINE {
        return line;
    }
    let mut columns = 0;
    let fits = |c: &char| {
        columns += c.width().unwrap_or(0);
        columns <= HEADLINE
    };
    let cut: String = line.chars().take_while(fits).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{} {more}", cut.trim_end_matches([' ', ',', ';', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn identical_reasons_are_told_once_with_their_number() {
        let lines = ["task a1: no image", "task b2: no memory", "task c3: no image", "12m ago: x"];
        assert_eq!(counted(lines), ["2 tasks: no image", "1 task: no memory", "12m ago: x"]);
    }

    #[test]
    fn a_line_of_a_log_is_told_as_often_as_it_was_written() {
        let details =
            owned(&["log of a:", "| retry", "| retry", "| gone", "log of b:", "| retry", "| gone"]);
        assert_eq!(news("gone", &details), details);
    }

    #[test]
    fn a_detail_that_the_message_holds_is_no_news() {
        let details = owned(&[
            "task b2: no image",
            "task c3: no memory",
            "task d4: no memory",
            "event: (service web) has started 1 tasks: (task b2).",
            "event: (service web) has reached a steady state.",
            "event: (service web) (deployment ecs-svc/1) deployment completed.",
            "event: (service web) was unable to place a task",
            "event: (service web) was unable to place a task",
        ]);
        let told = news("task a1: no image", &details);
        assert_eq!(told, ["task c3: no memory", "event: (service web) was unable to place a task"]);
    }

    #[test]
    fn what_has_started_outside_an_event_is_kept() {
        let details = owned(&["container web: the server has started on port 3000, not 80"]);
        assert_eq!(news("not healthy", &details), details);
    }

    #[test]
    fn a_headline_is_one_short_line_without_ids() {
        assert_eq!(headline("task a1: no image\nat all", "…"), "no image");
        assert_eq!(headline("0/1 running; task a1: no image", "…"), "0/1 running; no image");
        assert_eq!(headline("task of a person: done", "…"), "task of a person: done");
        let long = headline(&"word ".repeat(100), "…");
        assert!(long.width() <= HEADLINE + 2 && long.ends_with("word …"), "{long}");
        let unbroken = headline(&"日".repeat(200), "…");
        assert!(unbroken.width() <= HEADLINE + 2, "{unbroken}");
    }
}
