//! What `plan`, `apply` and `destroy` share: look, then decide.

use crate::{
    bootstrap_version,
    connect::Connection,
    contents::known_inputs,
    exit::CommandError,
    load::{Loaded, in_manifest},
    platforms,
};
use bfd_core::{
    Address, Environment, Observation, Problem, Properties, Severity, Snapshot, State, Value,
    plan::{Op, Plan, Rollback, Step, Warning},
};
use bfd_manifest::Deletes;
use bfd_plan::{Graph, PlanInput};
use bfd_provider::{Earlier, Provider, Wanted};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What to plan for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Empty: everything.
    pub targets: &'a [Address],
    pub rollback: Rollback,
    /// The run that is gone back to.
    pub to: Option<&'a str>,
}

/// How old a read may be; AWS publishes no figure, and what is seen are seconds.
const SETTLING: Duration = Duration::from_secs(5);

/// What seems to have been changed by others. What is gone was looked for twice already.
fn moved(plan: &Plan) -> BTreeSet<Address> {
    let moved = plan.drift.iter().filter(|drift| !drift.gone);
    moved.map(|drift| drift.address.clone()).collect()
}

/// Reads what is there of what is `asked` for. Writes nothing.
async fn observe(
    graph: &Graph,
    snapshot: &Snapshot,
    connection: &Connection,
    asked: &(dyn Fn(&Address) -> bool + Sync),
) -> Result<Observation, CommandError> {
    let recorded = &snapshot.state.resources;
    let desired = graph.resources().map(|resource| Wanted {
        address: &resource.address,
        inputs: Some(&resource.inputs),
        prior: recorded.get(&resource.address),
    });
    let undeclared = recorded
        .iter()
        .filter(|(address, _)| graph.get(address).is_none())
        .map(|(address, state)| Wanted { address, inputs: None, prior: Some(state) });
    let all = desired.chain(undeclared);
    let mut wanted: Vec<Wanted<'_>> = all.filter(|one| asked(one.address)).collect();
    wanted.sort_by(|a, b| a.address.cmp(b.address));
    Ok(connection.provider.observe(&wanted).await?)
}

/// Makes the plan; `connection` is absent for one that only reads the record.
pub async fn plan(
    loaded: &Loaded,
    graph: &Graph,
    snapshot: &Snapshot,
    connection: Option<&Connection>,
    scope: Scope<'_>,
) -> Result<Plan, CommandError> {
    let manifest = &loaded.manifest;
    check_environment(loaded, snapshot)?;
    let targets = targets(loaded, graph, snapshot, scope.targets)?;
    let path = loaded.called.clone();
    let assemblies = manifest.assemblies.iter().map(|assembly| assembly.name.clone()).collect();
    let command = match scope.to {
        Some(run) => format!("bfd rollback {path} --to {run}"),
        None => format!("bfd apply {path}"),
    };
    let decide = |observation: Option<&Observation>| {
        let input = PlanInput {
            environment: &manifest.environment,
            endpoint: connection.and_then(|connection| connection.endpoint.clone()),
            desired: graph,
            current: snapshot,
            observed: observation,
            kinds: bfd_kinds::all(),
            targets: targets.as_ref(),
            fallback_images: manifest.guard.fallback_images,
            assemblies: &assemblies,
            deletes: manifest.guard.deletes != Deletes::Forbid,
            rollback: scope.rollback,
            manifest: &path,
            command: &command,
        };
        bfd_plan::plan(&input).map_err(|problems| in_manifest(manifest, problems))
    };
    let mut plan = match connection {
        None => decide(None)?,
        Some(connection) => {
            let mut observation = observe(graph, snapshot, connection, &|_| true).await?;
            let mut plan = decide(Some(&observation))?;
            let moved = moved(&plan);
            if !moved.is_empty() {
                // A read may be older than what the last run wrote, and a rollback would go back
                // to it: who says that somebody changed something has looked twice.
                connection.clock.sleep(SETTLING).await;
                let again = |address: &Address| moved.contains(address);
                observation.extend(observe(graph, snapshot, connection, &again).await?);
                plan = decide(Some(&observation))?;
            }
            plan
        }
    };
    if let Some(connection) = connection {
        check_platforms(loaded, &plan, connection).await?;
        bootstrap_version::check(loaded, &plan, connection).await?;
    }
    plan.back_to = scope.to.map(str::to_owned);
    let warnings = manifest.warnings.iter().filter(|p| p.severity == Severity::Warning);
    plan.warnings.extend(warnings.map(warning));
    plan.warnings.extend(stand_ins(&plan));
    if let Some(connection) = connection {
        plan.warnings.extend(remarks(&plan, connection));
    }
    if let Some(message) = too_many(loaded, &plan) {
        let help = "apply refuses it: plan a part of it with `--target`, or raise `max_changes` in `[guard]`";
        plan.warnings.push(Warning { address: None, message, help: Some(help.to_owned()) });
    }
    if let Some(message) = loaded.work_tree.warning() {
        let help = Some("commit first, or take what is deployed for no commit at all".to_owned());
        plan.warnings.push(Warning { address: None, message, help });
    }
    if !scope.targets.is_empty() {
        let named: Vec<String> = scope.targets.iter().map(|target| format!("`{target}`")).collect();
        let message = format!("only {} and what it depends on was planned", named.join(", "));
        plan.warnings.push(Warning { address: None, message, help: None });
    }
    if let Some(connection) = connection {
        check_undo(loaded, &mut plan, connection).await;
    } else {
        let message = "offline: compared with the record, not with what is there; what a rollback needs was not looked for";
        plan.warnings.push(Warning { address: None, message: message.to_owned(), help: None });
    }
    Ok(plan)
}

