//! What is left of a run, as it is told, finished, taken back and recorded.

use std::fs;
use std::thread;

use bfd_tests::{Fault, FaultProxy, Output, Project, exit};
use serde_json::{Value, json};

use crate::harbor::{Harbor, tell};
use crate::secrets::files_in;
use crate::shop;
use crate::world::list;

/// Goes with the next release: its deletion is what comes after the pivot.
const OLD: &str = "[repository.old]\nname = \"harbor-old\"\nkeep_images = 10\n\n";
const RECORD: &str = "/harbor/deployment/last-deployment";
/// A value that comes from a variable.
const SECRET: &str = "type = \"SecureString\"\nvalue_from = { env = \"API\" }";
const PLANTED: &str = "correct-horse-battery-staple";
/// Calls that a destroy of the harbor makes.
const DELETING: [&str; 6] = [
    "DeleteService",
    "DeregisterTaskDefinition",
    "DeleteStack",
    "DeleteCluster",
    "DeleteParameters",
    "DeleteRepository",
];

#[test]
fn a_run_that_was_rolled_back_is_told_in_full() {
    let project = shop::on_sandbox();
    project.change("typesense:27.1", "typesense-of-nobody:27.1");
    let failed = project.apply().run().exits(exit::ROLLED_BACK);

    let run = latest(&project);

    assert_eq!(run["outcome"], "rolled_back");
    assert_eq!((&run["exit"], &run["open"]), (&json!(exit::ROLLED_BACK), &json!(false)));
    assert_eq!((&run["pivoted"], &run["unwinding"]), (&json!(false), &json!(true)));
    assert_eq!((&run["processes"], &run["command"]), (&json!(1), &json!("bfd apply")));
    let lines = list(&run["timeline"]);
    let of = |what: &str, end: &str| -> Vec<&Value> {
        let lines = lines.iter().filter(|it| it["what"] == what && it["end"] == end);
        lines.map(|it| &it["address"]).collect()
    };
    let failures: Vec<&Value> = lines.iter().filter(|it| it["failure"].is_object()).collect();
    let named = failures.iter().any(|it| {
        it["address"] == "service.search"
            && it["failure"].to_string().contains("CannotPullContainerError")
    });
    assert!(named, "{failures:?}");
    // What took effect was undone, in the other order; what failed left nothing, or was undone.
    let (done, undone) = (of("do", "succeeded"), of("undo", "succeeded"));
    assert_eq!(done.first(), undone.last(), "{run}");
    assert!(done.iter().all(|it| undone.contains(it)), "{done:?} {undone:?}");
    let text = project.bfd("show").arg("--run").run().succeeds();
    let text = text.prints("rolled back (exit 11)").prints("CannotPullContainerError");
    let id = run["run"].as_str().expect("an id");
    let text = text.prints(id).prints("service.search could not be created");
    // The end of the apply named it by a start that is enough to find it again.
    let start = failed.stderr.rsplit("--run ").next().and_then(|it| it.split('`').next());
    let again = project.bfd("show").args(["--run", start.expect("a start")]).run().succeeds();
    assert_eq!(again.stdout, text.stdout);
    let rows = rows(&project);
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["run"], &rows[0]["outcome"]), (&json!(id), &json!("rolled_back")));
    project.bfd("show").arg("--runs").run().succeeds().prints("bfd apply  rolled back");
}

