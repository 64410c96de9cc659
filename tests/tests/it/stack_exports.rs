//! Stacks that read what others export: who goes first, and what does not go at all.

use bfd_tests::{Project, exit};

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
