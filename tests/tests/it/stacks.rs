//! What a change of a template is, and what is none.

use bfd_tests::{AwsCli, Project, exit};

use crate::history::runs;
use crate::safety::at_a_terminal;
use crate::world::{changes, list};

const MANIFEST: &str = r#"[environment]
name = "stacks"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[stack.data]
name = "data"
template = "data.yaml"
parameters = { Value = "one", Release = "first" }
"#;

const TEMPLATE: &str = "Description: what is stored
Parameters:
  Value:
    Type: String
  Release:
    Type: String
    Default: none
Resources:
  Setting:
    Type: AWS::SSM::Parameter
    Properties:
      Name: /data/setting
      Type: String
      Value: !Sub 'is ${Value}'
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: data
Outputs:
  Queue:
    Value: !GetAtt Queue.Arn
";

/// The same as JSON, in another order, with functions in their long form and without a
/// description.
const THE_SAME: &str = r#"{
  "Resources": {
    "Queue": {"Properties": {"QueueName": "data"}, "Type": "AWS::SQS::Queue"},
    "Setting": {
      "Type": "AWS::SSM::Parameter",
      "Properties": {
        "Type": "String", "Name": "/data/setting", "Value": {"Fn::Sub": "is ${Value}"}
      }
    }
  },
  "Outputs": {"Queue": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}},
  "Parameters": {"Release": {"Type": "String", "Default": "none"}, "Value": {"Type": "String"}}
}"#;

fn applied() -> Project {
    let project = Project::new("stacks", MANIFEST);
    project.workspace().write("data.yaml", TEMPLATE);
    project.apply().run().succeeds();
    project
}

#[test]
fn a_template_that_is_written_otherwise_is_no_change() {
    let project = applied();
    let recorded = project.state()["resources"].clone();

    project.workspace().write("data.yaml", THE_SAME);
    project.has_no_changes();
    project.apply().run().succeeds();
    assert_eq!(project.state()["resources"], recorded, "the text is the one that AWS has");

    // What changes something else leaves the text alone, too.
    project.change("[stack.data]", "[stack.data]\ntags = { Owner = \"kitchen\" }");
    assert_eq!(changes(&project.plan_json()), ["update stack.data"]);
    project.apply().run().succeeds();
    project.has_no_changes();

    project.edit("data.yaml", "is ${Value}", "was ${Value}");
    let plan = project.plan_json();
    let resources = &plan["changes"][0]["resources"];
    assert_eq!(resources[0]["logical_id"], "Setting", "{resources}");
    assert_eq!(resources.as_array().map(Vec::len), Some(1), "{resources}");
    project.apply().run().succeeds();
    project.has_no_changes();
    assert!(project.state()["resources"].to_string().contains("was ${Value}"));
}

#[test]
fn a_parameter_that_reaches_nothing_is_no_change() {
    let project = applied();

    project.change("\"first\"", "\"second\"");
    project.has_no_changes();
    project.change("Release = \"second\"", "Unknown = \"second\"");
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("the template declares no parameter `Unknown`");
    project.change(", Unknown = \"second\"", "");
    project.has_no_changes();

    project.change("\"one\"", "\"two\"");
    let text = project.plan().run().exits(exit::CHANGES).stdout;
    insta::assert_snapshot!("a_parameter_of_a_stack", text);
    project.apply().run().succeeds();
    project.has_no_changes();
}

#[test]
fn what_would_be_lost_is_told_before_it_is() {
    let project = applied();
    project.edit("data.yaml", "QueueName: data", "QueueName: other");

    let text = project.plan().run().exits(exit::CHANGES).stdout;

    insta::assert_snapshot!("a_replaced_queue", text);
}

/// What a stack holds is as safe as what the manifest declares.
#[test]
fn what_is_stored_in_a_stack_is_guarded_as_what_is_declared() {
    let project = applied();
    let file = project.workspace().read("data.yaml");
    let renamed = file.replace("QueueName: data", "QueueName: another");
    let guard = |line: &str| {
        let guarded = format!("[guard]\n{line}\n\n{MANIFEST}");
        project.workspace().write("manifest.toml", &guarded);
    };
    project.workspace().write("data.yaml", &renamed);

    let plan = project.plan().args(["-o", "plan.json"]).run().exits(exit::CHANGES);
    plan.prints("0 to delete, data at risk in 1 stack");
    assert_eq!(project.plan_json()["changes"][0]["loses_data"], true);
    let question =
        "It deletes, or may delete, what is stored in a stack. Type `stacks` to apply it:";
    let asked = at_a_terminal(&project, &["apply", "manifest.toml"], "yes\n");
    asked.exits(exit::REFUSED).prints(question).prints("nothing was changed");
    let asked = at_a_terminal(&project, &["apply", "plan.json"], "yes\n");
    asked.exits(exit::REFUSED).prints(question).prints("nothing was changed");

    guard("deletes = \"forbid\"");
    let refused = project.apply().run().exits(exit::REFUSED);
    refused
        .says("the manifest forbids deletes")
        .says("`stack.data` would lose what is stored in it")
        .says("`Queue` (AWS::SQS::Queue) is replaced by an empty one");

    guard("");
    project.change("name = \"data\"", "name = \"data\"\nprotect = true");
    let refused = project.apply().run().exits(exit::REFUSED);
    refused.says("a protected resource would lose what is stored in it");

    // What is kept outside of the stack is not lost.
    let kept = |text: &str| {
        let policy = "Type: AWS::SQS::Queue\n    UpdateReplacePolicy: Retain";
        text.replace("Type: AWS::SQS::Queue", policy)
    };
    project.workspace().write("data.yaml", kept(&file));
    project.apply().run().succeeds();
    project.workspace().write("data.yaml", kept(&renamed));
    project.apply().run().succeeds();
}

