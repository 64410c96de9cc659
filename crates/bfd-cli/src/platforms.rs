//! Whether services can run the images that they are given.

use bfd_core::{Address, Expr, Problem, Resource};
use bfd_kinds::image::declared;
use std::collections::BTreeMap;

/// What Fargate and ECS take for granted.
const ARCHITECTURE: &str = "X86_64";

/// By image.
pub(crate) type Platforms = BTreeMap<Address, Vec<String>>;

/// The platforms that are known before anything is looked at.
pub(crate) fn declared_platforms(resources: &[Resource]) -> Platforms {
    let known = resources.iter().filter_map(|image| {
        let platforms = image.inputs.get("platforms")?.as_list()?;
        let platforms = platforms.iter().filter_map(Expr::as_str).map(str::to_owned);
        Some((image.address.clone(), platforms.collect()))
    });
    known.collect()
}

/// Compares the platforms of images with those that services run on.
pub(crate) fn check(resources: &[Resource], images: &Platforms) -> Vec<Problem> {
    resources.iter().flat_map(|resource| of_service(resource, images)).collect()
}

fn of_service(resource: &Resource, images: &Platforms) -> Vec<Problem> {
    let task = resource.inputs.get("task_definition").and_then(Expr::as_map);
    let Some(task) = task else { return Vec::new() };
    let Some(wanted) = platform(task) else { return Vec::new() };
    let containers = task.get("containers").and_then(Expr::as_map).into_iter().flatten();
    let wrong = containers.filter_map(|(name, container)| {
        let image = declared(container.as_map()?.get("image")?)?;
        let has = images.get(image)?;
        let fits = |one: &String| {
            *one == wanted || one.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('/'))
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

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_core::{Reference, Span};

    /// What is wrong when a service of that platform runs an image for those.
    fn check_one(declared: &[(&str, &str)], platforms: &[&str]) -> Option<String> {
        let platforms = platforms.iter().map(|it| (*it).into()).collect();
        let image = resource("image", "platforms", Expr::List(platforms));
        let mut task = BTreeMap::new();
        if !declared.is_empty() {
            let declared =
                declared.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
            task.insert("runtimePlatform".to_owned(), Expr::Map(declared.collect()));
        }
        let of = Address::new("image", "web").unwrap();
        let reference = Expr::Reference(Reference { of, output: "uri".to_owned() });
        let container = Expr::Map(BTreeMap::from([("image".to_owned(), reference)]));
        let containers = Expr::Map(BTreeMap::from([("web".to_owned(), container)]));
        task.insert("containers".to_owned(), containers);
        let service = resource("service", "task_definition", Expr::Map(task));
        let all = [image, service];
        let problems = check(&all, &declared_platforms(&all));
        problems.first().map(|problem| problem.labels[0].text.clone())
    }

    fn resource(kind: &str, field: &str, value: Expr) -> Resource {
        Resource {
            address: Address::new(kind, "web").unwrap(),
            inputs: [(field.to_owned(), value)].into(),
            depends_on: [].into(),
            adopt: false,
            protect: false,
            span: Span::default(),
            spans: BTreeMap::new(),
        }
    }

    #[test]
    fn a_service_runs_what_is_for_its_platform() {
        let arm = [("cpuArchitecture", "ARM64")];
        let windows = [("operatingSystemFamily", "WINDOWS_SERVER_2022_CORE")];
        assert_eq!(check_one(&[], &["linux/amd64"]), None);
        assert_eq!(check_one(&[], &["linux/arm64", "linux/amd64"]), None);
        assert_eq!(check_one(&arm, &["linux/arm64/v8"]), None);
        assert_eq!(check_one(&windows, &["windows/amd64"]), None);
        // Nothing is known here of an architecture that AWS has since.
        assert_eq!(check_one(&[("cpuArchitecture", "RISCV")], &["linux/amd64"]), None);

        let wrong = "`image.web` is for linux/arm64, and the service runs on linux/amd64";
        assert_eq!(check_one(&[], &["linux/arm64"]).as_deref(), Some(wrong));
        assert!(check_one(&arm, &["linux/amd64", "linux/arm"]).is_some(), "is another one");
        assert!(check_one(&windows, &["linux/amd64"]).is_some());
    }
}
