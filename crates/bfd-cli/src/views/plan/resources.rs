//! What an update of a stack changes within it, resource by resource, and what of a new one has
//! to be looked at.

use super::{
    block::{Block, Line, compare, words},
    readings::{self, is_reading},
};
use crate::views::value::{comparable, visible};
use bfd_core::{
    Inputs, Value,
    plan::{Action, Change, FieldChange, Op, Plan},
};
use bfd_template::{
    Effect, HIDDEN, PropertyDiff, Replaces, ResourceDiff, SectionDiff, TemplateDiff, Through,
    Weight, text,
};
use std::borrow::Cow;

/// What changes within a stack; nothing where its template and parameters stay, or cannot be
/// compared.
pub(crate) fn within(plan: &Plan, change: &Change) -> Option<TemplateDiff> {
    let concerns = |field: &FieldChange| is_template(field) || field.path.starts_with("parameters");
    if change.kind.as_str() != "stack" || !change.fields.iter().any(concerns) {
        return None;
    }
    let step = plan.steps.iter().find_map(|step| match &step.op {
        Op::Update { prior, inputs, .. } | Op::Adopt { prior, inputs, .. }
            if step.address == change.address =>
        {
            Some((prior, inputs))
        }
        _ => None,
    });
    let (prior, inputs): (_, &Inputs) = step?;
    let difference = bfd_kinds::stack::difference(&prior.inputs, inputs)?;
    (!difference.is_empty()).then_some(difference)
}

/// What of a new stack says who may do or reach what; nothing where none of it does.
pub(crate) fn grave_of_new(plan: &Plan, change: &Change) -> Option<TemplateDiff> {
    if change.kind.as_str() != "stack" || change.action != Action::Create {
        return None;
    }
    let inputs = plan.steps.iter().find_map(|step| match &step.op {
        Op::Create { inputs, .. } if step.address == change.address => Some(inputs),
        _ => None,
    });
    let difference = bfd_kinds::stack::grave_of_new(inputs?)?;
    (!difference.is_empty()).then_some(difference)
}

/// How much of that there is: `2 with permissions, 1 with network access`.
pub(crate) fn graves(difference: &TemplateDiff) -> String {
    let of = |weight: Weight, what: &str| {
        let all = difference.resources.iter();
        let number = all.filter(|resource| resource.weight == weight).count();
        (number > 0).then(|| format!("{number} with {what}"))
    };
    let parts = [of(Weight::Iam, "permissions"), of(Weight::Network, "network access")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The fields beside a template whose resources are shown, and beside what is read from
/// Parameter Store.
pub(crate) fn other_fields<'a>(
    change: &'a Change,
    within: Option<&TemplateDiff>,
) -> Cow<'a, [FieldChange]> {
    if within.is_none() {
        if change.fields.iter().any(is_reading) {
            return Cow::Owned(readings::others(&change.fields));
        }
        return Cow::Borrowed(&change.fields);
    }
    let is_listed = |field: &FieldChange| {
        is_template(field)
            || is_asset(field)
            || is_reading(field)
            || field.path.starts_with("nested.")
    };
    let others = change.fields.iter().filter(|field| !is_listed(field));
    Cow::Owned(others.cloned().chain(published(change)).collect())
}

fn is_asset(field: &FieldChange) -> bool {
    field.path.starts_with("assets.")
}

/// What is put into buckets that was not before: the path of each. What was there stays there.
fn published(change: &Change) -> impl Iterator<Item = FieldChange> + '_ {
    let added = |field: &&FieldChange| {
        let last = field.path.rsplit('.').next();
        is_asset(field) && last == Some("path") && field.after.is_some()
    };
    change.fields.iter().filter(added).map(|field| {
        let name = field.path.split('.').nth(1).unwrap_or_default();
        let short: String = name.chars().take(12).collect();
        FieldChange { path: format!("publishes.{short}"), before: None, ..field.clone() }
    })
}

fn is_template(field: &FieldChange) -> bool {
    field.path == "template"
}

