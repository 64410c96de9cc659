//! The repository's own environment on an emulator that was not written here.
//!
//! Its ECS starts the tasks in a Docker engine, see `tests/emulators/fake_dockerd.py`.

use bfd_tests::emulators::new_account;
use bfd_tests::{AwsCli, Ministack, Output, Project, exit};

use crate::world::{changes, fields};

#[test]
fn an_environment_lives_on_ministack_from_nothing_to_nothing() {
    let (project, _) = dev();
    let everything = changes(&project.plan_json());
    assert_eq!(everything.len(), 10, "{everything:?}");

    project.apply().run().succeeds();
    project.has_no_changes();

    let base = "environments/base.toml";
    project.edit(base, "ENVIRONMENT = \"${environment.name}\"", "ENVIRONMENT = \"changed\"");
    project.edit(base, "value = \"https://api-", "value = \"https://new-api-");
    let plan = project.plan_json();
    assert_eq!(changes(&plan), ["update parameter.api-url", "update service.web"]);
    assert_eq!(fields(&plan, "parameter.api-url"), ["value"]);
    assert_eq!(
        fields(&plan, "service.web"),
        ["task_definition.containers.web.environment.ENVIRONMENT"]
    );
    project.apply().run().succeeds();
    project.has_no_changes();

    project.destroy().run().succeeds();
    assert_eq!(changes(&project.plan_json()), everything);
}

#[test]
fn an_image_that_was_never_pushed_goes_back_to_the_old_revision() {
    let (project, account) = dev();
    project.apply().run().succeeds();
    let aws = AwsCli::new(Ministack::shared().url()).in_account(&account);
    let revision = || {
        let describe =
            ["ecs", "describe-services", "--cluster", "bellyfed-dev-cluster", "--services"];
        let services = aws.call([&describe[..], &["bellyfed-dev-typesense"]].concat());
        let service = &services["services"][0];
        (service["taskDefinition"].clone(), service["desiredCount"].clone())
    };
    let before = revision();
    let base = "environments/base.toml";
    project.edit(base, "typesense/typesense:27.1", "typesense/never-pushed:27.1");

    let failed = project.apply().run().exits(exit::ROLLED_BACK);

    says_that_there_is_no_image(&failed);
    assert_eq!(revision(), before);
    project.edit(base, "typesense/never-pushed:27.1", "typesense/typesense:27.1");
    project.has_no_changes();
}

/// `environments/dev.toml` in an account of its own.
fn dev() -> (Project, String) {
    let account = new_account();
    let project = Project::of_repository("dev").against(Ministack::shared().url(), &account);
    project.edit("environments/dev.toml", "123456789012", &account);
    (project, account)
}

/// ministack gives a deployment up as soon as its tag cannot be resolved, and rolls it back. On
/// a busy machine that is before a task has tried to pull; then the deployment says why.
#[track_caller]
pub(crate) fn says_that_there_is_no_image(failed: &Output) {
    let words: Vec<_> = failed.stderr.split_whitespace().collect();
    let (text, unresolved) = (words.join(" "), "unsuccessful image digest resolution attempts");
    let is_said = text.contains("CannotPullContainerError") || text.contains(unresolved);
    assert!(is_said, "expected why there is no image on stderr\n{failed}");
}

#[test]
fn a_stack_parameter_that_changes_nothing_is_no_change_for_ever() {
    const UNUSED: &str = "Parameters:\n  Release:\n    Type: String\nResources:\n  Queue:\n    \
        Type: AWS::SQS::Queue\n";
    let account = new_account();
    let manifest = format!(
        "[environment]\nname = \"unused\"\naccount = \"{account}\"\nregion = \"ap-southeast-1\"\n\n\
         [provider]\nkind = \"aws\"\n\n[stack.queue]\nname = \"unused\"\ntemplate = \"queue.yaml\"\n\
         parameters = {{ Release = \"first\" }}\n"
    );
    let project = Project::new("unused", &manifest).against(Ministack::shared().url(), &account);
    project.workspace().write("queue.yaml", UNUSED);
    project.apply().run().succeeds();
    project.change("\"first\"", "\"second\"");

    project.apply().run().succeeds();

    project.has_no_changes();
}
