//! A parameter in SSM's Parameter Store.

use crate::{
    clock::Clock,
    exchange::{Exchange, Shared},
    lowering::{prune, tags},
    patterns::{PARAMETER_NAME, TAGS},
    spec::{Field, KindSpec, Lower, Output, OutputSource, Type},
};
use bfd_core::{
    Environment, Expr, Inputs,
    plan::{Action, Effect, FieldChange, Undo},
};

pub static SPEC: KindSpec = KindSpec {
    name: "parameter",
    doc: "A parameter in SSM's Parameter Store",
    singleton: false,
    fields: &[
        Field::new(
            "name",
            // AWS reserves 1037 of its 2048 characters.
            Type::Name { min: 1, max: 1011, pattern: PARAMETER_NAME },
            "The name of the parameter, such as `/bellyfed/dev/api/url`.",
        )
        .required()
        .replaces(),
        Field::new(
            "type",
            Type::OneOf(&["String", "StringList", "SecureString"]),
            "What the value is. A list is stored joined by commas, a secure string encrypted. AWS does not change the type of a parameter, so a change replaces it.",
        )
        .default("\"String\"")
        .replaces(),
        Field::new(
            "value",
            Type::Either(&Type::Text, &Type::List(&Type::Text)),
            "The value, or for a `StringList` the list of values. At most 4 KB, 8 KB in the tier `Advanced`.",
        ),
        Field::new(
            "value_from",
            Type::SecretSource,
            "Where apply reads a secret value: `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"pass\", \"show\", \"NAME\"] }`. For the type `SecureString`; the value itself is never written anywhere but to SSM.",
        ),
        Field::new("description", Type::Text, "What it is for, in at most 1024 characters."),
        Field::new(
            "tier",
            Type::OneOf(&["Standard", "Advanced", "Intelligent-Tiering"]),
            "`Advanced` takes larger values and costs money. AWS never turns an advanced parameter into a standard one. When the field is removed, the tier stays as it is.",
        ),
        Field::new(
            "key_id",
            Type::Text,
            "The KMS key that encrypts a `SecureString`; without it, and when the field is removed, the account's own key for SSM.",
        ),
        Field::new(
            "allowed_pattern",
            Type::Text,
            "A regular expression that AWS checks values against, in at most 1024 characters.",
        ),
        Field::new(
            "data_type",
            Type::OneOf(&["text", "aws:ec2:image", "aws:ssm:integration"]),
            "What AWS checks the value to be, for instance the id of an AMI.",
        ),
        Field::new("tags", TAGS, "Tags of the parameter, over those of the environment. They are compared with what bfd last applied, not read back: that would take a request for each."),
    ],
    outputs: &[
        Output::new("name", OutputSource::Input("name"), "The name of the parameter"),
        Output::new("arn", OutputSource::Stable, "Its ARN"),
        Output::new("version", OutputSource::Volatile, "How often it was written"),
        Output::new(
            "last_modified",
            OutputSource::Volatile,
            "When it was last written, in seconds since 1970",
        ),
    ],
    default_output: Some("name"),
    key: &["name"],
    exact: &[],
    sets: &[],
    read_at_start: &[],
    lower,
    settle: None,
    content: None,
    exchange: Some(exchange),
    effect: |path| match path {
        ["name" | "type"] => Effect::Replaces,
        _ => Effect::None,
    },
    undo,
    seconds: |_, _| 1,
    clock: |_| Clock::calls(5),
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

/// Stacks read it by its name.
fn exchange(inputs: &Inputs, _: &Environment) -> Exchange {
    let name = inputs.get("name").and_then(Expr::as_str);
    let gives = name.map(|name| Shared::Parameter(name.to_owned())).into_iter().collect();
    Exchange { gives, ..Exchange::default() }
}

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    lower.keep_or(&mut inputs, "type", "String");
    let kind = inputs["type"].as_str().unwrap_or_default().to_owned();
    let secure = kind == "SecureString";
    let value = lower.take("value");
    let secret = lower.take("value_from");
    match (&value, &secret) {
        (Some(_), Some(_)) => lower.error(
            "value_from",
            "parameter::two_values",
            "`value` and `value_from` exclude each other",
            "a second value",
            "remove one of them",
        ),
        (None, None) => lower.error(
            "",
            "parameter::no_value",
            "a parameter needs a value",
            "has neither `value` nor `value_from`",
            "write `value = \"…\"`, or for a secret `value_from = { env = \"NAME\" }` and `type = \"SecureString\"`",
        ),
        (Some(_), None) if secure => lower.error(
            "value",
            "parameter::secret_in_manifest",
            "a secret does not belong in a manifest",
            "would be written into state and plans",
            "write `value_from = { env = \"NAME\" }`, and set the variable when you run bfd",
        ),
        (None, Some(_)) if !secure => lower.error(
            "value_from",
            "parameter::secret_in_the_open",
            "a secret needs the type `SecureString`",
            format!("would be readable as a `{kind}`"),
            "add `type = \"SecureString\"`",
        ),
        _ => {}
    }
    if !secure && lower.fields.contains_key("key_id") {
        lower.error(
            "key_id",
            "parameter::key_without_secret",
            "only a `SecureString` is encrypted with a key",
            format!("the type is `{kind}`"),
            "remove `key_id`, or make the type `SecureString`",
        );
    }
    if kind != "String" && lower.fields.get("data_type").is_some_and(|d| d.as_str() != Some("text"))
    {
        lower.error(
            "data_type",
            "parameter::data_type",
            "AWS checks the data type of a `String` only",
            format!("the type is `{kind}`"),
            "remove `data_type`",
        );
    }
    for field in ["description", "allowed_pattern"] {
        limit(lower, field, 1024);
    }
    limit(lower, "key_id", 256);
    if let Some(value) = value.and_then(|value| joined(lower, &kind, value)) {
        check_length(lower, &value);
        inputs.insert("value".to_owned(), value);
    }
    if let Some(secret) = secret {
        inputs.insert("value".to_owned(), secret);
    }
    lower.keep(
        &mut inputs,
        &["name", "description", "tier", "key_id", "allowed_pattern", "data_type"],
    );
    inputs.insert("tags".to_owned(), tags(lower));
    prune(&mut inputs);
    inputs
}

