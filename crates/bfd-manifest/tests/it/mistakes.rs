use crate::world::World;
use insta::assert_snapshot;

/// The code of every problem, in order.
fn codes(body: &str) -> Vec<&'static str> {
    let failed = World::with(body).load().expect_err("the manifest has mistakes in it");
    failed.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn eight_mistakes_are_eight_reports_each_at_its_line() {
    let world = World::with(
        r#"
[clutser.main]
name = "x"

[cluster.main]
name = "bellyfed dev"

[service.web]
name = "bellyfed-${environment.nam}"
cluster = "man"
desired_cuont = 2
execution_role = "${stack.netwrok.outputs.Role}"

[service.web.container.web]
image = "nginx"
port = 70000
health_check = { interval = "30x", command = "true" }

[parameter.url]
type = "Strng"
value = "x"
"#,
    );
    let failed = world.load().unwrap_err();
    assert_eq!(failed.problems.len(), 10, "{}", world.bad());
    assert_snapshot!(world.bad());
}

#[test]
fn an_environment_says_where_it_is() {
    assert_snapshot!(
        World::bare("[environment]\naccount = \"12345\"\nregion = \"Singapore\"\n").bad()
    );
}

#[test]
fn a_manifest_without_an_environment_is_told_what_to_add() {
    assert_snapshot!(World::bare("").bad());
}

#[test]
fn syntax_errors_come_together() {
    assert_snapshot!(
        World::bare("[environment\nname = \"dev\naccount = 1 2\n\n[cluster.main]\nname = \n").bad()
    );
}

#[test]
fn sections_are_checked_like_kinds() {
    assert_snapshot!(
        World::with(
            r#"
[provider]
kind = "awss"
endpoint_url = "localhost:5000"

[state]
backend = "s3"
bucket = "x"

[rollback]
on_failure = "true"
deadline = 300

[guard]
deletes = false

[vars]
sha = { evn = "GIT_SHA" }
deep = [["x"]]
"#
        )
        .bad()
    );
}

#[test]
fn a_field_at_the_wrong_level_is_sent_to_the_right_one() {
    let said = World::with("[service.web]\nname = \"web\"\nhealth_check = \"true\"\n").bad();
    assert!(said.contains("write it in `container.NAME`"), "{said}");
}

#[test]
fn a_resource_without_a_name_is_told_to_have_one() {
    let said = World::with("[cluster]\nname = \"web\"\n").bad();
    assert!(said.contains("give it a name: `[cluster.main]`"), "{said}");
}

#[test]
fn what_must_be_known_takes_no_reference() {
    let said =
        World::with("[cluster.a]\nname = \"a\"\n[cluster.b]\nname = \"${cluster.a.name}\"\n").bad();
    assert!(said.contains("must be known when planning"), "{said}");
}

#[test]
fn references_are_checked_to_the_last_part() {
    assert_snapshot!(
        World::with(
            r#"
[cluster.main]
name = "main"

[stack.network]
name = "network"
template = "network.yaml"

[parameter.a]
name = "/a"
value = "${cluster.main.arm}"

[parameter.b]
name = "/b"
value = "${stack.network}"

[parameter.c]
name = "/c"
value = "${stack.network.outputs}"

[parameter.d]
name = "/d"
value = "${cluster.main.arn.deeper}"

[parameter.e]
name = "/e"
value = "ü ${PORT} $${FINE}"

[parameter.f]
name = "/f"
value = "a\tb ${cluster.main"

[parameter.g]
name = "/g"
value = "${cluster.mian}"
"#
        )
        .file("environments/network.yaml", TEMPLATE)
        .bad()
    );
}

#[test]
fn one_object_has_one_resource() {
    assert_snapshot!(
        World::with(
            r#"
[coordinator]
parameter_prefix = "/bellyfed/${environment.name}"
config = { ready = true }

[parameter.ready]
name = "/bellyfed/dev/ready"
value = "x"

[cluster.a]
name = "same"

[cluster.b]
name = "same"
"#
        )
        .bad()
    );
}

