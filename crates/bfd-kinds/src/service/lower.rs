//! From what was written to the canonical form.

use super::{
    aws_fields::{self, Shape},
    checks, container, fallback, load_balancer, requests, task_definition,
    tree::{Map, boolean, merge, null, number},
    units::{cpu_units, memory_mib},
};
use crate::{
    cluster::strategy,
    lowering::{file_text, prune, tags},
    spec::Lower,
};
use bfd_core::{Address, Expr, Inputs, Value};

/// What a service consists of on its way into the canonical form.
pub(super) struct Parts {
    /// `task_definition`.
    pub(super) task: Map,
    /// `service`.
    pub(super) settings: Map,
    pub(super) desired_count: Option<Expr>,
}

pub(super) fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    let cluster = cluster(lower);
    let settings = settings(lower);
    let fargate = settings.get("launchType").and_then(Expr::as_str) == Some("FARGATE")
        || only_fargate(settings.get("capacityProviderStrategy"));
    let task = task(lower, &settings, fargate);
    let mut parts = Parts { task, settings, desired_count: None };
    let autoscaling = lower.take("autoscaling").map(|written| autoscaling(lower, written));
    let count = lower.take("desired_count");
    if autoscaling.is_none() {
        parts.desired_count = Some(count.unwrap_or_else(|| number(1)));
    } else if count.is_some() {
        lower.warn(
            "desired_count",
            "service::count_with_autoscaling",
            "`desired_count` has no effect",
            "`autoscaling` decides how many tasks run",
            "remove it; a new service begins with `autoscaling.min`",
        );
    }
    grace_period(lower, &mut parts);
    load_balancer::complete(lower, &mut parts);
    task_definition::finish(&mut parts.task);
    // Before sorting, so that a load balancer is found at the place where it was written.
    checks::check(lower, &parts, fargate);
    requests::finish(&mut parts.settings);
    fallback::apply(lower, &mut parts);

    lower.keep(&mut inputs, &["name"]);
    if let Some(cluster) = cluster {
        inputs.insert("cluster".to_owned(), cluster);
    }
    if let Some(count) = parts.desired_count {
        inputs.insert("desired_count".to_owned(), count);
    }
    if let Some(scaling) = autoscaling {
        inputs.insert("autoscaling".to_owned(), scaling);
    }
    inputs.insert("task_definition".to_owned(), Expr::Map(parts.task));
    inputs.insert("service".to_owned(), Expr::Map(parts.settings));
    inputs.insert("tags".to_owned(), tags(lower));
    // Always wanted, so that a deployment which nobody saw through is a difference.
    inputs.insert("proven".to_owned(), boolean(true));
    prune(&mut inputs);
    inputs
}

/// The literal name of the cluster, so that it can be compared and be part of the id.
fn cluster(lower: &mut Lower<'_>) -> Option<Expr> {
    let link = lower.take("cluster");
    let name = lower.take("cluster_name");
    if link.is_some() == name.is_some() {
        let label = if link.is_some() { "names a cluster again" } else { "has no `cluster`" };
        lower.error(
            "cluster_name",
            "service::cluster",
            "a service runs in one cluster",
            label,
            "write `cluster = \"NAME\"` for one of this manifest, or `cluster_name` for another",
        );
        return None;
    }
    let Some(link) = link else { return name };
    let address = Address::new("cluster", link.as_str()?).ok()?;
    let name = (lower.others)(&address, "name");
    lower.depends_on.insert(address);
    name
}

