//! What a stack needs in a bucket before it is made, and who may put it there.

use super::{ASSETS, DEPLOY_ROLE, NESTED, sides::Side};
use crate::{
    patterns::{PATH, RESOURCE_NAME},
    spec::{Field, Lower, Type},
};
use bfd_core::{Expr, Inputs, Properties, Value};
use bfd_template::{Context, Template, is_kept_at};
use std::collections::BTreeMap;

const ROLE: &[Field] = &[
    Field::new("arn", Type::Text, "The role's ARN.").required(),
    Field::new("external_id", Type::Text, "What its trust policy asks for as `sts:ExternalId`."),
];

/// A role by its ARN alone, or with what goes along.
pub(crate) const ROLE_TYPE: Type = Type::Either(&Type::Text, &Type::Table(ROLE));

pub(super) const ASSET: &[Field] = &[
    Field::new("path", Type::Path, "The file, or the directory to archive.").required(),
    Field::new(
        "packaging",
        Type::OneOf(&["file", "zip"]),
        "`file` puts the file as it is; `zip` archives the directory, the same files always to the same bytes.",
    )
    .default("\"file\""),
    Field::new("bucket", Type::Name { min: 3, max: 63, pattern: PATH }, "The bucket.").required(),
    Field::new(
        "key",
        Type::Name { min: 1, max: 1024, pattern: PATH },
        "The key. One that is there is not written again, so it has to change with the content.",
    )
    .required(),
    Field::new(
        "region",
        Type::Name { min: 1, max: 32, pattern: RESOURCE_NAME },
        "The bucket's region; without it, that of the environment.",
    ),
    Field::new("role", ROLE_TYPE, "The role to put it with; where it may not be assumed, with the credentials of whoever runs bfd."),
    Field::new(
        "template",
        Type::Bool,
        "Whether it is the template itself: one that is too large for a request is read from there.",
    )
    .default("false"),
];

/// Takes the fields over. A role is a table, and what has a default is written out.
pub(super) fn lower(lower: &mut Lower<'_>, inputs: &mut Inputs) {
    if let Some(role) = lower.take(DEPLOY_ROLE) {
        inputs.insert(DEPLOY_ROLE.to_owned(), as_table(role));
    }
    let Some(Expr::Map(assets)) = lower.take(ASSETS) else { return };
    let whole = |asset: Expr| {
        let Expr::Map(mut asset) = asset else { return asset };
        if let Some(role) = asset.remove("role") {
            asset.insert("role".to_owned(), as_table(role));
        }
        asset.entry("packaging".to_owned()).or_insert_with(|| "file".into());
        // Absent and false are one.
        if asset.get("template").and_then(Expr::as_bool) == Some(false) {
            asset.remove("template");
        }
        Expr::Map(asset)
    };
    let assets: BTreeMap<String, Expr> =
        assets.into_iter().map(|(name, asset)| (name, whole(asset))).collect();
    inputs.insert(ASSETS.to_owned(), Expr::Map(assets));
}

pub(crate) fn as_table(role: Expr) -> Expr {
    match role {
        Expr::Map(role) => Expr::Map(role),
        arn => Expr::Map(BTreeMap::from([("arn".to_owned(), arn)])),
    }
}

/// The template is in a bucket, whatever its size.
pub fn has_template_asset(inputs: &Inputs) -> bool {
    let assets = inputs.get(ASSETS).and_then(Expr::as_map);
    let is_template = |asset: &Expr| {
        asset.as_map().and_then(|it| it.get("template")).and_then(Expr::as_bool) == Some(true)
    };
    assets.into_iter().flatten().any(|(_, asset)| is_template(asset))
}

/// What goes along with the template: without a change of that, nothing of it is sent.
pub(super) fn keep(desired: &mut Inputs, present: &Properties) {
    for field in [ASSETS, NESTED] {
        match present.get(field).filter(|it| !it.is_null()) {
            Some(there) => {
                desired.insert(field.to_owned(), Expr::from(Value::clone(there)));
            }
            None => {
                desired.remove(field);
            }
        }
    }
}

/// Which of the files that a stack publishes are templates of stacks within it, or within those:
/// the text of each, by its key. `read` tells the text of a path, where it can.
pub fn nested(
    inputs: &Inputs,
    mut read: impl FnMut(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(side) = Side::desired(inputs) else { return found };
    let assets: Vec<(&str, &str)> = inputs
        .get(ASSETS)
        .and_then(Expr::as_map)
        .into_iter()
        .flatten()
        .filter_map(|(_, asset)| {
            let text = |name: &str| asset.as_map()?.get(name)?.as_str();
            (text("packaging") == Some("file")).then_some((text("key")?, text("path")?))
        })
        .collect();
    let urls = |template: &Template, context: &Context| template.template_urls(context);
    let mut waiting: Vec<String> = urls(&side.template, &side.context).into_values().collect();
    while let Some(url) = waiting.pop() {
        let Some((key, path)) = assets.iter().find(|(key, _)| is_kept_at(&url, key)) else {
            continue;
        };
        if found.contains_key(*key) {
            continue;
        }
        let Some(text) = read(path) else { continue };
        if let Ok(template) = Template::parse(&text) {
            waiting.extend(urls(&template, &Context::default()).into_values());
        }
        found.insert((*key).to_owned(), text);
    }
    found
}
