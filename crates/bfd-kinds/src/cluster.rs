//! A cluster in ECS.

use crate::{
    clock::Clock,
    lowering::{prune, tags},
    patterns::{ECS_NAME, TAGS},
    spec::{Field, KindSpec, Lower, Output, OutputSource, Type},
};
use bfd_core::{
    Expr, Inputs,
    plan::{Action, Effect, FieldChange, Undo},
};
use std::collections::BTreeMap;

/// One item of a capacity provider strategy, shared with services.
pub(crate) const STRATEGY: &[Field] = &[
    Field::new(
        "provider",
        Type::Text,
        "`FARGATE`, `FARGATE_SPOT`, or the name of a provider of your own.",
    )
    .required(),
    Field::new(
        "weight",
        Type::Integer { min: 0, max: 1000 },
        "Its share of the tasks above the base.",
    )
    .default("0"),
    Field::new(
        "base",
        Type::Integer { min: 0, max: 100_000 },
        "How many tasks run on it before weights count.",
    )
    .default("0"),
];

pub static SPEC: KindSpec = KindSpec {
    name: "cluster",
    doc: "A cluster in ECS",
    singleton: false,
    fields: &[
        Field::new(
            "name",
            Type::Name { min: 1, max: 255, pattern: ECS_NAME },
            "The name of the cluster.",
        )
        .required()
        .replaces(),
        Field::new(
            "container_insights",
            Type::OneOf(&["enabled", "disabled", "enhanced"]),
            "How much CloudWatch measures. Without it the account's setting holds.",
        ),
        Field::new(
            "capacity_providers",
            Type::List(&Type::Text),
            "What tasks may run on: `FARGATE`, `FARGATE_SPOT`, or providers of your own.",
        ),
        Field::new(
            "default_capacity_provider_strategy",
            Type::List(&Type::Table(STRATEGY)),
            "How tasks are spread over the providers where a service does not say.",
        ),
        Field::new("tags", TAGS, "Tags of the cluster, over those of the environment."),
    ],
    outputs: &[
        Output::new("name", OutputSource::Input("name"), "The name of the cluster"),
        Output::new("arn", OutputSource::Stable, "Its ARN"),
    ],
    default_output: Some("name"),
    key: &["name"],
    exact: &[],
    sets: &["capacity_providers", "default_capacity_provider_strategy"],
    read_at_start: &[],
    lower,
    settle: None,
    content: None,
    exchange: None,
    effect: |path| if path == ["name"] { Effect::Replaces } else { Effect::None },
    undo,
    seconds: |_, _| 5,
    // A cluster is there at once, and goes once its services are INACTIVE.
    clock: |_| Clock::calls(10),
    actions: &[
        "ecs:CreateCluster",
        "ecs:DeleteCluster",
        "ecs:DescribeClusters",
        "ecs:PutClusterCapacityProviders",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
        "iam:CreateServiceLinkedRole",
    ],
};

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    let strategy = lower.take("default_capacity_provider_strategy").map(strategy);
    let providers = lower.fields.get("capacity_providers").and_then(Expr::as_list).unwrap_or(&[]);
    let unknown: Vec<String> = strategy
        .iter()
        .filter_map(Expr::as_list)
        .flatten()
        .filter_map(|item| item.as_map()?.get("capacityProvider"))
        .filter(|provider| !providers.contains(provider))
        .map(|provider| provider.as_str().unwrap_or("…").to_owned())
        .collect();
    if !unknown.is_empty() {
        lower.error(
            "default_capacity_provider_strategy",
            "cluster::unknown_provider",
            "the strategy names a capacity provider that the cluster does not have",
            format!("names `{}`", unknown.join("`, `")),
            "add it to `capacity_providers`",
        );
    }
    if let Some(Expr::List(mut all)) = lower.take("capacity_providers") {
        all.sort_by_key(sort_key);
        all.dedup();
        inputs.insert("capacity_providers".to_owned(), Expr::List(all));
    }
    if let Some(strategy) = strategy {
        inputs.insert("default_capacity_provider_strategy".to_owned(), strategy);
    }
    lower.keep(&mut inputs, &["name", "container_insights"]);
    inputs.insert("tags".to_owned(), tags(lower));
    prune(&mut inputs);
    inputs
}

/// A capacity provider strategy in AWS's spelling, sorted, with AWS's defaults.
pub(crate) fn strategy(written: Expr) -> Expr {
    let Expr::List(all) = written else { return written };
    let item = |item: Expr| {
        let Expr::Map(mut fields) = item else { return item };
        let zero = || Expr::Literal(0.into());
        let weight = fields.remove("weight").unwrap_or_else(zero);
        let base = fields.remove("base").unwrap_or_else(zero);
        let mut canonical =
            BTreeMap::from([("weight".to_owned(), weight), ("base".to_owned(), base)]);
        if let Some(provider) = fields.remove("provider") {
            canonical.insert("capacityProvider".to_owned(), provider);
        }
        Expr::Map(canonical)
    };
    let mut all: Vec<Expr> = all.into_iter().map(item).collect();
    all.sort_by_key(|item| item.as_map().and_then(|m| m.get("capacityProvider")).map(sort_key));
    Expr::List(all)
}

/// Orders what may hold references, the same way every time.
pub(crate) fn sort_key(expr: &Expr) -> String {
    match expr.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string(expr).expect("an expression has text keys"),
    }
}

fn undo(action: Action, _: &[FieldChange]) -> (Undo, Option<&'static str>) {
    match action {
        Action::Create | Action::Update | Action::Adopt => (Undo::Exact, None),
        Action::Replace | Action::Delete => {
            (Undo::Approximate, Some("a cluster of the same name comes back empty"))
        }
    }
}