fn settings(lower: &mut Lower<'_>) -> Map {
    let mut settings = Map::new();
    let mut put = |key: &str, value: Option<Expr>| {
        if let Some(set) = value {
            settings.insert(key.to_owned(), set);
        }
    };
    put("launchType", lower.take("launch_type"));
    put("platformVersion", lower.take("platform_version"));
    put("enableExecuteCommand", lower.take("enable_execute_command"));
    put("propagateTags", lower.take("propagate_tags"));
    put("enableECSManagedTags", lower.take("enable_ecs_managed_tags"));
    put("capacityProviderStrategy", lower.take("capacity_provider_strategy").map(strategy));
    put("networkConfiguration", lower.take("network").and_then(network));
    put("loadBalancers", lower.take("load_balancer").map(load_balancer::lower));
    put("healthCheckGracePeriodSeconds", lower.take("grace_period"));
    // Fast rollback for every service: the old tasks stay until the new ones are healthy.
    let breaker = lower.take("circuit_breaker");
    let breaker = |key: &str| {
        let written = breaker.as_ref().and_then(|b| b.as_map()?.get(key)).cloned();
        (key.to_owned(), written.unwrap_or_else(|| boolean(true)))
    };
    let deployment = Map::from([
        ("maximumPercent".to_owned(), lower.take("maximum_percent").unwrap_or_else(|| number(200))),
        (
            "minimumHealthyPercent".to_owned(),
            lower.take("minimum_healthy_percent").unwrap_or_else(|| number(100)),
        ),
        (
            "deploymentCircuitBreaker".to_owned(),
            Expr::Map(Map::from([breaker("enable"), breaker("rollback")])),
        ),
    ]);
    put("deploymentConfiguration", Some(Expr::Map(deployment)));
    if let Some(Expr::Map(over)) = lower.take("service_definition") {
        aws_fields::check(lower, "service_definition", &over, Shape::Service);
        merge(&mut settings, requests::shape(over));
    }
    if !settings.contains_key("capacityProviderStrategy") {
        settings.entry("launchType".to_owned()).or_insert_with(|| "FARGATE".into());
    } else if settings.contains_key("launchType") {
        lower.error(
            "launch_type",
            "service::launch_type",
            "`launch_type` and `capacity_provider_strategy` exclude each other",
            "says again where tasks run",
            "remove one of them",
        );
    }
    settings
}

fn only_fargate(strategy: Option<&Expr>) -> bool {
    strategy.and_then(Expr::as_list).is_some_and(|all| {
        !all.is_empty()
            && all.iter().all(|item| {
                let provider = item.as_map().and_then(|map| map.get("capacityProvider"));
                matches!(provider.and_then(Expr::as_str), Some("FARGATE" | "FARGATE_SPOT"))
            })
    })
}

fn network(written: Expr) -> Option<Expr> {
    let Expr::Map(mut fields) = written else { return None };
    let mut vpc = Map::new();
    for (field, key) in [("subnets", "subnets"), ("security_groups", "securityGroups")] {
        if let Some(value) = fields.remove(field) {
            vpc.insert(key.to_owned(), value);
        }
    }
    if let Some(public) = fields.remove("assign_public_ip") {
        let word = if public.as_bool() == Some(true) { "ENABLED" } else { "DISABLED" };
        vpc.insert("assignPublicIp".to_owned(), word.into());
    }
    Some(Expr::Map(Map::from([("awsvpcConfiguration".to_owned(), Expr::Map(vpc))])))
}

/// 60 s where there is anything to be patient with, as fast rollback wants.
fn grace_period(lower: &mut Lower<'_>, parts: &mut Parts) {
    let checked = parts.settings.contains_key("loadBalancers")
        || parts.task.get("containers").and_then(Expr::as_map).is_some_and(|containers| {
            containers.values().any(|c| c.as_map().is_some_and(|c| c.contains_key("healthCheck")))
        });
    let key = "healthCheckGracePeriodSeconds";
    if checked {
        parts.settings.entry(key.to_owned()).or_insert_with(|| number(60));
    } else if parts.settings.contains_key(key) {
        lower.warn(
            "grace_period",
            "service::grace_period",
            "`grace_period` has no effect",
            "the service has neither a load balancer nor a health check",
            "add a `health_check` to a container, so that a deployment can be proven",
        );
    }
}

fn task(lower: &mut Lower<'_>, settings: &Map, fargate: bool) -> Map {
    let mut task = Map::new();
    if let Some(file) = lower.take("task_definition_file") {
        task = from_file(lower, file);
    }
    let mut over = Map::new();
    let mut put = |key: &str, value: Option<Expr>| {
        if let Some(set) = value {
            over.insert(key.to_owned(), set);
        }
    };
    put("family", lower.take("family"));
    put("networkMode", lower.take("network_mode"));
    put("cpu", amount(lower, "cpu", cpu_units, container::CPU_EXAMPLE));
    put("memory", amount(lower, "memory", memory_mib, container::MEMORY_EXAMPLE));
    put("executionRoleArn", role(lower, "execution_role"));
    put("taskRoleArn", role(lower, "task_role"));
    put(
        "ephemeralStorage",
        lower
            .take("ephemeral_storage")
            .map(|size| Expr::Map(Map::from([("sizeInGiB".to_owned(), size)]))),
    );
    put("runtimePlatform", lower.take("runtime_platform").map(runtime_platform));
    if let Some(Expr::Map(containers)) = lower.take("container") {
        let lowered = containers.into_iter().filter_map(|(name, fields)| {
            let Expr::Map(fields) = fields else { return None };
            let container = container::lower(lower, &name, fields);
            Some((name, Expr::Map(container)))
        });
        let lowered: Map = lowered.collect();
        over.insert("containers".to_owned(), Expr::Map(lowered));
    }
    merge(&mut task, task_definition::shape(over));
    if let Some(Expr::Map(over)) = lower.take("task_definition") {
        aws_fields::check(lower, "task_definition", &over, Shape::TaskDefinition);
        merge(&mut task, task_definition::shape(over));
    }
    let name = lower.fields.get("name").cloned().unwrap_or_else(null);
    task.entry("family".to_owned()).or_insert(name);
    task.entry("networkMode".to_owned()).or_insert_with(|| "awsvpc".into());
    let launch_type = settings.get("launchType").and_then(Expr::as_str);
    if let Some(compatible) = if fargate { Some("FARGATE") } else { launch_type } {
        task.entry("requiresCompatibilities".to_owned())
            .or_insert_with(|| Expr::List(vec![compatible.into()]));
    }
    task
}

