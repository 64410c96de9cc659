//! Whatever is wrong from outside is refused before anything is touched, and said so.

use std::fs::{self, File};
use std::time::Duration;

use bfd_tests::emulators::new_account;
use bfd_tests::{AwsCli, Ministack, Output, Project, exit};
use serde_json::json;

use crate::shop;
use crate::world::{changes, existing};

const MISTAKES: &str = r#"[environment]
name = "shop"
account = "12345678901"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[repository.web]
name = "Shop_Web!"
tag_mutability = "sometimes"

[parameter.api-url]
name = "/shop/api/url"
value = 8080
descripton = "Where the API is"

[cluster.main]
name = "shop"

[service.web]
name = "shop-web"
cluster = "mian"
desired_count = -1
cpu = 256
memory = 512
network = { subnets = ["${stack.network.outputs.SubnetA}"] }

[service.web.container.web]
image = "public.ecr.aws/nginx/nginx:alpine"
port = 80
health_check = { command = "true", interval = "soon" }
"#;

#[test]
fn every_mistake_is_reported_at_its_line() {
    let project = Project::new("shop", MISTAKES);

    let refused = project.bfd("validate").env("COLUMNS", "80").run().exits(exit::REFUSED);

    assert_eq!(refused.stdout, "");
    for line in [3, 10, 11, 15, 16, 23, 24, 27, 32] {
        refused.clone().says(&format!("[manifest.toml:{line}:"));
    }
    refused.clone().says("found 9 problems");
    insta::assert_snapshot!(refused.stderr);
}

#[test]
fn log_lines_have_bounds_and_are_refused_beyond_at_their_place() {
    let with = |lines: &str| {
        let project = shop::on_sandbox();
        project
            .change("[coordinator]", &format!("[rollback]\nlog_lines = {lines}\n\n[coordinator]"));
        let text = project.workspace().read(project.manifest());
        let line = 1 + text.lines().position(|it| it.starts_with("log_lines")).expect("a line");
        (project, format!("[manifest.toml:{line}:"))
    };
    for wrong in ["-1", "201", "\"20\"", "2.5"] {
        let (project, place) = with(wrong);
        for command in ["validate", "plan", "apply --yes"] {
            project.bfd(command).run().exits(exit::REFUSED).says(&place).says("log_lines");
        }
    }
    for right in ["0", "200"] {
        with(right).0.bfd("validate").run().succeeds();
    }
}

#[test]
fn a_manifest_that_is_not_there_is_named() {
    let project = shop::on_sandbox();
    fs::remove_file(project.workspace().path().join(project.manifest())).unwrap();

    project.plan().run().exits(exit::REFUSED).says("manifest.toml");
}

#[test]
fn a_manifest_that_is_not_toml_is_pointed_into() {
    let project = Project::new("shop", "[environment\nname = \"shop\"\n");

    project.plan().run().exits(exit::REFUSED).says("[manifest.toml:1:13]");
}

#[test]
fn the_state_of_a_newer_bfd_is_refused_and_left_as_it_is() {
    let text = |state: &str| state.replace("\"format\": 1", "\"format\": 99");
    refuses_state(text, "format 99");
}

#[test]
fn a_damaged_state_is_refused_and_left_as_it_is() {
    refuses_state(|state| state[..state.len() / 2].to_owned(), "damaged");
}

#[test]
fn a_damaged_sandbox_is_emptied_by_the_command_that_is_suggested() {
    let project = shop::on_sandbox();
    project.apply().run().succeeds();
    for broken in ["{", "", "{\"format\":99,\"generation\":1,\"now\":0,\n\"world\":{}}"] {
        project.workspace().write(project.world_file(), broken);
        let command = format!("`bfd sandbox reset {}`", project.manifest());
        project.plan().run().exits(exit::REFUSED).says(&command);

        project.bfd("sandbox reset").run().succeeds();

        project.plan().run().exits(exit::CHANGES);
        assert_eq!(existing(&project), Vec::<String>::new());
    }
    project.apply().run().succeeds();
    project.has_no_changes();
}

