//! What goes wrong is put back, and what was cut short is finished.

use bfd_tests::{AwsCli, Project, Running, exit};
use serde_json::json;

use crate::shop;
use crate::world::{changes, existing, push, read_by_the_aws_cli};

/// Said while the services roll out, and with them half of the run is done.
const MIDDLE: &str = "service.search: 0/1 running";
const NOTHING: Vec<String> = Vec::new();

#[test]
fn an_image_that_cannot_be_pulled_puts_every_object_back() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let server = project.serve();
    let aws = AwsCli::new(server.url());
    let before = read_by_the_aws_cli(&aws, "shop");
    let recorded = project.state();
    project.change("https://api.example.com", "https://new.example.com");
    project.change("LOG = \"info\"", "LOG = \"debug\"");
    project.change("typesense:27.1", "typesense-of-nobody:27.1");

    let failed = project.apply().run().exits(exit::ROLLED_BACK);

    failed.says("CannotPullContainerError").says("rolled back");
    assert_eq!(read_by_the_aws_cli(&aws, "shop"), before);
    for (address, resource) in recorded["resources"].as_object().unwrap() {
        let now = &project.state()["resources"][address];
        assert_eq!((&now["id"], &now["inputs"]), (&resource["id"], &resource["inputs"]));
    }
    // The same manifest again would do the same again: nothing was kept of it.
    let wanted = ["update parameter.api-url", "update service.search", "update service.web"];
    assert_eq!(changes(&project.plan_json()), wanted);
}

#[test]
fn a_first_deployment_that_fails_leaves_nothing() {
    let project = shop::on_sandbox();
    project.change("typesense:27.1", "typesense-of-nobody:27.1");

    let failed = project.apply().run().exits(exit::ROLLED_BACK);

    failed.says("CannotPullContainerError");
    assert_eq!(project.state()["resources"], json!({}));
    assert_eq!(without_record(&project), NOTHING);
}

#[test]
fn a_health_check_that_cannot_pass_goes_back_to_the_revision_that_did() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let running = task_definition(&project, "shop/shop-search");
    project.change("http://localhost:8108/health", "http://localhost:9999/health");

    project.apply().run().exits(exit::ROLLED_BACK).says("failed container health checks");

    assert_eq!(task_definition(&project, "shop/shop-search"), running);
    let status = project.bfd("status").run().succeeds();
    assert_eq!(status.stdout.matches("✓").count(), 2, "{status}");
}

#[test]
fn a_program_is_told_how_services_are() {
    let project = shop::on_sandbox();
    let status = || project.bfd("status").args(["--format", "json"]).run().succeeds().json();
    assert_eq!((&status()["services"], &status()["stacks"]), (&json!([]), &json!([])));
    project.apply().run().succeeds();

    let running = status();

    assert_eq!(running["environment"]["name"], "shop");
    let of = |status: &serde_json::Value, name: &str| {
        let mut services = status["services"].as_array().expect("services").iter();
        services.find(|it| it["address"] == name).cloned().expect("a service")
    };
    let search = of(&running, "service.search");
    assert_eq!((&search["condition"], &search["rollout"]), (&json!("good"), &json!("COMPLETED")));
    assert_eq!(search["running"], search["desired"]);
    let image = search["images"].as_object().expect("images").values().next().expect("one");
    assert!(image["image"].as_str().expect("a name").contains("typesense:27.1"), "{image}");

    std::fs::remove_file(project.workspace().path().join(project.world_file())).expect("a world");

    let gone = of(&status(), "service.search");
    assert_eq!((&gone["condition"], &gone["rollout"]), (&json!("missing"), &json!(null)));
}

#[test]
fn what_cannot_be_deleted_is_told_and_left_for_the_next_apply() {
    const OLD: &str = "[repository.old]\nname = \"shop-old\"\n\n";
    let project = shop::on_sandbox();
    project.change("[cluster.main]", &format!("{OLD}[cluster.main]"));
    project.apply().run().succeeds();
    let server = project.serve();
    push(server.port(), "shop-old");
    project.change(OLD, "");

    // ECR keeps a repository that holds images, unless it is told to.
    let pending = project.apply().run().exits(exit::CLEANUP_PENDING);

    pending.says("repository.old").says("RepositoryNotEmptyException");
    assert_eq!(changes(&project.plan_json()), ["delete repository.old"]);
    let aws = AwsCli::new(server.url());
    let delete = "ecr batch-delete-image --repository-name shop-old --image-ids imageTag=v1";
    aws.call(delete.split(' '));
    project.apply().run().succeeds();
    project.has_no_changes();
}

#[test]
fn without_rollback_the_next_apply_goes_on_after_the_fix() {
    let project = shop::on_sandbox();
    project.change("typesense:27.1", "typesense-of-nobody:27.1");
    project.apply().arg("--no-rollback").run().exits(exit::STUCK).says("CannotPullContainerError");
    let left = existing(&project);
    assert!(left.contains(&"parameter /shop/api/url".to_owned()), "{left:?}");

    project.change("typesense-of-nobody:27.1", "typesense:27.1");
    project.apply().run().succeeds();

    project.has_no_changes();
}

