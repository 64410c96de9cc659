//! What stays when a stack is deleted: `retain`.

use crate::spec::Lower;
use bfd_core::{Expr, Properties, Value};
use bfd_template::Template;
use std::collections::BTreeSet;

/// The canonical field: `true`, or the logical ids of resources.
pub const RETAIN: &str = "retain";

/// What a recorded stack leaves behind when it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retain {
    Nothing,
    /// These resources, by logical id.
    Resources(BTreeSet<String>),
    /// Itself: it is forgotten, and stays as it is.
    Stack,
}

impl Retain {
    pub fn of(inputs: &Properties) -> Self {
        match inputs.get(RETAIN) {
            Some(Value::Bool(true)) => Self::Stack,
            Some(Value::Array(all)) if !all.is_empty() => {
                Self::Resources(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => Self::Nothing,
        }
    }
}

/// Takes the field, with its list in order; what no template has is told.
pub(super) fn lower(lower: &mut Lower<'_>, template: Option<&Template>) -> Option<Expr> {
    match lower.take(RETAIN)? {
        Expr::List(all) => {
            let names: BTreeSet<String> =
                all.iter().filter_map(Expr::as_str).map(str::to_owned).collect();
            let declared = template.filter(|template| !template.is_open());
            let unknown: Vec<&String> = names
                .iter()
                .filter(|name| declared.is_some_and(|it| it.resource(name).is_none()))
                .collect();
            for name in unknown {
                lower.error(
                    RETAIN,
                    "stack::retain",
                    "unknown resource of a template",
                    format!("the template declares no resource `{name}`"),
                    "name its logical id, as below `Resources` in the template",
                );
            }
            Some(Expr::List(names.iter().map(|name| Expr::from(name.as_str())).collect()))
        }
        Expr::Literal(Value::Bool(true)) => Some(Expr::Literal(true.into())),
        _ => None,
    }
}

/// What a plan says of a stack that goes.
pub(super) fn kept(inputs: &Properties) -> Vec<String> {
    match Retain::of(inputs) {
        Retain::Nothing => Vec::new(),
        Retain::Stack => vec!["is forgotten by bfd and stays in AWS as it is".to_owned()],
        Retain::Resources(names) => {
            let template = inputs.get("template").and_then(Value::as_str).map(Template::parse);
            let template = template.and_then(Result::ok);
            let told = |name: &String| {
                let kind = template.as_ref().and_then(|template| template.resource_type(name));
                let kind = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
                format!("`{name}`{kind} leaves the stack and is kept")
            };
            names.iter().map(told).collect()
        }
    }
}

/// Why resources cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unkept {
    Unreadable,
    /// The template declares no such resources.
    Unknown(Vec<String>),
}

/// The template with which the given resources outlive their stack; nothing where they do so
/// with the one that is there.
pub fn keeping(template: &str, wanted: &BTreeSet<String>) -> Result<Option<String>, Unkept> {
    let template = Template::parse(template).map_err(|_| Unkept::Unreadable)?;
    let unknown: Vec<String> =
        wanted.iter().filter(|name| template.resource(name).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Unkept::Unknown(unknown));
    }
    let are_kept = wanted.iter().all(|name| template.is_retained(name));
    Ok((!are_kept).then(|| template.retaining(wanted)))
}

/// Whether anything of a stack outlives it by its own template.
pub fn outlives(template: &str) -> bool {
    Template::parse(template).is_ok_and(|template| !template.outliving().is_empty())
}

/// The template with which a stack takes along what it made and an earlier template of it did not
/// have; nothing where that goes with the one that is there. `earlier` is none for a stack that
/// goes as a whole.
pub fn releasing(template: &str, earlier: Option<&str>) -> Option<String> {
    let template = Template::parse(template).ok()?;
    let earlier = earlier.map(Template::parse);
    let mut made = template.outliving();
    if let Some(earlier) = earlier {
        let earlier = earlier.ok()?;
        made.retain(|logical| earlier.resource(logical).is_none());
    }
    (!made.is_empty()).then(|| template.releasing(&made))
}
