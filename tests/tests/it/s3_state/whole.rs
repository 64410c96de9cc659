//! An environment whose state is in a bucket, from nothing to nothing.

use super::*;

#[test]
fn an_environment_lives_in_a_bucket_of_ministack_from_nothing_to_nothing() {
    lives(&Shared::on_ministack(3));
}

#[test]
fn an_environment_lives_in_a_bucket_of_moto_from_nothing_to_nothing() {
    lives(&Shared::on_moto(3));
}

#[track_caller]
fn lives(shared: &Shared) {
    let project = &shared.project;
    project.bfd("state pull").run().exits(exit::REFUSED).says("nothing is recorded in s3://");
    project.apply().run().succeeds();
    project.has_no_changes();
    assert_eq!(shared.serial(), 1);
    shared.apply("second").run().succeeds();
    assert_eq!(shared.serials(), [1, 2]);
    shared.nobody_holds_the_lock();
    project.bfd("state list").run().succeeds().prints("parameter.p2");
    let runs = project.bfd("show").args(["--runs", "--format", "json"]).run().succeeds();
    assert_eq!(runs.json()["runs"].as_array().map(Vec::len), Some(2), "{runs}");
    project.bfd("show").args(["--run"]).run().succeeds().prints("applied");
    project.destroy().run().succeeds();
    assert_eq!(shared.serial(), 3);
    assert!(
        !project.workspace().path().join(".bfd").exists(),
        "nothing is kept beside the manifest"
    );
}

#[test]
fn a_state_moves_between_backends_and_back() {
    let shared = Shared::on_ministack(2);
    let project = &shared.project;
    project.apply().run().succeeds();
    let first = runs(project);
    let pulled = project.bfd("state pull").arg("--history").run().succeeds().stdout;
    project.workspace().write("pulled.json", &pulled);
    project.bfd("state push").arg("pulled.json").run().succeeds().prints("there already");

    // To a directory, and on from there.
    let in_bucket = project.workspace().read(project.manifest());
    let start = in_bucket.find("[state]").expect("a section");
    let end = in_bucket.find("[vars]").expect("a section");
    let local = format!("{}{}", &in_bucket[..start], &in_bucket[end..]);
    project.workspace().write(project.manifest(), &local);
    project.bfd("state push").arg("pulled.json").run().succeeds().prints("serial 1");
    project.has_no_changes();
    assert_eq!(runs(project), first);
    shared.apply("second").run().succeeds();
    assert_eq!(shared.serial(), 2);
    let both = runs(project);

    // And back; the older one is refused from then on.
    let newer = project.bfd("state pull").arg("--history").run().succeeds().stdout;
    project.workspace().write("newer.json", &newer);
    project.workspace().write(project.manifest(), &in_bucket);
    project.bfd("state push").arg("newer.json").run().succeeds().prints("serial 2");
    assert_eq!((both.len(), runs(project)), (2, both));
    project.bfd("show").args(["--run", &first[0]]).run().succeeds().prints("parameter.p0");
    let refused = project.bfd("state push").arg("pulled.json").run().exits(exit::REFUSED);
    refused.says("has serial 1, the state is at 2").says("--force");
    let foreign = newer.replace("\"lineage\": \"", "\"lineage\": \"x");
    project.workspace().write("foreign.json", foreign);
    let refused = project.bfd("state push").arg("foreign.json").run().exits(exit::REFUSED);
    refused.says("another lineage");
    let mut newer: Value = serde_json::from_str(&newer).expect("JSON");
    newer.as_object_mut().expect("a document").remove("history");
    assert_eq!(shared.state(), newer);
    project.plan().args(["--var", "value=second"]).run().succeeds().prints("No changes");
    let forced = project.bfd("state push").args(["pulled.json", "--force"]).run();
    forced.succeeds().prints("serial 3");
}

#[test]
fn no_version_of_any_object_has_a_secret() {
    const KEY: &str = "\n\n[parameter.key]\nname = \"/team/key\"\ntype = \"SecureString\"\nvalue_from = { env = \"KEY\" }\n";
    let shared = Shared::on_ministack(1);
    let (project, workspace) = (&shared.project, shared.project.workspace());
    let text = workspace.read(project.manifest());
    workspace.write(project.manifest(), text + KEY);
    let secrets = ["correct-horse-battery-1", "correct-horse-battery-2"];
    for secret in secrets {
        shared.apply("first").env("KEY", secret).run().succeeds().never_mentions(secret);
    }
    let first = runs(project)[1].clone();
    let back = project.bfd("rollback").args(["--to", &first, "--yes"]).env("KEY", secrets[0]).run();
    back.succeeds();

    let texts = shared.every_version();

    assert!(texts.len() > 10, "{:?}", texts.keys());
    assert!(texts.values().any(|text| text.contains("$secret")), "it is recorded by its digest");
    for (object, text) in texts {
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{object}:\n{text}");
    }
}

