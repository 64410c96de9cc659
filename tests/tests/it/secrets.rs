//! A secret goes to SSM and nowhere else.

use std::fs;
use std::path::Path;

use bfd_tests::{AwsCli, Output, Project, exit};

use crate::{
    safety::at_a_terminal,
    world::{changes, list},
};

const MANIFEST: &str = r#"[environment]
name = "vault"
account = "123456789012"
region = "ap-southeast-1"

[provider]
kind = "sandbox"

[coordinator]
parameter_prefix = "/vault"
config = { ready = "true" }

[parameter.from-env]
name = "/secret/env"
type = "SecureString"
value_from = { env = "PLANTED" }

[parameter.from-file]
name = "/secret/file"
type = "SecureString"
value_from = { file = "secrets/planted" }

[parameter.printed]
name = "/secret/printed"
type = "SecureString"
value_from = { command = ["sh", "-c", "cat secrets/printed; echo asked >> asked"] }

[cluster.main]
name = "vault"

[service.web]
name = "vault-web"
cluster = "main"
cpu = 256
memory = 512
execution_role = "arn:aws:iam::123456789012:role/vault"
network = { subnets = ["subnet-0a1b2c3d"] }

[service.web.container.web]
image = "public.ecr.aws/nginx/nginx:alpine"
port = 80
secrets = { ENV = "${parameter.from-env.arn}", FILE = "${parameter.from-file.arn}" }
"#;

/// Long enough to be found by chance nowhere.
const PLANTED: [&str; 5] = [
    "correct-horse-battery-one",
    "correct-horse-battery-two",
    "wrong-donkey-accumulator-one",
    "wrong-donkey-accumulator-two",
    PRINTED,
];
const PRINTED: &str = "patient-mule-generator-one";

#[test]
fn a_planted_secret_is_found_in_ssm_and_nowhere_else() {
    let project = planted(PLANTED[0], PLANTED[1]);
    let mut outputs = vec![
        project.plan().arg("-vv").run().exits(exit::CHANGES),
        project.bfd("plan").args(["--format", "json", "-o", "plan.json"]).run().succeeds(),
        project.bfd("plan").args(["--format", "markdown"]).run().succeeds(),
    ];

    let mut apply = project.apply().args(["-vv", "--events", "events.jsonl"]).spawn();
    apply.until_it_says("parameter.from-env created");
    let process = fs::read(format!("/proc/{}/cmdline", apply.process_id())).unwrap();
    never_mentions("the command line", &process);
    outputs.push(apply.wait().succeeds());

    for command in ["status", "show", "state list"] {
        outputs.push(project.bfd(command).run().succeeds());
    }
    outputs.push(project.bfd("state show").arg("parameter.from-env").run().succeeds());
    let project = project.with("PLANTED", PLANTED[2]);
    project.workspace().write("secrets/planted", PLANTED[3]);
    outputs.push(project.apply().args(["-vv", "--events", "more.jsonl"]).run().succeeds());
    outputs.push(project.destroy().arg("-vv").run().succeeds());

    for output in outputs {
        let Output { command_line, stdout, stderr, .. } = &output;
        never_mentions(command_line, format!("{stdout}{stderr}").as_bytes());
    }
    fs::remove_dir_all(project.workspace().path().join("secrets")).unwrap();
    let files = files_in(&project.workspace().path());
    assert!(files.iter().any(|file| file.ends_with("world.json")), "{files:?}");
    assert!(files.iter().any(|file| file.contains("/runs/")), "{files:?}");
    for file in &files {
        never_mentions(file, &fs::read(file).unwrap());
    }
}

#[test]
fn ssm_has_the_secret() {
    let project = planted(PLANTED[0], &format!("{}\n", PLANTED[1]));
    project
        .bfd("apply")
        .args(["--yes", "--target", "parameter.from-env", "--target", "parameter.from-file"])
        .args(["--target", "parameter.printed"])
        .run()
        .succeeds();
    let asked = project.workspace().read("asked");
    assert_eq!(asked.lines().count(), 1, "it is compared and sent, and asked for once");
    let server = project.serve();

    let get = ["ssm", "get-parameters", "--with-decryption", "--names"];
    let names = ["/secret/env", "/secret/file", "/secret/printed"];
    let answer = AwsCli::new(server.url()).call([&get[..], &names].concat());

    let values: Vec<_> = list(&answer["Parameters"]).iter().map(|it| &it["Value"]).collect();
    assert_eq!(values, [PLANTED[0], PLANTED[1], PRINTED]);
}

#[test]
fn a_changed_secret_is_one_sensitive_change() {
    let project = planted(PLANTED[0], PLANTED[1]);
    project.apply().run().succeeds();
    project.has_no_changes();

    let project = project.with("PLANTED", PLANTED[2]);

    let plan = project.plan_json();
    assert_eq!(changes(&plan), ["update parameter.from-env"]);
    let fields = list(&plan["changes"][0]["fields"]);
    assert_eq!(fields.len(), 1, "{fields:?}");
    assert_eq!((&fields[0]["path"], &fields[0]["sensitive"]), (&"value".into(), &true.into()));
    assert_eq!(fields[0]["before"], fields[0]["after"]);
    let told = project.apply().run().succeeds();
    told.prints("its tasks read `parameter.from-env` when they start")
        .prints("aws ecs update-service --cluster vault --service")
        .prints("--force-new-deployment`");
    project.has_no_changes();
}