#[test]
fn a_resource_with_mistakes_does_not_hide_those_of_others() {
    let body = "[cluster.a]\nname = 5\n[parameter.b]\nname = \"/b\"\n";
    assert_eq!(codes(body), ["manifest::wrong_type", "parameter::no_value"]);
}

#[test]
fn what_is_a_secret_is_not_a_variable_as_well() {
    let world = World::with(
        r#"
[vars]
key = { env = "PATH_TO_KEY", default = "" }
jwt = { env = "JWT_SECRET", default = "none" }

[parameter.jwt]
name = "/jwt"
type = "SecureString"
value_from = { env = "JWT_SECRET" }

[parameter.plain]
name = "/plain"
value = "${var.jwt}"
"#,
    );
    assert_snapshot!(world.env("JWT_SECRET", "correct-horse-battery").bad());
}

#[test]
fn outputs_of_a_stack_are_those_of_its_template() {
    assert_snapshot!(
        World::with(
            r#"
[stack.network]
name = "network"
template = "network.yaml"

[parameter.a]
name = "/a"
value = "in ${stack.network.outputs.VpcIdd}"

[parameter.b]
name = "/b"
value = "${stack.network.outputs.Nothing}"

[parameter.c]
name = "/c"
value = "${stack.network.outputs.VpcId}"
"#,
        )
        .file("environments/network.yaml", TEMPLATE)
        .bad()
    );
}

#[test]
fn what_a_macro_may_add_to_a_template_is_not_called_unknown() {
    let manifest = "[stack.network]\nname = \"network\"\ntemplate = \"network.yaml\"\n\
        capabilities = [\"CAPABILITY_AUTO_EXPAND\"]\n\n\
        [parameter.a]\nname = \"/a\"\nvalue = \"${stack.network.outputs.Made}\"\n";
    let transformed = format!("Transform: Mine\n{TEMPLATE}");
    World::with(manifest)
        .file("environments/network.yaml", &transformed)
        .load()
        .expect("a manifest");
}

#[test]
fn files_and_secrets_that_are_not_there_are_pointed_at() {
    assert_snapshot!(
        World::with(
            r#"
[stack.network]
name = "network"
template = "templates/network.yaml"

[parameter.jwt]
name = "/jwt"
type = "SecureString"
value_from = { env = "JWT_SECRET" }

[parameter.both]
name = "/both"
type = "SecureString"
value_from = { env = "A", file = "b" }
"#
        )
        .bad()
    );
}

#[test]
fn variables_need_a_value_where_they_are_used() {
    assert_snapshot!(
        World::with(
            r#"
[vars]
sha = { env = "GIT_SHA" }
unused = { env = "NOBODY" }
count = 1

[cluster.main]
name = "main-${var.sha}"

[parameter.a]
name = "/a"
value = "${var.shaa}"
"#
        )
        .var("cuont", "3")
        .bad()
    );
}

#[test]
fn a_number_without_its_unit_gets_one() {
    for written in ["\"300\"", "300"] {
        let text = World::with(&format!("[rollback]\ndeadline = {written}\n")).bad();
        assert!(text.contains("write it with a unit: `\"300s\"`"), "{text}");
    }
}

#[test]
fn each_backend_has_its_own_fields() {
    let code = "manifest::not_for_backend";
    assert_eq!(codes("[state]\nbucket = \"team\"\nlease = \"30s\"\n"), [code, code]);
    let s3 = "[state]\nbackend = \"s3\"\n";
    assert_eq!(codes(s3), ["manifest::missing_field"]);
    assert_eq!(codes(&format!("{s3}bucket = \"team\"\ndirectory = \"state\"\n")), [code]);
    let sandbox = format!("{s3}bucket = \"team\"\n[provider]\nkind = \"sandbox\"\n");
    assert_eq!(codes(&sandbox), ["manifest::sandbox_state"]);
    assert_snapshot!(World::with(&sandbox).bad());
}

const TEMPLATE: &str =
    "Resources:\n  Vpc: {Type: AWS::EC2::VPC}\nOutputs:\n  VpcId: {Value: !Ref Vpc}\n";
