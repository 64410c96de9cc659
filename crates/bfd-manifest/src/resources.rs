use crate::{
    common::{self, Common},
    declared::Declared,
    fields::{Edge, Reader, Why},
    nearest::{did_you_mean, list},
    nested,
    scope::Scope,
};
use bfd_core::{Address, Environment, Expr, Inputs, Kind, Problem, Resource, Severity, Span};
use bfd_kinds::{
    KindSpec, Output, OutputSource,
    exchange::{self, Link, Shared},
    spec::Lower,
};
use std::collections::{BTreeMap, BTreeSet};

const COORDINATOR: &str = "coordinator";

/// A resource whose fields were read.
pub(crate) struct Checked {
    pub(crate) address: Address,
    spec: &'static KindSpec,
    fields: Inputs,
    common: Common,
    pub(crate) edges: Vec<Edge>,
    spans: BTreeMap<String, Span>,
    pub(crate) place: Span,
    failed: bool,
}

/// Reads the fields of every resource.
pub(crate) fn check(
    declared: &[Declared<'_>],
    scope: &Scope<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Checked> {
    let coordinator = scope.declared.find(COORDINATOR);
    let check = |declared: &Declared<'_>| {
        let Declared { address, spec, table, place } = declared;
        let mut reader = Reader::new(scope, spec.name, Some(address));
        let mut fields = reader.table(table, place, &[spec.fields, common::FIELDS]);
        let mut common = Common::take(&mut fields, &mut reader, scope.declared);
        if let Some(first) = coordinator.filter(|first| *first != address) {
            common.depends_on.insert(first.clone());
            let (to, place) = (first.clone(), place.clone());
            reader.edges.push(Edge { to, place, why: Why::Coordinator, output: None });
        }
        let links = reader.edges.iter().filter(|edge| edge.why == Why::Link);
        common.depends_on.extend(links.map(|edge| edge.to.clone()));
        problems.append(&mut reader.problems);
        Checked {
            address: address.clone(),
            spec,
            fields,
            common,
            edges: reader.edges,
            spans: reader.spans,
            place: place.clone(),
            failed: reader.failed,
        }
    };
    declared.iter().map(check).collect()
}

/// Turns every resource without mistakes into its kind's canonical form.
///
/// Adds the dependencies that only the kind knows to the edges.
pub(crate) fn lower(
    checked: &mut [Checked],
    scope: &Scope<'_>,
    tags: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Vec<Resource> {
    let index: BTreeMap<Address, usize> =
        checked.iter().enumerate().map(|(at, one)| (one.address.clone(), at)).collect();
    let mut resources: Vec<Resource> = Vec::with_capacity(checked.len());
    for at in 0..checked.len() {
        if checked[at].failed {
            continue;
        }
        let mut depends_on = std::mem::take(&mut checked[at].common.depends_on);
        let one = &checked[at];
        let others = |address: &Address, field: &str| -> Option<Expr> {
            checked[*index.get(address)?].fields.get(field).cloned()
        };
        let inputs = (one.spec.lower)(&mut Lower {
            address: &one.address,
            environment: scope.environment,
            fields: one.fields.clone(),
            tags,
            others: &others,
            depends_on: &mut depends_on,
            spans: &one.spans,
            span: &one.place,
            problems,
        });
        let one = &mut checked[at];
        let resource = Resource {
            address: one.address.clone(),
            inputs,
            depends_on,
            adopt: one.common.adopt,
            protect: one.common.protect,
            span: one.place.clone(),
            spans: std::mem::take(&mut one.spans),
        };
        let implied = resource.dependencies().into_iter().filter(|to| {
            // What a kind waits for has to be there, or the graph has a hole in it.
            index.contains_key(to) && !one.edges.iter().any(|edge| edge.to == *to)
        });
        let implied = implied.map(|to| Edge {
            to,
            place: resource.span.clone(),
            why: Why::Kind,
            output: None,
        });
        let implied: Vec<Edge> = implied.collect();
        one.edges.extend(implied);
        resources.push(resource);
    }
    nested::read(&mut resources, scope, problems);
    link(checked, &mut resources, scope.environment, problems);
    check_outputs(checked, &resources, problems);
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        resources.sort_by(|a, b| a.address.cmp(&b.address));
    }
    resources
}

/// Lets who reads something by its name wait for whoever makes it.
fn link(
    checked: &mut [Checked],
    resources: &mut [Resource],
    environment: &Environment,
    problems: &mut Vec<Problem>,
) {
    let specs: BTreeMap<Kind, &'static KindSpec> =
        checked.iter().map(|one| (one.address.kind().clone(), one.spec)).collect();
    let all = resources.iter().map(|resource| (&resource.address, &resource.inputs));
    let exchanges = exchange::of(all, |kind| specs.get(kind).copied(), environment);
    let at: BTreeMap<Address, usize> =
        resources.iter().enumerate().map(|(at, one)| (one.address.clone(), at)).collect();
    let checked_at: BTreeMap<Address, usize> =
        checked.iter().enumerate().map(|(at, one)| (one.address.clone(), at)).collect();
    let has_template =
        |maker: &Address| specs.get(maker.kind()).is_some_and(|spec| spec.content.is_some());
    for (shared, makers) in exchange::made_twice(&exchanges) {
        // What only fields name is an error, which `duplicates` reports.
        if !makers.iter().any(has_template) {
            continue;
        }
        // A condition of a template may be false that is not known here.
        let problem = Problem::warning("manifest::made_twice", "two resources make the same");
        let places =
            makers.iter().filter_map(|maker| Some((maker, resources.get(*at.get(maker)?)?)));
        let problem = places.fold(problem, |problem, (maker, resource)| {
            problem.at(resource.span.clone(), format!("`{maker}` makes {shared}"))
        });
        problems.push(problem.help("AWS takes each name once: rename it, or remove one of them"));
    }
    for Link { from, to, shared } in exchange::links(&exchanges) {
        let (Some(&at), Some(&checked_at)) = (at.get(&from), checked_at.get(&from)) else {
            continue;
        };
        let (resource, one) = (&mut resources[at], &mut checked[checked_at]);
        if matches!(shared, Shared::Parameter(_)) {
            bfd_kinds::stack::follow(&mut resource.inputs, &to);
        }
        if resource.depends_on.insert(to.clone()) && !one.edges.iter().any(|edge| edge.to == to) {
            let place = resource.span_of("template");
            one.edges.push(Edge { to, place, why: Why::Shared(shared), output: None });
        }
    }
}

/// Reports references to outputs that what is declared does not have.
fn check_outputs(checked: &[Checked], resources: &[Resource], problems: &mut Vec<Problem>) {
    let specs: BTreeMap<&Address, &KindSpec> =
        checked.iter().map(|one| (&one.address, one.spec)).collect();
    let outputs = |resource: &Resource| {
        let content = specs.get(&resource.address)?.content?;
        Some((resource.address.clone(), (content.open_outputs)(&resource.inputs)?))
    };
    let known: BTreeMap<Address, BTreeSet<String>> = resources.iter().filter_map(outputs).collect();
    for edge in checked.iter().flat_map(|one| &one.edges) {
        let (Some(names), Some(spec)) = (known.get(&edge.to), specs.get(&edge.to)) else {
            continue;
        };
        let Some((first, name)) = edge.output.as_deref().and_then(|output| output.split_once('.'))
        else {
            continue;
        };
        let is_open = |output: &Output| output.source == OutputSource::Open;
        if !spec.output(first).is_some_and(is_open) || names.contains(name) {
            continue;
        }
        let all = || names.iter().map(String::as_str);
        let help = match did_you_mean(name, all()) {
            Some(help) => help,
            None if names.is_empty() => "its template has no outputs".to_owned(),
            None => format!("there are {}", list(all())),
        };
        let label = format!("not an output of the template of `{}`", edge.to);
        let problem = Problem::error("manifest::unknown_output", "unknown output");
        problems.push(problem.at(edge.place.clone(), label).help(help));
    }
}
