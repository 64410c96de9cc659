//! What holds for any plan, however odd.

use super::{
    fixture::{at, empty, many, rich, secret},
    markdown,
};
use crate::views::{Style, plan};
use bfd_core::{
    Value,
    plan::{Action, Change, Drift, Effect, FieldChange, Plan, Undo, Warning},
};
use proptest::{collection::vec, prelude::*};
use serde_json::json;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// Stands for what must never be seen; no other text holds it.
const PLAINTEXT_DIGEST: &str = "DIGEST-OF-A-SECRET";

fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("```\n````\n</details>".to_owned()),
        Just("| a | `b` | @team #1 <script>".to_owned()),
        Just("\u{1b}[31mred\u{1b}[0m \u{202e}evil".to_owned()),
        Just("日本語".repeat(30)),
        Just("x".repeat(5_000)),
        Just("`".repeat(700)),
        Just("line\n".repeat(400)),
        Just("{\"a\": [1, {\"b\": \"```\"}]}".to_owned()),
        Just(String::new()),
        "[ -~]{0,60}",
        "\\PC{0,40}",
    ]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        2 => Just(None),
        6 => nasty().prop_map(|text| Some(Value::from(text))),
        1 => any::<i64>().prop_map(|number| Some(Value::from(number))),
        1 => vec(nasty(), 0..4).prop_map(|all| Some(json!(all))),
        1 => nasty().prop_map(|text| Some(json!({"inner": {"text": text, "key": secret(PLAINTEXT_DIGEST)}}))),
        1 => Just(Some(secret(PLAINTEXT_DIGEST))),
        1 => Just(Some(json!({"$changed_outside": "version 4"}))),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("name".to_owned()),
        Just("template".to_owned()),
        Just("task_definition.containers.web.image".to_owned()),
        Just("task_definition.containers.web.environment.API_URL".to_owned()),
        Just("service.networkConfiguration.awsvpcConfiguration.subnets".to_owned()),
        "[a-z.]{1,20}",
        nasty(),
    ]
}

