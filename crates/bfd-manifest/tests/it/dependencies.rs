use crate::world::{World, input, resource};
use bfd_core::{Expr, Reference};
use insta::assert_snapshot;
use std::collections::BTreeSet;

fn waits_for(manifest: &bfd_manifest::Manifest, address: &str) -> BTreeSet<String> {
    resource(manifest, address).dependencies().iter().map(ToString::to_string).collect()
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_known_without_being_written_is_an_edge() {
    let manifest = World::with(
        r#"
[coordinator]
parameter_prefix = "/bellyfed/dev/deployment"

[repository.web]
name = "web"

[image.web]
source = "${repository.web.uri}:v1"

[cluster.main]
name = "main"

[stack.network]
name = "network"
template = "network.yaml"

[parameter.done]
name = "/done"
value = "yes"
depends_on = ["service.web"]
protect = true

[service.web]
name = "web"
cluster = "main"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/execution"
network = { subnets = ["${stack.network.outputs.SubnetA}"] }

[service.web.container.web]
image = "${image.web}"
port = 3000
"#,
    )
    .file("environments/network.yaml", NETWORK)
    .good();
    assert_eq!(waits_for(&manifest, "coordinator.main"), set(&[]));
    assert_eq!(waits_for(&manifest, "repository.web"), set(&["coordinator.main"]));
    assert_eq!(waits_for(&manifest, "image.web"), set(&["coordinator.main", "repository.web"]));
    let service = ["cluster.main", "coordinator.main", "image.web", "stack.network"];
    assert_eq!(waits_for(&manifest, "service.web"), set(&service));
    assert_eq!(waits_for(&manifest, "parameter.done"), set(&["coordinator.main", "service.web"]));
    assert!(resource(&manifest, "parameter.done").protect);
    assert_eq!(
        input(&manifest, "service.web", "task_definition.containers.web.image"),
        &Expr::Reference(Reference { of: "image.web".parse().unwrap(), output: "uri".to_owned() })
    );
    let order: Vec<String> = manifest.resources.iter().map(|r| r.address.to_string()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_cycle_is_shown_with_the_whole_path() {
    assert_snapshot!(
        World::with(
            r#"
[parameter.a]
name = "/a"
value = "x ${parameter.b.version}"

[parameter.b]
name = "/b"
value = "x"
depends_on = ["parameter.c"]

[parameter.c]
name = "/c"
value = "${parameter.a}"

[parameter.alone]
name = "/alone"
value = "${parameter.alone.version}"
"#
        )
        .bad()
    );
}

#[test]
fn the_coordinator_waits_for_nothing() {
    let said = World::with(
        "[coordinator]\nparameter_prefix = \"/a\"\ndepends_on = [\"cluster.main\"]\n[cluster.main]\nname = \"main\"\n",
    )
    .bad();
    assert!(said.contains("as everything does"), "{said}");
    assert!(said.contains("`cluster.main → coordinator.main → cluster.main`"), "{said}");
}

#[test]
fn a_chain_as_long_as_the_manifest_is_no_cycle() {
    use std::fmt::Write as _;
    let mut body = "[parameter.p0]\nname = \"/p0\"\nvalue = \"x\"\n".to_owned();
    for at in 1..20_000 {
        let _ = writeln!(
            body,
            "[parameter.p{at}]\nname = \"/p{at}\"\nvalue = \"${{parameter.p{}}}\"",
            at - 1
        );
    }
    assert_eq!(World::with(&body).good().resources.len(), 20_000);
    let closed = body.replacen("value = \"x\"", "value = \"${parameter.p19999}\"", 1);
    let failed = World::with(&closed).load().unwrap_err();
    assert_eq!(failed.problems.len(), 1);
    assert_eq!(failed.problems[0].code, "manifest::cycle");
}

#[test]
fn dependencies_on_nothing_get_the_nearest_address() {
    let said = World::with(
        "[cluster.main]\nname = \"main\"\n[parameter.a]\nname = \"/a\"\nvalue = \"x\"\ndepends_on = [\"cluster.mian\", \"clutser.main\"]\n",
    )
    .bad();
    assert!(said.contains("did you mean `cluster.main`?"), "{said}");
    assert!(said.contains("did you mean `cluster`?"), "{said}");
}

const NETWORK: &str = "Resources:\n  Subnet: {Type: AWS::EC2::Subnet}\nOutputs:\n  \
    SubnetA: {Value: !Ref Subnet}\n  Role: {Value: a}\n";

const EXPORTING: &str = "Parameters: {Prefix: {Type: String}}
Resources:
  Url: {Type: AWS::SSM::Parameter, Properties: {Name: /shop/url, Type: String, Value: x}}
Outputs:
  Vpc: {Value: vpc-1, Export: {Name: !Sub '${Prefix}-${AWS::StackName}-${AWS::Region}'}}
";

/// Stacks that read what others make by its name alone.
const EXCHANGE: &str = r#"
[stack.network]
name = "network"
template = "exporting.yaml"
parameters = { Prefix = "shop" }

[parameter.image]
name = "/shop/image"
value = "web:1"

[stack.imports]
name = "imports"
template = "imports.yaml"

[stack.outputs]
name = "outputs"
template = "outputs.yaml"

[stack.stored]
name = "stored"
template = "stored.yaml"
parameters = { Url = "/shop/url" }
"#;

fn exchanging() -> World {
    exchanging_with(EXCHANGE)
}

fn exchanging_with(body: &str) -> World {
    let topic = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: ";
    World::with(body)
        .file("environments/exporting.yaml", EXPORTING)
        .file(
            "environments/imports.yaml",
            &format!("{topic} !ImportValue shop-network-ap-southeast-1, TopicName: !ImportValue elsewhere}}}}}}"),
        )
        .file(
            "environments/outputs.yaml",
            &format!("{topic} !GetStackOutput {{StackName: network, OutputName: Vpc}}}}}}}}"),
        )
        .file(
            "environments/stored.yaml",
            &format!(
                "Parameters:\n  Url: {{Type: 'AWS::SSM::Parameter::Value<String>'}}\n  \
                 Image: {{Type: 'AWS::SSM::Parameter::Value<String>', Default: /shop/image}}\n\
                 {topic} !Ref Url}}}}}}"
            ),
        )
}

#[test]
fn who_reads_by_name_waits_for_who_makes_it() {
    let manifest = exchanging().good();

    assert_eq!(waits_for(&manifest, "stack.network"), set(&[]));
    assert_eq!(waits_for(&manifest, "stack.imports"), set(&["stack.network"]));
    assert_eq!(waits_for(&manifest, "stack.outputs"), set(&["stack.network"]));
    let both = ["parameter.image", "stack.network"];
    assert_eq!(waits_for(&manifest, "stack.stored"), set(&both));
}

#[test]
fn stacks_that_read_each_other_are_a_cycle() {
    let back = EXPORTING.replace("Value: vpc-1", "Value: !ImportValue back");
    let world = exchanging().file("environments/exporting.yaml", &back).file(
        "environments/imports.yaml",
        "Resources: {Topic: {Type: AWS::SNS::Topic}}
Outputs:
  Back: {Value: !ImportValue shop-network-ap-southeast-1, Export: {Name: back}}
",
    );

    assert_snapshot!(world.bad());
}

#[test]
fn what_two_resources_make_is_told() {
    let template = "Resources:\n  P:\n    Type: AWS::SSM::Parameter\n    \
                    Properties: { Name: /url, Type: String, Value: a }\n";
    let body = "[stack.config]\nname = \"config\"\ntemplate = \"config.yaml\"\n\
                [parameter.url]\nname = \"/url\"\nvalue = \"b\"\n";
    let manifest = World::with(body).file("environments/config.yaml", template).good();
    let [warning] = &manifest.warnings[..] else { panic!("{:?}", manifest.warnings) };
    let labels: Vec<&str> = warning.labels.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(
        labels,
        ["`parameter.url` makes the parameter `/url`", "`stack.config` makes the parameter `/url`"]
    );
}

#[test]
fn what_two_fields_name_is_told_once() {
    let body = "[parameter.a]\nname = \"/url\"\nvalue = \"a\"\n\
                [parameter.b]\nname = \"/url\"\nvalue = \"b\"\n";
    let failed = World::with(body).load().unwrap_err();
    let codes: Vec<&str> = failed.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["manifest::duplicate"]);
}

/// A stack with one within it, whose template is among the files that it publishes.
const NESTING: &str = r#"
[stack.outer]
name = "outer"
template = "outer.yaml"

[stack.outer.assets.inner]
path = "inner.yaml"
bucket = "assets"
key = "cafe.json"

[stack.outer.assets.code]
path = "code.js"
bucket = "assets"
key = "beef.js"
"#;

fn nesting(inner: &str) -> World {
    let outer = "Resources:\n  Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties:\n      \
                 TemplateURL: !Sub 'https://s3.${AWS::Region}.${AWS::URLSuffix}/assets/cafe.json'\n";
    exchanging_with(&format!("{EXCHANGE}{NESTING}"))
        .file("environments/outer.yaml", outer)
        .file("environments/inner.yaml", inner)
        .file("environments/code.js", "no template")
}

#[test]
fn a_stack_within_a_stack_is_read_with_it() {
    let inner = "Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !ImportValue shop-network-ap-southeast-1}}}";
    let manifest = nesting(inner).good();

    let nested = &resource(&manifest, "stack.outer").inputs["nested"];
    let nested = nested.as_map().expect("templates by their keys");
    assert_eq!(nested.keys().collect::<Vec<_>>(), ["cafe.json"]);
    assert_eq!(nested["cafe.json"].as_str(), Some(inner));
    // It is the inner one that imports.
    assert_eq!(waits_for(&manifest, "stack.outer"), set(&["stack.network"]));
}

#[test]
fn a_mistake_within_is_told_by_its_file() {
    let said = nesting("Resources: {Topic: {Properties: {}}}").bad();
    assert!(said.contains("inner.yaml:1"), "{said}");
}
