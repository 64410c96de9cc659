//! An environment of one of everything, in an account of ministack that has nothing else.

use std::collections::BTreeSet;

use bfd_tests::account::Service;
use bfd_tests::{Account, FaultProxy, Ministack, Project};

const CLUSTER: &str = "harbor";
/// Every address.
const ADDRESSES: [&str; 6] = [
    "cluster.main",
    "coordinator.main",
    "parameter.url",
    "repository.web",
    "service.web",
    "stack.queue",
];
/// Kept beside the environment for those who look from AWS's side, and no part of it.
const RECORD: &str = "parameter /harbor/deployment/last-deployment";
/// What exists of a healthy harbor, besides revisions and what its stack is made of.
const OBJECTS: [&str; 6] = [
    "cluster harbor",
    "parameter /harbor/deployment/ready",
    "parameter /harbor/url",
    "repository harbor",
    "service harbor/harbor-web",
    "stack harbor",
];
/// The parameter is part of the queue: a parameter that nothing uses is no change to a stack.
const QUEUE: &str = "
Parameters:
  Release:
    Type: String
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      Tags: [{ Key: Release, Value: !Ref Release }]
Outputs:
  Release:
    Value: !Ref Release
";

/// The environment, where it is, and what stands between the two.
#[derive(Debug)]
pub(crate) struct Harbor {
    pub(crate) project: Project,
    pub(crate) account: Account,
    /// The revisions that were recorded, oldest first: they stay ACTIVE to be gone back to.
    recorded: Vec<String>,
}

impl Harbor {
    /// A harbor that is not built yet.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::at(&Ministack::shared().url())
    }

    /// The same, with faults to come in front of it.
    #[track_caller]
    pub(crate) fn behind_a_proxy() -> (Self, FaultProxy) {
        let proxy = FaultProxy::in_front_of(Ministack::shared());
        (Self::at(&proxy.url()), proxy)
    }

    #[track_caller]
    fn at(url: &str) -> Self {
        let account = Account::new();
        let project = Project::new("harbor", &manifest(account.number(), "first", "nginx:first"));
        project.workspace().write("queue.yaml", QUEUE);
        let project = project.against(url, account.number());
        Self { project, account, recorded: Vec::new() }
    }

    /// Builds it.
    #[track_caller]
    pub(crate) fn built(mut self) -> Self {
        self.project.apply().run().succeeds();
        self.is_sound();
        self
    }

    /// Asks for another release: each object that can be updated is, and gets a new task definition.
    #[track_caller]
    pub(crate) fn release(&self, name: &str) {
        self.release_of(name, &format!("nginx:{name}"));
    }

    /// Asks for another release whose tasks run an image.
    #[track_caller]
    pub(crate) fn release_of(&self, name: &str, image: &str) {
        let text = manifest(self.account.number(), name, image);
        self.project.workspace().write(self.project.manifest(), text);
    }

    /// Asserts that what exists is what is declared, recorded and running, and nothing else.
    #[track_caller]
    pub(crate) fn is_sound(&mut self) {
        self.project.has_no_changes();
        let state = self.project.state();
        let resources = state["resources"].as_object().expect("resources are recorded");
        assert_eq!(resources.keys().collect::<Vec<_>>(), ADDRESSES);
        let revision = self.recorded_revision();
        if self.recorded.last() != Some(&revision) {
            self.recorded.push(revision.clone());
        }
        self.runs(&revision);
        assert_eq!(self.objects(), self.expected());
        self.has_no_twins();
    }

    /// Asserts that there is one service, and that its tasks are of the revision.
    #[track_caller]
    pub(crate) fn runs(&self, revision: &str) {
        let expected = Service {
            name: "harbor-web".to_owned(),
            task_definition: revision.to_owned(),
            desired: 2,
            running: 2,
            tasks: vec![revision.to_owned(); 2],
        };
        assert_eq!(self.account.services(CLUSTER), [expected]);
    }

    /// The revision that the state says the service runs.
    #[track_caller]
    pub(crate) fn recorded_revision(&self) -> String {
        let revision =
            &self.project.state()["resources"]["service.web"]["outputs"]["task_definition"];
        revision.as_str().unwrap_or_else(|| panic!("no revision: {revision}")).to_owned()
    }

    /// What exists, without the record of the last deployment.
    #[track_caller]
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let mut objects = self.account.objects();
        objects.remove(RECORD);
        objects
    }

    /// What should exist: what is declared, the revisions that were recorded, and what the
    /// stack is made of.
    #[track_caller]
    pub(crate) fn expected(&self) -> BTreeSet<String> {
        let revisions = self.recorded.iter().map(|arn| {
            let name = arn.rsplit('/').next().expect("a name");
            format!("revision {name}")
        });
        let queues = self.account.queues_of_stacks();
        assert_eq!(queues.len(), 1, "{queues:?}");
        let queues = queues.iter().map(|queue| format!("queue {queue}"));
        OBJECTS.iter().map(|it| (*it).to_owned()).chain(revisions).chain(queues).collect()
    }

    #[track_caller]
    fn has_no_twins(&self) {
        let revisions = self.account.revisions();
        let hashes: BTreeSet<_> = revisions.iter().map(|it| &it.content_hash).collect();
        assert_eq!(hashes.len(), revisions.len(), "of one content: {revisions:?}");
        assert!(!hashes.contains(&String::new()), "without a mark: {revisions:?}");
    }
}

/// Notes what a test has done, for when it fails.
#[expect(clippy::print_stderr, reason = "shown with a failure, or with `--nocapture`")]
pub(crate) fn tell(what: &str) {
    eprintln!("{what}");
}

fn manifest(account: &str, release: &str, image: &str) -> String {
    format!(
        r#"
[environment]
name = "harbor"
account = "{account}"
region = "ap-southeast-1"

[provider]
kind = "aws"

[coordinator]
parameter_prefix = "/harbor/deployment"
config = {{ ready = "{release}" }}

[repository.web]
name = "harbor"
keep_images = 10

[parameter.url]
name = "/harbor/url"
value = "https://{release}.example.com"

[cluster.main]
name = "harbor"

[stack.queue]
name = "harbor"
template = "queue.yaml"
parameters = {{ Release = "{release}" }}

[service.web]
name = "harbor-web"
cluster = "main"
desired_count = 2
cpu = 256
memory = 512
network = {{ subnets = ["subnet-0a1b2c3d"] }}

[service.web.container.web]
image = "{image}"
port = 80
environment = {{ RELEASE = "${{stack.queue.outputs.Release}}" }}
"#
    )
}
