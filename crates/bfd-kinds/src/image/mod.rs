//! A container image, by its digest.
//!
//! Either somebody else pushes it and it is looked up (`lookup`), or bfd makes it and pushes it
//! to a repository (`made`): built from a context, read from an archive, laid from files, copied
//! from another registry. `settle` decides, once the registry was looked at, what services run.

mod fields;
mod lookup;
mod made;
mod place;
mod settle;

pub use made::Origin;
pub(crate) use place::is_tag;
pub use place::{Place, declared, place, registry};
pub use settle::default_tag;

use crate::{
    clock::Clock,
    spec::{KindSpec, Lower, Output, OutputSource},
};
use bfd_core::{
    Expr, Inputs, Value,
    plan::{Action, Effect, FieldChange, Undo},
};

pub static SPEC: KindSpec = KindSpec {
    name: "image",
    doc: "A container image, which services then use by its digest",
    singleton: false,
    fields: fields::FIELDS,
    outputs: &[
        Output::new(
            "uri",
            OutputSource::Input("uri"),
            "The image, pinned by its digest where one is known",
        ),
        Output::new("digest", OutputSource::Input("digest"), "Its digest, `sha256:…`"),
        Output::new("tag", OutputSource::Input("tag"), "The tag that it was pushed under"),
        Output::new(
            "fallback_active",
            OutputSource::Input("fallback_active"),
            "Whether the fallback stands in for it",
        ),
    ],
    default_output: Some("uri"),
    key: &[],
    exact: &["make.args", "make.secrets", "make.files"],
    sets: &[],
    read_at_start: &[],
    lower,
    settle: Some(settle::settle),
    content: None,
    exchange: None,
    effect: |_| Effect::None,
    undo,
    seconds,
    // A push that fails says so at once, and its undo is a few requests.
    clock: |_| Clock::default(),
    actions: &[
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchDeleteImage",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetLifecyclePolicy",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
        "sts:AssumeRole",
    ],
};

/// What was pushed is taken away again, and a tag that was moved is put back.
fn undo(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>) {
    if action == Action::Delete {
        return (Undo::None, Some("the image itself stays in its repository"));
    }
    if fields.iter().any(|field| field.path == "existing_tag") {
        let is_there =
            |field: &FieldChange| field.path == WAS_THERE && field.after == Some(Value::Bool(true));
        if fields.iter().any(is_there) {
            // Nothing is pushed, so there is nothing to take away.
            return (Undo::Exact, None);
        }
        return (Undo::Approximate, Some("an image whose tag is made of its content stays"));
    }
    let is_elsewhere =
        |field: &FieldChange| field.path == "repository_uri" && field.after.is_some();
    if fields.iter().any(is_elsewhere) {
        (Undo::Approximate, Some("a registry that does not let tags be removed keeps the image"))
    } else {
        (Undo::Exact, None)
    }
}

/// Whether the image was in its repository when it was planned.
const WAS_THERE: &str = "was_there";

/// Rough figures: looking up is nothing, a build takes minutes.
fn seconds(action: Action, inputs: &Inputs) -> u64 {
    if inputs.get(WAS_THERE).and_then(Expr::as_bool) == Some(true) {
        return 0;
    }
    let origin = inputs.get("origin").and_then(Expr::as_str).and_then(Origin::parse);
    match (action, origin) {
        (Action::Delete, _) | (_, None) => 0,
        (_, Some(Origin::Context)) => 120,
        (_, Some(Origin::Archive | Origin::Files | Origin::Copy)) => 15,
    }
}

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let Some(origin) = made::origin(lower) else { return Inputs::new() };
    match (
        origin,
        lower.fields.contains_key("repository") || lower.fields.contains_key("repository_uri"),
    ) {
        (Origin::Copy, false) => {
            let Some(source) = lower.take("source") else { return Inputs::new() };
            lookup::lower(lower, source)
        }
        _ => made::lower(lower, origin),
    }
}