#[test]
fn what_is_pushed_and_is_no_state_is_not_blamed_on_the_state() {
    let project = shop::on_sandbox();
    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run().succeeds();
    for (text, why) in [("{}", "it has no `format`"), ("{\"format\": 99}", "format 99")] {
        project.workspace().write("other.json", text);
        let refused = project.bfd("state push").arg("other.json").run().exits(exit::REFUSED);
        refused.clone().says("other.json").says(why).says("nothing was changed");
        assert!(!refused.stderr.contains("not available"), "{refused}");
        assert!(!refused.stderr.contains("--force"), "{refused}");
    }
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let project = shop::on_sandbox();
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let change = project.apply().stdout_to(full()).run().succeeds();
    change.says("warning: not all output could be written");
    project.change("LOG = \"info\"", "LOG = \"debug\"");
    for command in ["plan --format json", "schema", "graph", "show", "history", "state pull"] {
        let asked = || match command {
            "schema" => project.workspace().bfd(["schema"]),
            _ => project.bfd(command),
        };
        asked().stdout_to(full()).run().exits(exit::REFUSED).says("No space left on device");
        // A reader that has seen enough is another thing.
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let quiet = asked().stdout_to(writer).run().succeeds();
        assert!(!quiet.stderr.contains("written"), "{quiet}");
    }
}

#[track_caller]
fn refuses_state(break_it: impl Fn(&str) -> String, message: &str) {
    let project = shop::on_sandbox();
    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run().succeeds();
    let file = project.state_file("state.json");
    let broken = break_it(&project.workspace().read(&file));
    project.workspace().write(&file, &broken);
    let before = existing(&project);

    for invocation in [project.apply(), project.plan(), project.destroy(), project.bfd("recover")] {
        invocation.run().exits(exit::REFUSED).says(message);
    }

    assert_eq!(project.workspace().read(&file), broken);
    assert_eq!(existing(&project), before);
}

#[test]
fn a_held_lock_is_respected_and_its_holder_named() {
    let project = shop::on_sandbox();
    let holder = r#"{"who":"alice@laptop","command":"bfd apply","process":4711,"since":"2026-01-01T00:00:00Z"}"#;
    let lock = project.workspace().write(project.state_file("lock"), holder);
    let lock = File::open(lock).unwrap();
    lock.lock().unwrap();

    project.apply().run().exits(exit::LOCKED).says("alice@laptop").says("4711");
    project.destroy().run().exits(exit::LOCKED);
    project.bfd("unlock").run().exits(exit::LOCKED).says("alice@laptop");
    project.bfd("sandbox reset").run().exits(exit::LOCKED).says("alice@laptop");
    // Reading waits for nobody.
    project.plan().run().exits(exit::CHANGES);

    drop(lock);
    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run().succeeds();
}

#[test]
fn who_waits_for_a_local_lock_has_it_when_it_is_free() {
    let project = shop::on_sandbox();
    let holder = r#"{"who":"alice@laptop","command":"bfd apply","process":4711,"since":"2026-01-01T00:00:00Z"}"#;
    let path = project.workspace().write(project.state_file("lock"), holder);
    let lock = File::open(path).unwrap();
    lock.lock().unwrap();

    let impatient = project.apply().args(["--lock-timeout", "1s"]).run().exits(exit::LOCKED);
    impatient.says("waiting for the lock, up to 1s: process 4711 of alice@laptop");
    project.apply().args(["--lock-timeout", "soon"]).run().exits(exit::USAGE).says("1h30m");
    let only = ["--target", "coordinator.main", "--lock-timeout", "1m30s"];
    let mut patient = project.apply().args(only).spawn();
    patient.until_it_says("holds it (`bfd apply`, since 2026-01-01T00:00:00Z)");
    drop(lock);

    let patient = patient.wait().succeeds();
    assert_eq!(patient.stderr.matches("waiting for the lock, up to 90s").count(), 1, "{patient}");
    for waits in ["recover", "destroy", "state rm", "state mv", "state push"] {
        let help = project.workspace().bfd(waits.split(' ')).arg("--help").run().succeeds();
        help.prints("--lock-timeout <DURATION>");
    }
}

#[test]
fn credentials_of_another_account_are_refused() {
    let (mine, other) = (new_account(), new_account());
    let project = Project::new("shop", &shop::manifest(&mine, "kind = \"aws\""))
        .against(Ministack::shared().url(), &other);

    for invocation in [project.plan(), project.apply()] {
        invocation.run().exits(exit::WRONG_ACCOUNT).says(&mine).says(&other);
    }

    let repositories = AwsCli::new(Ministack::shared().url())
        .in_account(other)
        .call(["ecr", "describe-repositories"]);
    assert_eq!(repositories["repositories"], json!([]));
}

#[test]
fn a_state_of_another_region_is_refused() {
    let project = shop::on_sandbox();
    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run().succeeds();
    project.change("region = \"ap-southeast-1\"", "region = \"eu-west-1\"");

    project.plan().run().exits(exit::WRONG_ACCOUNT).says("ap-southeast-1");
}

