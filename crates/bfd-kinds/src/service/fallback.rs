//! What runs in place of an image that was never pushed.
//!
//! A public image listens on a port of its own and answers a health check of its
//! own, so a service that only swaps the image can never get healthy. All of it is
//! swapped together, on one condition: that the fallback of the image is active.

use super::{
    container::shell,
    lower::Parts,
    task_definition::{finish_health_check, finish_port},
    tree::{Map, null},
};
use crate::{image, spec::Lower};
use bfd_core::{Expr, Reference};

/// Said of the real image, and not true of the one that stands in for it.
const OF_THE_IMAGE: &[&str] =
    &["command", "entryPoint", "user", "workingDirectory", "readonlyRootFilesystem"];

pub(super) fn apply(lower: &mut Lower<'_>, parts: &mut Parts) {
    let mode = parts.task.get("networkMode").and_then(Expr::as_str).unwrap_or("bridge").to_owned();
    let Some(Expr::Map(containers)) = parts.task.get_mut("containers") else { return };
    let awaited = awaited_healthy(containers);
    for (name, container) in containers {
        let Expr::Map(container) = container else { continue };
        let Some(image) = container.get("image").and_then(image::declared).cloned() else {
            continue;
        };
        let Some(Expr::Map(fallback)) = (lower.others)(&image, "fallback") else {
            if (lower.others)(&image, "first_deploy").is_some() {
                let condition = Reference { of: image, output: "fallback_active".to_owned() };
                match &mut parts.desired_count {
                    Some(count) => {
                        *count = either(&condition, Expr::Literal(0.into()), count.clone());
                    }
                    None => scaled(lower, name, "first_deploy"),
                }
            }
            continue;
        };
        let condition = Reference { of: image, output: "fallback_active".to_owned() };
        if awaited.contains(name) && !fallback.contains_key("health_check") {
            lower.error(
                &format!("container.{name}.image"),
                "service::fallback_without_health_check",
                "the fallback of this image can never be healthy",
                "another container waits until this one is `HEALTHY`",
                "add a `health_check` to the `fallback` of the image",
            );
        }
        swap_port(container, &fallback, &condition, &mode);
        swap_health_check(container, &fallback, &condition);
        for key in OF_THE_IMAGE {
            let then = fallback.get(*key).cloned().unwrap_or_else(null);
            swap(container, key, then, &condition);
        }
        if let Some(port) = fallback.get("port") {
            swap_load_balancers(&mut parts.settings, name, port, &condition);
        }
        match (fallback.get("desired_count"), &mut parts.desired_count) {
            (Some(then), Some(count)) => *count = either(&condition, then.clone(), count.clone()),
            (Some(_), None) => scaled(lower, name, "fallback.desired_count"),
            (None, _) => {}
        }
    }
}

/// Autoscaling decides how many tasks run, whatever image they would run.
fn scaled(lower: &mut Lower<'_>, container: &str, field: &str) {
    lower.error(
        &format!("container.{container}.image"),
        "service::count_with_autoscaling",
        "`autoscaling` decides how many tasks run",
        format!("the image says otherwise, in `{field}`"),
        "deploy the service once without `autoscaling`, or remove that from the image",
    );
}

fn awaited_healthy(containers: &Map) -> Vec<String> {
    let dependencies = containers
        .values()
        .filter_map(|container| container.as_map()?.get("dependsOn")?.as_list())
        .flatten();
    let healthy = |dependency: &Expr| {
        let dependency = dependency.as_map()?;
        (dependency.get("condition")?.as_str()? == "HEALTHY")
            .then(|| dependency.get("containerName")?.as_str().map(str::to_owned))?
    };
    dependencies.filter_map(healthy).collect()
}

fn either(condition: &Reference, then: Expr, otherwise: Expr) -> Expr {
    Expr::If { condition: condition.clone(), then: Box::new(then), otherwise: Box::new(otherwise) }
}

/// Puts a condition around a field, unless both sides say the same.
fn swap(container: &mut Map, key: &str, then: Expr, condition: &Reference) {
    let otherwise = container.remove(key).unwrap_or_else(null);
    let value = if then == otherwise { then } else { either(condition, then, otherwise) };
    if value != null() {
        container.insert(key.to_owned(), value);
    }
}

fn swap_port(container: &mut Map, fallback: &Map, condition: &Reference, mode: &str) {
    let Some(port) = fallback.get("port") else { return };
    // The first mapping keeps its name, so that Service Connect finds it.
    let first = container.get("portMappings").and_then(Expr::as_list).and_then(|all| all.first());
    let mut mapping = first.and_then(Expr::as_map).cloned().unwrap_or_default();
    mapping.remove("containerPortRange");
    mapping.remove("hostPort");
    mapping.insert("containerPort".to_owned(), port.clone());
    finish_port(&mut mapping, mode);
    swap(container, "portMappings", Expr::List(vec![Expr::Map(mapping)]), condition);
}

fn swap_health_check(container: &mut Map, fallback: &Map, condition: &Reference) {
    let then = fallback.get("health_check").map_or_else(null, |command| {
        let mut check =
            container.get("healthCheck").and_then(Expr::as_map).cloned().unwrap_or_default();
        check.insert("command".to_owned(), shell(command.clone()));
        finish_health_check(&mut check);
        Expr::Map(check)
    });
    swap(container, "healthCheck", then, condition);
}

fn swap_load_balancers(settings: &mut Map, container: &str, port: &Expr, condition: &Reference) {
    let Some(Expr::List(all)) = settings.get_mut("loadBalancers") else { return };
    for item in all {
        if let Expr::Map(item) = item
            && item.get("containerName").and_then(Expr::as_str) == Some(container)
        {
            swap(item, "containerPort", port.clone(), condition);
        }
    }
}
