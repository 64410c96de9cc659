use super::{
    fixture::{Does, at, change, empty, recorded, secret, step},
    legible,
    progress::{entries, failure, rolled_back, run, succeeded},
    styles,
};
use crate::views::{
    SANDBOX, Style, failure as show_failure,
    graph::{self, Dependencies},
    outcome::{Ending, outcome},
    show,
    stack_status::{Condition, StackStatus, stack_status},
    status::{Rollout, ServiceStatus, status},
    verdict::Verdict,
};
use bfd_apply::Unended;
use bfd_core::{
    Outcome, State,
    journal::{Event, Failure},
    plan::{Action, Plan, Undo},
};
use serde_json::json;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

type Events = Vec<(u64, Option<u32>, Event)>;

pub(crate) const RUN: &str = "01kdxvq3m8pzvn4cg7h2t5wb9e";

pub(crate) fn plan() -> Plan {
    let mut network = change("stack.network", Action::Adopt, vec![]);
    network.undo = Undo::Approximate;
    network.notes = vec!["tags that the stack had before are not known".into()];
    Plan { changes: vec![network], ..run() }
}

fn ended(events: Events, ended: Outcome, left_open: Option<Unended>) -> String {
    let (plan, entries) = (plan(), entries(events));
    let ending = Ending {
        run: RUN,
        plan: &plan,
        entries: &entries,
        verdict: left_open.map_or(Verdict::Ended(ended), |why| Verdict::Open(why.into())),
        manifest: "environments/dev.toml",
    };
    outcome(&ending, &Style::PLAIN).unwrap()
}

/// Every step but the last.
fn deployed() -> Events {
    let mut all = Events::new();
    let addresses =
        ["coordinator.main", "parameter.api-url", "stack.network", "service.web", "service.search"];
    for (step, address) in (0..).zip(addresses) {
        let seconds = u64::from(step) * 10;
        all.push((seconds, Some(step), Event::Started));
        all.push((seconds + 9, Some(step), succeeded(address)));
    }
    all
}

#[test]
fn an_applied_run_says_what_it_did() {
    let mut all = deployed();
    all.push((50, Some(5), Event::Started));
    all.push((51, Some(5), Event::Succeeded { result: None }));
    insta::assert_snapshot!("outcome_applied", ended(all, Outcome::Applied, None));
}

#[test]
fn pending_cleanup_names_what_is_still_there() {
    let mut all = deployed();
    let failure = Failure {
        message: "the service is busy".into(),
        operation: Some("ssm:DeleteParameter".into()),
        ..Failure::default()
    };
    all.push((50, Some(5), Event::Started));
    all.push((51, Some(5), Event::Failed { failure, left: None }));
    insta::assert_snapshot!("outcome_cleanup", ended(all, Outcome::CleanupPending, None));
}

/// A plan that leaves nothing, and what happened to its steps; `None` is a delete that failed.
fn destroy(unchanged: usize, results: &[Option<&str>]) -> String {
    let addresses = ["service.web", "cluster.main", "coordinator.main"];
    let plan = Plan {
        endpoint: Some(SANDBOX.to_owned()),
        unchanged,
        changes: addresses.iter().map(|at| change(at, Action::Delete, vec![])).collect(),
        steps: (0..).zip(addresses).map(|(id, at)| step(id, at, &Does::Delete, &[], 1)).collect(),
        ..empty()
    };
    let mut events = Events::new();
    for (id, failed) in (0..).zip(results) {
        events.push((0, Some(id), Event::Started));
        let event = match failed {
            None => Event::Succeeded { result: None },
            Some(message) => Event::Failed {
                failure: Failure { message: (*message).to_owned(), ..Failure::default() },
                left: None,
            },
        };
        events.push((43, Some(id), event));
    }
    let all_gone = results.len() == addresses.len() && results.iter().all(Option::is_none);
    let entries = entries(events);
    let ending = Ending {
        run: RUN,
        plan: &plan,
        entries: &entries,
        verdict: Verdict::Ended(if all_gone { Outcome::Applied } else { Outcome::CleanupPending }),
        manifest: "dev.toml",
    };
    outcome(&ending, &Style::PLAIN).unwrap()
}

