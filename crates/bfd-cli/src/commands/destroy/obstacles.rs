//! What stands in the way of a destroy: all of it at once, each thing in its place.

use super::nothing;
use crate::{
    exit::CommandError,
    load::{Loaded, in_manifest, known},
    planning::{self, Scope},
    screen::Screen,
};
use bfd_core::{Expr, Problem, Resource, State, plan::Plan};
use bfd_kinds::stack::RETAIN;
use bfd_manifest::Approval;

/// What can be told without AWS, before anything is locked, or taken back that was left open.
///
/// What the record says is told along with what the manifest says. By itself it may change with
/// the lock, and is looked at under it.
pub(super) async fn before(
    loaded: &Loaded,
    yes: bool,
    screen: Screen,
) -> Result<Vec<Problem>, CommandError> {
    let mut problems: Vec<Problem> = protected(loaded).into_iter().collect();
    if yes && loaded.manifest.guard.approval == Approval::SavedPlan {
        let headline = "this environment is not destroyed without a person";
        let help = "it applies saved plans only: leave out `--yes` and confirm at a terminal";
        problems.push(Problem::error("destroy::approval", headline).help(help));
    }
    if problems.is_empty() {
        return Ok(problems);
    }
    if !yes && !screen.can_ask() {
        let headline = "there is no terminal to ask on";
        problems.push(Problem::error("destroy::unasked", headline).help("destroy with `--yes`"));
    }
    // Where the record cannot be read, that is said when it is all that is left.
    if let Ok((snapshot, _)) = known(loaded).await {
        problems.extend(unapplied(loaded, &snapshot.state));
        let scope = Scope { targets: &[], rollback: loaded.manifest.rollback, to: None };
        // By the record alone: nothing is asked of AWS for a destroy that is refused anyway.
        let plan = planning::plan(loaded, &nothing(), &snapshot, None, scope).await;
        if let Err(CommandError::Problems { problems: more, .. }) = plan {
            problems.extend(more);
        }
    }
    Ok(problems)
}

/// The plan, unless it or something else stands in the way.
pub(super) fn none_of(
    loaded: &Loaded,
    unapplied: Option<Problem>,
    plan: Result<Plan, CommandError>,
) -> Result<Plan, CommandError> {
    let mut problems: Vec<Problem> = unapplied.into_iter().collect();
    match plan {
        Ok(plan) if problems.is_empty() => return Ok(plan),
        Err(CommandError::Problems { problems: more, .. }) => problems.extend(more),
        Err(other) if problems.is_empty() => return Err(other),
        Ok(_) | Err(_) => {}
    }
    Err(in_manifest(&loaded.manifest, problems))
}

fn protected(loaded: &Loaded) -> Option<Problem> {
    let protected = loaded.graph.resources().filter(|resource| resource.protect);
    let headline = "what is protected would be deleted";
    let problem = each(Problem::error("destroy::protected", headline), protected, "protect");
    problem.map(|problem| problem.help("remove `protect` first"))
}

/// What shall stay has to be recorded: a delete goes by nothing else.
pub(super) fn unapplied(loaded: &Loaded, state: &State) -> Option<Problem> {
    let is_unapplied = |resource: &&Resource| {
        let wanted = resource.inputs.get(RETAIN);
        let recorded = state.resources.get(&resource.address);
        recorded.is_some_and(|recorded| {
            recorded.inputs.get(RETAIN).cloned().map(Expr::from).as_ref() != wanted
        })
    };
    let headline = "`retain` is not applied yet";
    let unapplied = loaded.graph.resources().filter(is_unapplied);
    let problem = each(Problem::error("destroy::retain", headline), unapplied, RETAIN)?;
    let path = &loaded.called;
    Some(problem.help(format!("`bfd apply {path}` first, so that what shall stay is recorded")))
}

/// A problem of several resources, told at a field of each. `None` if it is one of none.
fn each<'a>(
    problem: Problem,
    resources: impl Iterator<Item = &'a Resource>,
    field: &str,
) -> Option<Problem> {
    let problem = resources.fold(problem, |problem, resource| {
        problem.at(resource.span_of(field), format!("of `{}`", resource.address))
    });
    (!problem.labels.is_empty()).then_some(problem)
}
