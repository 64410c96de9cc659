use crate::{cluster, coordinator, image, parameter, repository, service, spec::KindSpec, stack};

/// Every kind, in the order in which a person reads an environment.
pub fn all() -> &'static [&'static KindSpec] {
    static ALL: [&KindSpec; 7] = [
        &coordinator::SPEC,
        &repository::SPEC,
        &image::SPEC,
        &parameter::SPEC,
        &stack::SPEC,
        &cluster::SPEC,
        &service::SPEC,
    ];
    &ALL
}

/// Looks up a kind by its name in the manifest.
pub fn get(kind: &str) -> Option<&'static KindSpec> {
    all().iter().copied().find(|spec| spec.name == kind)
}
