//! Whether the account has what a CDK application was synthesised for.

use crate::{
    connect::Connection,
    exit::CommandError,
    load::{Loaded, in_manifest},
};
use bfd_core::{
    Expr, Problem,
    plan::{Op, Plan},
};
use bfd_manifest::BootstrapVersion;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses a plan that makes or changes stacks of an application whose bootstrap stack is missing
/// or too old. A plan that touches none of them asks nothing.
pub(crate) async fn check(
    loaded: &Loaded,
    plan: &Plan,
    connection: &Connection,
) -> Result<(), CommandError> {
    let changed: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| step.address.kind().as_str() == "stack")
        .filter(|step| matches!(step.op, Op::Create { .. } | Op::Update { .. }))
        .filter_map(|step| step.address.name().split_once('/').map(|(assembly, _)| assembly))
        .collect();
    let assemblies = &loaded.manifest.assemblies;
    let needed: Vec<&BootstrapVersion> = assemblies
        .iter()
        .filter(|assembly| changed.contains(assembly.name.as_str()))
        .flat_map(|assembly| &assembly.versions)
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<String> = needed.iter().map(|it| it.parameter.clone()).collect();
    let role = deploy_role(plan);
    let values = connection.provider.parameter_values(&names, role.as_ref()).await?;
    let problems: Vec<Problem> =
        needed.into_iter().filter_map(|it| problem(it, &values, loaded)).collect();
    if problems.is_empty() { Ok(()) } else { Err(in_manifest(&loaded.manifest, problems)) }
}

/// The role that may read it: that of the first stack that has one.
fn deploy_role(plan: &Plan) -> Option<bfd_core::Value> {
    plan.steps.iter().find_map(|step| match &step.op {
        Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
            let role: &Expr = inputs.get(bfd_kinds::stack::DEPLOY_ROLE)?;
            role.resolve(&|_| None).ok()
        }
        Op::Delete { .. } => None,
    })
}

fn problem(
    needed: &BootstrapVersion,
    values: &BTreeMap<String, String>,
    loaded: &Loaded,
) -> Option<Problem> {
    let BootstrapVersion { parameter, version, stacks, place } = needed;
    let found = values.get(parameter);
    if found.is_some_and(|found| found.parse::<u64>().is_ok_and(|found| found >= *version)) {
        return None;
    }
    let mut names: Vec<String> = stacks.iter().take(3).map(|name| format!("`{name}`")).collect();
    if stacks.len() > names.len() {
        names.push(format!("{} more", stacks.len() - names.len()));
    }
    let what = match found {
        Some(found) => format!("`{parameter}` says version {found}"),
        None => format!("there is no parameter `{parameter}`"),
    };
    let label = format!("{what}; version {version} is needed by {}", names.join(", "));
    let headline = match found {
        Some(_) => "the bootstrap stack is too old",
        None => "the account has no bootstrap stack",
    };
    let help = format!("`bfd bootstrap {}` makes it", loaded.called);
    Some(Problem::error("assembly::bootstrap", headline).at(place.clone(), label).help(help))
}
