use super::{
    fixture::{at, change, recorded, secret},
    legible,
    progress::{entries, failure, rolled_back, run, succeeded},
    styles,
};
use crate::views::{
    Style, failure as show_failure,
    graph::{self, Dependencies},
    outcome::{Ending, outcome},
    show,
    status::{Rollout, ServiceStatus, status},
};
use bfd_apply::Unended;
use bfd_core::{
    Outcome, State,
    journal::{Event, Failure},
    plan::{Action, Plan, Undo},
};
use serde_json::json;
use std::collections::BTreeSet;

type Events = Vec<(u64, Option<u32>, Event)>;

fn plan() -> Plan {
    let mut network = change("stack.network", Action::Adopt, vec![]);
    network.undo = Undo::Approximate;
    network.notes = vec!["tags that the stack had before are not known".into()];
    Plan { changes: vec![network], ..run() }
}

fn ended(events: Events, ended: Outcome, left_open: Option<Unended>) -> String {
    let (plan, entries) = (plan(), entries(events));
    let ending = Ending {
        plan: &plan,
        entries: &entries,
        outcome: ended,
        left_open,
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
