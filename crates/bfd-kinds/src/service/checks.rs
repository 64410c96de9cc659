//! What AWS would refuse, and what would make a rollback slow.

use super::{
    container::{is_essential, needs_execution_role},
    load_balancer,
    lower::Parts,
    tree::{Map, int, list, text},
    units::refused_by_fargate,
};
use crate::{
    image::{self, declared},
    spec::Lower,
};
use bfd_core::{Address, Expr};
use std::collections::BTreeSet;

pub(super) fn check(lower: &mut Lower<'_>, parts: &Parts, fargate: bool) {
    let none = Map::new();
    let containers = parts.task.get("containers").and_then(Expr::as_map).unwrap_or(&none);
    let containers: Vec<(&str, &Map)> = containers
        .iter()
        .filter_map(|(name, container)| Some((name.as_str(), container.as_map()?)))
        .collect();
    if containers.is_empty() {
        lower.error(
            "container",
            "service::no_containers",
            "a service needs a container",
            "has none",
            "add `[service.NAME.container.NAME]` with an `image`",
        );
        return;
    }
    if !containers.iter().any(|(_, container)| is_essential(container)) {
        lower.error(
            "container",
            "service::nothing_essential",
            "one container of a task must be essential",
            "none is",
            "remove `essential = false` from the one that does the work",
        );
    }
    for (name, container) in &containers {
        check_container(lower, name, container, parts);
        check_dependencies(lower, name, container, &containers);
    }
    check_size(lower, parts, &containers, fargate);
    check_ports(lower, parts, &containers);
    check_network(lower, parts, fargate);
    check_role(lower, parts, &containers, fargate);
    load_balancer::check(lower, parts, &containers);
    check_rollback(lower, parts);
}

/// The ranges of ECS's HealthCheck, in seconds but for `retries`.
const HEALTH_CHECK: &[(&str, &str, i64, i64)] = &[
    ("interval", "interval", 5, 300),
    ("timeout", "timeout", 2, 60),
    ("retries", "retries", 1, 10),
    ("startPeriod", "start_period", 0, 300),
];

fn check_container(lower: &mut Lower<'_>, name: &str, container: &Map, parts: &Parts) {
    let at = |field: &str| format!("container.{name}.{field}");
    if !container.contains_key("image") {
        lower.error(
            &at("image"),
            "service::no_image",
            "a container needs an image",
            format!("`{name}` has none"),
            "add `image = \"${image.NAME}\"`",
        );
    }
    if let Some(Expr::Map(check)) = container.get("healthCheck") {
        if !check.contains_key("command") {
            lower.error(
                &at("health_check"),
                "service::health_check",
                "a health check needs a command",
                "has none",
                "add `command = \"curl -f http://localhost/ || exit 1\"`",
            );
        }
        for (key, field, least, most) in HEALTH_CHECK {
            if let Some(value) = int(check, key).filter(|value| !(least..=most).contains(&value)) {
                lower.error(
                    &at(&format!("health_check.{field}")),
                    "service::health_check",
                    "outside the range of ECS",
                    format!("is {value}; ECS takes {least} to {most}"),
                    "choose a value in the range",
                );
            }
        }
    }
    let empty = Map::new();
    let names = |key: &str| container.get(key).and_then(Expr::as_map).unwrap_or(&empty).keys();
    for variable in
        names("secrets").filter(|secret| names("environment").any(|name| name == *secret))
    {
        lower.error(
            &at(&format!("secrets.{variable}")),
            "service::duplicate_variable",
            "a variable is set twice",
            format!("`{variable}` is also in `environment`"),
            "remove one of them",
        );
    }
    if names("environment").any(String::is_empty) {
        lower.error(
            &at("environment"),
            "service::variable_name",
            "a variable needs a name",
            "has an empty one",
            "give it a name, or remove it",
        );
    }
    if let (Some(reserved), Some(most)) =
        (int(container, "memoryReservation"), int(container, "memory"))
        && reserved > most
    {
        lower.error(
            &at("memory_reservation"),
            "service::size",
            "reserves more memory than it may use",
            format!("{reserved} MiB of at most {most}"),
            "raise `memory`, or lower this",
        );
    }
    let volumes: BTreeSet<&str> =
        list(&parts.task, "volumes").filter_map(|volume| text(volume, "name")).collect();
    for volume in list(container, "mountPoints").filter_map(|point| text(point, "sourceVolume")) {
        if !volumes.contains(volume) {
            lower.error(
                &at("mount_points"),
                "service::unknown_volume",
                "the task has no such volume",
                format!("names `{volume}`"),
                "add it to `task_definition.volumes`",
            );
        }
    }
}

