//! A plan with a bit of everything, made by hand.

use bfd_core::{
    Address, Environment, Kind, Properties, ResourceState, Secret, SecretSource, State,
    StateVersion, Value,
    plan::{
        Action, Change, Drift, Effect, Estimate, FORMAT_VERSION, FieldChange, FieldSeconds, Op,
        Phase, Plan, Rollback, RollbackPlan, Share, Step, StepId, Undo, Warning,
    },
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const REGISTRY: &str = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com";

pub(crate) fn digest(start: &str) -> String {
    format!("sha256:{start:0<64}")
}

pub(crate) fn at(address: &str) -> Address {
    address.parse().expect("an address")
}

pub(crate) fn field(path: &str, before: Value, after: Value) -> FieldChange {
    let side = |value: Value| (!value.is_null()).then_some(value);
    FieldChange {
        path: path.into(),
        before: side(before),
        after: side(after),
        sensitive: false,
        known: true,
        effect: Effect::None,
    }
}

pub(crate) fn restarting(path: &str, before: Value, after: Value) -> FieldChange {
    FieldChange { effect: Effect::RestartsTasks, ..field(path, before, after) }
}

fn replacing(path: &str, before: Value, after: Value) -> FieldChange {
    FieldChange { effect: Effect::Replaces, ..field(path, before, after) }
}

fn later(path: &str, before: Value) -> FieldChange {
    FieldChange { known: false, ..field(path, before, Value::Null) }
}

pub(crate) fn secret(digest: &str) -> Value {
    Secret { source: SecretSource::Env("JWT_SECRET".into()), digest: digest.into() }.to_value()
}

fn sensitive(path: &str, before: Value, after: Value) -> FieldChange {
    FieldChange { sensitive: true, ..field(path, before, after) }
}

pub(crate) fn change(address: &str, action: Action, fields: Vec<FieldChange>) -> Change {
    let address = at(address);
    Change {
        kind: address.kind().clone(),
        address,
        action,
        fields,
        undo: Undo::Exact,
        loses_data: false,
        notes: vec![],
    }
}

/// Changes of one kind of action, with values that take room.
pub(crate) fn many(action: Action, number: usize) -> Vec<Change> {
    let long = |letter: &str| Value::from(letter.repeat(2_000));
    let one = |number| {
        let address = format!("parameter.{}-{number:04}", format!("{action:?}").to_lowercase());
        change(&address, action, vec![field("value", long("a"), long("b"))])
    };
    (0..number).map(one).collect()
}

fn with_undo(change: Change, undo: Undo, notes: &[&str]) -> Change {
    Change { undo, notes: notes.iter().map(ToString::to_string).collect(), ..change }
}

pub(crate) fn empty() -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        environment: Environment {
            name: "dev".into(),
            account: "123456789012".into(),
            region: "ap-southeast-1".into(),
        },
        endpoint: None,
        base: StateVersion { lineage: "01JD2".into(), serial: 41 },
        refreshed: State::default(),
        missing: BTreeMap::new(),
        changes: vec![],
        unchanged: 12,
        steps: vec![],
        drift: vec![],
        stack_drift: Vec::new(),
        previews: Vec::new(),
        back_to: None,
        targets: std::collections::BTreeSet::new(),
        warnings: vec![],
        rollback: Rollback::default().into(),
    }
}

pub(crate) fn recorded(address: &str, id: &str) -> ResourceState {
    ResourceState {
        kind: Kind::new(at(address).kind().as_str()),
        id: id.into(),
        inputs: Properties::from([("name".into(), json!(id))]),
        outputs: Properties::new(),
        depends_on: BTreeSet::new(),
    }
}

pub(crate) enum Does {
    Create,
    Update,
    Adopt,
    Delete,
}

pub(crate) fn step(id: u32, address: &str, does: &Does, after: &[u32], seconds: u64) -> Step {
    let prior = recorded(address, &format!("bellyfed-{}", at(address).name()));
    let inputs = bfd_core::Inputs::new();
    let depends_on = BTreeSet::new();
    Step {
        id: StepId(id),
        address: at(address),
        phase: if matches!(does, Does::Delete) { Phase::Cleanup } else { Phase::Deploy },
        op: match does {
            Does::Create => Op::Create { inputs, depends_on },
            Does::Update => Op::Update { prior, inputs, depends_on },
            Does::Adopt => Op::Adopt { prior, inputs, depends_on },
            Does::Delete => Op::Delete { prior },
        },
        after: after.iter().map(|id| StepId(*id)).collect(),
        undone_after: BTreeSet::new(),
        path_seconds: seconds,
    }
}

/// A template with one network and a subnet per zone.
fn template(cidr: &str, zones: u32) -> String {
    const HEAD: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Cidr:
    Type: String
    Default: CIDR
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: !Ref Cidr
      EnableDnsSupport: true
"#;
    const SUBNET: &str = r#"  SubnetZONE:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      AvailabilityZone: !Select [ZONE, !GetAZs ""]
"#;
    const TAIL: &str = "Outputs:\n  VpcId:\n    Value: !Ref Vpc\n";
    let subnets = (1..=zones).map(|zone| SUBNET.replace("ZONE", &zone.to_string()));
    HEAD.replace("CIDR", cidr) + &subnets.collect::<String>() + TAIL
}