/// How many resources, in words: `2 changed, 1 replaced, 1 deleted`.
pub(crate) fn counts(difference: &TemplateDiff) -> String {
    let count = |is: &dyn Fn(&ResourceDiff) -> bool, says: &str| {
        let number = difference.resources.iter().filter(|resource| is(resource)).count();
        (number > 0).then(|| format!("{number} {says}"))
    };
    let does = |effect: Effect| move |resource: &ResourceDiff| resource.effect == effect;
    let deleted = |kept: bool| {
        move |resource: &ResourceDiff| resource.effect == Effect::Delete && resource.kept == kept
    };
    let parts = [
        count(&does(Effect::Create), "added"),
        count(&does(Effect::Update), "changed"),
        count(&does(Effect::MayReplace), "perhaps replaced"),
        count(&does(Effect::Replacement), "replaced"),
        count(&deleted(false), "deleted"),
        count(&deleted(true), "let go"),
        count(&does(Effect::None), "not touched"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no resource changes".to_owned() } else { parts.join(", ") }
}

/// Whether a change deserves to stand out.
pub(crate) fn is_grave(resource: &ResourceDiff) -> bool {
    resource.weight != Weight::Other
}

/// What happens to a resource, and what that is about.
pub(crate) fn says(resource: &ResourceDiff) -> String {
    let stateful = resource.is_stateful();
    let effect = match resource.effect {
        Effect::Create | Effect::Update => "",
        Effect::None if resource.metadata_only => "metadata only, the object stays as it is",
        Effect::None => "the object stays as it is",
        Effect::MayReplace if stateful => "may be replaced by an empty one",
        Effect::MayReplace => "may be replaced",
        Effect::Replacement if stateful => "replaced by an empty one",
        Effect::Replacement => "replaced",
        Effect::Delete if resource.kept => "leaves the stack and is kept",
        Effect::Delete if stateful => "deleted, with what is stored in it",
        Effect::Delete => "deleted",
    };
    let about = match resource.weight {
        Weight::Iam => "permissions",
        Weight::Network => "network access",
        _ => "",
    };
    let parts: Vec<&str> = [effect, about].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// One changed part of a resource or of the rest of the template.
pub(crate) struct Part {
    pub(crate) label: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// By what an expression that stays as it is changes; then it is `after`.
    pub(crate) through: Vec<String>,
    /// Line by line, for values that are too long to stand beside each other.
    pub(crate) block: Block,
    /// What it does, where that is something.
    pub(crate) says: &'static str,
    pub(crate) forces: bool,
}

pub(crate) fn property(property: &PropertyDiff, becomes: &str) -> Part {
    let says = match property.replaces {
        Replaces::Always => "forces replacement",
        Replaces::Maybe => "may force replacement",
        Replaces::No if property.same_value => "comes to the same value",
        Replaces::No => "",
    };
    let sides = (property.before.as_ref(), property.after.as_ref());
    let part = part(&property.path.to_string(), sides, &property.through, becomes);
    Part { says, forces: property.replaces == Replaces::Always, ..part }
}

pub(crate) fn section(section: &SectionDiff, becomes: &str) -> Part {
    let sides = (section.before.as_ref(), section.after.as_ref());
    part(&section.path.to_string(), sides, &section.through, becomes)
}

fn part(
    label: &str,
    (before, after): (Option<&Value>, Option<&Value>),
    through: &[Through],
    becomes: &str,
) -> Part {
    let shown = |value: Option<&Value>| value.map(|value| visible(&text(value)).into_owned());
    let lines = |value: Option<&Value>| match value {
        None => String::new(),
        Some(Value::String(text)) => format!("{text}\n"),
        Some(value) => comparable(value),
    };
    let block = match (before, after) {
        _ if !through.is_empty() => Block::default(),
        (before, after) if is_long(before) || is_long(after) => {
            compare(&lines(before), &lines(after))
        }
        (Some(before), Some(after)) => {
            let (before, after) = words(&text(before), &text(after));
            block([Line::Removed(before), Line::Added(after)])
        }
        (before, after) => {
            let whole = |value: &Value| vec![(false, text(value))];
            let before = before.map(|value| Line::Removed(whole(value)));
            block(before.into_iter().chain(after.map(|value| Line::Added(whole(value)))))
        }
    };
    Part {
        label: visible(label).into_owned(),
        before: shown(before),
        after: shown(after),
        through: through.iter().map(|one| self::through(one, becomes)).collect(),
        block,
        says: "",
        forces: false,
    }
}

/// Whether a value takes lines of its own: a text of several, a list, or a map that is no call.
fn is_long(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => text.contains('\n'),
        Some(value @ (Value::Array(_) | Value::Object(_))) => !text(value).starts_with('!'),
        _ => false,
    }
}

fn block(lines: impl IntoIterator<Item = Line>) -> Block {
    Block { lines: lines.into_iter().collect(), ..Block::default() }
}

fn through(through: &Through, becomes: &str) -> String {
    let said = match through {
        Through::Parameter { name, before, after } => {
            let value = |side: &Option<String>| match side {
                Some(value) => text(&Value::from(value.as_str())),
                None => "(known after apply)".to_owned(),
            };
            if before.as_deref() == Some(HIDDEN) && after.as_deref() == Some(HIDDEN) {
                format!("parameter {name} (secret changes)")
            } else if before.is_none() && after.is_none() {
                format!("parameter {name} (known after apply)")
            } else {
                format!("parameter {name} ({} {becomes} {})", value(before), value(after))
            }
        }
        Through::Mapping { name } => format!("mapping {name}"),
        Through::Condition { name } => format!("condition {name}"),
        Through::Resource { name } => format!("another {name}"),
        Through::Output { name } => format!("output {name}"),
    };
    visible(&said).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bfd_template::{Difference, Template};

    #[test]
    fn every_resource_is_counted_once() {
        let parse = |text| Template::parse(text).expect("a template");
        let old = parse(
            "Resources:\n  A: {Type: AWS::SNS::Topic}\n  B: {Type: AWS::SNS::Topic, DeletionPolicy: Retain}\n  \
             C: {Type: AWS::SQS::Queue, Properties: {QueueName: a}}\n  D: {Type: AWS::SQS::Queue}\n  \
             E: {Type: AWS::SQS::Queue}\n",
        );
        let new = parse(
            "Resources:\n  C: {Type: AWS::SQS::Queue, Properties: {QueueName: b}}\n  \
             D: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}\n  \
             E: {Type: AWS::SQS::Queue, Metadata: {a: b}}\n  F: {Type: AWS::SNS::Topic}\n",
        );
        let none = std::collections::BTreeMap::new();
        let difference = Difference::between(&old, &new, &none, &none);

        assert_eq!(
            counts(&difference),
            "1 added, 1 changed, 1 replaced, 1 deleted, 1 let go, 1 not touched"
        );
    }
}
