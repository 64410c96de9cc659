//! What `RegisterTaskDefinition` refuses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{INVALID, check_name, client_error, invalid};
use crate::error::JsonError;
use crate::image;
use crate::json;
use crate::world::World;

pub(super) fn check(world: &World, body: &Value) -> Result<(), JsonError> {
    check_name(json::required(body, "family", INVALID)?, "Family")?;
    let containers = json::array(body, "containerDefinitions");
    if containers.is_empty() {
        return Err(client_error("Container list cannot be empty."));
    }
    let mut names = BTreeSet::new();
    for container in containers {
        let name = check_container(body, container)?;
        if !names.insert(name) {
            return Err(client_error(format!("Container names must be unique: {name}.")));
        }
    }
    if containers.iter().all(|container| container["essential"] == false) {
        return Err(client_error(
            "Invalid setting for containers. At least one container must be essential.",
        ));
    }
    for container in containers {
        for dependency in json::array(container, "dependsOn") {
            let other = dependency["containerName"].as_str().unwrap_or_default();
            if !names.contains(other) {
                return Err(client_error(format!(
                    "Invalid setting for container '{}'. The dependsOn container '{other}' is not \
                     in the task definition.",
                    container["name"].as_str().unwrap_or_default()
                )));
            }
        }
    }
    let is_fargate = json::strings(body, "requiresCompatibilities").contains(&"FARGATE");
    if is_fargate {
        check_fargate(world, body)?;
    }
    let has_role = json::text(body, "executionRoleArn").is_some();
    let has_secrets = |container: &Value| !json::array(container, "secrets").is_empty();
    if !has_role && containers.iter().any(has_secrets) {
        return Err(client_error(
            "When you are specifying container secrets, you must also specify a value for \
             'executionRoleArn'.",
        ));
    }
    Ok(())
}

/// CPU units or MiB: `1024`, `1 vCPU`, `2GB`.
pub(super) fn amount(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    for unit in ["vcpu", "gb"] {
        if let Some(number) = text.strip_suffix(unit) {
            // Quarters are what AWS sells, and they are exact.
            let quarters = number.trim().parse::<f64>().ok()? * 4.0;
            let whole = (0..=4096_u16).find(|whole| (f64::from(*whole) - quarters).abs() < 1e-9)?;
            return Some(u64::from(whole) * 256);
        }
    }
    text.parse().ok()
}

/// What the definition can run on, as `DescribeTaskDefinition` lists it.
pub(super) fn compatibilities(body: &Value) -> Vec<&'static str> {
    let is_awsvpc = body["networkMode"] == "awsvpc";
    let sized = || Some((amount(body["cpu"].as_str()?)?, amount(body["memory"].as_str()?)?));
    let mut kinds = vec!["EC2"];
    if is_awsvpc && sized().is_some_and(|(cpu, memory)| is_fargate_size(cpu, memory)) {
        kinds.push("FARGATE");
    }
    if !is_awsvpc {
        kinds.push("EXTERNAL");
    }
    kinds
}

fn check_container<'a>(body: &Value, container: &'a Value) -> Result<&'a str, JsonError> {
    let name = json::text(container, "name")
        .ok_or_else(|| client_error("Container.name should not be null or empty."))?;
    check_name(name, "Container")?;
    if json::text(container, "image").is_none() {
        return Err(client_error("Container.image should not be null or empty."));
    }
    let setting = |message: String| {
        client_error(format!("Invalid setting for container '{name}'. {message}"))
    };
    let (memory, reserved) =
        (container["memory"].as_u64(), container["memoryReservation"].as_u64());
    if memory.is_none() && reserved.is_none() && json::text(body, "memory").is_none() {
        return Err(setting(
            "At least one of 'memory' or 'memoryReservation' must be specified.".to_owned(),
        ));
    }
    if memory.is_some_and(|memory| memory < 6) {
        return Err(setting("'memory' must be at least 6 MiB.".to_owned()));
    }
    if memory.zip(reserved).is_some_and(|(memory, reserved)| memory < reserved) {
        return Err(setting(
            "'memory' must be greater than or equal to 'memoryReservation'.".to_owned(),
        ));
    }
    for mapping in json::array(container, "portMappings") {
        let (host, inside) = (&mapping["hostPort"], &mapping["containerPort"]);
        if !inside.as_u64().is_some_and(|port| (1..=65535).contains(&port))
            && mapping["containerPortRange"].is_null()
        {
            return Err(setting("Container ports must be between 1 and 65535.".to_owned()));
        }
        if body["networkMode"] == "awsvpc"
            && host.as_u64().is_some_and(|port| port != 0)
            && host != inside
        {
            return Err(client_error(
                "When networkMode=awsvpc, the host ports and container ports in port mappings \
                 must match.",
            ));
        }
    }
    for (member, parts) in [("environment", ["name", "value"]), ("secrets", ["name", "valueFrom"])]
    {
        for item in json::array(container, member) {
            if json::text(item, parts[0]).is_none() || !item[parts[1]].is_string() {
                return Err(setting(format!(
                    "Each of its {member} needs {} and {}.",
                    parts[0], parts[1]
                )));
            }
        }
    }
    check_health(name, &container["healthCheck"])?;
    Ok(name)
}

