//! What stacks read from Parameter Store, in words: `ssm_parameters` is a field for programs.

use crate::views::{value::visible, words::list};
use bfd_core::{
    Address, Inputs, Value,
    plan::{Change, Drift, FieldChange, Op, Plan},
};
use bfd_kinds::{
    exchange::{self, Shared},
    stack::{OLDER, SSM_PARAMETERS, reads},
};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a field is told in words of its own.
pub(crate) fn is_reading(field: &FieldChange) -> bool {
    field.path == SSM_PARAMETERS
}

/// What a change reads: `reads /shop/url (parameter.url) again`.
pub(crate) fn of_change(plan: &Plan, change: &Change) -> Option<String> {
    let field = change.fields.iter().find(|field| is_reading(field))?;
    if field.known && field.after.is_none() {
        return Some("reads nothing from Parameter Store any more".to_owned());
    }
    let inputs = plan.steps.iter().filter(|step| step.address == change.address);
    let inputs = inputs.filter_map(|step| inputs_of(&step.op)).next_back();
    let makers = makers(plan);
    let outdated = older(field.before.as_ref());
    let mut names: BTreeSet<String> = outdated.iter().cloned().collect();
    if let Some(inputs) = inputs {
        // A version that is not known yet is that of something that changes.
        let changing = reads(inputs);
        let all = taken(plan, &change.address, inputs);
        names.extend(all.into_iter().filter(|name| {
            field.before.is_none() || makers.get(name).is_some_and(|it| changing.contains(it))
        }));
    }
    let again = if field.before.is_some() { " again" } else { "" };
    if names.is_empty() {
        return Some(format!("reads Parameter Store{again}"));
    }
    let since = if outdated.is_empty() {
        String::new()
    } else if outdated.len() == names.len() {
        ", which changed since".to_owned()
    } else {
        format!("; {} changed since", list(&outdated))
    };
    Some(visible(&format!("reads {}{again}{since}", named(&names, &makers))).into_owned())
}

/// What a stack has of what somebody else changed.
pub(crate) fn of_drift(plan: &Plan, drift: &Drift) -> Option<String> {
    let field = drift.fields.iter().find(|field| is_reading(field))?;
    let outdated: BTreeSet<String> = older(field.after.as_ref()).into_iter().collect();
    if outdated.is_empty() {
        return Some("has what Parameter Store holds".to_owned());
    }
    let noun = if outdated.len() == 1 { "an older value" } else { "older values" };
    Some(visible(&format!("has {noun} of {}", named(&outdated, &makers(plan)))).into_owned())
}

/// The fields that are not told here.
pub(crate) fn others(fields: &[FieldChange]) -> Vec<FieldChange> {
    fields.iter().filter(|field| !is_reading(field)).cloned().collect()
}

fn inputs_of(op: &Op) -> Option<&Inputs> {
    match op {
        Op::Create { inputs, .. } | Op::Update { inputs, .. } | Op::Adopt { inputs, .. } => {
            Some(inputs)
        }
        Op::Delete { .. } => None,
    }
}

/// The names of what changed since a stack took it over.
fn older(value: Option<&Value>) -> Vec<String> {
    let names = value.and_then(Value::as_str).and_then(|text| text.strip_prefix(OLDER));
    names.map(|names| names.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

/// `/shop/url (parameter.url) and /shop/key`
fn named(names: &BTreeSet<String>, makers: &BTreeMap<String, Address>) -> String {
    let one = |name: &String| match makers.get(name) {
        Some(maker) => format!("{name} ({maker})"),
        None => name.clone(),
    };
    list(&names.iter().map(one).collect::<Vec<_>>())
}

/// Who makes which parameter, as it is and as it shall be.
fn makers(plan: &Plan) -> BTreeMap<String, Address> {
    let recorded = plan.refreshed.resources.iter();
    let recorded: Vec<(&Address, Inputs)> =
        recorded.map(|(at, state)| (at, exchange::recorded(&state.inputs))).collect();
    let steps = plan.steps.iter().filter_map(|step| Some((&step.address, inputs_of(&step.op)?)));
    let spec = |kind: &bfd_core::Kind| bfd_kinds::get(kind.as_str());
    let mut makers = BTreeMap::new();
    for all in [
        exchange::of(recorded.iter().map(|(at, inputs)| (*at, inputs)), spec, &plan.environment),
        exchange::of(steps, spec, &plan.environment),
    ] {
        for (address, exchange) in all {
            makers.extend(parameters(exchange.gives).map(|name| (name, address.clone())));
        }
    }
    makers
}

/// The names of the parameters that a resource reads.
fn taken(plan: &Plan, address: &Address, inputs: &Inputs) -> BTreeSet<String> {
    let spec = |kind: &bfd_core::Kind| bfd_kinds::get(kind.as_str());
    let all = exchange::of([(address, inputs)].into_iter(), spec, &plan.environment);
    all.into_values().flat_map(|exchange| parameters(exchange.takes)).collect()
}

fn parameters(shared: BTreeSet<Shared>) -> impl Iterator<Item = String> {
    shared.into_iter().filter_map(|shared| match shared {
        Shared::Parameter(name) => Some(name),
        Shared::Export(_) | Shared::Outputs(_) => None,
    })
}
