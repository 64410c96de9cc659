use crate::world::{World, input};
use bfd_core::{Expr, Reference, Value, plan::Rollback};
use bfd_manifest::{Approval, Backend, Deletes, ProviderKind};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

#[test]
fn what_is_not_written_has_its_default() {
    let manifest = World::with("").good();
    assert_eq!(manifest.provider.kind, ProviderKind::Aws);
    assert_eq!(manifest.rollback, Rollback { on_failure: true, deadline: 300 });
    assert_eq!(manifest.guard.deletes, Deletes::Confirm);
    assert_eq!(manifest.guard.approval, Approval::None);
    assert!(manifest.guard.fallback_images);
    let directory = PathBuf::from("environments/.bfd/dev");
    assert_eq!(manifest.state.backend, Backend::Local { directory });
    assert!(manifest.resources.is_empty() && manifest.warnings.is_empty());
}

#[test]
fn sections_say_what_is_not_the_default() {
    let manifest = World::bare(
        r#"
[environment]
name = "${var.name}"
account = "123456789012"
region = "ap-southeast-1"
tags = { Stage = "${environment.name}" }
[provider]
kind = "sandbox"
endpoint_url = "http://127.0.0.1:${var.port}"
profile = "bellyfed"
[state]
directory = "../state/${environment.name}"
[rollback]
on_failure = false
deadline = "1m30s"
[guard]
deletes = "forbid"
fallback_images = "forbid"
approval = "saved_plan"
[vars]
name = "qa"
port = 5000
[cluster.main]
name = "main"
"#,
    )
    .good();
    assert_eq!(manifest.environment.name, "qa");
    assert_eq!(manifest.tags["Stage"], "qa");
    assert_eq!(manifest.provider.kind, ProviderKind::Sandbox);
    assert_eq!(manifest.provider.endpoint_url.as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!(manifest.provider.profile.as_deref(), Some("bellyfed"));
    assert_eq!(manifest.rollback, Rollback { on_failure: false, deadline: 90 });
    assert_eq!(manifest.guard.deletes, Deletes::Forbid);
    assert_eq!(manifest.guard.approval, Approval::SavedPlan);
    assert!(!manifest.guard.fallback_images);
    let directory = PathBuf::from("state/qa");
    assert_eq!(manifest.state.backend, Backend::Local { directory });
    assert_eq!(input(&manifest, "cluster.main", "tags.Stage"), &Expr::from("qa"));
}

#[test]
fn blanks_within_a_placeholder_mean_nothing() {
    let body = "[parameter.a]\nname = \"/${ environment.name }/a\"\nvalue = \"a\"\n\
                [parameter.b]\nname = \"/b\"\nvalue = \"${ parameter.a.name }\"\n";
    let manifest = World::with(body).good();
    assert_eq!(input(&manifest, "parameter.a", "name"), &Expr::from("/dev/a"));
    let reference = Reference { of: "parameter.a".parse().unwrap(), output: "name".to_owned() };
    assert_eq!(input(&manifest, "parameter.b", "value"), &Expr::Reference(reference));
}

#[test]
fn a_bucket_has_its_defaults_from_the_environment() {
    let backend = |more: &str| {
        let state = format!("[state]\nbackend = \"s3\"\nbucket = \"team-state\"\n{more}");
        World::with(&state).good().state.backend
    };
    let bucket = "team-state".to_owned();
    let region = "ap-southeast-1".to_owned();
    let lease = Duration::from_mins(1);
    assert_eq!(
        backend(""),
        Backend::S3 { bucket: bucket.clone(), prefix: "dev".into(), region, kms_key: None, lease }
    );
    let declared = "prefix = \"/bfd/web/\"\nregion = \"eu-west-1\"\nkms_key = \"alias/bfd\"\n\
                    lease = \"30s\"\n";
    let kms_key = Some("alias/bfd".into());
    let (prefix, region) = ("bfd/web/dev".into(), "eu-west-1".into());
    let lease = Duration::from_secs(30);
    assert_eq!(backend(declared), Backend::S3 { bucket, prefix, region, kms_key, lease });
}

const VARS: &str = r#"
[vars]
sha = { env = "GIT_SHA", default = "dev" }
host = "api-${environment.name}"
count = 2
public = false
subnets = ["a", "b-${environment.region}"]

[cluster.main]
name = "main-${var.sha}"

[service.web]
name = "web"
cluster = "main"
desired_count = "${var.count}"
cpu = "${var.cpu}"
memory = 512
execution_role = "arn:aws:iam::123456789012:role/execution"
network = { subnets = "${var.subnets}", assign_public_ip = "${var.public}" }
[service.web.container.web]
image = "nginx"
environment = { HOST = "https://${var.host}/${var.count}", SHELL = "$${PATH}", N = 1.50 }
"#;

fn vars() -> World {
    World::with(&VARS.replace("count = 2", "count = 2\ncpu = 256"))
}

fn number(value: impl Into<Value>) -> Expr {
    Expr::Literal(value.into())
}

#[test]
fn variables_take_the_type_of_the_field() {
    let manifest = vars().good();
    assert_eq!(input(&manifest, "cluster.main", "name"), &Expr::from("main-dev"));
    let service = |path: &str| input(&manifest, "service.web", path).clone();
    assert_eq!(service("desired_count"), number(2));
    let network = "service.networkConfiguration.awsvpcConfiguration";
    assert_eq!(service(&format!("{network}.subnets.0")), Expr::from("a"));
    assert_eq!(service(&format!("{network}.subnets.1")), Expr::from("b-ap-southeast-1"));
    assert_eq!(service(&format!("{network}.assignPublicIp")), Expr::from("DISABLED"));
    assert_eq!(service("task_definition.cpu"), Expr::from("256"));
    let environment = "task_definition.containers.web.environment";
    let host = service(&format!("{environment}.HOST"));
    assert_eq!(host, Expr::from("https://api-dev/2"));
    assert_eq!(service(&format!("{environment}.SHELL")), Expr::from("${PATH}"));
    assert_eq!(service(&format!("{environment}.N")), Expr::from("1.50"));
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_default() {
    let name = |world: World| input(&world.good(), "cluster.main", "name").clone();
    assert_eq!(name(vars().env("GIT_SHA", "abc")), Expr::from("main-abc"));
    assert_eq!(name(vars().env("GIT_SHA", "abc").var("sha", "xyz")), Expr::from("main-xyz"));
    let manifest = vars().var("count", "3").var("subnets", "c, d").var("public", "true").good();
    assert_eq!(input(&manifest, "service.web", "desired_count"), &number(3));
    let path = "service.networkConfiguration.awsvpcConfiguration";
    let network = input(&manifest, "service.web", path);
    assert_eq!(
        network.resolve(&|_| None).unwrap(),
        json!({ "subnets": ["c", "d"], "assignPublicIp": "ENABLED" })
    );
}

#[test]
fn text_from_outside_is_not_read_as_a_template() {
    let manifest =
        World::with("[vars]\na = \"x\"\n[parameter.a]\nname = \"/a\"\nvalue = \"${var.a}\"\n")
            .var("a", "${environment.name}")
            .good();
    assert_eq!(input(&manifest, "parameter.a", "value"), &Expr::from("${environment.name}"));
}

#[test]
fn text_that_is_no_number_is_refused_where_it_is_used() {
    let said = vars().var("count", "many").bad();
    assert!(said.contains("expected an integer, found text"), "{said}");
    assert!(said.contains("\"${var.count}\""), "{said}");
}

#[test]
fn references_in_text_keep_what_is_around_them() {
    let manifest = World::with(
        "[cluster.main]\nname = \"main\"\n[coordinator]\nparameter_prefix = \"/d\"\n[parameter.a]\nname = \"/a\"\nvalue = \"${environment.name}: ${cluster.main.arn} $${x} ${coordinator}\"\n",
    )
    .good();
    let lookup = |reference: &bfd_core::Reference| Some(json!(reference.to_string()));
    let value = input(&manifest, "parameter.a", "value");
    assert!(!value.is_known());
    assert_eq!(
        value.resolve(&lookup).unwrap(),
        json!("dev: ${cluster.main.arn} ${x} ${coordinator.main.prefix}")
    );
}

#[test]
fn what_kinds_do_not_name_passes_through() {
    let manifest = World::with(
        r#"
[service.web]
name = "web"
cluster_name = "shared"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/execution"
network = { subnets = ["a"] }
container.web.image = "nginx"
[service.web.task_definition]
pidMode = "task"
ephemeralStorage = { sizeInGiB = 30 }
"#,
    )
    .good();
    let task = input(&manifest, "service.web", "task_definition.ephemeralStorage.sizeInGiB");
    assert_eq!(task, &number(30));
}
