//! Whose name is whose: two addresses must never mean one object.

use bfd_core::{Address, Expr, Inputs, Kind, Problem, Properties, Resource, Span, State, Value};
use bfd_kinds::{KindSpec, coordinator};
use std::collections::BTreeMap;

/// What the cloud tells objects of a kind apart by.
type Name = (String, Vec<String>);

/// Which recorded resource holds which name.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<Name, Vec<Holder>>);

#[derive(Clone, Debug)]
struct Holder {
    address: Address,
    /// It was replaced and awaits deletion.
    deposed: bool,
}

impl Names {
    pub(crate) fn recorded(
        state: &State,
        spec: impl Fn(&Kind) -> Option<&'static KindSpec>,
    ) -> Self {
        let mut names = Self::default();
        let live = state.resources.iter().map(|(address, resource)| (address, resource, false));
        let old = state
            .deposed
            .iter()
            .flat_map(|(address, all)| all.iter().map(move |resource| (address, resource, true)));
        for (address, resource, deposed) in live.chain(old) {
            let Some(spec) = spec(&resource.kind) else { continue };
            for name in of_properties(spec, &resource.inputs) {
                let holder = Holder { address: address.clone(), deposed };
                names.0.entry(name).or_default().push(holder);
            }
        }
        names
    }

    /// Refuses a resource that would take, adopt or create what another one holds: the delete
    /// of the other would take the object away.
    pub(crate) fn conflict(
        &self,
        spec: &KindSpec,
        resource: &Resource,
        inputs: &Inputs,
        is_declared: impl Fn(&Address) -> bool,
        manifest: &str,
    ) -> Option<Problem> {
        let names = of_inputs(spec, inputs);
        let other = names
            .iter()
            .filter_map(|name| self.0.get(name))
            .flatten()
            .find(|holder| holder.deposed || holder.address != resource.address)?;
        let (address, here) = (&other.address, &resource.address);
        let place = resource.span.clone();
        // What is written nowhere, as on the way back to an earlier run, is not pointed at.
        let recorded = if place == Span::default() {
            format!("`{here}` is recorded as `{address}`")
        } else {
            format!("recorded as `{address}`")
        };
        let (label, way) = if other.deposed {
            (
                format!("`{address}` left it behind, and it awaits deletion"),
                "apply without this first, so that the old object goes".to_owned(),
            )
        } else if is_declared(address) || address.kind() != here.kind() {
            (recorded, format!("apply in two steps: first make `{address}` give it up"))
        } else {
            (
                recorded,
                format!(
                    "if it was renamed: `bfd state mv {manifest} {address} {here}`; otherwise \
                     choose another name"
                ),
            )
        };
        let headline = "an object is recorded under another address";
        Some(Problem::error("plan::renamed", headline).at(place, label).help(way))
    }
}

fn of_properties(spec: &KindSpec, inputs: &Properties) -> Vec<Name> {
    let text = |field: &str| inputs.get(field)?.as_str().map(str::to_owned);
    let config = inputs.get("config").and_then(Value::as_object);
    all(spec, text, config.into_iter().flat_map(|config| config.keys().cloned()))
}

fn of_inputs(spec: &KindSpec, inputs: &Inputs) -> Vec<Name> {
    let text = |field: &str| inputs.get(field)?.as_str().map(str::to_owned);
    let config = inputs.get("config").and_then(Expr::as_map);
    all(spec, text, config.into_iter().flat_map(|config| config.keys().cloned()))
}

fn all(
    spec: &KindSpec,
    text: impl Fn(&str) -> Option<String>,
    config: impl Iterator<Item = String>,
) -> Vec<Name> {
    if spec.name == coordinator::SPEC.name {
        // Its objects are parameters, and a parameter of that name is one of them.
        let Some(prefix) = text("parameter_prefix") else { return Vec::new() };
        let keys = config.chain([coordinator::RECORD.to_owned()]);
        return keys
            .map(|key| ("parameter".to_owned(), vec![coordinator::parameter_name(&prefix, &key)]))
            .collect();
    }
    let key: Option<Vec<String>> = spec.key.iter().map(|field| text(field)).collect();
    key.filter(|key| !key.is_empty()).map(|key| (spec.name.to_owned(), key)).into_iter().collect()
}