#[test]
fn a_destroyed_environment_was_not_applied() {
    let text = destroy(0, &[None, None, None]);
    assert!(text.starts_with("✓ destroyed dev in 43s (sandbox time): 3 deleted\n"), "{text}");
    let text = destroy(1, &[None, None, None]);
    assert!(text.starts_with("✓ applied dev in 43s (sandbox time): 3 deleted\n"), "{text}");
}

#[test]
fn what_is_left_of_a_destroyed_environment_is_not_called_live() {
    let text = destroy(0, &[None, Some("the cluster has tasks")]);
    insta::assert_snapshot!("outcome_not_destroyed", text);
}

#[test]
fn what_failed_is_told_once_and_what_was_stopped_is_no_cause() {
    let failed = |message: &str, details: &[&str]| Event::Failed {
        failure: Failure {
            message: message.into(),
            details: details.iter().map(ToString::to_string).collect(),
            hint: Some("check the image".into()),
            ..Failure::default()
        },
        left: None,
    };
    let mut all = deployed();
    all.truncate(6);
    all.extend([
        (30, Some(3), Event::Started),
        (30, Some(4), Event::Started),
        (31, Some(4), failed("task a1: no such image", &["task b2: no such image", "a quota"])),
        (32, Some(3), failed("the run turned back while it was followed", &[])),
    ]);
    let text = ended(all.clone(), Outcome::RolledBack, None);
    assert!(!text.contains("turned back") && !text.contains("service.web"), "{text}");
    assert_eq!(text.matches("no such image").count(), 1, "{text}");
    all.pop();
    all.push((32, Some(3), failed("task c3: no memory", &["a quota"])));
    let text = ended(all, Outcome::RolledBack, None);
    assert!(text.contains("service.search") && text.contains("service.web"), "{text}");
    for once in ["a quota", "check the image"] {
        assert_eq!(text.matches(once).count(), 1, "{once} in {text}");
    }
}

#[test]
fn a_rollback_says_why_and_what_was_undone() {
    insta::assert_snapshot!("outcome_rolled_back", ended(rolled_back(), Outcome::RolledBack, None));
}

#[test]
fn a_rollback_of_nothing_says_so() {
    let all = vec![
        (0, Some(0), Event::Started),
        (3, Some(0), Event::Failed { failure: failure(), left: None }),
    ];
    let text = ended(all, Outcome::RolledBack, None);
    assert!(text.contains("nothing had taken effect in dev"), "{text}");
    assert!(!text.contains("Undone"), "{text}");
}

#[test]
fn a_stuck_run_lists_exactly_what_is_left_and_the_next_command() {
    let mut all = rolled_back();
    let busy = Failure {
        message: "the service is being changed by somebody else".into(),
        operation: Some("ecs:UpdateService".into()),
        hint: Some("wait until its deployment has ended".into()),
        ..Failure::default()
    };
    // Everything up to the undo of `service.web`, which fails.
    let last = all
        .iter()
        .position(|(_, step, event)| {
            *step == Some(3) && matches!(event, Event::UndoSucceeded { .. })
        })
        .unwrap();
    all.truncate(last);
    all.push((99, Some(3), Event::UndoFailed { failure: busy }));
    let text = ended(all, Outcome::Stuck, Some(Unended::UndoFailed));
    insta::assert_snapshot!("outcome_stuck", text);
}

#[test]
fn a_run_without_rollback_says_what_stays() {
    let mut all = deployed();
    all.truncate(6);
    all.push((30, Some(3), Event::Started));
    all.push((75, Some(3), Event::Failed { failure: failure(), left: None }));
    insta::assert_snapshot!("outcome_stopped", ended(all, Outcome::Stopped, None));
}

