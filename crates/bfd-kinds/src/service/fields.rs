//! What a person writes about a service.

use crate::{
    cluster::STRATEGY,
    patterns::{ECS_NAME, TAGS},
    spec::{Field, Type},
};

const PORT: Type = Type::Integer { min: 1, max: 65535 };
const PERCENT: Type = Type::Integer { min: 100, max: 1000 };
const TEXTS: Type = Type::List(&Type::Text);

/// `cpu` of a task is CPU units or vCPUs, `memory` MiB or GB, so both are scalars.
pub(super) const SERVICE: &[Field] = &[
    Field::new(
        "name",
        Type::Name { min: 1, max: 255, pattern: ECS_NAME },
        "The name of the service in ECS.",
    )
    .required()
    .replaces(),
    Field::new("cluster", Type::Link("cluster"), "The declared cluster it runs in, such as `\"main\"`.")
        .replaces(),
    Field::new(
        "cluster_name",
        Type::Name { min: 1, max: 255, pattern: ECS_NAME },
        "Instead of `cluster`: the name of a cluster that is not in the manifest.",
    )
    .replaces(),
    Field::new(
        "desired_count",
        Type::Integer { min: 0, max: 5000 },
        "How many tasks run. Without effect where `autoscaling` decides.",
    )
    .default("1"),
    Field::new(
        "family",
        Type::Name { min: 1, max: 255, pattern: ECS_NAME },
        "The family of its task definitions; without it, the name of the service.",
    )
    .restarts(),
    Field::new(
        "cpu",
        Type::Scalar,
        "The CPU of a task: units, of which 1024 are one vCPU, or `\"0.5 vCPU\"`. Fargate takes certain pairs of `cpu` and `memory`.",
    )
    .restarts(),
    Field::new("memory", Type::Scalar, "The memory of a task: MiB, or `\"2GB\"`.").restarts(),
    Field::new(
        "execution_role",
        Type::Text,
        "The role in which ECS starts the task, by name or ARN: it pulls images from ECR, reads secrets, writes logs.",
    )
    .restarts(),
    Field::new("task_role", Type::Text, "The role of the code in the containers, by name or ARN.")
        .restarts(),
    Field::new(
        "launch_type",
        Type::OneOf(&["FARGATE", "EC2", "EXTERNAL"]),
        "Where tasks run; `FARGATE` unless a `capacity_provider_strategy` says so.",
    )
    .replaces(),
    Field::new(
        "capacity_provider_strategy",
        Type::List(&Type::Table(STRATEGY)),
        "How tasks are spread over capacity providers, instead of `launch_type`.",
    )
    .restarts(),
    Field::new(
        "platform_version",
        Type::Text,
        "The version of Fargate, such as `\"1.4.0\"`; the latest one unless written.",
    )
    .restarts(),
    Field::new(
        "network_mode",
        Type::OneOf(&["awsvpc", "bridge", "host", "none"]),
        "How containers are connected; Fargate takes `awsvpc` only.",
    )
    .default("\"awsvpc\"")
    .restarts(),
    Field::new("network", Type::Table(NETWORK), "Where in the VPC tasks are.").restarts(),
    Field::new(
        "load_balancer",
        Type::List(&Type::Table(LOAD_BALANCER)),
        "What traffic comes from: `[[service.web.load_balancer]]`.",
    )
    .restarts(),
    Field::new(
        "grace_period",
        Type::Duration { min: 0, max: 2_147_483_647 },
        "How long after its start a task's failing health checks are overlooked; `\"60s\"` where there are health checks.",
    ),
    Field::new(
        "minimum_healthy_percent",
        Type::Integer { min: 0, max: 100 },
        "How many of the tasks stay healthy during a deployment, in percent. Less than 100 takes capacity away when a deployment fails.",
    )
    .default("100"),
    Field::new(
        "maximum_percent",
        PERCENT,
        "How many tasks may run during a deployment, in percent. Less than 200 slows a rollback.",
    )
    .default("200"),
    Field::new(
        "circuit_breaker",
        Type::Table(CIRCUIT_BREAKER),
        "What ECS does about a deployment that fails; bfd itself also watches, and is faster.",
    ),
    Field::new(
        "enable_execute_command",
        Type::Bool,
        "Whether `aws ecs execute-command` may open a shell in new tasks.",
    )
    .default("false"),
    Field::new(
        "propagate_tags",
        Type::OneOf(&["SERVICE", "TASK_DEFINITION", "NONE"]),
        "Whose tags new tasks get.",
    ),
    Field::new(
        "enable_ecs_managed_tags",
        Type::Bool,
        "Whether ECS tags new tasks with the names of cluster and service.",
    ),
    Field::new("runtime_platform", Type::Table(RUNTIME_PLATFORM), "What the images are built for.")
        .restarts(),
    Field::new(
        "ephemeral_storage",
        Type::Integer { min: 21, max: 200 },
        "GiB of disk for a task on Fargate, of which 20 are there without asking.",
    )
    .restarts(),
    Field::new(
        "autoscaling",
        Type::Table(AUTOSCALING),
        "How many tasks run, by how busy they are, instead of `desired_count`.",
    ),
    Field::new("container", Type::Tables(CONTAINER), "The containers of a task: `[service.web.container.NAME]`.")
        .restarts(),
    Field::new(
        "task_definition",
        Type::Any,
        "Any fields of RegisterTaskDefinition in AWS's spelling, over all others. Containers are merged by name.",
    )
    .restarts(),
    Field::new(
        "task_definition_file",
        Type::File,
        "A file of JSON in the shape of RegisterTaskDefinition, under all other fields.",
    )
    .restarts(),
    Field::new(
        "service_definition",
        Type::Any,
        "Any fields of CreateService in AWS's spelling, over all others.",
    ),
    Field::new("tags", TAGS, "Tags of the service, over those of the environment."),
];

