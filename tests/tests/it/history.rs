//! Runs that are looked back at, and gone back to.

use bfd_tests::{Project, exit};
use serde_json::{Value, json};

use crate::harbor::Harbor;
use crate::shop;
use crate::world::list;

/// The ids of the runs, the latest first.
pub(crate) fn runs(project: &Project) -> Vec<String> {
    let listed = project.bfd("history").args(["--format", "json"]).run().succeeds().json();
    let ids =
        list(&listed["runs"]).iter().map(|run| run["run"].as_str().expect("an id").to_owned());
    ids.collect()
}

#[test]
fn an_earlier_environment_comes_back_proven() {
    let mut harbor = Harbor::new().built();
    let first = runs(&harbor.project)[0].clone();
    let was = harbor.project.state()["resources"].clone();
    harbor.release("second");
    harbor.project.apply().run().succeeds();
    harbor.is_sound();
    let record = harbor.account.parameter("/harbor/deployment/last-deployment");
    let record: Value = serde_json::from_str(&record.expect("a record")).expect("JSON");
    assert_eq!(record["counts"], json!({ "update": 4 }), "{record}");
    let updated = json!({ "action": "update", "address": "service.web" });
    assert!(list(&record["changes"]).contains(&updated), "{record}");
    assert_eq!((&record["command"], &record["outcome"]), (&json!("bfd apply"), &json!("applied")));
    let arn = record["arn"].as_str().expect("an ARN");
    assert!(arn.starts_with("arn:aws:"), "{record}");
    harbor.project.change(
        "[repository.web]",
        "[parameter.new]\nname = \"/harbor/new\"\nvalue = \"1\"\n\n[repository.web]",
    );
    harbor.project.apply().run().succeeds();

    let back = harbor.project.bfd("rollback").args(["--to", &first[..12], "--yes"]).run();

    back.succeeds().prints("- parameter.new").prints("~ service.web  restarts tasks");
    let now = harbor.project.state()["resources"].clone();
    for address in ["parameter.url", "service.web", "stack.queue", "coordinator.main"] {
        assert_eq!(now[address]["inputs"], was[address]["inputs"], "{address}");
    }
    assert_eq!(now.get("parameter.new"), None);
    harbor.runs(&harbor.recorded_revision());
    harbor.release("first");
    harbor.project.has_no_changes();
    let rows = harbor.project.bfd("history").args(["--format", "json"]).run().succeeds().json();
    assert_eq!(
        (&rows["runs"][0]["command"], &rows["runs"][0]["outcome"]),
        (&json!("bfd rollback"), &json!("applied"))
    );
    assert_eq!(rows["runs"][0]["arn"], arn);
    let shown = harbor.project.bfd("show").arg("--run").run().succeeds();
    shown.prints(&format!("arn          {arn}"));
    let role = arn.splitn(6, ':').nth(5).expect("a role or a user");
    harbor.project.bfd("history").run().succeeds().prints(&format!("({role})"));
    // Again there is nothing to do.
    let again = harbor.project.bfd("rollback").args(["--to", &first, "--yes"]).run();
    again.succeeds().prints("No changes");
}