#[test]
fn a_deadline_and_an_abort_are_told_apart() {
    let mut all = rolled_back();
    all.truncate(16);
    let deadline = ended(all.clone(), Outcome::Stuck, Some(Unended::Deadline));
    assert!(deadline.contains("did not finish within 5m 00s"), "{deadline}");
    let aborted = ended(all, Outcome::Stuck, Some(Unended::Aborted));
    assert!(aborted.contains("aborted"), "{aborted}");
}

#[test]
fn a_failure_starts_with_its_cause() {
    let text = show_failure(&failure(), &at("service.web"), &Style::PLAIN);
    insta::assert_snapshot!("failure", text);
}

#[test]
fn services_fit_a_table() {
    let service = |address: &str, name: &str, rollout, stopped: &[&str]| ServiceStatus {
        address: at(address),
        name: name.into(),
        desired: 2,
        running: 1,
        rollout,
        since: Some(4000),
        images: vec![format!("bellyfed-dev@{}", super::fixture::digest("9a8b7c6d5e4f"))],
        stopped: stopped.iter().map(ToString::to_string).collect(),
    };
    let services = [
        service("service.search", "typesense-dev", Rollout::Proven("SUCCESSFUL".into()), &[]),
        service(
            "service.web",
            "web",
            Rollout::UnderWay("IN_PROGRESS".into()),
            &[
                "12m ago: CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref",
            ],
        ),
        ServiceStatus {
            since: None,
            images: vec![],
            ..service("service.gone", "gone", Rollout::Missing, &[])
        },
    ];
    for (how, style) in styles() {
        insta::assert_snapshot!(format!("status_{how}"), legible(&status(&services, &style)));
    }
}

