//! What a change of a template or its parameters means.

use super::{
    AS_STORED, REPLACED, SSM_PARAMETERS, published,
    retain::{Retain, kept},
    sides::Side,
    ssm::{is_bootstrap, is_outdated, takes_over},
    undo,
};
use crate::spec::{Content, Loss, Update};
use bfd_core::{
    Expr, Inputs, Properties, Secret, Value,
    plan::{Action, Undo},
};
use bfd_template::{Context, Difference, ResourceDiff, Template, TemplateDiff, Weight};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CONTENT: Content = Content {
    keep,
    hidden,
    open_outputs,
    steady_outputs,
    undo: undo_of_update,
    kept: kept_by_anything,
    lost_with,
    undeletable,
    losses,
    takes_over: Some(SSM_PARAMETERS),
};

/// What an update changes of the resources; nothing where a side has no template to read.
pub fn difference(prior: &Properties, inputs: &Inputs) -> Option<TemplateDiff> {
    let (mut before, mut after) = (Side::present(prior)?, Side::desired(inputs)?);
    Side::share(&mut before, &mut after);
    Some(Difference::of(before.as_pair(), after.as_pair()))
}

/// What of a stack that is made says who may do or reach what; nothing where its template cannot
/// be read.
pub fn grave_of_new(inputs: &Inputs) -> Option<TemplateDiff> {
    let after = Side::desired(inputs)?;
    // Nested stacks are opened by what either side knows of them.
    let before = Context { nested: after.context.nested.clone(), ..Context::default() };
    let mut resources = Difference::of((&Template::empty(), &before), after.as_pair()).resources;
    resources.retain(|resource| matches!(resource.weight, Weight::Iam | Weight::Network));
    Some(TemplateDiff { resources, ..TemplateDiff::default() })
}

/// To what CloudFormation answers "No updates are to be performed", it takes neither the text
/// nor the values: what is there stays, and is what a step that changes something else sends.
fn keep(desired: &mut Inputs, present: &Properties, recorded: Option<&Properties>) {
    // What a stack took from Parameter Store is what is there, whoever wrote it since.
    let took = present.get(SSM_PARAMETERS).and_then(Value::as_str);
    if let (Some(took), Some(shall)) = (took, desired.get_mut(SSM_PARAMETERS))
        && took.starts_with(AS_STORED)
        && shall.is_known()
    {
        *shall = took.into();
    }
    // AWS never takes a role from a stack.
    if let Some(role) = present.get("role_arn").filter(|role| !role.is_null()) {
        desired.entry("role_arn".to_owned()).or_insert_with(|| Expr::from(role.clone()));
    }
    let (Some(mut before), Some(mut after)) = (Side::present(present), Side::desired(desired))
    else {
        return;
    };
    Side::share(&mut before, &mut after);
    if Difference::is_update(before.as_pair(), after.as_pair()) {
        return;
    }
    published::keep(desired, present);
    if let Some(template) = present.get("template") {
        desired.insert("template".to_owned(), Expr::from(template.clone()));
    }
    let there = present.get("parameters").and_then(Value::as_object);
    let wanted = match desired.get("parameters") {
        Some(Expr::Map(wanted)) => wanted.clone(),
        Some(_) => return,
        None => BTreeMap::new(),
    };
    let recorded = recorded.and_then(|all| all.get("parameters")).and_then(Value::as_object);
    let names: BTreeSet<&String> =
        wanted.keys().chain(recorded.into_iter().flatten().map(|(name, _)| name)).collect();
    let kept = names.into_iter().filter_map(|name| {
        let value = there?.get(name)?;
        let is_same = |expr: &&Expr| match (expr, Secret::from_value(value)) {
            (Expr::Secret(one), Some(other)) => one.digest == other.digest,
            _ => false,
        };
        let same = wanted.get(name).filter(is_same).cloned();
        Some((name.clone(), same.unwrap_or_else(|| Expr::from(value.clone()))))
    });
    let kept: BTreeMap<String, Expr> = kept.collect();
    if kept.is_empty() {
        desired.remove("parameters");
    } else {
        desired.insert("parameters".to_owned(), Expr::Map(kept));
    }
}

/// The values of parameters with `NoEcho` in either template.
fn hidden(desired: &Inputs, present: &Properties) -> BTreeSet<String> {
    let sides = [Side::desired(desired), Side::present(present)];
    let parameters =
        sides.iter().flatten().flat_map(|side| side.template.parameters().into_values());
    let hidden = parameters.filter(|parameter| parameter.no_echo);
    hidden.map(|parameter| format!("parameters.{}", parameter.name)).collect()
}

