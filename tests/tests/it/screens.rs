//! What people see, as they see it.

use bfd_tests::{Project, exit};

use crate::shop;
use crate::world::list;

/// The shop, applied, and then changed in every way at once.
#[track_caller]
fn changed() -> Project {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    project.change("https://api.example.com", "https://new.example.com");
    project.change("LOG = \"info\"", "LOG = \"debug\", CACHE = \"on\"");
    project.change("interval = \"5s\", timeout = \"2s\", retries = 2, start_period = \"0s\" }\n\n[service.search]", "interval = \"10s\", timeout = \"2s\", retries = 2, start_period = \"0s\" }\n\n[service.search]");
    project.change("keep_images = 10", "keep_images = 20");
    project.change("name = \"shop-search\"", "name = \"shop-finder\"");
    project.change(
        "[cluster.main]",
        "[parameter.greeting]\nname = \"/shop/greeting\"\nvalue = \"hello\"\n\n[cluster.main]",
    );
    project
}

#[test]
fn a_plan_at_every_width_and_in_every_format() {
    let project = changed();
    let plan = |columns: &str| {
        let output = project.plan().env("COLUMNS", columns).run().exits(exit::CHANGES);
        assert!(!output.stdout.contains('\u{1b}'), "{output}");
        output.stdout
    };
    let is_within =
        |text: &str, columns: usize| text.lines().all(|line| line.chars().count() <= columns);

    let narrow = plan("80");
    assert!(is_within(&narrow, 80), "{narrow}");
    insta::assert_snapshot!("plan_80", narrow);
    let wide = plan("120");
    assert!(is_within(&wide, 120), "{wide}");
    insta::assert_snapshot!("plan_120", wide);

    let markdown = project.bfd("plan").args(["--format", "markdown"]).run().succeeds().stdout;
    insta::assert_snapshot!("plan_markdown", markdown);

    let json = project.plan_json();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["environment"], "shop");
    assert_eq!(
        json["summary"],
        serde_json::json!({ "create": 1, "update": 3, "replace": 1, "delete": 0, "adopt": 0, "unchanged": 3 })
    );
    let steps: Vec<String> = list(&json["steps"])
        .iter()
        .map(|step| {
            let text = |member: &str| step[member].as_str().unwrap_or_default().to_owned();
            format!("{} {} {} after {}", text("phase"), text("op"), text("address"), step["after"])
        })
        .collect();
    insta::assert_snapshot!("plan_steps", steps.join("\n"));
}