/// What was seen of names that are taken by nothing.
fn remarks(plan: &Plan, connection: &Connection) -> Vec<Warning> {
    let remarks = connection.provider.remarks().into_iter();
    let is_made = |address: &Address| {
        let creates = |step: &Step| matches!(step.op, Op::Create { .. });
        plan.steps.iter().any(|step| step.address == *address && creates(step))
    };
    let told = remarks.filter(|(address, _)| is_made(address));
    let told =
        told.map(|(address, message)| Warning { address: Some(address), message, help: None });
    let roles = connection.provider.denied_roles().into_iter().map(|role| Warning {
        address: None,
        message: format!("{role} cannot be assumed: whoever runs bfd acts in its place"),
        help: Some(
            "let the caller assume it, or say `roles = \"own\"` for the assembly".to_owned(),
        ),
    });
    told.chain(roles).collect()
}

/// What a reviewed plan is about to change, or to make, that is no longer as it saw it, whoever
/// did that. Looked at twice before it is believed, as when planning.
pub async fn moved_since(
    loaded: &Loaded,
    plan: &Plan,
    snapshot: &Snapshot,
    connection: &Connection,
) -> Result<BTreeSet<Address>, CommandError> {
    let mut asked: BTreeSet<Address> = plan.steps.iter().map(|step| step.address.clone()).collect();
    for looks in 0..2 {
        if looks > 0 && !asked.is_empty() {
            connection.clock.sleep(SETTLING).await;
        }
        let of_plan = |address: &Address| asked.contains(address);
        let seen = observe(&loaded.graph, snapshot, connection, &of_plan).await?;
        asked.retain(|address| !is_as_planned(plan, snapshot, &seen, address));
    }
    Ok(asked)
}

fn is_as_planned(plan: &Plan, snapshot: &Snapshot, seen: &Observation, address: &Address) -> bool {
    let spec = bfd_kinds::all().iter().find(|spec| spec.name == address.kind().as_str());
    let (Some(spec), Some(found)) = (spec, seen.get(address)) else { return true };
    // Images are the repository's; what a tag is on is looked at when it is pushed.
    if !spec.owns_object() {
        return true;
    }
    let adopted = plan.steps.iter().find_map(|step| match &step.op {
        Op::Adopt { prior, inputs, .. } if step.address == *address => Some((prior, inputs)),
        _ => None,
    });
    if let Some((prior, inputs)) = adopted {
        return found.as_ref().is_some_and(|found| {
            bfd_plan::project(spec, &found.object.inputs, None, Some(inputs)) == prior.inputs
        });
    }
    let planned = plan.refreshed.resources.get(address);
    let recorded = snapshot.state.resources.get(address).map(|resource| &resource.inputs);
    match (found, planned) {
        (Some(found), Some(planned)) => {
            bfd_plan::project(spec, &found.object.inputs, recorded, None) == planned.inputs
        }
        (None, None) => true,
        _ => false,
    }
}

