//! Deployment configuration in SSM, before everything else.

use crate::{
    clock::{Clock, Work},
    lowering::tags,
    patterns::{PARAMETER_PREFIX, TAGS, is_parameter_part},
    spec::{Field, KindSpec, Lower, Output, OutputSource, Type},
};
use bfd_core::{
    Inputs, ResourceState, Value,
    plan::{Action, Effect, FieldChange, Op, Undo},
};
use std::collections::BTreeMap;

/// The last part of the parameter that holds the record of the last deployment.
pub const RECORD: &str = "last-deployment";

/// The SSM name of one entry of `config`, or of [`RECORD`].
pub fn parameter_name(prefix: &str, key: &str) -> String {
    format!("{prefix}/{key}")
}

pub static SPEC: KindSpec = KindSpec {
    name: "coordinator",
    doc: "Deployment configuration in SSM parameters; everything else in the environment waits for it",
    singleton: true,
    fields: &[
        Field::new(
            "parameter_prefix",
            Type::Name { min: 2, max: 900, pattern: PARAMETER_PREFIX },
            "The path under which the parameters are kept. bfd keeps the record of the last deployment beside them, as `last-deployment`.",
        )
        .required()
        .replaces(),
        Field::new(
            "config",
            Type::Map(&Type::Scalar),
            "One SSM parameter of type `String` for each entry, named by the prefix and the key. Values have 1 to 4096 characters.",
        ),
        Field::new("tags", TAGS, "Tags of each parameter, over those of the environment. They are compared with what bfd last applied, not read back: that would take a request for each."),
    ],
    outputs: &[Output::new(
        "prefix",
        OutputSource::Input("parameter_prefix"),
        "The path under which the parameters are kept",
    )],
    default_output: Some("prefix"),
    key: &["parameter_prefix"],
    exact: &[],
    sets: &[],
    read_at_start: &[],
    lower,
    settle: None,
    content: None,
    exchange: None,
    effect,
    undo,
    seconds: |_, inputs| puts(entries(inputs)),
    clock,
    actions: &[
        "ssm:AddTagsToResource",
        "ssm:DeleteParameters",
        "ssm:DescribeParameters",
        "ssm:GetParameters",
        "ssm:ListTagsForResource",
        "ssm:PutParameter",
        "ssm:RemoveTagsFromResource",
    ],
};

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    let config = lower.fields.get("config").and_then(|c| c.as_map()).cloned().unwrap_or_default();
    for (key, value) in &config {
        let place = format!("config.{key}");
        if !is_parameter_part(key) {
            lower.error(
                &place,
                "coordinator::invalid_key",
                "not a name for an SSM parameter",
                "becomes the last part of the parameter's name",
                "use letters, digits and `_.-`",
            );
        } else if key == RECORD {
            lower.error(
                &place,
                "coordinator::reserved_key",
                "the name is taken",
                "bfd keeps the record of the last deployment here",
                "choose another key",
            );
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count();
            if !(1..=4096).contains(&length) {
                lower.error(
                    &place,
                    "coordinator::invalid_value",
                    "an SSM parameter takes 1 to 4096 characters",
                    format!("has {length}"),
                    "give it a value, or remove it",
                );
            }
        }
    }
    lower.keep(&mut inputs, &["parameter_prefix", "config"]);
    inputs.insert("tags".to_owned(), tags(lower));
    crate::lowering::prune(&mut inputs);
    inputs
}

fn entries(inputs: &Inputs) -> usize {
    inputs.get("config").and_then(|config| config.as_map()).map_or(0, BTreeMap::len)
}

/// PutParameter is good for about 3 calls a second.
fn puts(entries: usize) -> u64 {
    1 + entries as u64 / 3
}

/// Every entry is at most one call, forward and back.
fn clock(work: &Work<'_>) -> Clock {
    let recorded = |prior: &ResourceState| {
        prior.inputs.get("config").and_then(Value::as_object).map_or(0, serde_json::Map::len)
    };
    let entries = match work.op {
        Op::Create { inputs, .. } => entries(inputs),
        Op::Update { prior, inputs, .. } | Op::Adopt { prior, inputs, .. } => {
            entries(inputs) + recorded(prior)
        }
        Op::Delete { prior } => recorded(prior),
    };
    Clock::calls(4 + puts(entries))
}

fn effect(path: &[&str]) -> Effect {
    if path == ["parameter_prefix"] { Effect::Replaces } else { Effect::None }
}

fn undo(action: Action, _: &[FieldChange]) -> (Undo, Option<&'static str>) {
    match action {
        Action::Delete => {
            (Undo::Approximate, Some("parameters come back without their earlier versions"))
        }
        _ => (Undo::Exact, None),
    }
}
