//! A plan at a terminal.

use super::{
    facts::facts,
    fields::{Node, tree, uniform},
    order::{ACTIONS, changes, deletes_first, heading, may_restart_tasks, restarts_tasks, undo},
    preview, readings,
    resources::{self, other_fields, within},
    stack_drift,
    summary::{is_late, kept_images, rollback, summary},
    tree::{self, ALIGNED},
};
use crate::views::{
    Style,
    layout::{Page, Piece, faint, glued, padding, plain, styled, width},
    outcome::short,
    palette,
    value::{short_digests, visible},
};
use bfd_core::plan::{Action, Change, Drift, Effect, Phase, Plan, Replacement, Warning};

/// Shows a plan to a person: dangerous things first, then what changes, then what is new.
pub fn text(plan: &Plan, style: &Style) -> String {
    let mut view = View { plan, page: Page::new(style) };
    if !plan.changes.is_empty() || !plan.drift.is_empty() || !plan.stack_drift.is_empty() {
        view.title();
    } else if let Some(endpoint) = &plan.endpoint {
        view.endpoint(endpoint);
    }
    view.drift();
    view.stack_drift();
    for action in ACTIONS {
        view.section(action);
    }
    view.kept_images();
    view.warnings();
    view.page.blank();
    let summary = summary(plan).split(", ").map(glued).collect::<Vec<_>>().join(", ");
    let (head, rest) = summary.split_at(summary.find([':', '.']).map_or(0, |at| at + 1));
    view.page.line(0, 2, &[styled(palette::HEADING, head), plain(rest)]);
    view.rollback();
    view.page.finish()
}

struct View<'a> {
    plan: &'a Plan,
    page: Page,
}

fn color(action: Action) -> anstyle::Style {
    match action {
        Action::Create => palette::ADDED,
        Action::Update => palette::CHANGED,
        Action::Replace => palette::REPLACED,
        Action::Delete => palette::REMOVED,
        Action::Adopt => palette::ADOPTED,
    }
}