/// What is wrong with a plan that changes more than the manifest allows at once.
pub fn too_many(loaded: &Loaded, plan: &Plan) -> Option<String> {
    let limit = loaded.manifest.guard.max_changes?;
    let changes = plan.changes.len();
    (changes > limit)
        .then(|| format!("the plan changes {changes} resources, and `max_changes` is {limit}"))
}

/// Looks what images run on that are to be copied, and whether their services do.
async fn check_platforms(
    loaded: &Loaded,
    plan: &Plan,
    connection: &Connection,
) -> Result<(), CommandError> {
    let copied = plan.steps.iter().filter_map(|step| match &step.op {
        Op::Create { inputs, .. } | Op::Update { inputs, .. }
            if step.address.kind().as_str() == "image" =>
        {
            let inputs = known_inputs(inputs);
            // Of a promoted image they are known from the other environment.
            let is_asked = !inputs.contains_key("platforms")
                && inputs.get("fallback_active") == Some(&Value::Bool(false));
            is_asked.then(|| (step.address.clone(), inputs))
        }
        _ => None,
    });
    let copied: BTreeMap<Address, Properties> = copied.collect();
    let manifest = &loaded.manifest;
    let registry = bfd_kinds::image::registry(&manifest.environment);
    let found = connection.provider.platforms_of_copies(&registry, &copied).await;
    let problems = platforms::check(&manifest.resources, &found);
    if problems.is_empty() { Ok(()) } else { Err(in_manifest(manifest, problems)) }
}

/// Looks whether what a rollback would go back to is still there, and stays. One that is
/// switched off needs nothing.
async fn check_undo(loaded: &Loaded, plan: &mut Plan, connection: &Connection) {
    if plan.steps.is_empty() {
        return;
    }
    let before = deployments_before(loaded, plan).await;
    let earlier = before.iter().flat_map(|(run, state)| {
        let of = move |(address, state)| Earlier { run: run.as_str(), address, state };
        state.resources.iter().map(of)
    });
    let earlier: Vec<Earlier<'_>> = earlier.collect();
    let targets = if plan.rollback.on_failure { bfd_plan::undo_targets(plan) } else { Vec::new() };
    let problems = connection.provider.check_undo(plan, &targets, &earlier).await;
    bfd_plan::weaken(plan, problems);
}

/// What the last deployments found when they began, which is what the ones before them had left,
/// under the ids of those; the latest first. Only of use to a plan that makes images expire. A
/// run that cannot be read protects nothing, and hinders nobody.
async fn deployments_before(loaded: &Loaded, plan: &Plan) -> Vec<(String, State)> {
    let may_expire = |step: &Step| matches!(step.address.kind().as_str(), "image" | "repository");
    if !plan.steps.iter().any(may_expire) {
        return Vec::new();
    }
    let ids = loaded.store.finished().await.unwrap_or_default();
    let wanted = loaded.manifest.deployments;
    let reads = ids.iter().take(wanted).map(|id| loaded.store.finished_run(id));
    let found = join_all(reads).await;
    let before = ids
        .iter()
        .skip(1)
        .zip(found)
        .filter_map(|(before, run)| Some((before.clone(), run.ok().flatten()?.plan.refreshed)));
    before.collect()
}

/// Says of every image that is not there what runs instead: each time, so that nobody forgets.
fn stand_ins(plan: &Plan) -> Vec<Warning> {
    let mut images: BTreeMap<&Address, Properties> = BTreeMap::new();
    for (address, state) in &plan.refreshed.resources {
        images.insert(address, state.inputs.clone());
    }
    for step in &plan.steps {
        match &step.op {
            Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
                images.insert(&step.address, known_inputs(inputs));
            }
            Op::Delete { .. } => {
                images.remove(&step.address);
            }
        }
    }
    let stands_in = |(address, inputs): &(&Address, Properties)| {
        address.kind().as_str() == "image"
            && inputs.get("fallback_active") == Some(&Value::Bool(true))
    };
    images.into_iter().filter(stands_in).map(|(at, inputs)| stand_in(at, &inputs)).collect()
}

