//! Whether services can run the images that they are given.

use bfd_core::{Address, Expr, Problem, Resource};
use bfd_kinds::image::declared;
use std::collections::BTreeMap;

/// What Fargate and ECS take for granted.
const ARCHITECTURE: &str = "X86_64";

/// Compares the platforms of images, where they are known, with those that services run on.
pub(crate) fn check(resources: &[Resource]) -> Vec<Problem> {
    let images: BTreeMap<&Address, Vec<&str>> = resources
        .iter()
        .filter_map(|image| {
            let platforms = image.inputs.get("platforms")?.as_list()?;
            Some((&image.address, platforms.iter().filter_map(Expr::as_str).collect()))
        })
        .collect();
    resources.iter().flat_map(|resource| of_service(resource, &images)).collect()
}

fn of_service(resource: &Resource, images: &BTreeMap<&Address, Vec<&str>>) -> Vec<Problem> {
    let task = resource.inputs.get("task_definition").and_then(Expr::as_map);
    let Some(task) = task else { return Vec::new() };
    let Some(wanted) = platform(task) else { return Vec::new() };
    let containers = task.get("containers").and_then(Expr::as_map).into_iter().flatten();
    let wrong = containers.filter_map(|(name, container)| {
        let image = declared(container.as_map()?.get("image")?)?;
        let has = images.get(image)?;
        let fits = |one: &&str| {
            **one == wanted || one.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('/'))
        };
        if has.iter().any(fits) {
            return None;
        }
        let problem = Problem::error(
            "service::wrong_platform",
            "a service cannot run an image of another platform",
        );
        let label =
            format!("`{image}` is for {}, and the service runs on {wanted}", has.join(", "));
        let help =
            "set `platform` of the image, or `runtime_platform.cpu_architecture` of the service";
        Some(problem.at(resource.span_of(&format!("container.{name}.image")), label).help(help))
    });
    wrong.collect()
}

/// `linux/amd64`, by what the task definition says; `None` for what is not known here.
fn platform(task: &BTreeMap<String, Expr>) -> Option<String> {
    let declared = task.get("runtimePlatform").and_then(Expr::as_map);
    let text = |name: &str, otherwise: &'static str| match declared.and_then(|it| it.get(name)) {
        None => Some(otherwise.to_owned()),
        Some(value) => value.as_str().map(str::to_owned),
    };
    let os = text("operatingSystemFamily", "LINUX")?;
    let os = if os.starts_with("WINDOWS") { "windows" } else { "linux" };
    let architecture = match text("cpuArchitecture", ARCHITECTURE)?.as_str() {
        "ARM64" => "arm64",
        "X86_64" => "amd64",
        _ => return None,
    };
    Some(format!("{os}/{architecture}"))
}
