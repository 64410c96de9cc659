//! Where the traffic of a service comes from.

use super::{
    lower::Parts,
    tree::{Map, int, list, text},
};
use crate::spec::Lower;
use bfd_core::Expr;

pub(super) fn lower(written: Expr) -> Expr {
    let Expr::List(all) = written else { return written };
    let one = |item: Expr| {
        let Expr::Map(mut fields) = item else { return item };
        let keys = [
            ("target_group", "targetGroupArn"),
            ("load_balancer_name", "loadBalancerName"),
            ("container", "containerName"),
            ("port", "containerPort"),
        ];
        let named = keys.iter().filter_map(|(field, key)| {
            fields.remove(*field).map(|value| ((*key).to_owned(), value))
        });
        Expr::Map(named.collect())
    };
    Expr::List(all.into_iter().map(one).collect())
}

/// Finds the container and the port of a load balancer that does not name them.
pub(super) fn complete(lower: &mut Lower<'_>, parts: &mut Parts) {
    let containers =
        parts.task.get("containers").and_then(Expr::as_map).cloned().unwrap_or_default();
    let listens_on = |container: &Expr| -> Vec<Expr> {
        let mappings =
            container.as_map().and_then(|c| c.get("portMappings")).and_then(Expr::as_list);
        let port = |mapping: &Expr| mapping.as_map()?.get("containerPort").cloned();
        mappings.unwrap_or_default().iter().filter_map(port).collect()
    };
    let Some(Expr::List(all)) = parts.settings.get_mut("loadBalancers") else { return };
    for (index, item) in all.iter_mut().enumerate() {
        let Expr::Map(item) = item else { continue };
        let field = |name: &str| format!("load_balancer.{index}.{name}");
        if !item.contains_key("targetGroupArn") && !item.contains_key("loadBalancerName") {
            lower.error(
                &field("target_group"),
                "service::load_balancer",
                "a load balancer needs a target group",
                "has no `target_group`",
                "add the ARN of a target group",
            );
        }
        if !item.contains_key("containerName") {
            let listening: Vec<&String> = containers
                .iter()
                .filter(|(_, c)| !listens_on(c).is_empty())
                .map(|(name, _)| name)
                .collect();
            if let [only] = listening.as_slice() {
                item.insert("containerName".to_owned(), only.as_str().into());
            } else {
                lower.error(
                    &field("container"),
                    "service::load_balancer",
                    "which container gets the traffic is not clear",
                    format!("{} containers have a port", listening.len()),
                    "add `container = \"NAME\"`",
                );
                continue;
            }
        }
        if !item.contains_key("containerPort") {
            let name = item["containerName"].as_str().unwrap_or_default();
            let found = containers.get(name).map(&listens_on).unwrap_or_default();
            if let [only] = found.as_slice() {
                item.insert("containerPort".to_owned(), only.clone());
            } else if containers.contains_key(name) {
                lower.error(
                    &field("port"),
                    "service::load_balancer",
                    "which port gets the traffic is not clear",
                    format!("the container has {} ports", found.len()),
                    "add `port` here, or to the container",
                );
            }
        }
    }
}

/// Reports what names a container or a port that is not there.
pub(super) fn check(lower: &mut Lower<'_>, parts: &Parts, containers: &[(&str, &Map)]) {
    for (index, item) in list(&parts.settings, "loadBalancers").enumerate() {
        let Some(name) = text(item, "containerName") else { continue };
        let Some((_, container)) = containers.iter().find(|(other, _)| *other == name) else {
            let names: Vec<&str> = containers.iter().map(|(name, _)| *name).collect();
            lower.error(
                &format!("load_balancer.{index}.container"),
                "service::unknown_container",
                "the task has no such container",
                format!("names `{name}`"),
                format!("it has `{}`", names.join("`, `")),
            );
            continue;
        };
        let Some(port) = int(item, "containerPort") else { continue };
        let declared: Vec<i64> =
            list(container, "portMappings").filter_map(|m| int(m, "containerPort")).collect();
        let ranged = list(container, "portMappings").any(|m| m.contains_key("containerPortRange"));
        if !declared.contains(&port) && !ranged {
            lower.error(
                &format!("load_balancer.{index}.port"),
                "service::unknown_port",
                "the container has no such port",
                format!("`{name}` does not declare port {port}"),
                "add it to the container's `ports`",
            );
        }
    }
}