/// What runs instead of an image, and how that ends.
pub fn stand_in(address: &Address, inputs: &Properties) -> Warning {
    let text = |name: &str| inputs.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = if text("first_deploy").is_empty() {
        format!("the fallback `{}` stands in for an image that was never pushed", text("uri"))
    } else {
        "the image was never pushed: its services run no tasks".to_owned()
    };
    let help = if text("origin").is_empty() {
        format!("push `{}` to `{}`, and apply again", text("reference"), text("repository"))
    } else {
        "apply where it can be built".to_owned()
    };
    Warning { address: Some(address.clone()), message, help: Some(help) }
}

fn warning(problem: &Problem) -> Warning {
    // Where a plan is read there are no places to point at: what they would say is said.
    let labels = problem.labels.iter().map(|label| label.text.as_str());
    let labels: Vec<&str> = labels.filter(|text| !text.is_empty()).collect();
    let message = match labels.as_slice() {
        [] => problem.headline.clone(),
        labels => format!("{}: {}", problem.headline, labels.join("; ")),
    };
    Warning { address: None, message, help: problem.help.clone() }
}

/// Refuses a state that was made for another account or region.
pub fn check_environment(loaded: &Loaded, snapshot: &Snapshot) -> Result<(), CommandError> {
    snapshot.environment.as_ref().map_or(Ok(()), |found| check_same(loaded, found))
}

/// Refuses to go on elsewhere than where something began.
pub fn check_same(loaded: &Loaded, found: &Environment) -> Result<(), CommandError> {
    if *found == loaded.manifest.environment {
        Ok(())
    } else {
        Err(CommandError::WrongState { found: found.clone() })
    }
}

/// Refuses to carry out a plan anywhere but where it was made for.
pub fn check_place(
    loaded: &Loaded,
    connection: &Connection,
    plan: &Plan,
) -> Result<(), CommandError> {
    check_same(loaded, &plan.environment)?;
    if plan.endpoint == connection.endpoint {
        return Ok(());
    }
    let name = |endpoint: &Option<String>| endpoint.clone().unwrap_or_else(|| "AWS".to_owned());
    Err(CommandError::WrongPlace {
        wanted: name(&plan.endpoint),
        found: name(&connection.endpoint),
    })
}

/// The targets with all they depend on; a recorded resource that is no longer
/// declared may be a target too, to be deleted.
fn targets(
    loaded: &Loaded,
    graph: &Graph,
    snapshot: &Snapshot,
    targets: &[Address],
) -> Result<Option<BTreeSet<Address>>, CommandError> {
    if targets.is_empty() {
        return Ok(None);
    }
    let (declared, others): (BTreeSet<Address>, BTreeSet<Address>) =
        targets.iter().cloned().partition(|target| graph.get(target).is_some());
    let unknown: Vec<String> = others
        .iter()
        .filter(|target| !snapshot.state.resources.contains_key(target))
        .map(|target| format!("`{target}`"))
        .collect();
    if !unknown.is_empty() {
        return Err(CommandError::refused_with(
            format!("no such target: {}", unknown.join(", ")),
            format!("`bfd graph {}` lists the addresses", loaded.called),
        ));
    }
    let mut found = graph.closure(&declared).unwrap_or_default();
    found.extend(others);
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::Span;

    #[test]
    fn a_warning_of_the_manifest_names_all_that_it_is_about() {
        let problem = Problem::warning("manifest::made_twice", "two resources make the same")
            .at(Span::default(), "`parameter.p` makes the parameter `/x/p`")
            .at(Span::default(), "")
            .at(Span::default(), "`stack.s` makes the parameter `/x/p`");
        assert_eq!(
            warning(&problem).message,
            "two resources make the same: `parameter.p` makes the parameter `/x/p`; \
             `stack.s` makes the parameter `/x/p`"
        );
        assert_eq!(warning(&Problem::warning("manifest::weak", "weak")).message, "weak");
    }
}