#[test]
fn what_aws_would_not_delete_is_told_before_anything_is() {
    let project = applied();
    project.change(
        "template = \"data.yaml\"",
        "template = \"data.yaml\"\ntermination_protection = true",
    );
    project.apply().run().succeeds();

    let refused = project.destroy().run().exits(exit::REFUSED);
    refused.says("`stack.data` is protected against deletion").says("in `[stack.\"data\"]`: apply");
    project.has_no_changes();

    project.change("termination_protection = true", "termination_protection = false");
    project.apply().run().succeeds();
    project.destroy().run().succeeds();
}

/// Only what is made of something that changes may change with it.
#[test]
fn what_reads_an_output_that_stays_is_not_planned_again() {
    let reader = "\n[parameter.queue]\nname = \"/shop/queue\"\n\
                  value = \"${stack.data.outputs.Queue}\"\n";
    let project = Project::new("stacks", &format!("{MANIFEST}{reader}"));
    project.workspace().write("data.yaml", TEMPLATE);
    project.apply().run().succeeds();

    project.change("\"one\"", "\"two\"");
    assert_eq!(changes(&project.plan_json()), ["update stack.data"]);
    project.edit("data.yaml", "QueueName: data", "QueueName: other");
    assert_eq!(changes(&project.plan_json()), ["update parameter.queue", "update stack.data"]);

    project.apply().run().succeeds();
    project.has_no_changes();
}

#[test]
fn a_change_of_metadata_alone_is_made_once() {
    let project = applied();
    let to = "  Queue:\n    Metadata: {Note: a}\n    Type: AWS::SQS::Queue";
    project.edit("data.yaml", "  Queue:\n    Type: AWS::SQS::Queue", to);

    let text = project.plan().run().exits(exit::CHANGES).stdout;
    assert!(text.contains("metadata only, the object stays as it is"), "{text}");
    project.apply().run().succeeds();

    project.has_no_changes();
}

#[test]
fn mistakes_in_a_template_are_told_with_their_places() {
    let project = applied();
    project.edit("data.yaml", "!GetAtt Queue.Arn", "!GetAtt Quue.Arn");
    project.edit("data.yaml", "!Sub 'is ${Value}'", "!Sub 'is ${Valeu}'");
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("data.yaml:14:14: ").says("data.yaml:21:12: ").says("did you mean `Queue`?");
}

const READER: &str = r#"
[parameter.echo]
name = "/data/echo"
value = "morning"

[stack.reader]
name = "reader"
template = "reader.yaml"
parameters = { Echo = "${parameter.echo.name}" }

[stack.other]
name = "other"
template = "other.yaml"
depends_on = ["parameter.echo"]
"#;

fn reader(name: &str, parameter: &str) -> String {
    format!(
        "Parameters:\n  Echo:\n    Type: AWS::SSM::Parameter::Value<String>\n{parameter}\
         Resources:\n  Copy:\n    Type: AWS::SSM::Parameter\n    Properties:\n      \
         Name: /data/{name}\n      Type: String\n      Value: !Sub 'good ${{Echo}}'\n"
    )
}

