//! The support library itself: what it starts answers, what it starts ends.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bfd_tests::emulators::{ACCOUNT, new_account};
use bfd_tests::tools::{Tools, emulator_script};
use bfd_tests::{AwsCli, Fault, FaultProxy, Ministack, Moto, Workspace, exit, wait};
use serde_json::Value;

/// A busy machine takes its time; a rollout that works takes a few seconds.
const ROLLOUT_DEADLINE: Duration = Duration::from_mins(1);

#[test]
fn ministack_answers_the_aws_cli() {
    let aws = AwsCli::new(Ministack::shared().url());

    let identity = aws.call(["sts", "get-caller-identity"]);

    assert_eq!(identity["Account"], ACCOUNT);
}

#[test]
fn moto_answers_the_aws_cli() {
    let aws = AwsCli::new(Moto::shared().url());

    let identity = aws.call(["sts", "get-caller-identity"]);

    assert_eq!(identity["Account"], ACCOUNT);
}

#[test]
fn accounts_on_one_ministack_do_not_meet() {
    let one = AwsCli::new(Ministack::shared().url()).in_account(new_account());
    let other = AwsCli::new(Ministack::shared().url()).in_account(new_account());
    one.call(["ecr", "create-repository", "--repository-name", "web"]);

    let repositories = other.call(["ecr", "describe-repositories"]);

    assert_eq!(repositories["repositories"], Value::Array(Vec::new()));
}

#[test]
fn a_reset_forgets_everything() {
    let ministack = Ministack::start();
    let aws = AwsCli::new(ministack.url());
    aws.call(["ecr", "create-repository", "--repository-name", "web"]);

    ministack.reset();

    let repositories = aws.call(["ecr", "describe-repositories"]);
    assert_eq!(repositories["repositories"], Value::Array(Vec::new()));
}

#[test]
fn ministack_rolls_a_service_out() {
    let service = Service::create("web");

    let stopped = service.wait_until_settled();

    assert_eq!(stopped, None);
}

#[test]
fn ministack_says_why_an_image_cannot_be_pulled() {
    let service = Service::create("never-pushed");

    let stopped = service.wait_until_settled().expect("a task cannot start");

    assert!(stopped.contains("CannotPullContainerError"), "{stopped}");
}

#[test]
fn ministack_notices_a_container_that_exits() {
    let service = Service::create("crash");

    let stopped = wait::until("a stopped task", ROLLOUT_DEADLINE, || service.stopped_reason());

    assert!(stopped.contains("Essential container"), "{stopped}");
}

#[test]
fn the_proxy_throttles_once_and_then_passes() {
    let proxy = FaultProxy::in_front_of(Ministack::shared());
    let aws = AwsCli::new(proxy.url()).in_account(new_account());
    proxy.inject([Fault::throttle("PutParameter")]);
    let put = ["ssm", "put-parameter", "--name", "/a", "--value", "1", "--type", "String"];

    // The client's own retry would hide the fault.
    let throttled = aws.invocation(put).env("AWS_MAX_ATTEMPTS", "1").run();
    let passed = aws.call(put);

    throttled.exits(255).says("ThrottlingException");
    assert_eq!(passed["Version"], 1);
    assert_eq!(proxy.injected(), ["AmazonSSM.PutParameter POST /"]);
    assert_eq!(proxy.requests().len(), 2);
}

#[test]
fn a_lost_answer_has_been_applied() {
    let proxy = FaultProxy::in_front_of(Ministack::shared());
    let aws = AwsCli::new(proxy.url()).in_account(new_account());
    proxy.inject([Fault::lost_answer("CreateRepository")]);
    let create = ["ecr", "create-repository", "--repository-name", "web"];

    aws.invocation(create).env("AWS_MAX_ATTEMPTS", "1").run().exits(255);

    aws.try_call(create).exits(255).says("RepositoryAlreadyExistsException");
}

#[test]
fn a_lost_request_and_an_internal_error_have_not() {
    let proxy = FaultProxy::in_front_of(Ministack::shared());
    let aws = AwsCli::new(proxy.url()).in_account(new_account());
    proxy.inject([
        Fault::lost_request("CreateRepository"),
        Fault::internal_error("CreateRepository"),
    ]);
    let create = ["ecr", "create-repository", "--repository-name", "web"];

    for _ in 0..2 {
        aws.invocation(create).env("AWS_MAX_ATTEMPTS", "1").run().exits(255);
    }

    aws.call(create);
}

#[test]
fn a_delay_delays() {
    let proxy = FaultProxy::in_front_of(Ministack::shared());
    let delay = Duration::from_millis(300);
    proxy.inject([Fault::delay("/_ministack/health", delay)]);
    let start = Instant::now();

    let response = bfd_tests::http::request("GET", proxy.port(), "/_ministack/health", "");

    assert_eq!(response.expect("the proxy answers").status, 200);
    assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
}

