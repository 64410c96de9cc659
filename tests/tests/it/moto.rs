//! The second opinion: everything but services, which moto does not roll out.

use bfd_tests::emulators::ACCOUNT;
use bfd_tests::{AwsCli, Moto, Project, exit};

use crate::world::{changes, fields};

const MANIFEST: &str = r#"[environment]
name = "second"
account = "123456789012"
region = "ap-southeast-1"
tags = { Team = "second" }

[coordinator]
parameter_prefix = "/second/deployment"
config = { ready = "true" }

[repository.web]
name = "second-web"
tag_mutability = "immutable"
scan_on_push = true
keep_images = 10

[parameter.url]
name = "/second/url"
value = "https://example.com"
description = "Where it is"

[parameter.jwt]
name = "/second/jwt"
type = "SecureString"
value_from = { env = "JWT_SECRET" }

[parameter.zones]
name = "/second/zones"
type = "StringList"
value = ["a", "b"]

[stack.queues]
name = "second-queues"
template = "queues.yaml"
parameters = { Delay = "5" }

[parameter.queue]
name = "/second/queue"
value = "${stack.queues.outputs.QueueArn}"

[cluster.main]
name = "second"
container_insights = "enabled"
"#;

const QUEUES: &str = "
Parameters:
  Delay: { Type: Number }
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: second
      DelaySeconds: !Ref Delay
Outputs:
  QueueArn:
    Value: !GetAtt Queue.Arn
";

#[test]
fn everything_but_services_lives_on_moto_from_nothing_to_nothing() {
    let project = Project::new("second", MANIFEST)
        .against(Moto::shared().url(), ACCOUNT)
        .with("JWT_SECRET", "hunter2");
    project.workspace().write("queues.yaml", QUEUES);
    let everything = changes(&project.plan_json());
    assert_eq!(everything.len(), 8, "{everything:?}");

    project.apply().run().succeeds();
    project.has_no_changes();

    project.change("keep_images = 10", "keep_images = 20");
    project.change("https://example.com", "https://new.example.com");
    project.change("Delay = \"5\"", "Delay = \"10\"");
    project.change("ready = \"true\"", "ready = \"false\"");
    project.change("container_insights = \"enabled\"", "container_insights = \"disabled\"");
    let project = project.with("JWT_SECRET", "hunter3");
    project.plan().run().exits(exit::CHANGES);
    let plan = project.plan_json();
    let addresses = [
        "cluster.main",
        "coordinator.main",
        "parameter.jwt",
        "parameter.url",
        "repository.web",
        "stack.queues",
    ];
    for address in addresses {
        assert_eq!(fields(&plan, address).len(), 1, "{address} in {plan}");
    }
    project.apply().run().succeeds();
    project.has_no_changes();
    let aws = AwsCli::new(Moto::shared().url());
    let get = ["ssm", "get-parameter", "--with-decryption", "--name", "/second/jwt"];
    assert_eq!(aws.call(get)["Parameter"]["Value"], "hunter3");

    project.destroy().run().succeeds();
    assert_eq!(changes(&project.plan_json()), everything);
}