fn field() -> impl Strategy<Value = FieldChange> {
    let effect =
        prop_oneof![Just(Effect::None), Just(Effect::RestartsTasks), Just(Effect::Replaces)];
    (path(), value(), value(), any::<bool>(), any::<bool>(), effect).prop_map(
        |(path, before, after, sensitive, known, effect)| FieldChange {
            path,
            before,
            after,
            sensitive,
            known,
            effect,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let action = prop_oneof![
        Just(Action::Create),
        Just(Action::Update),
        Just(Action::Replace),
        Just(Action::Delete),
        Just(Action::Adopt)
    ];
    let undo = prop_oneof![Just(Undo::Exact), Just(Undo::Approximate), Just(Undo::None)];
    let address = "(service|stack|parameter|image|repository|cluster)\\.[a-z-]{1,40}";
    (address, action, vec(field(), 0..6), undo, vec(nasty(), 0..2)).prop_map(
        |(address, action, fields, undo, notes)| Change {
            kind: at(&address).kind().clone(),
            address: at(&address),
            action,
            fields,
            undo,
            loses_data: false,
            notes,
        },
    )
}

/// A plan whose changes are repeated up to `most` times: some must be far too long for a comment.
fn any_plan(most: usize) -> impl Strategy<Value = Plan> {
    let drift = ("parameter\\.[a-z]{1,9}", any::<bool>(), vec(field(), 0..4))
        .prop_map(|(address, gone, fields)| Drift { address: at(&address), gone, fields });
    let warning = (nasty(), proptest::option::of(nasty())).prop_map(|(message, help)| Warning {
        address: None,
        message,
        help,
    });
    (nasty(), vec(change(), 0..12), vec(drift, 0..3), vec(warning, 0..4), 1..=most).prop_map(
        |(name, changes, drift, warnings, times)| {
            let mut plan = empty();
            plan.environment.name = name;
            plan.changes = (0..times).flat_map(|_| changes.clone()).collect();
            plan.drift = drift;
            plan.warnings = warnings;
            plan
        },
    )
}

/// Whether every fence and every folded section that opens also closes.
fn check_markdown(text: &str) {
    let mut fence: Option<usize> = None;
    let mut folds = 0_i32;
    for line in text.lines() {
        let ticks = line.chars().take_while(|c| *c == '`').count();
        let only = ticks == line.len();
        match fence {
            Some(open) if ticks >= open && only => fence = None,
            None if ticks >= 3 && line[ticks..].chars().all(char::is_alphanumeric) => {
                fence = Some(ticks);
            }
            None if line.starts_with("<details") => folds += 1,
            None if line == "</details>" => folds -= 1,
            _ => {}
        }
        assert!((0..=1).contains(&folds), "a fold within a fold at {line:?}");
    }
    assert_eq!((fence, folds), (None, 0), "something stays open in:\n{text}");
}

/// How many rows a comment has for an action.
fn rows(text: &str, action: &str) -> usize {
    let starts = [format!("| {action} |"), format!("| **{action}** |")];
    text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
}

/// Checks that nothing is unfolded while a change is not named, that no change is named while a
/// more important one is not, and that those which are not are counted.
#[track_caller]
fn check_order(plan: &Plan) {
    let text = markdown(plan);
    assert!(text.chars().count() < 65_536, "{} characters", text.chars().count());
    let words = ["replace", "delete", "adopt", "update", "create"];
    let actions = ORDER.iter().zip(words);
    let mut is_missing = false;
    for (action, word) in actions {
        let all = plan.changes.iter().filter(|change| change.action == *action).count();
        let named = rows(&text, word);
        assert!(!is_missing || named == 0, "{word} is less important than what is missing");
        if named < all {
            is_missing = true;
            let told = format!("{} to {word}", all - named);
            let last = text.lines().last().unwrap_or_default();
            let rows = last.split(" rows (").nth(1).or(last.split(" row (").nth(1));
            let rows = rows.and_then(|rest| rest.split(')').next()).unwrap_or_default();
            assert!(rows.split(", ").any(|part| part == told), "{told} is not in {last}");
        }
    }
    assert!(!is_missing || !text.contains("<details"), "details while a row is missing");
}

const ORDER: [Action; 5] =
    [Action::Replace, Action::Delete, Action::Adopt, Action::Update, Action::Create];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_comment_is_never_refused(plan in any_plan(60)) {
        let text = markdown(&plan);
        prop_assert!(text.len() < 65_536, "{} bytes", text.len());
        check_markdown(&text);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        prop_assert!(!text.contains(PLAINTEXT_DIGEST));
    }

    #[test]
    fn a_comment_names_every_change_before_it_unfolds_one(plan in any_plan(90)) {
        check_order(&plan);
    }

    #[test]
    fn every_change_is_shown_or_counted(plan in any_plan(60)) {
        let text = markdown(&plan);
        let addresses: BTreeSet<_> = plan.changes.iter().map(|c| c.address.to_string()).collect();
        let all = addresses.iter().all(|address| text.contains(&format!("`{address}`")));
        prop_assert!(all || text.contains("**Not shown, for want of room:**"));
    }

    #[test]
    fn text_keeps_its_width_and_its_secrets(plan in any_plan(3), width in 60_usize..140) {
        let text = plan::text(&plan, &Style { width, ..Style::PLAIN });
        for line in text.lines() {
            prop_assert!(UnicodeWidthStr::width(line) <= width, "{line:?}");
            prop_assert!(!line.ends_with(' '), "{line:?}");
        }
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        prop_assert!(!text.contains(PLAINTEXT_DIGEST));
    }

    #[test]
    fn colour_changes_no_word(plan in any_plan(3)) {
        let plain = plan::text(&plan, &Style::PLAIN);
        let coloured = plan::text(&plan, &Style { color: true, ..Style::PLAIN });
        prop_assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }

    #[test]
    fn json_keeps_its_contract(plan in any_plan(3)) {
        let json = plan::json(&plan);
        check_schema(&plan::schema(), &json);
        prop_assert!(!json.to_string().contains(PLAINTEXT_DIGEST));
    }
}

/// Checks a value against the part of JSON Schema that the plan's schema uses.
pub(super) fn check_schema(schema: &Value, value: &Value) {
    if let Err(why) = conforms(schema, schema, value, "$") {
        panic!("{why}");
    }
}

fn conforms(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let fits = match keyword.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().and_then(|r| r.strip_prefix('#')).expect("local");
                conforms(root, root.pointer(pointer).expect("defined"), value, at)?;
                true
            }
            "type" => match wanted {
                Value::Array(all) => all.iter().any(|one| has_type(value, one)),
                one => has_type(value, one),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "anyOf" => {
                let any = wanted.as_array().expect("a list");
                any.iter().any(|one| conforms(root, one, value, at).is_ok())
            }
            "allOf" => {
                for one in wanted.as_array().expect("a list") {
                    conforms(root, one, value, at)?;
                }
                true
            }
            "required" => {
                let names = wanted.as_array().expect("a list");
                names.iter().all(|name| value.get(name.as_str().expect("a name")).is_some())
            }
            "properties" => {
                for (name, schema) in wanted.as_object().expect("properties") {
                    if let Some(value) = value.get(name) {
                        conforms(root, schema, value, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().expect("a list") {
                    conforms(root, wanted, item, &format!("{at}[]"))?;
                }
                true
            }
            "$schema" | "title" | "description" | "definitions" | "pattern" => true,
            other => return Err(format!("{at}: the check does not know `{other}`")),
        };
        if !fits {
            return Err(format!("{at}: {value} is not {keyword} {wanted}"));
        }
    }
    Ok(())
}

fn has_type(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_contract_has_every_promised_field() {
    let json = plan::json(&rich());
    check_schema(&plan::schema(), &json);
    let has = |at: &str, names: &[&str]| {
        let object = json.pointer(at).unwrap_or_else(|| panic!("{at} is missing"));
        for name in names {
            assert!(object.get(name).is_some(), "{at} lacks {name}");
        }
    };
    has(
        "",
        &[
            "format_version",
            "environment",
            "base",
            "summary",
            "changes",
            "steps",
            "drift",
            "warnings",
        ],
    );
    has("/base", &["lineage", "serial"]);
    has("/summary", &["create", "update", "replace", "delete", "adopt", "unchanged"]);
    has("/changes/0", &["address", "kind", "action", "fields", "undo"]);
    has("/changes/0/fields/0", &["path", "before", "after", "sensitive", "known", "effect"]);
    has("/steps/0", &["id", "address", "op", "phase", "after"]);
    has("/drift/0", &["address", "fields"]);
}

#[test]
fn a_sensitive_value_is_never_shown_whatever_it_looks_like() {
    let path = "task_definition.containers.web.environment.TOKEN";
    let token = |path: &str| FieldChange {
        path: path.to_owned(),
        before: Some("OLD-TOKEN".into()),
        after: Some(json!({"inner": ["NEW-TOKEN"]})),
        sensitive: true,
        known: true,
        effect: Effect::RestartsTasks,
    };
    for action in [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Adopt] {
        let fields = vec![token("name"), token("value"), token(path)];
        let plan = Plan {
            changes: vec![super::fixture::change("parameter.token", action, fields.clone())],
            drift: vec![Drift { address: at("parameter.token"), gone: false, fields }],
            stack_drift: Vec::new(),
            previews: Vec::new(),
            back_to: None,
            ..empty()
        };
        let views =
            [plan::text(&plan, &Style::PLAIN), markdown(&plan), plan::json(&plan).to_string()];
        for view in views {
            assert!(!view.contains("OLD-TOKEN") && !view.contains("NEW-TOKEN"), "{view}");
            assert!(view.contains("secret"), "{view}");
        }
    }
}

#[test]
fn a_check_that_cannot_fail_is_no_check() {
    let mut json = plan::json(&rich());
    json["changes"][0]["action"] = "explode".into();
    let schema = plan::schema();
    assert!(conforms(&schema, &schema, &json, "$").is_err());
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut plan = rich();
    plan.changes = (0..600).flat_map(|_| rich().changes).collect();
    let text = markdown(&plan);
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("**Not shown, for want of room:** "), "{last}");
    assert!(last.contains(" rows") && last.contains("the details of "), "{last}");
}

#[test]
fn room_that_nothing_else_takes_is_for_what_is_deleted() {
    let plan = Plan { changes: many(Action::Delete, 999), ..empty() };
    assert_eq!(rows(&markdown(&plan), "delete"), 999);
}

#[test]
fn what_is_deleted_is_named_before_the_details_of_others() {
    let all = [(Action::Update, 600), (Action::Replace, 150), (Action::Delete, 250)];
    let changes = all.into_iter().flat_map(|(action, number)| many(action, number));
    let plan = Plan { changes: changes.collect(), ..empty() };
    let text = markdown(&plan);
    assert_eq!((rows(&text, "replace"), rows(&text, "delete")), (150, 250));
    check_order(&plan);
    let changes = many(Action::Replace, 2).into_iter().chain(many(Action::Create, 700));
    let plan = Plan { changes: changes.collect(), ..empty() };
    let text = markdown(&plan);
    assert_eq!(text.matches("<details open>").count(), 2, "facts of what is created come last");
    assert!(text.contains("the description of "), "{text}");
}

#[test]
fn a_big_plan_is_shown_in_no_time() {
    // A thousand resources are common; quadratic work would take minutes here.
    let mut plan = rich();
    plan.changes = (0..200).flat_map(|_| rich().changes).collect();
    let text = plan::text(&plan, &Style::PLAIN);
    assert!(text.lines().count() > 10_000);
}
