//! From what was written about a container to its definition.

use super::{
    tree::{Map, boolean, number},
    units::{cpu_units, memory_mib},
};
use crate::spec::Lower;
use bfd_core::{Expr, to_text};

/// Fields that only change their spelling.
const RENAMED: &[(&str, &str)] = &[
    ("image", "image"),
    ("environment", "environment"),
    ("secrets", "secrets"),
    ("command", "command"),
    ("entry_point", "entryPoint"),
    ("essential", "essential"),
    ("user", "user"),
    ("working_directory", "workingDirectory"),
    ("stop_timeout", "stopTimeout"),
    ("start_timeout", "startTimeout"),
    ("read_only_root_filesystem", "readonlyRootFilesystem"),
    ("docker_labels", "dockerLabels"),
];

pub(super) const CPU_EXAMPLE: &str = "256` or `0.25 vCPU";
pub(super) const MEMORY_EXAMPLE: &str = "512` or `0.5GB";

pub(super) fn lower(lower: &mut Lower<'_>, name: &str, mut fields: Map) -> Map {
    let mut container = Map::new();
    for (field, key) in RENAMED {
        if let Some(value) = fields.remove(*field) {
            container.insert((*key).to_owned(), value);
        }
    }
    let at = |field: &str| format!("container.{name}.{field}");
    if !is_container_name(name) {
        lower.error(
            &at(""),
            "service::container_name",
            "not a name for a container",
            "has other characters than letters, digits, `-` and `_`, or more than 255",
            "choose another name",
        );
    }
    for (field, key) in
        [("cpu", "cpu"), ("memory", "memory"), ("memory_reservation", "memoryReservation")]
    {
        if let Some(value) = fields.remove(field) {
            let amount = match key {
                "cpu" => amount_of(lower, &at(field), &value, cpu_units, CPU_EXAMPLE),
                _ => amount_of(lower, &at(field), &value, memory_mib, MEMORY_EXAMPLE),
            };
            container.insert(key.to_owned(), amount.unwrap_or(value));
        }
    }
    let mut ports: Vec<Expr> = fields.remove("port").map(port).into_iter().collect();
    if let Some(Expr::List(more)) = fields.remove("ports") {
        ports.extend(more.into_iter().map(port));
    }
    container.insert("portMappings".to_owned(), Expr::List(ports));
    if let Some(Expr::List(files)) = fields.remove("environment_files") {
        let file = |value| pair("type", "s3".into(), "value", value);
        let files = files.into_iter().map(file).collect();
        container.insert("environmentFiles".to_owned(), Expr::List(files));
    }
    if let Some(check) = fields.remove("health_check") {
        container.insert("healthCheck".to_owned(), health_check(lower, &at("health_check"), check));
    }
    if let Some(logs) = fields.remove("logs") {
        container
            .insert("logConfiguration".to_owned(), log_configuration(lower, &at("logs"), logs));
    }
    if let Some(Expr::Map(others)) = fields.remove("depends_on") {
        let one = |(name, condition): (String, Expr)| {
            pair("containerName", name.into(), "condition", condition)
        };
        container.insert("dependsOn".to_owned(), Expr::List(others.into_iter().map(one).collect()));
    }
    if let Some(init) = fields.remove("init_process") {
        let parameters = Map::from([("initProcessEnabled".to_owned(), init)]);
        container.insert("linuxParameters".to_owned(), Expr::Map(parameters));
    }
    if let Some(Expr::List(points)) = fields.remove("mount_points") {
        let points = points.into_iter().map(mount_point).collect();
        container.insert("mountPoints".to_owned(), Expr::List(points));
    }
    if let Some(secret) = fields.remove("repository_credentials") {
        let credentials = Map::from([("credentialsParameter".to_owned(), secret)]);
        container.insert("repositoryCredentials".to_owned(), Expr::Map(credentials));
    }
    container
}

fn is_container_name(name: &str) -> bool {
    name.len() <= 255 && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
}

fn pair(first: &str, one: Expr, second: &str, two: Expr) -> Expr {
    Expr::Map(Map::from([(first.to_owned(), one), (second.to_owned(), two)]))
}

/// Reads a literal amount with a unit, and reports one that cannot be read.
pub(super) fn amount_of(
    lower: &mut Lower<'_>,
    field: &str,
    value: &Expr,
    read: fn(&str) -> Option<i64>,
    example: &str,
) -> Option<Expr> {
    let Expr::Literal(literal) = value else { return None };
    let amount = read(&to_text(literal));
    if amount.is_none() {
        lower.error(
            field,
            "service::amount",
            "not an amount",
            "is neither a whole number nor one with a unit",
            format!("write it as `{example}`"),
        );
    }
    amount.map(number)
}

fn port(written: Expr) -> Expr {
    let Expr::Map(mut fields) = written else {
        return Expr::Map(Map::from([("containerPort".to_owned(), written)]));
    };
    rename(
        &mut fields,
        &[
            ("port", "containerPort"),
            ("host_port", "hostPort"),
            ("protocol", "protocol"),
            ("name", "name"),
            ("app_protocol", "appProtocol"),
        ],
    )
}