fn check_health(container: &str, check: &Value) -> Result<(), JsonError> {
    if check.is_null() {
        return Ok(());
    }
    if !matches!(json::strings(check, "command").first(), Some(&("CMD" | "CMD-SHELL" | "NONE"))) {
        return Err(client_error(format!(
            "Invalid setting for container '{container}'. The healthCheck command must start with \
             CMD or CMD-SHELL."
        )));
    }
    let ranges =
        [("interval", 5, 300), ("timeout", 2, 120), ("retries", 1, 10), ("startPeriod", 0, 300)];
    for (member, least, most) in ranges {
        if check[member].as_i64().is_some_and(|number| !(least..=most).contains(&number)) {
            return Err(invalid(format!(
                "Invalid setting for container '{container}'. The healthCheck {member} must be \
                 between {least} and {most}."
            )));
        }
    }
    Ok(())
}

fn check_fargate(world: &World, body: &Value) -> Result<(), JsonError> {
    if body["networkMode"] != "awsvpc" {
        return Err(client_error("Fargate only supports network mode ‘awsvpc’."));
    }
    let mut sizes = [0, 0];
    for (size, member) in sizes.iter_mut().zip(["cpu", "memory"]) {
        let text = json::text(body, member).ok_or_else(|| {
            client_error(format!("Fargate requires that '{member}' be defined at the task level."))
        })?;
        *size = amount(text)
            .ok_or_else(|| client_error(format!("Invalid '{member}' setting for task: {text}.")))?;
    }
    let [cpu, memory] = sizes;
    if !is_fargate_size(cpu, memory) {
        return Err(client_error(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See \
             the Amazon ECS documentation for the valid values."
        )));
    }
    let registry = image::registry(world);
    let has_role = json::text(body, "executionRoleArn").is_some();
    let (mut used_cpu, mut used_memory) = (0, 0);
    for container in json::array(body, "containerDefinitions") {
        used_cpu += container["cpu"].as_u64().unwrap_or_default();
        used_memory += container["memoryReservation"].as_u64().unwrap_or_default();
        if container["memory"].as_u64().is_some_and(|most| most > memory) {
            return Err(client_error(
                "Invalid 'memory' setting for container: it exceeds the memory of the task.",
            ));
        }
        if container["privileged"] == true {
            return Err(client_error("Fargate does not support privileged containers."));
        }
        let driver = container["logConfiguration"]["logDriver"].as_str();
        if driver == Some("awslogs") && !has_role {
            return Err(client_error(
                "Fargate requires task definition to have execution role ARN to support log \
                 driver awslogs.",
            ));
        }
        let is_private =
            container["image"].as_str().is_some_and(|name| name.starts_with(&registry));
        if is_private && !has_role {
            return Err(client_error(
                "Fargate requires task definition to have execution role ARN to support ECR \
                 images.",
            ));
        }
    }
    if used_cpu > cpu || used_memory > memory {
        return Err(client_error(
            "The total of the containers' cpu or memoryReservation exceeds that of the task.",
        ));
    }
    Ok(())
}

/// The sizes Fargate sells.
/// Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>
fn is_fargate_size(cpu: u64, memory: u64) -> bool {
    const GB: u64 = 1024;
    let (least, most, step) = match cpu {
        256 => return matches!(memory, 512 | 1024 | 2048),
        512 => (GB, 4 * GB, GB),
        1024 => (2 * GB, 8 * GB, GB),
        2048 => (4 * GB, 16 * GB, GB),
        4096 => (8 * GB, 30 * GB, GB),
        8192 => (16 * GB, 60 * GB, 4 * GB),
        16384 => (32 * GB, 120 * GB, 8 * GB),
        _ => return false,
    };
    (least..=most).contains(&memory) && (memory - least).is_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::{amount, is_fargate_size};

    #[test]
    fn amounts() {
        assert_eq!(amount("256"), Some(256));
        assert_eq!(amount("1 vCPU"), Some(1024));
        assert_eq!(amount(".25 vcpu"), Some(256));
        assert_eq!(amount("2GB"), Some(2048));
        assert_eq!(amount("much"), None);
    }

    #[test]
    fn fargate_sizes() {
        assert!(is_fargate_size(256, 512) && is_fargate_size(512, 4096));
        assert!(
            !is_fargate_size(256, 4096) && !is_fargate_size(512, 512) && !is_fargate_size(300, 512)
        );
        assert!(is_fargate_size(8192, 20 * 1024) && !is_fargate_size(8192, 17 * 1024));
    }
}