#[test]
fn a_run_that_was_killed_is_told_before_and_after_it_is_recovered() {
    let project = killed(shop::on_sandbox());

    let open = latest(&project);

    assert_eq!((&open["outcome"], &open["exit"]), (&json!("died"), &Value::Null));
    assert_eq!((&open["open"], &open["processes"]), (&json!(true), &json!(1)));
    let text = project.bfd("show").arg("--run").run().succeeds();
    text.prints("its process died").prints("no end is known").prints("bfd recover manifest.toml");
    project.bfd("show").arg("--runs").run().succeeds().prints("open: its process died");

    project.bfd("recover").run().succeeds();

    let ended = latest(&project);
    assert_eq!(ended["run"], open["run"]);
    assert_eq!((&ended["outcome"], &ended["exit"]), (&json!("applied"), &json!(exit::DONE)));
    assert_eq!((&ended["open"], &ended["processes"]), (&json!(false), &json!(2)));
    let lines = list(&ended["timeline"]);
    let picked: Vec<&Value> = lines.iter().filter(|it| it["what"] == "picked_up").collect();
    assert_eq!(picked.len(), 1, "{ended}");
    assert_eq!(picked[0]["command"], "bfd recover");
    assert!(lines.iter().any(|it| it["repeated"] == true), "{ended}");
    let text = project.bfd("show").arg("--run").run().succeeds();
    text.prints("over 2 processes").prints("another process went on").prints("applied (exit 0)");
    let rows = rows(&project);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["outcome"], "applied");
    project.has_no_changes();
}

#[test]
fn a_run_that_was_killed_before_its_pivot_can_be_taken_back() {
    let harbor = Harbor::behind_a_proxy();
    let (mut harbor, proxy) = (harbor.0.built(), harbor.1);
    let before = (harbor.objects(), harbor.project.state()["resources"].clone());
    harbor.release("second");
    kill_at(&harbor.project, &proxy, Fault::held_answer("UpdateService"));

    let back = harbor.project.bfd("recover").arg("--back").run().exits(exit::ROLLED_BACK);

    let back = back.says("harbor is as it was before").says("interrupted and rolled back");
    let back = back.says("rolling back: interrupted; ").never_mentions("canceled");
    back.never_mentions("once more (Ctrl-C)");
    assert_eq!(harbor.objects(), before.0);
    for (address, resource) in before.1.as_object().expect("resources") {
        let now = &harbor.project.state()["resources"][address];
        assert_eq!((&now["id"], &now["inputs"]), (&resource["id"], &resource["inputs"]));
    }
    let run = latest(&harbor.project);
    assert_eq!((&run["outcome"], &run["processes"]), (&json!("rolled_back"), &json!(2)));
    assert!(list(&run["timeline"]).iter().any(|it| it["what"] == "canceled"), "{run}");
    is_recorded(&harbor, &run, "rolled_back");
    harbor.release("first");
    harbor.is_sound();
}

#[test]
fn a_run_that_was_killed_after_its_pivot_goes_forward_only() {
    let (harbor, proxy) = Harbor::behind_a_proxy();
    let manifest = harbor.project.manifest().to_owned();
    harbor.project.change("[repository.web]", &format!("{OLD}[repository.web]"));
    harbor.project.apply().run().succeeds();
    let first = harbor.recorded_revision();
    let record = harbor.account.parameter(RECORD).expect("a record");
    harbor.release("second");
    assert!(!harbor.project.workspace().read(&manifest).contains("harbor-old"));
    kill_at(&harbor.project, &proxy, Fault::held_request("DeleteRepository"));
    let open = latest(&harbor.project);
    assert_eq!((&open["pivoted"], &open["outcome"]), (&json!(true), &json!("died")));
    let there = harbor.account.objects();
    let services = harbor.account.services("harbor");

    let refused = harbor.project.bfd("recover").arg("--back").run().exits(exit::REFUSED);

    refused.says("there is no way back").says("`bfd recover manifest.toml` finishes the run");
    assert_eq!(harbor.account.objects(), there);
    assert_eq!(harbor.account.services("harbor"), services);
    assert_ne!(services[0].task_definition, first);
    assert_eq!(latest(&harbor.project), open);
    // The kill came before the end of the run, which is when a record is written.
    assert_eq!(harbor.account.parameter(RECORD), Some(record));
    harbor.project.bfd("recover").run().succeeds();
    assert!(!harbor.account.objects().contains("repository harbor-old"));
    assert_eq!(harbor.recorded_revision(), services[0].task_definition);
    let run = latest(&harbor.project);
    assert_eq!((&run["run"], &run["outcome"]), (&open["run"], &json!("applied")));
    is_recorded(&harbor, &run, "applied");
    harbor.project.has_no_changes();
}