#[test]
#[should_panic(expected = "unknown kind")]
fn a_rule_that_could_never_fire_is_refused() {
    let proxy = FaultProxy::in_front_of(Ministack::shared());

    let rule = r#"[{"kind": "explode", "match": "PutParameter"}]"#;
    let response = bfd_tests::http::request("POST", proxy.port(), "/_fault", rule);

    let response = response.expect("the proxy answers");
    assert_eq!(response.status, 200, "{}", response.body);
}

#[test]
fn a_guard_leaves_no_process_behind() {
    let moto = Moto::start();
    let proxy = FaultProxy::in_front_of(&moto);
    let processes = [moto.process_id(), proxy.process_id()];
    assert!(processes.into_iter().all(is_running));

    drop((proxy, moto));

    assert!(!processes.into_iter().any(is_running));
}

#[test]
fn a_server_ends_when_its_test_process_does() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut child = Command::new(Tools::find().python())
        .arg(emulator_script("fault_proxy.py"))
        .args(["--upstream", "1"])
        .env("SERVER_DIRECTORY", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("Python starts");

    // What the system does to the pipes of a process that is gone.
    drop(child.stdin.take());

    wait::until("the server to end", Duration::from_secs(30), || {
        child.try_wait().expect("a child can be waited for")
    });
    assert!(!directory.path().exists());
}

#[test]
fn a_command_sees_no_variable_of_the_test() {
    let workspace = Workspace::new();

    let output = workspace.command("/usr/bin/env").run().succeeds();

    let lines: Vec<_> = output.stdout.lines().collect();
    assert!(lines.contains(&"AWS_ACCESS_KEY_ID=123456789012"), "{output}");
    assert!(lines.iter().all(|line| !line.starts_with("CARGO")), "{output}");
}

#[test]
fn a_command_can_be_ended() {
    let workspace = Workspace::new();
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let running = workspace.command("/bin/sh").args(["-c", script]).spawn();
    wait::until("the trap", Duration::from_secs(30), || {
        running.stdout().contains("ready").then_some(())
    });

    running.terminate();

    running.wait().exits(3).prints("asked");
}

#[test]
#[should_panic(expected = "still running after 50ms")]
fn a_command_that_hangs_fails_its_test() {
    let workspace = Workspace::new();

    workspace.command("/bin/sleep").arg("60").within(Duration::from_millis(50)).run();
}

#[test]
#[should_panic(expected = "--- stderr\nno such thing")]
fn a_failure_shows_what_was_said() {
    let workspace = Workspace::new();
    let script = "cat >&2; exit 1";

    workspace
        .command("/bin/sh")
        .args(["-c", script])
        .input("no such thing")
        .run()
        .exits(exit::DONE);
}

fn is_running(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// A service of one container on a ministack of its own account.
struct Service {
    aws: AwsCli,
}

impl Service {
    #[track_caller]
    fn create(image: &str) -> Self {
        let aws = AwsCli::new(Ministack::shared().url()).in_account(new_account());
        let containers = format!(r#"[{{"name": "c", "image": "{image}:1", "essential": true}}]"#);
        aws.call(["ecs", "create-cluster", "--cluster-name", "main"]);
        aws.call([
            "ecs",
            "register-task-definition",
            "--family",
            "web",
            "--container-definitions",
            &containers,
        ]);
        aws.call([
            "ecs",
            "create-service",
            "--cluster",
            "main",
            "--service-name",
            "web",
            "--task-definition",
            "web",
            "--desired-count",
            "1",
        ]);
        Self { aws }
    }

    /// Waits until a task runs, or has stopped: then why.
    #[track_caller]
    fn wait_until_settled(&self) -> Option<String> {
        wait::until("a task that runs or has stopped", ROLLOUT_DEADLINE, || {
            let list = ["ecs", "describe-services", "--cluster", "main", "--services", "web"];
            let service = &self.aws.call(list)["services"][0];
            if service["runningCount"] == 1 {
                return Some(None);
            }
            self.stopped_reason().map(Some)
        })
    }

    #[track_caller]
    fn stopped_reason(&self) -> Option<String> {
        let list = ["ecs", "list-tasks", "--cluster", "main", "--desired-status", "STOPPED"];
        let task = self.aws.call(list)["taskArns"][0].as_str()?.to_owned();
        let tasks = self.aws.call(["ecs", "describe-tasks", "--cluster", "main", "--tasks", &task]);
        Some(tasks["tasks"][0]["stoppedReason"].as_str()?.to_owned())
    }
}