fn mount_point(written: Expr) -> Expr {
    let Expr::Map(mut fields) = written else { return written };
    rename(
        &mut fields,
        &[("volume", "sourceVolume"), ("path", "containerPath"), ("read_only", "readOnly")],
    )
}

fn rename(fields: &mut Map, names: &[(&str, &str)]) -> Expr {
    let renamed = names
        .iter()
        .filter_map(|(field, key)| fields.remove(*field).map(|value| ((*key).to_owned(), value)));
    Expr::Map(renamed.collect())
}

fn health_check(lower: &mut Lower<'_>, field: &str, written: Expr) -> Expr {
    let Expr::Map(mut written) = written else {
        return Expr::Map(Map::from([("command".to_owned(), shell(written))]));
    };
    let mut check = Map::new();
    if let Some(command) = written.remove("command") {
        let first = command.as_list().map(|all| all.first().and_then(Expr::as_str));
        if first.is_some_and(|first| !matches!(first, Some("CMD" | "CMD-SHELL" | "NONE"))) {
            lower.error(
                &format!("{field}.command"),
                "service::health_check",
                "ECS does not know how to run this health check",
                "does not begin with `CMD`, `CMD-SHELL` or `NONE`",
                "add `\"CMD\"` at the beginning, or write one text for a shell",
            );
        }
        check.insert("command".to_owned(), shell(command));
    }
    for (name, key) in [
        ("interval", "interval"),
        ("timeout", "timeout"),
        ("retries", "retries"),
        ("start_period", "startPeriod"),
    ] {
        if let Some(value) = written.remove(name) {
            check.insert(key.to_owned(), value);
        }
    }
    Expr::Map(check)
}

/// A text is for a shell; a list is as AWS takes it.
pub(super) fn shell(command: Expr) -> Expr {
    match command {
        Expr::List(_) => command,
        text => Expr::List(vec!["CMD-SHELL".into(), text]),
    }
}

fn log_configuration(lower: &mut Lower<'_>, field: &str, written: Expr) -> Expr {
    let mut fields = match written {
        Expr::Map(fields) => fields,
        group => Map::from([("group".to_owned(), group)]),
    };
    let driver = fields.remove("driver").unwrap_or_else(|| "awslogs".into());
    let mut options = Map::new();
    if driver.as_str() == Some("awslogs") {
        if let Some(group) = fields.remove("group") {
            options.insert("awslogs-group".to_owned(), group);
        }
        let region = lower.environment.region.as_str().into();
        options.insert("awslogs-region".to_owned(), fields.remove("region").unwrap_or(region));
        let prefix = fields.remove("stream_prefix").unwrap_or_else(|| "ecs".into());
        options.insert("awslogs-stream-prefix".to_owned(), prefix);
    }
    for left in ["group", "region", "stream_prefix"] {
        if fields.contains_key(left) {
            lower.error(
                &format!("{field}.{left}"),
                "service::logs",
                "only the driver `awslogs` has this",
                format!("the driver is `{}`", driver.as_str().unwrap_or("…")),
                "write the driver's own `options`",
            );
        }
    }
    if let Some(Expr::Map(more)) = fields.remove("options") {
        options.extend(more);
    }
    if driver.as_str() == Some("awslogs") && !options.contains_key("awslogs-group") {
        lower.error(
            field,
            "service::logs",
            "a log group is missing",
            "the driver `awslogs` writes to a log group",
            "add `group = \"/aws/ecs/NAME\"`",
        );
    }
    let mut logs = Map::from([("logDriver".to_owned(), driver)]);
    if let Some(Expr::Map(secrets)) = fields.remove("secret_options") {
        let one = |(name, from): (String, Expr)| pair("name", name.into(), "valueFrom", from);
        logs.insert("secretOptions".to_owned(), Expr::List(secrets.into_iter().map(one).collect()));
    }
    logs.insert("options".to_owned(), Expr::Map(options));
    Expr::Map(logs)
}

/// Whether ECS, not the code in the container, needs a role for what is declared.
pub(super) fn needs_execution_role(container: &Map) -> Option<&'static str> {
    let has = |key: &str| container.contains_key(key);
    let awslogs = container
        .get("logConfiguration")
        .and_then(|logs| logs.as_map()?.get("logDriver")?.as_str())
        == Some("awslogs");
    if has("secrets") {
        Some("reads secrets")
    } else if has("repositoryCredentials") {
        Some("reads the password of a registry")
    } else if has("environmentFiles") {
        Some("reads files of environment variables")
    } else if awslogs {
        Some("writes logs to CloudWatch")
    } else {
        None
    }
}

/// Whether a container stops the task when it stops.
pub(super) fn is_essential(container: &Map) -> bool {
    container.get("essential").unwrap_or(&boolean(true)).as_bool() == Some(true)
}