fn check_dependencies(
    lower: &mut Lower<'_>,
    name: &str,
    container: &Map,
    containers: &[(&str, &Map)],
) {
    for dependency in list(container, "dependsOn") {
        let (Some(on), Some(condition)) =
            (text(dependency, "containerName"), text(dependency, "condition"))
        else {
            continue;
        };
        let place = format!("container.{name}.depends_on.{on}");
        let mut refuse = |label: &str, help: &str| {
            let code = "service::container_dependency";
            lower.error(&place, code, "a dependency that ECS refuses", label, help);
        };
        let Some((_, other)) = containers.iter().find(|(other, _)| *other == on) else {
            let names: Vec<&str> = containers.iter().map(|(name, _)| *name).collect();
            refuse("the task has no such container", &format!("it has `{}`", names.join("`, `")));
            continue;
        };
        if on == name {
            refuse("the container waits for itself", "remove it");
        } else if condition == "HEALTHY" && !other.contains_key("healthCheck") {
            refuse("the other container has no health check", "add a `health_check` to it");
        } else if matches!(condition, "COMPLETE" | "SUCCESS") && is_essential(other) {
            refuse(
                "the other container is essential, so the task would stop when it completes",
                "add `essential = false` to it",
            );
        }
    }
    if waits_for_itself(name, containers) {
        lower.error(
            &format!("container.{name}.depends_on"),
            "service::container_dependency",
            "containers wait for each other",
            format!("`{name}` waits for itself, through others"),
            "remove one of the dependencies",
        );
    }
}

/// Whether a chain of at least two dependencies leads from a container to itself.
fn waits_for_itself(name: &str, containers: &[(&str, &Map)]) -> bool {
    let of = |name: &str| -> Vec<&str> {
        let found = containers.iter().find(|(other, _)| *other == name);
        found
            .map(|(_, container)| {
                list(container, "dependsOn").filter_map(|d| text(d, "containerName")).collect()
            })
            .unwrap_or_default()
    };
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = of(name).into_iter().filter(|on| *on != name).collect();
    while let Some(on) = next.pop() {
        if on == name {
            return true;
        }
        if seen.insert(on) {
            next.extend(of(on));
        }
    }
    false
}

fn check_size(lower: &mut Lower<'_>, parts: &Parts, containers: &[(&str, &Map)], fargate: bool) {
    let amount = |key: &str| text(&parts.task, key).and_then(|text| text.parse::<i64>().ok());
    let (cpu, memory) = (amount("cpu"), amount("memory"));
    if fargate {
        for field in ["cpu", "memory"] {
            if !parts.task.contains_key(field) {
                lower.error(
                    field,
                    "service::size",
                    "a task on Fargate needs a size",
                    format!("has no `{field}`"),
                    "the smallest is `cpu = 256`, `memory = 512`",
                );
            }
        }
        if let (Some(cpu), Some(memory)) = (cpu, memory)
            && let Some((label, help)) = refused_by_fargate(cpu, memory)
        {
            lower.error("memory", "service::size", "not a size of Fargate", label, help);
        }
    } else if memory.is_none() && !parts.task.contains_key("memory") {
        for (name, container) in containers {
            if !container.contains_key("memory") && !container.contains_key("memoryReservation") {
                lower.error(
                    &format!("container.{name}"),
                    "service::size",
                    "a container needs a memory limit",
                    "has none, and neither has the task",
                    "add `memory` to the container or to the service",
                );
            }
        }
    }
    for (key, whole) in [("cpu", cpu), ("memoryReservation", memory)] {
        let parts: i64 = containers.iter().filter_map(|(_, container)| int(container, key)).sum();
        if let Some(whole) = whole.filter(|whole| parts > *whole) {
            let field = if key == "cpu" { "cpu" } else { "memory" };
            lower.error(
                field,
                "service::size",
                "the containers do not fit into the task",
                format!("the task has {whole}, its containers want {parts}"),
                "give the task more, or its containers less",
            );
        }
    }
    for (name, container) in containers {
        if let (Some(most), Some(whole)) = (int(container, "memory"), memory)
            && most > whole
        {
            lower.error(
                &format!("container.{name}.memory"),
                "service::size",
                "the containers do not fit into the task",
                format!("the task has {whole} MiB, this one may use {most}"),
                "give the task more, or the container less",
            );
        }
    }
}

fn check_ports(lower: &mut Lower<'_>, parts: &Parts, containers: &[(&str, &Map)]) {
    let mode = text(&parts.task, "networkMode").unwrap_or("bridge");
    let mut taken = BTreeSet::new();
    for (name, container) in containers {
        let mut refuse = |label: String, help: &str| {
            let place = format!("container.{name}.port");
            lower.error(&place, "service::port", "a port that ECS refuses", label, help);
        };
        for mapping in list(container, "portMappings") {
            let Some(port) = int(mapping, "containerPort") else { continue };
            let protocol = text(mapping, "protocol").unwrap_or("tcp");
            let shared = mode == "awsvpc" || mode == "host";
            if mode == "none" {
                refuse(format!("port {port} in a task without a network"), "remove it");
            } else if shared && int(mapping, "hostPort").is_some_and(|host| host != port) {
                refuse(
                    format!("port {port} cannot be another one outside in the mode `{mode}`"),
                    "remove `host_port`",
                );
            }
            let owner = if shared { "" } else { name };
            if !taken.insert((owner, port, protocol)) {
                refuse(
                    format!("port {port} is taken by another mapping of the task"),
                    "containers of a task share its ports; choose another one",
                );
            }
        }
    }
}

