//! A service in ECS: tasks kept running, and replaced by new ones without a gap.
//!
//! The canonical form is described in [`crate::canonical`]. This module also
//! converts it to what ECS is asked and from what ECS answers.
//!
//! | module | what it knows |
//! |---|---|
//! | `fields` | what a person writes |
//! | `lower`, `container`, `load_balancer` | what that is in AWS's spelling |
//! | `fallback` | what runs in place of an image that was never pushed |
//! | `checks`, `aws_fields` | what AWS would refuse |
//! | `task_definition`, `requests` | the canonical form, and ECS's own |
//! | `clock` | how long a bad deployment goes unnoticed, and how long the way back takes |
//! | `units` | CPU, memory, and Fargate's table |
mod aws_fields;
mod checks;
mod clock;
mod container;
mod fallback;
mod fields;
mod load_balancer;
mod lower;
mod requests;
mod task_definition;
mod tree;
mod units;

pub use requests::{canonical_service, create_service, update_service};
pub use task_definition::{canonical_task_definition, content_hash, register_task_definition};
pub use units::{cpu_units, memory_mib, refused_by_fargate};

use crate::spec::{KindSpec, Output, OutputSource};
use bfd_core::{
    Inputs,
    plan::{Action, Effect, FieldChange, Undo},
};

pub static SPEC: KindSpec = KindSpec {
    name: "service",
    doc: "A service in ECS, with the task definition it runs",
    singleton: false,
    fields: fields::SERVICE,
    outputs: &[
        Output::new("name", OutputSource::Input("name"), "The name of the service"),
        Output::new("arn", OutputSource::Stable, "Its ARN"),
        Output::new(
            "task_definition",
            OutputSource::Volatile,
            "The ARN of the task definition revision that it runs",
        ),
        Output::new(
            "deployment",
            OutputSource::Volatile,
            "The deployment that was proven healthy, by id or ARN",
        ),
        Output::new("proven", OutputSource::Volatile, "How it was proven, in words"),
    ],
    default_output: Some("name"),
    key: &["name", "cluster"],
    // What a container is given has no defaults of AWS in it, so whatever was not
    // declared was put there by somebody else.
    exact: &[
        "task_definition.containers",
        "task_definition.containers.*.environment",
        "task_definition.containers.*.secrets",
        "task_definition.containers.*.dockerLabels",
    ],
    sets: &[
        "task_definition.placementConstraints",
        "task_definition.requiresCompatibilities",
        "task_definition.volumes",
        "task_definition.containers.*.logConfiguration.secretOptions",
        "task_definition.containers.*.mountPoints",
        "task_definition.containers.*.portMappings",
        "task_definition.containers.*.resourceRequirements",
        "task_definition.containers.*.systemControls",
        "task_definition.containers.*.ulimits",
        "task_definition.containers.*.volumesFrom",
        "service.capacityProviderStrategy",
        "service.deploymentConfiguration.alarms.alarmNames",
        "service.loadBalancers",
        "service.networkConfiguration.awsvpcConfiguration.securityGroups",
        "service.networkConfiguration.awsvpcConfiguration.subnets",
        "service.placementConstraints",
        "service.serviceRegistries",
        "service.volumeConfigurations",
        "service.vpcLatticeConfigurations",
    ],
    read_at_start: &[
        "task_definition.containers.*.secrets",
        "task_definition.containers.*.logConfiguration.secretOptions",
    ],
    lower: lower::lower,
    settle: None,
    content: None,
    exchange: None,
    effect,
    undo,
    seconds,
    clock: clock::clock,
    actions: &[
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:PutScalingPolicy",
        "application-autoscaling:RegisterScalableTarget",
        "ecr:DescribeImages",
        "ecr:GetLifecyclePolicy",
        "ecs:CreateService",
        "ecs:DeleteService",
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListServiceDeployments",
        "ecs:ListTasks",
        "ecs:RegisterTaskDefinition",
        "ecs:StopServiceDeployment",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "logs:GetLogEvents",
        "secretsmanager:DescribeSecret",
        "ssm:GetParameters",
    ],
};

/// From the reference of UpdateService, which says of each field whether it starts
/// a deployment; what it does not take can only be replaced.
fn effect(path: &[&str]) -> Effect {
    match path {
        ["name" | "cluster", ..] => Effect::Replaces,
        ["task_definition", ..] => Effect::RestartsTasks,
        ["service", field, ..] => match *field {
            "launchType" | "schedulingStrategy" | "role" => Effect::Replaces,
            // The reference says that the strategy starts no deployment; the service
            // refuses it unless one is forced.
            "capacityProviderStrategy"
            | "loadBalancers"
            | "networkConfiguration"
            | "platformVersion"
            | "serviceConnectConfiguration"
            | "serviceRegistries"
            | "volumeConfigurations"
            | "vpcLatticeConfigurations"
            | "gatewayConnectors" => Effect::RestartsTasks,
            _ => Effect::None,
        },
        _ => Effect::None,
    }
}

fn undo(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>) {
    match action {
        Action::Update | Action::Adopt if fields.iter().any(|field| field.path == "proven") => (
            Undo::Approximate,
            Some("its present deployment was never proven healthy, and a rollback goes back to it"),
        ),
        // A create is undone by a delete, an update by the revision before it.
        Action::Create | Action::Update | Action::Adopt => (Undo::Exact, None),
        Action::Replace => (
            Undo::Approximate,
            Some("the old service comes back with new tasks and without its deployment history"),
        ),
        Action::Delete => (
            Undo::Approximate,
            Some("the service comes back with new tasks and without its deployment history"),
        ),
    }
}

fn seconds(action: Action, _: &Inputs) -> u64 {
    match action {
        Action::Create | Action::Replace => 120,
        Action::Update | Action::Adopt => 180,
        // Draining; a load balancer waits for open connections.
        Action::Delete => 60,
    }
}