fn policy(principals: &[&str]) -> Value {
    let statement = json!({"Sid": "Pull", "Effect": "Allow", "Principal": {"AWS": principals}, "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]});
    Value::from(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
}

fn web() -> Change {
    let container = |path: &str| format!("task_definition.containers.web.{path}");
    let image = |of: &str| json!(format!("{REGISTRY}/bellyfed-dev@{}", digest(of)));
    change(
        "service.web",
        Action::Update,
        vec![
            field("desired_count", json!(1), json!(2)),
            restarting(&container("image"), image("1f2e3d4c5b6a"), image("9a8b7c6d5e4f")),
            restarting(
                &container("environment.API_URL"),
                json!("https://api-dev.bellyfed.com"),
                json!("https://api-dev.bellyfed.com/v2"),
            ),
            restarting(&container("environment.LOG_LEVEL"), Value::Null, json!("debug")),
            restarting(&container("environment.OLD_FLAG"), json!("1"), Value::Null),
            restarting(
                &container("environment.COGNITO_CALLBACKS"),
                json!(
                    "https://dev.bellyfed.com/auth/callback,https://dev.bellyfed.com/auth/silent"
                ),
                json!(
                    "https://dev.bellyfed.com/auth/callback,https://dev.bellyfed.com/auth/silent-renew"
                ),
            ),
            restarting(
                &container("secrets.GOOGLE_MAPS_API_KEY"),
                Value::Null,
                json!(
                    "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:app-secrets:GOOGLE_MAPS_API_KEY::"
                ),
            ),
            restarting(&container("healthCheck.startPeriod"), json!(60), json!(90)),
            restarting("task_definition.memory", json!("512"), json!("1024")),
            field("service.deploymentConfiguration.maximumPercent", json!(100), json!(200)),
            field("tags.Owner", Value::Null, json!("kitchen")),
        ],
    )
}

fn creates() -> Vec<Change> {
    vec![
        change(
            "coordinator.main",
            Action::Create,
            vec![
                field("parameter_prefix", Value::Null, json!("/bellyfed/dev/deployment")),
                field("config.deploy-infra-stack", Value::Null, json!("true")),
            ],
        ),
        change(
            "repository.web",
            Action::Create,
            vec![
                field("name", Value::Null, json!("bellyfed-dev")),
                field("tag_mutability", Value::Null, json!("immutable")),
                field("scan_on_push", Value::Null, json!(true)),
                field("keep_images", Value::Null, json!(100)),
                field("tags.Application", Value::Null, json!("Bellyfed")),
            ],
        ),
        change(
            "parameter.api-url",
            Action::Create,
            vec![
                field("name", Value::Null, json!("/bellyfed/dev/api/url")),
                field("type", Value::Null, json!("String")),
                field("value", Value::Null, json!("https://api-dev.bellyfed.com")),
            ],
        ),
        change(
            "parameter.jwt",
            Action::Create,
            vec![
                field("name", Value::Null, json!("/bellyfed/dev/jwt")),
                field("type", Value::Null, json!("SecureString")),
                sensitive("value", Value::Null, secret("d1")),
            ],
        ),
        change(
            "service.typesense-search-engine",
            Action::Create,
            vec![
                field("name", Value::Null, json!("typesense-dev")),
                field("cluster", Value::Null, json!("bellyfed-dev-cluster")),
                field("desired_count", Value::Null, json!(1)),
                field("task_definition.cpu", Value::Null, json!("256")),
                field("task_definition.memory", Value::Null, json!("512")),
                field(
                    "task_definition.containers.typesense.image",
                    Value::Null,
                    json!("typesense/typesense:27.1"),
                ),
                field("task_definition.containers.typesense.essential", Value::Null, json!(true)),
            ],
        ),
        with_undo(
            change(
                "stack.network",
                Action::Create,
                vec![
                    field("name", Value::Null, json!("BellyfedNetworkStack-dev")),
                    field("template", Value::Null, json!(template("10.0.0.0/16", 3))),
                    field("parameters.Cidr", Value::Null, json!("10.0.0.0/16")),
                ],
            ),
            Undo::Approximate,
            &["what the stack retains on deletion stays"],
        ),
    ]
}

fn updates() -> Vec<Change> {
    vec![
        web(),
        change(
            "service.api",
            Action::Update,
            vec![
                restarting(
                    "task_definition.containers.api.environment.JWT_ISSUER",
                    json!("a"),
                    json!("b"),
                ),
                sensitive(
                    "task_definition.containers.api.environment.JWT",
                    secret("d1"),
                    secret("d2"),
                ),
                later(
                    "service.networkConfiguration.awsvpcConfiguration.subnets",
                    json!(["subnet-0a1b2c3d4e5f60718"]),
                ),
                field(
                    "service.networkConfiguration.awsvpcConfiguration.securityGroups",
                    json!(["sg-0a1b2c3d4e5f60718", "sg-1a1b2c3d4e5f60718", "sg-2a1b2c3d4e5f60718"]),
                    json!(["sg-0a1b2c3d4e5f60718", "sg-2a1b2c3d4e5f60718", "sg-3a1b2c3d4e5f60718"]),
                ),
            ],
        ),
        with_undo(
            change(
                "stack.database",
                Action::Update,
                vec![
                    field(
                        "template",
                        json!(template("10.0.0.0/16", 3)),
                        json!(template("10.1.0.0/16", 2)),
                    ),
                    field(
                        "parameters.MasterPassword",
                        json!({"$changed_outside": "NoEcho"}),
                        json!("****"),
                    ),
                ],
            ),
            Undo::Approximate,
            &[
                "the parameter MasterPassword cannot be read back, so a rollback keeps the new value",
            ],
        ),
        change(
            "repository.api",
            Action::Update,
            vec![
                field(
                    "policy",
                    policy(&["111111111111"]),
                    policy(&["111111111111", "222222222222"]),
                ),
                field("keep_images", json!(50), json!(100)),
            ],
        ),
    ]
}

fn rest() -> Vec<Change> {
    vec![
        with_undo(
            change(
                "cluster.main",
                Action::Replace,
                vec![replacing("name", json!("bellyfed-dev"), json!("bellyfed-dev-cluster"))],
            ),
            Undo::Exact,
            &["a cluster cannot be renamed"],
        ),
        with_undo(
            change(
                "service.search",
                Action::Replace,
                vec![
                    replacing("service.schedulingStrategy", json!("REPLICA"), json!("DAEMON")),
                    restarting("task_definition.cpu", json!("256"), json!("512")),
                ],
            ),
            Undo::Approximate,
            &["the service is down until the new one is healthy", "a rollback creates it anew"],
        ),
        with_undo(
            change(
                "parameter.legacy-flag",
                Action::Delete,
                vec![
                    field("name", json!("/bellyfed/dev/legacy/flag"), Value::Null),
                    field("value", json!("on"), Value::Null),
                ],
            ),
            Undo::None,
            &["earlier values of a deleted parameter are gone"],
        ),
        change("stack.cognito", Action::Adopt, vec![]),
        change(
            "cluster.jobs",
            Action::Adopt,
            vec![field("container_insights", json!("disabled"), json!("enhanced"))],
        ),
    ]
}

/// Every action, every kind of value, and everything that is said beside them.
pub(crate) fn rich() -> Plan {
    Plan {
        endpoint: Some("http://127.0.0.1:5000".into()),
        changes: [creates(), updates(), rest()].concat(),
        steps: vec![
            step(0, "coordinator.main", &Does::Create, &[], 300),
            step(1, "cluster.main", &Does::Create, &[0], 200),
            Step { phase: Phase::Deploy, ..step(2, "service.search", &Does::Delete, &[1], 150) },
            step(3, "service.search", &Does::Create, &[2], 90),
            step(4, "service.web", &Does::Update, &[1], 120),
            step(5, "cluster.main", &Does::Delete, &[3, 4], 10),
            step(6, "parameter.legacy-flag", &Does::Delete, &[], 1),
        ],
        drift: drift(),
        stack_drift: Vec::new(),
        previews: Vec::new(),
        back_to: None,
        targets: std::collections::BTreeSet::new(),
        rollback: RollbackPlan { estimate: Some(estimate()), ..Rollback::default().into() },
        warnings: vec![
            Warning {
                address: Some(at("service.web")),
                message: "`minimumHealthyPercent` is 0, so an update stops every task before a new one has proven healthy".into(),
                help: Some("leave it at 100, the default".into()),
            },
            Warning { address: None, message: "3 resources are not targeted and left as they are".into(), help: None },
        ],
        ..empty()
    }
}

/// Within the deadline of five minutes.
pub(crate) fn estimate() -> Estimate {
    let field = |field: &str, seconds| FieldSeconds { field: field.into(), seconds };
    Estimate {
        detection: Share {
            seconds: 110,
            address: at("service.web"),
            fields: vec![
                field("service.web.container.web.health_check.interval", 45),
                field("service.web.container.web.health_check.timeout", 15),
            ],
        },
        undo: Share {
            seconds: 160,
            address: at("service.search"),
            fields: vec![field("service.search.container.search.stop_timeout", 30)],
        },
    }
}

pub(crate) fn drift() -> Vec<Drift> {
    vec![
        Drift {
            address: at("service.web"),
            gone: false,
            fields: vec![
                field("desired_count", json!(2), json!(1)),
                field(
                    "task_definition.containers.web.environment.DEBUG",
                    Value::Null,
                    json!("true"),
                ),
            ],
        },
        Drift { address: at("parameter.flag"), gone: true, fields: vec![] },
    ]
}