#[test]
fn a_secret_that_is_not_there_is_asked_for_where_it_is_named() {
    let project = planted(PLANTED[0], PLANTED[1]);
    fs::remove_file(project.workspace().path().join("secrets/planted")).unwrap();

    project.plan().run().exits(exit::REFUSED).says("secrets/planted").says("[manifest.toml:21:");

    project.workspace().write("secrets/planted", PLANTED[1]);
    fs::remove_file(project.workspace().path().join("secrets/printed")).unwrap();
    project.change("secrets/printed;", "secrets/printed &&");
    let failed = project.plan().run().exits(exit::REFUSED);
    failed
        .says("`sh` failed: exit status: 1")
        .says("[manifest.toml:26:")
        .says("cat: secrets/printed: No such");
}

#[test]
fn what_the_program_of_a_secret_says_is_told_when_it_fails_and_without_the_secret() {
    let project = planted(PLANTED[0], PLANTED[1]);
    let traced = "[\"sh\", \"-xc\", \"printf %s $PLANTED\"]";
    let quiet = "[\"sh\", \"-c\", \"cat secrets/printed; echo asked >> asked\"]";
    project.change(quiet, traced);

    project.plan().run().exits(exit::CHANGES).never_mentions("printf").never_mentions(PLANTED[0]);

    project.change(traced, "[\"sh\", \"-xc\", \"printf %s $PLANTED; exit 3\"]");
    let failed = project.plan().run().exits(exit::REFUSED).never_mentions(PLANTED[0]);
    failed.says("`sh` failed: exit status: 3").says("+ printf %s ***").says("+ exit 3");
}

#[test]
fn a_program_may_ask_a_person_for_a_secret() {
    let project = planted(PLANTED[0], PLANTED[1]);
    project.change(
        "\"cat secrets/printed; echo asked >> asked\"",
        "\"printf 'PIN? ' >/dev/tty; read pin </dev/tty; printf %s $pin >typed; printf %s $pin\"",
    );

    let arguments = ["plan", "manifest.toml"];
    at_a_terminal(&project, &arguments, "correct\n").succeeds().prints("PIN? ");

    assert_eq!(project.workspace().read("typed"), "correct");
}

#[test]
fn a_file_that_is_no_secret_is_told_as_what_it_is() {
    let project = planted(PLANTED[0], PLANTED[1]);
    let file = project.workspace().write("secrets/planted", b"\xff\xfe");
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("the file `secrets/planted` is no text in UTF-8").says("base64");

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("`secrets/planted` is a directory").never_mentions("is not there");
}

#[test]
fn a_secret_that_changed_after_its_plan_was_reviewed_is_not_applied() {
    let project = planted(PLANTED[0], PLANTED[1]);
    project.bfd("plan").args(["-o", "plan.json"]).run().succeeds();

    let apply = project.workspace().bfd(["apply", "plan.json"]).env("PLANTED", PLANTED[2]).run();

    apply.exits(exit::REFUSED).says("`PLANTED`").says("make a new plan");
    assert!(
        !project.workspace().path().join(".bfd/vault/state.json").exists(),
        "nothing was begun"
    );
}

fn planted(env: &str, file: &str) -> Project {
    let project = Project::new("vault", MANIFEST).with("PLANTED", env);
    project.workspace().write("secrets/planted", file);
    project.workspace().write("secrets/printed", format!("{PRINTED}\n"));
    project
}

/// Neither as it is nor as base64 or hexadecimal digits would have it.
#[track_caller]
fn never_mentions(place: &str, bytes: &[u8]) {
    for secret in PLANTED {
        for form in [secret.as_bytes().to_vec(), hexadecimal(secret), base64(secret)] {
            let found = bytes.windows(form.len()).any(|window| window == form);
            let form = String::from_utf8_lossy(&form);
            assert!(!found, "{form:?} in {place}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

fn hexadecimal(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Without the last group, whose text depends on what follows.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| {
        let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[(number >> shift & 63) as usize])
    };
    text.as_bytes().chunks_exact(3).flat_map(group).collect()
}

/// The paths of all files below a directory.
pub(crate) fn files_in(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory can be read") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn the_secret_of_a_stack_is_sent_and_written_nowhere() {
    let project = Project::new(
        "stacks",
        "[environment]\nname = \"stacks\"\naccount = \"123456789012\"\nregion = \"eu-west-1\"\n\n\
         [provider]\nkind = \"sandbox\"\n\n[stack.data]\nname = \"data\"\ntemplate = \"data.yaml\"\n\
         parameters = { Password = { env = \"PASSWORD\" } }\n",
    );
    project.workspace().write(
        "data.yaml",
        "Parameters:\n  Password: { Type: String, NoEcho: true }\nResources:\n  Copy:\n    \
         Type: AWS::SSM::Parameter\n    Properties:\n      Name: /data/copy\n      \
         Type: String\n      Value: !Ref Password\n",
    );
    let with = |secret: &str| {
        let apply =
            project.apply().env("PASSWORD", secret).args(["--events", "events.jsonl"]).run();
        apply.succeeds().never_mentions(secret);
        project.plan().env("PASSWORD", secret).run().succeeds().prints("No changes");
        project.world().to_string()
    };

    // Its stack puts it where the template says, which is not bfd's to forbid.
    assert!(with("patient-goat-1").contains("patient-goat-1"));
    assert!(with("patient-goat-2").contains("patient-goat-2"));

    for file in files_in(&project.workspace().path().join(".bfd/stacks")) {
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(!text.contains("patient-goat"), "{file}:\n{text}");
    }
    project.change("{ env = \"PASSWORD\" }", "\"patient-goat-3\"");
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("a secret in plain text").says("the parameter is `NoEcho`");
}
