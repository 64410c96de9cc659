//! An environment as an earlier run left it, as something to plan for.

use crate::{
    exit::CommandError,
    load::{Loaded, in_manifest},
};
use bfd_core::{
    Address, Expr, Inputs, Kind, Properties, Reference, Resource, ResourceState, Secret, State,
    Value, plan::Warning,
};
use bfd_kinds::{
    exchange::{self, Link, Shared},
    spec::OutputSource,
    stack::{AS_STORED, SSM_PARAMETERS},
};
use bfd_plan::Graph;
use bfd_provider::Secrets;
use std::collections::{BTreeMap, BTreeSet};

/// What was there then, and what of it cannot come back.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub graph: Graph,
    pub warnings: Vec<Warning>,
}

/// Takes what was recorded `then` for what is wanted. Images are taken by their digests: what
/// they were made of may be gone.
pub(crate) fn wanted(loaded: &Loaded, then: &State, now: &State) -> Result<Earlier, CommandError> {
    let mut warnings = Vec::new();
    let mut unknown = Vec::new();
    let mut resources = Vec::new();
    for (address, recorded) in &then.resources {
        let current = now.resources.get(address);
        let mut inputs = if recorded.kind == Kind::new("image") {
            image(recorded, current)
        } else {
            as_recorded(&recorded.inputs)
        };
        if recorded.kind != Kind::new("image") {
            let outputs = Outputs::of(then, &recorded.depends_on);
            for input in inputs.values_mut() {
                outputs.refer(input);
            }
        }
        if recorded.kind == Kind::new("service") {
            inputs.insert("proven".to_owned(), Expr::Literal(true.into()));
        }
        let kept = current.map(|current| as_recorded(&current.inputs)).unwrap_or_default();
        for (name, input) in &mut inputs {
            let mut secrets = SecretsOf { loaded, kept: None, is_unknown: false };
            secrets.settle(input, kept.get(name));
            if secrets.kept.is_some() {
                warnings.push(Warning {
                    address: Some(address.clone()),
                    message: "its secret stays as it is: that of then is nowhere any more"
                        .to_owned(),
                    help: Some(
                        "put the earlier secret where it is read from, and plan again".to_owned(),
                    ),
                });
            }
            if secrets.is_unknown {
                unknown.push(format!("`{address}`"));
            }
        }
        let declared = loaded.graph.get(address);
        resources.push(Resource {
            address: address.clone(),
            inputs,
            depends_on: recorded
                .depends_on
                .iter()
                .filter(|it| then.resources.contains_key(it))
                .cloned()
                .collect(),
            adopt: false,
            protect: declared.is_some_and(|resource| resource.protect),
            span: declared.map(|resource| resource.span.clone()).unwrap_or_default(),
            spans: BTreeMap::new(),
        });
    }
    follow(loaded, &mut resources);
    if !unknown.is_empty() {
        return Err(CommandError::refused_with(
            format!("the secrets of then are nowhere any more: {}", unknown.join(", ")),
            "put them where they are read from, and try again",
        ));
    }
    let graph =
        Graph::build(resources).map_err(|problems| in_manifest(&loaded.manifest, problems))?;
    Ok(Earlier { graph, warnings })
}

/// What stacks read from Parameter Store is as it was once who makes it is: they come after it, and
/// take it over again.
fn follow(loaded: &Loaded, resources: &mut [Resource]) {
    let spec = |kind: &Kind| bfd_kinds::all().iter().find(|it| it.name == kind.as_str()).copied();
    let all = resources.iter().map(|resource| (&resource.address, &resource.inputs));
    let exchanges = exchange::of(all, spec, &loaded.manifest.environment);
    let mut makers: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for Link { from, to, shared } in exchange::links(&exchanges) {
        if matches!(shared, Shared::Parameter(_)) {
            makers.entry(from).or_default().insert(to);
        }
    }
    for resource in resources {
        let Some(makers) = makers.get(&resource.address) else { continue };
        if !resource.inputs.contains_key(SSM_PARAMETERS) {
            continue;
        }
        resource.inputs.insert(SSM_PARAMETERS.to_owned(), AS_STORED.into());
        for maker in makers {
            bfd_kinds::stack::follow(&mut resource.inputs, maker);
            resource.depends_on.insert(maker.clone());
        }
    }
}

fn as_recorded(inputs: &Properties) -> Inputs {
    inputs.iter().map(|(name, value)| (name.clone(), Expr::from(value.clone()))).collect()
}