fn check_network(lower: &mut Lower<'_>, parts: &Parts, fargate: bool) {
    let awsvpc = text(&parts.task, "networkMode") == Some("awsvpc");
    if fargate && !awsvpc {
        lower.error(
            "network_mode",
            "service::network",
            "Fargate connects tasks with `awsvpc` only",
            "another mode",
            "remove it",
        );
    }
    let subnets = parts
        .settings
        .get("networkConfiguration")
        .and_then(|network| network.as_map()?.get("awsvpcConfiguration")?.as_map()?.get("subnets"));
    if awsvpc && subnets.is_none() {
        lower.error(
            "network",
            "service::network",
            "a task needs subnets",
            "has none",
            "add `network = { subnets = [\"…\"], security_groups = [\"…\"] }`",
        );
    }
    if !awsvpc && subnets.is_some() {
        lower.error(
            "network",
            "service::network",
            "only tasks in the mode `awsvpc` are in subnets",
            "has no effect in another mode",
            "remove it, or remove `network_mode`",
        );
    }
    // Both from the reference of NetworkConfiguration.
    let length = |key: &str| {
        let vpc =
            parts.settings.get("networkConfiguration")?.as_map()?.get("awsvpcConfiguration")?;
        Some(vpc.as_map()?.get(key)?.as_list()?.len())
    };
    for (key, field, most) in [("subnets", "subnets", 16), ("securityGroups", "security_groups", 5)]
    {
        if let Some(count) = length(key).filter(|count| *count > most) {
            lower.error(
                &format!("network.{field}"),
                "service::network",
                "more than ECS takes",
                format!("has {count}; ECS takes {most}"),
                "remove some",
            );
        }
    }
}

fn check_role(lower: &mut Lower<'_>, parts: &Parts, containers: &[(&str, &Map)], fargate: bool) {
    if parts.task.contains_key("executionRoleArn") {
        return;
    }
    for (name, container) in containers {
        let why = needs_execution_role(container)
            .or_else(|| from_ecr(lower, container).then_some("pulls its image from ECR"));
        // On EC2 the instance's own role pulls images and writes logs, and reads no secrets.
        let Some(why) = why.filter(|_| fargate || container.contains_key("secrets")) else {
            continue;
        };
        lower.error(
            &format!("container.{name}"),
            "service::execution_role",
            "an execution role is missing",
            format!("ECS {why} before `{name}` runs"),
            "add `execution_role`, with the policy `AmazonECSTaskExecutionRolePolicy`",
        );
        return;
    }
}

fn from_ecr(lower: &Lower<'_>, container: &Map) -> bool {
    let Some(image) = container.get("image") else { return false };
    let others = lower.others;
    let name_of = |address: &Address| {
        others(address, "name").and_then(|name| name.as_str().map(str::to_owned))
    };
    if let Some(address) = declared(image)
        && others(address, "repository").is_some()
    {
        return true;
    }
    let source = declared(image).and_then(|address| others(address, "source"));
    let source = source.as_ref().unwrap_or(image);
    let private = |text: &str| text.contains(".dkr.ecr.");
    match image::place(source, lower.environment, &name_of) {
        Ok(Some(_)) => true,
        _ => source.as_str().is_some_and(private),
    }
}

/// Warns of what keeps a failed deployment from being undone within five minutes.
fn check_rollback(lower: &mut Lower<'_>, parts: &Parts) {
    let controller = parts
        .settings
        .get("deploymentController")
        .and_then(|controller| controller.as_map()?.get("type")?.as_str());
    let daemon = text(&parts.settings, "schedulingStrategy") == Some("DAEMON");
    let Some(Expr::Map(deployment)) = parts.settings.get("deploymentConfiguration") else { return };
    if controller.is_some_and(|controller| controller != "ECS") || daemon {
        return;
    }
    let mut weaker = |field: &str, label: String| {
        lower.warn(
            field,
            "service::slow_rollback",
            "a failed deployment may take longer to undo",
            label,
            "remove it; the defaults keep the old tasks until the new ones are healthy",
        );
    };
    if let Some(least) = int(deployment, "minimumHealthyPercent").filter(|least| *least < 100) {
        weaker(
            "minimum_healthy_percent",
            format!("lets a deployment stop {} % of the tasks", 100 - least),
        );
    }
    if let Some(most) = int(deployment, "maximumPercent").filter(|most| *most < 200) {
        weaker(
            "maximum_percent",
            format!("lets {} % of new tasks start beside the old ones", most - 100),
        );
    }
    if let Some(Expr::Map(breaker)) = deployment.get("deploymentCircuitBreaker") {
        for (key, label) in [
            ("enable", "lets ECS start failing tasks over and over"),
            ("rollback", "lets ECS stop where it failed"),
        ] {
            if breaker.get(key).and_then(Expr::as_bool) == Some(false) {
                weaker(&format!("circuit_breaker.{key}"), label.to_owned());
            }
        }
    }
}
