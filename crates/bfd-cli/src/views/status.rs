//! Services as they run now.

use super::{
    Style,
    layout::{Page, faint, plain, styled},
    palette,
    time::age,
    value::{short_digests, visible, visible_line},
};
use bfd_core::Address;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// What there is to know about one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub address: Address,
    /// What ECS calls it.
    pub name: String,
    pub desired: u32,
    pub running: u32,
    pub rollout: Rollout,
    /// Seconds since the rollout last changed.
    pub since: Option<u64>,
    /// Per container, without the registry.
    pub images: Vec<String>,
    /// Why tasks stopped lately, the latest first.
    pub stopped: Vec<String>,
}

/// How the latest deployment of a service went, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    Proven(String),
    UnderWay(String),
    Failed(String),
    /// There is no such service.
    Missing,
}

/// A table of services; below it, why tasks of a service stopped.
pub fn status(services: &[ServiceStatus], style: &Style) -> String {
    let mut page = Page::new(style);
    if services.is_empty() {
        page.line(0, 2, &[plain("no services")]);
        return page.finish();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .force_no_tty()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(style.width).unwrap_or(u16::MAX))
        .set_header(["service", "tasks", "rollout", "since", "image"]);
    for service in services {
        table.add_row(row(service, style));
    }
    for index in [1, 3] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    page.raw(&trimmed(&table.to_string()));
    for service in services.iter().filter(|service| !service.stopped.is_empty()) {
        page.blank();
        let head = [
            styled(palette::ADDRESS, service.address.to_string()),
            faint("  tasks that stopped lately"),
        ];
        page.line(0, 2, &head);
        for reason in &service.stopped {
            page.line(2, 4, &[plain(visible_line(reason))]);
        }
    }
    page.finish()
}

fn row(service: &ServiceStatus, style: &Style) -> [String; 5] {
    let symbols = style.symbols();
    let (symbol, says) = match &service.rollout {
        Rollout::Proven(says) => (symbols.done, says.as_str()),
        Rollout::UnderWay(says) => (symbols.working, says.as_str()),
        Rollout::Failed(says) => (symbols.failed, says.as_str()),
        Rollout::Missing => (symbols.failed, "missing"),
    };
    let tasks = match service.rollout {
        Rollout::Missing => String::new(),
        _ => format!("{}/{}", service.running, service.desired),
    };
    let images: Vec<String> =
        service.images.iter().map(|image| visible(&short_digests(image)).into_owned()).collect();
    let name = if service.name == service.address.name() {
        service.address.to_string()
    } else {
        format!("{}\n  {}", service.address, visible(&service.name))
    };
    [
        name,
        tasks,
        // Without Unicode the marks are words themselves, and there are enough words.
        if style.unicode {
            format!("{symbol} {}", visible(says))
        } else {
            visible(says).into_owned()
        },
        service.since.map(age).unwrap_or_default(),
        images.join("\n"),
    ]
}

/// Without the margin that the table puts around every cell.
fn trimmed(table: &str) -> String {
    table
        .lines()
        .map(|line| {
            let line = line.strip_prefix(' ').unwrap_or(line);
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}