/// The image that ran then, where it is; one that still runs stays as it is recorded.
fn image(then: &ResourceState, now: Option<&ResourceState>) -> Inputs {
    let text = |of: &ResourceState, name: &str| {
        of.outputs
            .get(name)
            .or_else(|| of.inputs.get(name))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    if let Some(now) = now.filter(|now| text(now, "uri") == text(then, "uri")) {
        return as_recorded(&now.inputs);
    }
    let mut inputs = Inputs::new();
    let uri = text(then, "uri").unwrap_or_default();
    inputs.insert("source".to_owned(), uri.clone().into());
    inputs.insert("uri".to_owned(), uri.into());
    let stands_in = then.outputs.get("fallback_active") == Some(&Value::Bool(true));
    inputs.insert("fallback_active".to_owned(), Expr::Literal(stands_in.into()));
    for name in ["digest", "repository"] {
        if let Some(value) = text(then, name).filter(|_| !stands_in) {
            inputs.insert(name.to_owned(), value.into());
        }
    }
    inputs
}

/// What the resources that another waits for gave it then. What is made again has other ids:
/// they are referred to, as the manifest did.
struct Outputs(Vec<(String, Reference)>);

/// Shorter ones are part of too many words.
const SHORTEST: usize = 6;

impl Outputs {
    fn of(then: &State, depends_on: &BTreeSet<Address>) -> Self {
        let mut all = Vec::new();
        for address in depends_on {
            let Some(state) = then.resources.get(address) else { continue };
            for (name, value) in &state.outputs {
                if is_made_by_the_cloud(&state.kind, name) {
                    flatten(address, name.clone(), value, &mut all);
                }
            }
        }
        // The longest first: a name is part of an ARN.
        all.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(all)
    }

    /// Replaces what an output gave by a reference to it.
    fn refer(&self, input: &mut Expr) {
        match input {
            Expr::Literal(Value::String(text)) => {
                if let Some(referring) = self.referring(text) {
                    *input = referring;
                }
            }
            Expr::List(all) => all.iter_mut().for_each(|one| self.refer(one)),
            Expr::Map(all) => all.values_mut().for_each(|one| self.refer(one)),
            _ => {}
        }
    }

    fn referring(&self, text: &str) -> Option<Expr> {
        let mut parts = vec![Expr::from(text)];
        for (value, reference) in &self.0 {
            let split = |part: Expr| match part {
                Expr::Literal(Value::String(text)) if text.contains(value.as_str()) => {
                    let mut parts = Vec::new();
                    for (number, piece) in text.split(value.as_str()).enumerate() {
                        if number > 0 {
                            parts.push(Expr::Reference(reference.clone()));
                        }
                        if !piece.is_empty() {
                            parts.push(piece.into());
                        }
                    }
                    parts
                }
                other => vec![other],
            };
            parts = parts.into_iter().flat_map(split).collect();
        }
        match parts.as_slice() {
            [Expr::Literal(_)] | [] => None,
            [_] => parts.pop(),
            _ => Some(Expr::Template(parts)),
        }
    }
}

/// What repeats an input is the same whenever the input is.
fn is_made_by_the_cloud(kind: &Kind, output: &str) -> bool {
    let spec = bfd_kinds::all().iter().find(|spec| spec.name == kind.as_str());
    let declared = spec.and_then(|spec| spec.outputs.iter().find(|it| it.name == output));
    declared.is_some_and(|it| matches!(it.source, OutputSource::Stable | OutputSource::Open))
}

fn flatten(of: &Address, output: String, value: &Value, into: &mut Vec<(String, Reference)>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => {
            into.push((text.clone(), Reference { of: of.clone(), output }));
        }
        Value::Object(all) => {
            for (name, value) in all {
                flatten(of, format!("{output}.{name}"), value, into);
            }
        }
        _ => {}
    }
}

/// Looks whether secrets of then can be sent.
struct SecretsOf<'a> {
    loaded: &'a Loaded,
    /// The secret of now that stays instead of one of then.
    kept: Option<Secret>,
    is_unknown: bool,
}

impl SecretsOf<'_> {
    fn settle(&mut self, input: &mut Expr, now: Option<&Expr>) {
        match input {
            Expr::Secret(secret) => {
                let now = now.and_then(|now| match now {
                    Expr::Secret(now) => Some(now.clone()),
                    _ => None,
                });
                let is_same = now.as_ref().is_some_and(|now| now.digest == secret.digest);
                if is_same || self.loaded.secrets.reveal(secret).is_ok() {
                    return;
                }
                match now {
                    Some(now) => {
                        self.kept = Some(now.clone());
                        *input = Expr::Secret(now);
                    }
                    None => self.is_unknown = true,
                }
            }
            Expr::List(all) => {
                let now = now.and_then(Expr::as_list);
                for (at, one) in all.iter_mut().enumerate() {
                    self.settle(one, now.and_then(|now| now.get(at)));
                }
            }
            Expr::Map(all) => {
                let now = now.and_then(Expr::as_map);
                for (name, one) in all {
                    self.settle(one, now.and_then(|now| now.get(name)));
                }
            }
            _ => {}
        }
    }
}

/// The services that a plan changes, as they were then: what their tasks need must be there.
pub(crate) fn services<'a>(
    plan: &bfd_core::plan::Plan,
    then: &'a State,
) -> Vec<(&'a Address, &'a ResourceState)> {
    let changed = |address: &Address| plan.changes.iter().any(|change| change.address == *address);
    let services = then.resources.iter().filter(|(_, state)| state.kind == Kind::new("service"));
    services.filter(|(address, _)| changed(address)).collect()
}
