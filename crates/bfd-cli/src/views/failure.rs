use super::{
    Style,
    layout::{Page, faint, plain, styled},
    palette,
    value::{visible, visible_line},
};
use bfd_core::{Address, journal::Failure};

/// Shows why a step failed: the cause first, then what was seen around it, then a way out.
pub fn failure(failure: &Failure, address: &Address, style: &Style) -> String {
    let mut page = Page::new(style);
    write(&mut page, 0, failure, &address.to_string());
    page.finish()
}

/// As [`failure()`], at an indent; `what` failed.
pub(crate) fn write(page: &mut Page, indent: usize, failure: &Failure, what: &str) {
    let symbol = page.style().symbols().failed;
    let head = [
        styled(palette::BAD, format!("{symbol} ")),
        styled(palette::ADDRESS, what),
        plain(format!(": {}", visible(&failure.message))),
    ];
    page.line(indent, indent + 4, &head);
    around(page, indent + 4, failure);
}

/// Everything but the cause.
pub(crate) fn around(page: &mut Page, indent: usize, failure: &Failure) {
    for detail in &failure.details {
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
    if let Some(hint) = &failure.hint {
        let help = [styled(palette::HELP, "help: "), plain(visible(hint))];
        page.line(indent, indent + 6, &help);
    }
}
