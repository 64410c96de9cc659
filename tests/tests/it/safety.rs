//! Nothing happens without consent, elsewhere than meant, or by a misunderstanding.

use bfd_tests::{AwsCli, Project, Running, exit};

use crate::{shop, world::existing};

#[test]
fn an_open_run_is_not_touched_without_consent() {
    let project = killed();
    let before = declared(&project);

    for command in ["apply", "destroy"] {
        project.bfd(command).run().exits(exit::REFUSED).says("did not finish").says("bfd recover");
    }
    project.bfd("plan").run().exits(exit::REFUSED).says("did not finish");
    project.bfd("plan").arg("--offline").run().exits(exit::REFUSED).says("did not finish");

    assert_eq!(declared(&project), before);
}

#[test]
fn what_an_open_run_made_is_shown_before_it_is_recorded() {
    let project = killed();

    project.bfd("state list").run().succeeds().prints("cluster.main").says("did not finish");
    project.bfd("unlock").run().succeeds().prints("nobody holds the lock");
}

#[test]
fn a_destroy_after_a_kill_goes_back_instead_of_forward() {
    let project = killed();

    let output = project.destroy().run().succeeds();

    output.says("rolling it back first").never_mentions("service.search created");
    let mut left = existing(&project);
    left.retain(|object| object != "parameter /shop/deployment/last-deployment");
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn an_open_run_is_recovered_where_it_began_and_nowhere_else() {
    let project = killed();
    let before = declared(&project);
    project.change("region = \"ap-southeast-1\"", "region = \"eu-west-1\"");

    for command in ["recover", "recover --abandon"] {
        project.bfd(command).run().exits(exit::WRONG_ACCOUNT).says("ap-southeast-1");
    }

    assert_eq!(declared(&project), before);
}

#[test]
fn the_record_is_mended_only_by_the_manifest_it_belongs_to() {
    let project = shop::on_sandbox();
    only_the_coordinator(&project);
    let before = project.state();
    project.change("region = \"ap-southeast-1\"", "region = \"eu-west-1\"");

    project.bfd("state rm").arg("coordinator.main").run().exits(exit::WRONG_ACCOUNT);

    assert_eq!(project.state(), before);
}

#[test]
fn a_saved_plan_that_was_edited_is_refused() {
    let project = shop::on_sandbox();
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    project.edit("plan.json", "\"unchanged\": 0", "\"unchanged\": 1");

    project.workspace().bfd(["apply", "plan.json"]).run().exits(exit::REFUSED).says("edited");

    assert_eq!(existing(&project), Vec::<String>::new());
}

#[test]
fn a_saved_plan_goes_where_it_was_made_for() {
    let project = shop::on_sandbox();
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    let server = project.serve();
    let elsewhere = format!("kind = \"aws\"\nendpoint_url = \"{}\"", server.url());
    // Refused for that alone, whatever else is wrong by now.
    project.change("kind = \"sandbox\"", &elsewhere);

    let apply = project.workspace().bfd(["apply", "plan.json"]).account("123456789012");
    apply.run().exits(exit::WRONG_ACCOUNT).says("the embedded sandbox");
    let other = project.workspace().bfd(["apply", "plan.json", "--var", "a=b"]).run();
    other.exits(exit::REFUSED).says("a saved plan has its variables");

    assert_eq!(existing(&project), Vec::<String>::new());
}

#[test]
fn a_saved_plan_given_by_mistake_is_called_by_its_name() {
    let project = shop::on_sandbox();
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();

    for command in ["plan", "status", "validate"] {
        let output = project.workspace().bfd([command, "plan.json"]).run();
        output.exits(exit::REFUSED).says("bfd apply plan.json");
    }
}

#[test]
fn a_renamed_table_is_renamed_in_the_record_not_adopted_and_deleted() {
    let project = shop::on_sandbox();
    project.apply().args(["--target", "parameter.api-url"]).run().succeeds();
    let before = existing(&project);
    project.change("[parameter.api-url]", "[parameter.api]\nadopt = true");
    project.change("${parameter.api-url.name}", "${parameter.api.name}");

    let renamed = "bfd state mv manifest.toml parameter.api-url parameter.api";
    project.bfd("plan").run().exits(exit::REFUSED).says(renamed);
    project.bfd("state mv").args(["parameter.api-url", "parameter.api"]).run().succeeds();

    let plan = project.bfd("plan").args(["--target", "parameter.api"]).run().succeeds();
    plan.prints("No changes");
    assert_eq!(existing(&project), before);
}

#[test]
fn a_plan_is_saved_over_nothing_but_a_plan() {
    let project = shop::on_sandbox();
    let manifest = project.workspace().read(project.manifest());

    let output = project.bfd("plan").args(["-o", project.manifest()]).run();

    output.exits(exit::REFUSED).says("no saved plan");
    assert_eq!(project.workspace().read(project.manifest()), manifest);
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();
}

#[test]
fn a_parameter_is_not_moved_into_the_coordinator_in_one_step() {
    let project = shop::on_sandbox();
    project.change("name = \"/shop/api/url\"", "name = \"/shop/deployment/url\"");
    project.apply().args(["--target", "parameter.api-url"]).run().succeeds();
    project.change("ready = \"true\"", "ready = \"true\", url = \"x\"");
    project.change(
        "[parameter.api-url]\nname = \"/shop/deployment/url\"",
        "[parameter.api-url]\nname = \"/shop/elsewhere\"",
    );

    project.bfd("plan").run().exits(exit::REFUSED).says("parameter.api-url").says("two steps");
}

#[test]
fn an_entry_of_the_coordinator_is_not_taken_from_somebody_else() {
    let project = shop::on_sandbox();
    only_the_coordinator(&project);
    let server = project.serve();
    let put = ["ssm", "put-parameter", "--type", "String", "--value", "precious"];
    AwsCli::new(server.url()).call(put.into_iter().chain(["--name", "/shop/deployment/foreign"]));
    project.change("ready = \"true\"", "ready = \"true\", foreign = \"mine\"");

    let plan = project.bfd("plan").args(["--target", "coordinator.main"]);
    plan.run().exits(exit::REFUSED).says("exists but is not in the state");
    project.change("[coordinator]", "[coordinator]\nadopt = true");
    only_the_coordinator(&project);
}

#[test]
fn only_what_compares_secrets_needs_them() {
    let project = shop::on_sandbox();
    let secret = "[parameter.api-url]\ntype = \"SecureString\"\nvalue_from = { env = \"UNSET\" }";
    project.change("[parameter.api-url]", secret);
    project.change("value = \"https://api.example.com\"\n", "");

    project.bfd("plan").run().exits(exit::REFUSED).says("UNSET");
    for command in ["validate", "graph", "status", "show", "state list", "unlock", "recover"] {
        project.bfd(command).run().succeeds();
    }
}

#[test]
fn what_applies_saved_plans_only_is_not_destroyed_by_a_script() {
    let project = shop::on_sandbox();
    only_the_coordinator(&project);
    let before = existing(&project);
    project.change("[coordinator]", "[guard]\napproval = \"saved_plan\"\n[coordinator]");

    project.destroy().run().exits(exit::REFUSED).says("saved plans only");

    assert_eq!(existing(&project), before);
}

#[test]
fn a_saved_plan_that_deletes_is_confirmed_at_a_terminal_unless_reviews_are_the_rule() {
    let project = shop::on_sandbox();
    let declared = "[parameter.extra]\nname = \"/shop/extra\"\nvalue = \"1\"\n\n[coordinator]";
    let there = |project: &Project| existing(project).contains(&"parameter /shop/extra".to_owned());
    let make = || {
        project.change("[coordinator]", declared);
        project.apply().args(["--target", "parameter.extra"]).run().succeeds();
        project.change(declared, "[coordinator]");
        let plan = project.bfd("plan").args(["-o", "plan.json", "--target", "parameter.extra"]);
        plan.run().succeeds().prints("1 to delete");
    };
    let question = "It deletes. Type `shop` to apply it:";
    make();
    let refused = at_a_terminal(&project, &["apply", "plan.json"], "yes\n").exits(exit::REFUSED);
    refused.prints(question).prints("nothing was changed");
    assert!(there(&project));
    at_a_terminal(&project, &["apply", "plan.json"], "shop\n").succeeds().prints(question);
    assert!(!there(&project));

    make();
    let told = at_a_terminal(&project, &["apply", "plan.json", "--yes"], "").succeeds();
    told.never_mentions("It deletes");
    make();
    project.workspace().bfd(["apply", "plan.json"]).run().succeeds();
    assert!(!there(&project), "a pipeline applies what it saved");

    make();
    project.change("[coordinator]", "[guard]\napproval = \"saved_plan\"\n\n[coordinator]");
    let plan = project.bfd("plan").args(["-o", "plan.json", "--target", "parameter.extra"]);
    plan.run().succeeds();
    let told = at_a_terminal(&project, &["apply", "plan.json"], "").succeeds();
    told.never_mentions("It deletes");
    assert!(!there(&project));
}

/// Runs bfd at a terminal at which somebody types; all that is seen there is its output.
pub(crate) fn at_a_terminal(
    project: &Project,
    arguments: &[&str],
    typed: &str,
) -> bfd_tests::Output {
    const PTY: &str = "import os, pty, sys\n\
        sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let bfd = bfd_tests::tools::bfd_binary();
    let python = project.workspace().command("python3").args(["-c", PTY]).arg(bfd);
    project.in_environment(python.args(arguments).input(typed).env("TERM", "dumb")).run()
}

#[test]
fn a_state_with_kinds_that_nobody_knows_is_not_stored() {
    let project = shop::on_sandbox();
    let both = ["--target", "coordinator.main", "--target", "parameter.api-url"];
    project.apply().args(both).run().succeeds();
    let pulled = project.bfd("state pull").run().succeeds().stdout;
    let mut state: serde_json::Value = serde_json::from_str(&pulled).unwrap();
    state["serial"] = 99.into();
    let resources = &mut state["resources"];
    resources["coordinator.main"]["kind"] = "nonsense".into();
    resources["parameter.api-url"]["kind"] = "service".into();
    project.workspace().write("pushed.json", state.to_string());
    let before = project.state();

    for force in [&[][..], &["--force"]] {
        let push = project.bfd("state push").arg("pushed.json").args(force);
        let refused = push.run().exits(exit::REFUSED);
        let refused = refused.says("`coordinator.main` is a `nonsense`");
        refused.says("`parameter.api-url` is recorded as a `service`");
    }
    assert_eq!(project.state(), before);
}

#[track_caller]
fn only_the_coordinator(project: &Project) {
    project.apply().args(["--target", "coordinator.main"]).run().succeeds();
}

/// What exists because it was declared; tasks come and go by themselves.
fn declared(project: &Project) -> Vec<String> {
    let mut all = existing(project);
    all.retain(|object| !object.starts_with("task ") || object.starts_with("task definition"));
    all
}

/// A shop whose first apply was killed while its services were starting.
#[track_caller]
fn killed() -> Project {
    let project = shop::on_sandbox();
    let mut running: Running = project.apply().spawn();
    running.until_it_says("service.search: 0/1");
    running.kill();
    running.wait();
    project
}