#[test]
fn what_went_on_in_two_places_is_not_pushed_over_each_other() {
    let shared = Shared::on_ministack(1);
    let (project, workspace) = (&shared.project, shared.project.workspace());
    shared.apply("first").run().succeeds();
    let pull = || project.bfd("state pull").arg("--history").run().succeeds().stdout;
    workspace.write("early.json", pull());
    shared.apply("second").run().succeeds();
    workspace.write("late.json", pull());

    // Elsewhere two runs go on from the first.
    let in_bucket = workspace.read(project.manifest());
    let start = in_bucket.find("[state]").expect("a section");
    let end = in_bucket.find("[vars]").expect("a section");
    workspace.write(project.manifest(), format!("{}{}", &in_bucket[..start], &in_bucket[end..]));
    project.bfd("state push").arg("early.json").run().succeeds();
    shared.apply("third").run().succeeds();
    shared.apply("fourth").run().succeeds();
    workspace.write("other.json", pull());

    workspace.write(project.manifest(), &in_bucket);
    let refused = project.bfd("state push").arg("other.json").run().exits(exit::REFUSED);
    refused.says("both went on from an earlier state").says("--force");
    assert_eq!(shared.serial(), 2);

    // What cannot be read is replaced by force.
    let damage = workspace.path().join("half.json");
    workspace.write("half.json", "{ \"format\": 1,");
    let put =
        ["s3api", "put-object", "--bucket", &shared.bucket, "--key", "team/shared/state.json"];
    shared.aws.call(put.into_iter().chain(["--body", &damage.display().to_string()]));
    project
        .plan()
        .run()
        .exits(exit::REFUSED)
        .says("is damaged")
        .says("bfd state push manifest.toml FILE --force");
    let forced = project.bfd("state push").args(["late.json", "--force"]).run();
    forced.succeeds().prints("is at serial 3");
    let plan = project.plan().args(["--var", "value=fourth"]).run().succeeds();
    plan.prints("\"second\" → \"fourth\"");
}

#[test]
fn a_large_template_goes_through_the_bucket() {
    let shared = Shared::on_ministack(1);
    let (project, workspace) = (&shared.project, shared.project.workspace());
    let template = |timeout: u32| {
        let padding = "x".repeat(60_000);
        let queue = format!(
            "{{ Type: AWS::SQS::Queue, Properties: {{ QueueName: {}, VisibilityTimeout: {timeout} }} }}",
            shared.bucket
        );
        workspace.write(
            "queue.yaml",
            format!("Metadata: {{ Padding: {padding} }}\nResources:\n  Queue: {queue}\n"),
        );
    };
    template(30);
    let name = &shared.bucket;
    let stack =
        format!("[stack.queue]\nname = \"{name}\"\ntemplate = \"queue.yaml\"\n\n[parameter.p0]");
    project.change("[parameter.p0]", &stack);

    project.apply().run().succeeds();
    project.has_no_changes();
    template(60);
    project.apply().run().succeeds().says("stack.queue updated");
    project.has_no_changes();

    let prefix =
        ["s3api", "list-objects-v2", "--bucket", name, "--prefix", "team/shared/templates/"];
    let kept = shared.aws.call(prefix);
    assert_eq!(kept["Contents"].as_array().map(Vec::len), Some(2), "{kept}");
    let queue =
        ["sqs", "get-queue-attributes", "--attribute-names", "VisibilityTimeout", "--queue-url"];
    let url = shared.aws.call(["sqs", "get-queue-url", "--queue-name", name]);
    let url = url["QueueUrl"].as_str().expect("a URL");
    let there = shared.aws.call(queue.into_iter().chain([url]));
    assert_eq!(there["Attributes"]["VisibilityTimeout"], "60");
    project.destroy().run().succeeds();

    // Without a bucket there is no way for it.
    let text = workspace.read(project.manifest());
    let start = text.find("[state]").expect("a section");
    let end = text.find("[vars]").expect("a section");
    workspace.write(project.manifest(), format!("{}{}", &text[..start], &text[end..]));
    let refused = project.plan().run().exits(exit::REFUSED);
    refused.says("CloudFormation takes 51200").says("keep the state in a bucket");
}

#[test]
fn eight_processes_lose_no_update_on_ministack_though_some_are_killed() {
    race(&Shared::on_ministack(9), 3);
}

#[test]
fn eight_processes_lose_no_update_on_moto_though_some_are_killed() {
    race(&Shared::on_moto(8), 2);
}

/// Eight processes at once change everything, several times; every fourth is killed on its way.
#[track_caller]
fn race(shared: &Shared, rounds: u64) {
    let applied = AtomicU32::new(0);
    thread::scope(|scope| {
        for lane in 0..8u64 {
            let applied = &applied;
            scope.spawn(move || {
                for round in 0..rounds {
                    let value = format!("{lane}-{round}");
                    if (lane + round) % 4 == 0 {
                        let moment = Duration::from_millis(150 + 173 * lane + 311 * round);
                        shared.apply(&value).spawn().kill_when(|elapsed| elapsed >= moment);
                    }
                    shared.apply_in_turn(&value);
                    applied.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    shared.nobody_holds_the_lock();
    let serials = shared.serials();
    let expected: Vec<u64> = (1..=serials.len() as u64).collect();
    assert_eq!(serials, expected);
    // A process that was killed adds at most the run that another one finished.
    let applied = applied.into_inner() as usize;
    assert!(serials.len() >= applied, "{} of {applied}", serials.len());
    let state = shared.state();
    let resources = state["resources"].as_object().expect("resources").values();
    let values: Vec<&Value> = resources.map(|resource| &resource["inputs"]["value"]).collect();
    assert!(values.iter().all(|value| *value == values[0]), "one update: {values:?}");
    let last = values[0].as_str().expect("a value");
    shared.project.plan().args(["--var", &format!("value={last}")]).run().succeeds();
}