const NETWORK: &[Field] = &[
    Field::new("subnets", TEXTS, "The subnets tasks are started in.").required(),
    Field::new(
        "security_groups",
        TEXTS,
        "Their security groups; without any, the VPC's default group.",
    ),
    Field::new(
        "assign_public_ip",
        Type::Bool,
        "Whether tasks get a public address. On Fargate in a public subnet they need one to pull images.",
    )
    .default("false"),
];

const LOAD_BALANCER: &[Field] = &[
    Field::new(
        "target_group",
        Type::Text,
        "The ARN of a target group, with targets of type `ip` for `awsvpc`.",
    ),
    Field::new("load_balancer_name", Type::Text, "The name of a classic load balancer, instead."),
    Field::new(
        "container",
        Type::Text,
        "The container that gets the traffic; without it, the only one with a port.",
    ),
    Field::new("port", PORT, "Its port; without it, the only one of the container."),
];

const CIRCUIT_BREAKER: &[Field] = &[
    Field::new("enable", Type::Bool, "Whether ECS gives up a deployment whose tasks keep failing.")
        .default("true"),
    Field::new("rollback", Type::Bool, "Whether ECS then goes back to the last one that worked.")
        .default("true"),
];

const RUNTIME_PLATFORM: &[Field] = &[
    Field::new("cpu_architecture", Type::OneOf(&["X86_64", "ARM64"]), "`X86_64` unless written."),
    Field::new("operating_system_family", Type::Text, "`LINUX` unless written."),
];

const AUTOSCALING: &[Field] = &[
    Field::new("min", Type::Integer { min: 0, max: 5000 }, "The fewest tasks.").required(),
    Field::new("max", Type::Integer { min: 1, max: 5000 }, "The most tasks.").required(),
    Field::new(
        "target_cpu",
        Type::Integer { min: 1, max: 100 },
        "How busy the CPU should be, in percent.",
    ),
    Field::new(
        "target_memory",
        Type::Integer { min: 1, max: 100 },
        "How full the memory should be, in percent.",
    ),
    Field::new(
        "scale_in_cooldown",
        Type::Duration { min: 0, max: 86_400 },
        "How long after tasks were removed no more are removed.",
    )
    .default("\"300s\""),
    Field::new(
        "scale_out_cooldown",
        Type::Duration { min: 0, max: 86_400 },
        "How long after tasks were added no more are added.",
    )
    .default("\"300s\""),
];