#[test]
fn a_run_is_not_finished_without_its_secret_and_nothing_changes() {
    let (harbor, proxy) = Harbor::behind_a_proxy();
    let project = &harbor.project;
    project.change("value = \"https://first.example.com\"", SECRET);
    // Nothing but what comes first is done when it is killed: the secret is still to be sent.
    proxy.inject([Fault::held_answer("PutParameter")]);
    let apply = project.apply().env("API", PLANTED).spawn();
    let killed = apply.kill_when(|_| proxy.is_holding());
    assert_eq!(killed.signal, Some(9), "{killed}");
    proxy.inject([]);
    let files = || {
        let journal = project.workspace().read(project.state_file("journal.jsonl"));
        (journal, latest(project))
    };
    let before = files();

    let refused = project.bfd("recover").run().exits(exit::REFUSED);

    refused.says("`API`").says("is not there").says("`bfd recover manifest.toml --back`");
    project.bfd("recover").env("API", "another").run().exits(exit::REFUSED).says("`API`");
    assert_eq!(files(), before);
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    let finished = project.bfd("recover").env("API", PLANTED).run().succeeds();
    finished.never_mentions(PLANTED);
    project.plan().env("API", PLANTED).run().succeeds().prints("No changes");
    assert_eq!(harbor.account.parameter("/harbor/url").as_deref(), Some(PLANTED));
    let kept = project.workspace().path().join(project.state_file("state.json"));
    for file in files_in(kept.parent().expect("a directory")) {
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.contains(PLANTED), "{file}");
    }
}

#[test]
fn whoever_looks_at_an_open_run_is_told_what_its_process_does() {
    let (harbor, proxy) = Harbor::behind_a_proxy();
    let harbor = harbor.built();
    let looked_at = |command: &str, held: Fault| {
        proxy.inject([held]);
        let mut shown = None;
        let running = harbor.project.bfd(command).spawn();
        let killed = running.kill_when(|_| {
            if proxy.is_holding() {
                shown = Some(harbor.project.bfd("show").run().succeeds());
                harbor.project.plan().run().exits(exit::LOCKED);
            }
            shown.is_some()
        });
        assert_eq!(killed.signal, Some(9), "{killed}");
        proxy.inject([]);
        shown.expect("it was looked at")
    };
    harbor.release("second");

    let applying = looked_at("apply --yes", Fault::held_request("UpdateService"));
    let recovering = looked_at("recover", Fault::held_request("UpdateService"));
    harbor.project.bfd("recover").run().succeeds();
    let destroying = looked_at("destroy --yes", Fault::held_request("DeleteService"));

    applying.says("is applying right now (`bfd apply`");
    recovering.says("is recovering right now (`bfd recover`");
    destroying.says("is destroying right now (`bfd destroy`");
    harbor.project.bfd("show").run().succeeds().says("did not finish");
}

#[test]
fn a_destroy_killed_at_any_call_is_finished() {
    thread::scope(|scope| {
        for (number, call) in DELETING.into_iter().enumerate() {
            scope.spawn(move || {
                let (harbor, proxy) = Harbor::behind_a_proxy();
                let harbor = harbor.built();
                // Half of them have been carried out when the process ends, and half have not.
                let is_even = number % 2 == 0;
                let held = if is_even { Fault::held_answer } else { Fault::held_request };
                killed_destroying(&harbor, |harbor| {
                    proxy.inject([held(call)]);
                    let killed = harbor.project.destroy().spawn();
                    let killed = killed.kill_when(|_| proxy.is_holding());
                    tell(&format!("{call}: {:?}", proxy.injected()));
                    assert_eq!(proxy.injected().len(), 1, "{killed}");
                    proxy.inject([Fault::lost_answer(call)]);
                    killed
                });
                destroyed(&harbor, if is_even { "recover" } else { "destroy --yes" });
            });
        }
    });
}

