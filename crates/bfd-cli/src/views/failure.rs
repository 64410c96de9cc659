use super::{
    Style,
    layout::{Page, faint, plain, styled},
    palette,
    reasons::{is_quoted, news},
    value::{visible, visible_line},
};
use bfd_core::{Address, journal::Failure};
use std::collections::BTreeSet;

/// What has been told on a page already: two failures often have the same to say.
pub(crate) type Told = BTreeSet<String>;

/// Shows why a step failed: the cause first, then what was seen around it, then a way out.
pub fn failure(failure: &Failure, address: &Address, style: &Style) -> String {
    let mut page = Page::new(style);
    write(&mut page, 0, failure, &address.to_string(), &mut Told::new());
    page.finish()
}

/// Whether nothing was wrong with the step: it ended because the run was on its way back.
///
/// The journal keeps no class of error, so the words decide that every provider uses.
pub(crate) fn turned_back(failure: &Failure) -> bool {
    failure.message.contains("the run turned back")
}

/// As [`failure()`], at an indent; `what` failed.
pub(crate) fn write(
    page: &mut Page,
    indent: usize,
    failure: &Failure,
    what: &str,
    told: &mut Told,
) {
    let symbol = page.style().symbols().failed;
    let head = [
        styled(palette::BAD, format!("{symbol} ")),
        styled(palette::ADDRESS, what),
        plain(format!(": {}", visible(&failure.message))),
    ];
    page.line(indent, indent + 4, &head);
    around(page, indent + 4, failure, told);
}

/// Everything but the cause; each thing once on a page.
pub(crate) fn around(page: &mut Page, indent: usize, failure: &Failure, told: &mut Told) {
    // What is quoted goes with its heading.
    let mut is_told = false;
    for detail in news(&failure.message, &failure.details) {
        if !is_quoted(detail) {
            is_told = !told.insert(detail.to_owned());
        }
        if is_told {
            continue;
        }
        for line in detail.lines() {
            page.line(indent, indent + 4, &[plain(visible_line(line))]);
        }
    }
    let call = match (&failure.operation, &failure.request_id) {
        (Some(operation), Some(request)) => Some(format!("in {operation}, request {request}")),
        (Some(operation), None) => Some(format!("in {operation}")),
        (None, Some(request)) => Some(format!("request {request}")),
        (None, None) => None,
    };
    if let Some(call) = call {
        page.line(indent, indent + 4, &[faint(visible(&call))]);
    }
    if let Some(hint) = failure.hint.as_ref().filter(|hint| told.insert((*hint).clone())) {
        let help = [styled(palette::HELP, "help: "), plain(visible(hint))];
        page.line(indent, indent + 6, &help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(details: &[&str]) -> Failure {
        let details = details.iter().map(ToString::to_string).collect();
        Failure { message: "exit code 1".to_owned(), details, ..Failure::default() }
    }

    #[test]
    fn a_log_is_shown_whole_and_once() {
        let logs = of(&["log of a:", "| started", "| started", "| gone", "log of b:", "| started"]);
        let (mut page, mut told) = (Page::new(&Style::PLAIN), Told::new());

        write(&mut page, 0, &logs, "service.web", &mut told);
        write(&mut page, 0, &logs, "service.api", &mut told);

        let text = page.finish();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[1..],
            [
                "log of a:",
                "| started",
                "| started",
                "| gone",
                "log of b:",
                "| started",
                "✗ service.api: exit code 1",
            ]
        );
    }
}
