//! Stacks as they are now.

use super::{
    Style,
    layout::{Page, faint, padding, plain, styled, width},
    palette,
    status::{GAP, told_below},
    time::age,
    value::visible,
};
use bfd_core::Address;

/// What there is to know about one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackStatus {
    pub address: Address,
    /// What CloudFormation calls it.
    pub name: String,
    pub condition: Condition,
    /// Seconds since it was last changed.
    pub since: Option<u64>,
    /// Why it came to no good end, the first cause first.
    pub reasons: Vec<String>,
}

/// How a stack is, in CloudFormation's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Good(String),
    UnderWay(String),
    Bad(String),
    /// There is no such stack.
    Missing,
}

/// A table of stacks; below it, what went wrong with those that came to no good end.
pub fn stack_status(stacks: &[StackStatus], style: &Style) -> String {
    let mut page = Page::new(style);
    let mut rows = vec![Row::head()];
    rows.extend(stacks.iter().map(|stack| Row::new(stack, style)));
    let widest =
        |cell: fn(&Row) -> &str| rows.iter().map(|row| width(cell(row))).max().unwrap_or(0);
    let status = widest(|row| &row.status);
    let since = widest(|row| &row.since);
    let beside = style.width.saturating_sub(status + since + 2 * GAP);
    // A status is one word that cannot be broken, and an address matters whole: one that is too
    // long for its column has a line of its own.
    let fitting = rows.iter().map(|row| width(&row.address)).filter(|wide| *wide <= beside);
    let first = fitting.max().unwrap_or(0);
    let gap = " ".repeat(GAP);
    for row in &rows {
        let mut address = row.address.as_str();
        if width(address) > first {
            page.raw(address);
            address = "";
        }
        let line = [
            format!("{address}{}", padding(address, first)),
            format!("{}{}", row.status, padding(&row.status, status)),
            format!("{}{}", padding(&row.since, since), row.since),
        ];
        page.raw(line.join(&gap).trim_end());
        if let Some(name) = &row.name {
            page.line(2, 4, &[plain(name.as_str())]);
        }
    }
    for stack in stacks.iter().filter(|stack| !stack.reasons.is_empty()) {
        page.blank();
        let address = styled(palette::ADDRESS, stack.address.to_string());
        page.line(0, 2, &[address, faint("  what went wrong")]);
        told_below(&mut page, &stack.reasons);
    }
    page.finish()
}

struct Row {
    address: String,
    /// Left out where it says no more than the address.
    name: Option<String>,
    status: String,
    since: String,
}

impl Row {
    fn head() -> Self {
        let [address, status, since] = ["stack", "status", "since"].map(str::to_owned);
        Self { address, name: None, status, since }
    }

    fn new(stack: &StackStatus, style: &Style) -> Self {
        let symbols = style.symbols();
        let (symbol, says) = match &stack.condition {
            Condition::Good(says) => (symbols.done, says.as_str()),
            Condition::UnderWay(says) => (symbols.working, says.as_str()),
            Condition::Bad(says) => (symbols.failed, says.as_str()),
            Condition::Missing => (symbols.failed, "missing"),
        };
        // Of a CDK application the address is `stack.ASSEMBLY/NAME`.
        let called = stack.address.name().rsplit('/').next().unwrap_or_default();
        Self {
            address: stack.address.to_string(),
            name: (stack.name != called).then(|| visible(&stack.name).into_owned()),
            // As with services: without Unicode the word says it.
            status: if style.unicode {
                format!("{symbol} {}", visible(says))
            } else {
                visible(says).into_owned()
            },
            since: stack.since.map(age).unwrap_or_default(),
        }
    }
}
