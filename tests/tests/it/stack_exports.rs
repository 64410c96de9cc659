//! Stacks that read what others export: who goes first, and what does not go at all.

use bfd_tests::{Project, exit};

use crate::history::runs;

const MANIFEST: &str = r#"[environment]
name = "exports"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[stack.app]
name = "app"
template = "app.yaml"

[stack.network]
name = "network"
template = "network.yaml"
"#;

const NETWORK: &str = "Resources:
  Url: {Type: AWS::SSM::Parameter, Properties: {Name: /network/url, Type: String, Value: one}}
Outputs:
  Url:
    Value: !GetAtt Url.Value
    Export: {Name: !Sub '${AWS::StackName}-url'}
";

const APP: &str = "Resources:
  Copy:
    Type: AWS::SSM::Parameter
    Properties: {Name: /app/copy, Type: String, Value: !ImportValue network-url}
";

fn project() -> Project {
    let project = Project::new("exports", MANIFEST);
    project.workspace().write("network.yaml", NETWORK);
    project.workspace().write("app.yaml", APP);
    project
}

/// Steps with what they wait for: `create stack.app after [0]`.
fn steps(project: &Project) -> Vec<String> {
    let plan = project.plan_json();
    let steps = plan["steps"].as_array().expect("steps").iter();
    steps
        .map(|step| {
            let (op, at) = (step["op"].as_str().unwrap(), step["address"].as_str().unwrap());
            format!("{op} {at} after {}", step["after"])
        })
        .collect()
}

#[test]
fn an_export_is_made_before_it_is_imported_and_goes_after() {
    let project = project();

    assert_eq!(steps(&project), ["create stack.network after []", "create stack.app after [0]"]);
    project.apply().run().succeeds();
    project.has_no_changes();
    assert_eq!(
        project.state()["resources"]["stack.app"]["depends_on"],
        serde_json::json!(["stack.network"])
    );
    // The sandbox refuses to delete what exports to a stack that is there, as AWS does.
    project.destroy().run().succeeds();
}

#[test]
fn an_export_goes_once_nobody_imports_it() {
    let project = project();
    project.apply().run().succeeds();

    project.edit("network.yaml", "    Export: {Name: !Sub '${AWS::StackName}-url'}\n", "");
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("an export goes that another stack imports").says("first let `stack.app` do");

    project.edit("app.yaml", "!ImportValue network-url", "none");
    assert_eq!(steps(&project), ["update stack.app after []", "update stack.network after [0]"]);
    project.apply().run().succeeds();
    project.has_no_changes();
}

const EXPORT: &str = "    Export: {Name: !Sub '${AWS::StackName}-url'}\n";

/// Without the stack that imports.
fn alone(manifest: &str) -> String {
    let (head, rest) = manifest.split_once("[stack.app]").expect("it is declared");
    format!("{head}{}", &rest[rest.find("[stack.network]").expect("it is declared")..])
}

#[test]
fn the_way_back_over_an_export_and_its_importer_is_told_and_works() {
    let project = project();
    project.workspace().write(project.manifest(), alone(MANIFEST));
    project.edit("network.yaml", EXPORT, "");
    project.apply().run().succeeds();
    let first = runs(&project).remove(0);
    project.workspace().write(project.manifest(), MANIFEST);
    project.workspace().write("network.yaml", NETWORK);
    project.apply().run().succeeds();

    let back = || project.bfd("rollback").args(["--to", &first, "--yes"]);
    let refused = back().env("COLUMNS", "300").run().exits(exit::REFUSED);
    let advice = format!("first `bfd rollback manifest.toml --to {first} --target stack.app`");
    refused.says("still imports it until it is deleted").says(&advice);
    back().args(["--target", "stack.app"]).run().succeeds();
    back().run().succeeds();

    let state = project.state();
    let left: Vec<_> = state["resources"].as_object().expect("resources").keys().collect();
    assert_eq!(left, ["stack.network"]);
    let template = state["resources"]["stack.network"]["inputs"]["template"].as_str();
    assert!(!template.expect("a template").contains("Export"));
}

#[test]
fn what_a_retained_stack_imports_does_not_go() {
    let project = project();
    project.change("template = \"app.yaml\"", "template = \"app.yaml\"\nretain = true");
    project.apply().run().succeeds();
    let manifest = project.workspace().read(project.manifest());
    let head = manifest.split("[stack.app]").next().expect("the head");
    project.workspace().write(project.manifest(), head);

    let refused = project.plan().env("COLUMNS", "300").run().exits(exit::REFUSED);
    refused.says("`stack.app` is only forgotten (`retain = true`) and goes on to import it");
    project.destroy().env("COLUMNS", "300").run().exits(exit::REFUSED).says("goes on to import it");

    // Forgotten beside it, nothing is taken from it.
    project.workspace().write(project.manifest(), alone(&manifest));
    project.apply().run().succeeds();
    assert!(project.world().to_string().contains("/app/copy"), "it is there");
}
