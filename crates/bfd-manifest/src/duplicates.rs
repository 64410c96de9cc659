use bfd_core::{Address, Expr, Problem, Resource, Span};
use bfd_kinds::KindSpec;
use std::collections::BTreeMap;

/// Reports resources that stand for the same object.
pub(crate) fn find(
    resources: &[Resource],
    kinds: &[&'static KindSpec],
    problems: &mut Vec<Problem>,
) {
    let specs: BTreeMap<&str, &KindSpec> = kinds.iter().map(|spec| (spec.name, *spec)).collect();
    let mut seen: BTreeMap<(&str, Vec<&str>), (&Address, Span)> = BTreeMap::new();
    for resource in resources {
        let kind = resource.address.kind().as_str();
        let Some(spec) = specs.get(kind).filter(|spec| !spec.key.is_empty()) else { continue };
        let key: Option<Vec<&str>> =
            spec.key.iter().map(|name| resource.inputs.get(*name)?.as_str()).collect();
        let Some(key) = key else { continue };
        let place = spec.key.iter().rev().find_map(|name| resource.spans.get(*name));
        let place = place.unwrap_or(&resource.span).clone();
        if let Some((other, first)) = seen.get(&(kind, key.clone())) {
            report(problems, first, other, &place, &resource.address);
        } else {
            seen.insert((kind, key), (&resource.address, place));
        }
    }
    parameters(resources, problems);
}

/// The coordinator's entries are SSM parameters too.
fn parameters(resources: &[Resource], problems: &mut Vec<Problem>) {
    let of = |kind: &'static str| {
        resources.iter().filter(move |resource| resource.address.kind().as_str() == kind)
    };
    let mut taken: BTreeMap<String, (&Address, Span)> = BTreeMap::new();
    for coordinator in of("coordinator") {
        let Some(prefix) = coordinator.inputs.get("parameter_prefix").and_then(Expr::as_str) else {
            continue;
        };
        let config = coordinator.inputs.get("config").and_then(Expr::as_map);
        for key in config.into_iter().flat_map(BTreeMap::keys) {
            let place = coordinator.span_of(&format!("config.{key}"));
            let name = bfd_kinds::coordinator::parameter_name(prefix, key);
            taken.insert(name, (&coordinator.address, place));
        }
        let record = bfd_kinds::coordinator::parameter_name(prefix, bfd_kinds::coordinator::RECORD);
        taken.insert(record, (&coordinator.address, coordinator.span_of("parameter_prefix")));
    }
    for parameter in of("parameter") {
        let name = parameter.inputs.get("name").and_then(Expr::as_str);
        if let Some((other, first)) = name.and_then(|name| taken.get(name)) {
            report(problems, first, other, &parameter.span_of("name"), &parameter.address);
        }
    }
}

fn report(
    problems: &mut Vec<Problem>,
    first: &Span,
    other: &Address,
    second: &Span,
    address: &Address,
) {
    problems.push(
        Problem::error("manifest::duplicate", "two resources stand for the same object")
            .at(first.clone(), format!("the object of `{other}`"))
            .at(second.clone(), format!("and of `{address}`"))
            .help("rename one of them, or remove it"),
    );
}
