use super::{
    order::restarts_tasks,
    preview,
    resources::{grave_of_new, within},
};
use crate::views::value::{SECRET, is_absent, redacted};
use bfd_core::{
    Value,
    plan::{Change, Drift, FieldChange, Plan, StackDrift, Step, Warning},
};
use bfd_template::{Effect, PropertyDiff, Replaces, ResourceDiff, SectionDiff};
use serde_json::json;

/// The plan as a contract for programs, described by [`super::schema()`].
///
/// Secrets are not in it, not even as digests: a `sensitive` field says that
/// there is one, and that it changes.
pub fn json(plan: &Plan) -> Value {
    let mut told = json!({
        "format_version": plan.format_version,
        "environment": plan.environment.name,
        "account": plan.environment.account,
        "region": plan.environment.region,
        "endpoint": plan.endpoint,
        "base": { "lineage": plan.base.lineage, "serial": plan.base.serial },
        "summary": plan.summary(),
        "changes": plan.changes.iter().map(|of| change(plan, of)).collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "drift": plan.drift.iter().map(drift).collect::<Vec<_>>(),
        "warnings": plan.warnings.iter().map(warning).collect::<Vec<_>>(),
        "rollback": plan.rollback,
    });
    if let Some(run) = &plan.back_to {
        told["back_to"] = run.clone().into();
    }
    if !plan.stack_drift.is_empty() {
        told["stack_drift"] = plan.stack_drift.iter().map(stack_drift).collect();
    }
    told
}

fn change(plan: &Plan, change: &Change) -> Value {
    let mut told = json!({
        "address": change.address,
        "kind": change.kind,
        "action": change.action,
        "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
        "restarts_tasks": restarts_tasks(change),
        "undo": change.undo,
        "notes": change.notes,
    });
    if change.loses_data {
        told["loses_data"] = true.into();
    }
    if let Some(within) = within(plan, change).or_else(|| grave_of_new(plan, change)) {
        told["resources"] = within.resources.iter().map(resource).collect();
        told["sections"] = within.sections.iter().map(section).collect();
    }
    if let Some(preview) = preview::of(plan, change) {
        told["change_set"] = json!(preview.resources);
    }
    told
}

fn resource(resource: &ResourceDiff) -> Value {
    json!({
        "logical_id": resource.logical,
        "type": resource.type_name,
        "action": match resource.effect {
            Effect::Create => "create",
            Effect::Delete => "delete",
            Effect::Update => "update",
            Effect::Replacement | Effect::MayReplace => "replace",
            Effect::None => "none",
        },
        "replacement": match resource.effect {
            Effect::Replacement => "always",
            Effect::MayReplace => "maybe",
            _ => "no",
        },
        "weight": resource.weight,
        "metadata_only": resource.metadata_only,
        "kept": resource.kept,
        "properties": resource.properties.iter().map(property).collect::<Vec<_>>(),
    })
}

fn property(property: &PropertyDiff) -> Value {
    json!({
        "path": property.path,
        "before": property.before,
        "after": property.after,
        "same_value": property.same_value,
        "through": property.through,
        "replacement": match property.replaces {
            Replaces::No => "no",
            Replaces::Maybe => "maybe",
            Replaces::Always => "always",
        },
    })
}

fn section(section: &SectionDiff) -> Value {
    json!({
        "path": section.path,
        "before": section.before,
        "after": section.after,
        "through": section.through,
    })
}

fn field(field: &FieldChange) -> Value {
    let side = |value: Option<&Value>| match value {
        None => Value::Null,
        Some(value) if is_absent(value) => Value::Null,
        Some(_) if field.sensitive => Value::from(SECRET),
        Some(value) => redacted(value),
    };
    json!({
        "path": field.path,
        "before": side(field.before.as_ref()),
        "after": if field.known { side(field.after.as_ref()) } else { Value::Null },
        "sensitive": field.sensitive,
        "known": field.known,
        "effect": field.effect,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "id": step.id,
        "address": step.address,
        "op": step.op.verb(),
        "phase": step.phase,
        "after": step.after,
    })
}

fn drift(drift: &Drift) -> Value {
    json!({
        "address": drift.address,
        "gone": drift.gone,
        "fields": drift.fields.iter().map(field).collect::<Vec<_>>(),
    })
}

fn stack_drift(stack: &StackDrift) -> Value {
    json!({
        "address": stack.address,
        "in_sync": stack.in_sync,
        "not_checked": stack.not_checked,
        "resources": stack.resources.iter().map(|resource| json!({
            "logical_id": resource.logical_id,
            "type": resource.type_name,
            "deleted": resource.deleted,
            "fields": resource.fields.iter().map(field).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn warning(warning: &Warning) -> Value {
    json!({
        "address": warning.address,
        "message": warning.message,
        "help": warning.help,
    })
}