const CONTAINER: &[Field] = &[
    Field::new("image", Type::Text, "The image, such as `\"${image.web}\"`.").restarts(),
    Field::new("port", PORT, "The port it listens on.").restarts(),
    Field::new(
        "ports",
        Type::List(&Type::Either(&PORT, &Type::Table(PORT_MAPPING))),
        "Several ports, each a number or a table.",
    )
    .restarts(),
    Field::new("environment", Type::Map(&Type::Scalar), "Environment variables.").restarts(),
    Field::new(
        "secrets",
        Type::Map(&Type::Text),
        "Environment variables that ECS reads when the task starts, and not when they change: ARNs in Secrets Manager, or ARNs or names in SSM.",
    )
    .restarts(),
    Field::new(
        "environment_files",
        TEXTS,
        "ARNs of files in S3 with environment variables; of several values for one variable the first counts.",
    )
    .restarts(),
    Field::new(
        "health_check",
        Type::Either(&Type::Text, &Type::Table(HEALTH_CHECK)),
        "What tells that the container works: a command for a shell, or a table.",
    )
    .restarts(),
    Field::new(
        "logs",
        Type::Either(&Type::Text, &Type::Table(LOGS)),
        "Where its output goes: the name of a log group in CloudWatch, or a table.",
    )
    .restarts(),
    Field::new("command", TEXTS, "The arguments, instead of the image's.").restarts(),
    Field::new("entry_point", TEXTS, "The program, instead of the image's.").restarts(),
    Field::new("cpu", Type::Scalar, "Its share of the task's CPU, in units or as `\"0.5 vCPU\"`.")
        .default("0")
        .restarts(),
    Field::new(
        "memory",
        Type::Scalar,
        "The most memory it may use, in MiB or as `\"1GB\"`; above that it is killed.",
    )
    .restarts(),
    Field::new("memory_reservation", Type::Scalar, "The memory kept for it, in MiB or as `\"1GB\"`.")
        .restarts(),
    Field::new("essential", Type::Bool, "Whether the task stops when this container does.")
        .default("true")
        .restarts(),
    Field::new(
        "depends_on",
        Type::Map(&Type::OneOf(&["START", "COMPLETE", "SUCCESS", "HEALTHY"])),
        "Which containers of the task must be where before this one starts: `{ migrate = \"SUCCESS\" }`.",
    )
    .restarts(),
    Field::new("user", Type::Text, "The user it runs as, instead of the image's.").restarts(),
    Field::new("working_directory", Type::Text, "Where it starts, instead of the image's.").restarts(),
    Field::new(
        "stop_timeout",
        Type::Duration { min: 0, max: 120 },
        "How long it may take to stop before it is killed; 30 s unless written. Fargate takes up to 120 s.",
    )
    .restarts(),
    Field::new(
        "start_timeout",
        Type::Duration { min: 2, max: 120 },
        "How long those that wait for it wait. Fargate takes 2 to 120 s.",
    )
    .restarts(),
    Field::new(
        "read_only_root_filesystem",
        Type::Bool,
        "Whether the container can write to nothing but its volumes.",
    )
    .restarts(),
    Field::new("init_process", Type::Bool, "Whether a small init forwards signals and reaps processes.")
        .restarts(),
    Field::new(
        "mount_points",
        Type::List(&Type::Table(MOUNT_POINT)),
        "Where volumes are; the volumes themselves are in `task_definition.volumes`.",
    )
    .restarts(),
    Field::new("docker_labels", Type::Map(&Type::Scalar), "Labels of the container.").restarts(),
    Field::new(
        "repository_credentials",
        Type::Text,
        "The ARN of a secret with the user and password of a private registry other than ECR.",
    )
    .restarts(),
];

const PORT_MAPPING: &[Field] = &[
    Field::new("port", PORT, "The port the container listens on.").required(),
    Field::new(
        "host_port",
        Type::Integer { min: 0, max: 65535 },
        "The port of the host; in `awsvpc` the same one.",
    ),
    Field::new("protocol", Type::OneOf(&["tcp", "udp"]), "The protocol.").default("\"tcp\""),
    Field::new("name", Type::Text, "What Service Connect calls it."),
    Field::new(
        "app_protocol",
        Type::OneOf(&["http", "http2", "grpc"]),
        "What Service Connect measures it as.",
    ),
];

const HEALTH_CHECK: &[Field] = &[
    Field::new(
        "command",
        Type::Either(&Type::Text, &TEXTS),
        "A command for a shell, or a list that begins with `CMD`, `CMD-SHELL` or `NONE`.",
    )
    .required(),
    Field::new("interval", Type::Duration { min: 5, max: 300 }, "The time between two checks.")
        .default("\"30s\""),
    Field::new("timeout", Type::Duration { min: 2, max: 60 }, "How long a check may take.")
        .default("\"5s\""),
    Field::new(
        "retries",
        Type::Integer { min: 1, max: 10 },
        "How many checks in a row fail before the container is unhealthy.",
    )
    .default("3"),
    Field::new(
        "start_period",
        Type::Duration { min: 0, max: 300 },
        "How long after its start failures do not count.",
    )
    .default("\"0s\""),
];

const LOGS: &[Field] = &[
    Field::new("group", Type::Text, "The log group in CloudWatch, for the driver `awslogs`."),
    Field::new("region", Type::Text, "Its region; the environment's unless written."),
    Field::new("stream_prefix", Type::Text, "What the names of log streams begin with.")
        .default("\"ecs\""),
    Field::new(
        "driver",
        Type::OneOf(&[
            "awslogs",
            "awsfirelens",
            "splunk",
            "json-file",
            "syslog",
            "journald",
            "gelf",
            "fluentd",
        ]),
        "The log driver. Fargate takes the first three.",
    )
    .default("\"awslogs\""),
    Field::new(
        "options",
        Type::Map(&Type::Scalar),
        "More options of the driver, in its own spelling.",
    ),
    Field::new(
        "secret_options",
        Type::Map(&Type::Text),
        "Options that are secret: ARNs, as in `secrets`.",
    ),
];

const MOUNT_POINT: &[Field] = &[
    Field::new("volume", Type::Text, "The name of the volume.").required(),
    Field::new("path", Type::Text, "Where the container finds it.").required(),
    Field::new("read_only", Type::Bool, "Whether the container can only read it.").default("false"),
];