impl View<'_> {
    fn symbol(&self, action: Action) -> &'static str {
        let symbols = self.page.style().symbols();
        match action {
            Action::Create => symbols.create,
            Action::Update => symbols.update,
            Action::Replace => symbols.replace,
            Action::Delete => symbols.delete,
            Action::Adopt => symbols.adopt,
        }
    }

    fn title(&mut self) {
        let of = &self.plan.environment;
        let place = format!(" in account {}, {}", visible(&of.account), visible(&of.region));
        self.page.line(0, 2, &[styled(palette::HEADING, visible(&of.name)), faint(place)]);
        if let Some(endpoint) = &self.plan.endpoint {
            self.endpoint(endpoint);
        }
        if let Some(run) = &self.plan.back_to {
            let text = format!("goes back to what run {} left", visible(short(run)));
            self.page.line(0, 2, &[styled(palette::CAUTION, text)]);
        }
    }

    fn endpoint(&mut self, endpoint: &str) {
        let text = format!("calls go to {}, not to AWS", visible(endpoint));
        self.page.line(0, 2, &[styled(palette::CAUTION, text)]);
    }

    fn drift(&mut self) {
        if self.plan.drift.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Changed outside bfd since the last run")]);
        for drift in &self.plan.drift {
            self.drifted(drift);
        }
    }

    fn drifted(&mut self, drift: &Drift) {
        let symbols = self.page.style().symbols();
        let address = styled(palette::ADDRESS, drift.address.to_string());
        if drift.gone {
            let symbol = styled(palette::REMOVED, format!("{} ", symbols.delete));
            self.page.line(2, 6, &[symbol, address, plain("  no longer there")]);
            return;
        }
        let symbol = styled(palette::CHANGED, format!("{} ", symbols.update));
        self.page.line(2, 6, &[symbol, address]);
        self.fields(&tree(&readings::others(&drift.fields)), None);
        self.reading(readings::of_drift(self.plan, drift));
    }

    /// What CloudFormation found within stacks, and what to do about it.
    fn stack_drift(&mut self) {
        if self.plan.stack_drift.is_empty() {
            return;
        }
        self.page.blank();
        let heading = if self.plan.has_stack_drift() {
            "Changed outside bfd, within stacks"
        } else {
            "Nothing changed within stacks"
        };
        self.page.line(0, 2, &[styled(palette::HEADING, heading)]);
        let symbols = self.page.style().symbols();
        for stack in &self.plan.stack_drift {
            let symbol = if stack.resources.is_empty() {
                plain("= ")
            } else {
                styled(palette::CHANGED, format!("{} ", symbols.update))
            };
            let address = styled(palette::ADDRESS, stack.address.to_string());
            let counts = plain(format!("  {}", glued(&stack_drift::counts(stack))));
            self.page.line(2, 6, &[symbol, address, counts]);
            for resource in &stack.resources {
                let symbol = if resource.deleted {
                    styled(palette::REMOVED, format!("{} ", symbols.delete))
                } else {
                    styled(palette::CHANGED, format!("{} ", symbols.update))
                };
                let mut line = vec![
                    symbol,
                    plain(visible(&resource.logical_id)),
                    faint(format!("  {}", visible(&resource.type_name))),
                ];
                if resource.deleted {
                    line.push(plain("  no longer there"));
                }
                self.page.line(6, 10, &line);
                let nodes = tree(&resource.fields);
                tree::write(&mut self.page, &self.plan.environment, 10, &nodes, None);
            }
        }
        if self.plan.has_stack_drift() {
            let help = [styled(palette::HELP, "help: "), plain(stack_drift::HELP)];
            self.page.line(2, 8, &help);
        }
    }

    fn section(&mut self, action: Action) {
        let changes = changes(self.plan, action);
        if changes.is_empty() {
            return;
        }
        self.page.blank();
        let mut line = vec![styled(palette::HEADING, heading(action))];
        if action == Action::Delete {
            let last = self.plan.steps.iter().any(|step| step.phase == Phase::Deploy);
            let says = if last { "  last and for good" } else { "  for good" };
            line.push(faint(says));
        }
        self.page.line(0, 2, &line);
        let column = changes
            .iter()
            .map(|change| width(&change.address.to_string()))
            .filter(|wide| *wide <= ALIGNED)
            .max()
            .unwrap_or(0);
        let mut tall = false;
        for change in changes {
            let before = self.page.lines();
            match action {
                Action::Create | Action::Delete => self.compact(change, column),
                Action::Update | Action::Adopt | Action::Replace => {
                    // Air between changes that take several lines, none in a list of one-liners.
                    if tall {
                        self.page.blank();
                    }
                    self.detailed(change);
                }
            }
            tall = self.page.lines() > before + 1;
        }
    }

    /// One line: what it is, and little more.
    fn compact(&mut self, change: &Change, column: usize) {
        let address = change.address.to_string();
        let symbol = self.symbol(change.action);
        let mut line = vec![
            styled(color(change.action), format!("{symbol} ")),
            styled(palette::ADDRESS, &*address),
        ];
        let facts = facts(self.plan, change);
        if !facts.is_empty() {
            line.push(plain(padding(&address, column) + "  "));
            line.push(plain(facts.iter().map(|fact| glued(fact)).collect::<Vec<_>>().join(", ")));
        }
        let hang = if self.page.style().width >= 72 && width(&address) <= column {
            2 + width(symbol) + 1 + column + 2
        } else {
            6
        };
        self.page.line(2, hang, &line);
        if let Some(grave) = resources::grave_of_new(self.plan, change) {
            tree::write_new_resources(&mut self.page, &self.plan.environment, 6, &grave);
        }
        self.preview(change);
        self.undo(change);
    }

    fn detailed(&mut self, change: &Change) {
        let symbol = self.symbol(change.action);
        let mut line = vec![
            styled(color(change.action), format!("{symbol} ")),
            styled(palette::ADDRESS, change.address.to_string()),
        ];
        let within = within(self.plan, change);
        let nodes = tree(&other_fields(change, within.as_ref()));
        let reading = readings::of_change(self.plan, change);
        let mut says: Vec<Piece> = Vec::new();
        match change.action {
            Action::Replace if deletes_first(self.plan, change) => says
                .push(styled(palette::BAD, "the old one is deleted before the new one is created")),
            Action::Replace => {
                says.push(plain("the new one is created before the old one is deleted"));
            }
            Action::Adopt if nodes.is_empty() && within.is_none() && reading.is_none() => {
                says.push(plain("is there already and as declared"));
            }
            Action::Adopt => says.push(plain("is there already")),
            _ => {}
        }
        if restarts_tasks(change) {
            says.push(styled(palette::CAUTION, "restarts tasks"));
        } else if may_restart_tasks(change) {
            says.push(plain("may restart tasks"));
        }
        says.extend(within.as_ref().map(|within| plain(glued(&resources::counts(within)))));
        for (number, part) in says.into_iter().enumerate() {
            line.push(plain(if number == 0 { "  " } else { ", " }));
            line.push(part);
        }
        self.page.line(2, 6, &line);
        let told = uniform(nodes.iter().map(Node::uniform_effect))
            .filter(|effect| *effect == Effect::RestartsTasks);
        self.fields(&nodes, told);
        self.reading(reading);
        if let Some(within) = &within {
            tree::write_resources(&mut self.page, &self.plan.environment, 6, within);
        }
        self.preview(change);
        self.undo(change);
    }

    fn reading(&mut self, reading: Option<String>) {
        let Some(reading) = reading else { return };
        let symbol = self.page.style().symbols().update;
        let sign = styled(palette::CHANGED, format!("{symbol} "));
        self.page.line(6, 10, &[sign, plain(reading)]);
    }

    /// What CloudFormation itself says of it.
    fn preview(&mut self, change: &Change) {
        let Some(preview) = preview::of(self.plan, change) else { return };
        let counts = plain(glued(&preview::counts(preview)));
        self.page.line(6, 8, &[styled(palette::HEADING, "CloudFormation says: "), counts]);
        for resource in preview::told(self.plan, preview) {
            let style = match resource.replacement {
                Replacement::No => palette::PLAIN,
                Replacement::Maybe | Replacement::Always => palette::REPLACED,
            };
            let line = [
                plain(visible(&resource.logical_id)),
                faint(format!("  {}", visible(&resource.type_name))),
                styled(style, format!("  {}", visible(&preview::says(resource)))),
            ];
            self.page.line(8, 12, &line);
        }
    }

    fn fields(&mut self, nodes: &[Node], told: Option<Effect>) {
        tree::write(&mut self.page, &self.plan.environment, 6, nodes, told);
    }

    /// Says how far a rollback would get, where that is not all the way.
    fn undo(&mut self, change: &Change) {
        let says = undo(change);
        match (says, change.notes.as_slice()) {
            (None, notes) => {
                for note in notes {
                    self.page.line(6, 8, &[faint(visible(note))]);
                }
            }
            (Some(says), [note]) => {
                let line = [styled(palette::CAUTION, says), plain(": "), plain(visible(note))];
                self.page.line(6, 8, &line);
            }
            (Some(says), notes) => {
                self.page.line(6, 8, &[styled(palette::CAUTION, says)]);
                for note in notes {
                    self.page.line(8, 10, &[plain(visible(note))]);
                }
            }
        }
    }

    /// Whether the deadline can be kept.
    fn rollback(&mut self) {
        let Some(says) = rollback(self.plan) else { return };
        let style = if is_late(self.plan) { palette::CAUTION } else { palette::PLAIN };
        let says = says.split(", ").map(glued).collect::<Vec<_>>().join(", ");
        self.page.line(0, 2, &[styled(palette::HEADING, "rollback: "), styled(style, says)]);
    }

    /// What runs of the images that are not made again.
    fn kept_images(&mut self) {
        let kept = kept_images(self.plan);
        if kept.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Images")]);
        let column = kept.iter().map(|(address, _)| width(&address.to_string())).max();
        let column = column.unwrap_or(0).min(ALIGNED);
        for (address, digest) in kept {
            let address = address.to_string();
            let says =
                format!("{}  unchanged, {}", padding(&address, column), short_digests(digest));
            let line = [plain("= "), styled(palette::ADDRESS, address), plain(says)];
            self.page.line(2, 6, &line);
        }
    }

    fn warnings(&mut self) {
        if self.plan.warnings.is_empty() {
            return;
        }
        self.page.blank();
        self.page.line(0, 2, &[styled(palette::HEADING, "Warnings")]);
        for warning in &self.plan.warnings {
            self.warning(warning);
        }
    }

    fn warning(&mut self, warning: &Warning) {
        let symbol = self.page.style().symbols().warning;
        let mut line = vec![styled(palette::CAUTION, format!("{symbol} "))];
        if let Some(address) = &warning.address {
            line.push(styled(palette::ADDRESS, address.to_string()));
            line.push(plain(": "));
        }
        line.push(plain(visible(&warning.message)));
        self.page.line(2, 4, &line);
        if let Some(help) = &warning.help {
            let help = [styled(palette::HELP, "help: "), plain(visible(help))];
            self.page.line(4, 10, &help);
        }
    }
}