#[test]
fn a_way_back_that_was_saved_is_applied_like_any_plan() {
    let project = shop::on_sandbox();
    project.change("[coordinator]", "[guard]\napproval = \"saved_plan\"\n\n[coordinator]");
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    let apply = || project.workspace().bfd(["apply", "plan.json"]).run();
    apply().succeeds();
    let first = runs(&project)[0].clone();
    project.change("LOG = \"info\"", "LOG = \"debug\"");
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    apply().succeeds();

    let refused = project.bfd("rollback").args(["--to", &first, "--yes"]).run();
    refused.exits(exit::REFUSED).says("saved plans only").says("-o FILE");
    let saved = project.bfd("rollback").args(["--to", &first, "-o", "plan.json"]).run().succeeds();
    let says = format!("goes back to what run {} left", &first[..10]);
    saved.prints("LOG  \"debug\" → \"info\"").prints("plan sha256:").prints(&says);
    let show = |arguments: &[&str]| {
        project.workspace().bfd(["show", "plan.json"]).args(arguments).run().succeeds()
    };
    show(&[]).prints(&says);
    show(&["--format", "markdown"]).prints(&format!("goes back to what run `{first}` left"));
    assert_eq!(show(&["--format", "json"]).json()["back_to"], first);
    apply().succeeds().prints(&says);
    let listed = project.bfd("history").run().succeeds();
    listed.prints("bfd apply (back to ");
    project.bfd("show").arg("--run").run().succeeds().prints(&format!("run {first}"));
    let listed = project.bfd("history").args(["--format", "json"]).run().succeeds().json();
    assert_eq!(listed["runs"][0]["back_to"], first);
    assert_eq!(listed["runs"][1]["back_to"], Value::Null);

    project.change("LOG = \"debug\"", "LOG = \"info\"");
    project.has_no_changes();
}

#[test]
fn what_was_renamed_since_is_renamed_back_first() {
    let project = shop::on_sandbox();
    project.apply().args(["--target", "parameter.api-url"]).run().succeeds();
    let first = runs(&project)[0].clone();
    project.bfd("state mv").args(["parameter.api-url", "parameter.api"]).run().succeeds();
    project.change("[parameter.api-url]", "[parameter.api]");
    project.change("${parameter.api-url.name}", "${parameter.api.name}");

    let refused = project.bfd("rollback").args(["--to", &first, "--yes"]).run();

    let refused = refused.exits(exit::REFUSED);
    let refused = refused.says("`parameter.api-url` is recorded as `parameter.api`");
    let way = "`bfd state mv manifest.toml parameter.api parameter.api-url`";
    refused.says(way).never_mentions("manifest.toml:1");
    project.bfd("state mv").args(["parameter.api", "parameter.api-url"]).run().succeeds();
    project.bfd("rollback").args(["--to", &first, "--yes"]).run().succeeds();
}

#[test]
fn a_secret_of_then_that_is_nowhere_stays_as_it_is() {
    let project = shop::on_sandbox();
    let secret = "[parameter.key]\nname = \"/shop/key\"\ntype = \"SecureString\"\nvalue_from = { env = \"KEY\" }\n\n[coordinator]";
    project.change("[coordinator]", secret);
    let project = project.with("KEY", "correct-horse-battery");
    project.apply().run().succeeds();
    let first = runs(&project)[0].clone();
    let project = project.with("KEY", "wrong-donkey-accumulator");
    project.apply().run().succeeds();

    let kept = project.bfd("rollback").args(["--to", &first, "--yes"]).run().succeeds();
    kept.prints("No changes").prints("its secret stays as it is");

    // With the secret of then at hand it goes back.
    let project = project.with("KEY", "correct-horse-battery");
    let back = project.bfd("rollback").args(["--to", &first, "--yes"]).run().succeeds();
    back.prints("~ parameter.key").never_mentions("correct-horse-battery");
    project.has_no_changes();
}

#[test]
fn only_a_run_that_left_something_whole_is_gone_back_to() {
    let project = shop::on_sandbox();
    let nothing = project.bfd("rollback").args(["--to", "01", "--yes"]).run();
    nothing.exits(exit::REFUSED).says("no run starts with `01`");
    project.apply().run().succeeds();
    project.change("typesense/typesense:27.1", "typesense/never-pushed:1");
    project.apply().arg("--no-rollback").run().exits(exit::STUCK);
    project.bfd("recover").arg("--abandon").run().succeeds();
    let stuck = runs(&project)[0].clone();

    let refused = project.bfd("rollback").args(["--to", &stuck, "--yes"]).run();

    refused.exits(exit::REFUSED).says("did not leave a whole environment");
}

/// A subnet that is made again when its addresses change, and a parameter that names it.
const NETWORK: &str = r#"[environment]
name = "net"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[stack.network]
name = "net"
template = "network.yaml"
parameters = { Cidr = "10.0.1.0/24" }