/// The outputs of the template; nothing where a macro may add to them.
fn open_outputs(inputs: &Inputs) -> Option<BTreeSet<String>> {
    let side = Side::desired(inputs)?;
    if side.template.is_open() {
        return None;
    }
    Some(side.template.outputs().into_iter().map(|output| output.name).collect())
}

/// What a stack takes over from Parameter Store reaches what no template tells.
fn steady_outputs(prior: &Properties, inputs: &Inputs) -> BTreeSet<String> {
    if takes_other_values(prior, inputs) {
        return BTreeSet::new();
    }
    let (Some(mut before), Some(mut after)) = (Side::present(prior), Side::desired(inputs)) else {
        return BTreeSet::new();
    };
    Side::share(&mut before, &mut after);
    Difference::steady_outputs(before.as_pair(), after.as_pair())
}

/// Why an undo is not exact where nothing but new resources stand in its way.
const ADDED: &str = "what was added goes in CloudFormation's own time, once the rest is back";

/// Why an undo is not exact that takes over what is stored in place of what was before.
const OUTDATED: &str = "what it took from Parameter Store is stored there no longer";

fn undo_of_update(update: &Update<'_>) -> (Undo, Option<String>) {
    let (undo, why) = match undo(Action::Update, update.fields) {
        (Undo::Exact, _) if is_outdated(update.prior) => (Undo::Approximate, Some(OUTDATED)),
        // What a value reaches that is known after apply may be replaced.
        (Undo::Exact, _) if takes_over(update.prior, update.inputs) => {
            (Undo::Approximate, Some(REPLACED))
        }
        other => other,
    };
    let resources = changed(update);
    let in_place = |all: &Vec<ResourceDiff>| all.iter().all(ResourceDiff::is_undone_in_place);
    let at_most_added = |all: &Vec<ResourceDiff>| {
        let is_added = |it: &ResourceDiff| it.effect == bfd_template::Effect::Create;
        all.iter().all(|it| is_added(it) || it.is_undone_in_place())
    };
    match &resources {
        Some(all) if why == Some(REPLACED) && in_place(all) => return (Undo::Exact, None),
        Some(all) if why == Some(REPLACED) && at_most_added(all) => {
            return (Undo::Approximate, Some(ADDED.to_owned()));
        }
        _ => {}
    }
    let one_way: Vec<String> = resources
        .iter()
        .flatten()
        .filter(|resource| resource.goes_one_way())
        .map(|resource| format!("`{}` ({})", resource.logical, resource.type_name))
        .collect();
    let lost: Vec<String> = lost(resources)
        .iter()
        .map(|resource| format!("`{}` ({})", resource.logical, resource.type_name))
        .collect();
    if lost.is_empty() && !one_way.is_empty() && why == Some(REPLACED) {
        let why = format!("AWS may not take back what changes of {}", one_way.join(", "));
        return (Undo::Approximate, Some(why));
    }
    if lost.is_empty() {
        return (undo, why.map(str::to_owned));
    }
    let lost = format!("CloudFormation cannot restore what is stored in {}", lost.join(", "));
    let others = why.filter(|why| *why != REPLACED).map(|why| format!("; {why}"));
    (Undo::Approximate, Some(lost + &others.unwrap_or_default()))
}

/// The resources that an update changes, or may.
fn changed(update: &Update<'_>) -> Option<Vec<ResourceDiff>> {
    if takes_other_values(update.prior, update.inputs) {
        return difference_as_stored(update.prior, update.inputs);
    }
    difference(update.prior, update.inputs).map(|it| it.resources)
}

/// Whether it takes over from Parameter Store what it has not got.
fn takes_other_values(prior: &Properties, inputs: &Inputs) -> bool {
    let took = prior.get(SSM_PARAMETERS).cloned().map(Expr::from);
    took.as_ref() != inputs.get(SSM_PARAMETERS)
}

/// What changes where values in Parameter Store may be others than those that a stack took.
fn difference_as_stored(prior: &Properties, inputs: &Inputs) -> Option<Vec<ResourceDiff>> {
    let (mut before, mut after) = (Side::present(prior)?, Side::desired(inputs)?);
    Side::share(&mut before, &mut after);
    for side in [&mut before, &mut after] {
        let parameters = side.template.parameters().into_values();
        let read = parameters.filter(|it| it.reads_ssm() && !is_bootstrap(it.default.as_deref()));
        side.context.unknown.extend(read.map(|it| it.name));
    }
    Some(Difference::of(before.as_pair(), after.as_pair()).resources)
}