#[test]
fn a_secret_in_a_stop_reason_is_not_in_the_status() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let server = project.serve();
    let aws = AwsCli::new(server.url());
    let tasks = aws.call("ecs list-tasks --cluster shop --service-name shop-search".split(' '));
    let task = tasks["taskArns"][0].as_str().expect("a task");
    let stop = ["ecs", "stop-task", "--cluster", "shop", "--task", task, "--reason"];
    aws.call(stop.into_iter().chain(["out of memory with DB_PASSWORD=swordfish"]));

    let status = project.bfd("status").run();

    assert!(status.stdout.contains("DB_PASSWORD=***"), "{status}");
    status.never_mentions("swordfish");
}

#[test]
fn what_was_deleted_by_somebody_else_stays_recorded_through_a_rollback() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let recorded = project.state()["resources"]["parameter.api-url"].clone();
    let server = project.serve();
    AwsCli::new(server.url()).call(["ssm", "delete-parameter", "--name", "/shop/api/url"]);
    project.change("typesense:27.1", "typesense-of-nobody:27.1");

    project.apply().run().exits(exit::ROLLED_BACK);

    // As it was before: recorded, and gone. The next plan tells so again.
    assert_eq!(project.state()["resources"]["parameter.api-url"], recorded);
    let plan = project.plan_json();
    assert_eq!(plan["drift"][0]["address"], "parameter.api-url", "{plan}");
    assert_eq!(plan["drift"][0]["gone"], true);
    project.change("typesense-of-nobody:27.1", "typesense:27.1");
    project.apply().run().succeeds();
    project.has_no_changes();
}

#[test]
fn what_is_gone_and_no_longer_declared_stays_recorded_until_a_run_is_about_it() {
    const OTHER: &str = "[parameter.other]\nname = \"/shop/other\"\nvalue = \"x\"\n\n";
    let project = shop::on_sandbox();
    project.change("[cluster.main]", &format!("{OTHER}[cluster.main]"));
    project.apply().run().succeeds();
    let server = project.serve();
    AwsCli::new(server.url()).call(["ssm", "delete-parameter", "--name", "/shop/other"]);
    project.change(OTHER, "");
    let others = || project.state()["resources"]["parameter.other"]["id"].clone();
    let edge = "[cluster.main]\ndepends_on = [\"repository.web\"]";
    project.change("[cluster.main]", edge);

    // Only the order changes: that is recorded without a step.
    project.apply().args(["--target", "cluster.main"]).run().succeeds();

    let order = project.state()["resources"]["cluster.main"]["depends_on"].clone();
    assert_eq!(order, json!(["coordinator.main", "repository.web"]));
    assert_eq!(others(), "/shop/other");
    project.apply().run().succeeds();
    assert_eq!(others(), json!(null));
    project.has_no_changes();
}

#[test]
fn after_a_kill_the_next_apply_finishes_and_goes_on() {
    let project = shop::on_sandbox();
    let mut killed = in_the_middle(&project);
    killed.kill();
    assert_eq!(killed.wait().signal, Some(9));

    project.apply().run().succeeds().says("did not finish; finishing it first");

    project.has_no_changes();
    assert_eq!(existing(&project).iter().filter(|it| it.starts_with("service ")).count(), 2);
}

#[test]
fn an_interrupt_rolls_back() {
    let project = shop::on_sandbox();
    let running = in_the_middle(&project);

    running.interrupt();

    running.wait().exits(exit::ROLLED_BACK).says("stopping and rolling back");
    assert_eq!(without_record(&project), NOTHING);
}

#[test]
fn a_second_interrupt_leaves_at_once_and_recover_finishes() {
    let project = shop::on_sandbox();
    let mut running = in_the_middle(&project);

    running.interrupt();
    running.until_it_says("stopping and rolling back");
    running.interrupt();

    running.wait().exits(exit::STUCK).says("bfd recover");
    assert_ne!(without_record(&project), NOTHING);
    project.bfd("recover").run().exits(exit::ROLLED_BACK);
    assert_eq!(without_record(&project), NOTHING);
    project.bfd("recover").run().succeeds().prints("nothing to recover");
}

/// An apply whose services are rolling out.
#[track_caller]
fn in_the_middle(project: &Project) -> Running {
    let mut running = project.apply().spawn();
    running.until_it_says(MIDDLE);
    running
}

/// What exists, without the record of the last deployment.
fn without_record(project: &Project) -> Vec<String> {
    let mut all = existing(project);
    all.retain(|object| object != "parameter /shop/deployment/last-deployment");
    all
}

fn task_definition(project: &Project, service: &str) -> serde_json::Value {
    project.world()["ecs"]["services"][service]["settings"]["taskDefinition"].clone()
}
