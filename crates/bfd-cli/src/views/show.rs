//! What state records.

use super::{
    Style,
    layout::{Page, faint, padding, plain, styled, width},
    palette,
    value::{SECRET, compact, is_absent, json_text, pretty, visible, visible_line},
    words::count,
};
use bfd_core::{Address, Properties, ResourceState, Secret, State, Value};

/// Labels are aligned up to this width.
const ALIGNED: usize = 32;

/// Everything recorded about one resource. Secrets are never shown.
pub fn resource(address: &Address, recorded: &ResourceState, style: &Style) -> String {
    let mut page = Page::new(style);
    let head = [
        styled(palette::ADDRESS, address.to_string()),
        faint(format!("  {}", visible(&recorded.id))),
    ];
    page.line(0, 4, &head);
    properties(&mut page, "inputs", &recorded.inputs);
    properties(&mut page, "outputs", &recorded.outputs);
    if !recorded.depends_on.is_empty() {
        page.blank();
        page.line(2, 4, &[styled(palette::HEADING, "depends on")]);
        for other in &recorded.depends_on {
            page.line(4, 8, &[plain(other.to_string())]);
        }
    }
    page.finish()
}

/// Every resource with what the cloud calls it, then what awaits cleanup.
pub fn list(state: &State, style: &Style) -> String {
    let mut page = Page::new(style);
    let addresses = state.resources.keys().chain(state.deposed.keys());
    let column = addresses
        .map(|address| width(&address.to_string()))
        .filter(|wide| *wide <= ALIGNED)
        .max()
        .unwrap_or(0);
    let line = |page: &mut Page, indent: usize, address: &Address, id: &str| {
        let address = address.to_string();
        let gap = padding(&address, column) + "  ";
        let pieces = [styled(palette::ADDRESS, &*address), plain(gap), faint(visible(id))];
        page.line(indent, indent + 4, &pieces);
    };
    for (address, recorded) in &state.resources {
        line(&mut page, 0, address, &recorded.id);
    }
    if !state.deposed.is_empty() {
        page.blank();
        page.line(0, 2, &[styled(palette::CAUTION, "replaced, still there, awaiting cleanup")]);
        for (address, old) in &state.deposed {
            for object in old {
                line(&mut page, 2, address, &object.id);
            }
        }
    }
    if state.resources.is_empty() && state.deposed.is_empty() {
        page.line(0, 2, &[plain("nothing is recorded")]);
    }
    page.finish()
}

fn properties(page: &mut Page, heading: &str, properties: &Properties) {
    let shown: Vec<_> = properties.iter().filter(|(_, value)| !is_absent(value)).collect();
    if shown.is_empty() {
        return;
    }
    page.blank();
    page.line(2, 4, &[styled(palette::HEADING, heading)]);
    entries(page, 4, &shown);
}

fn entries(page: &mut Page, indent: usize, all: &[(&String, &Value)]) {
    let flat = |value: &Value| !is_nested(value);
    let column = all
        .iter()
        .filter(|(name, value)| flat(value) && width(name) <= ALIGNED)
        .map(|(name, _)| width(name))
        .max()
        .unwrap_or(0);
    for (name, value) in all {
        entry(page, indent, name, column, value);
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(_) => Secret::from_value(value).is_none(),
        Value::String(text) => text.contains('\n') || json_text(text).is_some(),
        _ => false,
    }
}

fn entry(page: &mut Page, indent: usize, name: &str, column: usize, value: &Value) {
    let label = visible(name);
    match value {
        _ if Secret::from_value(value).is_some() => {
            let pieces =
                [plain(label.clone()), plain(padding(&label, column) + "  "), faint(SECRET)];
            page.line(indent, indent + 4, &pieces);
        }
        Value::Object(fields) => {
            page.line(indent, indent + 4, &[plain(label)]);
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !is_absent(value)).collect();
            fields.sort_by_key(|(name, _)| *name);
            entries(page, indent + 2, &fields);
        }
        Value::String(text) if is_nested(value) => {
            let text = json_text(text).map_or_else(|| text.clone(), |value| pretty(&value));
            let size = faint(format!("  {}", count(text.lines().count(), "line")));
            page.line(indent, indent + 4, &[plain(label), size]);
            for line in text.lines() {
                page.line(indent + 2, indent + 4, &[plain(visible_line(line))]);
            }
        }
        scalar => {
            let hang = indent + column + 2;
            let pieces = [
                plain(label.clone()),
                plain(padding(&label, column) + "  "),
                plain(compact(scalar)),
            ];
            page.line(
                indent,
                if hang + 30 > page.style().width { indent + 4 } else { hang },
                &pieces,
            );
        }
    }
}
