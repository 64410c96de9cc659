//! The fields that ECS has, to find misspelled ones before AWS passes over them.
//!
//! Read off the API model of ECS as of autumn 2026.

use super::tree::Map;
use crate::spec::Lower;
use bfd_core::Expr;

/// Which of AWS's structures is written in AWS's spelling.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    TaskDefinition,
    Service,
}

const TASK_DEFINITION: &[&str] = &[
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
];

/// What a file from DescribeTaskDefinition also has.
const DESCRIBED: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
    "tags",
];

const CONTAINER: &[&str] = &[
    "name",
    "image",
    "repositoryCredentials",
    "cpu",
    "memory",
    "memoryReservation",
    "links",
    "portMappings",
    "essential",
    "restartPolicy",
    "entryPoint",
    "command",
    "environment",
    "environmentFiles",
    "mountPoints",
    "volumesFrom",
    "linuxParameters",
    "secrets",
    "dependsOn",
    "startTimeout",
    "stopTimeout",
    "versionConsistency",
    "hostname",
    "user",
    "workingDirectory",
    "disableNetworking",
    "privileged",
    "readonlyRootFilesystem",
    "dnsServers",
    "dnsSearchDomains",
    "extraHosts",
    "dockerSecurityOptions",
    "interactive",
    "pseudoTerminal",
    "dockerLabels",
    "ulimits",
    "logConfiguration",
    "healthCheck",
    "systemControls",
    "resourceRequirements",
    "firelensConfiguration",
    "credentialSpecs",
];

const SERVICE: &[&str] = &[
    "availabilityZoneRebalancing",
    "loadBalancers",
    "serviceRegistries",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "role",
    "deploymentConfiguration",
    "placementConstraints",
    "placementStrategy",
    "networkConfiguration",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "deploymentController",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
];

/// Fields of AWS's that are written elsewhere in the manifest.
const ELSEWHERE: &[(&str, &str)] = &[
    ("serviceName", "write `name` in the service"),
    ("cluster", "write `cluster` in the service"),
    ("taskDefinition", "write `task_definition` in the service"),
    ("desiredCount", "write `desired_count` in the service"),
    ("tags", "write `tags` in the service"),
    ("clientToken", "bfd makes its own"),
];

/// Reports fields that ECS does not have.
pub(super) fn check(lower: &mut Lower<'_>, field: &str, written: &Map, shape: Shape) {
    let from_file = field == "task_definition_file";
    let known: &[&str] = match shape {
        Shape::TaskDefinition => TASK_DEFINITION,
        Shape::Service => SERVICE,
    };
    for name in written.keys() {
        if !(known.contains(&name.as_str()) || from_file && DESCRIBED.contains(&name.as_str())) {
            refuse(lower, field, name, known, from_file);
        }
    }
    if let Some(Expr::List(all)) = written.get("containerDefinitions") {
        for (index, container) in all.iter().enumerate() {
            let place = format!("{field}.containerDefinitions.{index}");
            let Some(container) = container.as_map() else { continue };
            if container.get("name").and_then(Expr::as_str).is_none() {
                lower.error(
                    &place,
                    "service::container_name",
                    "a container needs a name",
                    "has no `name`",
                    "add the `name` that it is merged by",
                );
            }
            for name in container.keys() {
                if !CONTAINER.contains(&name.as_str()) {
                    refuse(lower, &place, name, CONTAINER, from_file);
                }
            }
        }
    }
}

fn refuse(lower: &mut Lower<'_>, field: &str, name: &str, known: &[&str], from_file: bool) {
    let place = if from_file { field.to_owned() } else { format!("{field}.{name}") };
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
    let help = match (elsewhere, nearest(name, known)) {
        (Some((_, help)), _) => (*help).to_owned(),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => "see the reference of RegisterTaskDefinition and CreateService".to_owned(),
    };
    let label = format!("`{name}` is not a field of AWS's here");
    lower.error(&place, "service::unknown_aws_field", "unknown field", label, help);
}

/// The known name that differs in case, in `_`, or in two letters at most.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let wanted = plain(name);
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&wanted, &plain(candidate));
    known.iter().copied().min_by_key(distance).filter(|best| distance(best) <= 2)
}