/// A list as SSM stores it: one text, joined by commas.
fn joined(lower: &mut Lower<'_>, kind: &str, value: Expr) -> Option<Expr> {
    let Expr::List(all) = value else { return Some(value) };
    if kind != "StringList" {
        lower.error(
            "value",
            "parameter::list",
            "a list needs the type `StringList`",
            format!("the type is `{kind}`"),
            "add `type = \"StringList\"`",
        );
        return None;
    }
    let mut parts = Vec::new();
    for (index, item) in all.into_iter().enumerate() {
        if item.as_str().is_some_and(|text| text.contains(',') || text.is_empty()) {
            lower.error(
                &format!("value.{index}"),
                "parameter::comma",
                "a list is stored joined by commas",
                "is empty or has a comma in it",
                "use the type `String` and a format of your own",
            );
        }
        if index > 0 {
            parts.push(",".into());
        }
        parts.push(item);
    }
    let text = Expr::Template(parts);
    Some(crate::lowering::known(&text).map_or(text, Expr::from))
}

fn check_length(lower: &mut Lower<'_>, value: &Expr) {
    let Some(text) = value.as_str() else { return };
    let tier = lower.fields.get("tier").and_then(Expr::as_str).unwrap_or("Standard");
    let most = if tier == "Standard" { 4096 } else { 8192 };
    let help = if text.is_empty() {
        "give it a value, or remove it".to_owned()
    } else if tier == "Standard" && text.len() <= 8192 {
        "write `tier = \"Advanced\"`, which costs money".to_owned()
    } else {
        "keep it elsewhere, and its place in the parameter".to_owned()
    };
    if text.is_empty() || text.len() > most {
        let label = format!("has {} bytes; AWS takes 1 to {most}", text.len());
        lower.error("value", "parameter::size", "the value has the wrong size", label, help);
    }
}

fn limit(lower: &mut Lower<'_>, field: &str, most: usize) {
    let Some(text) = lower.fields.get(field).and_then(Expr::as_str) else { return };
    let length = text.chars().count();
    if length == 0 || length > most {
        lower.error(
            field,
            "parameter::length",
            "the text has the wrong length",
            format!("has {length} characters; AWS takes 1 to {most}"),
            "shorten it, or remove it",
        );
    }
}

fn undo(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>) {
    let secret = fields.iter().any(|field| field.sensitive);
    match action {
        Action::Update | Action::Adopt if becomes_advanced(fields) => {
            (Undo::Approximate, Some("AWS never turns an advanced parameter into a standard one"))
        }
        // Earlier values stay readable in SSM as `name:version`.
        Action::Create | Action::Update | Action::Adopt => (Undo::Exact, None),
        Action::Replace | Action::Delete if secret => {
            (Undo::None, Some("the old secret is deleted and recorded nowhere else"))
        }
        Action::Replace | Action::Delete => {
            (Undo::Approximate, Some("the parameter comes back without its earlier versions"))
        }
    }
}

fn becomes_advanced(fields: &[FieldChange]) -> bool {
    fields
        .iter()
        .any(|field| field.path == "tier" && field.after.as_ref().is_some_and(|v| v != "Standard"))
}
