//! Services and stacks as they are, for programs. The fields are documented in
//! `docs/commands.md` and stay as they are.

use super::{stack_status::Condition, status::Rollout, value::redacted};
use bfd_aws::{ServiceStatus, StackStatus};
use bfd_core::{Address, Environment, Value};
use serde_json::json;
use std::collections::BTreeMap;

/// Of the documents made here.
const FORMAT_VERSION: u32 = 1;

/// What is there to be told.
#[derive(Debug)]
pub struct Statuses<'a> {
    pub environment: &'a Environment,
    pub services: &'a [(ServiceStatus, Rollout)],
    pub stacks: &'a [(StackStatus, Condition)],
    /// Images that are not there yet, and what runs in place of each.
    pub stand_ins: &'a BTreeMap<&'a Address, Option<String>>,
}

/// The document.
pub fn json(all: &Statuses<'_>) -> String {
    let document = json!({
        "format_version": FORMAT_VERSION,
        "environment": all.environment,
        "services": all.services.iter().map(|(it, rollout)| service(it, rollout)).collect::<Vec<_>>(),
        "stacks": all.stacks.iter().map(|(it, condition)| stack(it, condition)).collect::<Vec<_>>(),
        "stand_ins": all.stand_ins.iter().map(|(address, image)| {
            json!({ "address": address, "image": image })
        }).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&redacted(&document));
    text.expect("a status is plain data") + "\n"
}

fn service(it: &ServiceStatus, rollout: &Rollout) -> Value {
    let condition = match rollout {
        Rollout::Proven(_) => "good",
        Rollout::UnderWay(_) => "under_way",
        Rollout::Failed(_) => "bad",
        Rollout::Missing => "missing",
    };
    let images: BTreeMap<&String, Value> = it
        .images
        .iter()
        .map(|(container, image)| {
            let digest = it.image_digests.get(container);
            (container, json!({ "image": image, "digest": digest }))
        })
        .collect();
    json!({
        "address": it.address,
        "cluster": it.cluster,
        "name": it.name,
        "condition": condition,
        "desired": it.desired,
        "running": it.running,
        "pending": it.pending,
        "rollout": it.rollout,
        "rollout_reason": it.rollout_reason,
        "since": it.since,
        "task_definition": Some(&it.task_definition).filter(|name| !name.is_empty()),
        "images": images,
        "events": it.events,
        "stopped": it.stopped,
    })
}

fn stack(it: &StackStatus, condition: &Condition) -> Value {
    let condition = match condition {
        Condition::Good(_) => "good",
        Condition::UnderWay(_) => "under_way",
        Condition::Bad(_) => "bad",
        Condition::Missing => "missing",
    };
    json!({
        "address": it.address,
        "name": it.name,
        "condition": condition,
        "status": Some(&it.status).filter(|status| !status.is_empty()),
        "since": it.since,
        "reasons": it.reasons,
    })
}