#[test]
fn an_endpoint_that_nobody_listens_on_is_named_with_the_call() {
    // Port 9 is `discard`: nobody listens there, and nobody will be given it.
    let project = Project::new("shop", &shop::manifest("123456789012", "kind = \"aws\""))
        .against("http://127.0.0.1:9", "123456789012");

    let refused = project.plan().within(Duration::from_secs(30)).run().exits(exit::REFUSED);

    refused.says("sts:GetCallerIdentity").says("http://127.0.0.1:9");
}

#[test]
fn missing_credentials_say_what_to_set() {
    let project = Project::new("shop", &shop::manifest("123456789012", "kind = \"aws\""));

    let refused =
        project.plan().env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").run();

    refused.exits(exit::REFUSED).says("no AWS credentials").says("AWS_PROFILE");
}

#[test]
fn a_saved_plan_is_applied_once() {
    let project = shop::on_sandbox();
    let save = project.bfd("plan").args(["-o", "plan.json"]);
    save.run().succeeds().says("bfd apply plan.json");

    let apply = || project.workspace().bfd(["apply", "plan.json"]).run();
    apply().succeeds();
    apply()
        .exits(exit::STALE)
        .says("changed since the plan was made: `cluster.main`, `coordinator.main`");

    project.has_no_changes();
}

#[test]
fn what_nobody_can_be_asked_is_not_done() {
    let project = shop::on_sandbox();

    let asked = |output: Output| output.exits(exit::REFUSED).says("--yes");
    asked(project.bfd("apply").run());
    assert_eq!(existing(&project), Vec::<String>::new());

    project.bfd("apply").args(["--yes", "--target", "coordinator.main"]).run().succeeds();
    let before = existing(&project);
    asked(project.bfd("destroy").run());
    assert_eq!(existing(&project), before);
}

#[test]
fn a_wrong_command_line_has_a_code_of_its_own() {
    let project = shop::on_sandbox();
    let bfd = |arguments: &[&str]| project.workspace().bfd(arguments).run().exits(exit::USAGE);

    bfd(&["frobnicate"]).says("frobnicate");
    bfd(&["plan"]);
    bfd(&["plan", "manifest.toml", "--format", "yaml"]);
    bfd(&["apply", "manifest.toml", "--parallelism", "0"]);
    bfd(&["plan", "manifest.toml", "--target", "not an address"]);
    bfd(&["plan", "manifest.toml", "--var", "=1"]);
}

#[test]
fn an_environment_that_wants_approval_takes_saved_plans_only() {
    let project = shop::on_sandbox();
    project.change("[coordinator]", "[guard]\napproval = \"saved_plan\"\n\n[coordinator]");

    project
        .apply()
        .run()
        .exits(exit::REFUSED)
        .says("saved plans only")
        .says("`bfd plan manifest.toml -o FILE`");
    assert!(!project.workspace().path().join(project.world_file()).exists());

    project.bfd("plan").args(["-o", "plan.json", "--target", "coordinator.main"]).run().succeeds();
    project.workspace().bfd(["apply", "plan.json"]).run().succeeds();
}

#[test]
fn what_exists_is_refused_and_with_adopt_taken_over_as_it_is() {
    let project = shop::on_sandbox();
    let server = project.serve();
    let aws = AwsCli::new(server.url());
    aws.call(["ecr", "create-repository", "--repository-name", "shop-web"]);
    let put = [
        "ssm",
        "put-parameter",
        "--name",
        "/shop/api/url",
        "--type",
        "String",
        "--value",
        "by hand",
    ];
    aws.call(put);
    let repository = || aws.call(["ecr", "describe-repositories"])["repositories"][0].clone();
    let made = repository()["createdAt"].clone();

    let refused = project.plan().run().exits(exit::REFUSED);
    refused
        .says("`shop-web` is there already")
        .says("`/shop/api/url` is there already")
        .says("adopt = true");

    project.change(
        "name = \"shop-web\"\nkeep_images",
        "name = \"shop-web\"\nadopt = true\nkeep_images",
    );
    project.change("name = \"/shop/api/url\"", "name = \"/shop/api/url\"\nadopt = true");
    let plan = changes(&project.plan_json());
    assert!(plan.contains(&"adopt repository.web".to_owned()), "{plan:?}");
    assert!(plan.contains(&"adopt parameter.api-url".to_owned()), "{plan:?}");
    project.apply().run().succeeds();

    project.has_no_changes();
    let repository = repository();
    assert_eq!(repository["createdAt"], made);
    assert_eq!(repository["imageTagMutability"], "IMMUTABLE");
    let parameter = aws.call(["ssm", "get-parameter", "--name", "/shop/api/url"]);
    assert_eq!(parameter["Parameter"]["Value"], "https://api.example.com");
    assert_eq!(parameter["Parameter"]["Version"], 2);
}