/// Stacks that read `/data/echo`, one by a reference and one by its own default, and what looks
/// into the cloud.
#[track_caller]
fn reads_what_is_stored(project: &Project, value: &dyn Fn(&str) -> String, put: &dyn Fn(&str)) {
    let workspace = project.workspace();
    workspace.write("reader.yaml", reader("reader", ""));
    workspace.write("other.yaml", reader("other", "    Default: /data/echo\n"));
    project.apply().run().succeeds();
    project.has_no_changes();
    assert_eq!([value("/data/reader"), value("/data/other")], ["good morning"; 2]);

    // Changed here: whoever reads it, by reference or by name, is updated after it, in the same
    // run.
    project.change("value = \"morning\"", "value = \"evening\"");
    let plan = project.plan_json();
    let changed = ["update parameter.echo", "update stack.other", "update stack.reader"];
    assert_eq!(changes(&plan), changed);
    let text = project.plan().run().exits(exit::CHANGES);
    text.prints("reads /data/echo (parameter.echo) again");
    let markdown = project.plan().args(["--format", "markdown"]).run().exits(exit::CHANGES);
    markdown.prints("! reads /data/echo (parameter.echo) again");
    project.apply().run().succeeds();
    assert_eq!([value("/data/reader"), value("/data/other")], ["good evening"; 2]);
    project.has_no_changes();

    // The way back carries it as well.
    let first = runs(project).pop().expect("a first run");
    project.bfd("rollback").args(["--to", &first, "--yes"]).run().succeeds();
    assert_eq!([value("/data/reader"), value("/data/other")], ["good morning"; 2]);
    project.apply().run().succeeds();
    assert_eq!([value("/data/reader"), value("/data/other")], ["good evening"; 2]);
    project.has_no_changes();

    // So does the undo of a run that fails: readers go back after what they read.
    let manifest = project.workspace().read(project.manifest());
    project.change("value = \"evening\"", "value = \"noon\"");
    let broken = "Resources: {A: {Type: AWS::SSM::Parameter, Properties: {Name: /data/reader, Type: String, Value: x}}}";
    workspace.write("broken.yaml", broken);
    let all = "\n[stack.broken]\nname = \"broken\"\ntemplate = \"broken.yaml\"\ndepends_on = [\"stack.reader\", \"stack.other\"]\n";
    let failing = project.workspace().read(project.manifest()) + all;
    workspace.write(project.manifest(), failing);
    let plan = project.plan_json();
    assert!(list(&plan["changes"]).iter().all(|change| change["undo"] == "exact"), "{plan:#}");
    project.apply().run().exits(exit::ROLLED_BACK);
    workspace.write(project.manifest(), manifest);
    assert_eq!([value("/data/reader"), value("/data/other")], ["good evening"; 2]);
    project.has_no_changes();

    // Changed by somebody else, and put back: both are older meanwhile.
    put("night");
    let text = project.plan().run().exits(exit::CHANGES);
    text.prints("has an older value of /data/echo (parameter.echo)")
        .prints("reads /data/echo (parameter.echo) again, which changed since");
    let plan = project.plan_json();
    assert_eq!(changes(&plan), changed);
    project.change("value = \"evening\"", "value = \"night\"");
    project.apply().run().succeeds();
    assert_eq!([value("/data/reader"), value("/data/other")], ["good night"; 2]);
    project.has_no_changes();
    project.destroy().run().succeeds();
}

/// On the sandbox alone: ministack tells the value in place of the parameter's name.
#[test]
fn stacks_take_over_what_changes_in_parameter_store() {
    let head = MANIFEST.split("[stack.data]").next().expect("the head");
    let project = Project::new("stacks", &format!("{head}{READER}"));
    let value = |name: &str| {
        let server = project.serve();
        let read = AwsCli::new(server.url()).call(["ssm", "get-parameter", "--name", name]);
        read["Parameter"]["Value"].as_str().expect("a value").to_owned()
    };
    let put = |value: &str| {
        let server = project.serve();
        let put = ["ssm", "put-parameter", "--overwrite", "--name", "/data/echo", "--value", value];
        AwsCli::new(server.url()).call(put);
    };
    reads_what_is_stored(&project, &value, &put);
}

/// A reader, what it reads, and a stack that fails after both.
#[test]
fn a_run_that_goes_back_leaves_what_was_read_before() {
    let head = MANIFEST.split("[stack.data]").next().expect("the head");
    let project = Project::new("stacks", &format!("{head}{READER}"));
    let workspace = project.workspace();
    workspace.write("reader.yaml", reader("reader", ""));
    workspace.write("other.yaml", reader("other", "    Default: /data/echo\n"));
    project.apply().run().succeeds();
    let before = project.state()["resources"].clone();
    let value = |name: &str| {
        let server = project.serve();
        let read = AwsCli::new(server.url()).call(["ssm", "get-parameter", "--name", name]);
        read["Parameter"]["Value"].as_str().expect("a value").to_owned()
    };
    let manifest = workspace.read(project.manifest()).replace("morning", "evening");
    // The name is taken, which CloudFormation finds out when all else is done.
    let last = "\n[stack.last]\nname = \"last\"\ntemplate = \"last.yaml\"\n\
                depends_on = [\"stack.reader\", \"stack.other\"]\n";
    let taken = "Resources:\n  Taken: {Type: AWS::SSM::Parameter, Properties: \
                 {Name: /data/reader, Type: String, Value: mine}}\n";
    workspace.write("last.yaml", taken);
    workspace.write(project.manifest(), format!("{manifest}{last}"));
    let plan = project.plan_json();
    let undo = |plan: &serde_json::Value, at: &str| {
        let changes = plan["changes"].as_array().expect("changes").iter();
        changes.filter(|it| it["address"] == at).map(|it| it["undo"].clone()).next()
    };
    assert_eq!(undo(&plan, "stack.reader"), Some("exact".into()));

    let failed = project.apply().run().exits(exit::ROLLED_BACK);

    failed.says("stack.reader put back").says("is as it was before");
    assert_eq!(value("/data/echo"), "morning");
    assert_eq!([value("/data/reader"), value("/data/other")], ["good morning"; 2]);
    for at in ["stack.reader", "stack.other", "parameter.echo"] {
        assert_eq!(project.state()["resources"][at]["inputs"], before[at]["inputs"], "{at}");
    }
    workspace.write(project.manifest(), manifest.replace("evening", "morning"));
    project.has_no_changes();
}

