//! The runs of an environment, one line each.

use super::Told;
use crate::views::{
    Style,
    layout::{Page, faint, plain, styled, width},
    outcome::short,
    palette,
    time::duration,
    value::visible,
    words::count,
};

/// One run in the list; a journal that cannot be read still has its name.
#[derive(Debug)]
pub enum Row {
    Told(Box<Told>),
    Unreadable { run: String, why: String },
}

impl Row {
    pub(crate) fn run(&self) -> &str {
        match self {
            Self::Told(told) => &told.header.run,
            Self::Unreadable { run, .. } => run,
        }
    }
}

/// The start of each id, long enough to tell it from the others.
pub(crate) fn prefix<'a>(run: &'a str, all: &[&str]) -> &'a str {
    let unique = |length: usize| {
        let start = run.get(..length)?;
        let alone = all.iter().filter(|other| other.starts_with(start)).count() <= 1;
        alone.then_some(start)
    };
    (short(run).len()..run.len()).find_map(unique).unwrap_or(run)
}

/// One line per run, in the order they come in.
pub fn list(rows: &[Row], style: &Style) -> String {
    let mut page = Page::new(style);
    let ids: Vec<&str> = rows.iter().map(Row::run).collect();
    let lines: Vec<[String; 7]> = rows.iter().map(|row| cells(row, &ids)).collect();
    let mut columns = [0; 7];
    for line in &lines {
        // What could not be read has no columns to align.
        for (column, cell) in columns.iter_mut().zip(line).filter(|_| !line[2].is_empty()) {
            *column = width(cell).max(*column);
        }
    }
    for (row, line) in rows.iter().zip(&lines) {
        let mut pieces = vec![styled(palette::ADDRESS, line[0].as_str())];
        if let Row::Unreadable { why, .. } = row {
            pieces.push(styled(palette::BAD, format!("  cannot be read: {}", visible(why))));
            page.line(0, 4, &pieces);
            continue;
        }
        for (number, cell) in line.iter().enumerate().skip(1) {
            let before = columns[number - 1].saturating_sub(width(&line[number - 1]));
            pieces.push(plain(" ".repeat(before + 2)));
            pieces.push(if number == 4 { plain(cell.as_str()) } else { faint(cell.as_str()) });
        }
        page.line(0, 4, &pieces);
    }
    if rows.is_empty() {
        page.line(0, 2, &[plain("no run is recorded")]);
    }
    page.finish()
}

/// A person and their credentials: `ann@desk (user/ann)`. The account is everybody's.
fn who(who: &str, arn: Option<&str>) -> String {
    let role = arn.and_then(|arn| arn.splitn(6, ':').nth(5)).filter(|role| !role.is_empty());
    match role {
        Some(role) => format!("{} ({})", visible(who), visible(role)),
        None => visible(who).into_owned(),
    }
}

/// What was typed, and where it went back to: `bfd apply (back to 01kdxvq3m8)`.
fn command(told: &Told, ids: &[&str]) -> String {
    let command = visible(&told.header.command);
    match &told.plan.back_to {
        Some(run) => format!("{command} (back to {})", visible(prefix(run, ids))),
        None => command.into_owned(),
    }
}

/// Id, when, who, command, outcome, changes, how long.
fn cells(row: &Row, ids: &[&str]) -> [String; 7] {
    let id = prefix(row.run(), ids).to_owned();
    let Row::Told(told) = row else {
        let mut cells = <[String; 7]>::default();
        cells[0] = id;
        return cells;
    };
    let header = &told.header;
    // Whole seconds are enough to find a run by.
    let when = header.started_at.split('.').next().unwrap_or_default().trim_end_matches('Z');
    [
        id,
        visible(&when.replace('T', " ")).into_owned(),
        who(&header.who, header.arn.as_deref()),
        command(told, ids),
        told.verdict.says().to_owned(),
        count(told.plan.changes.len(), "change"),
        told.seconds().map(duration).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_with_the_role_where_it_is_known() {
        let role = "arn:aws:sts::123456789012:assumed-role/bfd-apply/GitHubActions";
        assert_eq!(who("a@b", Some(role)), "a@b (assumed-role/bfd-apply/GitHubActions)");
        assert_eq!(who("a@b", Some("odd")), "a@b");
        assert_eq!(who("a@b", None), "a@b");
    }

    #[test]
    fn a_prefix_is_as_long_as_it_has_to_be() {
        let all = ["01kdxvq3m8aaa", "01kdxvq3m8abb", "01kdxvq3m9aaa"];
        assert_eq!(prefix(all[0], &all), "01kdxvq3m8aa");
        assert_eq!(prefix(all[2], &all), "01kdxvq3m9");
        assert_eq!(prefix("short", &all), "short");
    }
}