/// What holds data and is deleted or replaced.
fn lost(resources: Option<Vec<ResourceDiff>>) -> Vec<ResourceDiff> {
    let is_lost = |resource: &ResourceDiff| {
        matches!(resource.weight, Weight::StatefulDeleted | Weight::StatefulReplaced)
    };
    resources.unwrap_or_default().into_iter().filter(is_lost).collect()
}

/// What a deletion of the stack takes out of it.
fn leaving(inputs: &Properties) -> Vec<ResourceDiff> {
    let retained = match Retain::of(inputs) {
        Retain::Stack => return Vec::new(),
        Retain::Resources(names) => names,
        Retain::Nothing => BTreeSet::new(),
    };
    let Some(side) = Side::present(inputs) else { return Vec::new() };
    let nothing = (&Template::empty(), &Context::default());
    let mut resources = Difference::of(side.as_pair(), nothing).resources;
    // What is within a nested stack that is kept is kept with it.
    let outermost =
        |resource: &ResourceDiff| resource.logical.split('/').next().unwrap_or_default().to_owned();
    resources.retain(|resource| !retained.contains(&outermost(resource)));
    resources
}

/// What outlives the stack: by `retain`, and by its own template.
fn kept_by_anything(inputs: &Properties) -> Vec<String> {
    let mut all = kept(inputs);
    let by_template = leaving(inputs).into_iter().filter(|resource| resource.kept);
    all.extend(by_template.map(|resource| {
        let ResourceDiff { logical, type_name, .. } = resource;
        format!("`{logical}` ({type_name}) leaves the stack and is kept, by its `DeletionPolicy`")
    }));
    all
}

fn lost_with(inputs: &Properties) -> Option<(String, String)> {
    let lost = leaving(inputs).into_iter().filter(|it| it.weight == Weight::StatefulDeleted);
    let lost: Vec<String> =
        lost.map(|resource| format!("`{}` ({})", resource.logical, resource.type_name)).collect();
    let verb = if lost.len() == 1 { "is" } else { "are" };
    (!lost.is_empty()).then(|| {
        (
            format!("{} {verb} deleted, with what is stored", lost.join(", ")),
            "to keep some of it, apply `retain = [\"NAME\"]` to the stack first".to_owned(),
        )
    })
}

/// A stack that is only forgotten needs no deletion.
fn undeletable(inputs: &Properties) -> Option<(&'static str, &'static str)> {
    let is_protected = inputs.get("termination_protection") == Some(&Value::Bool(true));
    (is_protected && Retain::of(inputs) != Retain::Stack).then_some((
        "is protected against deletion",
        "apply `termination_protection = false` to it first, or `retain = true` to keep it",
    ))
}

fn losses(update: &Update<'_>) -> Vec<Loss> {
    let sides = [Side::present(update.prior), Side::desired(update.inputs)];
    let retains = |logical: &str| {
        let policy = |side: &Option<Side>| {
            let resource = side.as_ref()?.template.resource(logical)?;
            resource.get("UpdateReplacePolicy")?.as_str().map(str::to_owned)
        };
        sides.iter().all(|side| policy(side).as_deref() == Some("Retain"))
    };
    let told = |resource: &ResourceDiff| {
        let what = format!("`{}` ({})", resource.logical, resource.type_name);
        if resource.weight == Weight::StatefulDeleted {
            return Loss {
                message: format!("{what} is deleted, with what is stored in it"),
                help: "to keep it, deploy the template with `DeletionPolicy: Retain` on it first"
                    .to_owned(),
                kept: false,
            };
        }
        let is_certain = resource.effect == bfd_template::Effect::Replacement;
        let verb = if is_certain { "is" } else { "may be" };
        let because = resource
            .properties
            .iter()
            .filter(|property| property.replaces != bfd_template::Replaces::No)
            .map(|property| format!("`{}`", property.path))
            .collect::<Vec<_>>()
            .join(", ");
        let message = format!("{what} {verb} replaced by an empty one, because of {because}");
        if retains(&resource.logical) {
            let help = "`UpdateReplacePolicy: Retain` keeps the old one, outside of the stack: \
                        move what is stored in it";
            return Loss { message, help: help.to_owned(), kept: true };
        }
        let help = "to keep the old one, deploy the template with `UpdateReplacePolicy: Retain` \
                    on it first; or leave the property as it is";
        Loss { message, help: help.to_owned(), kept: false }
    };
    lost(changed(update)).iter().map(told).collect()
}
