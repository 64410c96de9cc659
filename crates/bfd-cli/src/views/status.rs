//! Services as they run now.

use super::{
    Style,
    layout::{MIN_COLUMN, Page, column, faint, padding, plain, styled, width},
    palette,
    reasons::counted,
    time::age,
    value::{short_digests, visible, visible_line},
    words::count,
};
use bfd_core::Address;

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

/// Reasons that are told of one service, or one stack.
const REASONS: usize = 3;
/// Columns between two columns.
pub(super) const GAP: usize = 2;

/// A table of services; below it, why tasks stopped of those that are not proven.
pub fn status(services: &[ServiceStatus], style: &Style) -> String {
    let mut page = Page::new(style);
    if services.is_empty() {
        page.line(0, 2, &[plain("no services")]);
        return page.finish();
    }
    let rows: Vec<Row> = services.iter().map(|service| Row::new(service, style)).collect();
    let widths = Widths::of(&rows, style.width);
    let mut head = Row::head();
    if widths.image.is_none() {
        head.images.clear();
    }
    for row in std::iter::once(&head).chain(&rows) {
        row.write(&mut page, &widths);
    }
    // Of a service that is proven, they belong to what was there before.
    let failing = |service: &&ServiceStatus| !matches!(service.rollout, Rollout::Proven(_));
    for service in services.iter().filter(failing).filter(|service| !service.stopped.is_empty()) {
        stopped(&mut page, service);
    }
    page.finish()
}

fn stopped(page: &mut Page, service: &ServiceStatus) {
    page.blank();
    let address = styled(palette::ADDRESS, service.address.to_string());
    page.line(0, 2, &[address, faint("  tasks that stopped lately")]);
    told_below(page, &counted(service.stopped.iter().map(String::as_str)));
}

/// The first few reasons, and how many there are besides.
pub(super) fn told_below(page: &mut Page, reasons: &[String]) {
    for reason in reasons.iter().take(REASONS) {
        page.line(2, 4, &[plain(visible_line(reason))]);
    }
    if let Some(more) = reasons.len().checked_sub(REASONS).filter(|more| *more > 0) {
        let symbol = page.style().symbols().more;
        page.line(2, 4, &[faint(format!("{symbol} and {}", count(more, "more reason")))]);
    }
}

struct Row {
    address: String,
    /// Left out where it says no more than the address.
    name: Option<String>,
    tasks: String,
    rollout: String,
    since: String,
    images: Vec<String>,
}

impl Row {
    fn head() -> Self {
        Self {
            address: "service".into(),
            name: None,
            tasks: "tasks".into(),
            rollout: "rollout".into(),
            since: "since".into(),
            images: vec!["image".into()],
        }
    }

    fn new(service: &ServiceStatus, style: &Style) -> Self {
        let symbols = style.symbols();
        let (symbol, says) = match &service.rollout {
            Rollout::Proven(says) => (symbols.done, says.as_str()),
            Rollout::UnderWay(says) => (symbols.working, says.as_str()),
            Rollout::Failed(says) => (symbols.failed, says.as_str()),
            Rollout::Missing => (symbols.failed, "missing"),
        };
        let image = |image: &String| visible(&short_digests(image)).into_owned();
        Self {
            address: service.address.to_string(),
            name: (service.name != service.address.name())
                .then(|| visible(&service.name).into_owned()),
            tasks: match service.rollout {
                Rollout::Missing => String::new(),
                _ => format!("{}/{}", service.running, service.desired),
            },
            // Without Unicode the marks are words themselves, and there are enough words.
            rollout: if style.unicode {
                format!("{symbol} {}", visible(says))
            } else {
                visible(says).into_owned()
            },
            since: service.since.map(age).unwrap_or_default(),
            images: service.images.iter().map(image).collect(),
        }
    }

    fn write(&self, page: &mut Page, widths: &Widths) {
        let mut first = vec![self.address.clone()];
        let (mut images, mut below) = (Vec::new(), Vec::new());
        match (&self.name, widths.name_in_column) {
            (Some(name), true) => first.push(format!("  {name}")),
            (Some(name), false) => below.push(name),
            (None, _) => {}
        }
        match widths.image {
            Some(columns) => {
                images = self.images.iter().flat_map(|image| column(image, columns)).collect();
            }
            None => below.extend(&self.images),
        }
        let rollout = column(&self.rollout, widths.rollout);
        let lines = first.len().max(rollout.len()).max(images.len());
        let cell = |lines: &[String], number: usize| lines.get(number).cloned().unwrap_or_default();
        for number in 0..lines {
            let (tasks, since) = match number {
                0 => (self.tasks.as_str(), self.since.as_str()),
                _ => ("", ""),
            };
            let (first, rollout) = (cell(&first, number), cell(&rollout, number));
            let gap = " ".repeat(GAP);
            let line = [
                format!("{first}{}", padding(&first, widths.first)),
                format!("{}{tasks}", padding(tasks, widths.tasks)),
                format!("{rollout}{}", padding(&rollout, widths.rollout)),
                format!("{}{since}", padding(since, widths.since)),
                cell(&images, number),
            ];
            page.raw(line.join(&gap).trim_end());
        }
        // Whole, whatever the width.
        for text in below {
            page.line(2, 4, &[plain(text.as_str())]);
        }
    }
}

/// How wide the columns are. Addresses, names and images matter whole: they leave the table
/// before they are cut in it.
struct Widths {
    first: usize,
    name_in_column: bool,
    tasks: usize,
    rollout: usize,
    since: usize,
    /// `None`: images stand below their service.
    image: Option<usize>,
}

impl Widths {
    fn of(rows: &[Row], columns: usize) -> Self {
        let head = Row::head();
        let widest = |text: &dyn Fn(&Row) -> usize| {
            std::iter::once(&head).chain(rows).map(text).max().unwrap_or(0)
        };
        let address = widest(&|row| width(&row.address));
        let name = widest(&|row| row.name.as_ref().map_or(0, |name| width(name) + 2));
        let tasks = widest(&|row| width(&row.tasks));
        let rollout = widest(&|row| width(&row.rollout));
        let since = widest(&|row| width(&row.since));
        let image = widest(&|row| row.images.iter().map(|it| width(it)).max().unwrap_or(0));
        let room = columns.saturating_sub(tasks + since + 4 * GAP);
        // From the most to the least that fits beside each other.
        let fits = |first: usize, rollout: usize, image: usize| first + rollout + image <= room;
        let narrow = rollout.min(MIN_COLUMN);
        let widths = |first, rollout, image| Self {
            first,
            name_in_column: first >= name,
            tasks,
            rollout,
            since,
            image,
        };
        for (first, rollout) in
            [(address.max(name), rollout), (address, rollout), (address, narrow)]
        {
            if fits(first, rollout, image) {
                return widths(first, rollout, Some(image));
            }
        }
        let left = (room + GAP).saturating_sub(address);
        widths(address, rollout.min(left.max(MIN_COLUMN)), None)
    }
}
