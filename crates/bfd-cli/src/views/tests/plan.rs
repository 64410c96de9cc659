use super::{
    fixture::{self, change, field},
    legible, markdown, styles,
};
use crate::views::{Style, plan, value};
use bfd_core::{
    Value,
    plan::{Action, Plan, Undo},
};
use serde_json::json;
use std::path::Path;

fn check(name: &str, plan: &Plan) {
    for (how, style) in styles() {
        insta::assert_snapshot!(format!("{name}_{how}"), legible(&plan::text(plan, &style)));
    }
}

#[test]
fn a_rich_plan_reads_well() {
    check("rich", &fixture::rich());
}

#[test]
fn nothing_to_do_is_one_line() {
    let text = plan::text(&fixture::empty(), &Style::PLAIN);
    assert_eq!(text, "No changes. dev is as declared (12 resources).\n");
}

#[test]
fn drift_alone_is_told() {
    let plan = Plan { drift: fixture::drift(), ..fixture::empty() };
    insta::assert_snapshot!("drift", plan::text(&plan, &Style::PLAIN));
}

#[test]
fn reviewers_get_a_table_and_folded_details() {
    insta::assert_snapshot!("rich_markdown", markdown(&fixture::rich()));
    insta::assert_snapshot!("empty_markdown", markdown(&fixture::empty()));
}

#[test]
fn what_was_saved_is_known_by_its_digest() {
    let origin = plan::Origin::Saved {
        file: Path::new("plan.json"),
        digest: "sha256:1f2e3d4c5b6a",
        made_at: "2026-11-23T10:00:00Z",
    };
    let text = plan::markdown(&fixture::rich(), origin);
    let last = text.lines().last();
    assert_eq!(last, Some("Plan `sha256:1f2e3d4c5b6a`, made at `2026-11-23T10:00:00Z`"));
    let many = (0..9).flat_map(|_| fixture::many(Action::Delete, 200)).collect();
    let text = plan::markdown(&Plan { changes: many, ..fixture::empty() }, origin);
    assert!(text.ends_with("`bfd show plan.json` at a terminal shows everything.\n"), "{text}");
    assert!(text.contains("Plan `sha256:1f2e3d4c5b6a`"), "{text}");
}

#[test]
fn programs_get_the_contract() {
    insta::assert_snapshot!("rich_json", value::pretty(&plan::json(&fixture::rich())));
}

#[test]
fn a_deadline_that_cannot_be_kept_is_told_where_it_comes_from() {
    let mut plan = fixture::rich();
    plan.rollback.deadline = 240;
    plan.changes.truncate(1);
    plan.drift.clear();
    plan.warnings.clear();
    check("late", &plan);
    assert!(markdown(&plan).contains("rollback: **worst case 4 min 30 s"));
    plan.rollback.on_failure = false;
    assert!(plan::text(&plan, &Style::PLAIN).contains("rollback: none, a failure leaves"));
}

#[test]
fn why_an_undo_is_not_exact_needs_no_unfolding() {
    let plan = fixture::rich();
    let text = markdown(&plan);
    for change in plan.changes.iter().filter(|change| change.undo == Undo::Approximate) {
        let address = format!("`{}`", change.address);
        let row = text.lines().find(|line| line.starts_with('|') && line.contains(&address));
        assert!(row.is_some_and(|row| row.contains("only approximately: ")), "{row:?}");
    }
}

#[test]
fn a_saved_plan_without_an_estimate_is_still_read() {
    let mut saved = serde_json::to_value(fixture::rich()).expect("a plan is JSON");
    let rollback = saved["rollback"].as_object_mut().expect("an object");
    assert!(rollback.remove("estimate").is_some());
    let read: Plan = serde_json::from_value(saved).expect("the same plan");
    assert_eq!(read.rollback.estimate, None);
    assert_eq!(read.rollback.deadline, 300);
}

#[test]
fn reviewers_read_a_long_warning_to_its_end() {
    let mut plan = fixture::rich();
    plan.warnings.truncate(1);
    plan.warnings[0].message =
        format!("{}and this is the end", "40 s here: the checks; ".repeat(30));
    assert!(markdown(&plan).contains("and this is the end"));
}

#[test]
fn an_image_that_is_there_already_is_not_said_to_be_built() {
    let made = |there: bool| {
        let mut fields = vec![
            field("origin", Value::Null, json!("context")),
            field("make.context", Value::Null, json!("app")),
            field("repository", Value::Null, json!("assets")),
            field("tag", Value::Null, json!("a1b2")),
        ];
        if there {
            fields.push(field("was_there", Value::Null, json!(true)));
        }
        let changes = vec![change("image.app/a1b2", Action::Create, fields)];
        plan::text(&Plan { changes, ..fixture::empty() }, &Style::PLAIN)
    };
    assert!(made(false).contains("assets:a1b2, built from app\n"), "{}", made(false));
    assert!(made(true).contains("assets:a1b2, used as it is there\n"), "{}", made(true));
}
