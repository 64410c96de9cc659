//! The canonical form of a task definition, and ECS's own.

use super::{
    tree::{
        Map, boolean, by_name, default, in_list, in_map, map_of, number, prune, sort, sort_set,
        texts, to_list, value_of,
    },
    units::{cpu_units, memory_mib},
};
use crate::json;
use bfd_core::{Expr, Value, to_text};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What DescribeTaskDefinition tells and RegisterTaskDefinition does not take.
const READ_ONLY: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// Lists of a container whose order means nothing, and what they are sorted by.
///
/// Not among them: `environmentFiles`, where the first file that has a variable counts.
const CONTAINER_SETS: &[(&str, &[&str])] = &[
    ("portMappings", &["containerPort", "protocol", "hostPort"]),
    ("mountPoints", &["containerPath"]),
    ("volumesFrom", &["sourceContainer"]),
    ("systemControls", &["namespace"]),
    ("ulimits", &["name"]),
    ("resourceRequirements", &["type"]),
];

/// Reads a task definition, as DescribeTaskDefinition answers it or as
/// RegisterTaskDefinition takes it, into the canonical form.
///
/// Defaults that AWS fills in are filled in, so that what was declared compares
/// equal to what is read back.
pub fn canonical_task_definition(described: &Value) -> Value {
    let mut map = shape(map_of(described));
    finish(&mut map);
    value_of(map)
}

/// Writes the request of RegisterTaskDefinition, without `tags`.
pub fn register_task_definition(canonical: &Value) -> Value {
    let mut map = map_of(&canonical_task_definition(canonical));
    in_map(&mut map, "containers", |containers| {
        for container in containers.values_mut() {
            if let Expr::Map(container) = container {
                to_list(container, "environment", "name", Some("value"));
                to_list(container, "secrets", "name", Some("valueFrom"));
            }
        }
    });
    to_list(&mut map, "containers", "name", None);
    if let Some(containers) = map.remove("containers") {
        map.insert("containerDefinitions".to_owned(), containers);
    }
    value_of(map)
}

/// Names the content of a task definition: SHA-256 over its canonical form, in 64
/// hexadecimal digits. A revision that carries it as a tag can be used again.
pub fn content_hash(task_definition: &Value) -> String {
    let text = json::canonical_text(&canonical_task_definition(task_definition));
    let mut hash = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        write!(hash, "{byte:02x}").expect("a string takes everything");
    }
    hash
}

/// Brings either form into the shape of the canonical one, without defaults, so
/// that parts from several places can be merged.
pub(super) fn shape(mut map: Map) -> Map {
    // The whole answer of DescribeTaskDefinition, as the AWS CLI prints it.
    if let Some(Expr::Map(inner)) = map.remove("taskDefinition") {
        map = inner;
    }
    for key in READ_ONLY {
        map.remove(*key);
    }
    map.remove("tags");
    if let Some(definitions) = map.remove("containerDefinitions") {
        map.insert("containers".to_owned(), definitions);
    }
    by_name(&mut map, "containers", "name", None);
    in_map(&mut map, "containers", |containers| {
        for container in containers.values_mut() {
            if let Expr::Map(container) = container {
                shape_container(container);
            }
        }
    });
    in_units(&mut map, "cpu", cpu_units, |units| units.to_string().into());
    in_units(&mut map, "memory", memory_mib, |mib| mib.to_string().into());
    prune(&mut map);
    map
}

fn shape_container(container: &mut Map) {
    container.remove("name");
    by_name(container, "environment", "name", Some("value"));
    by_name(container, "secrets", "name", Some("valueFrom"));
    in_map(container, "environment", texts);
    in_map(container, "dockerLabels", texts);
    in_map(container, "logConfiguration", |logs| in_map(logs, "options", texts));
    in_units(container, "cpu", cpu_units, number);
    in_units(container, "memory", memory_mib, number);
    in_units(container, "memoryReservation", memory_mib, number);
}

fn in_units(map: &mut Map, key: &str, read: fn(&str) -> Option<i64>, write: fn(i64) -> Expr) {
    if let Some(Expr::Literal(value)) = map.get(key)
        && let Some(amount) = read(&to_text(value))
    {
        map.insert(key.to_owned(), write(amount));
    }
}

/// Fills in what AWS fills in, and sorts what has no order.
pub(super) fn finish(map: &mut Map) {
    let mode = map.get("networkMode").and_then(Expr::as_str).unwrap_or("bridge").to_owned();
    in_map(map, "containers", |containers| {
        for container in containers.values_mut() {
            if let Expr::Map(container) = container {
                finish_container(container, &mode);
            }
        }
    });
    in_list(map, "volumes", |volume| {
        in_map(volume, "efsVolumeConfiguration", |efs| {
            default(efs, "rootDirectory", "/".into());
        });
    });
    in_map(map, "proxyConfiguration", |proxy| sort(proxy, "properties", &["name"]));
    sort(map, "volumes", &["name"]);
    sort(map, "placementConstraints", &[]);
    sort(map, "inferenceAccelerators", &["deviceName"]);
    sort_set(map, "requiresCompatibilities");
    prune(map);
}

fn finish_container(container: &mut Map, mode: &str) {
    default(container, "essential", boolean(true));
    default(container, "cpu", number(0));
    in_list(container, "portMappings", |mapping| finish_port(mapping, mode));
    in_list(container, "mountPoints", |point| default(point, "readOnly", boolean(false)));
    in_map(container, "healthCheck", finish_health_check);
    in_map(container, "logConfiguration", |logs| sort(logs, "secretOptions", &["name"]));
    for (key, fields) in CONTAINER_SETS {
        sort(container, key, fields);
    }
}

pub(super) fn finish_port(mapping: &mut Map, mode: &str) {
    default(mapping, "protocol", "tcp".into());
    // A range of ports has no single host port.
    let Some(port) = mapping.get("containerPort").cloned() else { return };
    match mode {
        // Tasks have an address of their own, so there is nothing to map.
        "awsvpc" | "host" => default(mapping, "hostPort", port),
        "bridge" => default(mapping, "hostPort", number(0)),
        _ => {}
    }
}

pub(super) fn finish_health_check(check: &mut Map) {
    default(check, "interval", number(30));
    default(check, "timeout", number(5));
    default(check, "retries", number(3));
    default(check, "startPeriod", number(0));
}
