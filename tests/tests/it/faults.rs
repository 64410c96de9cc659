//! What the network and AWS do to a run that is nobody's fault.

use bfd_tests::emulators::ACCOUNT;
use bfd_tests::{Fault, FaultProxy, Project, SandboxServer};

use crate::world::existing;

const REST: &str = r#"
[coordinator]
parameter_prefix = "/weather/deployment"
config = { ready = "true" }

[repository.web]
name = "weather"
keep_images = 10

[parameter.url]
name = "/weather/url"
value = "https://example.com"

[cluster.main]
name = "weather"

[stack.queue]
name = "weather"
template = "queue.yaml"
"#;

const QUEUE: &str = "Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n";

#[test]
fn throttling_and_lost_answers_do_not_show_in_the_result() {
    let (project, _server, proxy) = behind_a_proxy();
    proxy.inject([
        Fault::throttle("PutParameter").times(2),
        Fault::lost_answer("PutParameter"),
        Fault::lost_answer("CreateRepository"),
        Fault::lost_request("PutLifecyclePolicy"),
        Fault::lost_answer("CreateCluster"),
        Fault::lost_answer("CreateStack"),
        Fault::internal_error("DescribeStacks"),
    ]);

    project.apply().run().succeeds();

    assert_eq!(proxy.injected().len(), 8, "{:?}", proxy.injected());
    proxy.inject([]);
    project.has_no_changes();
    let expected = [
        "repository weather",
        "parameter /weather/deployment/last-deployment",
        "parameter /weather/deployment/ready",
        "parameter /weather/url",
        "cluster weather",
    ];
    let found = existing(&project);
    assert_eq!(found[..5], expected);
    assert_eq!(found.len(), 6, "one stack: {found:?}");
}

/// An environment over HTTP on a sandbox of its own, and what stands between the two.
fn behind_a_proxy() -> (Project, SandboxServer, FaultProxy) {
    let manifest = |provider: &str| {
        format!(
            "[environment]\nname = \"weather\"\naccount = \"{ACCOUNT}\"\n\
             region = \"ap-southeast-1\"\n\n[provider]\n{provider}\n{REST}"
        )
    };
    let project = Project::new("weather", &manifest("kind = \"sandbox\""));
    project.workspace().write("queue.yaml", QUEUE);
    let server = project.serve();
    let proxy = FaultProxy::in_front_of_port(server.port());
    project.workspace().write(project.manifest(), manifest("kind = \"aws\""));
    (project.against(proxy.url(), ACCOUNT), server, proxy)
}