[parameter.subnet]
name = "/net/subnet"
value = "in ${stack.network.outputs.Subnet}"
"#;
const NETWORK_TEMPLATE: &str = "
Parameters:
  Cidr:
    Type: String
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties:
      CidrBlock: 10.0.0.0/16
  Subnet:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Ref Cidr
Outputs:
  Subnet:
    Value: !Ref Subnet
";

#[test]
fn what_is_made_again_is_referred_to_by_its_new_id() {
    let project = Project::new("net", NETWORK);
    project.workspace().write("network.yaml", NETWORK_TEMPLATE);
    project.apply().run().succeeds();
    let first = runs(&project)[0].clone();
    let subnet = || {
        let state = project.state();
        let outputs = &state["resources"]["stack.network"]["outputs"]["outputs"];
        outputs["Subnet"].as_str().expect("a subnet").to_owned()
    };
    let was = subnet();
    project.change("10.0.1.0/24", "10.0.2.0/24");
    project.apply().run().succeeds();

    project.bfd("rollback").args(["--to", &first, "--yes"]).run().succeeds();

    let told = &project.state()["resources"]["parameter.subnet"]["inputs"]["value"];
    assert_eq!(told, &format!("in {}", subnet()));
    assert_ne!(subnet(), was, "it was made again");
    project.change("10.0.2.0/24", "10.0.1.0/24");
    project.has_no_changes();
}

#[test]
fn what_was_there_before_bfd_is_not_deleted_on_the_way_back() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let first = runs(&project)[0].clone();
    let server = project.serve();
    let put = ["ssm", "put-parameter", "--type", "String", "--name", "/theirs", "--value", "1"];
    bfd_tests::AwsCli::new(server.url()).call(put);
    drop(server);
    let adopted =
        "[parameter.theirs]\nname = \"/theirs\"\nvalue = \"1\"\nadopt = true\n\n[coordinator]";
    project.change("[coordinator]", adopted);
    project.apply().run().succeeds();

    let refused = project.bfd("rollback").args(["--to", &first, "--yes"]).run();

    refused.exits(exit::REFUSED).says("was there before bfd").says("`parameter.theirs`");
}

#[test]
fn an_image_that_only_an_earlier_run_needs_is_not_expired_in_silence() {
    let project = shop::on_sandbox();
    project.change("keep_images = 10", "keep_images = 2");
    let fallback = "source = \"${repository.web}:v1\"\nfallback = { image = \"public.ecr.aws/nginx/nginx:alpine\", port = 80, health_check = \"curl -f http://localhost/ || exit 1\" }";
    project.change(fallback, "repository = \"web\"\nfiles = { \"/release\" = \"release\" }");
    for release in ["one", "two", "three"] {
        project.workspace().write("release", release);
        project.apply().run().succeeds();
    }
    let needed = runs(&project)[1].clone();
    project.workspace().write("release", "four");

    let warnings = || project.plan_json()["warnings"].to_string();

    // Of the last three images the oldest goes; the one before is gone to by the rollback itself.
    let said = format!("ran before (`bfd rollback --to {needed}` needs it)");
    assert!(warnings().contains(&said), "{}", warnings());
    project.change("[coordinator]", "[rollback]\ndeployments = 0\n\n[coordinator]");
    assert!(!warnings().contains("ran before"), "{}", warnings());
}

#[test]
fn a_way_back_over_what_is_protected_is_not_saved_to_be_refused_later() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    let first = runs(&project)[0].clone();
    let kept = "[parameter.keep]\nname = \"/shop/keep\"\nvalue = \"1\"\nprotect = true\n\n";
    project.change("[cluster.main]", &format!("{kept}[cluster.main]"));
    project.apply().run().succeeds();

    let saved = project.bfd("rollback").args(["--to", &first, "-o", "back.json"]).run();

    saved.exits(exit::REFUSED).says("`parameter.keep` is protected");
    assert!(!project.workspace().path().join("back.json").exists());
}
