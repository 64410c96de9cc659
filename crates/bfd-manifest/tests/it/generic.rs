//! What holds for any kind, also for one that leaves all to the loader.

use crate::world::World;
use bfd_core::{
    Expr,
    plan::{Effect, Undo},
};
use bfd_kinds::{Field, KindSpec, Type};
use serde_json::json;
use std::collections::BTreeSet;

const PART: &[Field] = &[Field::new("size", Type::Integer { min: 1, max: 9 }, "Its size.")];

/// Its canonical form is what was written.
static SPEC: KindSpec = KindSpec {
    name: "thing",
    doc: "A thing",
    singleton: false,
    fields: &[
        Field::new("next", Type::Link("thing"), "Another thing."),
        Field::new("all", Type::List(&Type::Link("thing")), "Other things."),
        Field::new("wait", Type::Duration { min: 1, max: 3600 }, "How long."),
        Field::new("file", Type::File, "A file."),
        Field::new("secret", Type::SecretSource, "A secret."),
        Field::new("parts", Type::Tables(PART), "Parts by name."),
        Field::new("either", Type::Either(&Type::Bool, &Type::List(&Type::Scalar)), "A choice."),
        Field::new("any", Type::Any, "Anything."),
    ],
    outputs: &[],
    default_output: None,
    key: &[],
    exact: &[],
    sets: &[],
    read_at_start: &[],
    lower: |lower| lower.fields.clone(),
    settle: None,
    content: None,
    exchange: None,
    effect: |_| Effect::None,
    undo: |_, _| (Undo::Exact, None),
    seconds: |_, _| 1,
    clock: |_| bfd_kinds::clock::Clock::default(),
    actions: &[],
};

const BODY: &str = r#"
[thing.a]
next = "b"
all = ["c"]
wait = "1m"
file = "hello.txt"
secret = { env = "SECRET" }
parts = { left = { size = 3 } }
either = [1, "x", true]
any = { deep = [{ when = 2026-11-23, part = 0.5 }] }
[thing.b]
[thing.c]
"#;

fn world() -> World {
    World::with(BODY).file("environments/hello.txt", "hello").env("SECRET", "1234")
}

#[test]
fn links_are_edges() {
    let manifest = world().load_with(&[&SPEC]).unwrap();
    let expected: BTreeSet<_> = ["thing.b", "thing.c"].map(|a| a.parse().unwrap()).into();
    assert_eq!(manifest.resources[0].dependencies(), expected);
}

#[test]
fn every_type_becomes_what_its_description_says() {
    let manifest = world().load_with(&[&SPEC]).unwrap();
    let inputs = &manifest.resources[0].inputs;
    let value = |field: &str| inputs[field].resolve(&|_| None).unwrap();
    assert_eq!(value("wait"), json!(60));
    assert_eq!(value("file"), json!({ "path": "hello.txt", "text": "hello" }));
    assert!(matches!(inputs["secret"], Expr::Secret(_)));
    assert_eq!(value("parts"), json!({ "left": { "size": 3 } }));
    assert_eq!(value("either"), json!(["1", "x", "true"]));
    assert_eq!(value("any"), json!({ "deep": [{ "when": "2026-11-23", "part": 0.5 }] }));
}

#[test]
fn fields_are_found_by_their_path() {
    let manifest = world().load_with(&[&SPEC]).unwrap();
    let thing = &manifest.resources[0];
    let text = &manifest.sources.get(thing.span.source).unwrap().text;
    let at = |span: bfd_core::Span| &text[span.start..span.end];
    assert_eq!(at(thing.span.clone()), "[thing.a]");
    assert_eq!(at(thing.span_of("parts.left.size")), "3");
    assert_eq!(at(thing.span_of("any.deep.0.part")), "0.5");
    assert_eq!(at(thing.span_of("all.0")), "\"c\"");
    assert_eq!(at(thing.span_of("secret")), "secret");
}