fn one_service(rollout: Rollout, name: &str, stopped: &[&str]) -> ServiceStatus {
    ServiceStatus {
        address: at("service.web"),
        name: name.into(),
        desired: 1,
        running: 1,
        rollout,
        since: Some(7),
        images: vec!["public.ecr.aws/nginx/nginx:alpine".into()],
        stopped: stopped.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn reasons_are_counted_and_a_proven_service_has_none() {
    let stopped =
        ["task a1: no image", "task b2: no image", "task c3: x", "task d4: y", "task e5: z"];
    let failed = one_service(Rollout::Failed("tasks failed to start".into()), "web", &stopped);
    let text = status(&[failed], &Style::PLAIN);
    assert!(text.contains("\n  2 tasks: no image\n"), "{text}");
    assert!(text.contains("\n  … and 1 more reason\n"), "{text}");
    assert!(!text.contains("a1") && !text.contains("tasks: z"), "{text}");
    let proven = one_service(Rollout::Proven("completed".into()), "web", &stopped);
    assert!(!status(&[proven], &Style::PLAIN).contains("no image"));
}

#[test]
fn no_name_of_a_service_is_ever_cut() {
    let name = "bellyfed-production-the-service-with-a-rather-long-name-indeed";
    let why = "deployment failed: tasks failed to start, and the circuit breaker turned back";
    let rollouts = [Rollout::Proven("completed".into()), Rollout::Failed(why.into())];
    for width in [40, 60, 80, 120, 200] {
        for rollout in &rollouts {
            let service = one_service(rollout.clone(), name, &[]);
            let text = status(&[service], &Style { width, ..Style::PLAIN });
            if width > 64 {
                assert!(text.contains(name), "{text}");
            }
            assert!(text.contains("public.ecr.aws/nginx/nginx:alpine"), "{text}");
            if width >= 60 {
                let widest = text.lines().map(UnicodeWidthStr::width).max();
                assert!(widest <= Some(width), "{widest:?} of {width}:\n{text}");
            }
        }
    }
    let service = one_service(Rollout::Failed(why.into()), name, &[]);
    insta::assert_snapshot!("status_long", status(&[service], &Style::PLAIN));
}

fn one_stack(address: &str, name: &str, condition: Condition) -> StackStatus {
    StackStatus {
        address: at(address),
        name: name.into(),
        condition,
        since: Some(7200),
        reasons: Vec::new(),
    }
}

#[test]
fn stacks_fit_a_table() {
    let why = "Orders (AWS::DynamoDB::Table) UPDATE_FAILED: CloudFormation cannot update a stack \
               when a custom-named resource requires replacing. Rename orders and update again.";
    let stacks = [
        one_stack("stack.network", "network", Condition::Good("UPDATE_COMPLETE".into())),
        one_stack("stack.queue", "bellyfed-dev-queue", Condition::Good("CREATE_COMPLETE".into())),
        one_stack(
            "stack.infra/bellyfed-dev-data",
            "bellyfed-dev-data",
            Condition::UnderWay("UPDATE_IN_PROGRESS".into()),
        ),
        StackStatus {
            reasons: [why, "second", "third", "fourth"].map(str::to_owned).to_vec(),
            ..one_stack(
                "stack.infra/bellyfed-dev-authentication-and-everything-else",
                "bellyfed-dev-authentication-and-everything-else",
                Condition::Bad("UPDATE_ROLLBACK_COMPLETE".into()),
            )
        },
        StackStatus { since: None, ..one_stack("stack.gone", "gone", Condition::Missing) },
    ];
    for (how, style) in styles() {
        let text = legible(&stack_status(&stacks, &style));
        insta::assert_snapshot!(format!("stack_status_{how}"), text);
    }
}

#[test]
fn no_status_and_no_address_of_a_stack_is_ever_cut() {
    let address = "stack.infra/bellyfed-production-authentication-and-everything-else";
    let says = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
    for width in [40, 60, 80, 120, 200] {
        let stack = one_stack(address, "x", Condition::UnderWay(says.into()));
        let text = stack_status(&[stack], &Style { width, ..Style::PLAIN });
        assert!(text.contains(address) && text.contains(says), "{text}");
        if width >= 80 {
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
        }
    }
}

#[test]
fn state_is_shown_without_secrets() {
    let mut web = recorded("service.web", "bellyfed-dev-cluster/bellyfed-dev");
    web.inputs.insert("desired_count".into(), json!(2));
    web.inputs.insert("tags".into(), json!({}));
    web.inputs.insert(
        "task_definition".into(),
        json!({"cpu": "256", "containers": {"web": {"image": "nginx", "environment": {"JWT": secret("the-digest"), "URL": "https://x"}}}}),
    );
    web.inputs.insert("policy".into(), json!("{\"Version\":\"2012-10-17\"}"));
    web.outputs.insert(
        "arn".into(),
        json!("arn:aws:ecs:ap-southeast-1:123456789012:service/bellyfed-dev-cluster/bellyfed-dev"),
    );
    web.depends_on.insert(at("cluster.main"));
    let text = show::resource(&at("service.web"), &web, &Style::PLAIN);
    assert!(!text.contains("the-digest"), "{text}");
    insta::assert_snapshot!("show_resource", text);

    let mut state = State::default();
    state.resources.insert(at("service.web"), web.clone());
    state.resources.insert(at("cluster.main"), recorded("cluster.main", "bellyfed-dev-cluster"));
    state.deposed.insert(at("cluster.main"), vec![recorded("cluster.main", "bellyfed-dev")]);
    insta::assert_snapshot!("show_list", show::list(&state, &Style::PLAIN));
    assert_eq!(show::list(&State::default(), &Style::PLAIN), "nothing is recorded\n");
}

#[test]
fn graphs_name_every_edge() {
    let deps = |all: &[&str]| all.iter().map(|a| at(a)).collect::<BTreeSet<_>>();
    let graph = Dependencies::from([
        (at("service.web"), deps(&["cluster.main", "image.web"])),
        (at("image.web"), deps(&["repository.web"])),
        (at("cluster.main"), deps(&[])),
    ]);
    insta::assert_snapshot!("graph_dot", graph::dot(&graph));
    insta::assert_snapshot!("graph_mermaid", graph::mermaid(&graph));
}
