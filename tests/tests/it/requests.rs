//! How many requests a plan costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bfd_tests::emulators::ACCOUNT;
use bfd_tests::{FaultProxy, Project};

use crate::world::push;

const PARAMETERS: usize = 300;
const REPOSITORIES: usize = 20;
/// For everything: reads come in batches of ten, AWS's own limit.
const MOST: usize = 60;

#[test]
fn a_plan_of_a_large_environment_costs_at_most_sixty_requests_and_writes_nothing() {
    let project = Project::new("large", &manifest("kind = \"sandbox\""));
    let repositories = (0..REPOSITORIES).map(|number| format!("--target=repository.r{number}"));
    project.apply().args(repositories).run().succeeds();
    let server = project.serve();
    (0..REPOSITORIES).for_each(|number| push(server.port(), &format!("large-{number}")));
    project.apply().run().succeeds();
    let world = project.world();
    let proxy = FaultProxy::in_front_of_port(server.port());
    // The same environment over HTTP, where requests can be counted.
    project.workspace().write(project.manifest(), manifest("kind = \"aws\""));
    let project = project.against(proxy.url(), ACCOUNT);

    project.has_no_changes();

    let mut breakdown: BTreeMap<String, usize> = BTreeMap::new();
    for request in proxy.requests() {
        // `AmazonSSM.GetParameters POST /`
        *breakdown.entry(request.split(' ').next().unwrap_or_default().to_owned()).or_default() +=
            1;
    }
    let count: usize = breakdown.values().sum();
    let breakdown = breakdown.iter().fold(String::new(), |mut text, (operation, count)| {
        writeln!(text, "{count:>5} {operation}").expect("a string takes text");
        text
    });
    assert!(count <= MOST, "{count} requests, at most {MOST}:\n{breakdown}");
    let reads = ["Describe", "Get", "List", "BatchGet"];
    let is_read = |line: &str| {
        let operation = line.rsplit(['.', ' ']).next().unwrap_or_default();
        reads.iter().any(|read| operation.starts_with(read))
    };
    assert!(breakdown.lines().all(is_read), "not only reads:\n{breakdown}");
    assert_eq!(project.world(), world);
}

/// 300 parameters, 20 repositories with an image and a service each.
fn manifest(provider: &str) -> String {
    let mut text = format!(
        "[environment]\nname = \"large\"\naccount = \"{ACCOUNT}\"\nregion = \"ap-southeast-1\"\n\
         tags = {{ Size = \"large\" }}\n[provider]\n{provider}\n\
         [coordinator]\nparameter_prefix = \"/large/deployment\"\nconfig = {{ ready = \"true\" }}\n\
         [cluster.main]\nname = \"large\"\n"
    );
    for number in 0..PARAMETERS {
        writeln!(text, "[parameter.p{number}]\nname = \"/large/p{number}\"\nvalue = \"{number}\"")
            .expect("a string takes text");
    }
    for number in 0..REPOSITORIES {
        writeln!(
            text,
            "[repository.r{number}]\nname = \"large-{number}\"\nkeep_images = 10\n\
             [image.r{number}]\nsource = \"${{repository.r{number}}}:v1\"\n\
             [service.r{number}]\nname = \"large-{number}\"\ncluster = \"main\"\ncpu = 256\nmemory = 512\n\
             execution_role = \"arn:aws:iam::{ACCOUNT}:role/large\"\n\
             network = {{ subnets = [\"subnet-0a1b2c3d\"] }}\n\
             [service.r{number}.container.web]\nimage = \"${{image.r{number}}}\"\nport = 80\n"
        )
        .expect("a string takes text");
    }
    text
}