fn from_file(lower: &mut Lower<'_>, file: Expr) -> Map {
    let text = file_text(file);
    let parsed = serde_json::from_str::<Value>(text.as_str().unwrap_or_default());
    let wrong = match parsed {
        Ok(value) => match Expr::from(value) {
            Expr::Map(mut map) => {
                if let Some(Expr::Map(inner)) = map.remove("taskDefinition") {
                    map = inner;
                }
                aws_fields::check(lower, "task_definition_file", &map, Shape::TaskDefinition);
                return task_definition::shape(map);
            }
            _ => "is not an object".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    lower.error(
        "task_definition_file",
        "manifest::invalid_json",
        "not a task definition in JSON",
        wrong,
        "give it the shape that `aws ecs register-task-definition --cli-input-json` takes",
    );
    Map::new()
}

fn runtime_platform(written: Expr) -> Expr {
    let Expr::Map(mut fields) = written else { return written };
    let keys = [
        ("cpu_architecture", "cpuArchitecture"),
        ("operating_system_family", "operatingSystemFamily"),
    ];
    let named = keys
        .iter()
        .filter_map(|(field, key)| fields.remove(*field).map(|value| ((*key).to_owned(), value)));
    Expr::Map(named.collect())
}

/// Reads an amount with a unit; what holds references is left for AWS to read.
fn amount(
    lower: &mut Lower<'_>,
    field: &str,
    read: fn(&str) -> Option<i64>,
    example: &str,
) -> Option<Expr> {
    let value = lower.take(field)?;
    container::amount_of(lower, field, &value, read, example).or(Some(value))
}

/// A role by its ARN, as ECS reads it back.
fn role(lower: &mut Lower<'_>, field: &str) -> Option<Expr> {
    let value = lower.take(field)?;
    let Some(name) = value.as_str() else { return Some(value) };
    if name.starts_with("arn:") {
        return Some(value);
    }
    if name.is_empty()
        || !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&c))
    {
        lower.error(
            field,
            "service::role",
            "not the name of a role",
            "is neither a name nor an ARN",
            "write `\"my-role\"` or `\"arn:aws:iam::123456789012:role/my-role\"`",
        );
        return Some(value);
    }
    let partition = match lower.environment.region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if lower.environment.region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Some(format!("arn:{partition}:iam::{}:role/{name}", lower.environment.account).into())
}

fn autoscaling(lower: &mut Lower<'_>, written: Expr) -> Expr {
    let Expr::Map(mut scaling) = written else { return written };
    let of = |key: &str| scaling.get(key).and_then(Expr::as_i64);
    if let (Some(min), Some(max)) = (of("min"), of("max"))
        && min > max
    {
        lower.error(
            "autoscaling.max",
            "service::autoscaling",
            "`max` is less than `min`",
            format!("between {min} and {max} there is nothing"),
            "exchange them",
        );
    }
    if !scaling.contains_key("target_cpu") && !scaling.contains_key("target_memory") {
        lower.error(
            "autoscaling",
            "service::autoscaling",
            "nothing says when to scale",
            "has neither `target_cpu` nor `target_memory`",
            "add `target_cpu = 70`",
        );
    }
    for cooldown in ["scale_in_cooldown", "scale_out_cooldown"] {
        scaling.entry(cooldown.to_owned()).or_insert_with(|| number(300));
    }
    Expr::Map(scaling)
}
