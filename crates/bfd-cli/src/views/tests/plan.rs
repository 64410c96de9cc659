use super::{fixture, legible, styles};
use crate::views::{Style, plan, value};
use bfd_core::plan::Plan;

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
    insta::assert_snapshot!("rich_markdown", plan::markdown(&fixture::rich()));
    insta::assert_snapshot!("empty_markdown", plan::markdown(&fixture::empty()));
}

#[test]
fn programs_get_the_contract() {
    insta::assert_snapshot!("rich_json", value::pretty(&plan::json(&fixture::rich())));
}