#[test]
fn all_that_stands_in_the_way_of_a_destroy_is_told_at_once() {
    let project = applied();
    let protected = "termination_protection = true";
    project.change("template = \"data.yaml\"", &format!("template = \"data.yaml\"\n{protected}"));
    project.apply().run().succeeds();
    let before = project.world();
    project.change(protected, &format!("{protected}\nprotect = true\nretain = [\"Setting\"]"));
    project.change(
        "[provider]",
        "[guard]\napproval = \"saved_plan\"\ndeletes = \"forbid\"\n\n[provider]",
    );

    let refused = project.bfd("destroy").arg("--yes").run().exits(exit::REFUSED);

    insta::assert_snapshot!("obstacles_of_a_destroy", refused.stderr);
    // Without those of the manifest alone, what the record says is told at once as well.
    project.change("approval = \"saved_plan\"\ndeletes = \"forbid\"", "");
    project.change("protect = true\n", "");
    let refused = project.bfd("destroy").arg("--yes").run().exits(exit::REFUSED);
    let refused = refused.says("`retain` is not applied yet").says("is protected against deletion");
    refused.says("found 2 problems");
    assert_eq!(project.world(), before);
}

#[test]
fn what_is_retained_is_told_and_kept() {
    let project = applied();
    project.change("template = \"data.yaml\"", "template = \"data.yaml\"\nretain = [\"Setting\"]");
    let refused = project.destroy().run().exits(exit::REFUSED);
    refused.says("`retain` is not applied yet").says("of `stack.data`");
    project.apply().run().succeeds();
    project.has_no_changes();

    let at = project.manifest().to_owned();
    let manifest = project.workspace().read(&at);
    let (head, stack) = manifest.split_once("[stack.data]").expect("it is declared");
    project.workspace().write(&at, head);
    let text = project.plan().run().exits(exit::CHANGES).stdout;
    insta::assert_snapshot!("a_stack_that_leaves_something", text);
    project.apply().run().succeeds();
    assert!(project.world().to_string().contains("is one"), "the setting is there");
    assert!(project.state()["resources"].as_object().is_none_or(serde_json::Map::is_empty));

    // All of it: bfd only forgets it.
    let stack = stack.replace("[\"Setting\"]", "true").replace("\"data\"\nt", "\"other\"\nt");
    let template = TEMPLATE.replace("/data/", "/other/").replace("QueueName: data", "QueueName: o");
    project.workspace().write("data.yaml", template);
    project.workspace().write(&at, format!("{head}[stack.data]{stack}"));
    project.apply().run().succeeds();
    project.destroy().run().succeeds().prints("stays in AWS as it is");
    assert!(project.world().to_string().contains("/other/setting"), "the stack is there");
}

#[test]
fn cloudformation_says_what_a_plan_would_do_and_keeps_nothing_of_it() {
    let project = Project::new("stacks", MANIFEST);
    project.workspace().write("data.yaml", TEMPLATE);
    let refused = project.plan().args(["--change-sets", "--offline"]).run().exits(exit::REFUSED);
    refused.says("leave out `--offline`, or `--change-sets`");
    let new = project.plan().arg("--change-sets").run().exits(exit::CHANGES);
    new.prints("CloudFormation says: 2 added");
    project.apply().run().succeeds();
    project.edit("data.yaml", "QueueName: data", "QueueName: other");

    let text = project.plan().arg("--change-sets").run().exits(exit::CHANGES).stdout;

    insta::assert_snapshot!("a_replaced_queue_in_a_change_set", text);
    let world = project.world().to_string();
    assert!(!world.contains("bfd-plan-"), "the change set is gone");
    project.apply().run().succeeds();
}
