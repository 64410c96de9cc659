//! An image repository in ECR.

use crate::{
    clock::Clock,
    json,
    lowering::{prune, tags},
    patterns::{REPOSITORY_NAME, TAGS},
    spec::{Field, KindSpec, Lower, Output, OutputSource, Type},
};
use bfd_core::{
    Inputs, Value,
    plan::{Action, Effect, FieldChange, Undo},
};
use serde_json::json;

/// Either the path of a JSON file or the document itself, as text or as a table.
const DOCUMENT: Type = Type::Either(&Type::File, &Type::Any);

pub static SPEC: KindSpec = KindSpec {
    name: "repository",
    doc: "An image repository in ECR",
    singleton: false,
    fields: &[
        Field::new(
            "name",
            Type::Name { min: 2, max: 256, pattern: REPOSITORY_NAME },
            "The name of the repository.",
        )
        .required()
        .replaces(),
        Field::new(
            "tag_mutability",
            Type::OneOf(&["immutable", "mutable"]),
            "Whether a tag that was pushed can be moved to another image.",
        )
        .default("\"immutable\""),
        Field::new(
            "scan_on_push",
            Type::Bool,
            "Whether ECR scans each image for known vulnerabilities when it is pushed.",
        )
        .default("true"),
        Field::new(
            "keep_images",
            Type::Integer { min: 1, max: 100_000 },
            "How many images to keep; older ones are deleted by a lifecycle policy. Keep enough for every revision that a rollback may return to.",
        ),
        Field::new(
            "lifecycle_policy",
            DOCUMENT,
            "A lifecycle policy of your own instead of `keep_images`: a file, or the JSON as a table.",
        ),
        Field::new(
            "policy",
            DOCUMENT,
            "Who else may pull and push: a repository policy, as a file or as a table.",
        ),
        Field::new(
            "kms_key",
            Type::Text,
            "The KMS key that encrypts the images. Without it ECR's own encryption is used. It cannot be changed later.",
        )
        .replaces(),
        Field::new(
            "force_delete",
            Type::Bool,
            "Whether deleting the repository deletes the images in it. Without it, AWS refuses to delete a repository that holds images.",
        )
        .default("false"),
        Field::new("tags", TAGS, "Tags of the repository, over those of the environment. They are compared with what bfd last applied, not read back: that would take a request for each."),
    ],
    outputs: &[
        Output::new("name", OutputSource::Input("name"), "The name of the repository"),
        Output::new("arn", OutputSource::Stable, "Its ARN"),
        Output::new(
            "uri",
            OutputSource::Stable,
            "What images are pushed to, such as `123456789012.dkr.ecr.ap-southeast-1.amazonaws.com/web`",
        ),
        Output::new("registry_id", OutputSource::Stable, "The account of the registry"),
    ],
    default_output: Some("uri"),
    key: &["name"],
    exact: &[],
    sets: &[],
    read_at_start: &[],
    lower,
    settle: None,
    content: None,
    exchange: None,
    effect: |path| match path {
        ["name" | "kms_key"] => Effect::Replaces,
        _ => Effect::None,
    },
    undo,
    seconds: |_, _| 2,
    clock: |_| Clock::calls(5),
    actions: &[
        "ecr:CreateRepository",
        "ecr:DeleteLifecyclePolicy",
        "ecr:DeleteRepository",
        "ecr:DeleteRepositoryPolicy",
        "ecr:DescribeRepositories",
        "ecr:GetLifecyclePolicy",
        "ecr:GetRepositoryPolicy",
        "ecr:ListTagsForResource",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecr:PutLifecyclePolicy",
        "ecr:SetRepositoryPolicy",
        "ecr:TagResource",
        "ecr:UntagResource",
    ],
};

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    if lower.fields.contains_key("keep_images") && lower.fields.contains_key("lifecycle_policy") {
        lower.error(
            "lifecycle_policy",
            "repository::two_lifecycles",
            "`keep_images` and `lifecycle_policy` exclude each other",
            "says again which images are kept",
            "remove one of them",
        );
    }
    lower.keep(&mut inputs, &["name", "keep_images", "kms_key"]);
    lower.keep_or(&mut inputs, "tag_mutability", "immutable");
    lower.keep_or(&mut inputs, "scan_on_push", true);
    lower.keep_or(&mut inputs, "force_delete", false);
    lower.keep_json(&mut inputs, "lifecycle_policy");
    lower.keep_json(&mut inputs, "policy");
    inputs.insert("tags".to_owned(), tags(lower));
    prune(&mut inputs);
    inputs
}

fn undo(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>) {
    match action {
        // ECR acts on a policy within 24 hours, so mostly the rollback comes first ("Lifecycle
        // policies", ECR user guide).
        Action::Update | Action::Adopt if fields.iter().any(expires_more) => {
            (Undo::Approximate, Some("images that the new policy expires meanwhile are lost"))
        }
        Action::Create | Action::Update | Action::Adopt => (Undo::Exact, None),
        Action::Replace | Action::Delete => {
            let why = "its images are lost with it; with images in it, and unless `force_delete` was applied before, AWS refuses";
            (Undo::None, Some(why))
        }
    }
}

/// Whether images that were kept before may be deleted.
fn expires_more(field: &FieldChange) -> bool {
    let keeps = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
    match field.path.as_str() {
        "keep_images" => match (keeps(&field.before), keeps(&field.after)) {
            (Some(before), Some(after)) => after < before,
            (before, after) => before.is_none() && after.is_some(),
        },
        "lifecycle_policy" => field.after.is_some() || !field.known,
        _ => false,
    }
}

const DESCRIPTION: &str = "bfd: keep_images";

/// The lifecycle policy that keeps the newest `keep` images, as canonical text.
pub fn lifecycle_policy(keep: i64) -> String {
    json::canonical_text(&json!({ "rules": [{
        "rulePriority": 1,
        "description": DESCRIPTION,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep },
        "action": { "type": "expire" },
    }] }))
}

/// Reads a lifecycle policy back: `keep_images` with a number when it says no more
/// than that, whoever wrote it, otherwise `lifecycle_policy` with its canonical text.
pub fn canonical_lifecycle(text: &str) -> (&'static str, Value) {
    if let Some(keep) = keep_images(text) {
        return ("keep_images", keep.into());
    }
    let text = json::canonicalize(text).unwrap_or_else(|_| text.to_owned());
    ("lifecycle_policy", text.into())
}

fn keep_images(text: &str) -> Option<i64> {
    let policy: Value = serde_json::from_str(text).ok()?;
    let [rule] = policy["rules"].as_array()?.as_slice() else { return None };
    let selection = rule["selection"].as_object()?;
    let plain = selection.len() == 3
        && selection["tagStatus"] == "any"
        && selection["countType"] == "imageCountMoreThan"
        && rule["action"]["type"] == "expire";
    plain.then(|| selection["countNumber"].as_i64()).flatten()
}