#[test]
fn a_destroy_killed_at_an_entry_of_its_journal_is_finished() {
    thread::scope(|scope| {
        for (number, entries) in [0, 3, 6, 9].into_iter().enumerate() {
            scope.spawn(move || {
                let (harbor, proxy) = Harbor::behind_a_proxy();
                let harbor = harbor.built();
                let journal = harbor.project.state_file("journal.jsonl");
                let journal = harbor.project.workspace().path().join(journal);
                killed_destroying(&harbor, |harbor| {
                    // Whatever is late in looking at the journal: the run does not end before.
                    proxy.inject([Fault::held_request("DeleteRepository")]);
                    let killed = harbor.project.destroy().spawn().kill_when(|_| {
                        // The first line is the plan.
                        let text = fs::read_to_string(&journal).unwrap_or_default();
                        text.matches('\n').count() > entries
                    });
                    proxy.inject([]);
                    killed
                });
                destroyed(&harbor, if number % 2 == 0 { "destroy --yes" } else { "recover" });
            });
        }
    });
}

/// Kills a destroy that has begun.
#[track_caller]
fn killed_destroying(harbor: &Harbor, kill: impl FnOnce(&Harbor) -> Output) {
    let killed = kill(harbor);
    assert_eq!(killed.signal, Some(9), "{killed}");
    let run = latest(&harbor.project);
    assert_eq!((&run["command"], &run["outcome"]), (&json!("bfd destroy"), &json!("died")));
}

/// Goes on after the kill, and asserts that nothing is left of anything.
#[track_caller]
fn destroyed(harbor: &Harbor, command: &str) {
    let went_on = harbor.project.bfd(command).run().succeeds();

    tell(&format!("{went_on}"));
    let left = harbor.account.objects();
    assert!(left.is_empty(), "{left:?}\n{went_on}");
    assert_eq!(harbor.project.state()["resources"], json!({}));
    let run = latest(&harbor.project);
    assert_eq!((&run["open"], &run["exit"]), (&json!(false), &json!(exit::DONE)), "{run}");
    harbor.project.destroy().run().succeeds().prints("harbor is empty already");
}

/// A shop whose first apply was killed while its services were starting.
#[track_caller]
fn killed(project: Project) -> Project {
    let mut running = project.apply().spawn();
    running.until_it_says("service.search: 0/1");
    running.kill();
    assert_eq!(running.wait().signal, Some(9));
    project
}

/// Kills an apply at a request that is held.
#[track_caller]
fn kill_at(project: &Project, proxy: &FaultProxy, fault: Fault) {
    proxy.inject([fault]);
    let killed = project.apply().spawn().kill_when(|_| proxy.is_holding());
    assert_eq!(killed.signal, Some(9), "{killed}");
    assert_eq!(proxy.injected().len(), 1, "{killed}");
    proxy.inject([]);
}

/// The latest run, for programs.
#[track_caller]
fn latest(project: &Project) -> Value {
    project.bfd("show").args(["--run", "--format", "json"]).run().succeeds().json()
}

/// Every run, for programs.
#[track_caller]
fn rows(project: &Project) -> Vec<Value> {
    let listed = project.bfd("show").args(["--runs", "--format", "json"]).run().succeeds().json();
    list(&listed["runs"]).to_vec()
}

/// Asserts that the record beside the coordinator is about a run, and how it ended.
#[track_caller]
fn is_recorded(harbor: &Harbor, run: &Value, outcome: &str) {
    let text = harbor.account.parameter(RECORD).expect("a record");
    let record: Value = serde_json::from_str(&text).expect("a record is JSON");
    assert_eq!((&record["run"], &record["outcome"]), (&run["run"], &json!(outcome)));
    assert_eq!(record["started_at"], run["started_at"]);
    let state = harbor.project.state();
    assert_eq!(record["serial"], state["serial"], "{state}");
}
