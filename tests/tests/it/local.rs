//! The first ten minutes: the repository's own environment on the embedded sandbox.

use bfd_tests::{AwsCli, Project, exit};
use serde_json::{Value, json};

use crate::shop;
use crate::world::{changes, existing, fields, list};

#[test]
fn an_environment_goes_up_is_changed_and_goes_down_again() {
    let project = Project::of_repository("local");
    let everything = changes(&project.plan_json());
    assert_eq!(everything.len(), 10);
    assert!(everything.iter().all(|change| change.starts_with("create ")), "{everything:?}");

    project.apply().run().succeeds();
    let status = project.bfd("status").run().succeeds();
    assert_eq!(status.stdout.matches("✓ completed").count(), 2, "{status}");
    assert_eq!(status.stdout.matches("✓ CREATE_COMPLETE").count(), 2, "{status}");
    project.has_no_changes();

    change_one_variable_and_one_parameter(&project);
    let text = project.plan().run().exits(exit::CHANGES).stdout;
    insta::assert_snapshot!("one_variable_and_one_parameter", text);
    let plan = project.plan_json();
    assert_eq!(changes(&plan), ["update parameter.api-url", "update service.web"]);
    assert_eq!(fields(&plan, "parameter.api-url"), ["value"]);
    assert_eq!(
        fields(&plan, "service.web"),
        ["task_definition.containers.web.environment.ENVIRONMENT"]
    );
    let restarts: Vec<_> = list(&plan["changes"]).iter().map(|it| &it["restarts_tasks"]).collect();
    assert_eq!(restarts, [false, true]);

    project.apply().run().succeeds();
    project.has_no_changes();

    project.destroy().run().succeeds();
    assert_eq!(changes(&project.plan_json()), everything);
    assert_eq!(project.state()["resources"], json!({}));
    let mut left = existing(&project);
    // Earlier revisions cost nothing and stay, for whoever wants to go back to one.
    left.retain(|object| object != "task definition bellyfed-local");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn after_a_destroy_the_aws_cli_finds_nothing() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    project.destroy().run().succeeds();

    let server = project.serve();
    let aws = AwsCli::new(server.url());

    let none = Value::Array(Vec::new());
    assert_eq!(aws.call(["ecr", "describe-repositories"])["repositories"], none);
    assert_eq!(aws.call(["ssm", "describe-parameters"])["Parameters"], none);
    assert_eq!(aws.call(["ecs", "list-clusters"])["clusterArns"], none);
    assert_eq!(aws.call(["ecs", "list-task-definitions"])["taskDefinitionArns"], none);
}

#[test]
fn the_same_manifest_gives_the_same_record() {
    let [one, other] = [(), ()].map(|()| {
        let project = shop::on_sandbox();
        let apply = project.apply().args(["--parallelism", "1", "--events", "events.jsonl"]);
        apply.run().succeeds();
        let events = project.workspace().read("events.jsonl");
        (without_names_and_times(&project.state()["resources"]), told(&events))
    });

    assert_eq!(one.0, other.0);
    assert_eq!(one.1, other.1);
}

/// One variable of a container and the value of a parameter.
fn change_one_variable_and_one_parameter(project: &Project) {
    let base = "environments/base.toml";
    project.edit(base, "ENVIRONMENT = \"${environment.name}\"", "ENVIRONMENT = \"changed\"");
    project.edit(base, "value = \"https://api-", "value = \"https://new-api-");
}

/// What happened in which order, without how long things took.
fn told(events: &str) -> Vec<String> {
    let told = |line: &str| {
        let entry: Value = serde_json::from_str(line).expect("an event is JSON");
        let event = match &entry["event"] {
            Value::String(event) => event.clone(),
            Value::Object(event) => event.keys().next().cloned().unwrap_or_default(),
            other => panic!("no event: {other}"),
        };
        let (address, op) = (&entry["address"], &entry["op"]);
        // How often a rollout is looked at depends on the machine.
        (event != "progress").then(|| format!("{address} {op} {event}"))
    };
    events.lines().filter_map(told).collect()
}

/// AWS chooses ids, and the sandbox's clock runs with the machine's.
fn without_names_and_times(value: &Value) -> Value {
    const CHOSEN: &[&str] = &["deployment", "last_modified", "last_updated"];
    match value {
        Value::Object(all) => {
            let kept = all.iter().filter(|(name, _)| !CHOSEN.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), without_names_and_times(value))).collect()
        }
        Value::Array(all) => all.iter().map(without_names_and_times).collect(),
        other => other.clone(),
    }
}