#[test]
fn colour_is_for_terminals_and_those_who_insist() {
    let project = shop::on_sandbox();
    let is_coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let plan = project.bfd("plan").args(arguments).env_remove("NO_COLOR");
        let plan = variables.iter().fold(plan, |plan, (name, value)| plan.env(name, value));
        plan.run().succeeds().stdout.contains('\u{1b}')
    };

    assert!(!is_coloured(&[], &[]));
    assert!(is_coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(is_coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!is_coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn data_and_messages_do_not_mix() {
    let project = shop::on_sandbox();

    let applied = project.apply().run().succeeds();

    assert!(applied.stdout.contains("Plan: 7 to create"), "{applied}");
    assert!(!applied.stdout.contains("created"), "{applied}");
    assert!(applied.stderr.contains("applied shop"), "{applied}");
    // Nothing but the plan on stdout: it can be piped into whatever reads it.
    let json = project.bfd("plan").args(["--format", "json", "-vv"]).run().succeeds();
    assert_eq!(json.json()["changes"], serde_json::json!([]));
}

#[test]
fn help_fits_a_terminal() {
    let project = shop::on_sandbox();
    let help = |arguments: &[&str]| {
        let output = project.workspace().bfd(arguments).env("COLUMNS", "80").run().succeeds();
        let text = output.stdout;
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };

    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_apply", help(&["apply", "--help"]));
    insta::assert_snapshot!("help_bootstrap", help(&["bootstrap", "--help"]));
    insta::assert_snapshot!("help_plan", help(&["plan", "--help"]));
}

#[test]
fn a_record_and_its_graph_can_be_looked_at() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();

    insta::assert_snapshot!("state_list", project.bfd("state list").run().succeeds().stdout);
    insta::assert_snapshot!(
        "graph",
        project.bfd("graph").args(["--format", "mermaid"]).run().succeeds().stdout
    );
}

#[test]
fn lists_are_broken_for_terminals_and_not_in_a_pipe() {
    let project = shop::on_sandbox();
    // Whoever has a long name makes a long line.
    project.apply().env("USER", "somebody-".repeat(12)).run().succeeds();
    let list = |command: &str, narrow: bool| {
        let command = project.bfd(command);
        let command =
            if narrow { command.env("COLUMNS", "40") } else { command.env_remove("COLUMNS") };
        command.run().succeeds().stdout
    };

    assert_eq!(list("history", false).lines().count(), 1);
    assert!(list("history", true).lines().count() > 1);
    let recorded = project.state()["resources"].as_object().map(serde_json::Map::len);
    assert_eq!(Some(list("state list", false).lines().count()), recorded);
}

/// Two stacks, of which one is called otherwise, and nothing else.
const STACKS: &str = r#"[environment]
name = "stacks"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[stack.queue]
name = "queue"
template = "queue.yaml"

[stack.data]
name = "stacks-data"
template = "data.yaml"
parameters = { Value = "one" }
"#;
const QUEUE: &str = "Resources: { Queue: { Type: AWS::SQS::Queue } }\n";
const DATA: &str = "
Parameters: { Value: { Type: String } }
Resources:
  Setting:
    Type: AWS::SSM::Parameter
    Properties: { Name: /data/setting, Type: String, Value: !Ref Value }
";

#[test]
fn the_status_of_an_environment_of_stacks() {
    let project = Project::new("stacks", STACKS);
    project.workspace().write("queue.yaml", QUEUE);
    project.workspace().write("data.yaml", DATA);
    let status = || project.bfd("status").run().succeeds().stdout;
    assert_eq!(status(), "no service and no stack of stacks is recorded\n");
    project.apply().run().succeeds();
    let rows = |text: &str| -> Vec<String> {
        // When they were made is a matter of the machine.
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        words.map(|words| words[..words.len().min(3)].join(" ")).collect()
    };
    let good = rows(&status());
    let well = "✓ CREATE_COMPLETE";
    let data = format!("stack.data {well}");
    let queue = format!("stack.queue {well}");
    assert_eq!(good, ["stack status since", &data, "stacks-data", &queue]);

    let server = project.serve();
    let aws = bfd_tests::AwsCli::new(server.url());
    aws.call(["cloudformation", "delete-stack", "--stack-name", "queue"]);
    aws.call(["cloudformation", "wait", "stack-delete-complete", "--stack-name", "queue"]);
    let update = ["cloudformation", "update-stack", "--stack-name", "stacks-data"];
    let empty = ["--use-previous-template", "--parameters", "ParameterKey=Value,ParameterValue="];
    aws.call(update.into_iter().chain(empty));
    let wait = ["cloudformation", "wait", "stack-rollback-complete", "--stack-name", "stacks-data"];
    aws.call(wait);

    let text = status();

    assert!(text.contains("✗ UPDATE_ROLLBACK_COMPLETE"), "{text}");
    assert!(text.contains("stack.queue  ✗ missing"), "{text}");
    let why = "stack.data  what went wrong\n  Setting (AWS::SSM::Parameter) UPDATE_FAILED: ";
    assert!(text.contains(why), "{text}");
    let ascii = project.bfd("status").env("LC_ALL", "C").run().succeeds().stdout;
    assert!(ascii.is_ascii() && ascii.contains("UPDATE_ROLLBACK_COMPLETE"), "{ascii}");
}
